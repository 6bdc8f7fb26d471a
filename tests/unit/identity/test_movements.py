"""Movements: what a cancellation undoes, what a correction corrects, what the episodes become."""

from dataclasses import replace
from typing import Any

import pytest

from pfi.identity.history import fold
from pfi.model.adt import MovementAction, PatientEvent
from pfi.model.parties import Establishment
from pfi.model.patient import DmpStatus, Episode, Feeding, Identifier, PatientState
from tests.unit.identity.feed import (
    ACCOUNT,
    ACCOUNT_KEY,
    OTHER_IPP,
    OTHER_VISIT,
    OTHER_VISIT_KEY,
    VISIT,
    VISIT_KEY,
    after,
    episode,
    following,
    moved,
    qualified,
    told,
    who,
)
from tests.unit.identity.patients import INS, OTHER_INS, moment

ADMISSION = moved(0, "A01", "m1", patient_class="I", unit="6268")
DISCHARGE = moved(60, "A03", "m2", patient_class="I", exit_mode="8")


def test_an_admission_opens_an_episode() -> None:
    assert episode(moved(5, "A01", "m1", patient_class="I", unit="6268", start=0, consultation="IC")) == Episode(
        visit=VISIT_KEY,
        patient_class="I",
        ej="EJ",
        eg="EG",
        unit="6268",
        admitted_at=moment(0),
        consultation="IC",
    )


def test_the_admission_is_dated_by_pv1_44_when_it_is_told() -> None:
    told_later = moved(9, "A03", "m2", admitted_at="20260306093000")
    assert episode(ADMISSION).admitted_at == moment(0)
    assert episode(ADMISSION, told_later).admitted_at == moment(-30)
    assert episode(told_later).admitted_at == moment(-30)
    assert episode(moved(9, "A01", "m1", admitted_at="jamais")).admitted_at == moment(9)


@pytest.mark.parametrize("starts", [(0, 5), (5, 0)])
def test_the_admission_date_told_last_is_the_right_one_whatever_the_movements(starts: tuple[int, int]) -> None:
    first = moved(9, "A01", "m1", start=starts[0], admitted_at="20260306093000")
    last = moved(12, "A06", "m2", start=starts[1], admitted_at="20260306094500")
    assert episode(first, last).admitted_at == moment(-15)


def test_a_discharge_closes_it_and_says_how() -> None:
    closed = episode(ADMISSION, DISCHARGE)
    assert (closed.discharged_at, closed.exit_mode, closed.admitted_at) == (moment(60), "8", moment(0))
    dated = replace(DISCHARGE, stay=replace(DISCHARGE.stay, discharged_at="20260306110100"))
    assert episode(ADMISSION, dated).discharged_at == moment(61)


def test_a_discharge_without_zfa_erases_no_consent() -> None:
    state = after(replace(ADMISSION, feeding=Feeding.OPPOSED, consultation="INC"), DISCHARGE)
    assert (state.feeding, state.consultation, state.episodes[0].consultation) == (Feeding.OPPOSED, "INC", "INC")


@pytest.mark.parametrize("trigger", ["A05", "A14"])
def test_an_expected_patient_is_not_admitted_yet(trigger: str) -> None:
    expected = moved(0, trigger, "m0", patient_class="I", admitted_at="20260307090000")
    assert (episode(expected).admitted_at, episode(expected).cancelled) == (None, False)
    assert episode(expected, moved(9, "A01", "m1")).admitted_at == moment(9)


@pytest.mark.parametrize(("change", "before", "after_class"), [("A06", "E", "I"), ("A07", "I", "O"), ("A06", "O", "I")])
def test_a_class_change_changes_the_class_of_the_same_visit(change: str, before: str, after_class: str) -> None:
    arrival = moved(0, "A04", "m1", patient_class=before)
    silent = moved(30, change, "m2")
    changed = episode(arrival, silent)
    assert (changed.patient_class, changed.admitted_at) == (after_class, moment(0))
    assert episode(arrival, replace(silent, stay=replace(silent.stay, patient_class="R"))).patient_class == "R"


