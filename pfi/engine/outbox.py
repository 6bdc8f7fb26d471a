"""Sending business acknowledgments to the senders' reply addresses.

The bytes are stored by the transaction that makes them due, and born claimed by the process that wrote them: their
first try needs no job. What could not be handed over becomes a job.
"""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pfi.engine.connector import MessageConnector, OutboundMessage
from pfi.engine.context import Context
from pfi.engine.delivery import wait_before
from pfi.engine.logs import get_logger
from pfi.engine.settings import RetrySettings
from pfi.model.acknowledgment import BusinessAck
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.submission import MessageHeader
from pfi.standards.hl7v2.zam import write_zam
from pfi.store import acks, messages, queue
from pfi.store.acks import AckWork, EndedAck, RunnableAck
from pfi.store.database import POISON_ERRORS, STORE_ERRORS, Connection
from pfi.store.messages import NewAck
from pfi.store.states import AckState

_LOG = get_logger("outbox")
_RETRY = RetrySettings(first_seconds=10, factor=2, longest_seconds=1800, max_attempts=60)
_AT_ONCE = 4
"""Acknowledgments handed to one sender at a time by one process."""
_BACKLOG = 200
"""Above this number of first tries under way for a sender, acknowledgments are left to jobs."""
_NO_ADDRESS = "Aucune adresse de retour n'est configurée pour cet émetteur (senders[].reply)."


@dataclass(slots=True)
class _Line:
    """The way to one sender."""

    connector: MessageConnector
    gate: asyncio.Semaphore
    backlog: int = 0


