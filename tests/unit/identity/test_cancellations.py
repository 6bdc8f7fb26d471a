"""What a cancellation undoes and what it leaves, whatever the messages leave out."""

from dataclasses import replace
from itertools import combinations

import pytest

from pfi.model.adt import MovementAction
from pfi.model.parties import Establishment
from pfi.model.patient import Identifier
from tests.unit.identity.feed import (
    ACCOUNT,
    ACCOUNT_KEY,
    ADMISSION,
    DISCHARGE,
    OTHER_VISIT,
    VISIT,
    VISIT_KEY,
    after,
    episode,
    moved,
    who,
)
from tests.unit.identity.patients import moment

OTHER_ACCOUNT = replace(ACCOUNT, value="D2")
OTHER_ACCOUNT_KEY = f"D2^{ACCOUNT.authority_oid}"


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
        replace(moved(minutes, trigger, f"m{minutes}"), establishment=Establishment(eg=name))
        for minutes, trigger, name in ((0, "A04", first), (5, "A01", last))
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


@pytest.mark.parametrize(("expected", "cancellation"), [("A05", "A38"), ("A14", "A38"), ("A01", "A11"), ("A04", "A11")])
def test_a_cancellation_is_known_by_its_event_alone(expected: str, cancellation: str) -> None:
    """Without ZBE: neither a number nor an action."""
    silent = replace(moved(9, cancellation), movement=None)
    assert episode(moved(0, expected), silent).cancelled
    assert episode(moved(0, expected, "m1"), silent).cancelled


def test_a_cancellation_told_at_the_moment_of_its_movement_undoes_it() -> None:
    assert episode(moved(5, "A01", "m1"), moved(5, "A11", "m1")).cancelled


def test_the_cancellation_of_a_whole_file_leaves_the_visits_of_another() -> None:
    visits = [
        moved(0, "A01", "m1", patient=who(account=ACCOUNT)),
        moved(1, "A01", "m2", patient=who(account=OTHER_ACCOUNT), visit=OTHER_VISIT),
    ]
    cancellation = moved(9, "A11", "m9", patient=who(account=ACCOUNT), whole_account=True)
    assert [each.cancelled for each in after(*visits, cancellation).episodes] == [True, False]


def test_a_cancellation_without_visit_leaves_the_movements_of_another_file() -> None:
    admission = moved(0, "A01", patient=who(account=ACCOUNT))
    cancellation = moved(9, "A11", visit=None, patient=who(account=OTHER_ACCOUNT))
    assert {each.account: each.cancelled for each in after(admission, cancellation).episodes} == {
        ACCOUNT_KEY: False,
        OTHER_ACCOUNT_KEY: True,
    }


NAMES = ("EST", "NORD", "OUEST", "SUD", "CENTRE", "PORT")


@pytest.mark.parametrize("pair", list(combinations(NAMES, 2)))
def test_of_movements_cancelled_together_and_told_together_one_is_always_the_last(pair: tuple[str, str]) -> None:
    """The same one in every process, however sets are ordered there."""
    movements = [replace(moved(0, "A01", f"m-{name}"), establishment=Establishment(eg=name)) for name in pair]
    silent = [replace(moved(9, "A11", f"m-{name}"), establishment=Establishment()) for name in pair]
    assert episode(*movements, *silent).eg == max(pair)


@pytest.mark.parametrize("pair", list(combinations(NAMES, 2)))
def test_of_visits_cancelled_together_and_told_together_one_is_always_that_of_the_file(pair: tuple[str, str]) -> None:
    patient = who(account=ACCOUNT)
    visits = [moved(0, "A01", name, patient=patient, visit=replace(VISIT, value=name)) for name in pair]
    cancelled = [moved(9, "A11", name, visit=replace(VISIT, value=name)) for name in pair]
    by_file = moved(12, "A03", "m3", patient=patient, visit=None)
    (closed,) = [each for each in after(*visits, *cancelled, by_file).episodes if each.discharged_at is not None]
    assert closed.visit == f"{max(pair)}^{VISIT.authority_oid}"
