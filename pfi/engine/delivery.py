"""What follows an attempt: pure, so that every case can be read and tested in one place."""

import random
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pfi.engine.settings import RetrySettings
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome, Version
from pfi.model.parties import Recipient, RecipientKind
from pfi.model.patient import Patient
from pfi.model.submission import Request, Submission
from pfi.store.attempts import EndedAttempt, RecipientRow
from pfi.store.deliveries import Work
from pfi.store.states import DeliveryState

_SETTLED = (OutcomeKind.DELIVERED, OutcomeKind.REFUSED)
_MAX_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process may try. `resolve`: it may have left already; `look_only`: and was decided otherwise
    since, so that it must not be sent again."""

    delivery: Delivery
    message_id: int
    sender: str
    destination: str
    lineage: str
    fence: int = 1
    attempts: int = 0
    budget_from: int = 0
    resolve: bool = False
    look_only: bool = False
    partial_code: str = ""
    uncertain: bool = False

    @property
    def id(self) -> uuid.UUID:
        return self.delivery.id


def rebuild(
    work: Work, submission: Submission, previous_message_id: str, versions: tuple[Version, ...] = ()
) -> Delivery:
    """The delivery that was planned, from its stored row and its message read again: same ids, same moment."""
    patient = _as_decided(submission, work.qualified)
    return Delivery(
        id=work.id,
        channel=work.channel,
        request=work.request,
        documents=submission.documents,
        patient=patient,
        qualified=work.qualified,
        stay=submission.stay,
        orders=submission.orders,
        message=submission.message,
        sender=submission.sender,
        recipients=work.recipients,
        reply_to=submission.reply_to,
        body=submission.body_patient if work.channel is Channel.CIT else submission.body_professional,
        ids=work.ids,
        created_at=work.created_at,
        attempt=work.attempts + 1,
        may_have_left=work.may_have_left,
        previous_message_id=previous_message_id,
        addressees=work.addressees,
        mailbox=work.mailbox,
        establishment=submission.establishment,
        versions=versions,
    )


def _as_decided(submission: Submission, qualified: bool) -> Patient:
    """The patient as the decision saw them: without INS when not qualified; with the INS of the documents when ADT gave
    it since and the message itself does not carry it."""
    patient = submission.patient
    if not qualified:
        return replace(patient, ins=None, other_ins=())
    carried = [document.header.patient.ins for document in submission.documents]
    return patient if patient.ins is not None else replace(patient, ins=next((each for each in carried if each), None))


def claimed(work: Work, delivery: Delivery) -> Claim:
    return Claim(
        delivery=delivery,
        message_id=work.message_id,
        sender=work.sender,
        destination=work.destination,
        lineage=work.lineage,
        fence=work.fence,
        attempts=work.attempts,
        budget_from=work.budget_from,
        resolve=work.resolve,
        look_only=work.recheck,
        partial_code=work.partial_code,
        uncertain=work.uncertain,
    )


def wait_before(retry: RetrySettings, tries: int, source: random.Random) -> timedelta:
    """How long after the `tries`-th failed try the next one comes: exponential, capped, with jitter."""
    # The exponent is bounded so that a long budget cannot overflow a float.
    seconds = min(retry.first_seconds * retry.factor ** min(tries - 1, 64), retry.longest_seconds)
    return timedelta(seconds=seconds * (1 + _MAX_JITTER * source.random()))


def follow(
    claim: Claim,
    outcome: Outcome,
    *,
    started_at: datetime,
    ended_at: datetime,
    retry: RetrySettings,
    source: random.Random,
    dsn_deadline: datetime,
    not_before: datetime | None = None,
    was_stopped: bool = False,
) -> EndedAttempt:
    """The state that follows an outcome, recipient by recipient for mails, and when to try next.

    `not_before` is the end of the pause of a stopped destination; `was_stopped`: it was stopped already. Meeting a stop
    then uses up no try, however long it lasts; bringing one about does, for the document itself may be its cause, and
    would else keep the destination from the others for ever.
    """
    settled, remaining = _by_recipient(claim, outcome)
    kind = _overall(outcome, settled, remaining, claim.partial_code)
    tries = claim.attempts - claim.budget_from + 1
    counted = outcome.counts and not (outcome.stop_destination and was_stopped)
    exhausted = counted and tries >= min(retry.max_attempts, outcome.max_attempts or retry.max_attempts)
    state = _STATE_AFTER[kind]
    next_try = None
    if state in (DeliveryState.QUEUED, DeliveryState.UNKNOWN):
        if exhausted:
            state = DeliveryState.FAILED
        else:
            wait = wait_before(retry, tries, source)
            if outcome.retry_after is not None:
                wait = timedelta(seconds=outcome.retry_after)
            next_try = max(ended_at + wait, not_before or ended_at)
    code, text = outcome.code, outcome.text
    if state is DeliveryState.FAILED:
        settled += remaining
        if kind is OutcomeKind.UNKNOWN and claim.delivery.channel is Channel.DMP:
            text = f"{text} {_DOUBT[claim.delivery.request is Request.DELETE]}".lstrip()
    refused = next((answer for _, answer in settled if answer.kind is OutcomeKind.REFUSED), None)
    partial_code = claim.partial_code or ((refused.code or "REFUSED") if refused else "")
    if state is DeliveryState.REFUSED and not code:
        code, text = partial_code, text or (refused.text if refused else "Un destinataire au moins a été refusé.")
    dsn = outcome.evidence.get("dsn") == "expected"
    return EndedAttempt(
        id=claim.id,
        message_id=claim.message_id,
        fence=claim.fence,
        lineage=claim.lineage,
        channel=claim.delivery.channel,
        destination=claim.destination,
        envelope=claim.delivery.ids.envelope,
        kind="resolve" if claim.resolve else "send",
        started_at=started_at,
        ended_at=ended_at,
        outcome=outcome,
        state=state,
        next_try=next_try,
        recipients=claim.delivery.recipients
        if claim.delivery.channel is Channel.DMP
        else tuple(each for each, _ in remaining),
        code=code,
        text=text,
        partial_code=partial_code,
        uncertain=kind is OutcomeKind.UNKNOWN,
        counted=counted,
        results=tuple(_row(recipient, answer, dsn, dsn_deadline) for recipient, answer in settled),
    )


_DOUBT = {
    False: "Le document est peut-être dans le DMP, sans que la plateforme ait pu le vérifier.",
    True: "Le document n'est peut-être plus dans le DMP, sans que la plateforme ait pu le vérifier.",
}
"""What a doubt that is given up leaves behind, by whether it is about a deletion."""

_STATE_AFTER = {
    OutcomeKind.DELIVERED: DeliveryState.DELIVERED,
    OutcomeKind.REFUSED: DeliveryState.REFUSED,
    OutcomeKind.NOT_DELIVERED: DeliveryState.QUEUED,
    OutcomeKind.UNKNOWN: DeliveryState.UNKNOWN,
}

_Answered = list[tuple[Recipient, RecipientOutcome]]


def _by_recipient(claim: Claim, outcome: Outcome) -> tuple[_Answered, _Answered]:
    """Mailboxes whose fate is known after this attempt, and those still to be served. A mailbox that the outcome does
    not name shares its kind. The DMP has no mailbox."""
    if claim.delivery.channel is Channel.DMP:
        return [], []
    wanted = claim.delivery.recipients
    named = {_name(recipient) for recipient in wanted}
    answers = {answer.address.lower(): answer for answer in outcome.recipients}
    # The patient's address may be computed by the connector: an answer that nobody was named by is for who has none.
    computed = [answer for address, answer in answers.items() if address not in named]
    if not wanted:
        wanted = tuple(Recipient(RecipientKind.PATIENT, answer.address) for answer in computed)
        computed = []
    settled: _Answered = []
    remaining: _Answered = []
    for recipient in wanted:
        answer = answers.get(_name(recipient))
        if answer is None and not recipient.address and computed:
            answer = computed.pop(0)
        if answer is None:
            answer = RecipientOutcome(recipient.address or recipient.key, outcome.kind, outcome.code, outcome.text)
        (settled if answer.kind in _SETTLED else remaining).append((recipient, answer))
    return settled, remaining


def _name(recipient: Recipient) -> str:
    """What an answer calls a recipient: the mailbox, or who it is while no mailbox is known."""
    return (recipient.address or recipient.key).lower()


def _overall(outcome: Outcome, settled: _Answered, remaining: _Answered, partial_code: str) -> OutcomeKind:
    """Delivered only when every mailbox was, over all attempts; unknown as soon as one is."""
    if not settled and not remaining:
        return outcome.kind
    if not remaining:
        refused = partial_code or any(answer.kind is OutcomeKind.REFUSED for _, answer in settled)
        return OutcomeKind.REFUSED if refused else OutcomeKind.DELIVERED
    unknown = any(answer.kind is OutcomeKind.UNKNOWN for _, answer in remaining)
    return OutcomeKind.UNKNOWN if unknown else OutcomeKind.NOT_DELIVERED


def _row(recipient: Recipient, answer: RecipientOutcome, dsn: bool, deadline: datetime) -> RecipientRow:
    delivered = answer.kind is OutcomeKind.DELIVERED
    outcome = answer.kind if answer.kind in _SETTLED else "failed"
    expected = delivered and dsn
    return RecipientRow(
        address=answer.address,
        party_id=recipient.identifier,
        looked_up=recipient.key if recipient.looked_up or not recipient.address else "",
        outcome=outcome,
        code=answer.code,
        text=answer.text,
        dsn="expected" if expected else "none",
        dsn_deadline=deadline if expected else None,
    )
