"""Rule files: loaded, checked, joined into one frozen `RuleBook`."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfi.routing.exceptions import SITUATIONS, Predicate
from pfi.routing.rulefile import (
    FILE_KINDS,
    ExceptionRule,
    ExceptionsFile,
    Parameters,
    Row,
    RuleFile,
    SettingMappings,
    SiteFile,
    TableFile,
    TagRule,
    Vector,
)
from pfi.routing.table import RowTest
from pfi.standards.yaml import Fault, Mark, YamlFile, closest

_TABLE = "l1111-15.yaml"
_EXCEPTIONS = "exceptions.yaml"
_INVALID = "RULES_INVALID"


@dataclass(frozen=True, slots=True)
class LoadedVector:
    """A test and where it was written."""

    file: str
    mark: Mark
    vector: Vector


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Everything that decides, ready to be applied.

    `digest` identifies what decides (not the tests, comments or layout): two books with the same digest give the same
    decisions. `by_type` indexes the rows by typeCode; `checks` pairs each exception with its situation.
    """

    digest: str
    files: tuple[str, ...]
    rows: tuple[Row, ...]
    settings: SettingMappings
    genetics_types: frozenset[str]
    parameters: Parameters
    exceptions: tuple[ExceptionRule, ...]
    tags: tuple[TagRule, ...]
    tests: tuple[LoadedVector, ...]
    by_type: Mapping[str, tuple[RowTest, ...]]
    checks: tuple[tuple[ExceptionRule, Predicate], ...]


def default_rules_dir() -> Path:
    """Folder of the rules shipped with the PFI: inside the installed package, or the checkout's `routing_rules`."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data" / "routing_rules"
    return installed if installed.is_dir() else package.parent / "routing_rules"


def default_rule_paths() -> tuple[Path, ...]:
    """The shipped legal table and exceptions."""
    folder = default_rules_dir()
    return folder / _TABLE, folder / _EXCEPTIONS


def load_rules(paths: Sequence[Path] = ()) -> RuleBook:
    """Loads and joins rule files.

    At most one legal table and one file of exceptions, any number of site files; a table or exceptions not given are
    those shipped with the PFI, so that a site adds its own file without copying the law.

    Raises `ConfigurationError` telling, for every fault, its file, line and column, what is wrong and the closest known
    word.
    """
    read = [_read(path) for path in paths]
    shipped_kinds: tuple[type[RuleFile], ...] = (TableFile, ExceptionsFile)
    for model, shipped in zip(shipped_kinds, default_rule_paths(), strict=True):
        found = [source for source, content in read if isinstance(content, model)]
        if len(found) > 1:
            other = f"Autre : {found[0].path}."
            raise found[1].error(_INVALID, Fault(("kind",), "un seul fichier de ce genre est admis", other))
        if not found:
            read.append(_read(shipped))
    table = next(content for _, content in read if isinstance(content, TableFile))
    exceptions = next(content for _, content in read if isinstance(content, ExceptionsFile))
    for source, content in read:
        faults = [*_faults(content), *_vector_faults(content, table)]
        if faults:
            raise source.error(_INVALID, *faults)
    sites = [content for _, content in read if isinstance(content, SiteFile)]
    return RuleBook(
        digest=_digest((table, exceptions, *sites)),
        files=tuple(str(source.path) for source, _ in read),
        rows=table.rows,
        settings=table.settings,
        genetics_types=table.constitutional_genetics_types,
        parameters=exceptions.parameters,
        exceptions=exceptions.exceptions,
        tags=tuple(tag for site in sites for tag in site.tags),
        tests=tuple(
            LoadedVector(source.path.name, source.mark(("tests", index)), vector)
            for source, content in read
            for index, vector in enumerate(content.tests)
        ),
        by_type={
            code: tuple(RowTest.of(row) for row in table.rows if code in row.types)
            for row in table.rows
            for code in row.types
        },
        checks=tuple((rule, SITUATIONS[rule.when]) for rule in exceptions.exceptions),
    )


def _read(path: Path) -> tuple[YamlFile, RuleFile]:
    source = YamlFile.read(path)
    if source.data is None:
        raise source.error(_INVALID, Fault((), "le fichier de règles est vide"))
    if not isinstance(source.data, dict):
        raise source.error(_INVALID, Fault((), "un fichier de règles est une suite de « clé : valeur »"))
    kind = source.data.get("kind")
    model = FILE_KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        what = "la clé « kind » manque" if kind is None else f"« kind : {kind} » est inconnu"
        raise source.error(_INVALID, Fault(("kind",), what, f"Genres admis : {', '.join(FILE_KINDS)}."))
    return source, source.validate(model, code=_INVALID)


def _faults(content: RuleFile) -> Iterator[Fault]:
    """What the models cannot see: one entry against another, names of situations."""
    if isinstance(content, TableFile):
        yield from _row_faults(content)
    elif isinstance(content, ExceptionsFile):
        yield from _exception_faults(content)


def _row_faults(table: TableFile) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, row in enumerate(table.rows):
        if row.id in seen:
            yield Fault(("rows", index, "id"), f"la ligne « {row.id} » existe déjà")
        seen.add(row.id)
        if row.from_ and row.until and row.until < row.from_:
            yield Fault(("rows", index, "until"), "« until » précède « from »")


def _exception_faults(content: ExceptionsFile) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, rule in enumerate(content.exceptions):
        place = ("exceptions", index, "when")
        if rule.when not in SITUATIONS:
            yield Fault(place, f"situation inconnue « {rule.when} »", closest(rule.when, SITUATIONS))
        elif rule.when in seen:
            yield Fault(place, f"la situation « {rule.when} » est déjà traitée plus haut")
        seen.add(rule.when)


def _vector_faults(content: RuleFile, table: TableFile) -> Iterator[Fault]:
    known = [row.id for row in table.rows]
    for index, vector in enumerate(content.tests):
        for position, name in enumerate(vector.expect.rows or ()):
            if name not in known:
                place = ("tests", index, "expect", "rows", position)
                yield Fault(place, f"ligne inconnue « {name} »", closest(name, known))


def _digest(contents: Sequence[RuleFile]) -> str:
    canonical = json.dumps(
        [_canonical(content.model_dump(mode="python", by_alias=True, exclude={"tests"})) for content in contents],
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """Sets sorted and dates as text, so that the same rules always give the same bytes."""
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, tuple | list):
        return [_canonical(item) for item in value]
    return value if isinstance(value, bool | int | type(None)) else str(value)
