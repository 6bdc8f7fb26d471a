"""Writes ADT statements for the tests of the history, in a few words each."""

from dataclasses import replace
from typing import Any

from pfi.identity.history import fold
from pfi.model.adt import Movement, MovementAction, PatientEvent
from pfi.model.parties import Author, Establishment, Person
from pfi.model.patient import Episode, Identifier, Ins, Patient, PatientState
from pfi.model.submission import Stay
from tests.unit.identity.patients import HEADER, INS, IPP, moment

OTHER_IPP = Identifier("8800777", IPP.authority_oid, IPP.authority_name, "PI")
VISIT = Identifier("V1", "1.2.250.1.999.1.1", "CH-DEMO", "VN")
OTHER_VISIT = Identifier("V2", "1.2.250.1.999.1.1", "CH-DEMO", "VN")
ACCOUNT = Identifier("D1", "1.2.250.1.999.1.1", "CH-DEMO", "AN")
VISIT_KEY, OTHER_VISIT_KEY, ACCOUNT_KEY = (
    f"{each.value}^{each.authority_oid}" for each in (VISIT, OTHER_VISIT, ACCOUNT)
)

_CANCELS = {"A11": "A01", "A13": "A03", "A38": "A05"}


def who(
    *reliability: str,
    ins: Ins | None = None,
    ipp: Identifier | None = IPP,
    account: Identifier | None = None,
    other_ins: tuple[Ins, ...] = (),
    deceased: bool = False,
) -> Patient:
    return Patient(
        ins=ins,
        identifiers=(ipp,) if ipp else (),
        reliability=reliability,
        account=account,
        other_ins=other_ins,
        deceased=deceased,
    )


def qualified(ins: Ins = INS, ipp: Identifier | None = IPP) -> Patient:
    return who("VALI", ins=ins, ipp=ipp)


def told(minutes: int, trigger: str = "A31", patient: Patient | None = None, **facts: Any) -> PatientEvent:
    """A statement; whatever is not given is not said."""
    return PatientEvent(
        message=replace(HEADER, trigger_event=trigger, control_id=f"C-{minutes}"),
        trigger=trigger,
        occurred_at=moment(minutes),
        recorded_at=moment(minutes),
        patient=patient or who(),
        **{"stay": Stay(), **facts},
    )


def flag(minutes: int, fact: str, value: bool) -> PatientEvent:
    """A statement of one fact that is true or false."""
    facts: dict[str, Any] = {fact: value}
    return told(minutes, **facts)


def moved(
    minutes: int,
    trigger: str,
    movement: str = "",
    *,
    patient: Patient | None = None,
    visit: Identifier | None = VISIT,
    patient_class: str = "",
    unit: str = "",
    start: int | None = None,
    original: str = "",
    action: MovementAction | None = None,
    admitted_at: str = "",
    discharged_at: str = "",
    **facts: Any,
) -> PatientEvent:
    """A movement of a stay. `movement` is ZBE-1, `start` ZBE-2 in minutes. A11, A13, A38 cancel, Z99 updates."""
    if action is None:
        usual = {"Z99": MovementAction.UPDATE, **dict.fromkeys(_CANCELS, MovementAction.CANCEL)}
        action = usual.get(trigger, MovementAction.INSERT)
    zbe = Movement(
        ids=(f"{movement}^GAM",) if movement else (),
        action=action,
        original_trigger=original,
        started_at=moment(minutes if start is None else start),
        medical_unit=unit,
    )
    stay = Stay(patient_class=patient_class, visit=visit, admitted_at=admitted_at, discharged_at=discharged_at)
    establishment = Establishment("EJ", "EG", unit)
    return told(minutes, trigger, patient, **{"stay": stay, "movement": zbe, "establishment": establishment, **facts})


def following(role: str, identifier: str) -> Author:
    return Author(person=Person(identifier=identifier, family="DEMO"), role=role)


def after(*events: PatientEvent, baseline: PatientState | None = None) -> PatientState:
    """The state after these events, which must not depend on their order nor on their repetition."""
    state = fold(events, baseline=baseline)
    assert fold(reversed(events), baseline=baseline) == state
    assert fold((*events[1:], *events), baseline=baseline) == state
    return state


def episode(*events: PatientEvent, baseline: PatientState | None = None) -> Episode:
    """The only episode after these events."""
    (only,) = after(*events, baseline=baseline).episodes
    return only


ADMISSION = moved(0, "A01", "m1", patient_class="I", unit="6268")
DISCHARGE = moved(60, "A03", "m2", patient_class="I", exit_mode="8")
