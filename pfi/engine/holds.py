"""Held deliveries: let go by a person, cancelled, or given up when their time is over.

What an event releases is decided by `pfi.engine.reassessment`.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from pfi.engine.changes import CANCELLED_BY_OPERATOR, Cause, Change
from pfi.engine.closing import Closing
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.outbox import Outbox
from pfi.engine.reading import Reader
from pfi.engine.reassessment import Reassessment
from pfi.model.decision import Action, Reason
from pfi.store import deliveries
from pfi.store.states import DeliveryState

_LOG = get_logger("holds")


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
        self._closing = Closing(context, reader, outbox)
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
        if not self._context.settings.carries(work.channel):
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
            Reason(CANCELLED_BY_OPERATOR, "Envoi annulé par l'exploitant."),
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
        reason: Reason | None,
    ) -> bool:
        """`reason`: code and text of the end; `None` = those of the hold itself."""
        async with self._context.database.transaction() as connection:
            work = await self._closing.close(connection, delivery_id, state, leaving, event, reason)
        if work is None:
            return False
        _LOG.info(event, delivery=str(delivery_id), code=work.code)
        return True
