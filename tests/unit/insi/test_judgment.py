"""An answer confirms, contradicts, or settles nothing; nothing is ever taken from it."""

from dataclasses import replace

import pytest

from connectors.insi.answers import Individual, Report
from connectors.insi.judgment import judge, same_ins
from pfi.engine.connector import VerificationKind
from pfi.model.patient import Ins, Patient, Traits
from pfi.model.profile import Environment
from tests.unit.insi.given import MATRICULE, NIR, PATIENT, TEST_NIR, patient

OURS = Ins(MATRICULE, TEST_NIR)
OTHER = Ins("290019900400184", TEST_NIR)
REAL = Patient(ins=Ins(MATRICULE, NIR), traits=PATIENT.traits)


def found(active: Ins = OURS, former: tuple[Ins, ...] = (), traits: Traits = PATIENT.traits) -> Report:
    return Report("00", Individual(active, former, traits))


def said(report: Report, of: Patient = PATIENT, *, first_name: bool = True, real: bool = False) -> tuple[str, str]:
    environment = Environment.PRODUCTION if real else Environment.TEST
    verdict = judge(report, of, environment, first_name=first_name)
    return ("", "") if verdict is None else (verdict.kind.value, verdict.code)


def test_the_same_ins_with_the_same_traits_is_confirmed() -> None:
    assert said(found()) == ("confirmed", "INSI_00")


def test_a_verification_may_answer_by_its_code_alone() -> None:
    assert said(Report("00")) == ("confirmed", "INSI_00")


@pytest.mark.parametrize("code", ["01", "02"])
def test_nobody_and_several_settle_nothing_by_themselves(code: str) -> None:
    assert judge(Report(code), PATIENT, Environment.TEST, first_name=True) is None


def test_an_unknown_code_says_nothing_of_the_patient() -> None:
    assert said(Report("17")) == ("unavailable", "INSI_17")


@pytest.mark.parametrize(
    ("trait", "value", "named"),
    [
        ("birth_name", "PAT TROIS", "nom de naissance"),
        ("birth_date", "19790329", "date de naissance"),
        ("sex", "M", "sexe"),
        ("given_names", "ROSE DOMINIQUE", "premier prénom de naissance"),
        ("given_names", "DOMINIQUETTE", "premier prénom de naissance"),
        ("given_names", "DOMINIQUE ROSE", "liste des prénoms de naissance"),
    ],
)
def test_the_same_ins_with_another_trait_is_contradicted_by_name_of_trait(trait: str, value: str, named: str) -> None:
    verdict = judge(found(traits=replace(PATIENT.traits, **{trait: value})), PATIENT, Environment.TEST, first_name=True)
    assert verdict is not None
    assert (verdict.kind, verdict.code) == (VerificationKind.CONTRADICTED, "INSI_TRAITS_DIFFER")
    assert f"({named})" in verdict.text
    assert value not in verdict.text


def test_traits_that_one_side_does_not_give_are_not_compared() -> None:
    assert said(found(traits=Traits())) == ("confirmed", "INSI_00")
    bare = patient(given_names="", birth_place="")
    assert said(found(), bare) == ("confirmed", "INSI_00")


def test_a_list_that_only_repeats_the_first_given_name_is_not_a_list() -> None:
    assert said(found(), patient(given_names="DOMINIQUE")) == ("confirmed", "INSI_00")


def test_accents_written_in_two_ways_are_the_same() -> None:
    assert said(found(traits=replace(PATIENT.traits, birth_name="E\u0301")), patient(birth_name="\u00c9")) == (
        "confirmed",
        "INSI_00",
    )


def test_the_birth_place_counts_for_real_identities_only() -> None:
    elsewhere = replace(PATIENT.traits, birth_place="63220")
    assert said(found(traits=elsewhere)) == ("confirmed", "INSI_00")
    active = Ins(MATRICULE, NIR)
    assert said(found(active, traits=elsewhere), REAL, real=True) == ("contradicted", "INSI_TRAITS_DIFFER")


def test_a_former_ins_is_contradicted() -> None:
    assert said(found(OTHER, former=(OURS,))) == ("contradicted", "INSI_INS_REPLACED")


def test_one_person_of_these_traits_under_another_ins_is_a_contradiction() -> None:
    assert said(found(OTHER)) == ("contradicted", "INSI_OTHER_INS")
    assert said(found(OTHER), first_name=False) == ("contradicted", "INSI_OTHER_INS")


def test_somebody_else_found_by_a_second_given_name_settles_nothing() -> None:
    stranger = found(OTHER, traits=replace(PATIENT.traits, given_names="MARIE-LOUISE"))
    assert said(stranger, first_name=False) == ("", "")
    assert said(stranger, first_name=True) == ("contradicted", "INSI_OTHER_INS")


@pytest.mark.parametrize(
    ("theirs", "environment", "same"),
    [
        (Ins(MATRICULE, TEST_NIR), Environment.TEST, True),
        (Ins(MATRICULE[:13], TEST_NIR), Environment.TEST, True),
        (Ins(MATRICULE[:13] + "88", TEST_NIR), Environment.TEST, False),
        (Ins(MATRICULE, NIR), Environment.TEST, True),
        (Ins(MATRICULE, NIR), Environment.PRODUCTION, False),
        (Ins(MATRICULE, "1.2.250.1.213.1.4.9"), Environment.TEST, False),
    ],
)
def test_the_authority_counts_but_for_test_identities(theirs: Ins, environment: Environment, same: bool) -> None:
    assert same_ins(OURS, theirs, environment) is same
