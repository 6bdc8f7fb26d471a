"""XDS metadata as ebRIM 3.0, written as text with escaping: five times cheaper than building elements.

Child order inside a registry object: Slot*, Name, Description, Classification*, ExternalIdentifier* (ebRIM schema).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pfi.model.document import CodedValue
from pfi.standards.xds import schemes
from pfi.standards.xds.metadata import Association, AssociationType, AuthorEntry, DocumentEntry, SubmissionSet

LCM: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
RIM: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"

_ASSOCIATION_OBJECT: Final = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"
_CLASSIFICATION_OBJECT: Final = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification"
_IDENTIFIER_OBJECT: Final = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier"
_PACKAGE_OBJECT: Final = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage"

SUBMISSION_SET_NODE: Final = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
DOCUMENT_ENTRY_TYPE: Final = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"


_REFERENCE_IDS: Final = "urn:ihe:iti:xds:2013:referenceIdList"
_ACTION: Final = "urn:action:extraMetadataSlot"

# What must not stand as is in an attribute or a text: markup, white space other than the blank (an XML parser would
# turn it into a blank in attributes), and the control characters that XML 1.0 forbids.
_UNSAFE: Final = re.compile('[&<>"\t\r\n\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def xml_text(text: str) -> str:
    """Text for an element or a double-quoted attribute; characters that XML cannot carry are dropped."""
    return _UNSAFE.sub(lambda found: _ESCAPES.get(found[0], ""), text) if _UNSAFE.search(text) else text


def write_submit_objects(
    submission_set: SubmissionSet,
    entries: Sequence[DocumentEntry],
    *,
    associations: Sequence[Association] = (),
    marker_inside: bool = False,
    declaration: bool = False,
) -> bytes:
    """`lcm:SubmitObjectsRequest` in UTF-8: the package, its entries, one HasMember per entry, then `associations`.

    `marker_inside` puts the Classification that makes the package a submission set inside it (the form of the DMP)
    instead of beside it (IHE XDM). `declaration` adds the XML declaration.
    """
    ids = _Ids()
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n'] if declaration else []
    parts.append(f'<lcm:SubmitObjectsRequest xmlns:lcm="{LCM}" xmlns:rim="{RIM}"><rim:RegistryObjectList>')
    _package(parts, submission_set, ids, marker_inside=marker_inside)
    for entry in entries:
        _extrinsic_object(parts, entry, ids)
    for entry in entries:
        member = Association(
            AssociationType.HAS_MEMBER,
            submission_set.entry_id,
            entry.entry_id,
            (("SubmissionSetStatus", "Original"),),
        )
        _association(parts, member, ids)
    for association in associations:
        _association(parts, association, ids)
    parts.append("</rim:RegistryObjectList></lcm:SubmitObjectsRequest>")
    return "".join(parts).encode("utf-8")


class _Ids:
    """Ids of the objects that nobody refers to."""

    def __init__(self) -> None:
        self._count = 0

    def next(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:02d}"


def _package(parts: list[str], lot: SubmissionSet, ids: _Ids, *, marker_inside: bool) -> None:
    owner = xml_text(lot.entry_id)
    marker = (
        f'<rim:Classification id="{ids.next("cl")}" objectType="{_CLASSIFICATION_OBJECT}" classifiedObject="{owner}" '
        f'classificationNode="{SUBMISSION_SET_NODE}"/>'
    )
    parts.append(f'<rim:RegistryPackage id="{owner}" objectType="{_PACKAGE_OBJECT}">')
    _slot(parts, "submissionTime", (lot.submission_time,))
    _name(parts, "Name", lot.title)
    _name(parts, "Description", lot.comments)
    if marker_inside:
        parts.append(marker)
    if lot.author is not None:
        _author(parts, schemes.SET_AUTHOR, owner, lot.author, ids)
    _classification(parts, schemes.SET_CONTENT_TYPE, owner, lot.content_type, ids)
    _identifier(parts, schemes.SET_PATIENT_ID, owner, lot.patient_id, "XDSSubmissionSet.patientId", ids)
    _identifier(parts, schemes.SET_SOURCE_ID, owner, lot.source_id, "XDSSubmissionSet.sourceId", ids)
    _identifier(parts, schemes.SET_UNIQUE_ID, owner, lot.unique_id, "XDSSubmissionSet.uniqueId", ids)
    parts.append("</rim:RegistryPackage>")
    if not marker_inside:
        parts.append(marker)


def _extrinsic_object(parts: list[str], entry: DocumentEntry, ids: _Ids) -> None:
    owner = xml_text(entry.entry_id)
    parts.append(
        f'<rim:ExtrinsicObject id="{owner}" objectType="{DOCUMENT_ENTRY_TYPE}" mimeType="{xml_text(entry.mime_type)}">'
    )
    _slot(parts, "creationTime", (entry.creation_time,))
    _slot(parts, "languageCode", (entry.language,))
    _slot(parts, "legalAuthenticator", (entry.legal_authenticator,))
    _slot(parts, "serviceStartTime", (entry.service_start_time,))
    _slot(parts, "serviceStopTime", (entry.service_stop_time,))
    _slot(parts, "sourcePatientId", (entry.source_patient_id,))
    _slot(parts, "sourcePatientInfo", entry.source_patient_info)
    _slot(parts, "hash", (entry.hash,))
    _slot(parts, "size", ("" if entry.size is None else str(entry.size),))
    _slot(parts, _REFERENCE_IDS, entry.reference_ids)
    _slot(parts, "URI", (entry.uri,))
    _slot(parts, _ACTION, (entry.action,))
    _name(parts, "Name", entry.title)
    _name(parts, "Description", entry.comments)
    for author in entry.authors:
        _author(parts, schemes.AUTHOR, owner, author, ids)
    _classification(parts, schemes.CLASS_CODE, owner, entry.class_code, ids)
    for code in entry.confidentiality_codes:
        _classification(parts, schemes.CONFIDENTIALITY, owner, code, ids)
    for code in entry.event_codes:
        _classification(parts, schemes.EVENT_CODE, owner, code, ids)
    _classification(parts, schemes.FORMAT_CODE, owner, entry.format_code, ids)
    _classification(parts, schemes.FACILITY_TYPE, owner, entry.facility_type, ids)
    _classification(parts, schemes.PRACTICE_SETTING, owner, entry.practice_setting, ids)
    _classification(parts, schemes.TYPE_CODE, owner, entry.type_code, ids)
    _identifier(parts, schemes.PATIENT_ID, owner, entry.patient_id, "XDSDocumentEntry.patientId", ids)
    _identifier(parts, schemes.UNIQUE_ID, owner, entry.unique_id, "XDSDocumentEntry.uniqueId", ids)
    parts.append("</rim:ExtrinsicObject>")


def _association(parts: list[str], association: Association, ids: _Ids) -> None:
    parts.append(
        f'<rim:Association id="{ids.next("as")}" objectType="{_ASSOCIATION_OBJECT}" '
        f'associationType="{association.kind}" sourceObject="{xml_text(association.source)}" '
        f'targetObject="{xml_text(association.target)}">'
    )
    for name, value in association.slots:
        _slot(parts, name, (value,))
    parts.append("</rim:Association>")


def _slot(parts: list[str], name: str, values: Iterable[str]) -> None:
    """A slot without any value is left out."""
    written = "".join(f"<rim:Value>{xml_text(value)}</rim:Value>" for value in values if value)
    if written:
        parts.append(f'<rim:Slot name="{name}"><rim:ValueList>{written}</rim:ValueList></rim:Slot>')


def _name(parts: list[str], element: str, text: str) -> None:
    if text:
        value = f'<rim:LocalizedString charset="UTF8" xml:lang="FR" value="{xml_text(text)}"/>'
        parts.append(f"<rim:{element}>{value}</rim:{element}>")


def _author(parts: list[str], scheme: str, owner: str, author: AuthorEntry, ids: _Ids) -> None:
    parts.append(
        f'<rim:Classification id="{ids.next("cl")}" objectType="{_CLASSIFICATION_OBJECT}" '
        f'classificationScheme="{scheme}" classifiedObject="{owner}" nodeRepresentation="">'
    )
    _slot(parts, "authorInstitution", author.institutions)
    _slot(parts, "authorPerson", (author.person,))
    _slot(parts, "authorRole", author.roles)
    _slot(parts, "authorSpecialty", author.specialties)
    parts.append("</rim:Classification>")


def _classification(parts: list[str], scheme: str, owner: str, code: CodedValue | None, ids: _Ids) -> None:
    if code is None:
        return
    parts.append(
        f'<rim:Classification id="{ids.next("cl")}" objectType="{_CLASSIFICATION_OBJECT}" '
        f'classificationScheme="{scheme}" classifiedObject="{owner}" nodeRepresentation="{xml_text(code.code)}">'
    )
    _slot(parts, "codingScheme", (code.system,))
    _name(parts, "Name", code.label)
    parts.append("</rim:Classification>")


def _identifier(parts: list[str], scheme: str, owner: str, value: str, name: str, ids: _Ids) -> None:
    if not value:
        return
    parts.append(
        f'<rim:ExternalIdentifier id="{ids.next("ei")}" objectType="{_IDENTIFIER_OBJECT}" registryObject="{owner}" '
        f'identificationScheme="{scheme}" value="{xml_text(value)}">'
    )
    _name(parts, "Name", name)
    parts.append("</rim:ExternalIdentifier>")
