"""The tables in force: the files of this package, or those of a folder of the site (`use`)."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from pfi.model.document import CodedValue
from pfi.model.errors import ConfigurationError
from pfi.standards.nomenclature.schema import (
    ContentTypesFile,
    DmpFormatsFile,
    File,
    FormatsFile,
    TypeRow,
    TypesFile,
    ValuesFile,
)
from pfi.standards.yaml import YamlFile

SCHEMAS: Final[dict[str, type[File]]] = {
    "type_codes.yaml": TypesFile,
    "class_codes.yaml": ValuesFile,
    "format_codes.yaml": FormatsFile,
    "dmp_formats.yaml": DmpFormatsFile,
    "facility_types.yaml": ValuesFile,
    "practice_settings.yaml": ValuesFile,
    "content_types.yaml": ContentTypesFile,
    "confidentiality.yaml": ValuesFile,
    "event_codes.yaml": ValuesFile,
    "author_specialties.yaml": ValuesFile,
}
"""Every table file and its form."""

_AnyFile = TypeVar("_AnyFile", bound=File)


@dataclass(frozen=True, slots=True)
class DocumentType:
    """One row of `type_codes.yaml`. `class_code` is empty when no official table gives one."""

    value: CodedValue
    class_code: str
    accepted_by_dmp: bool
    class_is_fallback: bool


@dataclass(frozen=True, slots=True)
class Formats:
    """`format_codes.yaml`: by template OID, by media type, and the format of documents outside any profile."""

    by_template: dict[str, str]
    by_media_type: dict[str, str]
    fallback: str
    systems: tuple[tuple[str, str], ...]

    def system_of(self, code: str) -> str:
        """The coding scheme of a format code, known by its prefix."""
        return next((system for prefix, system in self.systems if code.startswith(prefix)), "")


@dataclass(frozen=True, slots=True)
class Tables:
    """Every table, ready to be asked. Built once, never changed."""

    types: dict[str, DocumentType]
    formats: Formats
    dmp_formats: dict[str, str]
    values: dict[str, dict[str, CodedValue]]
    patient_classes: dict[str, str]
    default_content_type: str
    versions: dict[str, str]


_current: Tables | None = None


def current() -> Tables:
    """The tables in force in this process."""
    global _current
    if _current is None:
        _current = load(None)
    return _current


def use(folder: Path | None) -> None:
    """Puts the tables of a folder in force; a file absent from it is the one of this package. `None`: all of them.

    Raises ConfigurationError (`NOMENCLATURE_FOLDER`, `NOMENCLATURE_INVALID`, or of an unreadable file) and then
    changes nothing.
    """
    global _current
    _current = load(folder)


def load(folder: Path | None) -> Tables:
    """The tables of a folder, completed by those of this package. Raises ConfigurationError."""
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(
            "NOMENCLATURE_FOLDER",
            f"Le dossier des nomenclatures « {folder} » n'existe pas.",
            "Corriger « nomenclature », ou le créer par « pfi nomenclature refresh ».",
        )
    read = {name: read_file(name, folder) for name in SCHEMAS}
    tables = _tables(read)
    _check(tables)
    return tables


def read_file(name: str, folder: Path | None = None) -> File:
    """One file, checked. Raises ConfigurationError, which tells the line of a site's file."""
    if folder is not None and (folder / name).is_file():
        return YamlFile.read(folder / name).validate(SCHEMAS[name], code="NOMENCLATURE_INVALID")
    text = (files("pfi.standards.nomenclature") / "data" / name).read_text(encoding="utf-8")
    data: Any = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe both ways
    return SCHEMAS[name].model_validate(data)


def document_types() -> dict[str, DocumentType]:
    """Rows of `type_codes.yaml` by code."""
    return current().types


def values(name: str) -> dict[str, CodedValue]:
    """Coded values of a value set file, by code."""
    return current().values[name]


def formats() -> Formats:
    """`format_codes.yaml`."""
    return current().formats


def dmp_format_labels() -> dict[str, str]:
    """Labels of the formats that the DMP accepts (JDV_J60), by code."""
    return current().dmp_formats


def patient_classes() -> tuple[dict[str, str], str]:
    """PV1-2 -> contentTypeCode, and the default one."""
    return current().patient_classes, current().default_content_type


def _invalid(name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        "NOMENCLATURE_INVALID",
        f"Table de nomenclature {name} inutilisable : {reason}.",
        "Corriger le fichier, ou le reconstruire par « pfi nomenclature refresh ».",
    )


def _expect(read: dict[str, File], name: str, form: type[_AnyFile]) -> _AnyFile:
    file = read[name]
    assert isinstance(file, form)  # noqa: S101 - SCHEMAS says so
    return file


def _tables(read: dict[str, File]) -> Tables:
    types = _expect(read, "type_codes.yaml", TypesFile)
    formats = _expect(read, "format_codes.yaml", FormatsFile)
    content = _expect(read, "content_types.yaml", ContentTypesFile)
    return Tables(
        types={row.code: _document_type(row, types) for row in types.types},
        formats=Formats(
            by_template=formats.templates,
            by_media_type=formats.media_types,
            fallback=formats.fallback,
            systems=tuple(formats.systems.items()),
        ),
        dmp_formats=_expect(read, "dmp_formats.yaml", DmpFormatsFile).labels,
        values={
            name: {row.code: CodedValue(row.code, row.label, row.system or file.system) for row in file.values}
            for name, file in read.items()
            if isinstance(file, ValuesFile)
        },
        patient_classes=content.patient_classes,
        default_content_type=content.default,
        versions={source.name: source.version for file in read.values() for source in file.sources},
    )


def _document_type(row: TypeRow, file: TypesFile) -> DocumentType:
    system = row.system or (file.systems.loinc if row.code[:1].isdigit() else file.systems.words)
    return DocumentType(
        value=CodedValue(row.code, row.label, system),
        class_code=row.class_code or "",
        accepted_by_dmp=row.dmp,
        class_is_fallback=bool(row.class_from),
    )


def _check(tables: Tables) -> None:
    """What one file says must exist in the others."""
    classes = tables.values["class_codes.yaml"]
    for code, row in tables.types.items():
        if row.class_code and row.class_code not in classes:
            raise _invalid("type_codes.yaml", f"la classe {row.class_code} du type {code} est inconnue")
    formats = tables.formats
    for code in (*formats.by_template.values(), *formats.by_media_type.values(), formats.fallback):
        if not formats.system_of(code):
            raise _invalid("format_codes.yaml", f"le format {code} n'a pas de système de codage (systems)")
    content = tables.values["content_types.yaml"]
    for code in (*tables.patient_classes.values(), tables.default_content_type):
        if code not in content:
            raise _invalid("content_types.yaml", f"la valeur {code} est inconnue")
