"""The closed vocabulary of rule files, its limits, and what is assumed when a key is not given."""

from typing import Any

import pytest
from pydantic import ValidationError

from pfi.model.errors import ConfigurationError
from pfi.routing.rulechecks import RESERVED
from pfi.routing.rulefile import (
    DerivedRole,
    Due,
    Effect,
    Given,
    Parameters,
    PatientClass,
    Setting,
    SettingMappings,
    SiteRule,
    Tag,
    Weekday,
)
from pfi.routing.rules import load_texts
from tests.unit.routing.worlds import SOUND

WORDS: dict[type, set[str]] = {
    Due: {"none", "due_free_choice", "due"},
    Setting: {"in_stay", "outside", "unknown"},
    Effect: {"deny", "void", "hold", "prescriber_only", "warn", "info"},
    Weekday: {"mon", "tue", "wed", "thu", "fri", "sat", "sun"},
    PatientClass: {"I", "O", "E", "R", "N", "V"},
    DerivedRole: {"medecin_traitant", "prescriber", "referring", "informed"},
    Tag: {
        "constitutional_genetics",
        "entente_prealable",
        "acts_in_stay",
        "ins_impossible",
        "ivg",
        "psychiatry",
        "sensitive_care",
        "admission_without_consent",
        "pro_opposed",
        "cit_opposed",
        "deceased",
    },
}

NAMES_OF_THE_ENGINE = {
    "ADDRESS_LOOKED_UP",
    "CIT_OPPOSED",
    "DATE_UNKNOWN",
    "DESTDMP",
    "DESTMSSANTEPAT",
    "DESTMSSANTEPS",
    "EXPLICIT_RECIPIENTS",
    "FREE_CHOICE_NO_RECIPIENT",
    "GENETICS",
    "NOTHING_ORDERED",
    "NO_MSS_ADDRESS",
    "NO_RECIPIENT",
    "OBLIGATION_GAP",
    "ORDER_NO",
    "PATIENT_ADDRESS_COMPUTED",
    "PATIENT_ADDRESS_MALFORMED",
    "POLICY_COMPLETE",
    "RECIPIENT_ADDED",
    "RECIPIENT_NOT_SERVED",
    "RELEASED",
    "SCHEDULED",
    "SCHEDULE_AFTER_DEADLINE",
    "SETTING_UNKNOWN",
}

ANY = {"type": "11490-0", "date": "2026-01-15"}


def site(rules: str) -> str:
    return f"kind: site\nrules:\n  - {{id: UNE, text: 'Une règle.', {rules}}}\n"


@pytest.mark.parametrize("vocabulary", WORDS, ids=lambda each: each.__name__)
def test_rule_files_are_written_with_these_words_and_no_other(vocabulary: Any) -> None:
    assert {str(word) for word in vocabulary} == WORDS[vocabulary]


def test_the_strongest_duty_is_the_one_without_condition() -> None:
    assert sorted(Due, key=lambda due: due.strength) == [Due.NONE, Due.FREE_CHOICE, Due.DUE]


def test_days_are_in_the_order_of_the_week() -> None:
    assert [day.name for day in Weekday] == ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
    assert next(iter(Weekday)) == "mon"


def test_the_names_that_explanations_give_to_what_no_rule_says_are_reserved() -> None:
    assert RESERVED == NAMES_OF_THE_ENGINE


@pytest.mark.parametrize(
    ("rule", "least", "most"),
    [
        ("then: {{hold: {{code: A, expiry_days: {}}}}}", 1, 3650),
    ],
)
def test_the_wait_of_a_site_has_bounds(rule: str, least: int, most: int) -> None:
    for days in (least, most):
        (read,) = load_texts([("site.yaml", site(rule.format(days)))]).site.rules
        assert read.then.hold is not None
        assert read.then.hold.expiry_days == days
    for days in (least - 1, most + 1):
        with pytest.raises(ConfigurationError):
            load_texts([("site.yaml", site(rule.format(days)))])


