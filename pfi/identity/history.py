"""What the ADT feed tells of one patient, folded from all that was told (hl7v2 digest §6, INS digest §3.3-3.4).

The fold depends on the set of statements only: not on the order in which they arrived, nor on how many times.
Statements are ordered by the moment when they were told; what a message does not state erases nothing; of two contrary
statements of the same moment the more cautious one wins. A cancelled movement counts as if it had never been told, but
for what its message restricts: an objection, a withdrawal, a doubt about the identity stand until something else is
said.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from pfi.identity import facts
from pfi.identity.attribution import tell_ins
from pfi.identity.careteam import tell_care_team
from pfi.identity.combination import combine
from pfi.identity.episodes import tell_stays
from pfi.identity.movements import Movements, is_cancellation, restrictions, sort_movements
from pfi.identity.retirement import Retirement, retirement
from pfi.identity.statement import canonical, digest, storable
from pfi.model.adt import PatientEvent
from pfi.model.patient import Patient, PatientState
from pfi.standards.hl7v2.movement import MOVEMENT_EVENTS

__all__ = ["combine", "digest", "fold", "storable"]


def fold(events: Iterable[PatientEvent], *, baseline: PatientState | None = None) -> PatientState:
    """What is known of one patient after these events, in any order, with any repetition.

    `events` are those of one record: one local identity with what was merged into it, or an INS without local
    identifier. `baseline` is what was known before them: one more statement of each fact, at its own moment.
    """
    told = _in_order({storable(event) for event in events})
    baseline = baseline or PatientState()
    if not told:
        return baseline
    retired = retirement(told, baseline.retired_identifiers)
    movements = sort_movements(told)
    counted = [_counted(event, movements) for event in told]
    covered = [retired.covers(event.patient) for event in told]
    own = [event for event, aside in zip(counted, covered, strict=True) if not aside]
    others = [event for event, aside in zip(counted, covered, strict=True) if aside]
    state = known = _before(baseline, retired)
    state = facts.tell_flags(state, counted)
    state = facts.tell_identifiers(state, own, retired)
    state = tell_ins(state, own, others)
    state = facts.tell_reliability(state, own)
    state = facts.tell_birth_date(state, own)
    state = facts.tell_dmp_status(state, counted)
    state = facts.tell_feeding(state, counted)
    state = facts.tell_consultation(state, counted)
    stays = tell_stays(movements, counted, known.episodes)
    return replace(
        state,
        retired_identifiers=retired.identifiers,
        episodes=stays.episodes,
        care_team=tell_care_team(counted, stays.newest, known.care_team),
        last_event_at=max((at for at in (known.last_event_at, *_moments(told)) if at is not None), default=None),
    )


def _in_order(events: set[PatientEvent]) -> list[PatientEvent]:
    """As they were told; those of the same moment in an order that depends on what they say only."""
    together = Counter(event.told_at for event in events)
    return sorted(events, key=lambda event: (event.told_at, canonical(event) if together[event.told_at] > 1 else ""))


def _moments(events: Iterable[PatientEvent]) -> Iterator[datetime]:
    return (event.told_at for event in events)


def _counted(event: PatientEvent, movements: Movements) -> PatientEvent:
    """What counts of an event about the person."""
    undone = event in movements.cancelled or (event.trigger in MOVEMENT_EVENTS and is_cancellation(event))
    return restrictions(event) if undone else event


def _before(known: PatientState, retired: Retirement) -> PatientState:
    """What was known before, without what was known of an identity that was merged away since."""
    if not retired.covers(known.identity):
        return known
    gone = [ins for ins in (known.identity.ins, *known.identity.other_ins) if ins is not None]
    return replace(
        known,
        identity=Patient(account=known.identity.account),
        identity_at=None,
        reliability=(),
        reliability_at=None,
        ins_at=None,
        ins_withdrawn=False,
        retired_ins=tuple(dict.fromkeys((*known.retired_ins, *gone))),
        birth_date_corrected=False,
        birth_date_corrected_at=None,
    )
