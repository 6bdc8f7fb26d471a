"""Reads an official nomenclature package: value sets, terminologies and association tables in whatever form it has.

Forms: SVS of IHE (`RetrieveValueSetResponse`, JDV and ASS files), FHIR R4 JSON (ValueSet, CodeSystem, ConceptMap,
Bundle of them). A package is a folder, a zip, or the tar of a FHIR package (`package.tgz`).
"""

import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from lxml import etree

from pfi.model.document import CodedValue
from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.nomenclature.systems import system_oid
from pfi.standards.xml import XmlRefusedError, parse

MAX_FILE: Final = 64 * 1024 * 1024
MAX_TOTAL: Final = 1024 * 1024 * 1024

_SVS: Final = "{urn:ihe:iti:svs:2008}"
_SHORT: Final = re.compile(r"(?:^|[^a-z0-9])(jdv|ass|tre)[-_]([a-z]\d+)(?![a-z0-9])", re.IGNORECASE)
_UNRELATED: Final = frozenset({"unmatched", "disjoint", "not-related-to"})


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """A value set, its version as `YYYY-MM-DD` when it is a date."""

    name: str
    version: str
    concepts: tuple[CodedValue, ...]
    """`system` is an OID, or the address as published when its OID is not known."""


@dataclass(frozen=True, slots=True)
class PublishedMap:
    """An association table: pairs of codes, in the order of the file."""

    name: str
    version: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Package:
    """What was found. Keys: `JDV_J66`, `ASS_X16`, and the OID of the table."""

    sets: dict[str, PublishedSet]
    maps: dict[str, PublishedMap]
    unreadable: tuple[str, ...]
    """Files that are neither XML nor JSON that can be read, by name."""


def read_package(path: Path) -> Package:
    """Raises ConfigurationError (`PACKAGE_UNREADABLE`) when it is no folder, zip or tar, or is beyond all bounds."""
    reading = _Reading()
    try:
        for name, content in _members(path):
            reading.take(name, content)
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else "archive abîmée"
        raise _unreadable(path, reason) from error
    return reading.package()


