"""Reads a document request: ORU^R01 in v2.5, MDM^T02/T10/T04 in v2.6 (hl7v2 digest §1 to §3).

Pure and complete: a refused message still gets all the findings that can be made. The CDA content is not opened here.
"""

from dataclasses import dataclass
from typing import Final

from pfi.model.document import CodedValue, DocumentId
from pfi.model.finding import Finding
from pfi.model.profile import SenderProfile
from pfi.model.submission import DocumentRequest, MessageHeader, Request
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.documents import DocumentsReading, document_segments, read_code, read_documents
from pfi.standards.hl7v2.establishment import read_establishment
from pfi.standards.hl7v2.header import (
    MessageType,
    check_envelope,
    check_request_header,
    check_request_type,
    read_header,
)
from pfi.standards.hl7v2.identifiers import read_document_id
from pfi.standards.hl7v2.mail_bodies import read_mail_bodies
from pfi.standards.hl7v2.matrix import check_combination
from pfi.standards.hl7v2.orders import REPLY_TO, code_of, is_metadata, read_orders, where
from pfi.standards.hl7v2.participants import check_address, check_participants, read_participants
from pfi.standards.hl7v2.patient_segment import check_patient, check_stay, read_patient, read_stay
from pfi.standards.hl7v2.structure import check_structure
from pfi.standards.hl7v2.timestamp import read_timestamp
from pfi.standards.hl7v2.tokenizer import Message

_TRIPLET_RULE: Final = "hl7v2 digest §3.1"
_TXA_RULE: Final = "hl7v2 digest §1.7"

ORC_CODES: Final = {"NW": Request.INITIAL, "RO": Request.REPLACE, "CA": Request.DELETE}
_ORC_LEGACY: Final = "SC"


@dataclass(frozen=True, slots=True)
class RequestReading:
    """`request` is `None` when a finding refuses the message. The tokenizer's findings are among `findings`."""

    request: DocumentRequest | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Announced:
    """What TXA says of the document and of the one it replaces."""

    document_id: DocumentId | None = None
    parent: DocumentId | None = None


def read_request(message: Message, profile: SenderProfile) -> RequestReading:
    """Reads and checks a document request as the sender's profile wants."""
    deviations = Deviations(profile.mode)
    deviations.adopt(message.findings)
    header = read_header(message)
    check_envelope(header, profile, deviations)
    message_type = check_request_type(header, deviations)
    if message_type is None:
        return RequestReading(None, deviations.findings)
    check_request_header(message, header, deviations)
    check_structure(message, header.message_code, deviations)
    request = _read_body(message, header, message_type, profile, deviations)
    return RequestReading(None if deviations.refused else request, deviations.findings)


def _read_body(
    message: Message, header: MessageHeader, message_type: MessageType, profile: SenderProfile, deviations: Deviations
) -> DocumentRequest | None:
    documents = read_documents(message, message_type.max_documents, deviations)
    _check_triplet(message, header, message_type, documents, deviations)
    stay = read_stay(message.first("PV1"))
    if message.first("PV1") is not None:
        check_stay(stay, deviations)
    code = _read_order_code(message, deviations)
    announced = _read_txa(message, header, documents.request, deviations)
    reading = read_orders(message, message_type.coded_type, deviations)
    check_combination(reading, profile, deviations)
    participants = read_participants(message, deviations)
    bodies = read_mail_bodies(message, deviations)
    reply_to = participants.reply_to or _legacy_reply_to(message, deviations)
    pid = message.first("PID")
    if pid is None:
        return None
    patient = read_patient(pid)
    check_patient(pid, patient, deviations)
    check_participants(participants, reading.orders, patient, profile, deviations)
    if documents.request is None:
        return None
    return DocumentRequest(
        message=header,
        request=documents.request,
        patient=patient,
        stay=stay,
        orders=reading.orders,
        code=code,
        documents=documents.documents,
        sender=participants.sender,
        recipients=participants.recipients,
        reply_to=reply_to,
        body_professional=bodies.professional,
        body_patient=bodies.patient,
        announced_id=announced.document_id,
        announced_parent=announced.parent,
        establishment=read_establishment(message),
    )


