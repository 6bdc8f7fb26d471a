"""The stays of a patient as their standing movements tell them (PAM.FR ITI-31; hl7v2 digest §6)."""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from pfi.identity.facts import LONG_AGO, newest_consultation
from pfi.identity.movements import (
    ADMISSIONS,
    CLASS_CHANGES,
    DISCHARGE,
    EXPECTED,
    OPENING,
    Movements,
    account_of,
    ids_of,
    kind_of,
    kinds_cancelled,
    visit_of,
)
from pfi.model.adt import PatientEvent
from pfi.model.patient import Episode
from pfi.standards.hl7v2.timestamp import as_utc, read_timestamp

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Movement:
    """One movement after its corrections. Empty or `None` = not told."""

    kind: str
    started_at: datetime
    rank: int
    patient_class: str
    unit: str
    admitted_at: datetime | None
    discharged_at: datetime | None
    exit_mode: str


@dataclass(slots=True)
class _Visit:
    """What was told of one visit, in the order in which it was told."""

    standing: list[PatientEvent] = field(default_factory=list)
    cancelled: list[PatientEvent] = field(default_factory=list)
    cancellations: list[PatientEvent] = field(default_factory=list)
    known: Episode | None = None

    @property
    def every(self) -> list[PatientEvent]:
        return [*self.cancelled, *self.cancellations, *self.standing]


@dataclass(frozen=True, slots=True)
class Stays:
    """The episodes, oldest first, and what stands of the newest one."""

    episodes: tuple[Episode, ...] = ()
    newest: tuple[PatientEvent, ...] = ()


def tell_stays(movements: Movements, consents: Sequence[PatientEvent], known: Sequence[Episode]) -> Stays:
    """`consents` are the statements that count (for the consultation of each episode), `known` the episodes that were
    known before these events."""
    keys = _Keys([*movements.standing, *movements.cancellations, *movements.cancelled], known)
    visits: dict[str, _Visit] = {}
    for episode in known:
        visits.setdefault(keys.of_episode(episode), _Visit()).known = episode
    for event in movements.standing:
        _visit(visits, keys.of(event)).standing.append(event)
    for event in sorted(movements.cancelled, key=lambda each: (each.told_at, repr(each))):
        _visit(visits, keys.of(event)).cancelled.append(event)
    for event in movements.cancellations:
        _visit(visits, keys.of(event)).cancellations.append(event)
    by_visit: dict[str, list[PatientEvent]] = {}
    for event in consents:
        by_visit.setdefault(keys.of(event), []).append(event)
    told = [(_start(visit), key, _episode(visit, by_visit.get(key, ())), visit) for key, visit in visits.items() if key]
    told.sort(key=lambda each: each[:2])
    return Stays(
        tuple(episode for _, _, episode, _ in told), _newest([(episode, visit) for *_, episode, visit in told])
    )


def _visit(visits: dict[str, _Visit], key: str) -> _Visit:
    return visits.setdefault(key, _Visit())


def _newest(told: Sequence[tuple[Episode, _Visit]]) -> tuple[PatientEvent, ...]:
    """What stands of the newest stay that has begun, else of the newest expected one."""
    alive = [(episode, visit) for episode, visit in told if not episode.cancelled]
    begun = [visit for episode, visit in alive if episode.admitted_at is not None or episode.discharged_at is not None]
    candidates = begun or [visit for _, visit in alive]
    return tuple(candidates[-1].standing) if candidates else ()


class _Keys:
    """Finds the visit of an event: by PV1-19, else by the last visit of its file (PID-18). Empty = no stay."""

    def __init__(self, events: Iterable[PatientEvent], known: Iterable[Episode]) -> None:
        self._visits: dict[str, str] = {}
        for episode in known:
            if episode.visit and episode.account:
                self._visits[episode.account] = episode.visit
        for event in sorted(events, key=lambda each: (each.told_at, visit_of(each))):
            if visit_of(event) and account_of(event):
                self._visits[account_of(event)] = visit_of(event)

    def of(self, event: PatientEvent) -> str:
        return self._key(visit_of(event), account_of(event))

    def of_episode(self, episode: Episode) -> str:
        return self._key(episode.visit, episode.account)

    def _key(self, visit: str, account: str) -> str:
        visit = visit or self._visits.get(account, "")
        if visit:
            return f"visit:{visit}"
        return f"account:{account}" if account else ""


def _start(visit: _Visit) -> datetime:
    """What orders the episodes: their first movement."""
    told = visit.standing or visit.every
    starts = [(event.movement.started_at if event.movement else None) or event.occurred_at for event in told]
    if visit.known is not None and (known := visit.known.admitted_at or visit.known.discharged_at):
        starts.append(known)
    return min(starts, default=LONG_AGO)