@pytest.mark.parametrize(("given", "least", "most"), [("professionals", 0, 20)])
def test_the_numbers_of_a_test_have_bounds(given: str, least: int, most: int) -> None:
    for number in (least, most):
        assert getattr(Given.model_validate({**ANY, given: number}), given) == number
    for number in (least - 1, most + 1):
        with pytest.raises(ValidationError):
            Given.model_validate({**ANY, given: number})


def test_the_age_of_majority_has_bounds() -> None:
    assert [Parameters(age_of_majority=age).age_of_majority for age in (1, 30)] == [1, 30]
    for age in (0, 31):
        with pytest.raises(ValidationError):
            Parameters(age_of_majority=age)


def test_the_national_parameters_are_those_of_the_law_unless_told_otherwise() -> None:
    parameters = Parameters()
    assert (parameters.age_of_majority, parameters.minors_management) == (18, True)
    assert (parameters.invisible_and_masked_allowed, parameters.sensitive_types) == (False, {})
    assert SettingMappings(encounter={}, patient_class={}).acts is Setting.OUTSIDE


def test_what_a_test_does_not_tell_is_the_plainest_situation() -> None:
    given = Given.model_validate(ANY)
    told = given.model_dump(exclude={"type", "date"}, mode="json")
    assert told == {
        "encounter": "",
        "patient_class": "",
        "unit": "",
        "establishment": {"ej": "", "eg": "", "unit": ""},
        "discharged": None,
        "at": "12:00",
        "sender": "default",
        "request": "F",
        "tags": [],
        "professionals": 0,
        "recipients": [],
        "care_team": [],
        "released": [],
        "prescriber": False,
        "author_is_mt": False,
        "flags": dict.fromkeys(
            (
                "masque_ps",
                "invisible_patient",
                "invisible_rep_legaux",
                "connexion_secrete",
                "modif_conf_code",
                "dest_dmp",
                "dest_mss_ps",
                "dest_mss_pat",
            )
        ),
        "identity": "qualified",
        "reliability": [],
        "ins_in_cda": None,
        "ins_in_message": None,
        "ins_retired": False,
        "feeding": None,
        "consultation": "",
        "dmp_status": None,
        "confidentiality": "N",
        "birth_date": "19790328",
        "policy": "respect",
        "information_missing": "send",
        "opposed": "deny",
        "no_dmp": "void",
        "environment": "test",
    }


def test_a_criterion_that_is_given_has_at_least_one_value() -> None:
    for criterion in (
        "senders",
        "establishments",
        "units",
        "types",
        "requests",
        "settings",
        "patient_classes",
        "channels",
        "recipients",
        "tags",
    ):
        with pytest.raises(ConfigurationError, match="est vide"):
            load_texts([("site.yaml", site(f"when: {{{criterion}: []}}, then: {{priority: high}}"))])
    for criterion in ("senders", "establishments", "units"):
        with pytest.raises(ConfigurationError):
            load_texts([("site.yaml", site(f"when: {{{criterion}: ['']}}, then: {{priority: high}}"))])


@pytest.mark.parametrize("effect", ["add_recipients: []", "derive_recipients: []", "mailbox: ''"])
def test_an_effect_that_is_given_does_something(effect: str) -> None:
    with pytest.raises(ConfigurationError):
        load_texts([("site.yaml", site(f"then: {{{effect}}}"))])


@pytest.mark.parametrize("text", ["", "   ", "Une phrase.\n    Une autre."])
def test_the_text_of_a_rule_is_one_line(text: str) -> None:
    rule = {"id": "UNE", "then": {"priority": "high"}}
    assert SiteRule.model_validate({**rule, "text": "  Une phrase. "}).text == "Une phrase."
    with pytest.raises(ValidationError):
        SiteRule.model_validate({**rule, "text": text})


def test_the_plainest_case_of_these_tests_is_sent_everywhere() -> None:
    assert [decision.action for decision in SOUND.decided().values()] == ["send", "send", "send"]