def _unreadable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        "PACKAGE_UNREADABLE",
        f"Paquet de nomenclatures « {path.name} » illisible : {reason}.",
        "Donner un dossier, un zip ou un tgz de fichiers JDV, TRE et ASS (XML) ou FHIR (JSON).",
    )


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every XML or JSON file, in the order of names."""
    total = 0
    if path.is_dir():
        sizes = [(str(file.relative_to(path)), file) for file in path.rglob("*") if file.is_file()]
        for name, file in sorted(sizes):
            if _wanted(name, size := file.stat().st_size):
                total = _counted(path, total, size)
                yield name, file.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in sorted(archive.infolist(), key=lambda info: info.filename):
                if not info.is_dir() and _wanted(info.filename, info.file_size):
                    total = _counted(path, total, info.file_size)
                    yield info.filename, archive.read(info)
    elif path.is_file() and tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile() and _wanted(member.name, member.size):
                    total = _counted(path, total, member.size)
                    opened = tar.extractfile(member)
                    yield member.name, b"" if opened is None else opened.read()
    else:
        raise _unreadable(path, "ni dossier, ni zip, ni tgz")


def _wanted(name: str, size: int) -> bool:
    return name.lower().endswith((".xml", ".json")) and size <= MAX_FILE


def _counted(path: Path, total: int, size: int) -> int:
    if total + size > MAX_TOTAL:
        raise _unreadable(path, f"plus de {MAX_TOTAL // 1024**2} Mo de fichiers")
    return total + size


class _Reading:
    """Gathers tables; of two editions of one table the latest is kept."""

    def __init__(self) -> None:
        self._sets: dict[str, PublishedSet] = {}
        self._maps: dict[str, PublishedMap] = {}
        self._value_sets: list[dict[str, Any]] = []
        self._systems: dict[str, dict[str, Any]] = {}
        self._unreadable: list[str] = []

    def take(self, name: str, content: bytes) -> None:
        if name.lower().endswith(".json"):
            try:
                resource = orjson.loads(content)
            except orjson.JSONDecodeError:
                self._unreadable.append(name)
                return
            self._resource(resource)
            return
        try:
            root = parse(content)
        except XmlRefusedError:
            self._unreadable.append(name)
            return
        for element in root.iter(f"{_SVS}ValueSet"):
            self._svs(element)

    def package(self) -> Package:
        for resource in self._value_sets:
            concepts = tuple(self._included(resource))
            published = PublishedSet(_name(resource), _version(resource), concepts)
            for key in _keys(resource):
                self._keep_set(key, published)
        return Package(self._sets, self._maps, tuple(sorted(self._unreadable)))

    # --- SVS ---

    def _svs(self, element: etree._Element) -> None:
        if element.get("dateFin"):
            return
        name = element.get("displayName", "").removesuffix(".tabs")
        dated = element.get("dateMaj") or element.get("revisionDate") or element.get("effectiveDate") or ""
        version = _day(dated)
        keys = [*_short(name), *([oid] if (oid := element.get("id", "")) else [])]
        pairs = tuple(
            (source.get("code", "").strip(), target.get("code", "").strip())
            for mapped in element.iter(f"{_SVS}MappedConcept")
            for source, target in _pair(mapped)
        )
        if pairs:
            for key in keys:
                self._keep_map(key, PublishedMap(name, version, pairs))
            return
        concepts = tuple(
            CodedValue(code, concept.get("displayName", "").strip(), system_oid(concept.get("codeSystem", "").strip()))
            for concept in element.iter(f"{_SVS}Concept")
            if (code := concept.get("code", "").strip()) and not concept.get("dateFin")
        )
        for key in keys:
            self._keep_set(key, PublishedSet(name, version, concepts))

    # --- FHIR ---

    def _resource(self, resource: Any) -> None:
        if not isinstance(resource, dict) or resource.get("status") == "retired":
            return
        match resource.get("resourceType"):
            case "Bundle":
                for entry in _dicts(resource.get("entry")):
                    self._resource(entry.get("resource"))
            case "ValueSet":
                self._value_sets.append(resource)
            case "CodeSystem":
                self._systems[str(resource.get("url", ""))] = resource
            case "ConceptMap":
                self._concept_map(resource)

    def _concept_map(self, resource: dict[str, Any]) -> None:
        pairs = tuple(
            (str(element.get("code", "")), str(target.get("code", "")))
            for group in _dicts(resource.get("group"))
            for element in _dicts(group.get("element"))
            for target in _dicts(element.get("target"))
            if target.get("code") and not {target.get("equivalence"), target.get("relationship")} & _UNRELATED
        )
        for key in _keys(resource):
            self._keep_map(key, PublishedMap(_name(resource), _version(resource), pairs))

    def _included(self, resource: dict[str, Any]) -> Iterator[CodedValue]:
        """Concepts of a ValueSet: its expansion when it has one, else its definition without what it excludes."""
        expanded = list(self._expanded(resource.get("expansion")))
        if expanded:
            yield from expanded
            return
        compose = resource.get("compose")
        if not isinstance(compose, dict):
            return
        excluded = {value.code for each in _dicts(compose.get("exclude")) for value in self._of_include(each)}
        for include in _dicts(compose.get("include")):
            yield from (value for value in self._of_include(include) if value.code not in excluded)

    def _expanded(self, expansion: Any) -> Iterator[CodedValue]:
        for concept in _dicts(expansion.get("contains") if isinstance(expansion, dict) else None):
            if concept.get("code") and not concept.get("abstract") and not concept.get("inactive"):
                yield self._concept(concept, str(concept.get("system", "")))
            yield from self._expanded(concept)

    def _of_include(self, include: dict[str, Any]) -> Iterator[CodedValue]:
        system = str(include.get("system", ""))
        listed = _dicts(include.get("concept"))
        if not listed and not include.get("filter") and not include.get("valueSet"):
            listed = list(_flat(self._systems.get(system, {}).get("concept")))
        for concept in listed:
            if concept.get("code"):
                yield self._concept(concept, system)

    def _concept(self, concept: dict[str, Any], system: str) -> CodedValue:
        label = str(concept.get("display", "")).strip()
        oid = ""
        for designation in _dicts(concept.get("designation")):
            use = designation.get("use")
            if isinstance(use, dict) and use.get("code") == "OID":
                oid = str(designation.get("value", ""))
        if not oid:
            known = self._systems.get(system, {})
            identifiers = [str(each.get("value", "")) for each in _dicts(known.get("identifier"))]
            oid = next((value for value in identifiers if value.startswith("urn:oid:")), "")
        return CodedValue(str(concept["code"]).strip(), label, system_oid(oid or system))

    # --- editions ---

    def _keep_set(self, key: str, published: PublishedSet) -> None:
        known = self._sets.get(key)
        if published.concepts and (known is None or _rank(published) > _rank(known)):
            self._sets[key] = published

    def _keep_map(self, key: str, published: PublishedMap) -> None:
        known = self._maps.get(key)
        if published.pairs and (known is None or published.version > known.version):
            self._maps[key] = published


def _rank(published: PublishedSet) -> tuple[str, int]:
    return published.version, len(published.concepts)


def _pair(mapped: etree._Element) -> Iterator[tuple[etree._Element, etree._Element]]:
    concepts = mapped.findall(f"{_SVS}Concept")
    if len(concepts) == 2:
        yield concepts[0], concepts[1]


def _dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON list; a single object counts as a list of one."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _flat(concepts: Any) -> Iterator[dict[str, Any]]:
    for concept in _dicts(concepts):
        properties = _dicts(concept.get("property"))
        if not any(each.get("code") == "status" and each.get("valueCode") == "retired" for each in properties):
            yield concept
        yield from _flat(concept.get("concept"))


def _short(text: str) -> list[str]:
    found = _SHORT.search(text)
    return [f"{found[1].upper()}_{found[2].upper()}"] if found else []


def _keys(resource: dict[str, Any]) -> list[str]:
    """`JDV_J66` from the address, the name or the id, and the OIDs of a resource."""
    texts = (resource.get("url"), resource.get("name"), resource.get("id"))
    named = next((short for text in texts if isinstance(text, str) and (short := _short(text))), [])
    identifiers = [str(each.get("value", "")) for each in _dicts(resource.get("identifier"))]
    return named + [value.removeprefix("urn:oid:") for value in identifiers if value.startswith("urn:oid:")]


def _name(resource: dict[str, Any]) -> str:
    return str(resource.get("name") or resource.get("title") or resource.get("id") or "")


def _version(resource: dict[str, Any]) -> str:
    version = str(resource.get("version", ""))
    return _day(version) if re.match(r"\d{8}", version) else _day(str(resource.get("date", ""))) or version


def _day(text: str) -> str:
    """`20240927120000` or `2024-09-27T12:00:00+01:00` -> `2024-09-27`; anything else is kept."""
    found = re.match(r"(\d{4})-?(\d\d)-?(\d\d)", text)
    return f"{found[1]}-{found[2]}-{found[3]}" if found else text