def test_the_class_is_that_of_the_last_movement_not_of_the_last_message() -> None:
    later_entry = moved(90, "A04", "m1", patient_class="E", start=0)
    assert episode(moved(30, "A06", "m2", patient_class="I"), later_entry).patient_class == "I"


def test_episodes_are_told_apart_by_visit_and_oldest_first() -> None:
    state = after(
        moved(50, "A01", "m9", visit=OTHER_VISIT, start=-500),
        ADMISSION,
    )
    assert [each.visit for each in state.episodes] == [OTHER_VISIT_KEY, VISIT_KEY]


def test_without_visit_the_episode_is_found_by_its_file() -> None:
    named = moved(0, "A01", "m1", patient=who(account=ACCOUNT))
    by_file = moved(60, "A03", "m2", patient=who(account=ACCOUNT), visit=None)
    assert (episode(named, by_file).visit, episode(named, by_file).account) == (VISIT_KEY, ACCOUNT_KEY)
    assert episode(named, by_file).discharged_at == moment(60)
    alone = episode(by_file)
    assert (alone.visit, alone.account) == ("", ACCOUNT_KEY)


def test_a_movement_that_names_no_stay_makes_no_episode() -> None:
    assert after(moved(0, "A04", "m1", visit=None, patient_class="N")).episodes == ()
    assert after(told(0, "A31", who(account=ACCOUNT))).episodes == ()


def test_the_consultation_is_kept_for_each_episode() -> None:
    first = replace(ADMISSION, consultation="INC")
    second = moved(90, "A01", "m5", visit=OTHER_VISIT, consultation="IC")
    state = after(first, second)
    assert [each.consultation for each in state.episodes] == ["INC", "IC"]
    assert state.consultation == "IC"


def test_without_pv1_44_the_admission_is_the_first_one() -> None:
    later = moved(5, "A01", "m7")
    assert episode(ADMISSION, later).admitted_at == moment(0)
    assert episode(moved(0, "A06", "m2"), later).admitted_at == moment(5)
    assert episode(moved(0, "A06", "m2")).admitted_at is None


def test_what_nobody_told_of_a_stay_is_empty() -> None:
    silent = episode(moved(0, "A01", "m1"))
    assert (silent.patient_class, silent.unit, silent.exit_mode, silent.discharged_at) == ("", "", "", None)


def test_of_two_discharges_the_last_told_counts_and_tells_its_own_mode() -> None:
    second = moved(70, "A03", "m3", start=30)
    closed = episode(ADMISSION, DISCHARGE, second)
    assert (closed.discharged_at, closed.exit_mode) == (moment(30), "")
    by_number = episode(ADMISSION, moved(60, "A03", exit_mode="8"), second)
    assert (by_number.discharged_at, by_number.exit_mode) == (moment(30), "")
    repeated = episode(ADMISSION, moved(60, "A03", exit_mode="8"), moved(70, "A03"))
    assert (repeated.discharged_at, repeated.exit_mode) == (moment(70), "8")


def test_movements_of_two_kinds_without_number_are_two() -> None:
    stay = episode(moved(0, "A01"), moved(60, "A03"))
    assert (stay.admitted_at, stay.discharged_at) == (moment(0), moment(60))


# Cancellations.


def test_a11_cancels_the_admission() -> None:
    cancelled = episode(ADMISSION, moved(9, "A11", "m1"))
    assert (cancelled.cancelled, cancelled.admitted_at, cancelled.visit) == (True, None, VISIT_KEY)
    assert (cancelled.unit, cancelled.patient_class) == ("", "")


def test_a38_cancels_the_expected_admission() -> None:
    assert episode(moved(0, "A05", "m1"), moved(9, "A38", "m1")).cancelled
    admitted = episode(moved(0, "A05", "m1"), moved(5, "A01", "m2"), moved(9, "A38", "m1"))
    assert (admitted.cancelled, admitted.admitted_at) == (False, moment(5))


