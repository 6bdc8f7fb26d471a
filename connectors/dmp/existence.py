"""TD0.2: does the patient have an active DMP? (HL7 v3 PRPA_IN201307UV02; DMP digest §1.4)"""

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from lxml import etree

from connectors.dmp.answers import read_reply, told_code
from connectors.dmp.caller import Caller
from connectors.dmp.redaction import People
from connectors.dmp.settings import DmpSettings
from connectors.dmp.transport import Reply
from connectors.dmp.verdict import error_table
from connectors.dmp.wire import Wire, WireRequest
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.patient import Ins, Patient
from pfi.model.profile import Environment
from pfi.standards.xds.ebrim import xml_text

ACTION: Final = "urn:hl7-org:v3:PRPA_IN201307UV02"

_HL7: Final = "urn:hl7-org:v3"
_INTERACTIONS: Final = "2.16.840.1.113883.1.6"
_DMP_DEVICE: Final = "1.2.250.1.213.4.1.1.1"
_REASONS: Final = "1.2.250.1.213.1.1.4.11"
_N: Final = f"{{{_HL7}}}"
_ACTIVE: Final = "active"
_AUTHORISATION: Final = "AUTORISATION"
_DAY: Final = len("AAAAMMJJ")


class Existence(StrEnum):
    """State of a patient's DMP."""

    ACTIVE = "active"
    CLOSED = "closed"
    ABSENT = "absent"
    BLOCKED = "blocked"
    """The patient has blocked the professional or the structure (exception E10 of the obligations digest)."""
    OTHER_PERSON = "other_person"
    """The DMP answers with traits that are not the patient's: an identity alert, nothing may be fed."""


@dataclass(frozen=True, slots=True)
class ExistenceAnswer:
    """`code` is the DMP's own (`DMPFound`, `DMPClosed`...), possibly empty. The traits it returns are not kept."""

    existence: Existence
    code: str

    def refusal(self) -> Outcome | None:
        """Why the patient's DMP cannot be fed; `None` when it can."""
        if self.existence is Existence.ACTIVE:
            return None
        code, text = _REFUSALS[self.existence]
        own = self.code if self.existence is Existence.CLOSED and self.code else code
        return Outcome(OutcomeKind.REFUSED, own, text)


BLOCKED: Final = "DMP_BLOCKED"
BLOCKED_TEXT: Final = (
    "Le patient a bloqué ce professionnel ou cet établissement dans son DMP : le document ne peut pas y être déposé."
)

_REFUSALS: Final = {
    Existence.BLOCKED: (BLOCKED, BLOCKED_TEXT),
    Existence.CLOSED: ("DMP_CLOSED", "Le DMP du patient est fermé : le document ne peut pas y être déposé."),
    Existence.ABSENT: ("DMP_NOT_FOUND", "Le patient n'a pas de DMP : le document ne peut pas être déposé."),
    Existence.OTHER_PERSON: (
        "DMP_TRAITS_MISMATCH",
        "Les traits d'identité connus du DMP diffèrent de ceux du message : à signaler à l'identitovigilance.",
    ),
}


def told_as_blocked(outcome: Outcome, codes: Collection[str]) -> Outcome:
    """The outcome of a transaction. `codes` are those that say that the patient has blocked the caller: it is final,
    and told to the creator (exception E10 of the obligations digest)."""
    if outcome.code not in codes:
        return outcome
    evidence = {**outcome.evidence, "dmp_code": outcome.code}
    return Outcome(OutcomeKind.REFUSED, BLOCKED, BLOCKED_TEXT, warnings=outcome.warnings, evidence=evidence)


def existence_request(
    ins: Ins,
    caller: Caller,
    resource_id: str,
    settings: DmpSettings,
    wire: Wire,
    *,
    now: datetime,
    query_id: str,
    secret: bool = False,
) -> WireRequest:
    """The TD0.2 request. `query_id` is a new UUID."""
    production = settings.environment is Environment.PRODUCTION
    body = (
        f'<PRPA_IN201307UV02 xmlns="{_HL7}" ITSVersion="XML_1.0"><id root="{query_id}"/>'
        f'<creationTime value="{now.astimezone(UTC):%Y%m%d%H%M%S}+0000"/>'
        f'<interactionId root="{_INTERACTIONS}" extension="PRPA_IN201307UV02"/>'
        f'<processingCode code="{"P" if production else "D"}"/><processingModeCode code="T"/>'
        '<acceptAckCode code="AL"/>'
        '<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE">'
        f'<id root="{_DMP_DEVICE}"/><softwareName>DMP</softwareName></device></receiver>'
        '<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE">'
        f'<id root="{settings.source_oid}"/><softwareName>{xml_text(settings.product.name or "PFI")}</softwareName>'
        "</device></sender>"
        '<controlActProcess classCode="CACT" moodCode="EVN">'
        f'<code code="PRPA_TE201307UV02" codeSystem="{_INTERACTIONS}"/>'
        f'<reasonCode code="TEST_EXST" codeSystem="{_REASONS}"/>'
        f'<queryByParameter><queryId root="{query_id}"/><statusCode code="new"/><parameterList><patientIdentifier>'
        f'<value root="{xml_text(ins.oid)}" extension="{xml_text(ins.matricule)}"/>'
        "<semanticsText>Patient.id</semanticsText></patientIdentifier></parameterList></queryByParameter>"
        "</controlActProcess></PRPA_IN201307UV02>"
    )
    return wire.plain(settings.urls.patients, ACTION, caller, resource_id, body.encode(), secret=secret)


