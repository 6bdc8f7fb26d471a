"""Several records for one INS: each fact is the most cautious, the INS is retired only when nobody has it."""

from dataclasses import replace

import pytest

from pfi.identity.history import combine, fold
from pfi.model.patient import DmpStatus, Episode, Feeding, Follower, Identifier, Ins, Patient, PatientState
from tests.unit.identity.feed import flag, qualified, told, who
from tests.unit.identity.patients import INS, IPP, OTHER_INS, moment

ELSEWHERE = Identifier("77", "1.2.250.1.999.7", "CH-AUTRE", "PI")
HERE = fold([told(0, patient=qualified())])


def there(*reliability: str, minutes: int = 0) -> PatientState:
    return fold([told(minutes, patient=who(*reliability, ipp=ELSEWHERE))])


def test_one_record_answers_for_itself_and_none_for_nothing() -> None:
    assert combine([HERE]) is HERE
    assert combine([]) == PatientState()


def test_what_a_single_record_knows_is_known() -> None:
    silent = PatientState(last_event_at=moment(9))
    together = combine([silent, HERE])
    assert (together.identity.ins, together.reliability, together.reliability_at) == (INS, ("VALI",), moment(0))
    assert (together.identity.identifiers, together.last_event_at) == ((), moment(9))
    assert together.identity.reliability == ("VALI",)


def test_the_identity_is_validated_only_when_all_say_so() -> None:
    assert combine([HERE, there("PROV", minutes=-5)]).reliability == ("PROV",)
    assert combine([HERE, there("VALI", "DOUT")]).reliability == ("VALI", "DOUT")
    assert combine([there("VALI", "DOUT"), there("PROV")]).reliability == ("PROV", "DOUT")
    doubts = [there("VALI", doubt) for doubt in ("USUR", "FICT", "COLV", "DOUT")]
    assert combine([*doubts, there("PROV")]).reliability == ("PROV", "COLV", "DOUT", "FICT", "USUR")


def test_a_validation_is_as_old_as_the_oldest_and_a_restriction_as_new_as_the_newest() -> None:
    assert combine([there("VALI", minutes=5), HERE]).reliability_at == moment(0)
    assert combine([there("PROV", minutes=-5), HERE]).reliability_at == moment(0)
    assert combine([there("VALI", "DOUT", minutes=7), HERE]).reliability_at == moment(7)
    undated = PatientState(reliability=("VALI",))
    assert combine([undated, HERE]).reliability_at is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Feeding.OPPOSED, Feeding.NOT_OPPOSED, Feeding.OPPOSED),
        (Feeding.NOT_COLLECTED, Feeding.NOT_OPPOSED, Feeding.NOT_COLLECTED),
        (Feeding.NOT_COLLECTED, Feeding.OPPOSED, Feeding.OPPOSED),
        (None, Feeding.NOT_OPPOSED, Feeding.NOT_OPPOSED),
        (None, None, None),
    ],
)
def test_one_objection_is_enough_however_old(
    one: Feeding | None, other: Feeding | None, expected: Feeding | None
) -> None:
    first, second = fold([told(-99, feeding=one)]), fold([told(0, feeding=other)])
    assert combine([first, second]).feeding is combine([second, first]).feeding is expected


def test_the_date_of_the_objection_comes_with_it() -> None:
    opposed = fold([told(-9, feeding=Feeding.OPPOSED, feeding_at=moment(-20))])
    together = combine([opposed, fold([told(0, feeding=Feeding.NOT_OPPOSED)])])
    assert (together.feeding_at, together.feeding_told_at) == (moment(-20), moment(-9))


def test_of_two_objections_the_newest_is_kept() -> None:
    first, second, repeated = (
        PatientState(feeding=Feeding.OPPOSED, feeding_at=moment(at), feeding_told_at=moment(told_at))
        for at, told_at in ((-9, 0), (-5, -4), (-5, -3))
    )
    for states in ([first, second, repeated], [repeated, second, first]):
        together = combine(states)
        assert (together.feeding_at, together.feeding_told_at) == (moment(-5), moment(-3))


def test_who_says_nothing_takes_nothing_away() -> None:
    told = PatientState(feeding=Feeding.NOT_OPPOSED, dmp_status=DmpStatus.ACTIVE, consultation="IC")
    for states in ([PatientState(), told], [told, PatientState()]):
        together = combine(states)
        assert (together.feeding, together.dmp_status, together.consultation) == (
            Feeding.NOT_OPPOSED,
            DmpStatus.ACTIVE,
            "IC",
        )


def test_the_dmp_is_the_same_for_all_the_newest_statement_is_right() -> None:
    old, new = (
        PatientState(dmp_status=DmpStatus.ABSENT, dmp_status_at=moment(-9)),
        PatientState(dmp_status=DmpStatus.ACTIVE, dmp_status_at=moment(0)),
    )
    assert combine([old, new]).dmp_status is DmpStatus.ACTIVE
    assert combine([old, new]).dmp_status_at == moment(0)
    closed = replace(old, dmp_status=DmpStatus.CLOSED, dmp_status_at=moment(0))
    absent = replace(old, dmp_status_at=moment(0))
    for other in (new, absent):
        assert combine([closed, other]).dmp_status is combine([other, closed]).dmp_status is DmpStatus.CLOSED


