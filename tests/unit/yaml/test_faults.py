"""What a model refuses is told in French, every fault at once, with the remedy, and without quoting free values."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pfi.model.errors import ConfigurationError
from pfi.standards.yaml import YamlFile, closest


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Secret(Strict):
    env: str = ""
    value: SecretStr | None = None


class Item(Strict):
    name: str = Field(default="", pattern="^[a-z]+$")
    from_: date | None = Field(default=None, alias="from")
    secret: Secret | None = None

    @model_validator(mode="after")
    def _not_x(self) -> "Item":
        if self.name == "x":
            raise ValueError("nom réservé.")
        return self


class Book(Strict):
    items: tuple[Annotated[Item, Field()], ...] = ()
    named: dict[str, Item] = Field(default_factory=dict)
    words: frozenset[Literal["un", "deux"]] = frozenset()
    pair: tuple[Literal["un", "deux"], ...] = Field(default=(), min_length=2, max_length=3)
    count: int = Field(default=1, ge=1, le=9)
    ratio: float = Field(default=1.0, gt=0, lt=2.5)
    on: bool = True
    text: str = Field(default="", min_length=2, max_length=4)
    file: Path = Path()
    kind: Literal["one", "two"] = "one"
    colour: str = ""

    @field_validator("colour")
    @classmethod
    def _red(cls, value: str) -> str:
        if value != "rouge":
            raise ValueError("rouge attendu")
        return value


def refusal(text: str, model: type[BaseModel] = Book) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        YamlFile(Path("a.yaml"), text).validate(model)
    return caught.value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("count: 0", "1:1 : « count » est trop petit : au moins 1 attendu."),
        ("count: 10", "1:1 : « count » est trop grand : 9 au plus."),
        ("count: deux", "1:1 : « count » n'est pas un nombre entier."),
        ("count: 1.5", "1:1 : « count » n'est pas un nombre entier."),
        ("ratio: 0", "1:1 : « ratio » est trop petit : plus de 0 attendu."),
        ("ratio: 2.5", "1:1 : « ratio » est trop grand : moins de 2.5 attendu."),
        ("ratio: beaucoup", "1:1 : « ratio » n'est pas un nombre."),
        ("'on': peut-être", "1:1 : « on » n'est ni true ni false."),
        ("text: 12", "1:1 : « text » n'est pas un texte (mettre des guillemets)."),
        ("text: a", "1:1 : « text » est trop court : au moins 2 caractères."),
        ("text: abcde", "1:1 : « text » est trop long : 4 caractères au plus."),
        ("file: 1", "1:1 : « file » n'est pas un chemin de fichier."),
        ("items: x", "1:1 : « items » n'est pas une liste."),
        ("named: [a]", "1:1 : « named » n'est pas une suite de « clé : valeur »."),
        ("named:\n  a: b", "2:3 : « a » n'est pas une suite de « clé : valeur »."),
        ("named: {a: {from: hier}}", "1:13 : « from » n'est pas une date AAAA-MM-JJ."),
        ("pair: [un]", "1:1 : « pair » est trop court : au moins 2 éléments."),
        ("pair: [un, un, un, un]", "1:1 : « pair » est trop long : 3 éléments au plus."),
        ("colour: bleu", "1:1 : « colour » : rouge attendu."),
        ("items:\n  - {name: a}\n  - {name: x}", "3:5 : nom réservé."),
        ("- a", "1:1 : « le fichier » n'est pas une suite de « clé : valeur »."),
    ],
)
def test_a_fault_is_one_french_sentence_at_its_place(text: str, told: str) -> None:
    error = refusal(text)
    assert error.code == "CONFIGURATION_INVALID"
    assert error.text == f"a.yaml:{told}"


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("cuont: 1", "clé inconnue « cuont »", "Vouliez-vous écrire « count » ?"),
        ("items: [{frm: 1}]", "clé inconnue « frm »", "Vouliez-vous écrire « from » ?"),
        ("items: [{zz: 1}]", "clé inconnue « zz »", "Clés admises : from, name, secret."),
        ("named: {a: {secret: {evn: A}}}", "clé inconnue « evn »", "Vouliez-vous écrire « env » ?"),
        ("kind: tow", "valeur « tow » non admise pour « kind »", "Vouliez-vous écrire « two » ?"),
        ("kind: 7", "valeur « 7 » non admise pour « kind »", "Valeurs admises : one, two."),
        ("words: [trois]", "valeur « trois » non admise pour « words »", "Valeurs admises : un, deux."),
        ("items: [{name: A1}]", "« name » n'a pas la forme attendue", "Forme attendue : ^[a-z]+$"),
        ("items:", "« items » est vide", "Lui donner une valeur, ou retirer la clé si elle est facultative."),
        ("text: ''", "« text » est vide", "Lui donner une valeur, ou retirer la clé si elle est facultative."),
    ],
)
def test_a_remedy_is_proposed(text: str, told: str, hint: str) -> None:
    error = refusal(text)
    assert told in error.text
    assert error.next_step == hint


def test_a_misspelt_key_is_never_compared_with_the_keys_of_another_level() -> None:
    assert "env" not in refusal("items: [{evn: 1}]").next_step


def test_a_missing_key_is_told_at_its_block() -> None:
    class Outer(Strict):
        inner: "Inner"

    class Inner(Strict):
        wanted: int

    Outer.model_rebuild(_types_namespace={"Inner": Inner})
    assert refusal("\n\ninner: {}\n", Outer).text == "a.yaml:3:1 : la clé obligatoire « wanted » manque."


def test_every_fault_is_told_in_the_order_of_the_file() -> None:
    error = refusal("kind: tow\nitems:\n  - {nam: a}\ncount: 0\n")
    assert [line.split(" : ")[0] for line in error.text.splitlines()] == ["a.yaml:1:1", "a.yaml:3:6", "a.yaml:4:1"]
    assert "Vouliez-vous écrire « two » ?" in error.text.splitlines()[0]


def test_a_list_short_of_its_refused_items_is_not_told_as_a_second_fault() -> None:
    error = refusal("pair: [un, trois]")
    assert error.text == "a.yaml:1:12 : valeur « trois » non admise pour « pair »."


def test_a_block_given_for_a_word_is_not_quoted() -> None:
    error = refusal("kind: {password: hunter2}")
    assert "hunter2" not in str(error)
    assert "valeur non admise pour « kind »" in error.text


def test_a_secret_of_the_wrong_type_is_not_quoted() -> None:
    assert "4242" not in str(refusal("items: [{secret: {value: 4242}}]"))


def test_a_kind_of_error_without_a_sentence_still_names_its_key() -> None:
    class Odd(Strict):
        number: Annotated[int, Field(multiple_of=5)]

    assert refusal("number: 3", Odd).text == "a.yaml:1:1 : valeur refusée pour « number »."


def test_an_empty_file_is_a_block_without_keys() -> None:
    assert YamlFile(Path("a.yaml"), "").validate(Book) == Book()


def test_the_code_is_that_of_the_caller() -> None:
    with pytest.raises(ConfigurationError) as caught:
        YamlFile(Path("a.yaml"), "count: 0").validate(Book, code="RULES_INVALID")
    assert caught.value.code == "RULES_INVALID"


def test_a_far_word_has_no_close_one() -> None:
    assert closest("zzz", ["one", "two"]) == ""
