"""Bytes that are no Bundle are refused with a reason, whatever they are."""

import json
import random
from typing import Any

import pytest

from pfi.engine.interpretation import Kind
from pfi.standards.fhir import parser
from pfi.standards.fhir.parser import UnreadableBundleError, is_json, parse_bundle
from tests.unit.fhir.lots import codes, lot, read, resource


def code_of(raw: bytes) -> str:
    with pytest.raises(UnreadableBundleError) as refused:
        parse_bundle(raw)
    return refused.value.findings[0].code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "JSON_UNREADABLE"),
        (b"{", "JSON_UNREADABLE"),
        (b"MSH|^~\\&|DPI|", "JSON_UNREADABLE"),
        (b"<Bundle xmlns='http://hl7.org/fhir'/>", "JSON_UNREADABLE"),
        (b"[]", "BUNDLE_EXPECTED"),
        (b'"Bundle"', "BUNDLE_EXPECTED"),
        (b"{}", "BUNDLE_EXPECTED"),
        (b'{"resourceType": "Patient"}', "BUNDLE_EXPECTED"),
        (b'{"resourceType": "Bundle", "type": "batch"}', "BUNDLE_TYPE"),
        (b'{"resourceType": "Bundle", "type": "transaction"}', "BUNDLE_EMPTY"),
        (b'{"resourceType": "Bundle", "type": "transaction", "entry": {}}', "BUNDLE_EMPTY"),
        ('{"resourceType": "Bundle", "type": "é"}'.encode("latin-1"), "JSON_NOT_UTF8"),
        ('{"resourceType": "Bundle"}'.encode("utf-16"), "JSON_NOT_UTF8"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "JSON_UNREADABLE"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "JSON_TOO_DEEP"),
        (b'{"a":[' + b"[]," * (parser.MAX_OBJECTS + 1) + b"[]]}", "JSON_TOO_MANY_ELEMENTS"),
        (b'{"a":[' + b"1," * (parser.MAX_VALUES + 1) + b"1]}", "JSON_TOO_MANY_ELEMENTS"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_bundle_says_why(raw: bytes, code: str) -> None:
    assert code_of(raw) == code


def test_a_bundle_without_end_is_refused() -> None:
    content = lot()
    content["entry"] += [content["entry"][0]] * parser.MAX_ENTRIES
    assert code_of(json.dumps(content).encode()) == "BUNDLE_TOO_LONG"


def test_only_an_object_begins_like_fhir() -> None:
    assert is_json(b' \n{"resourceType"')
    assert is_json(b"\xef\xbb\xbf{")
    assert not is_json(b"MSH|^~\\&|")
    assert not is_json(b"<ClinicalDocument/>")


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("content", None, "Bundle.entry[1].resource.content"),
        ("status", None, ""),
        ("inconnu", "x", "Bundle.entry[1].resource.inconnu"),
        ("date", "hier", "Bundle.entry[1].resource.date"),
        ("context", "x", "Bundle.entry[1].resource.context"),
    ],
)
def test_the_place_of_what_is_not_fhir_is_told(name: str, value: object, where: str) -> None:
    content = lot()
    reference = resource(content, 1)
    reference.pop(name, None)
    if value is not None:
        reference[name] = value
    interpretation = read(content)
    assert interpretation.submission is None
    if where:
        assert [(each.code, each.where) for each in interpretation.findings] == [("RESOURCE_INVALID", where)]


@pytest.mark.parametrize("kind", ["Inconnu", "", 5, None, ["List"], {"a": 1}, "../../etc"])
def test_a_resource_of_no_known_type_is_refused(kind: object) -> None:
    content = lot()
    resource(content, 1)["resourceType"] = kind
    interpretation = read(content)
    assert interpretation.kind is not Kind.REQUEST
    assert interpretation.submission is None


def test_names_of_elements_that_are_no_names_are_not_repeated() -> None:
    content = lot()
    resource(content, 1)["PAT-TROIS Dominique"] = "x"
    (finding,) = read(content).findings
    assert finding.where == "Bundle.entry[1].resource"
    assert "PAT" not in finding.text


def test_no_alteration_of_a_lot_makes_the_reader_fail() -> None:
    """Every value in turn is replaced by something else: the reading says something, and never raises."""
    values: list[Any] = [None, 0, -1.5, True, "", "#", "urn:uuid:", [], {}, [[]], [None], {"reference": "#patient"}]
    choice = random.Random(65)  # noqa: S311 - a repeatable choice
    sound = json.dumps(lot())
    for _ in range(150):
        content = json.loads(sound)
        holder: Any = content
        while True:
            keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = choice.choice(keys)
            child = holder[key]
            if isinstance(child, (dict, list)) and child and choice.random() < 0.85:
                holder = child
                continue
            holder[key] = choice.choice(values)
            break
        interpretation = read(content)
        assert interpretation.kind in (Kind.REQUEST, Kind.REFUSED, Kind.UNREADABLE)
        assert (interpretation.kind is Kind.REQUEST) is not any(
            finding.severity == "error" for finding in interpretation.findings
        )


def test_codes_are_stable() -> None:
    assert codes(read(b"{")) == {"JSON_UNREADABLE"}
