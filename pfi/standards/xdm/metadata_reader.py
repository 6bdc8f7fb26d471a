"""METADATA.XML of an archive received: what it says of the lot and of each document (MSSanté digest §5.1).

Reads into the values that the writer writes from. Nothing is required here beyond the form: what is missing is empty,
and `pfi.standards.xdm.checks` says what that means.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from pfi.model.document import CodedValue
from pfi.standards.xdm.guards import ArchiveRefusedError
from pfi.standards.xds import schemes
from pfi.standards.xds.ebrim import LCM, RIM, SUBMISSION_SET_NODE
from pfi.standards.xds.metadata import AuthorEntry, DocumentEntry, SubmissionSet
from pfi.standards.xml import XmlRefusedError, parse

_N: Final = f"{{{RIM}}}"
_ROOT: Final = f"{{{LCM}}}SubmitObjectsRequest"
_LIST: Final = f"{_N}RegistryObjectList"


_REFERENCE_IDS: Final = "urn:ihe:iti:xds:2013:referenceidlist"
_LONGEST_SIZE: Final = 18


@dataclass(frozen=True, slots=True)
class Metadata:
    """One METADATA.XML. `submission_set` is `None` when no package is marked as one.

    In the entries `hash` is in lower case, `action` in upper case, `size` `None` when absent or no number.
    """

    submission_set: SubmissionSet | None
    entries: tuple[DocumentEntry, ...]


def read_metadata(content: bytes, *, max_bytes: int) -> Metadata:
    """Raises ArchiveRefusedError: `XDM_METADATA_UNREADABLE` (the XML door refused it), `XDM_METADATA_FORM`."""
    try:
        root = parse(content, max_bytes=max_bytes)
    except XmlRefusedError as error:
        raise ArchiveRefusedError("XDM_METADATA_UNREADABLE", f"METADATA.XML : {error.text}", error.next_step) from None
    objects = root.find(_LIST) if root.tag == _ROOT else None
    if objects is None:
        raise ArchiveRefusedError(
            "XDM_METADATA_FORM",
            "METADATA.XML n'est pas une demande SubmitObjectsRequest (ebXML RegRep 3.0) avec sa RegistryObjectList.",
        )
    package = _package(objects)
    return Metadata(
        submission_set=None if package is None else _submission_set(_Object(package)),
        entries=tuple(_document_entry(_Object(each)) for each in objects.iterchildren(f"{_N}ExtrinsicObject")),
    )


def _package(objects: etree._Element) -> etree._Element | None:
    """The submission set: marked inside itself or beside; folders are packages too, and are not marked so."""
    packages = list(objects.iterchildren(f"{_N}RegistryPackage"))
    markers = [*objects.iterchildren(f"{_N}Classification")]
    for package in packages:
        markers += package.iterchildren(f"{_N}Classification")
    marked = {
        marker.get("classifiedObject", "")
        for marker in markers
        if marker.get("classificationNode", "").strip().lower() == SUBMISSION_SET_NODE
    }
    return next((package for package in packages if package.get("id", "") in marked), None)


class _Object:
    """A registry object with its parts at hand."""

    def __init__(self, element: etree._Element) -> None:
        self._element = element
        self._slots = _slots(element)

    def attribute(self, name: str) -> str:
        return self._element.get(name, "").strip()

    def slot(self, name: str) -> str:
        """The first value of a slot, whatever the case of its name."""
        return next(iter(self.slot_values(name)), "")

    def slot_values(self, name: str) -> tuple[str, ...]:
        return self._slots.get(name.lower(), ())

    def action(self) -> str:
        """The extra-metadata "action"; the digest does not hold its slot name for certain (MSSanté digest §5.3)."""
        for name, values in self._slots.items():
            if "action" in name.split(":") and values:
                return values[0].upper()
        return ""

    def localized(self, name: str) -> str:
        return _localized(self._element.find(f"{_N}{name}"))

    def identifier(self, scheme: str) -> str:
        for each in self._element.iterchildren(f"{_N}ExternalIdentifier"):
            if _is(each, "identificationScheme", scheme):
                return each.get("value", "").strip()
        return ""

    def code(self, scheme: str) -> CodedValue | None:
        return next(iter(self.codes(scheme)), None)

    def codes(self, scheme: str) -> tuple[CodedValue, ...]:
        return tuple(_coded(each) for each in self._classifications(scheme))

    def authors(self, scheme: str) -> tuple[AuthorEntry, ...]:
        return tuple(_author(each) for each in self._classifications(scheme))

    def _classifications(self, scheme: str) -> Iterator[etree._Element]:
        for each in self._element.iterchildren(f"{_N}Classification"):
            if _is(each, "classificationScheme", scheme):
                yield each


def _submission_set(package: _Object) -> SubmissionSet:
    return SubmissionSet(
        entry_id=package.attribute("id"),
        unique_id=package.identifier(schemes.SET_UNIQUE_ID),
        source_id=package.identifier(schemes.SET_SOURCE_ID),
        patient_id=package.identifier(schemes.SET_PATIENT_ID),
        submission_time=package.slot("submissionTime"),
        content_type=package.code(schemes.SET_CONTENT_TYPE) or CodedValue(""),
        author=next(iter(package.authors(schemes.SET_AUTHOR)), None),
        title=package.localized("Name"),
        comments=package.localized("Description"),
    )


def _document_entry(entry: _Object) -> DocumentEntry:
    size = entry.slot("size")
    return DocumentEntry(
        entry_id=entry.attribute("id"),
        mime_type=entry.attribute("mimeType"),
        unique_id=entry.identifier(schemes.UNIQUE_ID),
        patient_id=entry.identifier(schemes.PATIENT_ID),
        title=entry.localized("Name"),
        comments=entry.localized("Description"),
        authors=entry.authors(schemes.AUTHOR),
        legal_authenticator=entry.slot("legalAuthenticator"),
        class_code=entry.code(schemes.CLASS_CODE),
        type_code=entry.code(schemes.TYPE_CODE),
        format_code=entry.code(schemes.FORMAT_CODE),
        facility_type=entry.code(schemes.FACILITY_TYPE),
        practice_setting=entry.code(schemes.PRACTICE_SETTING),
        confidentiality_codes=entry.codes(schemes.CONFIDENTIALITY),
        event_codes=entry.codes(schemes.EVENT_CODE),
        creation_time=entry.slot("creationTime"),
        service_start_time=entry.slot("serviceStartTime"),
        service_stop_time=entry.slot("serviceStopTime"),
        language=entry.slot("languageCode"),
        source_patient_id=entry.slot("sourcePatientId"),
        source_patient_info=entry.slot_values("sourcePatientInfo"),
        reference_ids=entry.slot_values(_REFERENCE_IDS),
        hash=entry.slot("hash").lower(),
        size=int(size) if size.isascii() and size.isdigit() and len(size) <= _LONGEST_SIZE else None,
        uri=entry.slot("URI"),
        action=entry.action(),
    )


def _is(element: etree._Element, attribute: str, scheme: str) -> bool:
    return element.get(attribute, "").strip().lower() == scheme


def _slots(element: etree._Element) -> dict[str, tuple[str, ...]]:
    """Values by lower-case name, empty ones left out; the first slot of a name counts."""
    slots: dict[str, tuple[str, ...]] = {}
    for slot in element.iterchildren(f"{_N}Slot"):
        values = (value for each in slot.iterchildren(f"{_N}ValueList") for value in each.iterchildren(f"{_N}Value"))
        texts = tuple(text for value in values if (text := "".join(map(str, value.itertext())).strip()))
        slots.setdefault(slot.get("name", "").strip().lower(), texts)
    return slots


def _localized(element: etree._Element | None) -> str:
    found = None if element is None else element.find(f"{_N}LocalizedString")
    return "" if found is None else found.get("value", "").strip()


def _coded(element: etree._Element) -> CodedValue:
    schemes = _slots(element).get("codingscheme", ())
    return CodedValue(
        element.get("nodeRepresentation", "").strip(), _localized(element.find(f"{_N}Name")), next(iter(schemes), "")
    )


def _author(element: etree._Element) -> AuthorEntry:
    slots = _slots(element)
    return AuthorEntry(
        person=next(iter(slots.get("authorperson", ())), ""),
        institutions=slots.get("authorinstitution", ()),
        roles=slots.get("authorrole", ()),
        specialties=slots.get("authorspecialty", ()),
    )
