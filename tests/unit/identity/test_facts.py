"""What the ADT feed tells of a person, fact by fact: the newest statement wins, the more cautious one settles ties."""

from dataclasses import replace
from datetime import datetime

import pytest

from pfi.identity.history import fold
from pfi.model.adt import PatientEvent
from pfi.model.patient import DmpStatus, Feeding, Identifier, Patient, PatientState, Traits
from pfi.standards.hl7v2.timestamp import NATIONAL_ZONE
from tests.unit.identity.feed import ACCOUNT, OTHER_IPP, after, flag, following, moved, qualified, told, who
from tests.unit.identity.patients import INS, IPP, NIA_OID, OTHER_INS, TRAITS, moment

INO, IO, NA = Feeding.NOT_OPPOSED, Feeding.OPPOSED, Feeding.NOT_COLLECTED


def day(number: int, hour: int = 0) -> datetime:
    """A day of March 2026 in Paris, the day of the other moments being the 6th (10:00)."""
    return datetime(2026, 3, number, hour, tzinfo=NATIONAL_ZONE)


def test_nothing_told_is_nothing_known() -> None:
    assert fold(()) == PatientState()


def test_one_event_states_identity_status_and_consents() -> None:
    event = told(
        0,
        patient=replace(qualified(), account=ACCOUNT),
        dmp_status=DmpStatus.ACTIVE,
        feeding=INO,
        consultation="IC",
    )
    state = after(event)
    assert state.identity == Patient(ins=INS, identifiers=(IPP,), reliability=("VALI",), account=ACCOUNT)
    assert state.reliability == ("VALI",)
    assert (state.dmp_status, state.feeding, state.consultation) == (DmpStatus.ACTIVE, INO, "IC")
    moments = {state.last_event_at, state.reliability_at, state.feeding_at, state.ins_at, state.identity_at}
    assert moments | {state.dmp_status_at, state.consultation_at} == {moment(0)}


def test_no_trait_is_kept() -> None:
    state = after(told(0, patient=replace(qualified(), traits=TRAITS)))
    assert state.identity.traits == Traits()


def test_what_an_event_does_not_state_erases_nothing() -> None:
    full = told(0, patient=qualified(), feeding=IO, dmp_status=DmpStatus.CLOSED, consultation="INC", deceased=True)
    silent = told(5, "A03", Patient())
    assert replace(after(full, silent), last_event_at=moment(0)) == after(full)
    assert after(full, silent).last_event_at == moment(5)


def test_statements_are_ordered_by_when_they_were_told_not_by_when_it_happened() -> None:
    late_entry = replace(told(5, patient=who("PROV")), occurred_at=moment(-60))
    assert after(told(0, patient=who("VALI")), late_entry).reliability == ("PROV",)


def test_the_newest_consent_wins() -> None:
    assert after(told(0, feeding=IO), told(5, feeding=INO)).feeding is INO
    assert after(told(0, feeding=INO), told(5, feeding=IO)).feeding is IO
    assert after(told(0, feeding=INO), told(5, feeding=NA)).feeding is NA


def test_the_date_of_the_consent_beats_the_date_of_the_message() -> None:
    """ZFA-10: a later message that repeats an older consent does not bring it back."""
    recent = told(0, feeding=IO, feeding_at=moment(-10))
    stale = told(5, feeding=INO, feeding_at=moment(-20))
    state = after(recent, stale)
    assert (state.feeding, state.feeding_at, state.feeding_told_at) == (IO, moment(-10), moment(0))


def test_of_two_consents_of_the_same_date_the_later_message_wins() -> None:
    first = told(0, feeding=IO, feeding_at=day(6))
    corrected = told(5, feeding=INO, feeding_at=day(6))
    assert after(first, corrected).feeding is INO


