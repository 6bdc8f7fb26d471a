"""Which movements of a patient stand, and which were cancelled (PAM.FR ITI-31; hl7v2 digest §6.1, §6.2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pfi.identity.status import HOLD_ATTRIBUTES, VALIDATED
from pfi.model.adt import MovementAction, PatientEvent
from pfi.model.patient import DmpStatus, Feeding, Identifier, Patient
from pfi.standards.hl7v2.movement import MOVEMENT_EVENTS

ADMISSIONS: Final = frozenset({"A01", "A04"})
EXPECTED: Final = frozenset({"A05", "A14"})
CLASS_CHANGES: Final = {"A06": "I", "A07": "O"}
"""The class that they give when PV1-2 does not tell it."""
DISCHARGE: Final = "A03"
OPENING: Final = ADMISSIONS | EXPECTED | CLASS_CHANGES.keys()
"""A visit lives as long as one of them stands."""
_CANCELLED_BY: Final = {"A11": ADMISSIONS, "A13": frozenset({DISCHARGE}), "A38": EXPECTED}
_RESTRICTING: Final = HOLD_ATTRIBUTES | {"ANOM", "CACH"}


@dataclass(frozen=True, slots=True)
class Movements:
    """The events of stays of one record. `cancellations` that found nothing yet to cancel are there too."""

    standing: tuple[PatientEvent, ...]
    cancelled: frozenset[PatientEvent]
    cancellations: tuple[PatientEvent, ...]


def visit_of(event: PatientEvent) -> str:
    """PV1-19 as `value^authority`, empty when not told."""
    return _named(event.stay.visit)


def account_of(event: PatientEvent) -> str:
    """PID-18 as `value^authority`, empty when not told."""
    return _named(event.patient.account)


def kind_of(event: PatientEvent) -> str:
    """The event that a movement is: that of the message, or the one that a Z99 corrects (ZBE-6)."""
    if event.trigger == "Z99" and event.movement is not None and event.movement.original_trigger:
        return event.movement.original_trigger
    return event.trigger


def ids_of(event: PatientEvent) -> frozenset[str]:
    """ZBE-1."""
    return frozenset(event.movement.ids) if event.movement is not None else frozenset()


def is_cancellation(event: PatientEvent) -> bool:
    """A11, A13, A38, or any movement whose action is CANCEL."""
    return event.trigger in _CANCELLED_BY or (
        event.movement is not None and event.movement.action is MovementAction.CANCEL
    )


def kinds_cancelled(event: PatientEvent) -> frozenset[str]:
    """What a cancellation may be about."""
    original = event.movement.original_trigger if event.movement is not None else ""
    usual = _CANCELLED_BY.get(event.trigger)
    if usual is None:
        return frozenset({original or event.trigger})
    return frozenset({original}) if original in usual else usual


def sort_movements(events: Iterable[PatientEvent]) -> Movements:
    """Finds what each cancellation cancels. `events` in the order in which they were told.

    A cancellation is about the movement that has its ZBE-1; else about the newest movement of the cancelled kind of the
    same visit (messages of one kind without ZBE-1 are one movement). Told later, the same movement stands again.
    """
    stays = [event for event in events if event.trigger in MOVEMENT_EVENTS]
    told = [event for event in stays if not is_cancellation(event)]
    cancellations = [event for event in stays if is_cancellation(event)]
    cancelled: set[PatientEvent] = set()
    for cancellation in cancellations:
        earlier = [event for event in told if event.told_at <= cancellation.told_at]
        cancelled.update(_targets(cancellation, earlier, cancelled))
    return Movements(
        standing=tuple(event for event in told if event not in cancelled),
        cancelled=frozenset(cancelled),
        cancellations=tuple(cancellations),
    )


def _targets(
    cancellation: PatientEvent, told: Sequence[PatientEvent], cancelled: set[PatientEvent]
) -> Iterable[PatientEvent]:
    if cancellation.whole_account and account_of(cancellation):
        return [event for event in told if account_of(event) == account_of(cancellation)]
    ids = ids_of(cancellation)
    named = [event for event in told if ids & ids_of(event) and not _other_stay(cancellation, event)]
    if named:
        return named
    kinds = kinds_cancelled(cancellation)
    candidates = [
        event
        for event in told
        if kind_of(event) in kinds and event not in cancelled and _same_stay(cancellation, event)
    ]
    if not candidates:
        return ()
    newest = candidates[-1]
    if not ids_of(newest):
        return [event for event in candidates if not ids_of(event)]
    return [event for event in told if ids_of(newest) & ids_of(event) and _same_stay(cancellation, event)]


def _same_stay(one: PatientEvent, other: PatientEvent) -> bool:
    """The same visit; the same file when one of them does not name its visit."""
    if visit_of(one) and visit_of(other):
        return visit_of(one) == visit_of(other)
    return bool(account_of(one)) and account_of(one) == account_of(other)


def _other_stay(one: PatientEvent, other: PatientEvent) -> bool:
    """Another visit for sure: senders reuse the numbers of movements from one visit to the other."""
    if visit_of(one) and visit_of(other):
        return visit_of(one) != visit_of(other)
    return bool(account_of(one) and account_of(other)) and account_of(one) != account_of(other)


def _named(identifier: Identifier | None) -> str:
    if identifier is None:
        return ""
    return f"{identifier.value}^{identifier.authority_oid or identifier.authority_name}"


def restrictions(event: PatientEvent) -> PatientEvent:
    """What still counts of a message that was cancelled, or that cancels: what restricts. What permits is undone."""
    restricting = {value for value in event.patient.reliability if value in _RESTRICTING}
    reliability = event.patient.reliability
    if VALIDATED in reliability:
        reliability = tuple(value for value in reliability if value in restricting)
    return replace(
        event,
        patient=Patient(reliability=reliability, deceased=event.patient.deceased),
        dmp_status=event.dmp_status if event.dmp_status is not DmpStatus.ACTIVE else None,
        feeding=event.feeding if event.feeding is Feeding.OPPOSED else None,
        consultation=event.consultation if event.consultation == "INC" else None,
        referring_professionals=(),
        ended_roles=(),
        deceased=_death(event),
        cleared=frozenset(),
    )


def _death(event: PatientEvent) -> bool | None:
    """An exit by death goes with its movement, PID-30 stays. What a cancellation itself says in PID-30 counts."""
    if is_cancellation(event):
        return event.deceased
    return True if event.patient.deceased else None
