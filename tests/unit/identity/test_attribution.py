"""Which INS is the patient's: statements, withdrawals (A47), changes, merges (A40)."""

from dataclasses import replace

import pytest

from pfi.identity.history import fold
from pfi.model.adt import PatientEvent
from pfi.model.patient import DmpStatus, Feeding, Identifier, Ins, Patient, PatientState
from tests.unit.identity.feed import (
    ACCOUNT,
    OTHER_IPP,
    OTHER_VISIT,
    OTHER_VISIT_KEY,
    VISIT_KEY,
    after,
    moved,
    qualified,
    told,
    who,
)
from tests.unit.identity.patients import INS, IPP, NIA_OID, OTHER_INS, moment

NIA = replace(INS, oid=NIA_OID)


def withdrawal(minutes: int, *prior: Ins, reliability: str = "PROV") -> PatientEvent:
    """A47: MRG-1 is the INS, PID-3 the IPP and an emptied INS."""
    return told(minutes, "A47", who(reliability), prior_ins=prior, withdraws_ins=True)


def change(minutes: int, old: Ins, new: Ins) -> PatientEvent:
    """A47: MRG-1 is the old INS, PID-3 the new one."""
    return told(minutes, "A47", qualified(new), prior_ins=(old,))


def merge(minutes: int, survivor: Patient, *absorbed: Identifier, prior_ins: tuple[Ins, ...] = ()) -> PatientEvent:
    """A40: `absorbed` are MRG-1."""
    return told(minutes, "A40", survivor, prior_identifiers=absorbed, prior_ins=prior_ins)


def test_a47_withdraws_every_ins_at_once() -> None:
    state = after(told(0, patient=who("VALI", ins=INS, other_ins=(NIA,))), withdrawal(5, INS))
    assert state.identity.ins is None
    assert state.identity.other_ins == ()
    assert state.ins_withdrawn
    assert set(state.retired_ins) == {INS, NIA}
    assert state.reliability == ("PROV",)
    assert state.ins_at == moment(5)


def test_an_a31_that_empties_the_ins_withdraws_it_too() -> None:
    state = after(told(0, patient=qualified()), told(5, patient=who(), withdraws_ins=True))
    assert (state.identity.ins, state.ins_withdrawn, state.retired_ins) == (None, True, (INS,))


def test_a_withdrawal_alone_does_not_change_the_status() -> None:
    state = after(told(0, patient=qualified()), told(5, "A47", who(), withdraws_ins=True))
    assert state.reliability == ("VALI",)


def test_a_late_ins_does_not_undo_a_withdrawal_nor_does_silence() -> None:
    state = after(withdrawal(5, INS), told(10, patient=who("VALI")), told(0, patient=qualified()))
    assert (state.identity.ins, state.ins_withdrawn, state.retired_ins) == (None, True, (INS,))


@pytest.mark.parametrize("given", [INS, OTHER_INS])
def test_an_ins_told_after_a_withdrawal_is_the_patient_s(given: Ins) -> None:
    state = after(told(0, patient=qualified()), withdrawal(5, INS), told(10, patient=qualified(given)))
    assert state.identity.ins == given
    assert not state.ins_withdrawn
    assert state.retired_ins == (() if given == INS else (INS,))


def test_a47_replaces_an_ins_at_once() -> None:
    state = after(told(0, patient=qualified()), change(5, INS, OTHER_INS))
    assert state.identity.ins == OTHER_INS
    assert state.retired_ins == (INS,)
    assert not state.ins_withdrawn


def test_a_replaced_ins_told_late_does_not_come_back() -> None:
    state = after(change(5, INS, OTHER_INS), told(3, patient=qualified()))
    assert (state.identity.ins, state.retired_ins) == (OTHER_INS, (INS,))


def test_a_retired_ins_that_nothing_replaces_leaves_none() -> None:
    """MRG-1 names it, and PID-3 a new one that may not travel (PID-32 without `VALI`)."""
    unusable = told(5, "A47", who("PROV", ins=OTHER_INS), prior_ins=(INS,))
    older = told(-5, patient=qualified(OTHER_INS))
    state = after(older, told(0, patient=qualified()), unusable)
    assert state.identity.ins is None
    assert state.retired_ins == (INS,)
    assert state.ins_at == moment(5)


