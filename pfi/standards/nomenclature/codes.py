"""Questions that the other rooms ask to the code tables. Pure, cached, no I/O after the first call."""

from functools import cache

from pfi.model.document import CdaHeader, CodedValue, Level
from pfi.standards.nomenclature import tables

_FILES = (
    "type_codes.yaml",
    "class_codes.yaml",
    "format_codes.yaml",
    "dmp_formats.yaml",
    "facility_types.yaml",
    "practice_settings.yaml",
    "content_types.yaml",
    "confidentiality.yaml",
)


def type_code(code: str) -> CodedValue | None:
    """The document type with its French label and code system (JDV_J07), `None` when unknown."""
    row = tables.document_types().get(code)
    return row.value if row else None


def type_label(code: str) -> str:
    """French label of a document type; empty when unknown."""
    row = tables.document_types().get(code)
    return row.value.label if row else ""


def class_code(type_code: str) -> CodedValue | None:
    """XDS classCode of a document type (ASS_X16, else ASS_X04; DMP digest §3.3), `None` when no table has one."""
    row = tables.document_types().get(type_code)
    return tables.values("class_codes.yaml").get(row.class_code) if row else None


def class_label(code: str) -> CodedValue | None:
    """A classCode by itself (JDV_J57), `None` when outside it."""
    return tables.values("class_codes.yaml").get(code)


def accepted_by_dmp(type_code: str) -> bool:
    """True when the type is in JDV_J66."""
    row = tables.document_types().get(type_code)
    return row is not None and row.accepted_by_dmp


def format_code(header: CdaHeader) -> CodedValue:
    """XDS formatCode: by media type for a non structured body, else by template (DMP digest §3.4).

    A document outside the tables has `urn:asipSante:modelesHorsProfils:2011`.
    """
    known = tables.formats()
    code: str | None
    if header.level is Level.N1:
        code = known.by_media_type.get(header.body_media_type.partition(";")[0].strip().lower())
    else:
        code = next((known.by_template[root] for root in header.template_ids if root in known.by_template), None)
    code = code or known.fallback
    return CodedValue(code, tables.dmp_format_labels().get(code, ""), known.system_of(code))


def format_accepted_by_dmp(format_code: str) -> bool:
    """True when the format is in JDV_J60."""
    return format_code in tables.dmp_format_labels()


def facility_type(code: str) -> CodedValue | None:
    """healthcareFacilityTypeCode (JDV_J02, JDV_J61), `None` when outside them."""
    return tables.values("facility_types.yaml").get(code)


def practice_setting(code: str) -> CodedValue | None:
    """practiceSettingCode (JDV_J04), `None` when outside it."""
    return tables.values("practice_settings.yaml").get(code)


def confidentiality_code(code: str) -> CodedValue | None:
    """confidentialityCode (JDV_J08, JDV_J58), `None` when outside them."""
    return tables.values("confidentiality.yaml").get(code)


def content_type_code(code: str) -> CodedValue | None:
    """contentTypeCode (JDV_J59), `None` when outside it."""
    return tables.values("content_types.yaml").get(code)


def content_type_for(patient_class: str, *, default: str = "") -> CodedValue:
    """contentTypeCode proposed by PV1-2 (DMP digest §2.4); `default` replaces the table's own (97).

    Raises KeyError when `default` is not in JDV_J59: settings check it at start.
    """
    proposed, table_default = tables.patient_classes()
    return tables.values("content_types.yaml")[proposed.get(patient_class) or default or table_default]


@cache
def versions() -> dict[str, str]:
    """Every official table used and its version, for `pfi check` and the documentation."""
    return {source["name"]: source["version"] for name in _FILES for source in tables.read(name)["sources"]}
