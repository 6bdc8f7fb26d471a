"""Rebuilds the table files from an official package, and says what changes (DMP digest §3.3, §3.4).

A value set that the package has replaces ours as a whole. An association that it has replaces ours line by line: a line
of ours that it does not have stays, and is told, for the official tables are known to come in late. What the package
does not have is left as it is, and told.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import yaml

from pfi.model.document import CodedValue
from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.nomenclature.package import Package, PublishedMap, PublishedSet
from pfi.standards.nomenclature.schema import (
    DmpFormatsFile,
    File,
    FormatsFile,
    Source,
    TypeRow,
    TypesFile,
    ValueRow,
    ValuesFile,
)
from pfi.standards.nomenclature.systems import is_known
from pfi.standards.nomenclature.tables import SCHEMAS, read_file

_N1_TEMPLATE: Final = "1.3.6.1.4.1.19376.1.2.20"
_LOT_SIGNATURE: Final = "E1762"  # a document type that only the signature of the lot has (DMP digest §2.5)
_NOT_CLINICAL: Final = frozenset({"URN", "ASTM"})

_Form = TypeVar("_Form", bound=File)
_Published = TypeVar("_Published", PublishedSet, PublishedMap)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `+` added, `-` removed, `~` changed, `=` kept though the package no longer has it, `!` line of
    the package that cannot be used."""

    sign: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """One table file rebuilt. `editions`: table, edition in force, edition of the package."""

    name: str
    file: File
    changes: tuple[Change, ...]
    editions: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Refresh:
    """Every table file, rebuilt or as it was, and the tables that the package does not have."""

    files: tuple[FileChange, ...]
    missing: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """True when a line or the edition of a table is not the one in force."""
        return any(
            any(change.sign in "+-~" for change in file.changes)
            or any(before != after for _, before, after in file.editions)
            for file in self.files
        )


def refresh(package: Package, folder: Path | None = None) -> Refresh:
    """The tables of the package over those of `folder` (`None`: those of the PFI). Writes nothing."""
    work = _Work(package, {name: read_file(name, folder) for name in SCHEMAS})
    files = tuple(build(work, name) for name, build in _BUILDERS.items())
    return Refresh(files, tuple(dict.fromkeys(work.missing)))


