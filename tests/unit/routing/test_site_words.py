"""What a rule of the site says, read as its author meant it."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from pfi.routing.rulefile import Due, SiteRule
from pfi.routing.rulefile.sitefile import When


def rule(text: str = "Une règle.", when: dict[str, Any] | None = None) -> SiteRule:
    return SiteRule.model_validate({"id": "UNE", "text": text, "when": when or {}, "then": {"priority": "high"}})


@pytest.mark.parametrize("text", ["", "   ", "Une.\nDeux."])
def test_a_rule_says_one_sentence(text: str) -> None:
    with pytest.raises(ValidationError, match="sur une seule ligne"):
        rule(text)


def test_blanks_around_a_sentence_do_not_count() -> None:
    assert rule("  Une règle. ").text == "Une règle."


def test_a_rule_may_last_one_day() -> None:
    when = rule(when={"from": date(2026, 1, 15), "until": date(2026, 1, 15)}).when
    assert [when.in_force(date(2026, 1, day)) for day in (14, 15, 16)] == [False, True, False]


@pytest.mark.parametrize(
    ("when", "criteria"),
    [
        ({}, 0),
        ({"from": date(2026, 1, 15)}, 1),
        ({"until": date(2026, 1, 15)}, 1),
        ({"from": date(2026, 1, 15), "until": date(2026, 1, 16)}, 1),
        ({"from": date(2026, 1, 15), "units": ["1"], "tags": ["ivg"]}, 3),
        ({"units": ["1", "2"], "types": ["11490-0"]}, 2),
    ],
)
def test_the_criteria_of_a_rule_are_counted_and_a_period_is_one(when: dict[str, Any], criteria: int) -> None:
    assert When.model_validate(when).criteria == criteria


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (" @CH-Voisin.MSSante.fr ", "@ch-voisin.mssante.fr"),
        (" Ada@CH-Voisin.MSSante.fr ", "ada@ch-voisin.mssante.fr"),
        (" 10100000017 ", "10100000017"),
    ],
)
def test_a_recipient_is_named_whatever_the_case_and_the_blanks(written: str, read: str) -> None:
    assert rule(when={"recipients": [written]}).when.recipients == frozenset({read})


def test_what_was_read_is_never_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        rule().text = "Une autre."


def test_what_is_due_to_all_is_stronger_than_to_somebody_chosen_and_than_nothing() -> None:
    assert Due.NONE.strength < Due.FREE_CHOICE.strength < Due.DUE.strength
