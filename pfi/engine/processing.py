"""Carrying out deliveries.

A delivery is born claimed by the process that holds its parsed document: its first attempt starts right after the
commit, side by side with those of the same document, without a job. What failed, waits or may have left is tried by
jobs, taken up again from the store (`resumption.py`). Every end is one transaction: result, next job, successor of the
lineage and business acknowledgments together, written only while the claim is still ours.
"""

import asyncio
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pgqueuer.domain.errors import RetryRequested

from pfi.engine import reporting
from pfi.engine.connector import Connector, Looker
from pfi.engine.context import Context
from pfi.engine.delivery import Claim, follow
from pfi.engine.destinations import Destination, Destinations
from pfi.engine.directory import DirectoryStep
from pfi.engine.logs import get_logger
from pfi.engine.outbox import Outbox
from pfi.engine.reading import Reader
from pfi.engine.reassessment import Reassessment
from pfi.engine.resumption import Resumption
from pfi.engine.validation import Validation, Verdict
from pfi.engine.verification import VerificationStep
from pfi.model.decision import Priority
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.store import attempts, messages, queue
from pfi.store.attempts import EndedAttempt, Ends
from pfi.store.database import POISON_ERRORS, STORE_ERRORS, Connection
from pfi.store.messages import NewAck
from pfi.store.states import DeliveryState

_LOG = get_logger("processing")
_FRESH_SECONDS = 0.02
"""A first attempt that starts that soon after its commit is decided with what is known."""
_MAY_HAVE_LEFT = Outcome(
    OutcomeKind.UNKNOWN,
    "MAY_HAVE_LEFT",
    "Cet envoi ne doit plus partir, mais un essai précédent a pu partir : vérifier auprès du destinataire.",
    max_attempts=1,
)