class _Work:
    """The package, the tables in force, and what was looked for in vain."""

    def __init__(self, package: Package, before: dict[str, File]) -> None:
        self.package = package
        self.missing: list[str] = []
        self._before = before
        self._editions: list[tuple[str, str, str]] = []

    def before(self, name: str, form: type[_Form]) -> _Form:
        file = self._before[name]
        assert isinstance(file, form)  # noqa: S101 - SCHEMAS says so
        return file

    def set(self, key: str, *, official: str) -> PublishedSet | None:
        return self._told(self.package.sets.get(key), official)

    def map(self, key: str, *, official: str) -> PublishedMap | None:
        return self._told(self.package.maps.get(key), official)

    def _told(self, found: _Published | None, official: str) -> _Published | None:
        if found is None:
            self.missing.append(official)
        else:
            self._editions.append((official, "", found.version))
        return found

    def finish(self, name: str, rebuilt: File, changes: Sequence[Change]) -> FileChange:
        """The file with the editions that were read in its `sources`."""
        before = {source.name.split(" ", 1)[0]: source for source in rebuilt.sources}
        sources = dict(before)
        editions = []
        for official, _, after in self._editions:
            key = official.split(" ", 1)[0]
            editions.append((key, before[key].version if key in before else "", after))
            sources[key] = Source(name=before[key].name if key in before else official, version=after)
        self._editions = []
        file = rebuilt.model_copy(update={"sources": tuple(sources.values())})
        return FileChange(name, file, tuple(changes), tuple(editions))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A value set that may make a file. `also`: codes of ours that stay although this set does not have them."""

    key: str
    official: str
    also: frozenset[str] = frozenset()


def _values(*candidates: _Candidate) -> Callable[[_Work, str], FileChange]:
    """Builder of a value set file, from the first candidate that the package has."""

    def build(work: _Work, name: str) -> FileChange:
        before = work.before(name, ValuesFile)
        for candidate in candidates:
            if candidate.key in work.package.sets:
                published = work.set(candidate.key, official=candidate.official)
                assert published is not None  # noqa: S101 - just seen
                return _replaced(work, before, published.concepts, name, candidate.also)
        work.missing.append(candidates[0].official)
        return work.finish(name, before, ())

    return build


def _event_codes(work: _Work, name: str) -> FileChange:
    """Two value sets in one file, each known by its code system."""
    before = work.before(name, ValuesFile)
    concepts: list[CodedValue] = []
    for oid, official, system in _EVENT_SETS:
        published = work.set(oid, official=official)
        if published is not None:
            concepts += [value for value in published.concepts if value.system == system]
        else:
            rows = [CodedValue(row.code, row.label, row.system or before.system) for row in before.values]
            concepts += [value for value in rows if value.system == system]
    return _replaced(work, before, concepts, name, frozenset())


def _replaced(
    work: _Work, before: ValuesFile, concepts: Iterable[CodedValue], name: str, kept_codes: frozenset[str]
) -> FileChange:
    old = {row.code: CodedValue(row.code, row.label, row.system or before.system) for row in before.values}
    new: dict[str, CodedValue] = {}
    changes: list[Change] = []
    for concept in concepts:
        if concept.system in _NOT_CLINICAL or concept.code in new:
            continue
        known = old.get(concept.code)
        value = CodedValue(concept.code, concept.label or (known.label if known else concept.code), concept.system)
        if not is_known(value.system):
            if known is None:
                changes.append(Change("!", concept.code, "système de codage inconnu : ligne ignorée"))
                continue
            value = CodedValue(value.code, value.label, known.system)
        new[value.code] = value
    for code in sorted(kept_codes - new.keys()):
        if code in old:
            new[code] = old[code]
    changes += _compared(
        {code: _line(value) for code, value in old.items()}, {code: _line(value) for code, value in new.items()}
    )
    rows = tuple(
        ValueRow(code=value.code, label=value.label, system="" if value.system == before.system else value.system)
        for value in new.values()
    )
    return work.finish(name, before.model_copy(update={"values": rows}), changes)


def _line(value: CodedValue) -> str:
    return f"{value.label} ({value.system})"


def _compared(old: dict[str, str], new: dict[str, str]) -> list[Change]:
    changes = [Change("+", code, text) for code, text in new.items() if code not in old]
    changes += [Change("-", code, text) for code, text in old.items() if code not in new]
    changes += [
        Change("~", code, f"{old[code]} → {text}") for code, text in new.items() if code in old and old[code] != text
    ]
    return changes


def _types(work: _Work, name: str) -> FileChange:
    before = work.before(name, TypesFile)
    known = work.set("JDV_J07", official="JDV_J07 XdsTypeCode CI-SIS")
    accepted = work.set("JDV_J66", official="JDV_J66 TypeCode DMP")
    of_dmp = work.map("ASS_X16", official="ASS_X16 type -> classe DMP")
    of_cisis = work.map("ASS_X04", official="ASS_X04 type -> classe CI-SIS")
    rows = {row.code: row for row in before.types}
    changes: list[Change] = []
    dmp = {value.code for value in accepted.concepts} if accepted else {row.code for row in before.types if row.dmp}
    classes = dict(of_dmp.pairs) if of_dmp else {}
    fallback = dict(of_cisis.pairs) if of_cisis else {}
    labels = {value.code: value for found in (accepted, known) if found for value in found.concepts}
    built: dict[str, TypeRow] = {}
    for code in (*rows, *(code for code in labels if code not in rows)):
        if code == _LOT_SIGNATURE:
            continue
        row, value = rows.get(code), labels.get(code)
        system = value.system if value else ""
        usual = before.systems.loinc if code[:1].isdigit() else before.systems.words
        if row is None and not is_known(system):
            changes.append(Change("!", code, "système de codage inconnu : ligne ignorée"))
            continue
        class_code, class_from = _class_of(code, row, classes, fallback)
        label = (value.label if value else "") or (row.label if row else code)
        own = row.system if row and not is_known(system) else "" if system in ("", usual) else system
        built[code] = TypeRow.model_validate(
            {
                "code": code,
                "label": label,
                "class": class_code,
                "dmp": code in dmp,
                "class_from": class_from,
                "system": own,
            }
        )
        if known is not None and value is None:
            changes.append(Change("=", code, f"{label} : absent de JDV_J07, conservé"))
        elif of_dmp is not None and code not in classes and row is not None and row.class_code and not row.class_from:
            changes.append(Change("=", code, f"classe {row.class_code} : absente d'ASS_X16, conservée"))
    changes += _compared(
        {code: _type_line(row) for code, row in rows.items()}, {c: _type_line(r) for c, r in built.items()}
    )
    return work.finish(name, before.model_copy(update={"types": tuple(built.values())}), changes)


def _class_of(
    code: str, row: TypeRow | None, classes: dict[str, str], fallback: dict[str, str]
) -> tuple[str | None, str]:
    """The class and the table that gives it: ASS_X16, else what we had, else ASS_X04."""
    if code in classes:
        return classes[code], ""
    if row is not None and row.class_code and not row.class_from:
        return row.class_code, ""
    if code in fallback:
        return fallback[code], "X04"
    return (row.class_code, row.class_from) if row is not None else (None, "X04")


def _type_line(row: TypeRow) -> str:
    return f"{row.label} (classe {row.class_code or 'aucune'}, DMP {'oui' if row.dmp else 'non'})"


def _formats(work: _Work, name: str) -> FileChange:
    before = work.before(name, FormatsFile)
    templates = work.map("ASS_A11", official="ASS_A11 modèle CDA -> XdsFormatCode CI-SIS")
    media = work.map("ASS_A12", official="ASS_A12 type de média -> XdsFormatCode CI-SIS")
    changes: list[Change] = []
    by_template, by_media = before.templates, before.media_types
    if templates is not None:
        pairs = [(source, target) for source, target in templates.pairs if source != _N1_TEMPLATE]
        by_template = _merged(before.templates, pairs, before.systems, changes, "ASS_A11")
    if media is not None:
        pairs = [(source.lower(), target) for source, target in media.pairs if "/" in source]
        by_media = _merged(before.media_types, pairs, before.systems, changes, "ASS_A12")
    return work.finish(name, before.model_copy(update={"templates": by_template, "media_types": by_media}), changes)


def _merged(
    old: dict[str, str],
    pairs: Iterable[tuple[str, str]],
    systems: dict[str, str],
    changes: list[Change],
    table: str,
) -> dict[str, str]:
    new: dict[str, str] = {}
    for source, target in pairs:
        if any(target.startswith(prefix) for prefix in systems):
            new.setdefault(source, target)
        else:
            changes.append(Change("!", source, f"format {target} de système inconnu : ligne ignorée"))
    changes += [
        Change("=", code, f"{target} : absent d'{table}, conservé") for code, target in old.items() if code not in new
    ]
    merged = {**old, **new}
    changes += _compared(old, merged)
    return merged


def _dmp_formats(work: _Work, name: str) -> FileChange:
    before = work.before(name, DmpFormatsFile)
    published = work.set("JDV_J60", official="JDV_J60 FormatCode DMP")
    if published is None:
        return work.finish(name, before, ())
    labels = {value.code: value.label or before.labels.get(value.code, value.code) for value in published.concepts}
    return work.finish(name, before.model_copy(update={"labels": labels}), _compared(before.labels, labels))


_EVENT_SETS: Final = (
    ("1.2.250.1.213.1.1.5.618", "JDV_ModaliteAcquisition CI-SIS", "1.2.840.10008.2.16.4"),
    ("1.2.250.1.213.1.1.5.695", "JDV_RegionAnatomique CI-SIS", "2.16.840.1.113883.6.96"),
)
"""OID, name and code system of the value sets of imaging events (DMP digest §3.1)."""

_BUILDERS: Final[dict[str, Callable[[_Work, str], FileChange]]] = {
    "type_codes.yaml": _types,
    "class_codes.yaml": _values(_Candidate("JDV_J57", "JDV_J57 ClassCode DMP")),
    "format_codes.yaml": _formats,
    "dmp_formats.yaml": _dmp_formats,
    "facility_types.yaml": _values(
        _Candidate("JDV_J61", "JDV_J61 HealthcareFacilityTypeCode DMP"),
        # SA11 is in JDV_J61 only.
        _Candidate("JDV_J02", "JDV_J02 XdsHealthcareFacilityTypeCode CI-SIS", frozenset({"SA11"})),
    ),
    "practice_settings.yaml": _values(
        _Candidate("JDV_J62", "JDV_J62 PracticeSettingCode DMP"),
        _Candidate("JDV_J04", "JDV_J04 XdsPracticeSettingCode CI-SIS"),
    ),
    "content_types.yaml": _values(_Candidate("JDV_J59", "JDV_J59 ContentTypeCode DMP")),
    "confidentiality.yaml": _values(
        _Candidate("JDV_J08", "JDV_J08 XdsConfidentialityCode CI-SIS"),
        # N, R and V are the document's own; JDV_J58 may leave them out.
        _Candidate("JDV_J58", "JDV_J58 ConfidentialityCode DMP", frozenset({"N", "R", "V"})),
    ),
    "event_codes.yaml": _event_codes,
    "author_specialties.yaml": _values(_Candidate("JDV_J01", "JDV_J01 XdsAuthorSpecialty CI-SIS")),
}
"""How each file is rebuilt."""


def write(result: Refresh, folder: Path) -> None:
    """Writes every table file into `folder`, made when it does not exist. Raises ConfigurationError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for change in result.files:
            place = folder / change.name
            partial = place.with_suffix(".partial")
            partial.write_text(as_yaml(change.file), encoding="utf-8")
            partial.replace(place)
    except OSError as error:
        raise ConfigurationError(
            "NOMENCLATURE_NOT_WRITTEN",
            f"Les tables ne peuvent pas être écrites dans « {folder} » ({system_reason(error)}).",
            "Vérifier le chemin et les droits.",
        ) from error


def as_yaml(file: File) -> str:
    """A table file as text, which `read_file` reads back as the same value."""
    data = file.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return _HEADER + yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=110)


_HEADER: Final = "# Table reconstruite par « pfi nomenclature refresh » à partir d'un paquet officiel.\n"
