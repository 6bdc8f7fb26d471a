"""Taking up again what a job must try: claimed, decided again first when something was told meanwhile, and built from
the store and from its message read again."""

import uuid

from pfi.engine.changes import Cause
from pfi.engine.context import Context
from pfi.engine.delivery import Claim, claimed, rebuild
from pfi.engine.lineage import named_by
from pfi.engine.logs import get_logger
from pfi.engine.reading import Reader
from pfi.engine.reassessment import Reassessment
from pfi.model.decision import Channel
from pfi.model.delivery import Outcome, OutcomeKind, Version
from pfi.model.submission import Request, Submission
from pfi.store import attempts, deliveries, lineages, messages, queue
from pfi.store.attempts import EndedAttempt
from pfi.store.deliveries import Work
from pfi.store.states import DeliveryState

_LOG = get_logger("processing")
_DECISIONS = 5
"""How often a delivery is decided again by one job before it is left to the next."""
_GONE = Outcome(
    OutcomeKind.REFUSED,
    "MESSAGE_GONE",
    "Le message d'origine n'est plus lisible ou a été purgé ; l'envoi est abandonné.",
)


class Resumption:
    def __init__(self, context: Context, reader: Reader, reassessment: Reassessment) -> None:
        self._context = context
        self._reader = reader
        self._reassessment = reassessment

    async def take(self, delivery_id: uuid.UUID) -> Claim | EndedAttempt | None:
        """What this process may try, its end when its message cannot be read any more, or `None` when there is nothing
        to take."""
        work = await self._claim(delivery_id)
        return None if work is None else await self._prepare(work)

    async def previous_mail(self, request: Request, channel: Channel, lineage: str, but: uuid.UUID) -> str:
        """Message-ID of the mail that a replacement or a deletion is about."""
        if request is Request.INITIAL or channel is Channel.DMP:
            return ""
        async with self._context.database.connection() as connection:
            return await deliveries.previous_message_id(connection, lineage, channel, but)

    async def _claim(self, delivery_id: uuid.UUID) -> Work | None:
        """Takes a delivery. When something was told of its patient since it was decided, it is decided again first: an
        objection that was acknowledged stops everything that has not left."""
        for _ in range(_DECISIONS):
            async with self._context.database.connection() as connection:
                work = await attempts.claim(connection, delivery_id, self._context.worker, self._context.clock())
                message_id = None if work is not None else await attempts.undecided(connection, delivery_id)
            if message_id is None:
                return work
            if not (await self._reassessment.message(message_id, Cause.PATIENT)).done:
                await self._give_up(delivery_id, message_id)
                return None
        # Told again and again while it was being decided: the sweep makes another job.
        return None

    async def _give_up(self, delivery_id: uuid.UUID, message_id: int) -> None:
        """Ends what can neither be tried as it was decided nor be decided again: its message can no longer be read."""
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            closed, freed = await deliveries.close(
                connection,
                delivery_id,
                DeliveryState.FAILED,
                now,
                (DeliveryState.QUEUED, DeliveryState.UNKNOWN),
                code=_GONE.code,
                text=_GONE.text,
            )
            if not closed:
                return
            await messages.add_event(
                connection, "given_up", now, message_id=message_id, delivery_id=delivery_id, detail={"code": _GONE.code}
            )
            await queue.enqueue(connection, [queue.Job.deliver(each) for each in freed])
        _LOG.warning("given_up", delivery=str(delivery_id), code=_GONE.code)

    async def _prepare(self, work: Work) -> Claim | EndedAttempt:
        """Builds a claimed delivery again, or ends it when its message cannot be read any more."""
        submission = await self._submission(work)
        if submission is None:
            now = self._context.clock()
            outcome = _GONE
            return EndedAttempt(
                id=work.id,
                message_id=work.message_id,
                fence=work.fence,
                lineage=work.lineage,
                channel=work.channel,
                destination=work.destination,
                envelope=work.ids.envelope,
                kind="resolve" if work.resolve else "send",
                started_at=now,
                ended_at=now,
                outcome=outcome,
                state=DeliveryState.FAILED,
                next_try=None,
                recipients=work.recipients,
                code=outcome.code,
                text=outcome.text,
                uncertain=work.uncertain,
            )
        previous = await self.previous_mail(work.request, work.channel, work.lineage, work.id)
        versions = await self._versions(work, submission)
        return claimed(work, rebuild(work, submission, previous, versions))

    async def _versions(self, work: Work, submission: Submission) -> tuple[Version, ...]:
        """The other versions of the document as they are now. Mails stand alone: they need none."""
        if work.channel is not Channel.DMP:
            return ()
        async with self._context.database.connection() as connection:
            others = await lineages.relatives(connection, work.lineage, named_by(submission), work.message_id)
        return lineages.versions(others, work.channel, work.message_id)

    async def _submission(self, work: Work) -> Submission | None:
        if work.body is None:
            return None
        interpretation, _ = await self._reader.read(work.body, work.listener, work.received_at)
        return interpretation.submission
