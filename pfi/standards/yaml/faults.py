"""What is wrong in the content of a file: the errors of a pydantic model told in French, each with its remedy."""

import difflib
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]
"""Keys and indexes from the root of a file to a value."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to correct: its place, a French sentence without its full stop, and the remedy (may be empty)."""

    location: Location
    text: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.text}. {self.hint}".rstrip()


# Sentence and remedy by type of pydantic error; `{…}`: the key and what pydantic tells about the limit.
_SENTENCES = {
    "missing": ("la clé obligatoire « {key} » manque", ""),
    "bool_type": ("« {key} » n'est ni true ni false", ""),
    "bool_parsing": ("« {key} » n'est ni true ni false", ""),
    "int_type": ("« {key} » n'est pas un nombre entier", ""),
    "int_parsing": ("« {key} » n'est pas un nombre entier", ""),
    "int_from_float": ("« {key} » n'est pas un nombre entier", ""),
    "float_type": ("« {key} » n'est pas un nombre", ""),
    "float_parsing": ("« {key} » n'est pas un nombre", ""),
    "finite_number": ("« {key} » n'est pas un nombre", ""),
    "greater_than": ("« {key} » est trop petit : plus de {gt} attendu", ""),
    "greater_than_equal": ("« {key} » est trop petit : au moins {ge} attendu", ""),
    "less_than": ("« {key} » est trop grand : moins de {lt} attendu", ""),
    "less_than_equal": ("« {key} » est trop grand : {le} au plus", ""),
    "string_type": ("« {key} » n'est pas un texte (mettre des guillemets)", ""),
    "string_too_short": ("« {key} » est trop court : au moins {min_length} caractères", ""),
    "string_too_long": ("« {key} » est trop long : {max_length} caractères au plus", ""),
    "string_pattern_mismatch": ("« {key} » n'a pas la forme attendue", "Forme attendue : {pattern}"),
    "path_type": ("« {key} » n'est pas un chemin de fichier", ""),
    "date_type": ("« {key} » n'est pas une date AAAA-MM-JJ", ""),
    "date_parsing": ("« {key} » n'est pas une date AAAA-MM-JJ", ""),
    "date_from_datetime_parsing": ("« {key} » n'est pas une date AAAA-MM-JJ", ""),
    "list_type": ("« {key} » n'est pas une liste", ""),
    "tuple_type": ("« {key} » n'est pas une liste", ""),
    "frozen_set_type": ("« {key} » n'est pas une liste", ""),
    "too_short": ("« {key} » est trop court : au moins {min_length} éléments", ""),
    "too_long": ("« {key} » est trop long : {max_length} éléments au plus", ""),
    "model_type": ("« {key} » n'est pas une suite de « clé : valeur »", ""),
    "dict_type": ("« {key} » n'est pas une suite de « clé : valeur »", ""),
}
_UNKNOWN_SENTENCE = ("valeur refusée pour « {key} »", "")
_NOTHING: tuple[object, ...] = (None, "", [], {})


def faults_of(error: ValidationError, model: type[BaseModel], prefix: Location = ()) -> tuple[Fault, ...]:
    """Every fault that `model` found, in pydantic's order. `prefix`: where the validated value stands in its file."""
    every = error.errors(include_url=False)
    told = [details for details in every if not _echo(details)] or every
    return tuple(Fault((*prefix, *_written(details)), *_tell(details, model, prefix)) for details in told)


def closest(written: str, known: Iterable[str]) -> str:
    """The remedy for a misspelt word: the closest of the known ones; empty when none is close."""
    close = difflib.get_close_matches(written, list(known), n=1, cutoff=0.5)
    return f"Vouliez-vous écrire « {close[0]} » ?" if close else ""


def _echo(details: ErrorDetails) -> bool:
    """True for a list found too short only because its items were refused, each with its own sentence."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def _written(details: ErrorDetails) -> Location:
    """The place without the step that pydantic adds to tell a key from its value."""
    return tuple(step for step in details["loc"] if step != "[key]")


def _tell(details: ErrorDetails, model: type[BaseModel], prefix: Location) -> tuple[str, str]:
    """French sentence and remedy of one error. Values are quoted only where a closed list of words is expected."""
    kind, context, location = details["type"], details.get("ctx", {}), _written(details)
    key = next((step for step in reversed((*prefix, *location)) if isinstance(step, str)), "le fichier")
    if kind == "extra_forbidden":
        known = sorted(_keys_at(model, location[:-1]))
        return f"clé inconnue « {key} »", closest(key, known) or _admitted("Clés", known)
    if kind == "value_error":
        sentence = str(context["error"]).removesuffix(".")
        return (f"« {key} » : {sentence}" if location and location[-1] == key else sentence), ""
    if details["input"] in _NOTHING and kind not in ("missing", "enum", "literal_error"):
        return f"« {key} » est vide", "Lui donner une valeur, ou retirer la clé si elle est facultative."
    if kind in ("enum", "literal_error"):
        known = [word.strip("' ") for word in str(context["expected"]).replace(" or ", ", ").split(", ")]
        given = details["input"]
        written = str(given) if isinstance(given, str | int | float | date) else ""
        quoted = f"valeur « {written} »" if written else "valeur"
        return f"{quoted} non admise pour « {key} »", closest(written, known) or _admitted("Valeurs", known)
    sentence, hint = _SENTENCES.get(kind, _UNKNOWN_SENTENCE)
    facts = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
    facts["key"] = key
    return sentence.format_map(facts), hint.format_map(facts)


def _admitted(what: str, words: Iterable[str]) -> str:
    return f"{what} admises : {', '.join(words)}."


def _keys_at(model: type[BaseModel], location: Location) -> set[str]:
    """The keys admitted at a place, found by walking the types of the fields."""
    here: list[Any] = [model]
    for step in location:
        here = [inner for kind in here for inner in _inside(kind, step)]
    return {
        field.alias or name
        for kind in here
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, field in kind.model_fields.items()
    }


def _inside(kind: Any, step: int | str) -> Iterator[Any]:
    """Types of what a block has under a key, or a list under an index."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if step == (field.alias or name):
                yield from _alternatives(field.annotation)
    elif arguments := typing.get_args(kind):
        yield from _alternatives(arguments[1 if isinstance(step, str) else 0])


def _alternatives(kind: Any) -> Iterator[Any]:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        for each in typing.get_args(kind):
            yield from _alternatives(each)
    elif origin is typing.Annotated:
        yield from _alternatives(typing.get_args(kind)[0])
    else:
        yield kind
