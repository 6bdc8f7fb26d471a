"""Rows add up; the strongest value wins; the law is that of the document's own date."""

from dataclasses import replace
from datetime import date

from pfi.model.decision import Channel
from pfi.routing.facts import DocumentFacts
from pfi.routing.rulefile import Conditions, Due, Row, Setting
from pfi.routing.table import RowTest, free_choice, match

FACTS = DocumentFacts("T", date(2025, 6, 1), Setting.OUTSIDE, Setting.OUTSIDE, False, False, False, False)
NONE, CHOICE, DUE = Due.NONE, Due.FREE_CHOICE, Due.DUE


def row(
    name: str, pro: Due, *, when: Conditions | None = None, start: str | None = None, end: str | None = None
) -> Row:
    return Row.model_validate(
        {
            "id": name,
            "label": "x",
            "basis": "x",
            "types": ["T"],
            "when": when or Conditions(),
            "dmp": NONE,
            "pro": pro,
            "cit": NONE,
            "from": start,
            "until": end,
        }
    )


def names(*rows: Row, facts: DocumentFacts = FACTS) -> list[str]:
    return [each.id for each in match([facts], {"T": tuple(RowTest.of(each) for each in rows)}).rows]


def test_the_strongest_value_wins_whatever_the_order() -> None:
    for rows in ([NONE, CHOICE, DUE], [DUE, CHOICE, NONE]):
        table = {"T": tuple(RowTest.of(row(f"R{index}", pro)) for index, pro in enumerate(rows))}
        assert match([FACTS], table).due(Channel.PRO) is DUE
    assert match([FACTS], {"T": (RowTest.of(row("R", CHOICE)), RowTest.of(row("S", NONE)))}).due(Channel.PRO) is CHOICE
    assert match([FACTS], {}).due(Channel.PRO) is NONE


def test_a_row_is_in_force_from_its_first_to_its_last_day_inclusive() -> None:
    assert names(row("R", DUE, start="2025-06-01")) == ["R"]
    assert names(row("R", DUE, start="2025-06-02")) == []
    assert names(row("R", DUE, end="2025-06-01")) == ["R"]
    assert names(row("R", DUE, end="2025-05-31")) == []


def test_an_unreadable_date_only_matches_rows_without_a_beginning() -> None:
    undated = DocumentFacts("T", None, Setting.OUTSIDE, Setting.OUTSIDE, False, False, False, False)

    assert names(row("R", DUE), row("S", DUE, start="2000-01-01"), facts=undated) == ["R"]


def test_an_unknown_setting_satisfies_no_condition_and_is_reported() -> None:
    unknown = DocumentFacts("T", date(2025, 6, 1), Setting.UNKNOWN, Setting.OUTSIDE, False, False, False, False)
    outside = row("R", DUE, when=Conditions(setting_of_production=Setting.OUTSIDE))
    other = row("S", DUE, when=Conditions(setting_of_production=Setting.OUTSIDE, author_is_mt=True))
    table = {"T": (RowTest.of(outside), RowTest.of(other))}

    found = match([unknown], table)

    assert found.rows == ()
    assert found.undecided == (outside,)
    assert found.setting_missing(Channel.PRO)
    assert not found.setting_missing(Channel.DMP)


def test_two_renditions_of_a_document_count_each_row_once() -> None:
    table = {"T": (RowTest.of(row("R", DUE)),)}

    assert [each.id for each in match([FACTS, FACTS], table).rows] == ["R"]


def test_a_type_with_a_row_of_free_choice_is_one_whatever_its_conditions_and_its_date() -> None:
    outside = row("R", CHOICE, when=Conditions(setting_of_production=Setting.IN_STAY), start="2099-01-01")
    table = {"T": (RowTest.of(row("S", DUE)), RowTest.of(outside))}
    other = DocumentFacts("U", None, Setting.UNKNOWN, Setting.OUTSIDE, False, False, False, False)

    assert free_choice([FACTS], table)
    assert free_choice([other, FACTS], table)
    assert not free_choice([other], table)
    assert not free_choice([FACTS], {"T": (RowTest.of(row("S", DUE)),)})


def test_a_certificate_of_admission_without_consent_fails_the_rows_of_liaison_letters() -> None:
    letter = row("R", DUE, when=Conditions(admission_without_consent=False))

    assert names(letter) == ["R"]
    assert names(letter, facts=replace(FACTS, admission_without_consent=True)) == []


def test_a_row_is_undecided_only_when_the_setting_alone_is_missing() -> None:
    unknown = replace(FACTS, setting_of_production=Setting.UNKNOWN)
    outside = row("R", DUE, when=Conditions(setting_of_production=Setting.OUTSIDE))
    also_elsewhere = row("S", DUE, when=Conditions(setting_of_production=Setting.OUTSIDE, entente_prealable=True))
    table = {"T": tuple(RowTest.of(each) for each in (outside, also_elsewhere))}

    assert match([unknown], table).undecided == (outside,)
    assert match([FACTS], table).undecided == ()
    assert not match([unknown], table).setting_missing(Channel.DMP)
    due_anyway = {"T": (*table["T"], RowTest.of(row("Q", DUE)))}
    assert not match([unknown], due_anyway).setting_missing(Channel.PRO)
