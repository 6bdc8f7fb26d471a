"""A rule file with an error is refused with its place and the remedy."""

from pathlib import Path

import pytest

from pfi.model.errors import ConfigurationError
from pfi.routing import rules
from pfi.routing.rules import default_rule_paths, load_rules

TABLE = """\
kind: table
version: 2025-12-31
source: "essai"
settings: {encounter: {}, patient_class: {"I": in_stay}}
rows:
  - id: R01
    label: "Lettre"
    basis: "loi"
    types: ["18761-7"]
    when: {setting_of_production: in_stay}
    dmp: due
    pro: none
    cit: none
"""

EXCEPTIONS = """\
kind: exceptions
version: 2026-01-01
exceptions:
  - {id: E05, when: feeding_opposed, text: "Opposition.", source: "loi", code: DMP_OPPOSED, dmp: deny}
"""


def refusal(tmp_path: Path, text: str, name: str = "regles.yaml") -> ConfigurationError:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_rules([path])
    return caught.value


def test_the_sound_files_of_these_tests_load(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(TABLE, "utf-8")
    (tmp_path / "e.yaml").write_text(EXCEPTIONS, "utf-8")

    book = load_rules([tmp_path / "t.yaml", tmp_path / "e.yaml"])

    assert [row.id for row in book.rows] == ["R01"]
    assert [rule.id for rule in book.exceptions] == ["E05"]


@pytest.mark.parametrize(
    ("written", "changed", "place", "what", "hint"),
    [
        ("setting_of_production:", "setting_of_prodution:", "10:12", "clé inconnue", "« setting_of_production »"),
        ("    basis:", "    bassis:", "6:5", "« basis » manque", "« basis »"),
        ("dmp: due", "dmp: deu", "11:5", "« deu » non admise", "« due »"),
        ("dmp: due", "dmp: zzz", "11:5", "« zzz » non admise", "Valeurs admises"),
        ("version: 2025-12-31", "version: hier", "2:1", "n'est pas une date", ""),
        ('types: ["18761-7"]', "types: []", "9:5", "« types » est vide", ""),
        ('types: ["18761-7"]', "types: 18761-7", "9:5", "n'est pas une liste", ""),
        ("id: R01", "id: r-1", "6:5", "forme attendue", ""),
        ("kind: table", "kind: tabel", "1:1", "« kind : tabel » est inconnu", "table, exceptions, site"),
        ("kind: table\n", "", "1:1", "« kind » manque", "table, exceptions, site"),
        ("    cit: none\n", "    cit: none\n    from: 2025-01-02\n    until: 2025-01-01\n", "15:", "précède", ""),
        ("rows:", "rows: [", "6:", "YAML illisible", ""),
    ],
)
def test_an_error_names_file_line_column_and_remedy(
    tmp_path: Path, written: str, changed: str, place: str, what: str, hint: str
) -> None:
    assert written in TABLE
    error = refusal(tmp_path, TABLE.replace(written, changed, 1))

    assert f"regles.yaml:{place}" in error.text
    assert what in error.text
    assert hint in str(error)


def test_all_errors_of_a_file_are_told_in_its_order(tmp_path: Path) -> None:
    error = refusal(tmp_path, TABLE.replace("dmp: due", "dmp: deu").replace("version: 2025-12-31", "version: hier"))

    first, second = error.text.splitlines()
    assert "regles.yaml:2:1 : " in first
    assert "regles.yaml:11:5 : " in second
    assert "Vouliez-vous écrire « due » ?" in second


def test_two_rows_of_the_same_name_are_refused(tmp_path: Path) -> None:
    row = TABLE[TABLE.index("  - id") :]
    error = refusal(tmp_path, TABLE + row)

    assert ":14:5 : la ligne « R01 » existe déjà" in error.text
    label_first = row.replace('id: R01\n    label: "Lettre"', 'label: "Lettre"\n    id: R01')
    assert ":15:5 : la ligne « R01 » existe déjà" in refusal(tmp_path, TABLE + label_first).text


def test_an_unknown_situation_is_refused_with_the_closest_one(tmp_path: Path) -> None:
    error = refusal(tmp_path, EXCEPTIONS.replace("feeding_opposed", "feeding_oposed"))

    assert ":4:15 : situation inconnue" in error.text
    assert "« feeding_opposed »" in error.next_step


def test_all_faults_between_entries_are_told_together(tmp_path: Path) -> None:
    again = EXCEPTIONS.splitlines()[-1]
    error = refusal(tmp_path, EXCEPTIONS + again.replace("feeding_opposed", "nothing_known") + "\n" + again)

    assert [line.split(" : ")[0].rpartition("regles.yaml:")[2] for line in error.text.splitlines()] == ["5:15", "6:15"]


def test_a_situation_is_dealt_with_once(tmp_path: Path) -> None:
    error = refusal(tmp_path, EXCEPTIONS + EXCEPTIONS.splitlines()[-1])

    assert "déjà traitée" in error.text


@pytest.mark.parametrize(
    ("written", "changed", "what"),
    [
        (", dmp: deny", "", "aucun effet"),
        ("code: DMP_OPPOSED, ", "", "« code » est obligatoire"),
        ("code: DMP_OPPOSED, dmp: deny", "dmp: void", "« code » est obligatoire"),
        ("code: DMP_OPPOSED, dmp: deny", "dmp: hold, until: human_release", "« code » est obligatoire"),
    ],
)
def test_an_exception_must_have_an_effect_and_a_code(tmp_path: Path, written: str, changed: str, what: str) -> None:
    error = refusal(tmp_path, EXCEPTIONS.replace(written, changed))

    assert "regles.yaml:4:" in error.text
    assert what in error.text


def test_an_exception_that_holds_says_what_it_waits_for(tmp_path: Path) -> None:
    holding = EXCEPTIONS.replace("dmp: deny", "dmp: hold")
    assert "« until » est obligatoire" in refusal(tmp_path, holding).text
    path = tmp_path / "attente.yaml"
    path.write_text(holding.replace("dmp: hold", "dmp: hold, until: objection_lifted"), "utf-8")
    assert load_rules([path]).exceptions[0].until == "objection_lifted"


def test_a_site_tag_must_have_a_criterion_and_be_known(tmp_path: Path) -> None:
    assert "aucun critère" in refusal(tmp_path, "kind: site\ntags:\n  - {add: [ivg]}\n").text

    error = refusal(tmp_path, 'kind: site\ntags:\n  - {units: ["1"], add: [psychiatri]}\n')
    assert "regles.yaml:3:" in error.text
    assert "« psychiatry »" in error.next_step


def test_a_test_that_expects_an_unknown_row_is_refused(tmp_path: Path) -> None:
    error = refusal(
        tmp_path,
        'kind: site\ntests:\n  - name: x\n    given: {type: "1", date: 2025-01-01}\n    expect: {rows: [R66]}\n',
    )

    assert ":5:21 : ligne inconnue « R66 »" in error.text


@pytest.mark.parametrize("text", ["", "- a\n", "texte\n"])
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "regles.yaml:1:1 : " in refusal(tmp_path, text).text


def test_unreadable_bytes_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"kind: \xe9")

    for name in ("latin.yaml", "absent.yaml"):
        with pytest.raises(ConfigurationError, match="illisible"):
            load_rules([tmp_path / name])