def test_a_consent_dated_in_the_future_counts_from_when_it_was_told() -> None:
    mistaken = told(0, feeding=INO, feeding_at=day(31))
    state = after(mistaken, told(5, feeding=IO))
    assert state.feeding is IO
    assert after(mistaken).feeding_at == moment(0)
    closed = told(5, dmp_status=DmpStatus.CLOSED)
    assert after(told(0, dmp_status=DmpStatus.ACTIVE, dmp_status_at=day(31)), closed).dmp_status is DmpStatus.CLOSED


@pytest.mark.parametrize(
    ("consent", "objection", "expected"),
    [
        # the consent has no date, the objection only a day: it was told later, on the same day
        (told(0, feeding=INO), told(5, feeding=IO, feeding_at=day(6)), IO),
        (told(0, feeding=INO, feeding_at=moment(-5)), told(5, feeding=IO, feeding_at=day(6)), IO),
        # told together: nothing says that the consent came after
        (told(5, feeding=INO), told(5, feeding=IO, feeding_at=day(6)), IO),
        # another day, or told before: no doubt
        (told(0, feeding=INO, feeding_at=day(6)), told(5, feeding=IO, feeding_at=day(5)), INO),
        (told(0, feeding=INO), told(5, feeding=IO, feeding_at=day(5)), INO),
        (told(5, feeding=INO), told(0, feeding=IO, feeding_at=day(6)), INO),
        # its hour is known: no doubt either
        (told(0, feeding=INO), told(5, feeding=IO, feeding_at=day(6, 1)), INO),
    ],
)
def test_an_objection_of_a_day_told_after_a_consent_of_that_day_stands(
    consent: PatientEvent, objection: PatientEvent, expected: Feeding
) -> None:
    assert after(consent, objection).feeding is expected


TIES = [
    (told(0, feeding=IO), told(0, feeding=INO), "feeding"),
    (told(0, feeding=NA), told(0, feeding=INO), "feeding"),
    (told(0, dmp_status=DmpStatus.CLOSED), told(0, dmp_status=DmpStatus.ACTIVE), "dmp_status"),
    (told(0, dmp_status=DmpStatus.CLOSED), told(0, dmp_status=DmpStatus.ABSENT), "dmp_status"),
    (told(0, dmp_status=DmpStatus.ABSENT), told(0, dmp_status=DmpStatus.ACTIVE), "dmp_status"),
    (told(0, consultation="INC"), told(0, consultation="NA"), "consultation"),
    (told(0, consultation="NA"), told(0, consultation="IC"), "consultation"),
    (told(0, patient=who("PROV")), told(0, patient=who("VALI")), "reliability"),
    (told(0, patient=who("VALI", "DOUT")), told(0, patient=who("VALI")), "reliability"),
    (told(0, patient=who("PROV")), told(0, patient=who("VALI", "DOUT")), "reliability"),
    (told(0, withdraws_ins=True), told(0, patient=qualified()), "ins_withdrawn"),
    (told(0, birth_date_corrected=True), told(0, patient=qualified()), "birth_date_corrected"),
    (told(0, deceased=True), told(0, deceased=False), "deceased"),
    (told(0, pro_opposed=True), told(0, pro_opposed=False), "pro_opposed"),
    (told(0, cit_opposed=True), told(0, cit_opposed=False), "cit_opposed"),
    (told(0, ins_impossible=True), told(0, ins_impossible=False), "ins_impossible"),
]


@pytest.mark.parametrize(("cautious", "other", "fact"), TIES)
def test_at_the_same_moment_the_more_cautious_statement_wins(
    cautious: PatientEvent, other: PatientEvent, fact: str
) -> None:
    both = getattr(after(cautious, other), fact)
    assert both == getattr(after(cautious), fact)
    assert both != getattr(after(other), fact)