def test_an_ins_without_validation_is_not_stated() -> None:
    """hl7v2 digest §6.3: the receiver reads the message without the INS."""
    assert after(told(0, patient=who("PROV", ins=INS))).identity.ins is None
    assert after(told(0, patient=who(ins=INS))).identity.ins == INS
    assert after(told(0, patient=qualified()), told(5, patient=who("PROV", ins=OTHER_INS))).identity.ins == INS


def test_two_different_nir_state_none() -> None:
    both = replace(qualified(), other_ins=(OTHER_INS,))
    assert after(told(0, patient=both)).identity.ins is None


def test_the_nir_takes_the_place_of_the_nia() -> None:
    waiting = told(0, patient=qualified(NIA))
    state = after(waiting, told(5, patient=who("VALI", ins=INS, other_ins=(NIA,))))
    assert (state.identity.ins, state.identity.other_ins, state.retired_ins) == (INS, (NIA,), ())


def test_a_change_of_ipp_keeps_what_was_told_under_the_former_one() -> None:
    """A47 on a local identifier: the person stays the same."""
    before = told(0, patient=qualified(ipp=OTHER_IPP), feeding=Feeding.OPPOSED)
    changed = told(5, "A47", who(), prior_identifiers=(OTHER_IPP,))
    state = after(before, changed)
    assert (state.identity.ins, state.reliability, state.feeding) == (INS, ("VALI",), Feeding.OPPOSED)
    assert state.identity.identifiers == (IPP,)
    assert state.retired_identifiers == (OTHER_IPP,)
    late = told(9, patient=who("PROV", ipp=OTHER_IPP))
    assert after(before, changed, late).reliability == ("PROV",)
    assert after(before, changed, late).identity.identifiers == (IPP,)


MERGED = [
    told(0, patient=who("PROV")),
    told(1, patient=qualified(OTHER_INS, OTHER_IPP)),
    merge(5, who(), OTHER_IPP),
]


def test_after_a_merge_the_identity_is_that_of_the_survivor() -> None:
    state = after(*MERGED)
    assert state.reliability == ("PROV",)
    assert state.identity.ins is None
    assert state.identity.identifiers == (IPP,)
    assert state.retired_identifiers == (OTHER_IPP,)
    assert state.retired_ins == (OTHER_INS,)


def test_what_is_told_of_a_merged_identity_after_the_merge_does_not_count_either() -> None:
    late = told(9, patient=qualified(OTHER_INS, OTHER_IPP))
    state = after(*MERGED, late)
    assert (state.reliability, state.identity.ins, state.retired_ins) == (("PROV",), None, (OTHER_INS,))


def test_a_doubt_about_a_merged_identity_is_not_one_about_the_survivor() -> None:
    state = after(
        told(0, patient=qualified()),
        told(1, patient=who("VALI", "DOUT", ipp=OTHER_IPP), birth_date_corrected=True, withdraws_ins=True),
        merge(5, qualified(), OTHER_IPP),
    )
    assert (state.reliability, state.birth_date_corrected, state.ins_withdrawn) == (("VALI",), False, False)
    assert state.identity.ins == INS


def test_a_merge_keeps_consents_dmp_status_and_episodes_of_both() -> None:
    state = after(
        told(0, feeding=Feeding.NOT_OPPOSED),
        moved(1, "A01", "m1"),
        told(2, patient=who(ipp=OTHER_IPP), feeding=Feeding.OPPOSED, dmp_status=DmpStatus.ACTIVE),
        moved(3, "A01", "m2", patient=who(ipp=OTHER_IPP), visit=OTHER_VISIT),
        merge(5, who(), OTHER_IPP),
    )
    assert (state.feeding, state.dmp_status) == (Feeding.OPPOSED, DmpStatus.ACTIVE)
    assert [each.visit for each in state.episodes] == [VISIT_KEY, OTHER_VISIT_KEY]


