"""PAM.FR: what an ADT message says of a patient, of the stay and of the DMP consent (hl7v2 digest §6).

`""` in a field deletes the value, an empty field says nothing (hl7v2 digest §6.1).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pfi.model.adt import MovementAction, PatientEvent
from pfi.model.finding import Finding
from pfi.model.patient import Patient
from pfi.model.profile import Pid32, SenderProfile
from pfi.model.submission import MessageHeader
from pfi.standards.hl7v2.care_team import read_care_team
from pfi.standards.hl7v2.consent import Consent, read_consent
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.establishment import read_establishment
from pfi.standards.hl7v2.header import check_envelope, read_header
from pfi.standards.hl7v2.identifiers import INS_NIA, known
from pfi.standards.hl7v2.movement import MOVEMENT_EVENTS, read_movement
from pfi.standards.hl7v2.patient_segment import IdentifierList, check_stay, read_identifiers, read_patient, read_stay
from pfi.standards.hl7v2.timestamp import as_utc, read_timestamp
from pfi.standards.hl7v2.tokenizer import NULL, Message, Segment

_RULE: Final = "hl7v2 digest §6.1"
_IDENTITY_RULE: Final = "hl7v2 digest §6.3"

IDENTITY_EVENTS: Final = frozenset({"A08", "A28", "A31"})
"""A08 does not exist in PAM.FR: foreign senders use it as A31."""
MERGE_EVENTS: Final = frozenset({"A40", "A44", "A47"})
"""They need an MRG segment."""
STAY_EVENTS: Final = MOVEMENT_EVENTS
CONSUMED_EVENTS: Final = IDENTITY_EVENTS | MERGE_EVENTS | STAY_EVENTS

_MOVES_A_FILE: Final = "A44"
_EXPECTED: Final = frozenset({"A05", "A14"})
"""The patient is not there yet: the visit may have no number."""
_VERSION: Final = "2.5"
_VALIDATED: Final = "VALI"
_NOT_YET_QUALIFIED: Final = "VIDE"
_DEATH: Final = "9"
"""PMSI exit mode (ZFM-2) of a death."""
_WHOLE_FILE: Final = "A"
"""PV1-51 of an A11 that cancels every visit of the file."""


@dataclass(frozen=True, slots=True)
class AdtReading:
    """`event` is `None` when the message is refused (an ERROR finding) or of no use to the PFI (an INFO finding)."""

    event: PatientEvent | None
    findings: tuple[Finding, ...]


def read_adt(message: Message, *, profile: SenderProfile | None = None) -> AdtReading:
    """Reads one ADT message. The profile gives the mode, the processing ids and `ins.pid32`; default: tolerant, all."""
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
    event = _read_event(message, header, profile, deviations)
    return AdtReading(None if deviations.refused else event, deviations.findings)


def _read_event(
    message: Message, header: MessageHeader, profile: SenderProfile, deviations: Deviations
) -> PatientEvent | None:
    _check_structure(message, header, deviations)
    consent = read_consent(message.first("ZFA"), deviations)
    movement = read_movement(message, header.trigger_event, deviations)
    occurred_at, recorded_at = _moments(message, deviations)
    pid, pv1, zfm, zfd = (message.first(name) for name in ("PID", "PV1", "ZFM", "ZFD"))
    if pid is None or occurred_at is None:
        return None
    patient = _read_identity(pid)
    identifiers = read_identifiers(pid.repetitions(3))
    if patient.ins is None and not patient.identifiers:
        deviations.refuse("PATIENT_ID_MISSING", "PID^1^3", "PID-3 ne donne aucun identifiant du patient.", "101", _RULE)
    _check_ins(patient, profile, deviations)
    stay = read_stay(pv1)
    if pv1 is not None and header.trigger_event in STAY_EVENTS - _EXPECTED:
        check_stay(stay, deviations)
    mrg = message.first("MRG")
    prior = read_identifiers(mrg.repetitions(1)) if mrg is not None else IdentifierList()
    if header.trigger_event == _MOVES_A_FILE:
        prior = IdentifierList()
    team = read_care_team(message)
    cancels = movement is not None and movement.action is MovementAction.CANCEL
    return PatientEvent(
        message=header,
        trigger=header.trigger_event,
        occurred_at=occurred_at,
        patient=patient,
        stay=stay,
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
        referring_professionals=team.named,
        recorded_at=recorded_at,
        establishment=read_establishment(message),
        movement=movement,
        deceased=_read_death(pid, zfm),
        entry_mode=known(zfm.component(1)) if zfm is not None else "",
        exit_mode=known(zfm.component(2)) if zfm is not None else "",
        ended_roles=team.ended,
        whole_account=cancels and pv1 is not None and pv1.component(51).upper() == _WHOLE_FILE,
        cleared=frozenset(_cleared(consent, pv1, zfm)),
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
    expected = ["EVN", *(["PV1"] if header.trigger_event in STAY_EVENTS else [])]
    for name in expected:
        if message.first(name) is None:
            deviations.deviate("SEGMENT_MISSING", f"{name}^1", f"Le segment {name}, requis, est absent.", "100", _RULE)


def _moments(message: Message, deviations: Deviations) -> tuple[datetime | None, datetime | None]:
    """When it took place (EVN-6, else EVN-2, else MSH-7) and when it was told (EVN-2, else MSH-7, else EVN-6)."""
    evn = message.first("EVN")
    recorded = _moment(evn.component(2)) if evn is not None else None
    occurred = _moment(evn.component(6)) if evn is not None else None
    sent = _moment(message.msh.component(7))
    if occurred is None and recorded is None and sent is None:
        deviations.refuse(
            "EVENT_TIME_MISSING",
            "EVN^1^2",
            "Aucune date d'événement lisible (EVN-6, EVN-2 ou MSH-7).",
            "101",
            _RULE,
        )
    return occurred or recorded or sent, recorded or sent or occurred


def _moment(text: str) -> datetime | None:
    moment = read_timestamp(text)
    return as_utc(moment) if moment is not None else None


def _read_identity(pid: Segment) -> Patient:
    """The patient of a PID; a PID-32 emptied by `""` says that the identity is no longer validated."""
    patient = read_patient(pid)
    if not patient.reliability and any(each.component(1) == NULL for each in pid.repetitions(32)):
        return replace(patient, reliability=(_NOT_YET_QUALIFIED,))
    return patient


def _check_ins(patient: Patient, profile: SenderProfile, deviations: Deviations) -> None:
    """An INS without `VALI` may not travel: the receiver reads the message without it (hl7v2 digest §6.3)."""
    if patient.ins is None:
        return
    told = bool(patient.reliability) or profile.pid32 is Pid32.STRICT
    if told and _VALIDATED not in patient.reliability:
        deviations.warn(
            "INS_WITHOUT_VALIDATION",
            "PID^1^32",
            "Le message porte une INS sans que PID-32 vaille VALI : il est lu sans l'INS.",
            _IDENTITY_RULE,
        )
    if len({ins.matricule for ins in (patient.ins, *patient.other_ins) if ins.oid != INS_NIA}) > 1:
        deviations.deviate(
            "INS_CONTRADICTORY",
            "PID^1^3",
            "PID-3 porte plusieurs matricules INS différents : aucun n'est retenu.",
            "207",
            _RULE,
            "904",
        )


def _read_death(pid: Segment, zfm: Segment | None) -> bool | None:
    """PID-30 and the exit mode; a date of death (PID-29) tells it too when PID-30 is empty."""
    if zfm is not None and zfm.component(2) == _DEATH:
        return True
    indicator = pid.component(30).upper()
    if indicator:
        return indicator == "Y"
    return True if known(pid.component(29)) else None


def _withdraws_ins(header: MessageHeader, patient: Patient, identifiers: IdentifierList, prior: IdentifierList) -> bool:
    """A `""` INS in PID-3, or an A47 whose old INS is replaced by none (hl7v2 digest §6.4)."""
    dropped = header.trigger_event == "A47" and bool(prior.ins)
    return patient.ins is None and (identifiers.withdrawn or dropped)


def _cleared(consent: Consent, pv1: Segment | None, zfm: Segment | None) -> Iterator[str]:
    """The facts that the message deletes."""
    if consent.dmp_status_cleared:
        yield "dmp_status"
    if pv1 is not None:
        for number, fact in ((3, "unit"), (44, "admitted_at"), (45, "discharged_at")):
            if pv1.component(number) == NULL:
                yield fact
    if zfm is not None:
        for number, fact in ((1, "entry_mode"), (2, "exit_mode")):
            if zfm.component(number) == NULL:
                yield fact
