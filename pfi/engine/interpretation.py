"""What a message says: from bytes to a value, without a store, a rule or a network.

Intake, `pfi explain` and `pfi rules diff` all call the same functions, so that what is explained is what is done:

    interpret   bytes -> what the message says
    conclude    what it says + what is known of the patient + rules -> acknowledgment, findings, decisions
    plan        decisions -> deliveries, with the identifiers they will keep
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from pfi.engine.agreement import disagreements
from pfi.model.adt import PatientEvent
from pfi.model.document import Document
from pfi.model.errors import SenderDataError
from pfi.model.finding import Finding, Severity, refuses
from pfi.model.patient import Traits
from pfi.model.profile import SenderProfile
from pfi.model.submission import DocumentRequest, MessageHeader, Orders, Request, Standard, Stay, Submission
from pfi.standards.cda.checks import check_header
from pfi.standards.cda.header import read_header as read_cda_header
from pfi.standards.fhir.outline import NO_OUTLINE, Outline
from pfi.standards.fhir.parser import UnreadableBundleError, is_json, parse_bundle
from pfi.standards.fhir.request import open_lot, outline_of, read_lot
from pfi.standards.hl7v2.adt import read_adt
from pfi.standards.hl7v2.header import read_header
from pfi.standards.hl7v2.request import read_request
from pfi.standards.hl7v2.tokenizer import UnreadableMessageError, parse

_UNKNOWN_SOURCE = Finding(
    "UNKNOWN_SENDER",
    Severity.ERROR,
    "MSH^1^3",
    "Émetteur inconnu de cette plateforme : déclarer sa source (ihe-sourceId) dans « senders ».",
    err3="207",
    err5="906",
)


class Kind(StrEnum):
    """What a message turned out to be."""

    REQUEST = "request"
    PATIENT_EVENT = "patient_event"
    IGNORED = "ignored"
    """Sound, but nothing the engine uses (an ADT event of no interest): acknowledged AA."""
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    """No MSH (or no FHIR Bundle) can be read: HL7 v2 has no acknowledgment for it."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What one message says, before anything is known of the patient."""

    kind: Kind
    header: MessageHeader | None
    profile: SenderProfile
    findings: tuple[Finding, ...]
    submission: Submission | None = None
    event: PatientEvent | None = None
    standard: Standard = Standard.HL7V2
    """In which the sender is answered."""
    outline: Outline = NO_OUTLINE
    """Of a FHIR Bundle."""


ProfileFor = Callable[[MessageHeader], SenderProfile | None]
"""Finds the switches of a message's sender; `None` = unknown senders are refused here."""


def interpret(
    raw: bytes, profile_for: ProfileFor, received_at: datetime | None = None, standard: Standard | None = None
) -> Interpretation:
    """Reads one HL7 v2 message, or one FHIR Bundle (ITI-65), and the CDA documents it carries. Never raises for what
    it contains. `standard`: what the sender must speak; `None` = what the bytes are."""
    if standard is Standard.FHIR or (standard is None and is_json(raw)):
        return _interpret_bundle(raw, profile_for, received_at)
    try:
        message = parse(raw)
    except UnreadableMessageError as error:
        finding = Finding(error.code, Severity.ERROR, "MSH", error.text, "hl7v2 digest §4.1")
        return Interpretation(Kind.UNREADABLE, None, SenderProfile(), (finding,))
    header = read_header(message)
    profile = profile_for(header)
    if profile is None:
        finding = Finding(
            "UNKNOWN_SENDER",
            Severity.ERROR,
            "MSH^1^3",
            "Émetteur inconnu de cette plateforme : déclarer MSH-3 et MSH-4 dans « senders ».",
            err3="207",
            err5="906",
        )
        return Interpretation(Kind.REFUSED, header, SenderProfile(), (finding,))
    if header.message_code == "ADT":
        adt = read_adt(message, profile=profile)
        if refuses(adt.findings):
            return Interpretation(Kind.REFUSED, header, profile, adt.findings)
        kind = Kind.PATIENT_EVENT if adt.event is not None else Kind.IGNORED
        return Interpretation(kind, header, profile, adt.findings, event=adt.event)
    reading = read_request(message, profile)
    if reading.request is None:
        return Interpretation(Kind.REFUSED, header, profile, reading.findings)
    documents, findings = _open_documents(reading.request)
    findings = (*reading.findings, *findings, *disagreements(reading.request, documents, profile))
    if refuses(findings) or not documents:
        submission = _submission(reading.request, documents, received_at) if documents else None
        return Interpretation(Kind.REFUSED, header, profile, findings, submission)
    return Interpretation(Kind.REQUEST, header, profile, findings, _submission(reading.request, documents, received_at))


