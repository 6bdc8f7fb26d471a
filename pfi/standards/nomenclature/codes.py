"""Questions that the other rooms ask to the tables in force. No I/O after the first call."""

from pfi.model.document import CdaHeader, CodedValue, Level
from pfi.standards.nomenclature import tables


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


def class_is_fallback(type_code: str) -> bool:
    """True when the class of a type comes from ASS_X04, for want of a line in ASS_X16."""
    row = tables.document_types().get(type_code)
    return row is not None and row.class_is_fallback and bool(row.class_code)


def format_codes(header: CdaHeader) -> tuple[CodedValue, ...]:
    """Every XDS formatCode that a document names, once each: by media type for a non structured body, else by template
    (DMP digest §3.4). Empty for a document outside the tables."""
    known = tables.formats()
    if header.level is Level.N1:
        media_type = header.body_media_type.partition(";")[0].strip().lower()
        found = [known.by_media_type[media_type]] if media_type in known.by_media_type else []
    else:
        found = [known.by_template[root] for root in header.template_ids if root in known.by_template]
    return tuple(_format(code) for code in dict.fromkeys(found))


def format_code(header: CdaHeader) -> CodedValue:
    """The formatCode: the first one that the document names, else `urn:asipSante:modelesHorsProfils:2011`."""
    found = format_codes(header)
    return found[0] if found else _format(tables.formats().fallback)


def _format(code: str) -> CodedValue:
    return CodedValue(code, tables.dmp_format_labels().get(code, ""), tables.formats().system_of(code))


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


def event_code(code: str) -> CodedValue | None:
    """Modality or region of imaging (JDV_ModaliteAcquisition, JDV_RegionAnatomique), `None` when it is neither."""
    return tables.values("event_codes.yaml").get(code)


def author_specialty(code: str) -> CodedValue | None:
    """Profession and speciality of an author (JDV_J01), `None` when outside it."""
    return tables.values("author_specialties.yaml").get(code)


def versions() -> dict[str, str]:
    """Every official table used and its version, for `pfi check` and the documentation."""
    return tables.current().versions
