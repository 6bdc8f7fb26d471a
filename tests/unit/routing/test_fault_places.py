"""A fault that concerns several blocks is told at the very block that must be changed."""

import pytest

from pfi.model.errors import ConfigurationError
from pfi.routing.rules import default_rules_dir, load_texts

SITE = """\
kind: site
tags:
  - id: SECTEUR
    units: ["1"]
    types: ["11490-0"]
    add: [psychiatry]
  - units: ["2"]
    id: AUTRE
    add: [ivg]
rules:
  - text: "Une règle."
    id: UNE
    then: {priority: high}
tests:
  - name: "x"
    given: {type: "11490-0", date: 2026-01-15}
    expect:
      rows: [R02]
      because: [UNE]
      not_because: [E05]
"""


def refusal(*texts: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_texts([(f"{number}.yaml", text) for number, text in enumerate(texts)])
    return caught.value.text


@pytest.mark.parametrize(
    ("written", "changed", "place", "what"),
    [
        ('types: ["11490-0"]', 'types: ["11490-1"]', "5:5", "type de document inconnu"),
        ("id: AUTRE", "id: SECTEUR", "8:5", "déjà celui d'une étiquette (0.yaml, ligne 3)"),
        ("id: AUTRE", "id: RELEASED", "8:5", "réservé"),
        ("id: UNE", "id: SECTEUR", "12:5", "déjà celui d'une étiquette (0.yaml, ligne 3)"),
        ("rows: [R02]", "rows: [R99]", "18:14", "ligne inconnue « R99 »"),
        ("rows: [R02]", "rows: [UNE]", "18:14", "ligne inconnue « UNE »"),
        ("because: [UNE]", "because: [UNEE]", "19:17", "règle inconnue « UNEE »"),
        ("not_because: [E05]", "not_because: [E99]", "20:21", "règle inconnue « E99 »"),
    ],
)
def test_each_fault_has_its_place(written: str, changed: str, place: str, what: str) -> None:
    load_texts([("site.yaml", SITE)])
    assert f"0.yaml:{place} : " in refusal(SITE.replace(written, changed, 1))
    assert what in refusal(SITE.replace(written, changed, 1))


@pytest.mark.parametrize(
    ("file", "name", "owner"), [("l1111-15.yaml", "R06", "R06"), ("exceptions.yaml", "E13", "E13")]
)
def test_the_owner_of_a_name_is_told_with_its_line(file: str, name: str, owner: str) -> None:
    lines = (default_rules_dir() / file).read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if text.strip() == f"- id: {owner}")

    assert f"({file}, ligne {line})" in refusal(SITE.replace("id: UNE", f"id: {name}", 1))


def test_types_are_told_in_one_order() -> None:
    wrong = [f"1149{number}-X" for number in range(9)]
    text = refusal(SITE.replace('["11490-0"]', str(list(reversed(wrong))), 1))

    assert [line.partition("« ")[2].partition(" »")[0] for line in text.splitlines()] == wrong


def test_a_row_may_last_one_day_and_no_less() -> None:
    law = (default_rules_dir() / "l1111-15.yaml").read_text("utf-8")
    assert law.count("    from: 2022-12-31\n") > 0
    one_day = law.replace("    from: 2022-12-31\n", "    from: 2022-12-31\n    until: 2022-12-31\n", 1)

    load_texts([("law.yaml", one_day.partition("\ntests:")[0] + "\n")])
    assert "« until » précède « from »" in refusal(one_day.replace("until: 2022-12-31", "until: 2022-12-30"))
