"""Several records that answer for one INS, when none answers for the local identifier of a message (INS digest §3.2).

Each record is what one establishment says of its own patient. Nothing says whose patient the message is about, so that
each fact is the most cautious of all; two of them are not matters of caution:

- an INS withdrawn from one patient may well be another one's (that is often why it was withdrawn): it is retired only
  when no record gives it to its patient now. What is known of an INS without local identifier is older news when a
  record retired it since.
- the state of the DMP is one national fact: the newest statement is the right one.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pfi.identity.facts import CONSULTATION_CAUTION, FEEDING_CAUTION, LONG_AGO, dmp_caution, reliability_caution
from pfi.identity.status import HOLD_ATTRIBUTES, VALIDATED
from pfi.model.patient import Follower, Ins, Patient, PatientState


def combine(states: Sequence[PatientState]) -> PatientState:
    """One state for all these records; the state itself when there is one, an empty one when there is none."""
    if not states:
        return PatientState()
    if len(states) == 1:
        return states[0]
    combined = _attribution(PatientState(), states)
    combined = _reliability(combined, states)
    combined = _consents(combined, states)
    corrected = [state.birth_date_corrected_at for state in states if state.birth_date_corrected]
    return replace(
        combined,
        birth_date_corrected=any(state.birth_date_corrected for state in states),
        birth_date_corrected_at=_latest(corrected),
        last_event_at=_latest([state.last_event_at for state in states]),
        deceased=any(state.deceased for state in states),
        pro_opposed=any(state.pro_opposed for state in states),
        cit_opposed=any(state.cit_opposed for state in states),
        ins_impossible=any(state.ins_impossible for state in states),
        care_team=_care_team(states),
        episodes=tuple(
            sorted(
                (episode for state in states for episode in state.episodes),
                key=lambda episode: (episode.admitted_at or LONG_AGO, repr(episode)),
            )
        ),
    )


def _attribution(combined: PatientState, states: Sequence[PatientState]) -> PatientState:
    """The INS that the records give to their patients, and those that none gives any more."""
    retired = tuple(dict.fromkeys(ins for state in states for ins in state.retired_ins))
    given: dict[Ins, None] = {}
    for state in states:
        for ins in (state.identity.ins, *state.identity.other_ins):
            if ins is not None and not _outdated(ins, state, states):
                given[ins] = None
    holders = [state for state in states if state.identity.ins in given]
    every = sorted(
        given, key=lambda ins: (ins not in {state.identity.ins for state in holders}, ins.oid, ins.matricule)
    )
    return replace(
        combined,
        identity=Patient(ins=every[0] if every else None, other_ins=tuple(every[1:])),
        ins_withdrawn=not every and any(state.ins_withdrawn for state in states),
        ins_at=_latest([state.ins_at for state in holders or states]),
        retired_ins=tuple(ins for ins in retired if ins not in given),
    )


def _outdated(ins: Ins, state: PatientState, states: Sequence[PatientState]) -> bool:
    """Known without local identifier, and retired by a record since."""
    if state.identity.identifiers:
        return False
    at = state.ins_at or LONG_AGO
    return any(ins in other.retired_ins and (other.ins_at or LONG_AGO) >= at for other in states)


def _reliability(combined: PatientState, states: Sequence[PatientState]) -> PatientState:
    """Validated only when all that say something say so; every doubt counts. A restriction is as new as the newest of
    them, a validation as old as the oldest: neither may win over a message that it should not."""
    told = [state for state in states if state.reliability]
    if not told:
        return combined
    worst = max(told, key=lambda state: (reliability_caution(state.reliability), repr(state.reliability)))
    doubts = {value for state in told for value in state.reliability if value in HOLD_ATTRIBUTES}
    values = (*worst.reliability, *sorted(doubts.difference(worst.reliability)))
    moments = [state.reliability_at for state in told]
    plain = VALIDATED in values and not doubts
    at = _earliest(moments) if plain else _latest(moments)
    return replace(
        combined,
        reliability=values,
        reliability_at=at,
        identity=replace(combined.identity, reliability=values),
    )


def _consents(combined: PatientState, states: Sequence[PatientState]) -> PatientState:
    fed = [state for state in states if state.feeding is not None]
    if fed:
        worst = max(
            fed,
            key=lambda state: (
                FEEDING_CAUTION[state.feeding] if state.feeding else 0,
                state.feeding_at or LONG_AGO,
                state.feeding_told_at or LONG_AGO,
            ),
        )
        combined = replace(
            combined, feeding=worst.feeding, feeding_at=worst.feeding_at, feeding_told_at=worst.feeding_told_at
        )
    existing = [state for state in states if state.dmp_status is not None]
    if existing:
        last = max(existing, key=lambda state: (state.dmp_status_at or LONG_AGO, dmp_caution(state.dmp_status)))
        combined = replace(combined, dmp_status=last.dmp_status, dmp_status_at=last.dmp_status_at)
    consulted = [state for state in states if state.consultation]
    if consulted:
        first = max(
            consulted,
            key=lambda state: (CONSULTATION_CAUTION.get(state.consultation, 0), state.consultation_at or LONG_AGO),
        )
        combined = replace(combined, consultation=first.consultation, consultation_at=first.consultation_at)
    return combined


def _care_team(states: Sequence[PatientState]) -> tuple[Follower, ...]:
    """Only those whom all that name somebody in that role agree on: a letter must not go to the wrong one."""
    roles = sorted({follower.role for state in states for follower in state.care_team})
    agreed: list[Follower] = []
    for role in roles:
        told = [team for state in states if (team := tuple(each for each in state.care_team if each.role == role))]
        if len({frozenset(each.identifier for each in team) for team in told}) == 1:
            agreed.extend(told[0])
    return tuple(agreed)


def _latest(moments: Sequence[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _earliest(moments: Sequence[datetime | None]) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if len(known) == len(moments) else None