@pytest.mark.parametrize("fact", ["deceased", "pro_opposed", "cit_opposed", "ins_impossible"])
def test_true_and_false_are_both_statements_and_the_newest_wins(fact: str) -> None:
    yes, no = flag(0, fact, True), flag(5, fact, False)
    assert getattr(after(yes), fact) is True
    assert getattr(after(yes, no), fact) is False
    assert getattr(after(no, flag(9, fact, True)), fact) is True
    assert getattr(after(yes, told(5)), fact) is True


def test_dmp_status_and_consultation_follow_their_own_dates() -> None:
    recent = told(
        0, dmp_status=DmpStatus.CLOSED, dmp_status_at=moment(-1), consultation="INC", consultation_at=moment(-1)
    )
    stale = told(
        5, dmp_status=DmpStatus.ACTIVE, dmp_status_at=moment(-9), consultation="IC", consultation_at=moment(-9)
    )
    state = after(recent, stale)
    assert (state.dmp_status, state.consultation) == (DmpStatus.CLOSED, "INC")
    assert (state.dmp_status_at, state.consultation_at) == (moment(-1), moment(-1))


def test_an_emptied_dmp_status_is_no_longer_known() -> None:
    state = after(told(0, dmp_status=DmpStatus.CLOSED), told(5, cleared=frozenset({"dmp_status"})))
    assert (state.dmp_status, state.dmp_status_at) == (None, moment(5))
    assert (
        after(state_event := told(9, dmp_status=DmpStatus.ACTIVE), baseline=state).dmp_status is state_event.dmp_status
    )


def test_a_corrected_birth_date_stands_until_the_identity_is_validated_with_its_ins() -> None:
    corrected = told(0, patient=who("PROV"), birth_date_corrected=True)
    assert after(corrected, told(5, patient=who("VALI"))).birth_date_corrected
    assert after(corrected, told(5)).birth_date_corrected
    assert not after(corrected, told(5, patient=qualified())).birth_date_corrected
    assert not after(told(5, patient=qualified()), corrected).birth_date_corrected
    both = told(0, patient=qualified(), birth_date_corrected=True)
    assert after(both).birth_date_corrected


def test_local_identifiers_and_file_number_are_the_last_that_were_told() -> None:
    other = Identifier("D2", "1.2", "", "AN")
    regional = Identifier("R-1", "1.2.250.1.999.9", "", "PI")
    first = told(0, patient=replace(who(), account=ACCOUNT))
    second = told(5, patient=Patient(identifiers=(IPP, regional)))
    third = told(9, patient=Patient(account=other))
    state = after(first, second, third)
    assert state.identity.identifiers == (IPP, regional)
    assert state.identity.account == other
    assert state.identity_at == moment(5)
    assert after(first, second).identity.account == ACCOUNT


def test_an_identifier_of_another_nature_is_not_kept() -> None:
    billing = Identifier("279035121518989", "1.2.250.1.213.1.4.8", "ASIP-SANTE-NIR", "NH")
    state = after(told(0, patient=Patient(identifiers=(IPP, billing))))
    assert state.identity.identifiers == (IPP,)


# The baseline is one more statement of each fact, at its own moment.


BASELINE = PatientState(
    identity=Patient(ins=INS, identifiers=(IPP,), reliability=("VALI",), account=ACCOUNT),
    reliability=("VALI",),
    reliability_at=moment(0),
    dmp_status=DmpStatus.ACTIVE,
    dmp_status_at=moment(0),
    feeding=IO,
    feeding_at=moment(-30),
    feeding_told_at=moment(0),
    consultation="IC",
    consultation_at=moment(0),
    last_event_at=moment(0),
    identity_at=moment(0),
    ins_at=moment(0),
    retired_ins=(OTHER_INS,),
    retired_identifiers=(OTHER_IPP,),
    deceased=True,
    pro_opposed=True,
    birth_date_corrected=False,
    birth_date_corrected_at=moment(0),
)


def test_without_events_the_baseline_is_what_is_known() -> None:
    assert fold((), baseline=BASELINE) == BASELINE
    assert fold((), baseline=PatientState(feeding=IO, reliability=("PROV",), ins_withdrawn=True)) == PatientState(
        feeding=IO, reliability=("PROV",), ins_withdrawn=True
    )