def read_existence(
    reply: Reply,
    message_id: str,
    patient: Patient,
    blocked: Collection[str] = ("INTERDITE",),
    *,
    others: People = (),
) -> ExistenceAnswer | Outcome:
    """The state of the DMP; an Outcome (never `UNKNOWN`: no document has left) when the answer does not tell.

    `blocked`: values of AUTORISATION by which the DMP says that the patient has shut the caller out. `others`: whom
    its free text may quote beside the patient.
    """
    people = (patient, *others)
    answer = read_reply(reply, message_id, people)
    if isinstance(answer, Outcome):
        return answer
    body = answer.body
    acknowledgment = None if body is None else body.find(f"{_N}acknowledgement")
    if body is None or acknowledgment is None:
        return Outcome(
            OutcomeKind.NOT_DELIVERED, "DMP_ANSWER_UNREADABLE", "Réponse du DMP au test d'existence illisible."
        )
    codes = [element.get("code", "") for element in acknowledgment.iter(f"{_N}code")]
    code = next((value for value in codes if value), "")
    subject = next(body.iter(f"{_N}patient"), None)
    accepted = _type_code(acknowledgment) in ("AA", "CA")
    if code == "DMPClosed":
        return ExistenceAnswer(Existence.CLOSED, code)
    if not accepted:
        verdict, worst = error_table().worst(filter(None, codes)) if code else (error_table().of_code(""), "")
        if verdict.name == "patient":
            return ExistenceAnswer(Existence.ABSENT, worst)
        return verdict.outcome(told_code(worst, people) if worst else "DMP_EXISTENCE_REFUSED")
    if subject is None:
        return ExistenceAnswer(_open_to_us(body, blocked) if code == "DMPFound" else Existence.ABSENT, code)
    status = subject.find(f"{_N}statusCode")
    if status is not None and status.get("code", _ACTIVE).lower() != _ACTIVE:
        return ExistenceAnswer(Existence.CLOSED, "")
    if not _same_person(subject, patient):
        return ExistenceAnswer(Existence.OTHER_PERSON, code)
    return ExistenceAnswer(_open_to_us(body, blocked), code)


def _open_to_us(body: etree._Element, blocked: Collection[str]) -> Existence:
    """An active DMP is fed without any authorisation of access (DMP digest §1.2): only a blocking shuts it."""
    for line in body.iter(f"{_N}attentionLine"):
        keyword, value = line.find(f"{_N}keyWordText"), line.find(f"{_N}value")
        if keyword is None or value is None:
            continue
        about = {keyword.get("code"), (keyword.text or "").strip()}
        said = {value.get("code"), value.get("value"), (value.text or "").strip()}
        if _AUTHORISATION in about and said & set(blocked):
            return Existence.BLOCKED
    return Existence.ACTIVE


def _type_code(acknowledgment: etree._Element) -> str:
    """`typeCode` is an element with a code in HL7 v3, an attribute in some implementations."""
    element = acknowledgment.find(f"{_N}typeCode")
    return acknowledgment.get("typeCode", "") if element is None else element.get("code", "")


def _same_person(subject: etree._Element, patient: Patient) -> bool:
    """Birth date and family name, where both sides give them. A used name may stand for the birth name."""
    traits = patient.traits
    birth = next(subject.iter(f"{_N}birthTime"), None)
    date = "" if birth is None else birth.get("value", "")[:_DAY]
    if date and traits.birth_date and not traits.birth_date.startswith(date) and not date.startswith(traits.birth_date):
        return False
    theirs = {_normalised("".join(map(str, family.itertext()))) for family in subject.iter(f"{_N}family")} - {""}
    ours = known_names(patient)
    return not theirs or not ours or bool(theirs & ours)


def known_names(patient: Patient) -> frozenset[str]:
    """The family names that a DMP may know the patient by, as they are compared."""
    traits = patient.traits
    return frozenset({_normalised(traits.birth_name), _normalised(traits.used_name)} - {""})


def _normalised(name: str) -> str:
    bare = "".join(letter for letter in unicodedata.normalize("NFD", name) if not unicodedata.combining(letter))
    return " ".join("".join(letter if letter.isalnum() else " " for letter in bare.upper()).split())
