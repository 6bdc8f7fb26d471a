"""A request is judged on its line and headers, before its body."""

import pytest

from connectors.fhir.refusals import Refusal
from connectors.fhir.requests import Ask, Head, judge

JSON = ("content-type", "application/fhir+json")


def status(method: str, target: str, *headers: tuple[str, str]) -> int | Ask:
    judged = judge(Head(method, target, headers), "/fhir", 1000)
    return judged.status if isinstance(judged, Refusal) else judged


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        ("POST", "/fhir", [JSON], Ask.TAKE_LOT),
        ("POST", "/fhir/", [JSON], Ask.TAKE_LOT),
        ("POST", "/fhir?_format=json", [JSON], Ask.TAKE_LOT),
        ("POST", "/fhir", [("content-type", "application/json; charset=UTF-8")], Ask.TAKE_LOT),
        ("POST", "/fhir", [("content-type", "application/fhir+json; fhirVersion=4.0")], Ask.TAKE_LOT),
        ("POST", "/fhir", [JSON, ("content-encoding", "identity")], Ask.TAKE_LOT),
        ("POST", "/fhir", [JSON, ("accept", "text/html, application/fhir+json;q=0.5")], Ask.TAKE_LOT),
        ("POST", "/fhir", [JSON, ("content-length", "1000")], Ask.TAKE_LOT),
        ("POST", "/fhir", [JSON, ("content-length", "1001")], 413),
        ("POST", "/fhir", [], 415),
        ("POST", "/fhir", [JSON, JSON], 415),
        ("POST", "/fhir", [("content-type", "application/fhir+xml")], 415),
        ("POST", "/fhir", [("content-type", "application/fhir+json; charset=iso-8859-1")], 415),
        ("POST", "/fhir", [("content-type", "application/fhir+json; fhirVersion=5.0")], 415),
        ("POST", "/fhir", [JSON, ("content-encoding", "gzip")], 415),
        ("POST", "/fhir", [JSON, ("content-encoding", "identity, br")], 415),
        ("POST", "/fhir", [JSON, ("accept", "application/fhir+xml")], 406),
        ("POST", "/fhir", [JSON, ("accept", "application/fhir+json;q=0")], 406),
        ("PUT", "/fhir", [JSON], 405),
        ("GET", "/fhir", [], 405),
        ("GET", "/fhir/metadata", [], Ask.CAPABILITY),
        ("GET", "/fhir/metadata", [("accept", "application/fhir+xml")], 406),
        ("POST", "/fhir/metadata", [JSON], 405),
        ("POST", "/fhir/DocumentReference", [JSON], 404),
        ("GET", "/", [], 404),
        ("GET", "/fhirx", [], 404),
    ],
)
def test_the_head_decides(method: str, target: str, headers: list[tuple[str, str]], expected: int | Ask) -> None:
    assert status(method, target, *headers) == expected


def test_no_header_is_kept_of_a_request_that_is_refused() -> None:
    head = Head("POST", "/fhir?x=" + "y" * 500, (("authorization", "Bearer secret"),))
    assert head.line.startswith(b"POST /fhir?x=")
    assert b"secret" not in head.line
    assert len(head.line) == 200