@pytest.mark.parametrize("minutes", [-40, 40])
def test_an_event_wins_over_the_baseline_when_it_is_newer(minutes: int) -> None:
    newer = minutes > 0
    event = told(
        minutes,
        patient=who("PROV"),
        feeding=INO,
        dmp_status=DmpStatus.CLOSED,
        consultation="INC",
        withdraws_ins=True,
        birth_date_corrected=True,
        deceased=False,
        pro_opposed=False,
    )
    state = after(event, baseline=BASELINE)
    expected = event if newer else BASELINE
    assert (state.feeding, state.dmp_status) == (expected.feeding, expected.dmp_status)
    assert state.consultation == expected.consultation
    assert state.reliability == state.identity.reliability == (("PROV",) if newer else ("VALI",))
    assert state.ins_withdrawn is newer
    assert state.birth_date_corrected is newer
    assert state.deceased is state.pro_opposed is not newer
    assert state.last_event_at == moment(max(minutes, 0))


def test_an_older_true_statement_joins_what_was_known() -> None:
    """The baseline does not tell when a flag was set: in doubt the restriction stands."""
    known = PatientState(last_event_at=moment(0))
    assert after(told(-5, cit_opposed=True), baseline=known).cit_opposed
    assert not after(told(-5, cit_opposed=False), baseline=known).cit_opposed


# The care team.


def test_the_declared_physician_is_the_newest_told_whatever_the_stay() -> None:
    first = moved(0, "A01", "m1", referring_professionals=(following("ODRP", "1"), following("RP", "2")))
    second = told(5, referring_professionals=(following("ODRP", "3"),))
    team = after(first, second).care_team
    assert [(each.role, each.identifier, each.family) for each in team] == [("ODRP", "3", "DEMO"), ("RP", "2", "DEMO")]


def test_a_role_that_is_not_told_again_stays_and_one_that_ended_goes() -> None:
    first = moved(0, "A01", "m1", referring_professionals=tuple(following("RT", each) for each in "12"))
    silent = moved(5, "A06", "m2", patient_class="I")
    ended = moved(9, "Z99", "m2", original="A06", ended_roles=(following("RT", "1"),))
    assert [each.identifier for each in after(first, silent).care_team] == ["1", "2"]
    assert [each.identifier for each in after(first, silent, ended).care_team] == ["2"]
    without_identifier = told(9, ended_roles=(following("ODRP", ""),))
    named = told(0, referring_professionals=(following("ODRP", ""), following("ODRP", "7")))
    assert [each.identifier for each in after(named, without_identifier).care_team] == ["7"]


def test_the_care_team_known_before_stays_until_the_role_is_told() -> None:
    known = after(moved(0, "A01", "m1", referring_professionals=(following("ODRP", "1"), following("RP", "2"))))
    again = moved(5, "A06", "m2", referring_professionals=(following("RP", "3"),))
    assert [each.identifier for each in after(again, baseline=known).care_team] == ["1", "3"]


def test_the_care_team_is_told_in_one_order_of_roles() -> None:
    first = moved(0, "A01", "m1", referring_professionals=(following("RT", "1"), following("ODRP", "2")))
    later = moved(5, "A06", "m2", referring_professionals=(following("RP", "3"),))
    assert [each.role for each in after(first, later).care_team] == ["ODRP", "RP", "RT"]
    assert [each.role for each in after(later, baseline=after(first)).care_team] == ["ODRP", "RP", "RT"]


def test_an_nia_beside_the_nir_is_kept_behind_it() -> None:
    nia = replace(INS, oid=NIA_OID)
    state = after(told(0, patient=who("VALI", ins=INS, other_ins=(nia,))))
    assert (state.identity.ins, state.identity.other_ins) == (INS, (nia,))
