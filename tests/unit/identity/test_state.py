"""What the ADT feed tells, fact by fact."""

import itertools
from dataclasses import replace
from functools import reduce
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfi.identity.state import apply
from pfi.identity.status import assess
from pfi.model.adt import PatientEvent
from pfi.model.patient import DmpStatus, Feeding, Identifier, IdentityStatus, Ins, Patient, PatientState, Traits
from tests.unit.identity.patients import INS, IPP, NIA_OID, OTHER_INS, TEST, TRAITS, event, moment, patient

NOTHING = PatientState()


def after(*events: PatientEvent) -> PatientState:
    return reduce(apply, events, NOTHING)


def test_one_event_states_identity_status_and_consents() -> None:
    told = replace(
        event(0, patient("VALI", identifiers=(IPP,))),
        dmp_status=DmpStatus.ACTIVE,
        feeding=Feeding.NOT_OPPOSED,
        consultation="IC",
    )
    state = after(told)
    assert state.identity.ins == INS
    assert state.identity.traits == TRAITS
    assert state.identity.identifiers == (IPP,)
    assert state.reliability == state.identity.reliability == ("VALI",)
    assert (state.dmp_status, state.feeding, state.consultation) == (DmpStatus.ACTIVE, Feeding.NOT_OPPOSED, "IC")
    assert state.last_event_at == state.reliability_at == state.feeding_at == state.ins_at == moment(0)


def test_what_an_event_does_not_state_erases_nothing() -> None:
    full = replace(event(0, patient("VALI", identifiers=(IPP,))), feeding=Feeding.OPPOSED, dmp_status=DmpStatus.CLOSED)
    silent = event(5, Patient())
    state = after(full, silent)
    assert replace(state, last_event_at=moment(0)) == after(full)
    assert state.last_event_at == moment(5)


@pytest.mark.parametrize("late", [False, True])
def test_the_newest_consent_wins_even_when_it_arrives_first(late: bool) -> None:
    opposed = replace(event(0, Patient()), feeding=Feeding.OPPOSED)
    informed = replace(event(5, Patient()), feeding=Feeding.NOT_OPPOSED)
    events = (informed, opposed) if late else (opposed, informed)
    assert after(*events).feeding is Feeding.NOT_OPPOSED


def test_the_date_of_the_consent_beats_the_date_of_the_message() -> None:
    """ZFA-10: a later message that repeats an older consent does not bring it back."""
    recent = replace(event(0, Patient()), feeding=Feeding.OPPOSED, feeding_at=moment(-10))
    stale = replace(event(5, Patient()), feeding=Feeding.NOT_OPPOSED, feeding_at=moment(-20))
    assert after(recent, stale).feeding is after(stale, recent).feeding is Feeding.OPPOSED


def test_of_two_consents_of_the_same_date_the_later_message_wins() -> None:
    first = replace(event(0, Patient()), feeding=Feeding.OPPOSED, feeding_at=moment(-60))
    corrected = replace(event(5, Patient()), feeding=Feeding.NOT_OPPOSED, feeding_at=moment(-60))
    assert after(first, corrected).feeding is after(corrected, first).feeding is Feeding.NOT_OPPOSED


def test_at_the_same_moment_the_more_cautious_statement_wins() -> None:
    pairs = [
        (
            replace(event(0, Patient()), feeding=Feeding.OPPOSED),
            replace(event(0, Patient()), feeding=Feeding.NOT_OPPOSED),
        ),
        (
            replace(event(0, Patient()), dmp_status=DmpStatus.CLOSED),
            replace(event(0, Patient()), dmp_status=DmpStatus.ACTIVE),
        ),
        (event(0, patient("PROV", ins=None)), event(0, patient("VALI", ins=None))),
        (event(0, patient("VALI", "DOUT", ins=None)), event(0, patient("VALI", ins=None))),
        (event(0, patient(ins=None), withdraws_ins=True), event(0, patient())),
        (event(0, Patient(), birth_date_corrected=True), event(0, patient("VALI", traits=Traits()))),
    ]
    for cautious, other in pairs:
        state = after(other, cautious)
        assert state == after(cautious, other) == after(other, cautious, other)
    assert after(*pairs[0]).feeding is Feeding.OPPOSED
    assert after(*pairs[1]).dmp_status is DmpStatus.CLOSED
    assert after(*pairs[2]).reliability == ("PROV",)
    assert after(*pairs[3]).reliability == ("VALI", "DOUT")
    assert after(*pairs[4]).ins_withdrawn
    assert after(*pairs[5]).birth_date_corrected


