"""PAM.FR: what an ADT message says of a patient, of the stay and of the DMP consent (hl7v2 digest §6)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pfi.model.adt import PatientEvent
from pfi.model.finding import Finding
from pfi.model.parties import Author
from pfi.model.patient import DmpStatus, Feeding, Patient
from pfi.model.profile import SenderProfile
from pfi.model.submission import MessageHeader
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.header import check_envelope, read_header
from pfi.standards.hl7v2.identifiers import known
from pfi.standards.hl7v2.participants import read_person
from pfi.standards.hl7v2.patient_segment import IdentifierList, read_identifiers, read_patient, read_stay
from pfi.standards.hl7v2.timestamp import as_utc, read_timestamp
from pfi.standards.hl7v2.tokenizer import NULL, Message, Segment

_RULE: Final = "hl7v2 digest §6.1"
_CONSENT_RULE: Final = "hl7v2 digest §6.2"

IDENTITY_EVENTS: Final = frozenset({"A08", "A28", "A31"})
"""A08 does not exist in PAM.FR: foreign senders use it as A31."""
MERGE_EVENTS: Final = frozenset({"A40", "A44", "A47"})
"""They need an MRG segment."""
STAY_EVENTS: Final = frozenset({"A01", "A03", "A04", "A05", "A06", "A07", "A11", "A13", "A14", "A38", "Z99"})
CONSUMED_EVENTS: Final = IDENTITY_EVENTS | MERGE_EVENTS | STAY_EVENTS

_VERSION: Final = "2.5"
_REFERRING_ROLES: Final = frozenset({"ODRP", "RP", "RT", "SUBS"})
"""ROL-3 of the people who follow the patient: declared physician, referring, care team, substitute."""
_CONSULTATION: Final = frozenset({"IC", "INC", "NA"})


@dataclass(frozen=True, slots=True)
class AdtReading:
    """`event` is `None` when the message is refused (an ERROR finding) or of no use to the PFI (an INFO finding)."""

    event: PatientEvent | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Consent:
    """ZFA. `None` = not told."""

    dmp_status: DmpStatus | None = None
    dmp_status_at: datetime | None = None
    feeding: Feeding | None = None
    feeding_at: datetime | None = None
    consultation: str | None = None
    consultation_at: datetime | None = None


def read_adt(message: Message, *, profile: SenderProfile | None = None) -> AdtReading:
    """Reads one ADT message. The profile gives the mode and the processing ids; default: tolerant, all."""
    profile = profile or SenderProfile()
    deviations = Deviations(profile.mode)
    deviations.adopt(message.findings)
    header = read_header(message)
    check_envelope(header, profile, deviations)
    if header.message_code != "ADT":
        deviations.refuse("MESSAGE_TYPE_UNSUPPORTED", "MSH^1^9", "Un message ADT était attendu.", "200", _RULE)
        return AdtReading(None, deviations.findings)
    if header.version != _VERSION:
        deviations.deviate(
            "VERSION_UNEXPECTED", "MSH^1^12", f"Un message PAM.FR est en version {_VERSION}.", "203", _RULE
        )
    if header.trigger_event not in CONSUMED_EVENTS:
        deviations.inform(
            "EVENT_IGNORED", "MSH^1^9", "Cet événement ADT est accepté mais n'apporte rien à la PFI.", _RULE
        )
        return AdtReading(None, deviations.findings)
    event = _read_event(message, header, deviations)
    return AdtReading(None if deviations.refused else event, deviations.findings)


def _read_event(message: Message, header: MessageHeader, deviations: Deviations) -> PatientEvent | None:
    _check_structure(message, header, deviations)
    consent = _read_consent(message.first("ZFA"), deviations)
    occurred_at = _occurred_at(message)
    if occurred_at is None:
        deviations.refuse(
            "EVENT_TIME_MISSING",
            "EVN^1^2",
            "Aucune date d'événement lisible (EVN-6, EVN-2 ou MSH-7).",
            "101",
            _RULE,
        )
    pid = message.first("PID")
    if pid is None or occurred_at is None:
        return None
    patient = read_patient(pid)
    identifiers = read_identifiers(pid.repetitions(3))
    if patient.ins is None and not patient.identifiers:
        deviations.refuse("PATIENT_ID_MISSING", "PID^1^3", "PID-3 ne donne aucun identifiant du patient.", "101", _RULE)
    mrg = message.first("MRG")
    prior = read_identifiers(mrg.repetitions(1)) if mrg is not None else IdentifierList()
    zfd = message.first("ZFD")
    return PatientEvent(
        message=header,
        trigger=header.trigger_event,
        occurred_at=occurred_at,
        patient=patient,
        stay=read_stay(message.first("PV1")),
        prior_ins=prior.ins,
        prior_identifiers=prior.others,
        withdraws_ins=_withdraws_ins(header, patient, identifiers, prior),
        dmp_status=consent.dmp_status,
        dmp_status_at=consent.dmp_status_at,
        feeding=consent.feeding,
        feeding_at=consent.feeding_at,
        consultation=consent.consultation,
        consultation_at=consent.consultation_at,
        birth_date_corrected=zfd is not None and zfd.component(4).upper() == "Y",
        referring_professionals=tuple(_referring_professionals(message)),
    )


def _check_structure(message: Message, header: MessageHeader, deviations: Deviations) -> None:
    required = ["PID", *(["MRG"] if header.trigger_event in MERGE_EVENTS else [])]
    for name in required:
        found = message.all(name)
        if not found:
            deviations.refuse("SEGMENT_MISSING", f"{name}^1", f"Le segment {name}, requis, est absent.", "100", _RULE)
        elif len(found) > 1:
            deviations.refuse(
                "SEGMENT_REPEATED",
                f"{name}^2",
                f"Le segment {name} est répété : PAM.FR n'admet qu'un patient par message.",
                "198",
                _RULE,
            )
    if message.first("EVN") is None:
        deviations.deviate("SEGMENT_MISSING", "EVN^1", "Le segment EVN, requis, est absent.", "100", _RULE)


def _occurred_at(message: Message) -> datetime | None:
    """EVN-6, else EVN-2, else MSH-7."""
    evn = message.first("EVN")
    texts = [evn.component(6), evn.component(2)] if evn is not None else []
    for text in (*texts, message.msh.component(7)):
        moment = _moment(text)
        if moment is not None:
            return moment
    return None


def _moment(text: str) -> datetime | None:
    moment = read_timestamp(text)
    return as_utc(moment) if moment is not None else None


def _withdraws_ins(header: MessageHeader, patient: Patient, identifiers: IdentifierList, prior: IdentifierList) -> bool:
    """A `""` INS in PID-3, or an A47 whose old INS is replaced by none (hl7v2 digest §6.4)."""
    dropped = header.trigger_event == "A47" and bool(prior.ins)
    return patient.ins is None and (identifiers.withdrawn or dropped)


def _read_consent(zfa: Segment | None, deviations: Deviations) -> _Consent:
    if zfa is None:
        return _Consent()
    return _Consent(
        dmp_status=_read_dmp_status(zfa, deviations),
        dmp_status_at=_moment(zfa.component(2)),
        feeding=_read_feeding(zfa, deviations),
        feeding_at=_moment(zfa.component(10)),
        consultation=_read_consultation(zfa, deviations),
        consultation_at=_moment(zfa.component(12)),
    )


def _read_dmp_status(zfa: Segment, deviations: Deviations) -> DmpStatus | None:
    text = known(zfa.component(1)).upper()
    if not text:
        return None
    try:
        return DmpStatus(text)
    except ValueError:
        deviations.deviate("DMP_STATUS_UNKNOWN", "ZFA^1^1", "ZFA-1 (état du DMP) est inconnu.", "103", _CONSENT_RULE)
        return None


def _read_feeding(zfa: Segment, deviations: Deviations) -> Feeding | None:
    """ZFA-9. An unknown code refuses the message: it might be an opposition. `""` = no longer known."""
    text = zfa.component(9).upper()
    if not text:
        return None
    if text == NULL:
        return Feeding.NOT_COLLECTED
    try:
        return Feeding(text)
    except ValueError:
        deviations.refuse(
            "FEEDING_UNKNOWN",
            "ZFA^1^9",
            "ZFA-9 (alimentation du DMP) doit valoir INO, IO ou NA.",
            "103",
            _CONSENT_RULE,
        )
        return None


def _read_consultation(zfa: Segment, deviations: Deviations) -> str | None:
    text = zfa.component(11).upper()
    if not text:
        return None
    if text == NULL:
        return "NA"
    if text not in _CONSULTATION:
        deviations.deviate(
            "CONSULTATION_UNKNOWN", "ZFA^1^11", "ZFA-11 (consultation du DMP) est inconnu.", "103", _CONSENT_RULE
        )
        return None
    return text


def _referring_professionals(message: Message) -> Iterator[Author]:
    """ROL of the declared physician and of the people who follow the patient, then PV1-8, each once."""
    seen = set()
    candidates = [
        (rol.first(4), role)
        for rol in message.all("ROL")
        if (role := rol.component(3).upper()) in _REFERRING_ROLES and rol.component(2).upper() != "DE"
    ]
    pv1 = message.first("PV1")
    if pv1 is not None:
        candidates.extend((xcn, "RP") for xcn in pv1.repetitions(8))
    for xcn, role in candidates:
        person = read_person(xcn)
        if person is None or (person.identifier, role) in seen:
            continue
        seen.add((person.identifier, role))
        yield Author(person=person, role=role)
