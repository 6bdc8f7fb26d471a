"""The PgQueuer worker of a process: hands jobs to the deliveries, to the outbox and to the mail room."""

import asyncio
import uuid
from datetime import timedelta

from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.models import Job

from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.mailroom.handovers import Handovers
from pfi.engine.outbox import Outbox
from pfi.engine.processing import Processing
from pfi.engine.reassessment import Reassessment
from pfi.store import queue
from pfi.store.database import STORE_ERRORS

_LOG = get_logger("worker")
_BATCH = 10
_ACKS_AT_ONCE = 4
_PATIENTS_AT_ONCE = 4
_HANDOVERS_AT_ONCE = 4


class JobWorker:
    """Runs jobs until stopped, and starts again when the store comes back.

    One entrypoint per destination and per sender's reply address; PgQueuer enforces their concurrency over the whole
    cluster and gives the jobs of dead workers to others.
    """

    def __init__(
        self,
        context: Context,
        processing: Processing,
        outbox: Outbox,
        reassessment: Reassessment,
        handovers: Handovers,
    ) -> None:
        self._context = context
        self._handovers = handovers
        self._reassessment = reassessment
        self._processing = processing
        self._outbox = outbox
        self._stopping = asyncio.Event()
        self._manager: QueueManager | None = None

    async def run(self) -> None:
        while not self._stopping.is_set():
            self._manager = self._build()
            try:
                # PgQueuer probes its listener before it listens: the first probe would be lost one time in two, and
                # the worker restarted ten seconds later.
                await self._manager.queries.driver.add_listener(self._manager.channel, _unheard)
                await self._manager.run(
                    dequeue_timeout=timedelta(seconds=self._context.timings.poll),
                    batch_size=_BATCH,
                    heartbeat_timeout=timedelta(seconds=self._context.timings.lease),
                    shutdown_on_listener_failure=True,
                    log_aggregation_interval=timedelta(0),
                )
            except Exception as error:
                # The store went away, or the listening connection died: begin again with a new manager.
                _LOG.warning("worker_restarts", error=type(error).__name__)
            if not self._stopping.is_set():
                await asyncio.sleep(self._context.timings.store_retry)

    def stop(self) -> None:
        """Takes no new job; `run` returns when those under way have ended."""
        self._stopping.set()
        if self._manager is not None:
            self._manager.shutdown.set()

    def _build(self) -> QueueManager:
        manager = QueueManager(Queries.from_asyncpg_pool(self._context.database.pool))
        if self._stopping.is_set():
            manager.shutdown.set()
        for destination in self._processing.destinations:
            self._serve_destination(manager, destination.name, destination.settings.concurrency)
        for sender in self._outbox.senders:
            self._serve_sender(manager, sender)
        for kind, line in self._handovers.lines:
            self._serve_handovers(manager, kind, line)
        self._serve_patients(manager)
        return manager

    def _serve_destination(self, manager: QueueManager, name: str, concurrency: int) -> None:
        @manager.entrypoint(queue.delivery_entrypoint(name), concurrency_limit=concurrency)
        async def deliver(job: Job) -> None:
            try:
                await self._processing.run_job(_subject(job), name)
            except RetryRequested:
                raise
            except STORE_ERRORS as error:
                # The row still says what is to be done: recovery makes a new job.
                _LOG.warning("store_away", step="job", error=type(error).__name__)

    def _serve_sender(self, manager: QueueManager, name: str) -> None:
        @manager.entrypoint(queue.ack_entrypoint(name), concurrency_limit=_ACKS_AT_ONCE)
        async def report(job: Job) -> None:
            try:
                await self._outbox.run_job(_subject(job))
            except STORE_ERRORS as error:
                _LOG.warning("store_away", step="ack_job", error=type(error).__name__)

    def _serve_handovers(self, manager: QueueManager, kind: str, line: str) -> None:
        @manager.entrypoint(queue.handover_entrypoint(kind, line), concurrency_limit=_HANDOVERS_AT_ONCE)
        async def hand_over(job: Job) -> None:
            try:
                await self._handovers.run_job(_subject(job))
            except STORE_ERRORS as error:
                _LOG.warning("store_away", step="handover_job", error=type(error).__name__)

    def _serve_patients(self, manager: QueueManager) -> None:
        @manager.entrypoint(queue.REASSESSMENT, concurrency_limit=_PATIENTS_AT_ONCE)
        async def reassess(job: Job) -> None:
            try:
                await self._reassessment.patient(_subject(job))
            except STORE_ERRORS as error:
                # The records still say what is not settled: recovery decides it.
                _LOG.warning("store_away", step="patient_job", error=type(error).__name__)


def _unheard(payload: str | bytes | bytearray) -> None:
    """The manager has its own listener beside this one."""


def _subject(job: Job) -> uuid.UUID:
    return uuid.UUID(bytes=job.payload or bytes(16))