def _check_triplet(
    message: Message,
    header: MessageHeader,
    message_type: MessageType,
    documents: DocumentsReading,
    deviations: Deviations,
) -> None:
    """OBX-11, ORC-1 and the event must tell the same request: the volet wants any other message rejected."""
    told = [documents.request, message_type.events[header.trigger_event]]
    orc = message.first("ORC")
    control = orc.component(1).upper() if orc is not None else ""
    if control in ORC_CODES:
        told.append(ORC_CODES[control])
    elif control == _ORC_LEGACY:
        deviations.deviate(
            "ORDER_CONTROL_LEGACY",
            "ORC^1^1",
            "ORC-1 = SC vient d'un ancien profil : OBX-11 fait foi.",
            "103",
            _TRIPLET_RULE,
        )
    elif control:
        deviations.refuse(
            "ORDER_CONTROL_UNKNOWN",
            "ORC^1^1",
            "ORC-1 doit valoir NW (initial), RO (remplacement) ou CA (suppression).",
            "103",
            _TRIPLET_RULE,
        )
    elif orc is not None:
        deviations.deviate(
            "ORDER_CONTROL_MISSING", "ORC^1^1", "ORC-1 est vide : OBX-11 fait foi.", "101", _TRIPLET_RULE
        )
    for other in message.all("ORC")[1:]:
        if other.component(1).upper() != control:
            _refuse_triplet(deviations)
    if len({request for request in told if request is not None}) > 1:
        _refuse_triplet(deviations)


def _refuse_triplet(deviations: Deviations) -> None:
    deviations.refuse(
        "REQUEST_INCOHERENT",
        "ORC^1^1",
        "OBX-11, ORC-1 et l'événement du message n'annoncent pas la même demande "
        "(initiale, remplacement ou suppression).",
        "199",
        _TRIPLET_RULE,
    )


def _read_order_code(message: Message, deviations: Deviations) -> CodedValue:
    """OBR-4, which must be the OBX-3 of the documents."""
    obr = message.first("OBR")
    if obr is None:
        return CodedValue("")
    code = read_code(obr.first(4))
    if not code.code:
        deviations.deviate(
            "ORDER_CODE_MISSING", "OBR^1^4", "OBR-4 (type du document) est vide.", "101", "hl7v2 digest §1.6"
        )
        return code
    if not code.system:
        deviations.deviate(
            "CODING_SYSTEM_MISSING",
            "OBR^1^4",
            "OBR-4 donne un code sans son système de codage.",
            "101",
            "hl7v2 digest §1.1",
        )
    if any(obx.component(3, 1) != code.code for obx in document_segments(message)):
        deviations.deviate(
            "DOCUMENT_CODE_DIFFERS",
            "OBR^1^4",
            "OBR-4 et OBX-3 n'annoncent pas le même type de document ; le document fait foi.",
            "199",
            "hl7v2 digest §1.6",
        )
    return code


def _read_txa(message: Message, header: MessageHeader, request: Request | None, deviations: Deviations) -> _Announced:
    txa = message.first("TXA")
    if txa is None or header.message_code != "MDM":
        return _Announced()
    document_id = read_document_id(txa.first(12))
    parent = read_document_id(txa.first(13)) if request is Request.REPLACE else None
    if document_id is None:
        deviations.deviate(
            "DOCUMENT_ID_MISSING", "TXA^1^12", "TXA-12 (identifiant du document) est vide.", "101", _TXA_RULE
        )
    if request is Request.REPLACE and parent is None:
        deviations.deviate("PARENT_ID_MISSING", "TXA^1^13", "TXA-13 (document remplacé) est vide.", "101", _TXA_RULE)
    type_code = txa.component(2)
    if not type_code:
        deviations.deviate("TXA_CODE_MISSING", "TXA^1^2", "TXA-2 (type du document) est vide.", "101", _TXA_RULE)
    elif any(obx.component(3, 1) != type_code for obx in document_segments(message)):
        deviations.deviate(
            "TXA_CODE_DIFFERS",
            "TXA^1^2",
            "TXA-2 et OBX-3 n'annoncent pas le même type de document ; le document fait foi.",
            "199",
            _TXA_RULE,
        )
    status = txa.component(17).upper()
    if status not in ("AU", "LA"):
        deviations.deviate(
            "TXA_STATUS", "TXA^1^17", "TXA-17 (état du document) doit valoir AU.", "103" if status else "101", _TXA_RULE
        )
    elif status == "LA":
        deviations.strictly("TXA_STATUS", "TXA^1^17", "TXA-17 (état du document) doit valoir AU.", "103", _TXA_RULE)
    if txa.component(3).upper() != "TEXT":
        deviations.strictly("TXA_FORM", "TXA^1^3", "TXA-3 doit valoir TEXT.", "103", _TXA_RULE)
    activity = txa.component(4)
    if activity and read_timestamp(activity) is None:
        deviations.deviate("TXA_TIME_INVALID", "TXA^1^4", "TXA-4 n'est pas une date valide.", "102", _TXA_RULE)
    return _Announced(document_id, parent)


def _legacy_reply_to(message: Message, deviations: Deviations) -> str:
    """A flag `REPLY_TO` (XTN) of an old profile, read as the REPLY participant that took its place."""
    for obx in message.all("OBX"):
        if code_of(obx) == REPLY_TO and is_metadata(obx):
            address = obx.component(5, 4)
            check_address(address, where(obx, 5), deviations)
            return address
    return ""