def test_a_cancelled_admission_leaves_the_expected_one() -> None:
    back = episode(moved(0, "A05", "m1", patient_class="I"), moved(5, "A01", "m2"), moved(9, "A11", "m2"))
    assert (back.cancelled, back.admitted_at) == (False, None)


def test_a13_reopens_the_stay() -> None:
    reopened = episode(ADMISSION, DISCHARGE, moved(90, "A13", "m2"))
    assert (reopened.discharged_at, reopened.exit_mode, reopened.cancelled) == (None, "", False)
    assert reopened.admitted_at == moment(0)


def test_a_stay_discharged_again_after_a13_is_discharged() -> None:
    again = moved(120, "A03", "m3", exit_mode="7")
    assert episode(ADMISSION, DISCHARGE, moved(90, "A13", "m2"), again).discharged_at == moment(120)


def test_another_admission_keeps_the_episode_alive() -> None:
    other = moved(5, "A01", "m7", unit="7000")
    alive = episode(ADMISSION, other, moved(9, "A11", "m1"))
    assert (alive.cancelled, alive.unit, alive.admitted_at) == (False, "7000", moment(5))


def test_a_new_insertion_after_the_cancellation_stands() -> None:
    again = moved(12, "A01", "m8")
    assert not episode(ADMISSION, moved(9, "A11", "m1"), again).cancelled
    same_number = moved(12, "A01", "m1")
    assert not episode(ADMISSION, moved(9, "A11", "m1"), same_number).cancelled


def test_a_cancellation_without_number_is_about_the_newest_movement_of_that_kind() -> None:
    cancellation = moved(90, "A13")
    assert episode(ADMISSION, DISCHARGE, cancellation).discharged_at is None
    numbered = [ADMISSION, DISCHARGE, moved(70, "A03", "m3")]
    assert episode(*numbered, cancellation).discharged_at == moment(60)
    unknown_number = moved(90, "A13", "m99")
    assert episode(*numbered, unknown_number).discharged_at == moment(60)
    assert episode(*numbered, moved(65, "A13")).discharged_at == moment(70)


def test_messages_of_one_kind_without_number_are_one_movement() -> None:
    first, corrected = moved(60, "A03"), moved(70, "A03")
    assert episode(ADMISSION, first, corrected).discharged_at == moment(70)
    assert episode(ADMISSION, first, corrected, moved(90, "A13")).discharged_at is None


def test_a_cancellation_of_the_messages_without_number_leaves_the_numbered_one() -> None:
    numbered, silent = moved(60, "A03", "m2"), moved(70, "A03")
    assert episode(ADMISSION, numbered, silent, moved(90, "A13")).discharged_at == moment(60)


def test_a_number_is_enough_when_nothing_says_that_it_is_another_stay() -> None:
    by_file = moved(9, "A11", "m1", visit=None, patient=who(account=ACCOUNT))
    assert [each.cancelled for each in after(ADMISSION, by_file).episodes if each.visit == VISIT_KEY] == [True]


def test_each_cancellation_without_number_undoes_its_own_movement() -> None:
    events = [ADMISSION, moved(60, "A03", "m2"), moved(70, "A03", "m3"), moved(80, "A13"), moved(90, "A13")]
    assert episode(*events[:4]).discharged_at == moment(60)
    assert episode(*events).discharged_at is None


def test_a_cancellation_without_visit_is_found_by_the_file() -> None:
    admission = moved(0, "A01", patient=who(account=ACCOUNT))
    assert episode(admission, moved(9, "A11", visit=None, patient=who(account=ACCOUNT))).cancelled
    assert not after(admission, moved(9, "A11", visit=None)).episodes[0].cancelled


def test_the_same_number_in_another_visit_is_another_movement() -> None:
    other = moved(1, "A01", "m1", visit=OTHER_VISIT)
    state = after(ADMISSION, other, moved(9, "A11", "m1", visit=OTHER_VISIT))
    assert [each.cancelled for each in state.episodes] == [False, True]
    by_file = [
        moved(0, "A01", "m1", patient=who(account=replace(ACCOUNT, value=value)), visit=None) for value in ("D1", "D2")
    ]
    cancellation = moved(9, "A11", "m1", patient=who(account=ACCOUNT), visit=None)
    assert [each.cancelled for each in after(*by_file, cancellation).episodes] == [True, False]


