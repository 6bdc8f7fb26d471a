"""A YAML file is read strictly, and remembers where everything is written."""

from pathlib import Path

import pytest

from pfi.model.errors import ConfigurationError
from pfi.standards.yaml import Fault, Location, Mark, YamlFile

SOUND = """\
# first line
site:
  name: CH
senders:
  - name: one
    match: {application: A, facility: [F, G]}
  - name: two
"""


def refusal(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        YamlFile(Path("a.yaml"), text)
    return caught.value


@pytest.mark.parametrize(
    ("location", "mark"),
    [
        ((), Mark(2, 1)),
        (("site", "name"), Mark(3, 3)),
        (("senders", 1), Mark(7, 5)),
        (("senders", 0, "match", "facility", 1), Mark(6, 43)),
        (("senders", 0, "match", "listener"), Mark(6, 5)),
        (("senders", 5, "name"), Mark(4, 1)),
        (("nothing", "of", "this"), Mark(2, 1)),
    ],
)
def test_a_place_is_that_of_the_value_or_of_the_closest_block(location: Location, mark: Mark) -> None:
    assert YamlFile(Path("a.yaml"), SOUND).mark(location) == mark


def test_the_data_is_plain() -> None:
    assert YamlFile(Path("a.yaml"), "a: {b: [1, true, x]}").data == {"a": {"b": [1, True, "x"]}}


def test_an_empty_file_has_no_data_and_one_place() -> None:
    empty = YamlFile(Path("a.yaml"), "# nothing\n")
    assert empty.data is None
    assert empty.mark(("site",)) == Mark(1, 1)


def test_an_anchor_may_be_used_twice_and_merged() -> None:
    file = YamlFile(Path("a.yaml"), "a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n  l: 2\n")
    assert file.data == {"a": {"k": 1}, "b": {"k": 1}, "c": {"k": 1, "l": 2}}
    assert file.mark(("c", "l")) == Mark(5, 3)


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", "la clé « a » est écrite deux fois"),
        ("- {a: {b: 1, b: 2}}\n", "1:14", "la clé « b » est écrite deux fois"),
        ("a: &x [*x]\n", "1:4", "une ancre YAML se contient elle-même"),
        ("a: &x\n  b: {c: *x}\n", "1:4", "une ancre YAML se contient elle-même"),
        ("a: 1\n? [b]\n: 2\n", "2:3", "une clé doit être un texte"),
        ("a: {on: 1}\n", "1:5", "la clé « on » doit être un texte"),
        ("12: x\n", "1:1", "la clé « 12 » doit être un texte"),
        ("a: 2025-13-31\n", "1:4", "valeur impossible « 2025-13-31 »"),
        ("a: !!bool peut-être\n", "1:4", "valeur impossible « peut-être »"),
        ("a: [\n", "2:1", "YAML illisible (valeur manquante, crochet ou accolade jamais refermés)"),
        ("a: [b\nc: d\n", "2:2", "YAML illisible (virgule manquante ou crochet jamais refermé)"),
        ("a: {b: 1\nc: d\n", "2:2", "YAML illisible (virgule manquante ou accolade jamais refermée)"),
        ("a:\n\tb: 1\n", "2:1", "YAML illisible (tabulation, indenter avec des espaces)"),
        ("a: @b\n", "1:4", "YAML illisible (ce texte doit être entre guillemets)"),
        ("a: *b\n", "1:4", "YAML illisible (« * » renvoie à une ancre absente, mettre des guillemets)"),
        ("a: b: c\n", "1:5", "YAML illisible (« : » inattendu, vérifier l'indentation ou mettre des guillemets)"),
        ("a: 1\nb\nc: 2\n", "3:1", "YAML illisible (« : » manque après une clé)"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "YAML illisible (indentation incohérente)"),
        ('a: "b\n', "2:1", "YAML illisible (guillemet jamais refermé)"),
        ('a: "C:\\pfi"\n', "1:8", "YAML illisible (« \\ » entre guillemets doubles, mettre des apostrophes)"),
        ("a: 1\n---\nb: 2\n", "2:1", "YAML illisible (un seul document par fichier, retirer « --- »)"),
        ("a: !b c\n", "1:4", "YAML illisible (« ! » n'est pas admis, mettre des guillemets)"),
        ("a: !!python/object/apply:os.system [ls]\n", "1:4", "YAML illisible (« ! » n'est pas admis"),
        ("a: [1]]\n", "1:7", "YAML illisible (indentation incohérente)"),
        ("%YAML 3.0\n---\na: 1\n", "1:1", "YAML illisible (syntaxe)"),
        ("a: 1\nb: x\x07\n", "2:5", "YAML illisible (caractère de contrôle)"),
    ],
)
def test_what_is_not_sound_yaml_is_refused_at_its_place(text: str, place: str, what: str) -> None:
    error = refusal(text)
    assert error.code == "YAML_SYNTAX"
    assert error.text.startswith(f"a.yaml:{place} : {what}")


def test_a_key_written_twice_says_where_the_first_one_is() -> None:
    assert refusal("a: 1\nb: 2\na: 3\n").next_step == "Première fois : ligne 1."


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        YamlFile.read(tmp_path / "absent.yaml")
    assert caught.value.code == "FILE_UNREADABLE"
    assert "absent.yaml" in caught.value.text


def test_a_file_that_is_not_utf8_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("site: {name: Hôpital}".encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        YamlFile.read(path)
    assert caught.value.code == "FILE_ENCODING"
    assert "octet 14 " in caught.value.text


def test_the_byte_order_mark_of_windows_editors_is_not_content(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("site: 1\n", encoding="utf-8-sig")
    assert YamlFile.read(path).mark(("site",)) == Mark(1, 1)


def test_the_same_text_in_two_files_is_told_under_the_name_of_each() -> None:
    for name in ("a.yaml", "b.yaml"):
        assert YamlFile(Path(name), SOUND).error("CODE", Fault(("site",), "faux")).text.startswith(f"{name}:2:1")
        with pytest.raises(ConfigurationError, match=f"{name}:1:5"):
            YamlFile(Path(name), "a: b: c")


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    for content in ("site: 1\n", "\nsite: 2\n"):
        path.write_text(content)
        file = YamlFile.read(path)
        assert (file.data, file.mark(("site",)).line) == ({"site": int(content[-2])}, content.index("s") + 1)


def test_one_fault_keeps_its_remedy_apart() -> None:
    error = YamlFile(Path("a.yaml"), SOUND).error("CODE", Fault(("site", "name"), "trop court", "L'allonger."))
    assert (error.code, error.text, error.next_step) == ("CODE", "a.yaml:3:3 : trop court.", "L'allonger.")


def test_several_faults_are_told_in_the_order_of_the_file_each_with_its_remedy() -> None:
    error = YamlFile(Path("a.yaml"), SOUND).error(
        "CODE", Fault(("senders", 1, "name"), "deux"), Fault(("site", "name"), "un", "Remède.")
    )
    assert error.text == "a.yaml:3:3 : un. Remède.\na.yaml:7:5 : deux."
    assert error.next_step == ""