def test_duplicates_of_one_person_that_are_merged_keep_their_ins() -> None:
    twin = told(1, patient=qualified(ipp=OTHER_IPP))
    state = after(told(0, patient=qualified()), twin, merge(5, qualified(), OTHER_IPP, prior_ins=(INS,)))
    assert (state.identity.ins, state.retired_ins) == (INS, ())
    unnamed = after(told(0, patient=qualified()), twin, merge(5, who(), OTHER_IPP))
    assert (unnamed.identity.ins, unnamed.retired_ins) == (INS, ())


def test_an_ins_that_the_merge_names_as_obsolete_is_retired_until_it_is_told_again() -> None:
    merged = merge(5, who(), OTHER_IPP, prior_ins=(INS,))
    state = after(told(0, patient=qualified()), merged)
    assert (state.identity.ins, state.ins_withdrawn, state.retired_ins) == (None, False, (INS,))
    assert after(told(0, patient=qualified()), merged, told(9, patient=qualified())).identity.ins == INS


def test_merges_in_a_row_leave_the_last_survivor() -> None:
    third = Identifier("8800999", IPP.authority_oid, "", "PI")
    state = after(
        told(0, patient=qualified()),
        merge(5, qualified(), OTHER_IPP),
        merge(6, who("PROV", ipp=third), IPP),
    )
    assert set(state.retired_identifiers) == {IPP, OTHER_IPP}
    assert (state.identity.identifiers, state.reliability, state.identity.ins) == ((third,), ("PROV",), None)


def test_an_identity_merged_the_other_way_round_afterwards_survives() -> None:
    state = after(
        told(0, patient=qualified()),
        told(1, patient=who("PROV", ipp=OTHER_IPP)),
        merge(5, who(ipp=OTHER_IPP), IPP),
        merge(9, who(), OTHER_IPP),
    )
    assert state.retired_identifiers == (OTHER_IPP,)
    assert (state.reliability, state.identity.ins) == (("VALI",), INS)


def test_a_message_that_names_both_identities_is_about_the_survivor() -> None:
    both = told(9, patient=Patient(identifiers=(OTHER_IPP, IPP), reliability=("VALI",), ins=OTHER_INS))
    state = after(*MERGED, both)
    assert (state.reliability, state.identity.ins, state.retired_ins) == (("VALI",), OTHER_INS, ())
    assert state.identity.identifiers == (IPP,)


def test_a_merge_into_itself_retires_nothing() -> None:
    state = after(told(0, patient=qualified()), merge(5, who(), IPP))
    assert (state.retired_identifiers, state.reliability, state.identity.ins) == ((), ("VALI",), INS)


def test_the_same_number_of_another_authority_is_another_identity() -> None:
    elsewhere = replace(OTHER_IPP, authority_oid="1.2.250.1.999.9")
    state = after(*MERGED, told(9, patient=who("VALI", ipp=elsewhere)))
    assert state.reliability == ("VALI",)


def test_what_was_known_before_of_a_merged_identity_does_not_count() -> None:
    other_nia = replace(OTHER_INS, oid=NIA_OID)
    known = PatientState(
        identity=Patient(
            ins=OTHER_INS, other_ins=(other_nia,), identifiers=(OTHER_IPP,), reliability=("VALI",), account=ACCOUNT
        ),
        reliability=("VALI",),
        reliability_at=moment(0),
        ins_at=moment(0),
        identity_at=moment(0),
        feeding=Feeding.OPPOSED,
        birth_date_corrected=True,
        birth_date_corrected_at=moment(0),
        retired_ins=(NIA,),
    )
    state = after(merge(5, who(), OTHER_IPP), baseline=known)
    assert state == PatientState(
        identity=Patient(identifiers=(IPP,), account=ACCOUNT),
        identity_at=moment(5),
        feeding=Feeding.OPPOSED,
        last_event_at=moment(5),
        retired_ins=(NIA, OTHER_INS, other_nia),
        retired_identifiers=(OTHER_IPP,),
    )
    restated = after(merge(5, qualified(OTHER_INS), OTHER_IPP), baseline=known)
    assert (restated.identity.ins, restated.retired_ins) == (OTHER_INS, (NIA, other_nia))


