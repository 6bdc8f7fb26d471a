"""What the ADT feed tells of a patient, kept fact by fact (INS digest §3.3-3.4, HL7v2 digest §6).

Each fact carries the moment of its newest statement. Applying the same events in any order, any number of times, gives
the same facts. What a message does not state erases nothing. Two contrary statements of the same moment: the more
cautious one wins.
"""

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from pfi.identity.status import HOLD_ATTRIBUTES, VALIDATED
from pfi.model.adt import PatientEvent
from pfi.model.patient import DmpStatus, Feeding, Patient, PatientState

Moment = TypeVar("Moment", datetime, tuple[datetime, datetime])
Caution = TypeVar("Caution", bool, int, str, tuple[bool, str], tuple[bool, bool, str])

_FEEDING_CAUTION = {Feeding.NOT_OPPOSED: 0, Feeding.NOT_COLLECTED: 1, Feeding.OPPOSED: 2}
_DMP_CAUTION = {DmpStatus.ACTIVE: 0, DmpStatus.ABSENT: 1, DmpStatus.CLOSED: 2}


def apply(state: PatientState, event: PatientEvent) -> PatientState:
    """The state after one ADT event, which may be late or repeated."""
    state = _identity(state, event)
    state = _ins(state, event)
    state = _reliability(state, event)
    state = _birth_date(state, event)
    state = _dmp(state, event)
    if state.last_event_at is None or event.occurred_at > state.last_event_at:
        state = replace(state, last_event_at=event.occurred_at)
    return state


def _identity(state: PatientState, event: PatientEvent) -> PatientState:
    """Identifiers, traits and account, as one block: PAM always sends them together."""
    told = event.patient
    if not (told.identifiers or told.traits.birth_name):
        return state
    if state.identity_at is not None and event.occurred_at < state.identity_at:
        return state
    identity = replace(
        state.identity,
        identifiers=told.identifiers or state.identity.identifiers,
        traits=told.traits if told.traits.birth_name else state.identity.traits,
        account=told.account or state.identity.account,
    )
    return replace(state, identity=identity, identity_at=event.occurred_at)


def _ins(state: PatientState, event: PatientEvent) -> PatientState:
    """An INS in PID-3 is a statement, a withdrawal (A47) is one too; PID-3 without INS says nothing."""
    told = event.patient
    if told.ins is None and not event.withdraws_ins:
        return state
    caution = (event.withdraws_ins, repr(told.ins))
    known = (state.ins_withdrawn, repr(state.identity.ins))
    if not _newer(event.occurred_at, caution, state.ins_at, known):
        return state
    if event.withdraws_ins:
        identity = replace(state.identity, ins=None, other_ins=())
    else:
        identity = replace(state.identity, ins=told.ins, other_ins=told.other_ins)
    return replace(state, identity=identity, ins_withdrawn=event.withdraws_ins, ins_at=event.occurred_at)


def _reliability(state: PatientState, event: PatientEvent) -> PatientState:
    told = event.patient.reliability
    if not told or not _newer(
        event.occurred_at, _reliability_caution(told), state.reliability_at, _reliability_caution(state.reliability)
    ):
        return state
    return replace(
        state,
        reliability=told,
        reliability_at=event.occurred_at,
        identity=replace(state.identity, reliability=told),
    )


def _reliability_caution(values: tuple[str, ...]) -> tuple[bool, bool, str]:
    return VALIDATED not in values, bool(HOLD_ATTRIBUTES.intersection(values)), repr(values)


def _birth_date(state: PatientState, event: PatientEvent) -> PatientState:
    """ZFD-4 = Y stands until a newer message carries a validated identity with its INS, which Y forbids."""
    if not event.birth_date_corrected and not _asserts_qualified(event.patient):
        return state
    corrected = event.birth_date_corrected
    if not _newer(event.occurred_at, corrected, state.birth_date_corrected_at, state.birth_date_corrected):
        return state
    return replace(state, birth_date_corrected=corrected, birth_date_corrected_at=event.occurred_at)


def _asserts_qualified(patient: Patient) -> bool:
    return patient.ins is not None and VALIDATED in patient.reliability


def _dmp(state: PatientState, event: PatientEvent) -> PatientState:
    """ZFA-1, ZFA-9 and ZFA-11, each with its own date when the segment gives one."""
    if event.dmp_status is not None:
        at = event.dmp_status_at or event.occurred_at
        known_caution = -1 if state.dmp_status is None else _DMP_CAUTION[state.dmp_status]
        if _newer(at, _DMP_CAUTION[event.dmp_status], state.dmp_status_at, known_caution):
            state = replace(state, dmp_status=event.dmp_status, dmp_status_at=at)
    if event.feeding is not None:
        at = event.feeding_at or event.occurred_at
        known_caution = -1 if state.feeding is None else _FEEDING_CAUTION[state.feeding]
        known_at = None if state.feeding_at is None else (state.feeding_at, state.feeding_told_at or state.feeding_at)
        if _newer((at, event.occurred_at), _FEEDING_CAUTION[event.feeding], known_at, known_caution):
            state = replace(state, feeding=event.feeding, feeding_at=at, feeding_told_at=event.occurred_at)
    if event.consultation:
        at = event.consultation_at or event.occurred_at
        if _newer(at, event.consultation, state.consultation_at, state.consultation):
            state = replace(state, consultation=event.consultation, consultation_at=at)
    return state


def _newer(at: Moment, caution: Caution, known_at: Moment | None, known_caution: Caution) -> bool:
    """True when a statement replaces the known one: later, or of the same moment and more cautious."""
    if known_at is None or at > known_at:
        return True
    return at == known_at and caution > known_caution
