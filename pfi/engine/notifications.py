"""What comes back about our mails: delivery notifications to Z02, reading notifications to Z03 (mssante digest §7, §8).

The last word counts: a failure that comes after a success is told too. The same thing said twice is told once. The
creator hears of the reception first: who answers a mail has received it, whether or not its Z02 was still awaited.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from pfi.engine import reporting
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.outbox import Outbox
from pfi.engine.reading import Reader
from pfi.model.acknowledgment import BusinessAck, BusinessEvent
from pfi.model.decision import Channel
from pfi.model.submission import Orders, Submission
from pfi.standards.mail.mdn import Disposition, ReadReport
from pfi.standards.mail.report import DeliveryReport, DsnAction, RecipientReport
from pfi.store import acks, deliveries, messages, queue, readings
from pfi.store.database import Connection
from pfi.store.deliveries import AwaitedDsn
from pfi.store.readings import MailReader, SentMail

_LOG = get_logger("notifications")


class Taken(StrEnum):
    """`TOLD`: it says something new. `KNOWN`: it repeats what was said. `EARLY`: the mail that it is about is still
    being submitted, or it is in doubt whether it was. `UNKNOWN`: it is about no mail, or no mailbox, of ours."""

    TOLD = "told"
    KNOWN = "known"
    EARLY = "early"
    UNKNOWN = "unknown"


_UNSAID: Final = frozenset({"expected", "timeout"})
"""States of a delivery notification of which nothing good was told."""
_AFTER_RECEPTION: Final = timedelta(seconds=1)
"""Between the acknowledgment of a reception that is still to be told and that of the reading."""

_RANK = (Taken.EARLY, Taken.TOLD, Taken.KNOWN, Taken.UNKNOWN)


class Notifications:
    def __init__(self, context: Context, reader: Reader, outbox: Outbox) -> None:
        self._context = context
        self._reader = reader
        self._outbox = outbox

    async def dsn_received(
        self, envelope: str, address: str, action: DsnAction, code: str = "", text: str = ""
    ) -> bool:
        """Takes one recipient of a DSN: `envelope` is the ENVID of the mail, `code` an SMTPERRORCODE when it failed,
        `text` French. Returns False when it is about no mail of ours, or about one whose submission is not over."""
        recipient = RecipientReport(address, "", action, code=code)
        taken = await self._delivered(DeliveryReport(envelope, (), (recipient,)), recipient, text)
        return taken in (Taken.TOLD, Taken.KNOWN)

    async def delivery_reported(self, report: DeliveryReport) -> Taken:
        """Takes a whole DSN or bounce."""
        return _overall([await self._delivered(report, each) for each in report.recipients])

    async def reading_reported(self, report: ReadReport) -> Taken:
        """Takes an MDN, or an error mail."""
        if report.success is None:
            return Taken.UNKNOWN
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            sent = await readings.sent_mail(connection, "", report.message_ids)
            if sent is None:
                return Taken.UNKNOWN
            readers = await readings.readers(connection, sent.delivery_id)
            found = _named(sent, readers, report.addressee, report.reader)
            if isinstance(found, Taken):
                return found
            if report.disposition is Disposition.DELETED and await readings.displayed(
                connection, sent.delivery_id, found.address
            ):
                # Deleted after it was read says nothing of the reading (mssante digest §8.2).
                return Taken.KNOWN
            new = await readings.add_reading(
                connection,
                sent.delivery_id,
                found.address,
                success=report.success,
                disposition=report.disposition.value,
                code=report.code,
                text=report.label,
                now=now,
            )
            if not new:
                return Taken.KNOWN
            if found.dsn in _UNSAID:
                awaited = AwaitedDsn(sent.delivery_id, sent.message_id, found.address, found.party_id)
                await deliveries.set_dsn(connection, awaited, "received", "delivered", "", "", now)
                await self._tell(connection, sent, partial(_arrived, found, now), reporting.ordered)
            read = partial(_read, found, report, now)
            await self._tell(connection, sent, read, lambda orders, _: orders.ack_lecture_mss is True)
        _LOG.info("mdn", delivery=str(sent.delivery_id), disposition=report.disposition.value, success=report.success)
        return Taken.TOLD

    async def expire(self) -> int:
        """Reports the mailboxes whose DSN did not come in time; returns how many."""
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            late = await deliveries.late_dsn(connection, now)
            for awaited in late:
                text = "Aucun avis de remise reçu dans le délai prévu."
                await deliveries.set_dsn(connection, awaited, "timeout", "failed", "420", text, now)
                sent = SentMail(awaited.delivery_id, awaited.message_id)
                await self._tell(connection, sent, partial(_late, awaited, now), reporting.ordered)
        if late:
            _LOG.warning("dsn_late", mailboxes=len(late))
        return len(late)

    async def _delivered(self, report: DeliveryReport, recipient: RecipientReport, text: str = "") -> Taken:
        now = self._context.clock()
        action, code = recipient.action, recipient.code
        async with self._context.database.transaction() as connection:
            sent = await readings.sent_mail(connection, report.envelope, report.message_ids)
            if sent is None:
                return Taken.UNKNOWN
            readers = await readings.readers(connection, sent.delivery_id)
            found = _named(sent, readers, recipient.original_address, recipient.address)
            if isinstance(found, Taken):
                return found
            if action is DsnAction.DELAYED:
                await self._event(connection, "dsn_delayed", sent, code, now)
                return Taken.TOLD
            good = action is not DsnAction.FAILED
            outcome = "delivered" if good else "refused"
            if found.dsn == "received" and found.outcome == outcome:
                return Taken.KNOWN
            if found.outcome == "delivered" and not good and found.dsn != "expected":
                # The sender may have been told that it had arrived: a correction, for people to see.
                await self._event(connection, "dsn_contradicts", sent, code, now)
            awaited = AwaitedDsn(sent.delivery_id, sent.message_id, found.address, found.party_id)
            await deliveries.set_dsn(connection, awaited, "received", outcome, code, text, now)
            if good and found.dsn == "none":
                # Nobody awaited a success: it was told when the operator took the mail.
                return Taken.KNOWN
            await self._tell(
                connection,
                sent,
                lambda control_id: reporting.dsn(control_id, found.address, found.party_id, good, code, text, now),
                reporting.ordered,
            )
        _LOG.info("dsn", delivery=str(sent.delivery_id), action=action.value, code=code)
        return Taken.TOLD

    async def _event(self, connection: Connection, kind: str, sent: SentMail, code: str, now: datetime) -> None:
        await messages.add_event(
            connection, kind, now, message_id=sent.message_id, delivery_id=sent.delivery_id, detail={"code": code}
        )

    async def _tell(
        self,
        connection: Connection,
        sent: SentMail,
        report: Callable[[str], BusinessAck],
        asked: Callable[[Orders, Channel], bool],
    ) -> None:
        """One business acknowledgment, when the sender asked for it and the message can still be read."""
        work = await deliveries.read(connection, sent.delivery_id)
        if work is None or work.body is None:
            return
        interpretation, _ = await self._reader.read(work.body, work.listener, work.received_at)
        submission: Submission | None = interpretation.submission
        if submission is None or not asked(submission.orders, Channel(work.channel)):
            return
        ack = report(submission.message.control_id)
        written = self._outbox.write(submission.message, work.sender, [ack], delivery_id=sent.delivery_id, claim=False)
        await acks.add(connection, sent.message_id, written)
        wait = timedelta(0)
        if ack.event is BusinessEvent.MSS_READING:
            due = await readings.reception_due(connection, sent.delivery_id, ack.mailbox)
            wait = wait if due is None else max(due - ack.occurred_at, wait) + _AFTER_RECEPTION
        await queue.enqueue(connection, [replace(job, delay=wait) for job in self._outbox.jobs(written)])


def _overall(taken: Iterable[Taken]) -> Taken:
    said = set(taken)
    return next((each for each in _RANK if each in said), Taken.UNKNOWN)


def _named(sent: SentMail, readers: tuple[MailReader, ...], *addresses: str) -> MailReader | Taken:
    """The mailbox that a notification is about: by name, else the only one when the notification names nobody. While
    the mail is leaving, it may be about one that has no result yet."""
    by_address = {reader.address.lower(): reader for reader in readers}
    found = next((by_address[each.lower()] for each in addresses if each.lower() in by_address), None)
    if found is not None:
        return found
    if sent.leaving:
        return Taken.EARLY
    # A mailbox that forwards answers under another name: of one reader only, it can be nobody else.
    return readers[0] if len(readers) == 1 else Taken.UNKNOWN


def _read(found: MailReader, report: ReadReport, now: datetime, control_id: str) -> BusinessAck:
    return reporting.reading(
        control_id, found.address, found.party_id, bool(report.success), report.code, report.label, now
    )


def _arrived(found: MailReader, now: datetime, control_id: str) -> BusinessAck:
    return reporting.dsn(control_id, found.address, found.party_id, True, "", "", now)


def _late(awaited: AwaitedDsn, now: datetime, control_id: str) -> BusinessAck:
    return reporting.dsn_timeout(control_id, awaited.address, awaited.party_id, now)
