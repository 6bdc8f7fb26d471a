"""What was known before weighs as much as one more statement, at the very moment when it was told too."""

from dataclasses import replace
from typing import Any

import pytest

from pfi.identity.history import fold
from pfi.model.adt import PatientEvent
from pfi.model.patient import DmpStatus, Episode, Feeding, Identifier, Patient, PatientState
from tests.unit.identity.feed import (
    ACCOUNT,
    ADMISSION,
    DISCHARGE,
    OTHER_IPP,
    OTHER_VISIT,
    OTHER_VISIT_KEY,
    VISIT_KEY,
    after,
    flag,
    moved,
    qualified,
    told,
    who,
)
from tests.unit.identity.patients import INS, IPP, NIA_OID, OTHER_INS, moment

NIA = replace(INS, oid=NIA_OID)
REGIONAL = Identifier("R-1", "1.2.250.1.999.9", "", "PI")
OTHER_ACCOUNT = replace(ACCOUNT, value="D2")
KNOWN = fold([replace(ADMISSION, patient=who(account=ACCOUNT)), DISCHARGE])

TOGETHER = [
    (told(0, feeding=Feeding.OPPOSED), told(0, feeding=Feeding.NOT_OPPOSED)),
    (told(0, dmp_status=DmpStatus.CLOSED), told(0, dmp_status=DmpStatus.ACTIVE)),
    (told(0, dmp_status=DmpStatus.ABSENT), told(0, dmp_status=DmpStatus.ACTIVE)),
    (told(0, consultation="INC"), told(0, consultation="IC")),
    (told(0, patient=who("PROV")), told(0, patient=who("VALI"))),
    (told(0, patient=who("VALI", "DOUT")), told(0, patient=who("VALI"))),
    (told(0, birth_date_corrected=True), told(0, patient=qualified())),
    (told(0, patient=qualified()), told(0, patient=qualified(OTHER_INS))),
    (told(0, patient=who("VALI", ins=INS, other_ins=(NIA,))), told(0, patient=qualified())),
    (told(0), told(0, patient=who(ipp=REGIONAL))),
    *((flag(0, fact, True), flag(0, fact, False)) for fact in ("deceased", "pro_opposed", "cit_opposed")),
]


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_two_statements_of_one_moment_weigh_the_same_whichever_was_known_before(
    one: PatientEvent, other: PatientEvent
) -> None:
    both = after(one, other)
    assert after(other, baseline=fold([one])) == both
    assert after(one, baseline=fold([other])) == both


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"patient": Patient(identifiers=(IPP, REGIONAL))}, {"patient": who()}),
        ({"patient": who()}, {"patient": Patient(identifiers=(IPP, REGIONAL))}),
        ({"patient": who(account=ACCOUNT)}, {"patient": who(account=OTHER_ACCOUNT)}),
        ({"patient": who(account=OTHER_ACCOUNT)}, {"patient": who(account=ACCOUNT)}),
    ],
)
def test_local_identifiers_and_file_number_known_before_stand_until_told_otherwise(
    earlier: dict[str, Any], later: dict[str, Any]
) -> None:
    first, last = told(0, **earlier), told(5, **later)
    assert after(last, baseline=fold([first])).identity == after(first, last).identity
    assert after(first, baseline=fold([last])).identity == after(first, last).identity


def test_a_file_number_told_first_is_known_however_old() -> None:
    known = fold([told(5)])
    assert after(told(0, patient=who(account=ACCOUNT)), baseline=known).identity.account == ACCOUNT


def test_a_file_number_told_at_the_moment_of_what_was_known_takes_its_place() -> None:
    known = fold([told(0, patient=who(account=ACCOUNT))])
    assert after(told(0, patient=who(account=OTHER_ACCOUNT)), baseline=known).identity.account == OTHER_ACCOUNT


def test_an_identity_told_since_takes_the_place_of_one_that_was_retired() -> None:
    known = fold([told(5, patient=who(ipp=OTHER_IPP))])
    state = after(told(0, "A47", who(), prior_identifiers=(OTHER_IPP,)), baseline=known)
    assert (state.identity.identifiers, state.identity_at) == ((IPP,), moment(0))


def test_what_was_known_without_its_moment_is_kept_as_it_was() -> None:
    known = PatientState(
        identity=Patient(ins=INS, identifiers=(IPP,), reliability=("VALI",), account=ACCOUNT),
        reliability=("VALI",),
        dmp_status=DmpStatus.ACTIVE,
        feeding=Feeding.OPPOSED,
        consultation="IC",
        birth_date_corrected=True,
    )
    silent = told(0, patient=Patient())
    assert after(silent, baseline=known) == replace(known, last_event_at=moment(0))


def test_an_emptied_dmp_status_gives_way_to_a_closed_or_absent_one_of_the_same_moment() -> None:
    emptied = told(0, cleared=frozenset({"dmp_status"}))
    for status in (DmpStatus.CLOSED, DmpStatus.ABSENT):
        assert after(emptied, told(0, dmp_status=status)).dmp_status is status


def test_an_ins_told_at_the_moment_of_a_withdrawal_known_before_stays_withdrawn() -> None:
    state = after(told(0, patient=qualified()), baseline=fold([told(0, withdraws_ins=True)]))
    assert (state.identity.ins, state.ins_withdrawn) == (None, True)


def test_the_moment_and_the_withdrawal_of_an_identity_that_was_merged_away_go_with_it() -> None:
    known = PatientState(
        identity=Patient(identifiers=(OTHER_IPP,)),
        identity_at=moment(0),
        ins_withdrawn=True,
        ins_at=moment(0),
    )
    state = after(told(5, "A40", Patient(), prior_identifiers=(OTHER_IPP,)), baseline=known)
    assert state == PatientState(retired_identifiers=(OTHER_IPP,), last_event_at=moment(5))


# Stays.


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
