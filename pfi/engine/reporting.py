"""What the sender is told after the technical acknowledgment: business acknowledgments (hl7v2 digest §4.2).

Z01 for the DMP when ACK_RECEPTION = Y and DESTDMP = Y; Z02 for each mailbox when ACK_RECEPTION = Y and the mail was
ordered. Nothing is told that was not asked for. Functions here are pure; the outbox stores and sends.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pfi.engine.delivery import Claim
from pfi.model.acknowledgment import BusinessAck, BusinessEvent
from pfi.model.decision import Action, Channel, Decision
from pfi.model.delivery import Delivery
from pfi.model.parties import Recipient, RecipientKind
from pfi.model.submission import Orders, Submission
from pfi.standards.hl7v2.codes import OTHER_APPLICATION_ERROR, smtp_code, smtp_codes
from pfi.store.attempts import EndedAttempt
from pfi.store.states import DeliveryState

_SMTP_OF_REASON = {
    "NO_RECIPIENT": "510",
    "NO_MSS_ADDRESS": "510",
    "FREE_CHOICE_NO_RECIPIENT": "510",
    "INS_NOT_QUALIFIED": "510",
    "INS_INCOMPLETE": "510",
    "INS_IN_CDA_NOT_QUALIFIED": "510",
    "IDENTITY_ATTRIBUTE": "510",
    "INS_NOT_IN_DOCUMENT": "510",
    "INS_CONTRADICTED": "510",
    "INS_UNDECIDED": "510",
    "NOT_WHITELISTED": "512",
    "SIZE_LIMIT": "523",
    "CIT_OPPOSED": "541",
    "PRO_OPPOSED": "541",
    "MES_ABSENT": "550",
}
"""Mail that is not sent at all: reason of the decision -> SMTPERRORCODE; any other reason is 554."""

_GIVEN_UP = "420"
"""Mail given up after its last try, or no DSN in time (mssante digest §7)."""


def mail_code(code: str) -> str:
    """SMTPERRORCODE of a refusal: the peer's own code, else that of the reason of the decision."""
    return smtp_code(_SMTP_OF_REASON.get(code, code))


def ordered(orders: Orders, channel: Channel) -> bool:
    """Whether the sender ordered this channel and wants to know."""
    flags = {Channel.DMP: orders.dest_dmp, Channel.PRO: orders.dest_mss_ps, Channel.CIT: orders.dest_mss_pat}
    return orders.ack_reception is True and flags[channel] is True


def at_intake(
    submission: Submission, decisions: Iterable[Decision], now: datetime, *, tell_held: bool = True
) -> Iterator[BusinessAck]:
    """What is known at once: channels that were ordered and are denied, void or held. One answer for a message, not one
    for each of its documents. `tell_held` is `hold.notify: at_once`."""
    told: set[Channel] = set()
    for decision in decisions:
        channel = decision.channel
        if decision.action is Action.SEND or channel in told or not ordered(submission.orders, channel):
            continue
        if decision.action is Action.HOLD and not tell_held:
            continue
        told.add(channel)
        text = decision.because[0].text if decision.because else ""
        yield from refusal(submission, channel, decision.recipients, decision.code, text, now)


def refusal(
    submission: Submission, channel: Channel, recipients: tuple[Recipient, ...], code: str, text: str, now: datetime
) -> Iterator[BusinessAck]:
    """N for a channel that will not be served: one Z01, or a Z02 for each mailbox that would have been."""
    if not ordered(submission.orders, channel):
        return
    if channel is Channel.DMP:
        yield _dmp(submission.message.control_id, now, code or "REFUSED", text)
        return
    wanted = recipients or tuple(each for each in submission.recipients if _is_for(each, channel))
    for recipient in wanted or (None,):
        yield _mss(
            submission.message.control_id,
            now,
            recipient.address if recipient else "",
            recipient.identifier if recipient else "",
            mail_code(code),
            text,
        )


def event_of(channel: Channel) -> BusinessEvent:
    """The event that tells what becomes of a channel."""
    return BusinessEvent.DMP_RECEPTION if channel is Channel.DMP else BusinessEvent.MSS_RECEPTION


