"""From bytes to decisions, without a store and without a network.

Intake, `pfi explain` and `pfi rules diff` all call these functions, so that what is explained is what is done:

    interpret   bytes -> what the message says
    conclude    what it says + what is known of the patient + rules -> acknowledgment, findings, decisions
    plan        decisions -> deliveries, with the identifiers they will keep
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from pfi.identity import coherence
from pfi.identity.status import Assessment, assess, with_documents
from pfi.model.acknowledgment import AckCode, AckError, TechnicalAck
from pfi.model.adt import PatientEvent
from pfi.model.clock import IdSource
from pfi.model.decision import Action, Channel, Decision, Reason
from pfi.model.delivery import Delivery, DeliveryIds
from pfi.model.document import Document
from pfi.model.errors import SenderDataError
from pfi.model.finding import Finding, Severity, refuses
from pfi.model.parties import Recipient
from pfi.model.patient import Identifier, IdentityStatus, Ins, Patient, PatientState, Traits
from pfi.model.profile import SenderProfile
from pfi.model.submission import DocumentRequest, MessageHeader, Orders, Request, Standard, Stay, Submission
from pfi.routing import remarks
from pfi.routing.decide import decide
from pfi.routing.exceptions.identity import ANONYMOUS
from pfi.routing.rules import RuleBook
from pfi.standards.cda.checks import check_header
from pfi.standards.cda.header import read_header as read_cda_header
from pfi.standards.fhir.answer import write_acceptance, write_refusal
from pfi.standards.fhir.outline import NO_OUTLINE, Outline
from pfi.standards.fhir.parser import UnreadableBundleError, is_json, parse_bundle
from pfi.standards.fhir.request import open_lot, outline_of, read_lot
from pfi.standards.hl7v2.ack import write_ack
from pfi.standards.hl7v2.adt import read_adt
from pfi.standards.hl7v2.header import read_header
from pfi.standards.hl7v2.request import read_request
from pfi.standards.hl7v2.timestamp import as_utc, read_timestamp
from pfi.standards.hl7v2.tokenizer import UnreadableMessageError, parse

OBLIGATION_GAP = remarks.GAP.rule
"""Finding of `policy: warn`, told in the technical acknowledgment."""

_INS_NOT_IN_DOCUMENT = Finding(
    "INS_NOT_IN_DOCUMENT",
    Severity.WARNING,
    "ClinicalDocument/recordTarget",
    "L'identité est maintenant qualifiée, mais ni le message ni le document ne portent l'INS : l'émetteur doit les "
    "renvoyer avec elle.",
    "INS digest §6",
)

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


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What will be done about it. `identity` is `None` when there is no submission."""

    ack: TechnicalAck
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]
    submission: Submission | None
    identity: Assessment | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery and the decision it comes from; `decision.action` is `SEND` or `HOLD`."""

    delivery: Delivery
    decision: Decision


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
    findings = (*reading.findings, *findings, *_agreement(reading.request, documents, profile))
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
    findings = (*reading.findings, *findings, *_agreement(reading.request, documents, profile))
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


def patient_keys(patient: Patient) -> tuple[str, ...]:
    """The keys under which what is known of a patient may be found: the INS first, then local identifiers."""
    return (*ins_keys((patient.ins,) if patient.ins else ()), *local_keys(patient.identifiers))


def ins_keys(every: Iterable[Ins]) -> tuple[str, ...]:
    """Keys of INS."""
    return tuple(f"ins:{ins.oid}:{ins.matricule}" for ins in every)


def local_keys(identifiers: Iterable[Identifier]) -> tuple[str, ...]:
    """Keys of the permanent local identifiers (IPP, CX-5 = PI) among these."""
    return tuple(
        f"local:{identifier.authority_oid or identifier.authority_name}:{identifier.value}"
        for identifier in identifiers
        if identifier.type_code == "PI"
    )


def conclude(
    interpretation: Interpretation,
    state: PatientState | None,
    rules: RuleBook,
    now: datetime,
    *,
    released: frozenset[Channel] = frozenset(),
) -> Conclusion:
    """Checks the identity, applies the rules and says what to answer. Pure: same arguments, same result.

    `now` is the moment of the decision, which may be long after the message was received: what ADT told since the
    message was written wins over what the message says of the identity. `released`: channels that an operator let go.
    """
    submission = interpretation.submission
    if submission is None:
        return Conclusion(_acknowledge(interpretation.findings), interpretation.findings, (), None)
    profile = interpretation.profile
    identity = _identify(submission, state, profile)
    submission = replace(submission, patient=_as_identified(submission.patient, identity))
    comparison = _same_patient(submission, identity.status, profile)
    identity = with_documents(identity, comparison)
    findings = _each_once((*interpretation.findings, *identity.findings, *comparison))
    if refuses(findings):
        decisions = tuple(_refused(submission, findings))
    else:
        decisions = decide(submission, state, identity, rules, profile, now, released=released)
        findings = _each_once((*findings, *_gaps(decisions)))
    return Conclusion(_acknowledge(findings), findings, decisions, submission, identity)


def told_at(submission: Submission) -> datetime | None:
    """When a document message was written (MSH-7), never later than its reception; `None` = not known."""
    written = read_timestamp(submission.message.sent_at)
    moments = [moment for moment in (written and as_utc(written), submission.received_at) if moment is not None]
    return min(moments, default=None)


def _identify(submission: Submission, state: PatientState | None, profile: SenderProfile) -> Assessment:
    """The identity, with what ADT told since. An INS that came by ADT alone is of use only when the documents carry one
    too: the PFI may not write it into them (INS digest §6)."""
    identity = assess(submission.patient, state, profile, told_at=told_at(submission))
    completed = submission.patient.ins is None and identity.patient.ins is not None
    if completed and not any(document.header.patient.ins is not None for document in submission.documents):
        return replace(
            identity,
            status=IdentityStatus.NOT_QUALIFIED,
            code="INS_NOT_IN_DOCUMENT",
            patient=submission.patient,
            findings=(*identity.findings, _INS_NOT_IN_DOCUMENT),
        )
    return identity


def _as_identified(patient: Patient, identity: Assessment) -> Patient:
    """The patient as rules see them: with the INS that a qualified identity may use, and the PID-32 that decided. An
    anonymity that the message asks for stands, whatever is told later of the identity (obligations digest §5, E04)."""
    if identity.status is IdentityStatus.QUALIFIED:
        patient = replace(patient, ins=identity.patient.ins, other_ins=identity.patient.other_ins)
    if not identity.reliability:
        return patient
    asked = tuple(each for each in patient.reliability if each.strip().upper() in ANONYMOUS)
    return replace(patient, reliability=tuple(dict.fromkeys((*identity.reliability, *asked))))


def plan(conclusion: Conclusion, ids: IdSource, now: datetime) -> tuple[Planned, ...]:
    """One delivery per channel that is sent or held; the renditions of a document (N1, N3) travel together."""
    submission = conclusion.submission
    if submission is None or conclusion.identity is None or conclusion.ack.code is not AckCode.AA:
        return ()
    qualified = conclusion.identity.status is IdentityStatus.QUALIFIED
    patient = may_carry(submission.patient, qualified)
    planned = []
    for channel in Channel:
        decision = next((each for each in conclusion.decisions if each.channel is channel), None)
        if decision is None or decision.action not in (Action.SEND, Action.HOLD):
            continue
        delivery = Delivery(
            id=ids.uuid4(),
            channel=channel,
            request=submission.request,
            documents=submission.documents,
            patient=patient,
            qualified=qualified,
            stay=submission.stay,
            orders=submission.orders,
            message=submission.message,
            sender=submission.sender,
            recipients=decision.recipients,
            reply_to=submission.reply_to,
            body=submission.body_patient if channel is Channel.CIT else submission.body_professional,
            ids=_delivery_ids(ids),
            created_at=now,
            mailbox=decision.mailbox,
            establishment=submission.establishment,
        )
        planned.append(Planned(delivery, decision))
    return tuple(planned)


def may_carry(patient: Patient, qualified: bool) -> Patient:
    """The patient as a delivery may name them: without INS when the identity is not qualified (INS/va1.53)."""
    return patient if qualified else replace(patient, ins=None, other_ins=())


def acknowledgment(
    interpretation: Interpretation, conclusion: Conclusion, *, control_id: str, now: datetime
) -> bytes | None:
    """The ACK message without framing, or the body of the FHIR answer; `None` when there is nobody to answer to."""
    if interpretation.standard is Standard.FHIR:
        return _fhir_answer(interpretation, conclusion)
    if interpretation.header is None:
        return None
    return write_ack(interpretation.header, conclusion.ack, control_id=control_id, now=now)


def _fhir_answer(interpretation: Interpretation, conclusion: Conclusion) -> bytes:
    header = interpretation.header
    if header is None or conclusion.ack.code is not AckCode.AA:
        return write_refusal(conclusion.findings, interpretation.outline)
    return write_acceptance(header.control_id, interpretation.outline, conclusion.findings, conclusion.decisions)


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


def _agreement(request: DocumentRequest, documents: tuple[Document, ...], profile: SenderProfile) -> Iterator[Finding]:
    """What the message announces against what the CDA says (hl7v2 digest §1.6, §1.7, §1.8, §3.1)."""
    deviation = Severity.ERROR if profile.mode == "strict" else Severity.WARNING
    if request.orders.modif_conf_code and request.request is Request.INITIAL:
        yield Finding(
            "VISIBILITY_CHANGE_WITHOUT_REPLACEMENT",
            deviation,
            "ORC^1^1",
            "Changement de visibilité ou de masquage annoncé (MODIF_CONF_CODE = Y) par une transmission initiale : le "
            "document déjà déposé garde sa visibilité ; un remplacement (OBX-11 = C, nouvel identifiant) est attendu.",
            "hl7v2 digest §3.2",
            err3="207",
            err5="906",
        )
    for index, document in enumerate(documents):
        where = f"OBX^{document.obx_set_id}^5"
        if request.code.code and request.code.code != document.header.code.code:
            yield Finding(
                "TYPE_MISMATCH",
                deviation,
                "OBR^1^4",
                "Le type annoncé par OBR-4 n'est pas celui du document CDA, qui fait foi.",
                "hl7v2 digest §1.6",
                err3="207",
                err5="906",
            )
        if request.request is Request.REPLACE and document.header.replaced is None:
            yield Finding(
                "NOTHING_TO_REPLACE",
                Severity.ERROR,
                where,
                "Remplacement demandé (OBX-11 = C) mais le CDA ne désigne aucun document à remplacer "
                "(relatedDocument RPLC).",
                "hl7v2 digest §3.1",
                err3="207",
                err5="906",
            )
        if index == 0:
            yield from _announced_ids(request, document, deviation)
    levels = [document.header.level for document in documents]
    if len(levels) == 2 and levels[0] == levels[1]:
        yield Finding(
            "SAME_LEVEL_TWICE",
            deviation,
            f"OBX^{documents[1].obx_set_id}^5",
            "Les deux documents du message ont le même niveau CDA ; un N1 et un N3 du même document sont attendus.",
            "hl7v2 digest §1.8",
            err3="198",
        )
    if len({document.unique_id for document in documents}) < len(documents):
        yield Finding(
            "SAME_DOCUMENT_TWICE",
            Severity.ERROR,
            f"OBX^{documents[-1].obx_set_id}^5",
            "Les deux documents du message portent le même identifiant.",
            "hl7v2 digest §1.8",
            err3="207",
            err5="906",
        )


def _announced_ids(request: DocumentRequest, document: Document, deviation: Severity) -> Iterator[Finding]:
    if request.announced_id is not None and not request.announced_id.same_as(document.header.document_id):
        yield Finding(
            "DOCUMENT_ID_MISMATCH",
            deviation,
            "TXA^1^12",
            "TXA-12 n'est pas l'identifiant du document CDA, qui fait foi.",
            "hl7v2 digest §1.7",
            err3="207",
            err5="906",
        )
    if (
        request.request is Request.REPLACE
        and request.announced_parent is not None
        and document.header.replaced is not None
        and not request.announced_parent.same_as(document.header.replaced)
    ):
        yield Finding(
            "PARENT_ID_MISMATCH",
            deviation,
            "TXA^1^13",
            "TXA-13 n'est pas le document que le CDA remplace ; le CDA fait foi.",
            "hl7v2 digest §1.7",
            err3="207",
            err5="906",
        )


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


def _same_patient(submission: Submission, status: IdentityStatus, profile: SenderProfile) -> tuple[Finding, ...]:
    """PID against each CDA. A bare CDA has nothing to be compared with."""
    if submission.message.message_code == "CDA":
        return ()
    patients = [document.header.patient for document in submission.documents]
    findings = [
        finding for patient in patients for finding in coherence.compare(submission.patient, patient, status, profile)
    ]
    for other in patients[1:]:
        findings.extend(coherence.compare_renditions(patients[0], other))
    return tuple(findings)


def _each_once(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The same observation made on both renditions of a document is one observation."""
    return tuple(dict.fromkeys(findings))


