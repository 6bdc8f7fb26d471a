"""What a set of statements says of a person: status, consents, register (obligations digest §5, INS digest §3.2).

Each fact is what was told last. Two contrary statements of the same moment: the more cautious one wins.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final, Generic, TypeVar

from pfi.identity.retirement import Retirement
from pfi.identity.status import HOLD_ATTRIBUTES, VALIDATED
from pfi.model.adt import PatientEvent
from pfi.model.patient import DmpStatus, Feeding, PatientState
from pfi.standards.hl7v2.timestamp import NATIONAL_ZONE

V = TypeVar("V")

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
"""When a fact without a moment was told."""

FEEDING_CAUTION: Final = {Feeding.NOT_OPPOSED: 0, Feeding.NOT_COLLECTED: 1, Feeding.OPPOSED: 2}
_DMP_CAUTION: Final = {DmpStatus.ACTIVE: 0, DmpStatus.ABSENT: 1, DmpStatus.CLOSED: 2}
CONSULTATION_CAUTION: Final = {"IC": 0, "NA": 1, "INC": 2}
_DAY: Final = timedelta(days=1) - timedelta.resolution
"""From midnight to the last moment of the day."""


@dataclass(frozen=True, slots=True)
class Said(Generic[V]):
    """One statement of one fact. `at`: since when it is so (ZFA-10...), else when it was told."""

    value: V
    at: datetime
    told_at: datetime
    caution: int = 0

    @property
    def order(self) -> tuple[datetime, datetime, int, str]:
        return self.at, self.told_at, self.caution, repr(self.value)


def newest(said: Iterable[Said[V]]) -> Said[V] | None:
    """The statement that stands."""
    return max(said, key=lambda each: each.order, default=None)


def tell_identifiers(state: PatientState, events: Sequence[PatientEvent], retired: Retirement) -> PatientState:
    """Local identifiers, as last told, without those that were retired; and the file number (PID-18)."""
    told = newest(
        [
            Said(identifiers, event.told_at, event.told_at)
            for event in events
            if (identifiers := retired.without(event.patient.identifiers))
        ]
    )
    account = newest(
        [Said(event.patient.account, event.told_at, event.told_at) for event in events if event.patient.account]
    )
    known_at = state.identity_at or LONG_AGO
    identifiers, at = retired.without(state.identity.identifiers), state.identity_at
    if told is not None and (not identifiers or (told.told_at, repr(told.value)) > (known_at, repr(identifiers))):
        identifiers, at = told.value, told.told_at
    known_account = state.identity.account
    if account is not None and (known_account is None or account.told_at >= known_at):
        known_account = account.value
    identity = replace(state.identity, identifiers=identifiers, account=known_account)
    return replace(state, identity=identity, identity_at=at)


def tell_reliability(state: PatientState, events: Sequence[PatientEvent]) -> PatientState:
    """PID-32."""
    told = newest(
        [
            Said(event.patient.reliability, event.told_at, event.told_at, _reliability_caution(event))
            for event in events
            if event.patient.reliability
        ]
    )
    if told is None:
        return state
    known = Said(state.reliability, state.reliability_at or LONG_AGO, state.reliability_at or LONG_AGO, _caution(state))
    if state.reliability and known.order >= told.order:
        return state
    return replace(
        state,
        reliability=told.value,
        reliability_at=told.told_at,
        identity=replace(state.identity, reliability=told.value),
    )


def _reliability_caution(event: PatientEvent) -> int:
    return reliability_caution(event.patient.reliability)


def _caution(state: PatientState) -> int:
    return reliability_caution(state.reliability)


def reliability_caution(values: Iterable[str]) -> int:
    """0 validated, 1 validated but doubtful, more when not validated."""
    values = frozenset(values)
    return 2 * (VALIDATED not in values) + bool(HOLD_ATTRIBUTES & values)


def tell_birth_date(state: PatientState, events: Sequence[PatientEvent]) -> PatientState:
    """ZFD-4 = Y stands until a newer message carries a validated identity with its INS, which Y forbids."""
    told = newest(
        [
            Said(event.birth_date_corrected, event.told_at, event.told_at, int(event.birth_date_corrected))
            for event in events
            if event.birth_date_corrected or asserts_qualified(event)
        ]
    )
    known_at = state.birth_date_corrected_at
    if told is None or (known_at is not None and (known_at, state.birth_date_corrected) >= (told.at, told.value)):
        return state
    return replace(state, birth_date_corrected=told.value, birth_date_corrected_at=told.at)


def asserts_qualified(event: PatientEvent) -> bool:
    """`VALI` with an INS."""
    return event.patient.ins is not None and VALIDATED in event.patient.reliability


def tell_dmp_status(state: PatientState, events: Sequence[PatientEvent]) -> PatientState:
    """ZFA-1, dated by ZFA-2. `""` deletes it."""
    said: list[Said[DmpStatus | None]] = [
        Said(event.dmp_status, _since(event.dmp_status_at, event), event.told_at, dmp_caution(event.dmp_status))
        for event in events
        if event.dmp_status is not None or "dmp_status" in event.cleared
    ]
    if state.dmp_status is not None:
        at = state.dmp_status_at or LONG_AGO
        said.append(Said(state.dmp_status, at, at, dmp_caution(state.dmp_status)))
    told = newest(said)
    if told is None or (told.value is state.dmp_status and told.at == (state.dmp_status_at or LONG_AGO)):
        return state
    return replace(state, dmp_status=told.value, dmp_status_at=told.at)


def dmp_caution(status: DmpStatus | None) -> int:
    return 0 if status is None else _DMP_CAUTION[status]


def tell_feeding(state: PatientState, events: Sequence[PatientEvent]) -> PatientState:
    """ZFA-9, dated by ZFA-10. An objection that was not told before a consent, and of a day that may be that of the
    consent or a later one, stands: a date without its hour does not tell which came first."""
    said = [
        Said(event.feeding, _since(event.feeding_at, event), event.told_at, FEEDING_CAUTION[event.feeding])
        for event in events
        if event.feeding is not None
    ]
    if state.feeding is not None:
        at = state.feeding_at or LONG_AGO
        said.append(Said(state.feeding, at, state.feeding_told_at or at, FEEDING_CAUTION[state.feeding]))
    told = newest(said)
    if told is None:
        return state
    if told.value is not Feeding.OPPOSED:
        since, told_at = told.at, told.told_at
        doubtful = (
            each
            for each in said
            if each.value is Feeding.OPPOSED and each.told_at >= told_at and _at_the_latest(each) >= since
        )
        told = newest(doubtful) or told
    known = (state.feeding, state.feeding_at or LONG_AGO, state.feeding_told_at or state.feeding_at or LONG_AGO)
    if (told.value, told.at, told.told_at) == known:
        return state
    return replace(state, feeding=told.value, feeding_at=told.at, feeding_told_at=told.told_at)


def _at_the_latest(said: Said[Feeding]) -> datetime:
    """A moment at midnight is a day: it may be any moment of it, but not later than it was told."""
    if said.at == LONG_AGO or said.at.astimezone(NATIONAL_ZONE).time() != time():
        return said.at
    return min(said.at + _DAY, said.told_at)


def _since(dated: datetime | None, event: PatientEvent) -> datetime:
    """Nothing is so before it is told: a date in the future is a mistake that would win for ever."""
    return event.told_at if dated is None else min(dated, event.told_at)


def tell_consultation(state: PatientState, events: Sequence[PatientEvent]) -> PatientState:
    """ZFA-11, dated by ZFA-12."""
    told = newest_consultation(events)
    known_at = state.consultation_at or LONG_AGO
    if told is None:
        return state
    known = Said(state.consultation, known_at, known_at, CONSULTATION_CAUTION.get(state.consultation, 0))
    if state.consultation and known.order >= told.order:
        return state
    return replace(state, consultation=told.value, consultation_at=told.at)


def newest_consultation(events: Iterable[PatientEvent]) -> Said[str] | None:
    """ZFA-11 as it stands after these events."""
    return newest(
        [
            Said(
                event.consultation,
                _since(event.consultation_at, event),
                event.told_at,
                CONSULTATION_CAUTION.get(event.consultation, 0),
            )
            for event in events
            if event.consultation
        ]
    )


def tell_flags(state: PatientState, events: Sequence[PatientEvent]) -> PatientState:
    """Death, and the local register (E23, E25): true and false are both statements."""
    since = state.last_event_at
    return replace(
        state,
        deceased=_flag(events, lambda event: event.deceased, state.deceased, since),
        pro_opposed=_flag(events, lambda event: event.pro_opposed, state.pro_opposed, since),
        cit_opposed=_flag(events, lambda event: event.cit_opposed, state.cit_opposed, since),
        ins_impossible=_flag(events, lambda event: event.ins_impossible, state.ins_impossible, since),
    )


def _flag(
    events: Iterable[PatientEvent],
    read: Callable[[PatientEvent], bool | None],
    known: bool,
    known_at: datetime | None,
) -> bool:
    """What was known has no moment of its own: only a statement newer than all that was known takes a true one back."""
    said = [
        Said(value, event.told_at, event.told_at, int(value)) for event in events if (value := read(event)) is not None
    ]
    told = newest(said)
    if told is None:
        return known
    if known and not told.value and known_at is not None and told.told_at <= known_at:
        return True
    return told.value
