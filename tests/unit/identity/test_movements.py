"""Movements: what they tell of a stay, what a correction corrects, what the episodes become."""

from dataclasses import replace

import pytest

from pfi.model.adt import PatientEvent
from pfi.model.parties import Establishment
from pfi.model.patient import Episode, Feeding
from tests.unit.identity.feed import (
    ACCOUNT,
    ACCOUNT_KEY,
    ADMISSION,
    DISCHARGE,
    OTHER_VISIT,
    OTHER_VISIT_KEY,
    VISIT_KEY,
    after,
    episode,
    following,
    moved,
    told,
    who,
)
from tests.unit.identity.patients import moment


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
