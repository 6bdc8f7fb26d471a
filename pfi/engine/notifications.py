"""Delivery status notifications (DSN) of mails: from the operator's mailbox to Z02 (mssante digest §7)."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from pfi.engine import reporting
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.outbox import Outbox
from pfi.engine.reading import Reader
from pfi.model.acknowledgment import BusinessAck
from pfi.model.decision import Channel
from pfi.standards.mail.dsn import DsnAction
from pfi.store import acks, deliveries, messages, queue
from pfi.store.database import Connection
from pfi.store.deliveries import AwaitedDsn

_LOG = get_logger("notifications")


class Notifications:
    def __init__(self, context: Context, reader: Reader, outbox: Outbox) -> None:
        self._context = context
        self._reader = reader
        self._outbox = outbox

    async def dsn_received(
        self, envelope: str, address: str, action: DsnAction, code: str = "", text: str = ""
    ) -> bool:
        """Takes one recipient of a DSN: `envelope` is the ENVID of the mail, `code` an SMTPERRORCODE when it failed,
        `text` French. Returns False when no mail of ours awaits it (unknown, told already)."""
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            awaited = await deliveries.awaited_dsn(connection, envelope, address)
            if awaited is None:
                return False
            if action is DsnAction.DELAYED:
                detail = {"code": code}
                await messages.add_event(
                    connection,
                    "dsn_delayed",
                    now,
                    message_id=awaited.message_id,
                    delivery_id=awaited.delivery_id,
                    detail=detail,
                )
                return True
            good = action is not DsnAction.FAILED
            outcome = "delivered" if good else "refused"
            if action is DsnAction.RELAYED:
                code = "251"
            await deliveries.set_dsn(connection, awaited, "received", outcome, code, text, now)
            await self._tell(
                connection,
                awaited,
                lambda control_id: reporting.dsn(control_id, awaited.address, awaited.party_id, good, code, text, now),
            )
        _LOG.info("dsn", delivery=str(awaited.delivery_id), action=action.value, code=code)
        return True

    async def expire(self) -> int:
        """Reports the mailboxes whose DSN did not come in time; returns how many."""
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            late = await deliveries.late_dsn(connection, now)
            for awaited in late:
                text = "Aucun avis de remise reçu dans le délai prévu."
                await deliveries.set_dsn(connection, awaited, "timeout", "failed", "420", text, now)
                await self._tell(connection, awaited, partial(_late, awaited, now))
        if late:
            _LOG.warning("dsn_late", mailboxes=len(late))
        return len(late)

    async def _tell(self, connection: Connection, awaited: AwaitedDsn, report: Callable[[str], BusinessAck]) -> None:
        work = await deliveries.read(connection, awaited.delivery_id)
        if work is None or work.body is None:
            return
        interpretation, _ = await self._reader.read(work.body, work.listener, work.received_at)
        submission = interpretation.submission
        if submission is None or not reporting.ordered(submission.orders, Channel(work.channel)):
            return
        ack: BusinessAck = report(submission.message.control_id)
        written = self._outbox.write(
            submission.message, work.sender, [ack], delivery_id=awaited.delivery_id, claim=False
        )
        await acks.add(connection, awaited.message_id, written)
        await queue.enqueue(connection, self._outbox.jobs(written))


def _late(awaited: AwaitedDsn, now: datetime, control_id: str) -> BusinessAck:
    return reporting.dsn_timeout(control_id, awaited.address, awaited.party_id, now)
