"""The lineage of a message about to be stored: what was received of it, and what its deletion finds still here."""

from pfi.engine.closing import Closing
from pfi.engine.context import Context
from pfi.engine.lineage import SUPERSEDED_BY_DELETION, lineage_of, named_by
from pfi.engine.outbox import Outbox
from pfi.engine.reading import Reader
from pfi.model.submission import Request, Submission
from pfi.store import lineages
from pfi.store.database import Connection
from pfi.store.lineages import Family
from pfi.store.states import DeliveryState

_LEAVING = (DeliveryState.WAITING, DeliveryState.QUEUED, DeliveryState.HELD)


class Families:
    def __init__(self, context: Context, reader: Reader, outbox: Outbox) -> None:
        self._context = context
        self._closing = Closing(context, reader, outbox)

    async def of(self, submission: Submission, *, look: bool) -> Family:
        """The lineage of a message, that of its first document; `look`: with what was received of it."""
        first = submission.documents[0]
        orphan = first.header.set_id is None and submission.request is not Request.INITIAL
        parent = first.header.replaced if orphan else None
        named = named_by(submission)
        if not look and parent is None:
            return Family(lineage_of(first, submission.request), named)
        async with self._context.database.connection() as connection:
            former = await lineages.lineage_of(connection, parent.xds) if parent is not None else None
            lineage = lineage_of(first, submission.request, former)
            relatives = await lineages.relatives(connection, lineage, named)
        return Family(lineage, named, relatives, max((each.message_id for each in relatives), default=0))

    async def withdraw(self, connection: Connection, family: Family, deletion: int) -> None:
        """What the message `deletion` finds still here leaves no more, on any channel, and its sender is told; what may
        be leaving is not tried again without being decided again. Must run inside the transaction of the deletion."""
        await lineages.recheck(connection, family.lineage, deletion)
        for feed in await lineages.pending(connection, family.lineage, deletion):
            await self._closing.close(
                connection, feed, DeliveryState.CANCELLED, _LEAVING, "stopped", SUPERSEDED_BY_DELETION
            )
