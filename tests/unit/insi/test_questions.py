"""What may be asked about an identity, and in which order."""

import pytest

from connectors.insi.questions import UnusableIdentityError, first_questions, given_names, has_birth_place
from pfi.model.patient import Ins, Patient, Traits
from pfi.model.profile import Environment
from tests.unit.insi.given import MATRICULE, NIR, PATIENT, TEST_NIR, patient


@pytest.mark.parametrize(
    ("first", "listed", "names"),
    [
        ("DOMINIQUE", "DOMINIQUE MARIE-LOUISE", ("DOMINIQUE", "MARIE-LOUISE")),
        ("MARIE LOUISE", "MARIE LOUISE ROSE", ("MARIE LOUISE", "ROSE")),
        ("MARIE", "MARIE", ("MARIE",)),
        ("MARIE", "MARIELLE ROSE", ("MARIE", "MARIELLE", "ROSE")),
        ("", "ANNE ROSE", ("ANNE", "ROSE")),
        ("ANNE", "", ("ANNE",)),
        ("", "", ()),
    ],
)
def test_given_names_are_taken_one_by_one_the_first_as_a_whole(first: str, listed: str, names: tuple[str, ...]) -> None:
    assert given_names(Traits(first_given_name=first, given_names=listed)) == names


def test_each_call_has_one_given_name_and_no_birth_place() -> None:
    asked = first_questions(PATIENT, Environment.TEST)
    assert [each.given_name for each in asked] == ["DOMINIQUE", "MARIE-LOUISE"]
    assert {(each.birth_name, each.sex, each.birth_date, each.birth_place) for each in asked} == {
        ("PAT-TROIS", "F", "1979-03-28", "")
    }


def test_a_lunar_date_is_asked_as_it_is() -> None:
    assert first_questions(patient(birth_date="19791931"), Environment.TEST)[0].birth_date == "1979-19-31"


def test_another_given_name_that_insi_would_refuse_is_left_out() -> None:
    asked = first_questions(patient(given_names="DOMINIQUE Zoé ROSE"), Environment.TEST)
    assert [each.given_name for each in asked] == ["DOMINIQUE", "ROSE"]


@pytest.mark.parametrize(
    ("trait", "value", "named"),
    [
        ("birth_name", "", "nom de naissance"),
        ("birth_name", "Dupont", "nom de naissance"),
        ("birth_name", "PAT*TROIS", "nom de naissance"),
        ("first_given_name", "Zoé", "prénom de naissance"),
        ("sex", "U", "sexe"),
        ("birth_date", "1979", "date de naissance"),
    ],
)
def test_a_trait_that_cannot_be_asked_is_named_and_never_quoted(trait: str, value: str, named: str) -> None:
    with pytest.raises(UnusableIdentityError) as caught:
        first_questions(patient(**{trait: value}), Environment.TEST)
    assert caught.value.code == "INSI_TRAITS_UNUSABLE"
    assert f"({named})" in caught.value.text
    assert not value or value not in caught.value.text


@pytest.mark.parametrize(
    "ins", [None, Ins(MATRICULE, "1.2.250.1.213.1.4.2"), Ins("12345", TEST_NIR), Ins(MATRICULE[:13], TEST_NIR)]
)
def test_without_a_whole_ins_nothing_is_asked(ins: Ins | None) -> None:
    with pytest.raises(UnusableIdentityError) as caught:
        first_questions(Patient(ins=ins, traits=PATIENT.traits), Environment.TEST)
    assert caught.value.code == "INSI_NO_INS"


@pytest.mark.parametrize(
    ("oid", "environment", "asked"),
    [
        (TEST_NIR, Environment.TEST, True),
        (TEST_NIR, Environment.PRODUCTION, False),
        (NIR, Environment.PRODUCTION, True),
        (NIR, Environment.TEST, False),
    ],
)
def test_identities_stay_in_their_environment(oid: str, environment: Environment, asked: bool) -> None:
    of = Patient(ins=Ins(MATRICULE, oid), traits=PATIENT.traits)
    if asked:
        assert first_questions(of, environment)
        return
    with pytest.raises(UnusableIdentityError, match="INSI_ENVIRONMENT"):
        first_questions(of, environment)


@pytest.mark.parametrize(("place", "usable"), [("51215", True), ("2A004", True), ("", False), ("REIMS", False)])
def test_only_a_geographic_code_narrows_a_question(place: str, usable: bool) -> None:
    assert has_birth_place(patient(birth_place=place)) is usable