class Processing:
    def __init__(
        self,
        context: Context,
        reader: Reader,
        outbox: Outbox,
        connectors: Mapping[str, Connector],
        validation: Validation,
        reassessment: Reassessment,
        directory: DirectoryStep,
        verification: VerificationStep | None = None,
    ) -> None:
        """`connectors`: by name of destination."""
        self._context = context
        self._resumption = Resumption(context, reader, reassessment)
        self._validation = validation
        self._directory = directory
        self._verification = verification
        self._outbox = outbox
        self._destinations = Destinations(context, connectors)
        self._active: set[uuid.UUID] = set()
        self._started: set[uuid.UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def destinations(self) -> Destinations:
        return self._destinations

    @property
    def active(self) -> frozenset[uuid.UUID]:
        """Deliveries that this process works on."""
        return frozenset(self._active)

    def birth(self, destination: str, priority: Priority = Priority.NORMAL) -> tuple[DeliveryState, datetime]:
        """How a new delivery is born, and when it is due: claimed by this process when it can be tried soon, else
        queued. What may wait leaves the seats to others as soon as they are all taken."""
        place = self._destinations[destination]
        now = self._context.clock()
        if place.breaker.open_until is not None:
            return DeliveryState.QUEUED, max(now, place.breaker.open_until)
        crowded = place.busy if priority is Priority.LOW else place.full
        if crowded or self._stopping:
            return DeliveryState.QUEUED, now
        return DeliveryState.IN_FLIGHT, now

    def start(self, claims: Sequence[Claim]) -> None:
        """Makes the first attempts of one document, once they are committed."""
        if not claims:
            return
        for claim in claims:
            self._active.add(claim.id)
            self._destinations[claim.destination].backlog += 1
        task = asyncio.create_task(self._first_attempts(claims))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run_job(self, delivery_id: uuid.UUID, destination: str) -> None:
        """One attempt of a queued delivery, or the resolution of an unknown one; nothing when there is nothing to do
        any more. Raises RetryRequested while the destination is stopped."""
        async with self._destinations[destination].seats:
            await self._run_job(delivery_id, self._destinations[destination])

    async def _run_job(self, delivery_id: uuid.UUID, place: Destination) -> None:
        if (wait := place.breaker.admit()) is not None:
            raise RetryRequested(delay=wait, reason="destination stopped")
        self._active.add(delivery_id)
        self._started.add(delivery_id)
        try:
            taken = await self._resumption.take(delivery_id)
            if taken is None:
                return
            ended = taken if isinstance(taken, EndedAttempt) else await self._attempt(taken)
            await self._finish([ended])
        finally:
            place.breaker.abandoned()
            self._active.discard(delivery_id)
            self._started.discard(delivery_id)

    async def stop(self, grace: float) -> None:
        """Lets attempts under way end; gives back what was not started; what is cut short will be resolved."""
        self._stopping = True
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=grace)
        untouched = self._active - self._started
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if untouched:
            async with self._context.database.transaction() as connection:
                await self._give_back(connection, untouched, timedelta(0))

    async def _first_attempts(self, claims: Sequence[Claim]) -> None:
        pending = {asyncio.create_task(self._first_attempt(claim)) for claim in claims}
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if pending:
                    more, pending = await asyncio.wait(pending, timeout=self._context.timings.linger)
                    done |= more
                results = [task.result() for task in done]
                await self._finish(
                    [result for result in results if isinstance(result, EndedAttempt)],
                    [result for result in results if isinstance(result, Claim)],
                )
        finally:
            # When we are cut short, a claim whose attempt had started stays in flight: recovery resolves it.
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            for claim in claims:
                self._active.discard(claim.id)
                self._started.discard(claim.id)

    async def _first_attempt(self, claim: Claim) -> EndedAttempt | Claim:
        """The attempt, or the claim itself when it must be given back because the destination was stopped meanwhile."""
        place = self._destinations[claim.destination]
        try:
            born = time.monotonic()
            async with place.seats:
                if place.breaker.admit() is not None:
                    return claim
                if time.monotonic() - born > _FRESH_SECONDS and await self._told_since(claim):
                    return claim
                previous = await self._resumption.previous_mail(
                    claim.delivery.request, claim.delivery.channel, claim.lineage, claim.id
                )
                self._started.add(claim.id)
                if previous:
                    claim = replace(claim, delivery=replace(claim.delivery, previous_message_id=previous))
                return await self._attempt(claim)
        except STORE_ERRORS as error:
            _LOG.warning("store_away", step="attempt", error=type(error).__name__)
            return claim
        finally:
            place.breaker.abandoned()
            self._destinations.left(place)

    async def _told_since(self, claim: Claim) -> bool:
        """Whether something was told of the patient while the document waited for its seat."""
        async with self._context.database.connection() as connection:
            return await attempts.unsure(connection, claim.id)

    async def _attempt(self, claim: Claim) -> EndedAttempt:
        place = self._destinations[claim.destination]
        started_at = self._context.clock()
        try:
            # Validation and the directory have their own limits: their time is not that of the send, whose fate would
            # become unknown.
            verdict = Verdict() if claim.resolve else await self._validation.check(claim.delivery)
            if verdict.refusal is not None:
                outcome = verdict.refusal
            else:
                claim, outcome = await self._directory.around(
                    claim, lambda reachable: self._act(place, reachable, verdict.warnings)
                )
        except Exception as error:
            outcome = _bug(claim, error)
        was_stopped = await self._destinations.watch(place, outcome)
        ended = follow(
            claim,
            outcome,
            started_at=started_at,
            ended_at=self._context.clock(),
            retry=place.settings.retry,
            source=self._context.random,
            dsn_deadline=self._context.after(self._context.settings.limits.dsn_hours * 3600),
            not_before=place.breaker.open_until,
            was_stopped=was_stopped,
        )
        reports = reporting.after_attempt(claim, ended)
        acks = self._outbox.write(claim.delivery.message, claim.sender, reports, delivery_id=claim.id)
        return replace(ended, acks=acks)

    async def _act(self, place: Destination, claim: Claim, warnings: tuple[str, ...]) -> Outcome:
        """Never raises, whatever a connector does."""
        try:
            async with asyncio.timeout(self._context.timings.attempt):
                outcome = await self._transmit(place, claim)
        except TimeoutError:
            outcome = Outcome(OutcomeKind.UNKNOWN, "TIMEOUT", "L'envoi n'a pas abouti dans le temps imparti.")
        except Exception as error:
            outcome = _bug(claim, error)
        return replace(outcome, warnings=(*warnings, *outcome.warnings)) if warnings else outcome

    async def _transmit(self, place: Destination, claim: Claim) -> Outcome:
        if claim.resolve and claim.look_only:
            if isinstance(place.connector, Looker):
                return await place.connector.look(claim.delivery)
            return _MAY_HAVE_LEFT
        stopped = await self._verification.stop(claim) if self._verification is not None else None
        if stopped is not None:
            return stopped
        if claim.resolve:
            return await place.connector.resolve(claim.delivery)
        return await place.connector.send(claim.delivery)

    async def _finish(self, ended: Sequence[EndedAttempt], back: Sequence[Claim] = ()) -> None:
        """Writes ends until the store takes them: nothing else remembers what the peers answered."""
        while True:
            try:
                async with self._context.database.transaction() as connection:
                    ends = await self._write(connection, ended, back)
                break
            except POISON_ERRORS as error:
                # A defect of ours or of a connector: the result is lost, the delivery is not, recovery resolves it.
                _LOG.error("end_refused_by_store", error=type(error).__name__, deliveries=[str(e.id) for e in ended])
                return
            except STORE_ERRORS as error:
                _LOG.warning("store_away", step="ends", error=type(error).__name__)
                await asyncio.sleep(self._context.timings.store_retry)
        written: dict[int, list[NewAck]] = {}
        for each in ended:
            if each.id not in ends.ours:
                _LOG.warning("fenced", delivery=str(each.id), outcome=each.outcome.kind.value)
                continue
            written.setdefault(each.message_id, []).extend(each.acks)
            _LOG.info(
                "attempt_ended",
                delivery=str(each.id),
                destination=each.destination,
                attempt=ends.ours[each.id].attempts,
                outcome=each.outcome.kind.value,
                state=each.state.value,
                code=each.outcome.code,
            )
        for message_id, acks in written.items():
            self._outbox.start(message_id, acks)

    async def _write(self, connection: Connection, ended: Sequence[EndedAttempt], back: Sequence[Claim]) -> Ends:
        now = self._context.clock()
        ends = Ends({}, ())
        if ended:
            ends = await attempts.end(connection, self._context.worker, ended, now)
        jobs = [queue.Job.deliver(runnable) for runnable in ends.released]
        for each in ended:
            if each.id not in ends.ours:
                detail = {"outcome": each.outcome.kind, "code": each.outcome.code, "text": each.outcome.text}
                await messages.add_event(connection, "fenced", now, delivery_id=each.id, detail=detail)
                continue
            jobs += self._outbox.jobs(each.acks)
            if each.next_try is not None:
                jobs.append(queue.Job.deliver(ends.ours[each.id], max(each.next_try - now, timedelta(0))))
        await queue.enqueue(connection, jobs)
        for claim in back:
            await self._give_back(connection, [claim.id], self._destinations[claim.destination].breaker.pause_left)
        return ends

    async def _give_back(self, connection: Connection, ids: Iterable[uuid.UUID], wait: timedelta) -> None:
        due = self._context.clock() + wait
        runnables = await attempts.unclaim(connection, ids, self._context.worker, due)
        await queue.enqueue(connection, [queue.Job.deliver(runnable, wait) for runnable in runnables])


def _bug(claim: Claim, error: Exception) -> Outcome:
    _LOG.error("connector_bug", delivery=str(claim.id), error=type(error).__name__)
    return Outcome(OutcomeKind.UNKNOWN, "BUG", "Défaut interne du connecteur ; le sort de l'envoi est inconnu.")
