"""TD0.2 of the sandbox: what it answers, and what it refuses to read."""

import json
from pathlib import Path

import pytest

from connectors.sandbox.dmp.patients import DmpState, PatientDirectory
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import INS_OID, MATRICULE
from tests.integration.sandbox.dmp_assertion import Assertion
from tests.integration.sandbox.dmp_client import DmpClient
from tests.integration.sandbox.dmp_edits import Edit, drop, swap

V3 = {"h": "urn:hl7-org:v3", "env": "http://www.w3.org/2003/05/soap-envelope"}


@pytest.mark.parametrize(
    ("state", "response", "detail", "status"),
    [
        (DmpState.ACTIVE, "OK", "DMPFound", "active"),
        (DmpState.OPPOSED, "OK", "DMPFound", "active"),
        (DmpState.CLOSED, "OK", "DMPClosed", "terminated"),
        (DmpState.ABSENT, "NF", "", ""),
    ],
)
async def test_each_state_has_its_answer(
    state: DmpState, response: str, detail: str, status: str, dmp: DmpClient, sandbox: Sandbox
) -> None:
    sandbox.dmp.put_patient(MATRICULE, state)
    body = (await dmp.exists()).envelope.find("env:Body/h:PRPA_IN201308UV02", V3)
    assert body is not None
    found = body.find("h:acknowledgement/h:acknowledgementDetail/h:code", V3)
    patient = body.find(".//h:patient/h:statusCode", V3)
    kind = body.find("h:acknowledgement/h:typeCode", V3)
    answered = body.find("h:controlActProcess/h:queryAck/h:queryResponseCode", V3)
    assert kind is not None
    assert answered is not None
    assert (kind.get("code"), answered.get("code")) == ("AA", response)
    assert (found.get("code") if found is not None else "") == detail
    assert (patient.get("code") if patient is not None else "") == status


async def test_the_patient_asked_for_is_the_one_of_the_vihf(dmp: DmpClient) -> None:
    reply = await dmp.exists(edit=swap(MATRICULE, "277076322082910"))
    assert (reply.fault, "resource-id" in reply.reason) == ("InvalidSecurityToken", True)


WRONG: dict[str, Edit] = {
    "another interaction": swap('extension="PRPA_IN201307UV02"', 'extension="PRPA_IN201305UV02"'),
    "another reason": swap("TEST_EXST", "AUTRE"),
    "another receiver": swap("1.2.250.1.213.4.1.1.1", "1.2.3"),
    "no acceptAckCode": drop(r'<acceptAckCode code="AL"/>'),
    "no sender": drop(r"<sender .*</sender>"),
    "no creationTime": drop(r"<creationTime [^>]*/>"),
    "no id": drop(r'<id root="1.2.250.1.999.5" extension="1"/>'),
    "no queryId": drop(r"<queryId [^>]*/>"),
    "no semantics": drop(r"<semanticsText>.*</semanticsText>"),
    "not an INS": swap(INS_OID, "1.2.3"),
    "another root": lambda t: t.replace("PRPA_IN201307UV02 xmlns", "PRPA_IN201305UV02 xmlns").replace(
        "</PRPA_IN201307UV02>", "</PRPA_IN201305UV02>"
    ),
    "no ITSVersion": swap(' ITSVersion="XML_1.0"', ""),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_message_that_breaks_its_interaction_is_a_fault(name: str, dmp: DmpClient) -> None:
    reply = await dmp.exists(edit=WRONG[name])
    assert (reply.status, reply.fault) == (500, "Sender")


def test_patients_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "patients.json"
    path.write_text(json.dumps({"default": "active", "patients": {"1": "closed"}}))
    directory = PatientDirectory()
    directory.load(path)
    assert (directory.state("1"), directory.state("2")) == (DmpState.CLOSED, DmpState.ACTIVE)


@pytest.mark.parametrize("content", ["[]", "autre: 1", "default: ouvert", "patients: {1: mort}"])
def test_a_wrong_patient_file_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "patients.yaml"
    path.write_text(content)
    with pytest.raises(ValueError):  # noqa: PT011 - any reason
        PatientDirectory().load(path)


async def test_every_call_is_remembered_with_its_verdict(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.exists()
    await dmp.exists(Assertion(signed=False))
    assert [(call.transaction, call.verdict) for call in sandbox.dmp.calls] == [
        ("TD0.2", "active"),
        ("TD0.2", "FailedCheck"),
    ]