def test_a_refused_consultation_wins() -> None:
    refused = fold([told(-9, consultation="INC")])
    together = combine([refused, fold([told(0, consultation="IC")]), fold([told(0, consultation="NA")])])
    assert (together.consultation, together.consultation_at) == ("INC", moment(-9))


@pytest.mark.parametrize("fact", ["deceased", "pro_opposed", "cit_opposed", "ins_impossible", "birth_date_corrected"])
def test_one_restriction_is_enough(fact: str) -> None:
    together = combine([HERE, fold([flag(-3, fact, True)])])
    assert getattr(together, fact) is True
    assert getattr(combine([HERE, there("VALI")]), fact) is False


def test_the_moment_of_a_corrected_birth_date_is_the_newest() -> None:
    states = [fold([told(minutes, birth_date_corrected=True)]) for minutes in (-3, -1)]
    assert combine([HERE, *states]).birth_date_corrected_at == moment(-1)


WITHDRAWN = fold([told(0, patient=qualified(ipp=ELSEWHERE)), told(5, "A47", who(ipp=ELSEWHERE), withdraws_ins=True)])


def test_an_ins_withdrawn_from_one_patient_may_be_another_one_s() -> None:
    together = combine([WITHDRAWN, HERE])
    assert (together.identity.ins, together.ins_withdrawn, together.retired_ins) == (INS, False, ())
    assert together.ins_at == moment(0)


def test_an_ins_withdrawn_from_all_is_withdrawn() -> None:
    other = fold([told(0, patient=qualified()), told(6, "A47", who(), withdraws_ins=True)])
    together = combine([WITHDRAWN, other])
    assert (together.identity.ins, together.ins_withdrawn, together.retired_ins) == (None, True, (INS,))
    assert together.ins_at == moment(6)


def test_a_record_that_says_nothing_of_the_ins_does_not_keep_it() -> None:
    assert combine([WITHDRAWN, PatientState()]).ins_withdrawn
    assert combine([PatientState(), WITHDRAWN]).retired_ins == (INS,)


@pytest.mark.parametrize(("minutes", "kept"), [(0, False), (5, False), (9, True)])
def test_what_is_known_of_an_ins_without_local_identifier_gives_way_to_a_later_withdrawal(
    minutes: int, kept: bool
) -> None:
    anchor = fold([told(minutes, patient=qualified(ipp=None))])
    together = combine([anchor, WITHDRAWN])
    assert together.ins_withdrawn is not kept
    assert together.identity.ins == (INS if kept else None)


def test_two_records_with_different_ins_give_both() -> None:
    other = fold([told(0, patient=qualified(OTHER_INS, ELSEWHERE))])
    together, turned = combine([HERE, other]), combine([other, HERE])
    assert {together.identity.ins, *together.identity.other_ins} == {INS, OTHER_INS}
    assert turned.identity == together.identity


def test_a_number_while_waiting_is_given_too_but_never_first() -> None:
    nia = Ins("100000000000001", "0.9")
    waiting = PatientState(identity=Patient(ins=INS, other_ins=(nia,)))
    together = combine([waiting, HERE])
    assert (together.identity.ins, together.identity.other_ins) == (INS, (nia,))


@pytest.mark.parametrize(("one", "other"), [(Ins("2", "1.1"), Ins("1", "1.2")), (Ins("1", "1.1"), Ins("2", "1.1"))])
def test_the_order_of_the_ins_does_not_depend_on_that_of_the_records(one: Ins, other: Ins) -> None:
    states = [PatientState(identity=Patient(ins=ins)) for ins in (one, other)]
    for records in (states, states[::-1]):
        together = combine(records).identity
        assert (together.ins, together.other_ins) == (one, (other,))


def test_only_the_professionals_on_whom_all_agree_are_kept() -> None:
    doctor, other = Follower("ODRP", "1", "DEMO"), Follower("ODRP", "2")
    team = Follower("RT", "3")
    agreeing = [PatientState(care_team=(doctor, team)), PatientState(care_team=(Follower("ODRP", "1"),))]
    assert combine(agreeing).care_team == (doctor, team)
    assert combine([PatientState(care_team=(doctor, team)), PatientState(care_team=(other,))]).care_team == (team,)


def test_the_episodes_of_all_are_kept_oldest_first() -> None:
    first, second = Episode("V2^X", admitted_at=moment(0)), Episode("V1^X", admitted_at=moment(5))
    states = [PatientState(episodes=(second,)), PatientState(episodes=(first,))]
    assert combine(states).episodes == (first, second)


def test_episodes_of_one_moment_are_ordered_whatever_the_order_of_the_records() -> None:
    episodes = [
        Episode("V1^X", "D2^X", admitted_at=moment(0)),
        Episode("V2^X", "D1^X", admitted_at=moment(0)),
        Episode("V2^X", "D2^X", admitted_at=moment(0)),
    ]
    states = [PatientState(episodes=(each,)) for each in episodes]
    assert list(combine(states).episodes) == list(combine(states[::-1]).episodes) == episodes


def test_the_local_identifiers_are_nobody_s() -> None:
    assert combine([HERE, there("VALI")]).identity == Patient(ins=INS, reliability=("VALI",))
    assert IPP in HERE.identity.identifiers