def test_nothing_is_retired_with_a_merged_identity_that_had_no_ins() -> None:
    known = PatientState(identity=Patient(identifiers=(OTHER_IPP,)))
    assert after(merge(5, who(), OTHER_IPP), baseline=known).retired_ins == ()


def test_what_was_retired_before_stays_so() -> None:
    known = fold(MERGED)
    late = told(9, patient=qualified(OTHER_INS, OTHER_IPP))
    state = after(late, baseline=known)
    assert (state.identity.ins, state.retired_ins, state.retired_identifiers) == (None, (OTHER_INS,), (OTHER_IPP,))
    given_back = after(told(9, patient=qualified(OTHER_INS)), baseline=known)
    assert (given_back.identity.ins, given_back.retired_ins) == (OTHER_INS, ())


def test_a_withdrawal_retires_the_ins_that_was_known_before() -> None:
    known = fold([told(0, patient=who("VALI", ins=INS, other_ins=(NIA,)))])
    assert set(after(told(5, withdraws_ins=True), baseline=known).retired_ins) == {INS, NIA}
    assert after(told(-5, withdraws_ins=True), baseline=known).retired_ins == ()


@pytest.mark.parametrize(("first", "second"), [(INS, OTHER_INS), (OTHER_INS, INS)])
def test_what_was_known_before_is_one_more_statement_even_of_the_same_moment(first: Ins, second: Ins) -> None:
    events = [told(0, patient=qualified(first)), told(0, patient=qualified(second))]
    assert after(events[1], baseline=fold(events[:1])).identity.ins == after(*events).identity.ins


def test_a_number_while_waiting_that_a_merge_names_as_obsolete_goes_alone() -> None:
    stated = told(0, patient=who("VALI", ins=INS, other_ins=(NIA,)))
    state = after(stated, merge(5, who(), OTHER_IPP, prior_ins=(NIA,)))
    assert (state.identity.ins, state.identity.other_ins, state.retired_ins) == (INS, (), (NIA,))


def test_retired_ins_are_kept_in_the_order_in_which_they_were_retired() -> None:
    merged_away = told(1, patient=qualified(OTHER_INS, OTHER_IPP))
    state = after(merged_away, told(2, patient=qualified()), merge(5, who(), OTHER_IPP), withdrawal(9, INS))
    assert state.retired_ins == (OTHER_INS, INS)


def test_a_number_while_waiting_unlike_the_nir_is_stated_with_it() -> None:
    other_nia = replace(OTHER_INS, oid=NIA_OID)
    state = after(told(0, patient=who("VALI", ins=INS, other_ins=(other_nia,))))
    assert (state.identity.ins, state.identity.other_ins) == (INS, (other_nia,))


def test_an_older_merge_does_not_retire_what_was_known_since() -> None:
    known = fold([told(0, patient=who("VALI", ins=INS, other_ins=(NIA,)))])
    state = after(merge(-5, who(), OTHER_IPP, prior_ins=(INS, NIA)), baseline=known)
    assert (state.identity.ins, state.identity.other_ins, state.retired_ins) == (INS, (NIA,), ())


def test_what_was_retired_under_an_identity_merged_away_since_stays_retired() -> None:
    changed = told(1, "A47", qualified(INS, OTHER_IPP), prior_ins=(OTHER_INS,))
    state = after(told(0, patient=qualified()), changed, merge(5, qualified(), OTHER_IPP))
    assert (state.identity.ins, state.retired_ins) == (INS, (OTHER_INS,))


def test_a_withdrawal_retires_what_was_told_at_the_same_moment() -> None:
    stated = told(5, patient=qualified())
    assert after(stated, withdrawal(5)).retired_ins == (INS,)
    assert after(withdrawal(5), baseline=fold([stated])).retired_ins == (INS,)


def test_an_identity_merged_away_is_known_by_one_of_its_identifiers_whatever_the_others() -> None:
    """What another authority calls the patient does not make them somebody else."""
    regional = Identifier("R-1", "1.2.250.1.999.9", "", "PI")
    late = told(9, patient=Patient(identifiers=(OTHER_IPP, regional), reliability=("VALI",), ins=OTHER_INS))
    state = after(*MERGED, late)
    assert (state.reliability, state.identity.ins) == (("PROV",), None)
