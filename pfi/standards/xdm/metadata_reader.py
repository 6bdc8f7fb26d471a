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
from pfi.standards.xds.ebrim import LCM, RIM, SUBMISSION_SET_NODE
from pfi.standards.xds.metadata import AuthorEntry, DocumentEntry, SubmissionSet
from pfi.standards.xml import XmlRefusedError, parse

_N: Final = f"{{{RIM}}}"
_ROOT: Final = f"{{{LCM}}}SubmitObjectsRequest"
_LIST: Final = f"{_N}RegistryObjectList"

_SET_AUTHOR: Final = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
_SET_CONTENT_TYPE: Final = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
_SET_PATIENT_ID: Final = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
_SET_SOURCE_ID: Final = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
_SET_UNIQUE_ID: Final = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"

_AUTHOR: Final = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
_CLASS_CODE: Final = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
_CONFIDENTIALITY: Final = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
_EVENT_CODE: Final = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
_FORMAT_CODE: Final = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
_FACILITY_TYPE: Final = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
_PRACTICE_SETTING: Final = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
_TYPE_CODE: Final = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
_PATIENT_ID: Final = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
_UNIQUE_ID: Final = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"

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
        unique_id=package.identifier(_SET_UNIQUE_ID),
        source_id=package.identifier(_SET_SOURCE_ID),
        patient_id=package.identifier(_SET_PATIENT_ID),
        submission_time=package.slot("submissionTime"),
        content_type=package.code(_SET_CONTENT_TYPE) or CodedValue(""),
        author=next(iter(package.authors(_SET_AUTHOR)), None),
        title=package.localized("Name"),
        comments=package.localized("Description"),
    )


def _document_entry(entry: _Object) -> DocumentEntry:
    size = entry.slot("size")
    return DocumentEntry(
        entry_id=entry.attribute("id"),
        mime_type=entry.attribute("mimeType"),
        unique_id=entry.identifier(_UNIQUE_ID),
        patient_id=entry.identifier(_PATIENT_ID),
        title=entry.localized("Name"),
        comments=entry.localized("Description"),
        authors=entry.authors(_AUTHOR),
        legal_authenticator=entry.slot("legalAuthenticator"),
        class_code=entry.code(_CLASS_CODE),
        type_code=entry.code(_TYPE_CODE),
        format_code=entry.code(_FORMAT_CODE),
        facility_type=entry.code(_FACILITY_TYPE),
        practice_setting=entry.code(_PRACTICE_SETTING),
        confidentiality_codes=entry.codes(_CONFIDENTIALITY),
        event_codes=entry.codes(_EVENT_CODE),
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
