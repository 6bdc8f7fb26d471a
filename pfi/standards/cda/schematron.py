"""Reading of an ISO Schematron: includes brought in, abstract patterns and rules written out, the default phase chosen.

What comes out is a plain list of patterns whose rules carry XPath expressions, ready to be compiled
(`pfi.standards.cda.schematron_xslt`). Covers what the validation packs of the ANS use (DMP digest §6): `include`,
`phase`, `let`, abstract patterns with parameters, `extends`, `assert`, `report`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from lxml import etree

from pfi.model.errors import ConfigurationError, system_reason
from pfi.model.finding import Severity

_ISO: Final = "{http://purl.oclc.org/dsdl/schematron}"
_SEVERITIES: Final = {
    "warning": Severity.WARNING,
    "warn": Severity.WARNING,
    "info": Severity.INFO,
    "information": Severity.INFO,
    "hint": Severity.INFO,
}
"""Values of `@role`; every other assertion is an error."""
_MAX_DEPTH: Final = 12


class SchematronUnusableError(ConfigurationError):
    """The schematron cannot be read or compiled; says which file and why."""


@dataclass(frozen=True, slots=True)
class Let:
    """A variable: a global one of the schematron or a local one of a rule."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Said:
    """Part of a message that is computed from the document (`value-of`, `name`): the XPath expression."""

    select: str


@dataclass(frozen=True, slots=True)
class Extension:
    """An abstract rule (`extends`), written once and called by every rule that extends it."""

    rule: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """One test of a rule. `pattern` and `number` designate it: the id of its pattern (or of its abstract rule) and its
    place there, from 1. `wanted` is the value that the test must have: true for `assert`, false for `report`."""

    pattern: str
    number: int
    test: str
    wanted: bool
    severity: Severity
    message: tuple[str | Said, ...]


