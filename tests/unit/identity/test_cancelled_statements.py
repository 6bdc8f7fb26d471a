"""What a cancelled message said of the person: what restricts stays, what permits is undone."""

from dataclasses import replace
from typing import Any

import pytest

from pfi.model.patient import DmpStatus, Feeding
from tests.unit.identity.feed import (
    ADMISSION,
    OTHER_IPP,
    after,
    following,
    moved,
    qualified,
    told,
    who,
)
from tests.unit.identity.patients import INS, OTHER_INS

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


@pytest.mark.parametrize(
    ("before", "undone", "fact"),
    [
        ({"dmp_status": DmpStatus.CLOSED}, {"cleared": frozenset({"dmp_status"})}, "dmp_status"),
        (
            {"referring_professionals": (following("ODRP", "1"),)},
            {"ended_roles": (following("ODRP", "1"),)},
            "care_team",
        ),
    ],
)
def test_what_a_cancelled_message_takes_away_is_given_back(
    before: dict[str, Any], undone: dict[str, Any], fact: str
) -> None:
    known = told(-5, **before)
    admission = moved(0, "A01", "m1", **undone)
    assert getattr(after(known, admission), fact) != getattr(after(known), fact)
    assert getattr(after(known, admission, moved(9, "A11", "m1")), fact) == getattr(after(known), fact)


def test_an_identity_that_must_be_hidden_stays_so_when_its_message_is_cancelled() -> None:
    hidden = moved(0, "A01", "m1", patient=who("VALI", "CACH"))
    assert after(hidden, moved(9, "A11", "m1")).reliability == ("CACH",)
