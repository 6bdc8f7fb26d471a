"""Which INS a patient has, and which ones they no longer have (INS digest §3.4, hl7v2 digest §6.3 and §6.4)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from pfi.identity.facts import LONG_AGO, Said, newest
from pfi.identity.ins import is_nia
from pfi.identity.status import VALIDATED
from pfi.model.adt import PatientEvent
from pfi.model.patient import Ins, PatientState

_Stated = tuple[Ins | None, tuple[Ins, ...]]
_WITHDRAWN: _Stated = (None, ())


def tell_ins(state: PatientState, counted: Sequence[PatientEvent], set_aside: Sequence[PatientEvent]) -> PatientState:
    """`counted` are the statements about the patient, `set_aside` those of identities that were merged into theirs.

    An INS in PID-3 is a statement, a withdrawal is one too; PID-3 without INS says nothing. MRG-1 retires the INS that
    it names; a withdrawal, all that were stated until then; a merge, those that only the merged identity had. Stated
    again later, an INS is the patient's again.
    """
    stated = _last_stated(state, counted)
    retired = _retired(state, counted, set_aside, stated)
    gone = {ins for ins, at in retired.items() if at >= stated.get(ins, LONG_AGO)}
    told = newest(_words(counted))
    known_at = state.ins_at or LONG_AGO
    known = Said((state.identity.ins, state.identity.other_ins), known_at, known_at, int(state.ins_withdrawn))
    ins, others, withdrawn, at = state.identity.ins, state.identity.other_ins, state.ins_withdrawn, state.ins_at
    if told is not None and (state.ins_at is None or told.order > known.order):
        (ins, others), withdrawn, at = told.value, told.value == _WITHDRAWN, told.told_at
    if ins is not None and ins in gone:
        at = retired[ins]
        ins, others = None, ()
    identity = replace(state.identity, ins=ins, other_ins=tuple(each for each in others if each not in gone))
    return replace(
        state,
        identity=identity,
        ins_withdrawn=withdrawn,
        ins_at=at,
        retired_ins=tuple(sorted((ins for ins in retired if ins in gone), key=lambda each: retired[each])),
    )


def stated_by(event: PatientEvent) -> tuple[Ins, ...]:
    """The INS that a message states: none when it may not carry one (PID-32 without `VALI`), or carries two NIR."""
    patient = event.patient
    if patient.ins is None or event.withdraws_ins:
        return ()
    if patient.reliability and VALIDATED not in patient.reliability:
        return ()
    every = (patient.ins, *patient.other_ins)
    if len({ins.matricule for ins in every if not is_nia(ins)}) > 1:
        return ()
    return every


def _words(counted: Sequence[PatientEvent]) -> Iterator[Said[_Stated]]:
    for event in counted:
        if event.withdraws_ins:
            yield Said(_WITHDRAWN, event.told_at, event.told_at, 1)
        elif every := stated_by(event):
            yield Said((every[0], every[1:]), event.told_at, event.told_at)


def _last_stated(state: PatientState, counted: Sequence[PatientEvent]) -> dict[Ins, datetime]:
    stated = {ins: state.ins_at or LONG_AGO for ins in (state.identity.ins, *state.identity.other_ins) if ins}
    for event in counted:
        for ins in stated_by(event):
            stated[ins] = max(stated.get(ins, LONG_AGO), event.told_at)
    return stated


def _retired(
    state: PatientState,
    counted: Sequence[PatientEvent],
    set_aside: Sequence[PatientEvent],
    stated: dict[Ins, datetime],
) -> dict[Ins, datetime]:
    """When each INS was last retired."""
    retired = dict.fromkeys(state.retired_ins, state.ins_at or LONG_AGO)

    def retire(ins: Ins, at: datetime) -> None:
        retired[ins] = max(retired.get(ins, LONG_AGO), at)

    for event in (*counted, *set_aside):
        for ins in event.prior_ins:
            if ins not in stated_by(event):
                retire(ins, event.told_at)
    for event in counted:
        if event.withdraws_ins:
            for ins in _stated_until(state, counted, event.told_at):
                retire(ins, event.told_at)
    for event in set_aside:
        for ins in stated_by(event):
            if ins not in stated:
                retire(ins, event.told_at)
    return retired


def _stated_until(state: PatientState, counted: Sequence[PatientEvent], until: datetime) -> Iterator[Ins]:
    if (state.ins_at or LONG_AGO) <= until:
        yield from (ins for ins in (state.identity.ins, *state.identity.other_ins) if ins is not None)
    for event in counted:
        if event.told_at <= until:
            yield from stated_by(event)
