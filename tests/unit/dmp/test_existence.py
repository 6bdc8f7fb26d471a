"""TD0.2 (DMP digest §1.4)."""

from dataclasses import replace

import pytest
from lxml import etree

from connectors.dmp.existence import (
    Existence,
    ExistenceAnswer,
    existence_request,
    read_existence,
    told_as_blocked,
)
from connectors.dmp.transport import Reply
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.patient import Ins, Patient, Traits
from tests.unit.dmp.given import NOW, PATIENT, RESOURCE_ID, known_caller, settings, wire
from tests.unit.dmp.test_answers import MESSAGE, envelope
from tests.unit.dmp.test_soap import fault
from tests.unit.xds.documents import INS_OID, MATRICULE

H = "{urn:hl7-org:v3}"
INS = Ins(MATRICULE, INS_OID)


def answer(type_code: str, detail: str = "", patient: str = "") -> bytes:
    details = f'<acknowledgementDetail><code code="{detail}"/></acknowledgementDetail>' if detail else ""
    return envelope(
        f'<PRPA_IN201308UV02 xmlns="urn:hl7-org:v3"><acknowledgement><typeCode code="{type_code}"/>{details}'
        f"</acknowledgement><controlActProcess>{patient}</controlActProcess></PRPA_IN201308UV02>"
    )


def person(status: str = "active", family: str = "Pat Trois", birth: str = "19790328") -> str:
    return (
        f'<subject><patient><statusCode code="{status}"/><patientPerson><name><family>{family}</family></name>'
        f'<birthTime value="{birth}"/></patientPerson></patient></subject>'
    )


def read(content: bytes, patient: Patient = PATIENT) -> ExistenceAnswer | Outcome:
    return read_existence(Reply(200, "application/soap+xml", content), MESSAGE, patient)


def test_the_question_names_the_ins_and_the_reason() -> None:
    request = existence_request(INS, known_caller(), RESOURCE_ID, settings(), wire(), now=NOW, query_id="q-1")
    body = etree.fromstring(request.body).find(f".//{H}PRPA_IN201307UV02")
    assert body is not None
    value = body.find(f".//{H}patientIdentifier/{H}value")
    assert value is not None
    assert (value.get("root"), value.get("extension")) == (INS_OID, MATRICULE)
    reason, processing = body.find(f".//{H}reasonCode"), body.find(f"{H}processingCode")
    assert reason is not None
    assert processing is not None
    assert reason.get("code") == "TEST_EXST"
    assert processing.get("code") == "D"
    assert 'action="urn:hl7-org:v3:PRPA_IN201307UV02"' in request.content_type


@pytest.mark.parametrize(
    "content", [answer("AA", "DMPFound", person()), answer("AA", "DMPFound"), answer("AA", "", person())]
)
def test_an_active_dmp_may_be_fed(content: bytes) -> None:
    found = read(content)
    assert isinstance(found, ExistenceAnswer)
    assert found.existence is Existence.ACTIVE
    assert found.refusal() is None


@pytest.mark.parametrize(
    ("content", "existence", "code"),
    [
        (answer("AE", "DMPClosed"), Existence.CLOSED, "DMPClosed"),
        (answer("AA", "DMPClosed", person()), Existence.CLOSED, "DMPClosed"),
        (answer("AA", "DMPFound", person("terminated")), Existence.CLOSED, "DMP_CLOSED"),
        (answer("AA"), Existence.ABSENT, "DMP_NOT_FOUND"),
        (answer("AE", "XDSUnknownPatientId"), Existence.ABSENT, "DMP_NOT_FOUND"),
        (answer("AE", "204"), Existence.ABSENT, "DMP_NOT_FOUND"),
        (answer("AA", "DMPFound", person(family="DURAND")), Existence.OTHER_PERSON, "DMP_TRAITS_MISMATCH"),
        (answer("AA", "DMPFound", person(birth="19790329")), Existence.OTHER_PERSON, "DMP_TRAITS_MISMATCH"),
    ],
)
def test_any_other_dmp_may_not(content: bytes, existence: Existence, code: str) -> None:
    found = read(content)
    assert isinstance(found, ExistenceAnswer)
    assert found.existence is existence
    refusal = found.refusal()
    assert refusal is not None
    assert (refusal.kind, refusal.code) == (OutcomeKind.REFUSED, code)


