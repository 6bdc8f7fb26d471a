"""What follows from a message that was read: what is known of its patient and the rules give the acknowledgment, the
findings and the decisions."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pfi.engine.interpretation import Interpretation
from pfi.identity import coherence
from pfi.identity.status import Assessment, assess, with_documents
from pfi.model.acknowledgment import AckCode, AckError, TechnicalAck
from pfi.model.decision import Action, Channel, Decision, Reason
from pfi.model.finding import Finding, Severity, refuses
from pfi.model.parties import Recipient
from pfi.model.patient import IdentityStatus, Patient, PatientState
from pfi.model.profile import SenderProfile
from pfi.model.submission import Standard, Submission
from pfi.routing import remarks
from pfi.routing.decide import decide
from pfi.routing.exceptions.identity import ANONYMOUS
from pfi.routing.rules import RuleBook
from pfi.standards.fhir.answer import write_acceptance, write_refusal
from pfi.standards.hl7v2.ack import write_ack
from pfi.standards.hl7v2.timestamp import as_utc, read_timestamp

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


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What will be done about it. `identity` is `None` when there is no submission."""

    ack: TechnicalAck
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]
    submission: Submission | None
    identity: Assessment | None = None


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


def acknowledgment(
    interpretation: Interpretation, conclusion: Conclusion, *, control_id: str, now: datetime
) -> bytes | None:
    """The ACK message without framing, or the body of the FHIR answer; `None` when there is nobody to answer to."""
    if interpretation.standard is Standard.FHIR:
        return _fhir_answer(interpretation, conclusion)
    if interpretation.header is None:
        return None
    return write_ack(interpretation.header, conclusion.ack, control_id=control_id, now=now)


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


def _refused(submission: Submission, findings: tuple[Finding, ...]) -> Iterator[Decision]:
    """A refused message leaves on no channel, and says why on each."""
    because = tuple(Reason(finding.code, finding.text) for finding in findings if finding.severity is Severity.ERROR)
    recipients: tuple[Recipient, ...] = ()
    for document in submission.documents:
        for channel in Channel:
            yield Decision(document.unique_id, channel, Action.DENY, because, recipients, code=because[0].rule)


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


def _each_once(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The same observation made on both renditions of a document is one observation."""
    return tuple(dict.fromkeys(findings))


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


def _fhir_answer(interpretation: Interpretation, conclusion: Conclusion) -> bytes:
    header = interpretation.header
    if header is None or conclusion.ack.code is not AckCode.AA:
        return write_refusal(conclusion.findings, interpretation.outline)
    return write_acceptance(header.control_id, interpretation.outline, conclusion.findings, conclusion.decisions)
