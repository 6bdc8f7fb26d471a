"""Whatever the order, whatever the repetition: the same statements give the same state."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pfi.identity.history import combine, fold, storable
from pfi.identity.movements import restrictions
from pfi.model.adt import Movement, MovementAction, PatientEvent
from pfi.model.patient import DmpStatus, Feeding, Patient, PatientState
from pfi.model.submission import Stay
from tests.unit.identity.feed import ACCOUNT, OTHER_IPP, OTHER_VISIT, VISIT, following, moved, told
from tests.unit.identity.patients import INS, IPP, NIA_OID, OTHER_INS, TRAITS, moment

moments = st.integers(0, 12).map(moment)
inses = st.sampled_from([None, INS, OTHER_INS])
patients = st.builds(
    Patient,
    ins=inses,
    other_ins=st.sampled_from([(), (), (replace(INS, oid=NIA_OID),), (OTHER_INS,)]),
    identifiers=st.sampled_from([(), (IPP,), (OTHER_IPP,), (IPP, OTHER_IPP)]),
    traits=st.sampled_from([TRAITS, replace(TRAITS, used_name="PAT-NEUF")]),
    reliability=st.sampled_from([(), ("VALI",), ("PROV",), ("VALI", "DOUT"), ("VIDE",)]),
    account=st.sampled_from([None, ACCOUNT, replace(ACCOUNT, value="D2")]),
    deceased=st.booleans(),
)
movements = st.builds(
    Movement,
    ids=st.sampled_from([(), ("m1^GAM",), ("m2^GAM",), ("m1^GAM", "m3^GAM")]),
    action=st.sampled_from(list(MovementAction)),
    original_trigger=st.sampled_from(["", "A01", "A03", "A06"]),
    started_at=st.one_of(st.none(), moments),
    medical_unit=st.sampled_from(["", "6268", "7000"]),
)
stays = st.builds(
    Stay,
    patient_class=st.sampled_from(["", "I", "E"]),
    visit=st.sampled_from([None, VISIT, OTHER_VISIT]),
    admitted_at=st.sampled_from(["", "20260306093000"]),
    discharged_at=st.sampled_from(["", "20260307093000"]),
)
flags = st.sampled_from([None, True, False])
events = st.builds(
    PatientEvent,
    message=st.just(told(0).message),
    trigger=st.sampled_from(
        ["A01", "A03", "A04", "A05", "A06", "A07", "A11", "A13", "A14", "A28", "A31", "A38", "A40", "A44", "A47", "Z99"]
    ),
    occurred_at=moments,
    recorded_at=st.one_of(st.none(), moments),
    patient=patients,
    stay=stays,
    movement=st.one_of(st.none(), movements),
    prior_ins=st.sampled_from([(), (), (INS,), (OTHER_INS,)]),
    prior_identifiers=st.sampled_from([(), (), (IPP,), (OTHER_IPP,)]),
    withdraws_ins=st.booleans(),
    dmp_status=st.sampled_from([None, *DmpStatus]),
    dmp_status_at=st.one_of(st.none(), moments),
    feeding=st.sampled_from([None, *Feeding]),
    feeding_at=st.one_of(st.none(), moments),
    consultation=st.sampled_from([None, "IC", "INC", "NA"]),
    consultation_at=st.one_of(st.none(), moments),
    birth_date_corrected=st.booleans(),
    referring_professionals=st.sampled_from([(), (following("ODRP", "1"),), (following("RP", "2"),)]),
    ended_roles=st.sampled_from([(), (), (following("ODRP", "1"),)]),
    deceased=flags,
    pro_opposed=flags,
    whole_account=st.booleans(),
    cleared=st.sampled_from([frozenset[str](), frozenset({"unit", "dmp_status"}), frozenset({"discharged_at"})]),
)
histories = st.lists(events, max_size=7)


@given(histories, st.one_of(st.none(), histories), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_the_same_statements_give_the_same_state(
    told_events: list[PatientEvent], before: list[PatientEvent] | None, random: Random
) -> None:
    baseline = fold(before) if before is not None else None
    shuffled = [*told_events, *told_events[::2]]
    random.shuffle(shuffled)
    assert fold(shuffled, baseline=baseline) == fold(told_events, baseline=baseline)


@given(histories)
def test_what_is_stored_is_enough(told_events: list[PatientEvent]) -> None:
    assert fold(storable(event) for event in told_events) == fold(told_events)


@given(histories)
def test_nothing_told_since_changes_nothing(told_events: list[PatientEvent]) -> None:
    state = fold(told_events)
    assert fold((), baseline=state) == state
    silence = told(99, patient=Patient())
    later = fold([silence], baseline=state)
    assert replace(later, last_event_at=None, episodes=()) == replace(state, last_event_at=None, episodes=())
    assert set(later.episodes) == set(state.episodes)


@given(histories, histories)
def test_an_objection_told_last_stands_whatever_was_told_before(
    told_events: list[PatientEvent], more: list[PatientEvent]
) -> None:
    objection = told(60, feeding=Feeding.OPPOSED, patient=Patient(identifiers=(IPP,), reliability=("PROV",)))
    state = fold([*told_events, objection, *more])
    assert state.feeding is Feeding.OPPOSED


UNIQUE = replace(VISIT, value="V-UNIQUE")
others = st.lists(
    events.map(lambda event: replace(event, stay=replace(event.stay, visit=event.stay.visit or VISIT))), max_size=5
)


def without_cancelled(state: PatientState) -> PatientState:
    """The cancelled episode stays to be seen; when the last thing was told is no fact."""
    return replace(
        state, episodes=tuple(each for each in state.episodes if not each.cancelled), last_event_at=moment(0)
    )


@given(others, events)
def test_a_cancelled_movement_is_as_if_it_had_never_come_but_for_what_it_restricts(
    around: list[PatientEvent], said: PatientEvent
) -> None:
    admission = moved(5, "A01", "unique", patient=replace(said.patient, account=None), visit=UNIQUE)
    admission = replace(
        admission,
        feeding=said.feeding,
        dmp_status=said.dmp_status,
        consultation=said.consultation,
        withdraws_ins=said.withdraws_ins,
        birth_date_corrected=said.birth_date_corrected,
        referring_professionals=said.referring_professionals,
        deceased=said.deceased,
    )
    cancellation = moved(20, "A11", "unique", visit=UNIQUE, patient=Patient(identifiers=admission.patient.identifiers))
    restricted = replace(restrictions(admission), trigger="A31", movement=None)
    # what it restricts is still said of the identity that it named
    restricted = replace(restricted, patient=replace(restricted.patient, identifiers=admission.patient.identifiers))
    anchor = told(30, patient=Patient(identifiers=(IPP, OTHER_IPP)))
    cancelled = fold([*around, admission, cancellation, anchor])
    never_came = fold([*around, restricted, anchor])
    assert without_cancelled(cancelled) == without_cancelled(never_came)


@given(st.lists(histories.map(fold), max_size=3), st.randoms(use_true_random=False))
def test_records_are_combined_in_any_order_and_never_less_cautiously(
    states: list[PatientState], random: Random
) -> None:
    together = combine(states)
    for state in states:
        assert state.feeding is not Feeding.OPPOSED or together.feeding is Feeding.OPPOSED
        assert together.birth_date_corrected >= state.birth_date_corrected
        assert together.deceased >= state.deceased
        assert together.pro_opposed >= state.pro_opposed
        assert not state.reliability or "VALI" in state.reliability or "VALI" not in together.reliability
    shuffled = list(states)
    random.shuffle(shuffled)
    other = combine(shuffled)
    assert replace(other, retired_ins=()) == replace(together, retired_ins=())
    assert set(other.retired_ins) == set(together.retired_ins)