@pytest.mark.parametrize(("first", "last"), [("NORD", "SUD"), ("SUD", "NORD"), ("EST", "OUEST"), ("OUEST", "EST")])
def test_a_stay_cancelled_whole_keeps_what_was_told_of_it_last(first: str, last: str) -> None:
    movements = [
        replace(moved(minutes, "A01", f"m{minutes}"), establishment=Establishment(eg=name))
        for minutes, name in ((0, first), (5, last))
    ]
    silent = [
        replace(moved(9, "A11", f"m{minutes}"), establishment=Establishment(), occurred_at=moment(minutes))
        for minutes in (0, 5)
    ]
    assert episode(*movements, *silent).eg == last


@pytest.mark.parametrize(("first", "last"), [(VISIT, OTHER_VISIT), (OTHER_VISIT, VISIT)])
def test_a_file_is_that_of_the_visit_told_last_even_when_another_was_cancelled(
    first: Identifier, last: Identifier
) -> None:
    patient = who(account=ACCOUNT)
    visits = [
        moved(0, "A01", "m1", patient=patient, visit=first),
        moved(5, "A01", "m2", patient=patient, visit=last),
        moved(9, "A11", "m1", patient=patient, visit=None),
        moved(12, "A03", "m3", patient=patient, visit=None),
    ]
    (open_, closed) = sorted(after(*visits).episodes, key=lambda each: each.discharged_at is not None)
    assert (open_.discharged_at, open_.cancelled) == (None, True)
    assert (closed.visit, closed.discharged_at) == (f"{last.value}^{last.authority_oid}", moment(12))


def test_a_cancellation_that_comes_alone_waits_for_what_it_cancels() -> None:
    early = moved(9, "A11", "m1")
    assert episode(early).cancelled
    assert episode(early, ADMISSION).cancelled
    reopening = episode(moved(90, "A13", "m2"))
    assert (reopening.cancelled, reopening.discharged_at) == (False, None)


def test_the_cancellation_of_the_whole_file_cancels_each_of_its_visits() -> None:
    patient = who(account=ACCOUNT)
    visits = [moved(0, "A01", "m1", patient=patient), moved(1, "A01", "m2", patient=patient, visit=OTHER_VISIT)]
    cancellation = moved(9, "A11", "m1", patient=patient, whole_account=True)
    assert [each.cancelled for each in after(*visits, cancellation).episodes] == [True, True]
    one_visit = replace(cancellation, whole_account=False)
    assert [each.cancelled for each in after(*visits, one_visit).episodes] == [True, False]


def test_a_class_change_that_is_cancelled_gives_the_former_class_back() -> None:
    arrival, change = moved(0, "A04", "m1", patient_class="E"), moved(30, "A06", "m2", patient_class="I")
    by_number = moved(40, "A06", "m2", action=MovementAction.CANCEL)
    assert episode(arrival, change, by_number).patient_class == "E"
    by_event = moved(40, "A07", action=MovementAction.CANCEL, original="A06")
    assert episode(arrival, change, by_event).patient_class == "E"
    by_kind = moved(40, "A06", action=MovementAction.CANCEL)
    assert episode(arrival, change, by_kind).patient_class == "E"


def test_a11_says_which_of_the_two_kinds_of_admission_it_cancels() -> None:
    both = [moved(0, "A04", patient_class="E"), moved(5, "A01", patient_class="I")]
    emergency = moved(9, "A11", original="A04")
    assert episode(*both, emergency).admitted_at == moment(5)
    assert episode(*both, moved(9, "A11", original="A99")).admitted_at is None


# Corrections.


