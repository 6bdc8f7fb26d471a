"""Answers: their shape, their status, and that they say nothing of the patient."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome

from pfi.engine.interpretation import acknowledgment, conclude
from pfi.model.clock import system_clock
from pfi.model.finding import Finding, Severity
from pfi.routing.rules import default_rule_paths, load_rules
from pfi.standards.fhir.answer import COME_AGAIN, status_of, write_refusal
from pfi.standards.fhir.capability import write_capability
from pfi.standards.fhir.outline import NO_OUTLINE, Outline
from samples.generator import world
from tests.unit.fhir.lots import Json, lot, read, resource


def answer_to(content: Json | bytes) -> tuple[int, Json]:
    now = system_clock()
    interpretation = read(content)
    conclusion = conclude(interpretation, None, load_rules(default_rule_paths()), now)
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
