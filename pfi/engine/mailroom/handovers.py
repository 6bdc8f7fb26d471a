"""Handing over what the mail room has written: MDM to the hospital's applications, answers to correspondents.

Each is a job. The bytes were stored before, with their MSH-10 or Message-ID, and sending them again is how a doubt is
resolved. The end of the last document of a mail settles it, in the same transaction. The documents of one lineage go to
a consumer in the order of their mails: a replacement never overtakes what it replaces.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pfi.engine.connector import MailCarrier, MessageConnector, OutboundMail, OutboundMessage
from pfi.engine.context import Context
from pfi.engine.delivery import wait_before
from pfi.engine.logs import get_logger
from pfi.engine.mailroom.answers import UNANSWERED, UNANSWERED_TEXT, Answers
from pfi.engine.mailroom.settings import ReceptionSettings
from pfi.engine.settings import RetrySettings
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.store import mailroom, messages, queue
from pfi.store.database import POISON_ERRORS, STORE_ERRORS, Connection
from pfi.store.mailroom import EndedHandover, HandoverKind, HandoverState, HandoverWork
from pfi.store.values import clean

_LOG = get_logger("mailroom")

_STATE_AFTER = {
    OutcomeKind.DELIVERED: HandoverState.DELIVERED,
    OutcomeKind.REFUSED: HandoverState.REFUSED,
    OutcomeKind.NOT_DELIVERED: HandoverState.QUEUED,
    OutcomeKind.UNKNOWN: HandoverState.QUEUED,
}


class Handovers:
    """`consumers` by configured name, `carriers` by destination: empty in a process that only writes rows."""

    def __init__(
        self,
        context: Context,
        reception: ReceptionSettings,
        answers: Answers,
        consumers: Mapping[str, MessageConnector],
        carriers: Mapping[str, MailCarrier],
    ) -> None:
        self._context = context
        self._retry = RetrySettings(
            first_seconds=reception.first_seconds,
            longest_seconds=reception.longest_seconds,
            max_attempts=reception.max_attempts,
        )
        self._answers = answers
        self._consumers = consumers
        self._carriers = carriers
        self._active: set[uuid.UUID] = set()

    @property
    def lines(self) -> tuple[tuple[HandoverKind, str], ...]:
        """What this process can serve."""
        return (
            *((HandoverKind.MDM, name) for name in self._consumers),
            *((HandoverKind.MAIL, name) for name in self._carriers),
        )

    @property
    def active(self) -> frozenset[uuid.UUID]:
        return frozenset(self._active)

    async def run_job(self, handover_id: uuid.UUID) -> None:
        """One try; nothing when there is nothing to do any more."""
        async with self._context.database.connection() as connection:
            work = await mailroom.claim(connection, handover_id, self._context.worker, self._context.clock())
        if work is None:
            return
        self._active.add(work.id)
        try:
            await self._finish(work, await self._send(work))
        finally:
            self._active.discard(work.id)

    async def _send(self, work: HandoverWork) -> Outcome:
        try:
            async with asyncio.timeout(self._context.timings.attempt):
                if work.kind is HandoverKind.MDM:
                    return await self._consumers[work.line].send_message(OutboundMessage(work.control_id, work.content))
                return await self._carriers[work.line].send_mail(
                    OutboundMail(work.mailbox, work.recipient, work.content)
                )
        except TimeoutError:
            return Outcome(OutcomeKind.UNKNOWN, "TIMEOUT", "Le destinataire n'a pas répondu à temps.")
        except Exception as error:
            # A defect of ours: its text may quote a document and stays out of the log.
            _LOG.error("handover_bug", handover=str(work.id), error=type(error).__name__)
            return Outcome(OutcomeKind.NOT_DELIVERED, "BUG", "Défaut interne du connecteur.")

    async def _finish(self, work: HandoverWork, outcome: Outcome) -> None:
        now = self._context.clock()
        ended = self._follow(work, outcome, now)
        whole = True
        while True:
            try:
                async with self._context.database.transaction() as connection:
                    if whole:
                        await self._write_end(connection, work, ended, now)
                    else:
                        await mailroom.end(connection, self._context.worker, ended)
                break
            except Exception as error:
                if isinstance(error, STORE_ERRORS) and not isinstance(error, POISON_ERRORS):
                    _LOG.warning("store_away", step="handover", error=type(error).__name__)
                    await asyncio.sleep(self._context.timings.store_retry)
                    continue
                # A defect of ours, or what the store will never take. The end alone is kept: else what has been handed
                # over would be handed over again for ever. The mail stays open, for a person to see.
                _LOG.error("end_refused", error=type(error).__name__, handover=str(work.id), whole=whole)
                if not whole:
                    return
                whole = False
        _LOG.info(
            "handover_ended", handover=str(work.id), kind=work.kind.value, state=ended.state.value, code=ended.code
        )

    async def _write_end(self, connection: Connection, work: HandoverWork, ended: EndedHandover, now: datetime) -> None:
        # Two documents of one mail that end together would each leave its settling to the other.
        if work.kind is HandoverKind.MDM:
            await mailroom.lock_mail(connection, work.message_id)
        again = await mailroom.end(connection, self._context.worker, ended)
        if again is None:
            return
        if ended.state is HandoverState.QUEUED:
            wait = max((ended.next_try or now) - now, timedelta(0))
            await queue.enqueue(connection, [queue.Job.hand_over(again, wait)])
            return
        if ended.state is not HandoverState.DELIVERED:
            await messages.add_event(
                connection,
                "handover_refused" if ended.state is HandoverState.REFUSED else "handover_given_up",
                now,
                message_id=work.message_id,
                detail={"kind": work.kind.value, "line": work.line, "code": ended.code, "text": ended.text},
            )
        if work.kind is HandoverKind.MDM:
            await self._answers.settle(connection, work.message_id)
            followers = await mailroom.followers(connection, work.message_id, now)
            await queue.enqueue(connection, [queue.Job.hand_over(each) for each in followers])
        else:
            missing = ended.state is not HandoverState.DELIVERED
            await mailroom.mark_answer(connection, work.message_id, UNANSWERED, UNANSWERED_TEXT, missing=missing)

    def _follow(self, work: HandoverWork, outcome: Outcome, now: datetime) -> EndedHandover:
        state, next_try = _STATE_AFTER[outcome.kind], None
        if state is HandoverState.QUEUED:
            tries = work.tries + 1
            if tries >= self._retry.max_attempts:
                state = HandoverState.FAILED
            else:
                wait = wait_before(self._retry, tries, self._context.random)
                if outcome.retry_after is not None:
                    wait = timedelta(seconds=outcome.retry_after)
                next_try = now + wait
        # What a neighbour says must never be what keeps its answer from being written.
        return EndedHandover(work.id, work.fence, state, next_try, clean(outcome.code), clean(outcome.text), now)


async def recover(
    context: Context, connection: Connection, active: Sequence[uuid.UUID], *, lease: timedelta, now: datetime
) -> int:
    """Makes jobs of what dead processes had claimed and of what was forgotten; returns how many. The bytes of what was
    finished long ago are purged, as bodies are: the platform is no archive."""
    await mailroom.purge(connection, now - timedelta(days=context.settings.limits.body_days))
    lost = await mailroom.recover(
        connection, worker=context.worker, active=active, lease=lease, stray_since=now - lease, now=now
    )
    late = await mailroom.forgotten(connection, now - timedelta(seconds=context.timings.forgotten))
    await queue.enqueue(connection, [queue.Job.hand_over(each) for each in (*lost, *late)])
    return len(lost) + len(late)
