"""What a table file must look like: checked when it is read, for a site may bring its own."""

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, field_validator


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _once(codes: Iterable[str]) -> None:
    twice = [code for code, count in Counter(codes).items() if count > 1]
    if twice:
        raise ValueError(f"le code « {twice[0]} » est donné deux fois")


class Source(_Model):
    """An official table and the version that was read, `YYYY-MM-DD` as a rule."""

    name: str
    version: str


class File(_Model):
    """What every file begins with."""

    nomenclature: str
    sources: tuple[Source, ...]


class ValueRow(_Model):
    code: str = Field(min_length=1)
    label: str = Field(min_length=1)
    system: str = ""
    """Code system OID; empty = the one of the file."""


class ValuesFile(File):
    """A value set."""

    system: str
    values: tuple[ValueRow, ...]

    @field_validator("values")
    @classmethod
    def _codes_are_unique(cls, values: tuple[ValueRow, ...]) -> tuple[ValueRow, ...]:
        _once(row.code for row in values)
        return values


class ContentTypesFile(ValuesFile):
    """A value set, and the value that PV1-2 proposes."""

    patient_classes: dict[str, str]
    default: str


class TypeSystems(_Model):
    loinc: str
    words: str


class TypeRow(_Model):
    code: str = Field(min_length=1)
    label: str = Field(min_length=1)
    class_code: str | None = Field(alias="class")
    dmp: bool
    class_from: str = ""
    """The official table that gives the class, when it is not ASS_X16."""
    system: str = ""


class TypesFile(File):
    """Document types with their class."""

    systems: TypeSystems
    types: tuple[TypeRow, ...]

    @field_validator("types")
    @classmethod
    def _codes_are_unique(cls, types: tuple[TypeRow, ...]) -> tuple[TypeRow, ...]:
        _once(row.code for row in types)
        return types


class FormatsFile(File):
    """Formats by template and by media type."""

    systems: dict[str, str]
    media_types: dict[str, str]
    fallback: str
    templates: dict[str, str]


class DmpFormatsFile(File):
    """Formats that the DMP accepts."""

    labels: dict[str, str]
