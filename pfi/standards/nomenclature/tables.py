"""Loads the data files, once per process, into plain dictionaries."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from pfi.model.document import CodedValue


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


def read(name: str) -> dict[str, Any]:
    """One data file as YAML gives it."""
    text = (files("pfi.standards.nomenclature") / "data" / name).read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe both ways
    return data


@cache
def document_types() -> dict[str, DocumentType]:
    """Rows of `type_codes.yaml` by code."""
    data = read("type_codes.yaml")
    systems = data["systems"]
    rows = {}
    for row in data["types"]:
        code = row["code"]
        system = systems["loinc" if code[:1].isdigit() else "words"]
        rows[code] = DocumentType(
            value=CodedValue(code, row["label"], system),
            class_code=row["class"] or "",
            accepted_by_dmp=row["dmp"],
            class_is_fallback="class_from" in row,
        )
    return rows


@cache
def values(name: str) -> dict[str, CodedValue]:
    """Coded values of a file that has a `system` and `values`, by code."""
    data = read(name)
    return {
        row["code"]: CodedValue(row["code"], row["label"], row.get("system", data["system"])) for row in data["values"]
    }


@cache
def formats() -> Formats:
    """`format_codes.yaml`."""
    data = read("format_codes.yaml")
    return Formats(
        by_template=data["templates"],
        by_media_type=data["media_types"],
        fallback=data["fallback"],
        systems=tuple(data["systems"].items()),
    )


@cache
def dmp_format_labels() -> dict[str, str]:
    """Labels of the formats that the DMP accepts (JDV_J60), by code."""
    labels: dict[str, str] = read("dmp_formats.yaml")["labels"]
    return labels


@cache
def patient_classes() -> tuple[dict[str, str], str]:
    """PV1-2 -> contentTypeCode, and the default one."""
    data = read("content_types.yaml")
    return data["patient_classes"], data["default"]
