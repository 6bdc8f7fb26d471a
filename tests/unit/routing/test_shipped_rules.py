"""The rule files shipped with the PFI prove themselves, and their own tests are able to fail."""

from pathlib import Path

import pytest

from pfi.routing import vectors
from pfi.routing.exceptions import SITUATIONS
from pfi.routing.rules import LoadedVector, default_rule_paths, default_rules_dir, load_rules
from tests.unit.routing.cases import shipped_rules

SITE_EXAMPLE = default_rules_dir() / "site-example.yaml"
BOOK = load_rules([SITE_EXAMPLE])


@pytest.mark.parametrize("test", BOOK.tests, ids=lambda test: f"{test.file}-{test.mark.line}")
def test_every_test_written_in_the_shipped_rule_files_passes(test: LoadedVector) -> None:
    result = next(
        result for result in vectors.run(BOOK).results if (result.file, result.line) == (test.file, test.mark.line)
    )

    assert result.differences == ()


def test_the_nineteen_worked_examples_are_among_them() -> None:
    names = [test.vector.name for test in shipped_rules().tests if test.file == "l1111-15.yaml"]

    assert [name.partition(".")[0] for name in names[:19]] == [str(number) for number in range(1, 20)]


def test_every_row_is_exercised_by_a_test() -> None:
    expected = {row for test in shipped_rules().tests for row in test.vector.expect.rows or ()}

    assert expected == {row.id for row in shipped_rules().rows} == {f"R{number:02d}" for number in range(1, 14)}


def test_every_situation_that_the_engine_recognises_has_an_exception() -> None:
    assert {rule.when for rule in shipped_rules().exceptions} == set(SITUATIONS)


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        ("from: 2025-12-31", "from: 2024-12-31"),
        ("constitutional_genetics: false", "constitutional_genetics: true"),
        ("EXTERNE: outside", "EXTERNE: in_stay"),
        ('"N": unknown', '"N": outside'),
        ("acts: outside", "acts: in_stay"),
        ("when: {author_is_mt: true}", "when: {}"),
        ("when: {setting_of_production: outside, entente_prealable: false}", "when: {setting_of_production: outside}"),
    ],
)
def test_a_change_of_the_table_is_seen_by_its_tests(tmp_path: Path, written: str, changed: str) -> None:
    text = default_rule_paths()[0].read_text("utf-8")
    assert written in text
    copy = tmp_path / "l1111-15.yaml"
    copy.write_text(text.replace(written, changed), "utf-8")

    assert not vectors.run(load_rules([copy])).passed


def test_a_failed_test_says_what_was_expected_and_what_came_out(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        "kind: site\n"
        "tests:\n"
        "  - name: faux\n"
        '    given: {type: "11502-2", date: 2025-03-03, patient_class: "I"}\n'
        "    expect: {rows: [R06], cit: due, plan: {dmp: send}, codes: {dmp: ''}, gaps: {dmp: none},"
        " deadline: same_day_as_discharge}\n",
        "utf-8",
    )

    (failure,) = vectors.run(load_rules([site])).failures

    assert (failure.file, failure.line, failure.name) == ("site.yaml", 3, "faux")
    assert {(each.what, each.expected, each.actual) for each in failure.differences} == {
        ("rows", "R06", "R04"),
        ("deadline", "same_day_as_discharge", ""),
        ("cit", "due", "none"),
        ("plan.dmp", "send", "deny"),
        ("codes.dmp", "", "ORDER_NO"),
        ("gaps.dmp", "none", "unjustified"),
    }
