"""The documents of a lot: DocumentReference and the Binary that it points to (PDSm, ITI-65)."""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pybase64

from pfi.model.document import CodedValue, DocumentId
from pfi.model.submission import ReceivedDocument, Request
from pfi.standards.fhir.element import Element
from pfi.standards.fhir.identifiers import read_document_id
from pfi.standards.fhir.resources import Resources
from pfi.standards.fhir.vocabulary import without_urn
from pfi.standards.hl7v2.deviations import Deviations

MAX_DOCUMENTS: Final = 2
"""Two forms (N1 and N3) of one document, as in an ORU."""

_RULE: Final = "PDSm, DocumentReference"
_XML: Final = frozenset({"text/xml", "application/xml", "application/hl7-cda+xml", "application/hl7-sda+xml"})
_REPLACES: Final = "replaces"
_BLANKS: Final = dict.fromkeys(map(ord, " \t\r\n"))


@dataclass(frozen=True, slots=True)
class DocumentsReading:
    """Documents in order. `places` maps each rank (1-based) to the expression of its bytes."""

    documents: tuple[ReceivedDocument, ...]
    request: Request
    announced_id: DocumentId | None = None
    announced_parent: DocumentId | None = None
    places: dict[int, str] = field(default_factory=dict)


def read_documents(resources: Resources, references: tuple[Element, ...], deviations: Deviations) -> DocumentsReading:
    """Reads and checks the DocumentReferences of a lot."""
    if not references:
        deviations.refuse(
            "DOCUMENT_MISSING", "Bundle.entry", "Le lot ne contient aucun DocumentReference.", "100", _RULE
        )
        return DocumentsReading((), Request.INITIAL)
    for extra in references[MAX_DOCUMENTS:]:
        deviations.refuse(
            "TOO_MANY_DOCUMENTS",
            extra.where,
            "Un lot porte un document, sous une ou deux formes (N1 et N3) : envoyer un lot par document.",
            "198",
            _RULE,
        )
    documents: list[ReceivedDocument] = []
    places: dict[int, str] = {}
    for rank, reference in enumerate(references[:MAX_DOCUMENTS], 1):
        content, places[rank] = _read_content(resources, reference, deviations)
        _check_status(reference, deviations)
        if content is not None:
            documents.append(ReceivedDocument(content, rank, _read_type(reference, deviations)))
    requests = {_read_request(each, deviations) for each in references[:MAX_DOCUMENTS]}
    if len(requests) > 1:
        deviations.refuse(
            "DOCUMENT_STATUS_DIFFERS",
            references[0].at("relatesTo"),
            "Les deux formes du document doivent toutes deux remplacer, ou aucune.",
            "199",
            _RULE,
        )
    announced_id = read_document_id(_unique_id(references[0]))
    if announced_id is None:
        deviations.deviate(
            "DOCUMENT_ID_MISSING",
            references[0].at("masterIdentifier"),
            "L'identifiant unique du document (masterIdentifier) est absent.",
            "101",
            _RULE,
        )
    request = requests.pop()
    parent = _read_parent(resources, references[0]) if request is Request.REPLACE else None
    return DocumentsReading(tuple(documents), request, announced_id, parent, places)


def _read_type(reference: Element, deviations: Deviations) -> CodedValue:
    coding = next(reference.codes("type"), Element({}, reference.at("type")))
    if not coding.text("code"):
        deviations.deviate(
            "DOCUMENT_CODE_MISSING", reference.at("type"), "Le type du document est absent.", "101", _RULE
        )
    return CodedValue(coding.text("code"), coding.text("display"), without_urn(coding.text("system")))


def _check_status(reference: Element, deviations: Deviations) -> None:
    if reference.text("status") != "current":
        deviations.refuse(
            "DOCUMENT_STATUS_UNKNOWN",
            reference.at("status"),
            "Seul un document « current » est transmis. Une suppression se demande en HL7 v2 (MDM^T04 ou ORU).",
            "103",
            _RULE,
        )


def _replacements(reference: Element) -> Iterator[Element]:
    return (each for each in reference.all("relatesTo") if each.text("code") == _REPLACES)


