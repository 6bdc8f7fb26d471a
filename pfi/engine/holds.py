"""Held deliveries: let go by a person, cancelled, or given up when their time is over.

What an event releases is decided by `pfi.engine.reassessment`.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from pfi.engine import reporting
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.outbox import Outbox
from pfi.engine.reading import Reader
from pfi.engine.reassessment import CANCELLED_BY_OPERATOR, Cause, Change, Reassessment
from pfi.model.decision import Action
from pfi.store import acks, deliveries, messages, queue
from pfi.store.deliveries import Work
from pfi.store.states import DeliveryState

_LOG = get_logger("holds")
_CANCELLED_TEXT = "Envoi annulé par l'exploitant."


@dataclass(frozen=True, slots=True)
class Release:
    """Whether a held delivery was let go; if not, `text` says in French what still holds it."""

    done: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One held delivery. `until` is what it waits for (a `Trigger`), `expires_at` when it is given up."""

    id: uuid.UUID
    message_id: int
    channel: str
    code: str
    text: str
    until: str
    expires_at: datetime | None


class Holds:
    def __init__(self, context: Context, reader: Reader, outbox: Outbox, reassessment: Reassessment) -> None:
        self._context = context
        self._reader = reader
        self._outbox = outbox
        self._reassessment = reassessment

    async def waiting(self, limit: int = 200) -> tuple[HeldLine, ...]:
        """Held deliveries, the first to expire first."""
        async with self._context.database.connection() as connection:
            rows = await deliveries.held(connection, limit)
        return tuple(HeldLine(**row) for row in rows)

    async def find(self, prefix: str) -> uuid.UUID | None:
        """The one delivery not yet finished whose identifier begins so; `None` when there is none, or several."""
        async with self._context.database.connection() as connection:
            return await deliveries.find(connection, prefix.strip().lower())

    async def release(self, delivery_id: uuid.UUID) -> Release:
        """Lets a held delivery go, in its turn within its lineage, as it is decided now.

        An operator's release is the human decision that some exceptions wait for. It opens nothing else: neither a
        veto, nor an identity that is not qualified, nor an objection.
        """
        async with self._context.database.connection() as connection:
            work = await deliveries.read(connection, delivery_id)
        if work is None:
            return Release(False, "Livraison inconnue.")
        if work.state is not DeliveryState.HELD:
            return Release(False, "Cette livraison n'est pas en attente d'une décision.")
        if self._context.settings.destination_of(work.channel) is None:
            return Release(False, "Aucune destination n'est configurée pour ce canal (destinations).")
        done = await self._reassessment.message(work.message_id, Cause.RELEASE, released=frozenset({work.channel}))
        if not done.done:
            return Release(False, done.text)
        if delivery_id in done.of(Change.LET_GO):
            _LOG.info("released", delivery=str(delivery_id))
            return Release(True)
        decision = next((each for each in done.decisions if each.channel is work.channel), None)
        if decision is None or decision.action is Action.SEND:
            return Release(False, "Cette livraison vient d'être traitée par ailleurs.")
        return Release(False, decision.because[0].text if decision.because else decision.code)

    async def cancel(self, delivery_id: uuid.UUID) -> bool:
        """Ends a delivery that nobody works on (held, waiting, queued). False when it was not one of these."""
        return await self._close(
            delivery_id,
            DeliveryState.CANCELLED,
            (DeliveryState.HELD, DeliveryState.WAITING, DeliveryState.QUEUED),
            "cancelled",
            (CANCELLED_BY_OPERATOR, _CANCELLED_TEXT),
        )

    async def expire(self) -> int:
        """Gives up held deliveries whose time is over, and tells their senders unless they know; returns how many."""
        async with self._context.database.connection() as connection:
            due = await deliveries.expired(connection, self._context.clock())
        count = 0
        for delivery_id in due:
            count += await self._close(delivery_id, DeliveryState.FAILED, (DeliveryState.HELD,), "hold_expired", None)
        return count

    async def _close(
        self,
        delivery_id: uuid.UUID,
        state: DeliveryState,
        leaving: tuple[DeliveryState, ...],
        event: str,
        reason: tuple[str, str] | None,
    ) -> bool:
        """`reason`: code and text of the end; `None` = those of the hold itself."""
        now = self._context.clock()
        code, text = reason or (None, None)
        async with self._context.database.transaction() as connection:
            closed, released = await deliveries.close(
                connection, delivery_id, state, now, leaving, code=code, text=text
            )
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
            told = await acks.told(connection, work.message_id, reporting.event_of(work.channel))
            written = await self._refusal(work, told)
            if written:
                await acks.add(connection, work.message_id, written)
                await queue.enqueue(connection, self._outbox.jobs(written))
        _LOG.info(event, delivery=str(delivery_id), code=work.code)
        return True

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