def attention(keyword: str, value: str) -> str:
    inside = f'<keyWordText code="{keyword}"/><value code="{value}"/>'
    return f'<attentionLine xmlns="urn:hl7-org:v3">{inside}</attentionLine>'


def test_a_blocked_caller_is_told_so_for_good() -> None:
    found = read(answer("AA", "DMPFound", person() + attention("AUTORISATION", "INTERDITE")))
    assert isinstance(found, ExistenceAnswer)
    refusal = found.refusal()
    assert refusal is not None
    assert (refusal.kind, refusal.code) == (OutcomeKind.REFUSED, "DMP_BLOCKED")
    without_traits = read(answer("AA", "DMPFound", attention("AUTORISATION", "INTERDITE")))
    assert isinstance(without_traits, ExistenceAnswer)
    assert without_traits.existence is Existence.BLOCKED


@pytest.mark.parametrize(
    "line", [("AUTORISATION", "VALIDE"), ("AUTORISATION", "INEXISTANTE"), ("STATUT_MT", "INTERDITE")]
)
def test_any_other_authorisation_does_not_prevent_feeding(line: tuple[str, str]) -> None:
    found = read(answer("AA", "DMPFound", person() + attention(*line)))
    assert isinstance(found, ExistenceAnswer)
    assert found.existence is Existence.ACTIVE


def test_the_codes_of_a_blocking_are_those_of_the_settings() -> None:
    outcome = Outcome(OutcomeKind.REFUSED, "CodeDeLAnnexe", "...", evidence={"submission_set": "1.2"})
    assert told_as_blocked(outcome, ()) == outcome
    told = told_as_blocked(outcome, ("CodeDeLAnnexe",))
    assert (told.kind, told.code) == (OutcomeKind.REFUSED, "DMP_BLOCKED")
    assert told.evidence == {"submission_set": "1.2", "dmp_code": "CodeDeLAnnexe"}


def test_a_birth_date_known_by_year_only_is_not_a_mismatch() -> None:
    found = read(answer("AA", "DMPFound", person(birth="1979")))
    assert isinstance(found, ExistenceAnswer)
    assert found.existence is Existence.ACTIVE


def test_the_used_name_may_answer_for_the_birth_name() -> None:
    married = replace(PATIENT, traits=Traits(birth_name="AUTRE", used_name="PAT-TROIS", birth_date="19790328"))
    found = read(answer("AA", "DMPFound", person()), married)
    assert isinstance(found, ExistenceAnswer)
    assert found.existence is Existence.ACTIVE


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (answer("AE", "XDSRegistryBusy"), OutcomeKind.NOT_DELIVERED, "XDSRegistryBusy"),
        (answer("AE", "DMPSomethingNew"), OutcomeKind.REFUSED, "DMPSomethingNew"),
        (answer("AE"), OutcomeKind.REFUSED, "DMP_EXISTENCE_REFUSED"),
        (envelope("<x/>"), OutcomeKind.NOT_DELIVERED, "DMP_ANSWER_UNREADABLE"),
        (fault("Sender", "DMPInvalidCertificate"), OutcomeKind.NOT_DELIVERED, "DMPInvalidCertificate"),
    ],
)
def test_an_error_says_nothing_of_the_dmp(content: bytes, kind: OutcomeKind, code: str) -> None:
    found = read(content)
    assert isinstance(found, Outcome)
    assert (found.kind, found.code) == (kind, code)