def unsaid(reports: Iterable[BusinessAck], channel: Channel, told: frozenset[str]) -> Iterator[BusinessAck]:
    """Those about which the sender was told nothing yet. `told`: mailboxes (lower case) already answered for by the
    event of this channel. A citizen's mail may have been answered for before its mailbox was known."""
    answered = channel is Channel.CIT and "" in told
    for report in reports:
        if not answered and report.mailbox.lower() not in told:
            yield report


def after_attempt(claim: Claim, ended: EndedAttempt) -> Iterator[BusinessAck]:
    """What an attempt makes us say: the end of a DMP delivery, the fate of each mailbox that is now known."""
    delivery = claim.delivery
    if not ordered(delivery.orders, delivery.channel):
        return
    control_id = delivery.message.control_id
    if delivery.channel is Channel.DMP:
        if ended.state is DeliveryState.DELIVERED:
            yield _dmp(control_id, ended.ended_at)
        elif ended.state in (DeliveryState.REFUSED, DeliveryState.FAILED):
            yield _dmp(control_id, ended.ended_at, ended.code or "NOT_DELIVERED", ended.text)
        return
    for result in ended.results:
        if result.dsn == "expected":
            continue
        code = ""
        if result.outcome == "failed":
            code = result.code if result.code in smtp_codes() else _GIVEN_UP
        elif result.outcome == "refused":
            code = mail_code(result.code)
        yield _mss(control_id, ended.ended_at, result.address, result.party_id, code, result.text)
    if not ended.results and ended.state in (DeliveryState.REFUSED, DeliveryState.FAILED, DeliveryState.DELIVERED):
        yield from _without_mailbox(delivery, ended)


def dsn(
    control_id: str, address: str, party_id: str, delivered: bool, code: str, text: str, now: datetime
) -> BusinessAck:
    """What a delivery status notification says of a mailbox."""
    return _mss(control_id, now, address, party_id, "" if delivered else mail_code(code or _GIVEN_UP), text)


def reading(
    control_id: str, address: str, party_id: str, success: bool, code: str, text: str, now: datetime
) -> BusinessAck:
    """What a reading notification (MDN) says: Z03, one of 900 to 906 when it was not integrated (hl7v2 digest §5.5)."""
    return BusinessAck(
        event=BusinessEvent.MSS_READING,
        request_control_id=control_id,
        success=success,
        occurred_at=now,
        mailbox=address,
        party_id=party_id,
        error_code="" if success else code or OTHER_APPLICATION_ERROR,
        error_text="" if success else text,
    )


def dsn_timeout(control_id: str, address: str, party_id: str, now: datetime) -> BusinessAck:
    """No notification came in time: N, 420 (mssante digest §7)."""
    return _mss(control_id, now, address, party_id, _GIVEN_UP, "Aucun avis de remise reçu dans le délai prévu.")


def _without_mailbox(delivery: Delivery, ended: EndedAttempt) -> Iterator[BusinessAck]:
    """A mail whose address the connector computes: the delivery names no mailbox."""
    if delivery.recipients:
        return
    good = ended.state is DeliveryState.DELIVERED
    yield _mss(delivery.message.control_id, ended.ended_at, "", "", "" if good else mail_code(ended.code), ended.text)


def _is_for(recipient: Recipient, channel: Channel) -> bool:
    return (recipient.kind is RecipientKind.PATIENT) == (channel is Channel.CIT)


def _dmp(control_id: str, at: datetime, code: str = "", text: str = "") -> BusinessAck:
    return BusinessAck(
        event=BusinessEvent.DMP_RECEPTION,
        request_control_id=control_id,
        success=not code,
        occurred_at=at,
        error_code=code,
        error_text=text if code else "",
    )


def _mss(control_id: str, at: datetime, mailbox: str, party_id: str, code: str, text: str) -> BusinessAck:
    return BusinessAck(
        event=BusinessEvent.MSS_RECEPTION,
        request_control_id=control_id,
        success=not code,
        occurred_at=at,
        mailbox=mailbox if "@" in mailbox else "",
        party_id=party_id,
        error_code=code,
        error_text=text if code else "",
    )
