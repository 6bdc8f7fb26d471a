"""A book of rules knows all its rules by name, and is the same from files or from texts."""

import pytest

from pfi.model.errors import ConfigurationError
from pfi.routing.rulechecks import RESERVED, RuleKind
from pfi.routing.rules import default_rule_paths, default_rules_dir, load_rules, load_texts
from pfi.routing.specimen import specimen
from tests.unit.routing.cases import decided, shipped_rules

SITE = """\
kind: site
tags:
  - {id: SENSIBLE, units: ["1"], add: [psychiatry, ivg]}
  - {units: ["2"], add: [ivg]}
directory:
  - {identifier: "810100000017", address: "Cabinet@medecin.mssante.fr"}
rules:
  - {id: UNE, text: "Une règle.", then: {priority: high}}
"""


def test_texts_and_files_give_the_same_book() -> None:
    paths = (*default_rule_paths(), default_rules_dir() / "site-example.yaml")
    from_files = load_rules(paths)
    from_texts = load_texts([(path.name, path.read_text("utf-8")) for path in paths])

    assert from_texts.digest == from_files.digest
    assert from_texts.rule_ids == from_files.rule_ids
    assert from_texts.files == tuple(path.name for path in paths)
    assert len(from_texts.tests) == len(from_files.tests)


def test_texts_have_the_checks_of_files() -> None:
    with pytest.raises(ConfigurationError, match=r"depuis la base\.yaml:2:1 : clé inconnue « regles »"):
        load_texts([("depuis la base.yaml", "kind: site\nregles: []\n")])
    assert load_texts([("vide.yaml", "kind: site\n")]).rows == shipped_rules().rows


def test_every_rule_is_known_by_its_name_with_its_place_and_its_label() -> None:
    book = load_texts([("site.yaml", SITE)])

    names = {row.id for row in book.rows} | {rule.id for rule in book.exceptions} | {"SENSIBLE", "TAG_2", "UNE"}
    assert set(book.rule_ids) == names
    kinds = {book.rule_ids[name].kind for name in names}
    assert kinds == set(RuleKind)
    une, tag, row = (book.rule_ids[name] for name in ("UNE", "SENSIBLE", "R02"))
    assert (une.kind, une.file, une.line, une.label) == (RuleKind.SITE, "site.yaml", 8, "Une règle.")
    assert (tag.kind, tag.line, tag.label) == (RuleKind.TAG, 3, "Étiquettes ajoutées : ivg, psychiatry")
    assert (row.kind, row.file, row.label) == (RuleKind.ROW, "l1111-15.yaml", "Lettre de liaison de sortie")
    assert book.rule_ids["TAG_2"].line == 4
    assert [tag.id for tag in book.tags] == ["SENSIBLE", "TAG_2"]


def test_no_shipped_rule_bears_a_reserved_name() -> None:
    assert not RESERVED & set(shipped_rules().rule_ids)


def test_the_directory_knows_professionals_without_the_figure_of_their_kind() -> None:
    assert load_texts([("site.yaml", SITE)]).directory == {"10100000017": "cabinet@medecin.mssante.fr"}


def test_the_digest_covers_all_that_decides_in_a_site_file() -> None:
    def digest(text: str) -> str:
        return load_texts([("site.yaml", text)]).digest

    reference = digest(SITE)
    assert digest("# commentaire\n" + SITE) == reference
    assert digest(SITE + "tests: []\n") == reference
    for written, changed in (
        ("priority: high", "priority: low"),
        ("id: UNE", "id: DEUX"),
        ("Une règle.", "La règle."),
        ("Cabinet@", "autre@"),
        ('units: ["2"]', 'units: ["3"]'),
        ("then: {", "when: {types: ['11490-0']}, then: {"),
    ):
        assert digest(SITE.replace(written, changed)) != reference, changed


def test_the_law_alone_is_the_book_without_its_site() -> None:
    law = load_texts([("site.yaml", SITE)]).law

    assert (law.site.rules, law.tags, law.directory) == ((), (), {})
    assert law.rows == shipped_rules().rows


def test_the_example_has_every_effect_and_its_tests_exercise_every_rule() -> None:
    book = load_rules([default_rules_dir() / "site-example.yaml"])

    effects = [name for rule in book.site.rules for name in rule.then.effects]
    assert set(effects) == {
        "policy",
        "deny",
        "hold",
        "add_recipients",
        "derive_recipients",
        "annuaire",
        "mailbox",
        "priority",
        "schedule",
    }
    told: set[str] = set()
    for test in (test for test in book.tests if not test.of_law):
        given = test.vector.given
        for one in (given, *(given := step.given.applied_to(given) for step in test.vector.then)):
            told |= {reason.rule for decision in decided(specimen(one), book).values() for reason in decision.because}
    assert {rule.id for rule in book.site.rules} | {str(tag.id) for tag in book.tags} <= told
