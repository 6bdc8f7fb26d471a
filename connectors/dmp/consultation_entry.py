"""What TD3.1a tells of each document: metadata only, never content (ITI-18 LeafClass; DMP digest §2.4)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from pfi.model.document import CodedValue
from pfi.standards.xds import schemes
from pfi.standards.xds.ebrim import DOCUMENT_ENTRY_TYPE, RIM

_N: Final = f"{{{RIM}}}"
_CLASSES: Final = {
    "class_code": schemes.CLASS_CODE,
    "format_code": schemes.FORMAT_CODE,
    "type_code": schemes.TYPE_CODE,
}
_FORMS: Final = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """One DocumentEntry. Times are UTC; `None` or empty = the DMP does not say.

    `unique_id` is the producer's and never changes; `entry_uuid` is the registry's and changes at each update, so that
    it must not be kept. `hash` is SHA-1 in lower-case hexadecimal, `size` a number of bytes. `title` and `authors` are
    for the professional who asks: they must not be logged.
    """

    unique_id: str
    entry_uuid: str
    logical_id: str
    repository: str
    community: str
    patient_id: str
    state: str
    mime_type: str
    title: str
    type_code: CodedValue | None
    class_code: CodedValue | None
    format_code: CodedValue | None
    confidentiality: tuple[str, ...]
    authors: tuple[str, ...]
    institutions: tuple[str, ...]
    creation_time: datetime | None
    service_start: datetime | None
    service_stop: datetime | None
    language: str
    hash: str
    size: int | None

    @property
    def is_xml(self) -> bool:
        """Whether the document is a CDA, be it self-presenting."""
        return self.mime_type.split(";")[0].strip().lower() in ("text/xml", "application/xml", "application/xslt+xml")


def read_entries(response: etree._Element) -> tuple[FoundDocument, ...]:
    """Every document of an `AdhocQueryResponse`, in its order; what has no uniqueId cannot be asked for: left out."""
    objects = response.find(f"{_N}RegistryObjectList")
    if objects is None:
        return ()
    entries = (
        _read(element)
        for element in objects.iterchildren(f"{_N}ExtrinsicObject")
        if element.get("objectType", DOCUMENT_ENTRY_TYPE) == DOCUMENT_ENTRY_TYPE
    )
    return tuple(entry for entry in entries if entry.unique_id)


def _read(element: etree._Element) -> FoundDocument:
    identifiers = {
        each.get("identificationScheme", ""): each.get("value", "")
        for each in element.iterchildren(f"{_N}ExternalIdentifier")
    }
    slots = _slots(element)
    codes = {name: _code(element, scheme) for name, scheme in _CLASSES.items()}
    size = _first(slots, "size")
    return FoundDocument(
        unique_id=identifiers.get(schemes.UNIQUE_ID, ""),
        entry_uuid=element.get("id", ""),
        logical_id=element.get("lid", ""),
        repository=_first(slots, "repositoryUniqueId"),
        community=element.get("home", ""),
        patient_id=identifiers.get(schemes.PATIENT_ID, ""),
        state=element.get("status", ""),
        mime_type=element.get("mimeType", ""),
        title=_name(element),
        confidentiality=tuple(
            each.get("nodeRepresentation", "") for each in _classified(element, schemes.CONFIDENTIALITY)
        ),
        authors=_author_values(element, "authorPerson"),
        institutions=_author_values(element, "authorInstitution"),
        creation_time=read_time(_first(slots, "creationTime")),
        service_start=read_time(_first(slots, "serviceStartTime")),
        service_stop=read_time(_first(slots, "serviceStopTime")),
        language=_first(slots, "languageCode"),
        hash=_first(slots, "hash").lower(),
        size=int(size) if size.isascii() and size.isdigit() else None,
        **codes,
    )


def read_time(text: str) -> datetime | None:
    """A DTM of the registry, which is UTC by rule; `None` when it is not one."""
    form = _FORMS.get(len(text))
    if form is None or not (text.isascii() and text.isdigit()):
        return None
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _slots(element: etree._Element) -> dict[str, tuple[str, ...]]:
    return {
        slot.get("name", ""): tuple((value.text or "").strip() for value in slot.iter(f"{_N}Value"))
        for slot in element.iterchildren(f"{_N}Slot")
    }


def _first(slots: dict[str, tuple[str, ...]], name: str) -> str:
    return next(iter(slots.get(name, ())), "")


def _classified(element: etree._Element, scheme: str) -> list[etree._Element]:
    return [
        each for each in element.iterchildren(f"{_N}Classification") if each.get("classificationScheme", "") == scheme
    ]


def _code(element: etree._Element, scheme: str) -> CodedValue | None:
    for each in _classified(element, scheme):
        return CodedValue(each.get("nodeRepresentation", ""), _name(each), _first(_slots(each), "codingScheme"))
    return None


def _author_values(element: etree._Element, name: str) -> tuple[str, ...]:
    return tuple(value for each in _classified(element, schemes.AUTHOR) for value in _slots(each).get(name, ()))


def _name(element: etree._Element) -> str:
    found = element.find(f"{_N}Name/{_N}LocalizedString")
    return "" if found is None else found.get("value", "")
