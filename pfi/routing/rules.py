"""Rule files: loaded, checked, joined into one frozen `RuleBook`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pfi.routing.exceptions import SITUATIONS, Predicate
from pfi.routing.rulechecks import Census, RuleOrigin, default_tag_id
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
from pfi.routing.site import SiteRules
from pfi.routing.table import RowTest
from pfi.standards.yaml import Fault, Mark, YamlFile

_TABLE = "l1111-15.yaml"
_EXCEPTIONS = "exceptions.yaml"
_INVALID = "RULES_INVALID"


@dataclass(frozen=True, slots=True)
class LoadedVector:
    """A test and where it was written."""

    file: str
    mark: Mark
    vector: Vector
    of_law: bool = False
    """Written in the table or the exceptions: it proves the law, not what a site makes of it."""


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
    site: SiteRules
    directory: Mapping[str, str]
    """Address book of the site: national identifier (RPPS without its `8`) to MSSanté address."""
    rule_ids: Mapping[str, RuleOrigin]
    """Every row, exception, tag rule and site rule by its name, with where it is written."""

    @property
    def law(self) -> "RuleBook":
        """The table and the exceptions alone, without what the site adds."""
        return replace(self, site=SiteRules.of(()), tags=(), directory={})


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
    return _join([YamlFile.read(path) for path in paths])


def load_texts(files: Sequence[tuple[str, str]]) -> RuleBook:
    """The same from (name, text) pairs: rules that are kept elsewhere than in files. `name` is told in errors."""
    return _join([YamlFile(Path(name), text) for name, text in files])


def _join(sources: Sequence[YamlFile]) -> RuleBook:
    read = [(source, _content(source)) for source in sources]
    shipped_kinds: tuple[type[RuleFile], ...] = (TableFile, ExceptionsFile)
    for model, shipped in zip(shipped_kinds, default_rule_paths(), strict=True):
        found = [source for source, content in read if isinstance(content, model)]
        if len(found) > 1:
            other = f"Autre : {found[0].path}."
            raise found[1].error(_INVALID, Fault(("kind",), "un seul fichier de ce genre est admis", other))
        if not found:
            source = YamlFile.read(shipped)
            read.append((source, _content(source)))
    census = _checked(read)
    table = next(content for _, content in read if isinstance(content, TableFile))
    exceptions = next(content for _, content in read if isinstance(content, ExceptionsFile))
    sites = [content for _, content in read if isinstance(content, SiteFile)]
    tags = [tag for site in sites for tag in site.tags]
    return RuleBook(
        digest=_digest((table, exceptions, *sites)),
        files=tuple(str(source.path) for source, _ in read),
        rows=table.rows,
        settings=table.settings,
        genetics_types=table.constitutional_genetics_types,
        parameters=exceptions.parameters,
        exceptions=exceptions.exceptions,
        tags=tuple(
            tag.model_copy(update={"id": tag.id or default_tag_id(number)}) for number, tag in enumerate(tags, start=1)
        ),
        tests=tuple(
            LoadedVector(source.path.name, source.mark(("tests", index)), vector, not isinstance(content, SiteFile))
            for source, content in read
            for index, vector in enumerate(content.tests)
        ),
        by_type={
            code: tuple(RowTest.of(row) for row in table.rows if code in row.types)
            for row in table.rows
            for code in row.types
        },
        checks=tuple((rule, SITUATIONS[rule.when]) for rule in exceptions.exceptions),
        site=SiteRules.of(rule for site in sites for rule in site.rules),
        directory=census.addresses,
        rule_ids=census.rules,
    )


def _checked(read: Sequence[tuple[YamlFile, RuleFile]]) -> Census:
    """Every rule and address by name. Raises ConfigurationError telling every fault of the first wrong file."""
    census, faults = Census(), dict[int, list[Fault]]()
    law_first = sorted(range(len(read)), key=lambda index: isinstance(read[index][1], SiteFile))
    for index in law_first:
        faults[index] = list(census.take(*read[index]))
    for index, (source, content) in enumerate(read):
        told = [*faults[index], *census.tests(content)]
        if told:
            raise source.error(_INVALID, *told)
    return census


def _content(source: YamlFile) -> RuleFile:
    if source.data is None:
        raise source.error(_INVALID, Fault((), "le fichier de règles est vide"))
    if not isinstance(source.data, dict):
        raise source.error(_INVALID, Fault((), "un fichier de règles est une suite de « clé : valeur »"))
    kind = source.data.get("kind")
    model = FILE_KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        what = "la clé « kind » manque" if kind is None else f"« kind : {kind} » est inconnu"
        raise source.error(_INVALID, Fault(("kind",), what, f"Genres admis : {', '.join(FILE_KINDS)}."))
    return source.validate(model, code=_INVALID)


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
