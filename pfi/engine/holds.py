"""Held deliveries: let go, cancelled, or given up when their time is over."""

import uuid
from datetime import timedelta

from pfi.engine import reporting
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.outbox import Outbox
from pfi.engine.reading import Reader
from pfi.model.acknowledgment import BusinessEvent
from pfi.model.decision import Channel
from pfi.store import acks, deliveries, messages, queue
from pfi.store.deliveries import Work
from pfi.store.states import DeliveryState

_LOG = get_logger("holds")


class Holds:
    def __init__(self, context: Context, reader: Reader, outbox: Outbox) -> None:
        self._context = context
        self._reader = reader
        self._outbox = outbox

    async def release(self, delivery_id: uuid.UUID) -> bool:
        """Lets a held delivery go, in its turn within its lineage. False when it was not held, or when no destination
        carries its channel."""
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            work = await deliveries.read(connection, delivery_id)
            destination = self._context.settings.destination_of(work.channel) if work else None
            if work is None or destination is None:
                return False
            released, runnable = await deliveries.release_held(connection, delivery_id, destination, now)
            if not released:
                return False
            if runnable is not None:
                await queue.enqueue(connection, [queue.Job.deliver(runnable)])
            await messages.add_event(connection, "released", now, message_id=work.message_id, delivery_id=delivery_id)
        _LOG.info("released", delivery=str(delivery_id))
        return True

    async def cancel(self, delivery_id: uuid.UUID) -> bool:
        """Ends a delivery that nobody works on (held, waiting, queued). False when it was not one of these."""
        return await self._close(
            delivery_id,
            DeliveryState.CANCELLED,
            (DeliveryState.HELD, DeliveryState.WAITING, DeliveryState.QUEUED),
            "cancelled",
        )

    async def expire(self) -> int:
        """Gives up held deliveries whose time is over, and tells their senders unless they know; returns how many."""
        async with self._context.database.connection() as connection:
            due = await deliveries.expired(connection, self._context.clock())
        count = 0
        for delivery_id in due:
            count += await self._close(delivery_id, DeliveryState.FAILED, (DeliveryState.HELD,), "hold_expired")
        return count

    async def _close(
        self, delivery_id: uuid.UUID, state: DeliveryState, leaving: tuple[DeliveryState, ...], event: str
    ) -> bool:
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            closed, released = await deliveries.close(connection, delivery_id, state, now, leaving)
            if not closed:
                return False
            await queue.enqueue(connection, [queue.Job.deliver(runnable, timedelta(0)) for runnable in released])
            work = await deliveries.read(connection, delivery_id)
            if work is None:
                return False
            detail = {"code": work.code}
            await messages.add_event(
                connection, event, now, message_id=work.message_id, delivery_id=delivery_id, detail=detail
            )
            kind = BusinessEvent.DMP_RECEPTION if work.channel is Channel.DMP else BusinessEvent.MSS_RECEPTION
            told = await acks.already_sent(connection, work.message_id, kind)
            written = () if told else await self._refusal(work)
            if written:
                await acks.add(connection, work.message_id, written)
                await queue.enqueue(connection, self._outbox.jobs(written))
        _LOG.info(event, delivery=str(delivery_id), code=work.code)
        return True

    async def _refusal(self, work: Work) -> tuple[messages.NewAck, ...]:
        if work.body is None:
            return ()
        interpretation, _ = await self._reader.read(work.body, work.listener, work.received_at)
        submission = interpretation.submission
        if submission is None:
            return ()
        code, text = work.code or "CANCELLED", work.text or "Envoi annulé par l'exploitant."
        reports = reporting.refusal(submission, work.channel, work.recipients, code, text, self._context.clock())
        return self._outbox.write(submission.message, work.sender, reports, delivery_id=work.id, claim=False)