def _read_request(reference: Element, deviations: Deviations) -> Request:
    for relation in reference.all("relatesTo"):
        if relation.text("code") != _REPLACES:
            deviations.refuse(
                "RELATION_UNSUPPORTED",
                relation.where,
                "Seule la relation « replaces » est prise en charge.",
                "103",
                _RULE,
            )
    return Request.REPLACE if any(_replacements(reference)) else Request.INITIAL


def _read_parent(resources: Resources, reference: Element) -> DocumentId | None:
    """The replaced document, when the target names its identifier; a server's own `DocumentReference/1` does not."""
    for relation in _replacements(reference):
        target = resources.resolve(relation.one("target"), reference)
        return read_document_id(_unique_id(target) or target.one("identifier"))
    return None


def _unique_id(reference: Element) -> Element:
    """`masterIdentifier`, or the usual identifier by which later versions of MHD carry it."""
    usual = (each for each in reference.all("identifier") if each.text("use") == "usual")
    return reference.one("masterIdentifier") or next(usual, Element({}, reference.at("masterIdentifier")))


def _read_content(resources: Resources, reference: Element, deviations: Deviations) -> tuple[bytes | None, str]:
    """The exact bytes of the CDA, and where they are."""
    contents = reference.all("content")
    attachment = contents[0].one("attachment") if contents else Element({}, reference.at("content"))
    if len(contents) > 1:
        deviations.refuse(
            "CONTENT_REPEATED",
            reference.at("content"),
            "Un DocumentReference ne porte qu'un contenu ; une autre forme du document a le sien.",
            "198",
            _RULE,
        )
    binary = resources.resolve(Element({"reference": attachment.text("url")}, attachment.at("url")), reference)
    holder = binary if binary.kind == "Binary" else attachment
    if holder is attachment and attachment.text("data"):
        deviations.deviate(
            "CONTENT_INLINE",
            attachment.at("data"),
            "Le document est dans l'attachement et non dans une ressource Binary.",
            "103",
            _RULE,
        )
    place = holder.at("data")
    if not holder.text("data"):
        deviations.refuse(
            "CONTENT_MISSING",
            attachment.at("url"),
            "Le document n'est pas dans le lot : attachment.url doit désigner une ressource Binary du Bundle.",
            "101",
            _RULE,
        )
        return None, place
    _check_media_type(holder, deviations)
    _check_media_type(attachment, deviations)
    try:
        content = pybase64.b64decode(holder.text("data").translate(_BLANKS), validate=True)
    except (binascii.Error, ValueError):
        deviations.refuse("CONTENT_NOT_BASE64", place, "Le document n'est pas en base64.", "102", _RULE)
        return None, place
    _check_fingerprint(attachment, content, deviations)
    return content, place


def _check_media_type(holder: Element, deviations: Deviations) -> None:
    media_type = holder.text("contentType").partition(";")[0].strip().lower()
    if media_type and media_type not in _XML:
        deviations.refuse(
            "CONTENT_NOT_CDA",
            holder.at("contentType"),
            "Seuls des documents CDA sont transmis (text/xml) : un PDF voyage dans un CDA de niveau 1.",
            "103",
            _RULE,
        )


def _check_fingerprint(attachment: Element, content: bytes, deviations: Deviations) -> None:
    """Size and SHA-1, which PDSm requires: a document altered on its way must not leave."""
    told, size = attachment.text("hash"), attachment.number("size")
    if not told or size is None:
        deviations.deviate(
            "CONTENT_HASH_MISSING",
            attachment.at("size" if told else "hash"),
            "L'empreinte SHA-1 et la taille du document sont requises par PDSm.",
            "101",
            _RULE,
        )
    digest = hashlib.sha1(content, usedforsecurity=False)
    if told and told not in (base64.b64encode(digest.digest()).decode("ascii"), digest.hexdigest()):
        deviations.refuse(
            "CONTENT_HASH_MISMATCH",
            attachment.at("hash"),
            "L'empreinte annoncée n'est pas celle du document reçu.",
            "207",
            _RULE,
            "906",
        )
    if size is not None and size != len(content):
        deviations.refuse(
            "CONTENT_SIZE_MISMATCH",
            attachment.at("size"),
            "La taille annoncée n'est pas celle du document reçu.",
            "207",
            _RULE,
            "906",
        )