def test_two_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="un seul fichier de ce genre"):
        load_rules([default_rule_paths()[0], default_rule_paths()[0]])


def test_the_second_of_two_tables_is_refused_where_it_says_so_and_names_the_first(tmp_path: Path) -> None:
    (tmp_path / "premiere.yaml").write_text(TABLE, "utf-8")
    (tmp_path / "seconde.yaml").write_text(TABLE.replace("kind: table\n", "", 1) + "kind: table\n", "utf-8")

    with pytest.raises(ConfigurationError) as caught:
        load_rules([tmp_path / "premiere.yaml", tmp_path / "seconde.yaml"])

    assert f"seconde.yaml:{len(TABLE.splitlines())}:1 : un seul fichier" in caught.value.text
    assert "premiere.yaml" in str(caught.value)


def test_an_unknown_kind_is_told_where_it_is_written(tmp_path: Path) -> None:
    assert "regles.yaml:2:1 : « kind : tabel »" in refusal(tmp_path, "version: 2025-12-31\nkind: tabel\n").text
    assert "est vide" in refusal(tmp_path, "").text
    assert "suite de « clé : valeur »" in refusal(tmp_path, "- a\n").text


def test_a_site_file_alone_keeps_the_shipped_law(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text('kind: site\ntags: [{units: ["1"], add: [ivg]}]\n', "utf-8")

    book = load_rules([tmp_path / "site.yaml"])

    assert book.rows == load_rules().rows
    assert len(book.tags) == 1


def test_the_digest_depends_on_what_decides_and_on_nothing_else(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        path = tmp_path / "t.yaml"
        path.write_text(text, "utf-8")
        return load_rules([path]).digest

    reference = digest(TABLE)
    commented = digest("# commentaire\n" + TABLE)
    tested = digest(TABLE + 'tests: [{name: x, given: {type: "1", date: 2025-01-01}, expect: {}}]\n')
    changed = digest(TABLE.replace("pro: none", "pro: due"))

    assert reference == commented == tested != changed
    assert len(reference) == 64


def test_an_installed_copy_of_the_rules_wins_over_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "pfi" / "_data" / "routing_rules"
    installed.mkdir(parents=True)
    monkeypatch.setattr(rules, "__file__", str(tmp_path / "pfi" / "routing" / "rules.py"))

    assert rules.default_rules_dir() == installed.resolve()

    installed.rmdir()
    assert rules.default_rules_dir() == (tmp_path / "routing_rules").resolve()