class Outbox:
    def __init__(self, context: Context, replies: Mapping[str, MessageConnector]) -> None:
        """`replies`: connector of the reply address, by configured sender name. A process without connectors (the
        command line) leaves every acknowledgment to jobs."""
        self._context = context
        self._lines = {name: _Line(connector, asyncio.Semaphore(_AT_ONCE)) for name, connector in replies.items()}
        self._known = frozenset(sender.name for sender in context.settings.senders if sender.reply is not None)
        self._active: set[uuid.UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def senders(self) -> tuple[str, ...]:
        """Senders that have a reply address."""
        return tuple(self._lines)

    @property
    def active(self) -> frozenset[uuid.UUID]:
        return frozenset(self._active)

    def write(
        self,
        header: MessageHeader,
        sender: str,
        reports: Iterable[BusinessAck],
        *,
        delivery_id: uuid.UUID | None = None,
        claim: bool = True,
    ) -> tuple[NewAck, ...]:
        """The outbox rows of business acknowledgments, to be stored. `claim`: this process will try them first."""
        now = self._context.clock()
        line = self._lines.get(sender)
        written = []
        for report in reports:
            ack_id = self._context.ids.uuid4()
            control_id = self._context.ids.control_id()
            if sender not in self._known:
                state = AckState.FAILED
            else:
                mine = claim and line is not None and line.backlog < _BACKLOG
                state = AckState.IN_FLIGHT if mine else AckState.QUEUED
            written.append(
                NewAck(
                    id=ack_id,
                    ack=report,
                    sender=sender,
                    control_id=control_id,
                    content=write_zam(header, report, control_id=control_id, now=now),
                    created_at=now,
                    state=state,
                    delivery_id=delivery_id,
                    code="NO_REPLY_ADDRESS" if state is AckState.FAILED else "",
                    text=_NO_ADDRESS if state is AckState.FAILED else "",
                )
            )
        return tuple(written)

    def jobs(self, written: Iterable[NewAck]) -> list[queue.Job]:
        """The jobs of the rows that this process will not try itself."""
        return [
            queue.Job.report(RunnableAck(each.id, each.sender, 0)) for each in written if each.state is AckState.QUEUED
        ]

    def start(self, message_id: int, written: Sequence[NewAck]) -> None:
        """Tries the rows born claimed, once they are committed."""
        works = [
            AckWork(each.id, message_id, each.sender, each.control_id, each.content, attempts=0, fence=1)
            for each in written
            if each.state is AckState.IN_FLIGHT
        ]
        if not works:
            return
        for work in works:
            self._active.add(work.id)
            self._lines[work.sender].backlog += 1
        task = asyncio.create_task(self._first_tries(works))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run_job(self, ack_id: uuid.UUID) -> None:
        """One try of a queued acknowledgment; nothing when there is nothing to do any more."""
        async with self._context.database.connection() as connection:
            work = await acks.claim(connection, ack_id, self._context.worker, self._context.clock())
        if work is None:
            return
        self._active.add(work.id)
        try:
            await self._finish([(work, await self._send(work))])
        finally:
            self._active.discard(work.id)

    async def stop(self, grace: float) -> None:
        """Lets what is under way end; the rest goes back to the queue."""
        tasks = set(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._active:
            async with self._context.database.transaction() as connection:
                back = await acks.unclaim(connection, self._active, self._context.worker, self._context.clock())
                await queue.enqueue(connection, [queue.Job.report(each) for each in back])
            self._active.clear()

    async def _first_tries(self, works: Sequence[AckWork]) -> None:
        outcomes = await asyncio.gather(*(self._send(work) for work in works))
        await self._finish(list(zip(works, outcomes, strict=True)))
        for work in works:
            self._active.discard(work.id)
            self._lines[work.sender].backlog -= 1

    async def _send(self, work: AckWork) -> Outcome:
        line = self._lines.get(work.sender)
        if line is None:
            return Outcome(OutcomeKind.REFUSED, "NO_REPLY_ADDRESS", _NO_ADDRESS)
        try:
            async with line.gate, asyncio.timeout(self._context.timings.attempt):
                return await line.connector.send_message(OutboundMessage(work.control_id, work.content))
        except TimeoutError:
            return Outcome(OutcomeKind.UNKNOWN, "TIMEOUT", "L'émetteur n'a pas répondu à temps.")
        except Exception as error:
            _LOG.error("ack_bug", ack=str(work.id), error=type(error).__name__)
            return Outcome(OutcomeKind.NOT_DELIVERED, "BUG", "Défaut interne du connecteur de retour.")

    async def _finish(self, sent: Sequence[tuple[AckWork, Outcome]]) -> None:
        now = self._context.clock()
        ended = [self._follow(work, outcome, now) for work, outcome in sent]
        while True:
            try:
                async with self._context.database.transaction() as connection:
                    await self._write_ends(connection, sent, ended, now)
                break
            except POISON_ERRORS as error:
                _LOG.error("end_refused_by_store", error=type(error).__name__, acks=[str(e.id) for e in ended])
                return
            except STORE_ERRORS as error:
                _LOG.warning("store_away", step="acks", error=type(error).__name__)
                await asyncio.sleep(self._context.timings.store_retry)
        for each in ended:
            _LOG.info("ack_ended", ack=str(each.id), state=each.state.value, code=each.code)

    async def _write_ends(
        self,
        connection: Connection,
        sent: Sequence[tuple[AckWork, Outcome]],
        ended: Sequence[EndedAck],
        now: datetime,
    ) -> None:
        written = await acks.end(connection, self._context.worker, ended)
        jobs = []
        for (work, outcome), each in zip(sent, ended, strict=True):
            if each.id not in written:
                continue
            if each.state is AckState.QUEUED:
                wait = (each.next_try or now) - now
                jobs.append(queue.Job.report(written[each.id], max(wait, timedelta(0))))
            elif each.state is not AckState.DELIVERED:
                await messages.add_event(
                    connection,
                    "ack_refused" if each.state is AckState.REFUSED else "ack_given_up",
                    now,
                    message_id=work.message_id,
                    detail={"ack": str(each.id), "code": outcome.code, "text": outcome.text},
                )
        await queue.enqueue(connection, jobs)

    def _follow(self, work: AckWork, outcome: Outcome, now: datetime) -> EndedAck:
        state, next_try = _STATE_AFTER[outcome.kind], None
        if outcome.code == "NO_REPLY_ADDRESS":
            state = AckState.FAILED
        if state is AckState.QUEUED:
            tries = work.attempts + 1
            if tries >= _RETRY.max_attempts:
                state = AckState.FAILED
            else:
                wait = wait_before(_RETRY, tries, self._context.random)
                if outcome.retry_after is not None:
                    wait = timedelta(seconds=outcome.retry_after)
                next_try = now + wait
        return EndedAck(work.id, work.fence, state, next_try, outcome.code, outcome.text, now)


_STATE_AFTER = {
    OutcomeKind.DELIVERED: AckState.DELIVERED,
    OutcomeKind.REFUSED: AckState.REFUSED,
    OutcomeKind.NOT_DELIVERED: AckState.QUEUED,
    OutcomeKind.UNKNOWN: AckState.QUEUED,
}