def _gaps(decisions: tuple[Decision, ...]) -> Iterator[Finding]:
    """`policy: warn`, the sender's or that of a rule of the site: a duty that is not met and that the law does not
    explain, told in the acknowledgment."""
    for decision in decisions:
        warned = any(reason.rule == OBLIGATION_GAP for reason in decision.because)
        if warned and not decision.legal_gap and decision.action is not Action.HOLD:
            yield Finding(
                OBLIGATION_GAP,
                Severity.WARNING,
                "OBX",
                f"Envoi dû et non réalisé ({decision.channel}, {decision.code}) : CSP, article L. 1111-15.",
                "obligations digest §4",
                err3="207",
            )


def _refused(submission: Submission, findings: tuple[Finding, ...]) -> Iterator[Decision]:
    """A refused message leaves on no channel, and says why on each."""
    because = tuple(Reason(finding.code, finding.text) for finding in findings if finding.severity is Severity.ERROR)
    recipients: tuple[Recipient, ...] = ()
    for document in submission.documents:
        for channel in Channel:
            yield Decision(document.unique_id, channel, Action.DENY, because, recipients, code=because[0].rule)


def _acknowledge(findings: tuple[Finding, ...]) -> TechnicalAck:
    errors = tuple(
        AckError(
            err3=finding.err3 or "207",
            location=finding.where if "^" in finding.where or finding.where.isupper() else "",
            err5=finding.err5,
            text=finding.text,
        )
        for finding in findings
        if finding.severity is Severity.ERROR
    )
    if errors:
        return TechnicalAck(AckCode.AE, errors)
    hints = tuple(
        AckError(err3=each.err3, text=each.text, severity="W") for each in findings if each.code == OBLIGATION_GAP
    )
    return TechnicalAck(AckCode.AA, hints)


def _delivery_ids(ids: IdSource) -> DeliveryIds:
    return DeliveryIds(
        submission_set=ids.oid(),
        signature=ids.oid(),
        message_id=str(ids.uuid4()),
        envelope=ids.uuid4().hex,
        control_id=ids.control_id(),
    )
