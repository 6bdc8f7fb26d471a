"""The document OBX of a request: which they are, what they announce, their exact bytes (hl7v2 digest §1.8)."""

from dataclasses import dataclass
from typing import Final

from pfi.model.document import CodedValue
from pfi.model.submission import ReceivedDocument, Request
from pfi.standards.hl7v2.attachment import decode
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.orders import is_metadata, set_id, where
from pfi.standards.hl7v2.tokenizer import Message, Repetition, Segment

_RULE: Final = "hl7v2 digest §1.8"


@dataclass(frozen=True, slots=True)
class DocumentsReading:
    """Documents in order. `request` is OBX-11, `None` when it is absent, unknown or contradictory."""

    documents: tuple[ReceivedDocument, ...]
    request: Request | None


def read_code(ce: Repetition) -> CodedValue:
    """A CE or CWE."""
    return CodedValue(ce.component(1), ce.component(2), ce.component(3))


def document_segments(message: Message) -> tuple[Segment, ...]:
    """OBX-2 = ED, OBX-5.3 = XML, and no MetaDMPMSS."""
    return tuple(
        obx
        for obx in message.all("OBX")
        if obx.component(2).upper() == "ED" and not is_metadata(obx) and obx.whole(5).component(3).upper() == "XML"
    )


def read_documents(message: Message, max_documents: int, deviations: Deviations) -> DocumentsReading:
    """Reads and checks the document OBX of a request."""
    segments = document_segments(message)
    if not segments:
        if message.first("OBX") is not None:
            deviations.refuse(
                "DOCUMENT_MISSING",
                "OBX^1",
                "Aucun OBX ne porte de document CDA (OBX-2 = ED, OBX-5.3 = XML).",
                "100",
                _RULE,
            )
        return DocumentsReading((), None)
    for extra in segments[max_documents:]:
        deviations.refuse(
            "TOO_MANY_DOCUMENTS",
            where(extra),
            f"Ce message porte plus de documents qu'il n'est permis (au plus {max_documents}).",
            "198",
            _RULE,
        )
    documents = []
    requests = []
    for obx in segments[:max_documents]:
        _check_form(obx, deviations)
        requests.append(_read_request(obx, deviations))
        content = _read_content(obx, deviations)
        if content is not None:
            documents.append(ReceivedDocument(content, set_id(obx), read_code(obx.first(3))))
    if len(set(requests)) > 1 and None not in requests:
        deviations.refuse(
            "DOCUMENT_STATUS_DIFFERS",
            where(segments[1], 11),
            "Les deux formes du document doivent porter le même OBX-11.",
            "199",
            "hl7v2 digest §1.8 et §3.1",
        )
    return DocumentsReading(tuple(documents), requests[0])


def _check_form(obx: Segment, deviations: Deviations) -> None:
    code = obx.first(3)
    if not code.component(1):
        deviations.deviate("DOCUMENT_CODE_MISSING", where(obx, 3), "OBX-3 (type du document) est vide.", "101", _RULE)
    elif not code.component(3):
        deviations.deviate(
            "CODING_SYSTEM_MISSING",
            where(obx, 3),
            "OBX-3 donne un code sans son système de codage.",
            "101",
            "hl7v2 digest §1.1",
        )
    if obx.whole(5).component(2).upper() != "TEXT":
        deviations.strictly("DOCUMENT_FORM", where(obx, 5), "OBX-5.2 d'un document doit valoir TEXT.", "103", _RULE)


def _read_request(obx: Segment, deviations: Deviations) -> Request | None:
    text = obx.component(11).upper()
    try:
        return Request(text)
    except ValueError:
        if text:
            deviations.refuse(
                "DOCUMENT_STATUS_UNKNOWN",
                where(obx, 11),
                "OBX-11 du document doit valoir F (initial), C (remplacement) ou D (suppression).",
                "103",
                _RULE,
            )
        else:
            deviations.refuse("DOCUMENT_STATUS_MISSING", where(obx, 11), "OBX-11 du document est vide.", "101", _RULE)
    return None


def _read_content(obx: Segment, deviations: Deviations) -> bytes | None:
    """The whole CDA file. XDS hash and size are computed on exactly these bytes."""
    place = where(obx, 5)
    ed = obx.whole(5)
    encoding = ed.component(4).upper()
    if not encoding:
        deviations.deviate(
            "DOCUMENT_ENCODING_MISSING", place, "OBX-5.4 est vide : le document est lu en base64.", "101", _RULE
        )
    elif encoding != "BASE64":
        deviations.refuse("DOCUMENT_ENCODING", place, "OBX-5.4 doit valoir Base64.", "103", _RULE)
        return None
    if not ed.component_raw(5):
        deviations.refuse("DOCUMENT_EMPTY", place, "OBX-5.5 (contenu du document) est vide.", "101", _RULE)
        return None
    decoded = decode(ed)
    if decoded is None:
        deviations.refuse("DOCUMENT_BASE64", place, "Le base64 du document est invalide.", "102", _RULE)
        return None
    if decoded.truncated:
        deviations.refuse("DOCUMENT_TRUNCATED", place, "Le base64 du document est tronqué.", "102", _RULE)
        return None
    if not decoded.content:
        deviations.refuse("DOCUMENT_EMPTY", place, "OBX-5.5 (contenu du document) est vide.", "101", _RULE)
        return None
    return decoded.content