def test_a47_withdraws_every_ins_and_holds_what_waits() -> None:
    nia = Ins("279035121518989", NIA_OID)
    state = after(
        event(0, patient("VALI", other_ins=(nia,))),
        event(5, patient("PROV", ins=None, identifiers=(IPP,)), withdraws_ins=True),
    )
    assert state.identity.ins is None
    assert state.identity.other_ins == ()
    assert state.ins_withdrawn
    assert state.reliability == ("PROV",)
    assert assess(patient("VALI"), state, TEST).status is IdentityStatus.NOT_QUALIFIED


def test_a_withdrawal_alone_does_not_change_the_status() -> None:
    state = after(event(0, patient("VALI")), event(5, patient(ins=None), withdraws_ins=True))
    assert state.reliability == ("VALI",)


def test_a_new_ins_after_a_withdrawal_stands() -> None:
    withdrawn = event(5, patient(ins=None), withdraws_ins=True)
    given_again = event(10, patient("VALI", ins=OTHER_INS))
    for events in itertools.permutations((event(0, patient("VALI")), withdrawn, given_again)):
        state = after(*events)
        assert state.identity.ins == OTHER_INS
        assert not state.ins_withdrawn


def test_a_late_ins_does_not_undo_a_withdrawal() -> None:
    withdrawn = event(5, patient(ins=None), withdraws_ins=True)
    later_without_ins = event(10, patient(ins=None, identifiers=(IPP,)))
    late = event(0, patient("VALI"))
    assert after(later_without_ins, withdrawn, late).identity.ins is None


def test_a_changed_ins_makes_the_old_one_wait() -> None:
    state = after(event(0, patient("VALI")), event(5, patient("VALI", ins=OTHER_INS)))
    assert assess(patient("VALI"), state, TEST).status is IdentityStatus.NOT_QUALIFIED


def test_a_corrected_birth_date_stands_until_the_identity_is_validated_with_its_ins() -> None:
    corrected = event(0, patient("PROV", ins=None), birth_date_corrected=True)
    assert after(corrected, event(5, patient("VALI", ins=None))).birth_date_corrected
    assert after(corrected, event(5, Patient())).birth_date_corrected
    assert not after(corrected, event(5, patient("VALI"))).birth_date_corrected
    assert not after(event(5, patient("VALI")), corrected).birth_date_corrected


def test_the_newest_identity_replaces_the_older_as_one_block() -> None:
    renamed = replace(TRAITS, used_name="PAT-NEUF")
    account = Identifier("405660", "1.2.3", "", "AN")
    older = event(0, patient(identifiers=(IPP,)))
    newer = event(5, replace(patient(traits=renamed, identifiers=(IPP,)), account=account))
    for events in ((older, newer), (newer, older)):
        assert after(*events).identity.traits == renamed
        assert after(*events).identity.account == account
    anonymous = event(9, Patient(identifiers=(IPP,)))
    assert after(newer, anonymous).identity.traits == renamed


def test_dmp_status_and_consultation_follow_their_own_dates() -> None:
    recent = replace(
        event(0, Patient()),
        dmp_status=DmpStatus.CLOSED,
        dmp_status_at=moment(-1),
        consultation="INC",
        consultation_at=moment(-1),
    )
    stale = replace(
        event(5, Patient()),
        dmp_status=DmpStatus.ACTIVE,
        dmp_status_at=moment(-9),
        consultation="IC",
        consultation_at=moment(-9),
    )
    for events in ((recent, stale), (stale, recent)):
        assert (after(*events).dmp_status, after(*events).consultation) == (DmpStatus.CLOSED, "INC")


moments = st.integers(0, 50).map(moment)
facts = st.builds(
    replace,
    st.builds(
        event,
        st.just(0),
        st.builds(
            lambda reliability, ins: Patient(reliability=reliability, ins=ins),
            st.sampled_from([(), ("VALI",), ("PROV",), ("VALI", "DOUT")]),
            st.sampled_from([None, INS, OTHER_INS]),
        ),
        birth_date_corrected=st.booleans(),
    ),
    occurred_at=moments,
    withdraws_ins=st.booleans(),
    feeding=st.sampled_from([None, *Feeding]),
    feeding_at=st.one_of(st.none(), moments),
    dmp_status=st.sampled_from([None, *DmpStatus]),
    dmp_status_at=st.one_of(st.none(), moments),
    consultation=st.sampled_from([None, "IC", "INC", "NA"]),
)


@given(st.lists(facts, max_size=5), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_the_same_events_give_the_same_facts(
    events: list[PatientEvent], random: Random
) -> None:
    """Identifiers and traits are left out here: at the same moment the last to arrive wins."""
    shuffled = [*events, *events[::2]]
    random.shuffle(shuffled)
    assert after(*events) == after(*shuffled)


@given(st.permutations([0, 1, 2, 3, 4]))
def test_identities_of_different_moments_converge_too(order: list[int]) -> None:
    events = [event(minute, patient(traits=replace(TRAITS, used_name=str(minute)))) for minute in range(5)]
    assert after(*(events[index] for index in order)) == after(*events)
