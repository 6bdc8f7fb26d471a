"""Answers: their shape, their status, and that they say nothing of the patient."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome

from pfi.engine.conclusion import acknowledgment, conclude
from pfi.model.clock import system_clock
from pfi.model.finding import Finding, Severity
from pfi.routing.rules import RuleBook, default_rule_paths, load_rules
from pfi.standards.fhir.answer import COME_AGAIN, status_of, write_refusal
from pfi.standards.fhir.capability import write_capability
from pfi.standards.fhir.outline import NO_OUTLINE, Outline
from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import Kind
from tests.unit.fhir.lots import Json, lot, read, resource


@cache
def rules() -> RuleBook:
    return load_rules(default_rule_paths())


def answer_to(content: Json | bytes) -> tuple[int, Json]:
    now = system_clock()
    interpretation = read(content)
    conclusion = conclude(interpretation, None, rules(), now)
    answer = acknowledgment(interpretation, conclusion, control_id="X", now=now)
    assert answer is not None
    return status_of(answer), json.loads(answer)


def test_an_accepted_lot_is_answered_entry_by_entry() -> None:
    content = lot()
    status, answer = answer_to(content)
    Bundle.model_validate(answer)
    assert status == 200
    assert answer["type"] == "transaction-response"
    assert [each["response"]["status"] for each in answer["entry"]] == ["201 Created"] * 3
    assert [each["response"]["location"] for each in answer["entry"]] == [
        f"{entry['resource']['resourceType']}/{entry['fullUrl'].removeprefix('urn:uuid:')}/_history/1"
        for entry in content["entry"]
    ]
    told = answer["entry"][0]["response"]["outcome"]["issue"]
    assert [each["details"]["coding"][0]["code"] for each in told[:3]] == ["DMP_SEND", "PRO_SEND", "CIT_SEND"]


def test_entries_without_a_usable_url_have_locations_that_do_not_change() -> None:
    content = lot()
    content["entry"][0].pop("fullUrl")
    locations = [answer_to(content)[1]["entry"][0]["response"]["location"] for _ in range(2)]
    assert locations[0] == locations[1]
    assert locations[0].startswith("List/")


@pytest.mark.parametrize(
    ("finding", "status"),
    [
        (COME_AGAIN, 503),
        (Finding("INTERNAL_ERROR", Severity.ERROR, "", "x"), 500),
        (Finding("UNKNOWN_SENDER", Severity.ERROR, "", "x", err3="207"), 403),
        (Finding("CONTROL_ID_REUSED", Severity.ERROR, "", "x", err3="207"), 409),
        (Finding("JSON_UNREADABLE", Severity.ERROR, "", "x", err3="102"), 400),
        (Finding("CONTENT_MISSING", Severity.ERROR, "", "x", err3="101"), 422),
        (Finding("INS_MISMATCH", Severity.ERROR, "", "x", err3="207", err5="904"), 422),
    ],
    ids=lambda value: value.code if isinstance(value, Finding) else "",
)
def test_the_status_follows_from_the_outcome(finding: Finding, status: int) -> None:
    remark = Finding("REMARK", Severity.WARNING, "", "y")
    content = write_refusal((remark, finding), NO_OUTLINE)
    OperationOutcome.model_validate_json(content)
    assert status_of(content) == status


def test_a_refusal_names_the_element_and_says_nothing_of_the_patient() -> None:
    content = lot()
    resource(content, 1)["contained"][0]["gender"] = "male"
    status, answer = answer_to(content)
    assert status == 422
    OperationOutcome.model_validate(answer)
    issue = answer["issue"][0]
    assert issue["details"]["coding"][0]["code"] == "SEX_MISMATCH"
    assert issue["expression"] == ["Bundle.entry[1].resource.contained[0].gender"]
    text = json.dumps(answer, ensure_ascii=False)
    for secret in (world.DOMINIQUE.matricule, world.DOMINIQUE.family, world.DOMINIQUE.birth_date):
        assert secret not in text


def test_a_place_in_the_document_is_told_beside_the_sentence() -> None:
    outline = Outline(places={"OBX^1^5": "Bundle.entry[2].resource.data"})
    finding = Finding("X", Severity.ERROR, "recordTarget/patientRole/id", "Sans INS.")
    issue = json.loads(write_refusal((finding,), outline))["issue"][0]
    assert issue["expression"] == ["Bundle.entry[2].resource.data"]
    assert issue["diagnostics"] == "Sans INS. [recordTarget/patientRole/id]"


def test_the_capability_statement_says_what_is_taken() -> None:
    statement = CapabilityStatement.model_validate_json(write_capability("1.0"))
    assert statement.fhirVersion == "4.0.1"
    assert json.loads(write_capability(""))["rest"][0]["interaction"][0]["code"] == "transaction"


def leaves(content: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every value of a lot, but for the bytes of documents."""
    if isinstance(content, dict | list):
        steps = content.items() if isinstance(content, dict) else enumerate(content)
        for step, each in steps:
            yield from leaves(each, (*path, step))
    elif path[-1] != "data":
        yield path


def with_patch() -> Json:
    """A replacement with the update of the replaced entry, which MHD adds."""
    request = discharge("REMPLACE")
    document = replace(request.documents[0], version=2, replaces_version=1)
    content = lot(request.but(documents=(document,), kind=Kind.REPLACE))
    update = {"resourceType": "Parameters", "parameter": [{"name": "operation"}]}
    how = {"method": "PATCH", "url": "DocumentReference/1"}
    content["entry"].append({"fullUrl": "urn:uuid:1", "resource": update, "request": how})
    return content


@pytest.mark.parametrize("written", ["Patient?identifier=SECRET-TRAIT", ["SECRET-TRAIT"]])
def test_no_answer_repeats_what_the_sender_wrote(written: object) -> None:
    """Wherever a trait is, in its place or not, and whatever becomes of the lot."""
    sound = with_patch()
    assert answer_to(sound)[0] == 200
    repeated = []
    for path in leaves(sound):
        content = json.loads(json.dumps(sound))
        holder = content
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = written
        if "SECRET-TRAIT" in json.dumps(answer_to(content)[1]):
            repeated.append(path)
    assert repeated == []


@pytest.mark.parametrize(
    ("url", "location"), [("DocumentReference/1", "DocumentReference/1"), ("DocumentReference?subject=1", None)]
)
def test_an_update_by_search_has_no_location(url: str, location: str | None) -> None:
    content = with_patch()
    content["entry"][3]["request"]["url"] = url
    status, answer = answer_to(content)
    assert status == 200
    Bundle.model_validate(answer)
    assert answer["entry"][3]["response"].get("location") == location
