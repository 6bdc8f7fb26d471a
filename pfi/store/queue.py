"""Jobs, enqueued by PgQueuer through the connection of the transaction that makes them necessary.

A job is a wake-up call: the row that it names is the truth, and a job that finds nothing to do ends. Its key contains
the number of attempts made, so that there is never more than one job for the same attempt.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from pfi.model.decision import Priority
from pfi.store.acks import RunnableAck
from pfi.store.database import Connection
from pfi.store.deliveries import Runnable
from pfi.store.mailroom import RunnableHandover

REASSESSMENT = "reassess"
"""Entrypoint of the jobs that decide again the documents of a patient of whom something was told."""

_PRIORITIES = {Priority.HIGH: 1, Priority.NORMAL: 0, Priority.LOW: -1}


@dataclass(frozen=True, slots=True)
class Job:
    """`delay`: not before that long from now."""

    entrypoint: str
    subject: uuid.UUID
    key: str
    delay: timedelta = timedelta(0)
    priority: int = 0

    @classmethod
    def deliver(cls, runnable: Runnable, delay: timedelta = timedelta(0), again: str = "") -> "Job":
        """`again` names a decision that makes the next attempt due at another moment than the job it has."""
        return cls(
            delivery_entrypoint(runnable.destination),
            runnable.id,
            f"delivery:{runnable.id}:{runnable.attempts}" + (f":{again}" if again else ""),
            delay,
            _PRIORITIES[runnable.priority],
        )

    @classmethod
    def reassess(cls, patient: uuid.UUID, version: str) -> "Job":
        """One job for one change of what is known of a patient; `version` names the change."""
        return cls(REASSESSMENT, patient, f"patient:{patient}:{version}")

    @classmethod
    def report(cls, runnable: RunnableAck, delay: timedelta = timedelta(0)) -> "Job":
        return cls(ack_entrypoint(runnable.sender), runnable.id, f"ack:{runnable.id}:{runnable.attempts}", delay)

    @classmethod
    def hand_over(cls, runnable: RunnableHandover, delay: timedelta = timedelta(0)) -> "Job":
        return cls(
            handover_entrypoint(runnable.kind, runnable.line),
            runnable.id,
            f"handover:{runnable.id}:{runnable.attempts}",
            delay,
        )


def delivery_entrypoint(destination: str) -> str:
    """One entrypoint per destination: its concurrency limit holds over the whole cluster."""
    return f"deliver.{destination}"


def ack_entrypoint(sender: str) -> str:
    return f"report.{sender}"


def handover_entrypoint(kind: str, line: str) -> str:
    """One entrypoint per consumer of documents, and per account that answers mails."""
    return f"{kind}.{line}"


async def enqueue(connection: Connection, jobs: Sequence[Job]) -> None:
    """Adds jobs; one that exists already for the same attempt is left as it is."""
    if not jobs:
        return
    queue = Queries(AsyncpgDriver(connection))  # type: ignore[arg-type]  # a pooled connection is one
    await queue.enqueue(
        [job.entrypoint for job in jobs],
        [job.subject.bytes for job in jobs],
        [job.priority for job in jobs],
        [job.delay for job in jobs],
        [job.key for job in jobs],
        on_conflict="skip",
    )