def test_z99_corrects_the_movement_of_the_same_number() -> None:
    correction = moved(90, "Z99", "m1", original="A01", unit="7000", patient_class="R", start=-15)
    corrected = episode(ADMISSION, correction)
    assert (corrected.unit, corrected.patient_class, corrected.admitted_at) == ("7000", "R", moment(-15))


def test_z99_leaves_what_it_does_not_tell_and_deletes_what_it_empties() -> None:
    silent = moved(90, "Z99", "m2", original="A03", start=60)
    assert episode(ADMISSION, DISCHARGE, silent).exit_mode == "8"
    dated = replace(DISCHARGE, stay=replace(DISCHARGE.stay, discharged_at="20260306110100"))
    emptied = replace(silent, cleared=frozenset({"discharged_at", "exit_mode"}))
    corrected = episode(ADMISSION, dated, emptied)
    assert (corrected.discharged_at, corrected.exit_mode) == (moment(60), "")
    told_again = moved(95, "Z99", "m2", original="A03", start=60, exit_mode="7")
    assert episode(ADMISSION, dated, emptied, told_again).exit_mode == "7"


def test_z99_deletes_the_unit_and_the_admission_date_that_it_empties() -> None:
    admission = moved(0, "A01", "m1", unit="6268", admitted_at="20260306093000")
    correction = moved(90, "Z99", "m1", original="A01", start=0)
    assert (episode(admission, correction).unit, episode(admission, correction).admitted_at) == ("6268", moment(-30))
    emptied = episode(admission, replace(correction, cleared=frozenset({"unit", "admitted_at"})))
    assert (emptied.unit, emptied.admitted_at) == ("", moment(0))


def test_z99_without_number_corrects_the_movement_of_that_kind() -> None:
    admission = moved(0, "A01", unit="6268")
    correction = moved(90, "Z99", original="A01", unit="7000", start=0)
    assert episode(admission, correction).unit == "7000"


def test_z99_that_comes_alone_stands_for_the_movement_that_it_corrects() -> None:
    alone = episode(moved(90, "Z99", "m2", original="A03", start=60, exit_mode="7"))
    assert (alone.discharged_at, alone.exit_mode) == (moment(60), "7")


def test_a_cancelled_movement_is_cancelled_with_its_corrections() -> None:
    correction = moved(5, "Z99", "m1", original="A01", unit="7000")
    assert episode(ADMISSION, correction, moved(9, "A11", "m1")).cancelled
    assert episode(correction, moved(9, "A11", "m1")).cancelled


def test_two_numbers_that_one_message_names_together_are_one_movement() -> None:
    linked = moved(5, "Z99", "m1", original="A01", unit="7000")
    assert linked.movement is not None
    linked = replace(linked, movement=replace(linked.movement, ids=("m1^GAM", "m5^GAM")))
    later = moved(9, "Z99", "m5", original="A01", unit="8000", start=0)
    cancelled = moved(20, "A11", "m5")
    assert episode(ADMISSION, later, linked).unit == "8000"
    assert episode(later, linked, cancelled).cancelled


# What a cancelled message said of the person.

SAID = [
    ({"feeding": Feeding.NOT_OPPOSED}, "feeding", None),
    ({"feeding": Feeding.NOT_COLLECTED}, "feeding", None),
    ({"feeding": Feeding.OPPOSED}, "feeding", Feeding.OPPOSED),
    ({"dmp_status": DmpStatus.ACTIVE}, "dmp_status", None),
    ({"dmp_status": DmpStatus.CLOSED}, "dmp_status", DmpStatus.CLOSED),
    ({"consultation": "IC"}, "consultation", ""),
    ({"consultation": "INC"}, "consultation", "INC"),
    ({"patient": who("VALI")}, "reliability", ()),
    ({"patient": who("VALI", "HOMA")}, "reliability", ()),
    ({"patient": who("VALI", "DOUT")}, "reliability", ("DOUT",)),
    ({"patient": who("VALI", "ANOM")}, "reliability", ("ANOM",)),
    ({"patient": who("PROV")}, "reliability", ("PROV",)),
    ({"birth_date_corrected": True}, "birth_date_corrected", True),
    ({"withdraws_ins": True}, "ins_withdrawn", True),
    ({"deceased": True}, "deceased", False),
    ({"deceased": True, "patient": who(deceased=True)}, "deceased", True),
    ({"pro_opposed": True}, "pro_opposed", True),
    ({"referring_professionals": (following("ODRP", "1"),)}, "care_team", ()),
]


