"""A YAML file that remembers where each value is written.

YAML 1.1 as PyYAML reads it, its safe subset only (no tag builds a Python object), and stricter: a key is a text and
is written once in its block, no anchor contains itself, a file is one document.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.yaml.faults import Fault, Location, faults_of

Model = TypeVar("Model", bound=BaseModel)

_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"

# French for the beginnings of PyYAML's sentences that operators meet.
_PROBLEMS = {
    "mapping values are not allowed here": "« : » inattendu, vérifier l'indentation ou mettre des guillemets",
    "could not find expected ':'": "« : » manque après une clé",
    "found character '\\t'": "tabulation, indenter avec des espaces",
    "found character": "ce texte doit être entre guillemets",
    "found undefined alias": "« * » renvoie à une ancre absente, mettre des guillemets",
    "found unexpected end of stream": "guillemet jamais refermé",
    "found unknown escape character": "« \\ » entre guillemets doubles, mettre des apostrophes",
    "expected <block end>": "indentation incohérente",
    "expected ',' or ']'": "virgule manquante ou crochet jamais refermé",
    "expected ',' or '}'": "virgule manquante ou accolade jamais refermée",
    "expected the node content": "valeur manquante, crochet ou accolade jamais refermés",
    "but found another document": "un seul document par fichier, retirer « --- »",
    "could not determine a constructor for the tag": "« ! » n'est pas admis, mettre des guillemets",
}


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A position in a file, both numbers counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class _Written:
    """What a text says, and the mark of everything written in it."""

    data: Any = None
    marks: Mapping[Location, Mark] = field(default_factory=dict)


class _UnreadableError(Exception):
    """Why a text cannot be read, and where."""

    def __init__(self, mark: Mark, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.mark = mark
        self.text = text
        self.hint = hint


class YamlFile:
    """The plain value of a file in `data` (None when it is empty), and the mark of everything written in it.

    `data` is shared by all who read the same text: it is never changed.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        try:
            written = _read(text)
        except _UnreadableError as error:
            place = f"{path}:{error.mark}"
            raise ConfigurationError("YAML_SYNTAX", f"{place} : {error.text}.", error.hint) from None
        self.data = written.data
        self._marks = written.marks

    @classmethod
    def read(cls, path: Path) -> "YamlFile":
        """Reads a UTF-8 file.

        Raises ConfigurationError: `FILE_UNREADABLE`, `FILE_ENCODING`, `YAML_SYNTAX`.
        """
        try:
            return cls(path, path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ConfigurationError(
                "FILE_UNREADABLE",
                f"{path} : fichier illisible ({system_reason(error)}).",
                "Vérifier le chemin et les droits.",
            ) from None
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                "FILE_ENCODING",
                f"{path} : fichier illisible (octet {error.start} étranger à l'UTF-8).",
                "Enregistrer le fichier en UTF-8.",
            ) from None

    def mark(self, location: Location) -> Mark:
        """Where a value is written (for an entry of a block, its key), or the closest written block around it."""
        while location and location not in self._marks:
            location = location[:-1]
        return self._marks.get(location, Mark(1, 1))

    def error(self, code: str, *faults: Fault) -> ConfigurationError:
        """One error for all these faults, in the order of the file: one line each, with its place and remedy."""
        placed = sorted(((self.mark(fault.location), fault) for fault in faults), key=lambda each: each[0])
        if len(placed) == 1:
            mark, fault = placed[0]
            return ConfigurationError(code, f"{self.path}:{mark} : {fault.text}.", fault.hint)
        return ConfigurationError(code, "\n".join(f"{self.path}:{mark} : {fault}" for mark, fault in placed))

    def validate(self, model: type[Model], *, code: str = "CONFIGURATION_INVALID") -> Model:
        """The file as a model; an empty file is a block without keys. Raises ConfigurationError telling every fault."""
        try:
            return model.model_validate({} if self.data is None else self.data)
        except ValidationError as error:
            raise self.error(code, *faults_of(error, model)) from None


@lru_cache(maxsize=8)
def _read(text: str) -> _Written:
    """Reading is slow and files rarely change: the law of the rules is read again with every file of a site.

    Raises _UnreadableError.
    """
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        raise _UnreadableError(mark, "YAML illisible (caractère de contrôle)") from None
    try:
        node = loader.get_single_node()
        if node is None:
            return _Written()
        marks: dict[Location, Mark] = {}
        _walk(loader, node, (), frozenset(), marks)
        return _Written(loader.construct_document(node), marks)
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        problem = next(
            (french for start, french in _PROBLEMS.items() if (error.problem or "").startswith(start)), "syntaxe"
        )
        raise _UnreadableError(_mark(where), f"YAML illisible ({problem})") from None
    finally:
        loader.dispose()


def _walk(
    loader: yaml.SafeLoader, node: yaml.Node, location: Location, inside: frozenset[int], marks: dict[Location, Mark]
) -> None:
    """Marks a value and all that is in it."""
    marks.setdefault(location, _mark(node.start_mark))
    if id(node) in inside:
        raise _UnreadableError(_mark(node.start_mark), "une ancre YAML se contient elle-même")
    inside = inside | {id(node)}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _walk(loader, value, _key(key, location, marks), inside, marks)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(loader, item, (*location, index), inside, marks)
    else:
        try:
            loader.construct_object(node)
        except (ArithmeticError, AttributeError, LookupError, ValueError):  # such as 31 February
            raise _UnreadableError(_mark(node.start_mark), f"valeur impossible « {node.value} »") from None


def _key(node: yaml.Node, block: Location, marks: dict[Location, Mark]) -> Location:
    mark = _mark(node.start_mark)
    if not isinstance(node, yaml.ScalarNode):
        raise _UnreadableError(mark, "une clé doit être un texte")
    if node.tag not in (_TEXT, _MERGE):
        raise _UnreadableError(mark, f"la clé « {node.value} » doit être un texte", "La mettre entre guillemets.")
    location = (*block, node.value)
    if location in marks:
        first = f"Première fois : ligne {marks[location].line}."
        raise _UnreadableError(mark, f"la clé « {node.value} » est écrite deux fois", first)
    marks[location] = mark
    return location


def _mark(mark: yaml.Mark | None) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark(1, 1)
