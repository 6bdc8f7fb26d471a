"""Ending a delivery that no process works on, and telling its sender: one transaction, whoever asks for it."""

import uuid
from collections.abc import Iterable
from datetime import timedelta

from pfi.engine import reporting
from pfi.engine.context import Context
from pfi.engine.outbox import Outbox
from pfi.engine.reading import Reader
from pfi.model.decision import Reason
from pfi.store import acks, deliveries, messages, queue
from pfi.store.database import Connection
from pfi.store.deliveries import Work
from pfi.store.states import DeliveryState


class Closing:
    def __init__(self, context: Context, reader: Reader, outbox: Outbox) -> None:
        self._context = context
        self._reader = reader
        self._outbox = outbox

    async def close(
        self,
        connection: Connection,
        delivery_id: uuid.UUID,
        state: DeliveryState,
        leaving: Iterable[DeliveryState],
        event: str,
        reason: Reason | None = None,
    ) -> Work | None:
        """Ends a delivery that is in one of the states `leaving`, lets its successor go, tells its sender N unless
        already told, and records the event; `None` when it was in another state. `reason`: code and text of the end;
        `None` = those that it has. Must run inside a transaction."""
        now = self._context.clock()
        closed, released = await deliveries.close(
            connection,
            delivery_id,
            state,
            now,
            leaving,
            code=reason.rule if reason else None,
            text=reason.text if reason else None,
        )
        if not closed:
            return None
        await queue.enqueue(connection, [queue.Job.deliver(runnable, timedelta(0)) for runnable in released])
        work = await deliveries.read(connection, delivery_id)
        if work is None:
            return None
        detail = {"code": work.code}
        await messages.add_event(
            connection, event, now, message_id=work.message_id, delivery_id=delivery_id, detail=detail
        )
        told = await acks.told(connection, work.message_id, reporting.event_of(work.channel))
        written = await self._refusal(work, told)
        if written:
            await acks.add(connection, work.message_id, written)
            await queue.enqueue(connection, self._outbox.jobs(written))
        return work

    async def _refusal(self, work: Work, told: frozenset[str]) -> tuple[messages.NewAck, ...]:
        """N to the sender, but for what was already answered."""
        if work.body is None:
            return ()
        interpretation, _ = await self._reader.read(work.body, work.listener, work.received_at)
        submission = interpretation.submission
        if submission is None:
            return ()
        reports = reporting.refusal(
            submission, work.channel, work.recipients, work.code, work.text, self._context.clock()
        )
        unsaid = reporting.unsaid(reports, work.channel, told)
        return self._outbox.write(submission.message, work.sender, unsaid, delivery_id=work.id, claim=False)