def _episode(visit: _Visit, consents: Sequence[PatientEvent]) -> Episode:
    movements = _movements(visit.standing)
    known = visit.known or Episode()
    begun = [movement for movement in movements if movement.kind not in EXPECTED]
    consultation = newest_consultation(consents)
    cancelled = _is_cancelled(visit, movements, known)
    discharged_at, exit_mode = _discharge(visit, begun, known)
    return Episode(
        visit=_last(visit_of(event) for event in visit.every) or known.visit,
        account=_last(account_of(event) for event in visit.every) or known.account,
        patient_class=_last(movement.patient_class for movement in movements) or known.patient_class,
        ej=_last(event.establishment.ej for event in visit.every) or known.ej,
        eg=_last(event.establishment.eg for event in visit.every) or known.eg,
        unit=_last(movement.unit for movement in movements) or known.unit,
        admitted_at=None if cancelled else _admission(visit, begun, known),
        discharged_at=discharged_at,
        exit_mode=exit_mode,
        cancelled=cancelled,
        consultation=consultation.value if consultation is not None else known.consultation,
    )


def _is_cancelled(visit: _Visit, movements: Sequence[_Movement], known: Episode) -> bool:
    """No admission stands, and one was cancelled, or was to be."""
    if any(movement.kind in OPENING for movement in movements):
        return False
    undone = any(kind_of(event) in OPENING for event in visit.cancelled)
    return undone or _cancels(visit, OPENING) or known.cancelled


def _cancels(visit: _Visit, kinds: Set[str]) -> bool:
    return any(kinds & kinds_cancelled(event) for event in visit.cancellations)


def _admission(visit: _Visit, begun: Sequence[_Movement], known: Episode) -> datetime | None:
    """PV1-44 as last told, else the beginning of the first admission."""
    told = [movement for movement in begun if movement.admitted_at is not None]
    if told:
        return max(told, key=lambda movement: movement.rank).admitted_at
    starts = [movement.started_at for movement in begun if movement.kind in ADMISSIONS]
    return min(starts, default=None if _cancels(visit, ADMISSIONS) else known.admitted_at)


def _discharge(visit: _Visit, begun: Sequence[_Movement], known: Episode) -> tuple[datetime | None, str]:
    """PV1-45 of the discharge as last told, else its own moment; and its PMSI mode (ZFM-2)."""
    discharges = [movement for movement in begun if movement.kind == DISCHARGE]
    if discharges:
        last = max(discharges, key=lambda movement: movement.rank)
        return last.discharged_at or last.started_at, last.exit_mode
    if _cancels(visit, {DISCHARGE}):
        return None, ""
    return known.discharged_at, known.exit_mode


def _movements(standing: Sequence[PatientEvent]) -> list[_Movement]:
    """The movements of a visit in the order in which they took place, each with its corrections (Z99 UPDATE, or the
    same message again with something else)."""
    groups: list[list[int]] = []
    for position, event in enumerate(standing):
        same = [group for group in groups if any(_same_movement(event, standing[other]) for other in group)]
        groups = [group for group in groups if group not in same]
        groups.append(sorted([position, *(each for group in same for each in group)]))
    movements = [_movement([standing[each] for each in group], group[-1]) for group in groups]
    return sorted(movements, key=lambda movement: (movement.started_at, movement.rank))


def _same_movement(one: PatientEvent, other: PatientEvent) -> bool:
    """By ZBE-1; messages of one kind that have none are about one movement."""
    if ids_of(one) or ids_of(other):
        return bool(ids_of(one) & ids_of(other))
    return kind_of(one) == kind_of(other)


def _movement(told: Sequence[PatientEvent], rank: int) -> _Movement:
    """`told` in the order in which it was told: what is told later completes or replaces, `""` deletes."""
    kind = next((event.trigger for event in told if event.trigger != "Z99"), kind_of(told[0]))
    started = _told(told, "", lambda event: event.movement.started_at if event.movement else None)
    return _Movement(
        kind=kind,
        started_at=started or told[0].occurred_at,
        rank=rank,
        patient_class=_last(event.stay.patient_class for event in told) or CLASS_CHANGES.get(kind, ""),
        unit=_told(told, "unit", _unit) or "",
        admitted_at=_told(told, "admitted_at", lambda event: _moment(event.stay.admitted_at)),
        discharged_at=_told(told, "discharged_at", lambda event: _moment(event.stay.discharged_at)),
        exit_mode=_told(told, "exit_mode", lambda event: event.exit_mode) or "",
    )


def _unit(event: PatientEvent) -> str:
    return (event.movement.medical_unit if event.movement else "") or event.establishment.unit or event.stay.unit


def _moment(text: str) -> datetime | None:
    moment = read_timestamp(text)
    return as_utc(moment) if moment is not None else None


def _told(told: Iterable[PatientEvent], fact: str, read: Callable[[PatientEvent], V | None]) -> V | None:
    """The last value that these events tell, unless one deletes it later."""
    value = None
    for event in told:
        if fact in event.cleared:
            value = None
        value = read(event) or value
    return value


def _last(texts: Iterable[str]) -> str:
    """The last text that is not empty."""
    return next((text for text in reversed(list(texts)) if text), "")