def _interpret_bundle(raw: bytes, profile_for: ProfileFor, received_at: datetime | None) -> Interpretation:
    """The same steps for a FHIR Bundle."""
    fhir = Standard.FHIR
    try:
        lot = open_lot(parse_bundle(raw))
    except UnreadableBundleError as error:
        return Interpretation(Kind.UNREADABLE, None, SenderProfile(), error.findings, standard=fhir)
    profile = profile_for(lot.header)
    if profile is None:
        return Interpretation(
            Kind.REFUSED, lot.header, SenderProfile(), (_UNKNOWN_SOURCE,), standard=fhir, outline=outline_of(lot)
        )
    reading = read_lot(lot, profile)
    outline = reading.outline
    if reading.request is None:
        return Interpretation(Kind.REFUSED, lot.header, profile, reading.findings, standard=fhir, outline=outline)
    documents, findings = _open_documents(reading.request)
    findings = (*reading.findings, *findings, *disagreements(reading.request, documents, profile))
    refused = refuses(findings) or not documents
    request = _described(reading.request, documents)
    submission = _submission(request, documents, received_at) if documents else None
    kind = Kind.REFUSED if refused else Kind.REQUEST
    return Interpretation(kind, lot.header, profile, findings, submission, standard=fhir, outline=outline)


def _described(request: DocumentRequest, documents: tuple[Document, ...]) -> DocumentRequest:
    """A lot may name its patient by the INS alone (`Patient?identifier=`): the traits are then those of its document,
    which is of the same INS or is refused."""
    patient = request.patient
    told = documents[0].header.patient if documents else None
    if told is None or patient.ins is None or patient.traits != Traits() or told.ins != patient.ins:
        return request
    return replace(request, patient=replace(patient, traits=told.traits))


def interpret_cda(content: bytes, profile: SenderProfile, received_at: datetime | None = None) -> Interpretation:
    """Reads a bare CDA document as a message without orders (`request` = F)."""
    header = MessageHeader("", "", "", "", "CDA", "", "", "", "", "", "")
    try:
        cda = read_cda_header(content)
    except SenderDataError as error:
        finding = Finding(error.code, Severity.ERROR, "ClinicalDocument", error.text, err3="207", err5="906")
        return Interpretation(Kind.REFUSED, header, profile, (finding,))
    submission = Submission(
        message=header,
        request=Request.INITIAL,
        patient=cda.patient,
        stay=Stay(),
        orders=Orders(),
        documents=(Document(content, cda),),
        received_at=received_at,
    )
    return Interpretation(Kind.REQUEST, header, profile, check_header(cda), submission)


def _open_documents(request: DocumentRequest) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    documents: list[Document] = []
    findings: list[Finding] = []
    for received in request.documents:
        where = f"OBX^{received.obx_set_id}^5"
        try:
            header = read_cda_header(received.content)
        except SenderDataError as error:
            findings.append(
                Finding(error.code, Severity.ERROR, where, error.text, "hl7v2 digest §4.1", err3="207", err5="906")
            )
            continue
        documents.append(Document(received.content, header, received.obx_set_id))
        findings.extend(check_header(header))
    return tuple(documents), tuple(findings)


def _submission(request: DocumentRequest, documents: tuple[Document, ...], received_at: datetime | None) -> Submission:
    return Submission(
        message=request.message,
        request=request.request,
        patient=request.patient,
        stay=request.stay,
        orders=request.orders,
        documents=documents,
        sender=request.sender,
        recipients=request.recipients,
        reply_to=request.reply_to,
        body_professional=request.body_professional,
        body_patient=request.body_patient,
        received_at=received_at,
        establishment=request.establishment,
    )