Step = Let | Extension | Assertion


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds of the nodes that `context` (an XSLT match pattern) designates."""

    context: str
    steps: tuple["Step", ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Rules of which a node fires the first that matches it, and no other."""

    id: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Schematron:
    """`missing`: files that it includes and that the pack does not have. `misnamed`: those found under a name that
    differs by case only. Both relative to the folder of the pack, `/` separated."""

    path: Path
    namespaces: Mapping[str, str]
    lets: tuple[Let, ...]
    patterns: tuple[Pattern, ...]
    abstract_rules: Mapping[str, tuple[Step, ...]]
    missing: tuple[str, ...] = ()
    misnamed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of its file without extension: `CI-SIS_BIO-CR-BIO_2024.01`."""
        return self.path.stem

    def assertions(self) -> Iterator[Assertion]:
        """Every assertion, in reading order."""
        written = [rule.steps for pattern in self.patterns for rule in pattern.rules]
        for steps in (*written, *self.abstract_rules.values()):
            yield from (step for step in steps if isinstance(step, Assertion))


@dataclass(slots=True)
class _Files:
    """Files of the pack that are brought in, and what was found wrong about them."""

    pack: Path
    missing: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)

    def included(self, href: str, base: Path) -> Path | None:
        wanted = base.parent / href
        found = find_file(wanted)
        if found is None or not found.resolve().is_relative_to(self.pack.resolve()):
            self.missing.append(self._shown(wanted))
            return None
        if found.name != wanted.name or found.resolve() != wanted.resolve():
            self.misnamed.append(self._shown(wanted))
        return found

    def _shown(self, path: Path) -> str:
        parts: list[str] = []
        for part in path.relative_to(self.pack).parts:
            if part == ".." and parts:
                parts.pop()
            else:
                parts.append(part)
        return "/".join(parts)


def find_file(wanted: Path) -> Path | None:
    """The file of this name, else the only one whose path differs by case: packs are made on systems that do not tell
    them apart (DMP digest §6)."""
    if wanted.is_file():
        return wanted
    known = Path(wanted.anchor)
    for part in wanted.parts[1:] if wanted.is_absolute() else wanted.parts:
        step = known / part
        if not step.exists():
            if not known.is_dir():
                return None
            alike = [each for each in known.iterdir() if each.name.casefold() == part.casefold()]
            if len(alike) != 1:
                return None
            step = alike[0]
        known = step
    return known if known.is_file() else None


def read_schematron(path: Path, pack: Path) -> Schematron:
    """Reads one schematron of a pack. `path` lies under `pack`. Raises SchematronUnusableError."""
    files = _Files(pack)
    root = _parse(path)
    if root.tag != f"{_ISO}schema":
        raise unusable(path, "la racine n'est pas un schéma Schematron (ISO)")
    _bring_in(root, path, files, 0)
    patterns = list(root.iter(f"{_ISO}pattern"))
    abstract = {each.get("id", ""): each for each in patterns if each.get("abstract") == "true"}
    book = _AbstractRules(root, path)
    active = _active(root)
    concrete = [each for each in patterns if each.get("abstract") != "true"]
    lets = {let.name: let for let in _lets([root, *concrete])}
    written = tuple(
        _pattern(each, index, abstract, book, path)
        for index, each in enumerate(concrete)
        if active is None or each.get("id") in active
    )
    return Schematron(
        path=path,
        namespaces={each.get("prefix", ""): each.get("uri", "") for each in root.iterfind(f"{_ISO}ns")},
        lets=tuple(lets.values()),
        patterns=written,
        abstract_rules=book.read,
        missing=tuple(dict.fromkeys(files.missing)),
        misnamed=tuple(dict.fromkeys(files.misnamed)),
    )


def _parse(path: Path) -> etree._Element:
    # A pack is installed by an administrator, yet needs neither entities nor the network.
    parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False, remove_comments=True)
    try:
        return etree.parse(path, parser).getroot()
    except OSError as error:
        raise unusable(path, system_reason(error)) from None
    except etree.XMLSyntaxError as error:
        raise unusable(path, f"XML mal formé, ligne {error.position[0]}") from None


def _bring_in(element: etree._Element, path: Path, files: _Files, depth: int) -> None:
    """Replaces each `include` by the root element of the file that it names, however deep."""
    if depth > _MAX_DEPTH:
        raise unusable(path, "inclusions circulaires ou trop profondes")
    for include in list(element.iter(f"{_ISO}include")):
        parent = include.getparent()
        assert parent is not None  # noqa: S101 - an include is never the root
        found = files.included(include.get("href", ""), path)
        if found is None:
            parent.remove(include)
            continue
        part = _parse(found)
        _bring_in(part, found, files, depth + 1)
        parent.replace(include, part)


def _active(root: etree._Element) -> frozenset[str] | None:
    """Patterns of the default phase; None when every pattern is active."""
    wanted = root.get("defaultPhase", "#ALL")
    for phase in root.iterfind(f"{_ISO}phase"):
        if phase.get("id") == wanted:
            return frozenset(each.get("pattern", "") for each in phase.iterfind(f"{_ISO}active"))
    return None


def _lets(parents: Iterable[etree._Element]) -> Iterator[Let]:
    """Variables of the schema and of its patterns: all are global, as the reference implementation makes them."""
    for parent in parents:
        for each in parent.iterfind(f"{_ISO}let"):
            yield Let(each.get("name", ""), each.get("value", ""))


def _pattern(
    element: etree._Element, index: int, abstract: Mapping[str, etree._Element], book: "_AbstractRules", path: Path
) -> Pattern:
    model = element
    parameters: Mapping[str, str] = {}
    if element.get("is-a") is not None:
        parameters = {each.get("name", ""): each.get("value", "") for each in element.iterfind(f"{_ISO}param")}
        found = abstract.get(element.get("is-a", ""))
        if found is None:
            raise unusable(path, f"motif abstrait « {element.get('is-a')} » inconnu")
        model = found
    name = element.get("id") or f"pattern-{index + 1}"
    written: list[Rule] = []
    number = 0
    for each in model.iterfind(f"{_ISO}rule"):
        if each.get("abstract") == "true":
            continue
        rule = Rule(each.get("context", ""), book.steps(each, name, number))
        number += sum(isinstance(step, Assertion) for step in rule.steps)
        written.append(_with_parameters(rule, parameters) if parameters else rule)
    return Pattern(name, tuple(written))


class _AbstractRules:
    """The abstract rules of a schematron, each read when a rule extends it."""

    def __init__(self, root: etree._Element, path: Path) -> None:
        every = root.iter(f"{_ISO}rule")
        self._elements = {each.get("id", ""): each for each in every if each.get("abstract") == "true"}
        self._path = path
        self.read: dict[str, tuple[Step, ...]] = {}

    def steps(self, element: etree._Element, owner: str, number: int, depth: int = 0) -> tuple[Step, ...]:
        """The steps of a rule; its assertions belong to `owner` and are numbered after `number`. An abstract rule is
        called, or written out when the rule goes on with its variables."""
        steps: list[Step] = []
        children = list(element.iterchildren(f"{_ISO}*"))
        for position, each in enumerate(children):
            count = number + sum(isinstance(step, Assertion) for step in steps)
            match each.tag.removeprefix(_ISO):
                case "let":
                    steps.append(Let(each.get("name", ""), each.get("value", "")))
                case "extends":
                    name = each.get("rule", "")
                    called = self._called(name, depth)
                    if _goes_on_with(called, children[position + 1 :]):
                        steps.extend(self.steps(self._elements[name], owner, count, depth + 1))
                    else:
                        steps.append(Extension(name))
                case "assert" | "report" as kind:
                    steps.append(_assertion(each, kind == "assert", owner, count + 1))
        return tuple(steps)

    def _called(self, name: str, depth: int) -> tuple[Step, ...]:
        found = self._elements.get(name)
        if found is None or depth > _MAX_DEPTH:
            raise unusable(self._path, f"règle abstraite « {name} » inconnue ou circulaire")
        if name not in self.read:
            self.read[name] = self.steps(found, name, 0, depth + 1)
        return self.read[name]


def _goes_on_with(called: tuple[Step, ...], rest: list[etree._Element]) -> bool:
    names = {step.name for step in called if isinstance(step, Let)}
    if not names:
        return False
    written = " ".join(str(value) for each in rest for part in each.iter() for value in part.attrib.values())
    return any(re.search(r"\$" + re.escape(name) + r"(?![\w.-])", written) for name in names)


def _assertion(element: etree._Element, wanted: bool, owner: str, number: int) -> Assertion:
    severity = _SEVERITIES.get(element.get("role", "").lower(), Severity.ERROR)
    return Assertion(owner, number, element.get("test", ""), wanted, severity, tuple(_message(element)))


def _message(element: etree._Element) -> Iterator[str | Said]:
    yield element.text or ""
    for child in element.iterchildren(etree.Element):
        match child.tag.removeprefix(_ISO):
            case "value-of":
                yield Said(child.get("select", ""))
            case "name":
                yield Said(f"name({child.get('path', '.')})")
            case _:
                yield from _message(child)
        yield child.tail or ""


def _with_parameters(rule: Rule, parameters: Mapping[str, str]) -> Rule:
    """The rule of an abstract pattern with `$name` replaced by its parameter, longest names first."""
    names = sorted(parameters, key=len, reverse=True)
    search = re.compile(r"\$(" + "|".join(re.escape(name) for name in names) + r")(?![\w.-])")

    def fill(expression: str) -> str:
        return search.sub(lambda match: parameters[match[1]], expression)

    def step(each: Step) -> Step:
        if isinstance(each, Extension):
            return each
        if isinstance(each, Let):
            return Let(each.name, fill(each.value))
        message = tuple(Said(fill(part.select)) if isinstance(part, Said) else part for part in each.message)
        return replace(each, test=fill(each.test), message=message)

    return Rule(fill(rule.context), tuple(step(each) for each in rule.steps))


def unusable(path: Path, reason: str) -> SchematronUnusableError:
    """The error that says that a schematron cannot be used, and why (French)."""
    return SchematronUnusableError(
        "SCHEMATRON_UNUSABLE",
        f"Le schematron {path.name} est inutilisable : {reason}.",
        "Vérifier le pack (pfi validation-pack check) et le réinstaller.",
    )