@pytest.mark.parametrize(("facts", "fact", "expected"), SAID)
def test_what_restricts_stays_and_what_permits_is_undone(facts: dict[str, Any], fact: str, expected: object) -> None:
    admission = moved(0, "A01", "m1", **facts)
    assert getattr(after(admission, moved(9, "A11", "m1")), fact) == expected


def test_the_identity_of_a_cancelled_message_is_undone() -> None:
    state = after(moved(0, "A01", "m1", patient=qualified()), moved(9, "A11", "m1", patient=qualified()))
    assert (state.identity.ins, state.identity.identifiers, state.reliability) == (None, (), ())
    before = told(-5, patient=qualified(OTHER_INS))
    after_all = after(before, moved(0, "A01", "m1", patient=qualified()), moved(9, "A11", "m1"))
    assert (after_all.identity.ins, after_all.reliability) == (OTHER_INS, ("VALI",))


def test_what_another_message_says_stands() -> None:
    admission = moved(0, "A01", "m1", patient=qualified(), feeding=Feeding.NOT_OPPOSED)
    elsewhere = told(5, patient=qualified(), feeding=Feeding.NOT_OPPOSED)
    state = after(admission, elsewhere, moved(9, "A11", "m1"))
    assert (state.identity.ins, state.reliability, state.feeding) == (INS, ("VALI",), Feeding.NOT_OPPOSED)


def test_a_restriction_of_a_cancelled_message_is_lifted_by_a_later_one() -> None:
    admission = moved(0, "A01", "m1", feeding=Feeding.OPPOSED)
    cancellation = moved(9, "A11", "m1")
    assert after(admission, cancellation, told(5, feeding=Feeding.NOT_OPPOSED)).feeding is Feeding.NOT_OPPOSED
    assert after(admission, cancellation, told(-5, feeding=Feeding.NOT_OPPOSED)).feeding is Feeding.OPPOSED


def test_a_cancellation_permits_nothing_itself_but_what_it_restricts_counts() -> None:
    permits = moved(9, "A11", "m1", patient=qualified(), feeding=Feeding.NOT_OPPOSED)
    state = after(told(-5, patient=who("PROV")), permits)
    assert (state.reliability, state.identity.ins, state.feeding) == (("PROV",), None, None)
    assert after(told(-5, patient=who("VALI")), moved(9, "A11", "m1", patient=who("PROV"))).reliability == ("PROV",)


def test_a_cancelled_discharge_takes_the_death_that_it_told_back() -> None:
    death = moved(60, "A03", "m2", exit_mode="9", deceased=True, patient=who(deceased=True))
    assert after(ADMISSION, death).deceased
    silent = moved(90, "A13", "m2")
    assert after(ADMISSION, death, silent).deceased
    assert not after(ADMISSION, death, replace(silent, deceased=False)).deceased


def test_a_restriction_of_a_merged_identity_s_cancelled_message_is_about_that_identity() -> None:
    merged = told(20, "A40", who(), prior_identifiers=(OTHER_IPP,))
    admission = moved(0, "A01", "m1", patient=who("PROV", ipp=OTHER_IPP), feeding=Feeding.OPPOSED)
    state = after(admission, moved(9, "A11", "m1", patient=who(ipp=OTHER_IPP)), merged)
    assert (state.reliability, state.feeding) == ((), Feeding.OPPOSED)


# What was known before.


KNOWN = fold([replace(ADMISSION, patient=who(account=ACCOUNT)), DISCHARGE])


def test_the_episodes_known_before_go_on() -> None:
    assert fold((), baseline=KNOWN) == KNOWN
    later = moved(90, "A06", "m7", patient_class="R")
    (only,) = after(later, baseline=KNOWN).episodes
    assert (only.patient_class, only.unit, only.discharged_at) == ("R", "6268", moment(60))
    by_file = moved(95, "A03", "m8", visit=None, patient=who(account=ACCOUNT))
    assert [each.visit for each in after(by_file, baseline=KNOWN).episodes] == [VISIT_KEY]


def test_cancellations_of_what_was_known_before() -> None:
    (reopened,) = after(moved(90, "A13", "m2"), baseline=KNOWN).episodes
    assert (reopened.discharged_at, reopened.exit_mode, reopened.admitted_at) == (None, "", moment(0))
    (cancelled,) = after(moved(90, "A11", "m1"), baseline=KNOWN).episodes
    assert (cancelled.cancelled, cancelled.admitted_at) == (True, None)
    known = replace(KNOWN, episodes=(cancelled,))
    assert after(baseline=known).episodes == (cancelled,)
    (again,) = after(moved(99, "A01", "m9"), baseline=known).episodes
    assert (again.cancelled, again.admitted_at) == (False, moment(99))


def test_an_expected_patient_whose_known_admission_is_cancelled_is_expected_again() -> None:
    events = (moved(-60, "A05", "m0"), moved(90, "A11", "m1"))
    (back,) = after(*events, baseline=KNOWN).episodes
    assert (back.cancelled, back.admitted_at) == (False, None)


def test_an_episode_known_without_any_date_is_kept() -> None:
    known = PatientState(episodes=(Episode(visit="V9^X"), Episode(account="D9^X")))
    assert set(after(baseline=known).episodes) == set(known.episodes)


def test_a_movement_that_names_no_stay_is_not_one_of_a_known_visit_without_file() -> None:
    known = PatientState(episodes=(Episode(visit=VISIT_KEY),))
    assert after(moved(0, "A04", "m1", visit=None, unit="7000"), baseline=known).episodes == known.episodes


def test_an_episode_keeps_its_place_when_only_its_last_movements_are_told_again() -> None:
    other = moved(50, "A01", "m9", visit=OTHER_VISIT)
    later = moved(90, "A06", "m7", patient_class="R")
    assert [each.visit for each in after(other, later, baseline=KNOWN).episodes] == [VISIT_KEY, OTHER_VISIT_KEY]


# The care team follows the newest stay.


def test_the_care_team_is_that_of_the_newest_stay() -> None:
    first = replace(ADMISSION, referring_professionals=(following("RP", "1"),))
    second = moved(90, "A01", "m5", visit=OTHER_VISIT, referring_professionals=(following("RP", "2"),))
    expected = moved(120, "A05", "m6", visit=replace(OTHER_VISIT, value="V3"))
    cancelled = [
        moved(
            130, "A01", "m7", visit=replace(OTHER_VISIT, value="V4"), referring_professionals=(following("RP", "4"),)
        ),
        moved(140, "A11", "m7", visit=replace(OTHER_VISIT, value="V4")),
    ]
    assert [each.identifier for each in after(first, second, expected, *cancelled).care_team] == ["2"]
    assert [each.identifier for each in after(first, expected).care_team] == ["1"]
    planned = replace(expected, referring_professionals=(following("RP", "3"),))
    assert [each.identifier for each in after(planned).care_team] == ["3"]


def test_the_establishment_of_an_episode_is_the_last_told() -> None:
    later = replace(moved(9, "A06", "m2"), establishment=Establishment(eg="NORD"))
    only = episode(ADMISSION, later)
    assert (only.ej, only.eg) == ("EJ", "NORD")


def test_the_unit_is_that_of_the_movement_the_location_or_the_stay() -> None:
    bare: PatientEvent = replace(ADMISSION, movement=None, establishment=Establishment())
    assert episode(replace(bare, establishment=Establishment(unit="U1"))).unit == "U1"
    assert episode(replace(bare, stay=replace(bare.stay, unit="U2"))).unit == "U2"
    assert episode(bare).unit == ""
