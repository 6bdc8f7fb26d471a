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

from pfi.store.acks import RunnableAck
from pfi.store.database import Connection
from pfi.store.deliveries import Runnable


@dataclass(frozen=True, slots=True)
class Job:
    """`delay`: not before that long from now."""

    entrypoint: str
    subject: uuid.UUID
    key: str
    delay: timedelta = timedelta(0)

    @classmethod
    def deliver(cls, runnable: Runnable, delay: timedelta = timedelta(0)) -> "Job":
        return cls(
            delivery_entrypoint(runnable.destination),
            runnable.id,
            f"delivery:{runnable.id}:{runnable.attempts}",
            delay,
        )

    @classmethod
    def report(cls, runnable: RunnableAck, delay: timedelta = timedelta(0)) -> "Job":
        return cls(ack_entrypoint(runnable.sender), runnable.id, f"ack:{runnable.id}:{runnable.attempts}", delay)


def delivery_entrypoint(destination: str) -> str:
    """One entrypoint per destination: its concurrency limit holds over the whole cluster."""
    return f"deliver.{destination}"


def ack_entrypoint(sender: str) -> str:
    return f"report.{sender}"


async def enqueue(connection: Connection, jobs: Sequence[Job]) -> None:
    """Adds jobs; one that exists already for the same attempt is left as it is."""
    if not jobs:
        return
    queue = Queries(AsyncpgDriver(connection))  # type: ignore[arg-type]  # a pooled connection is one
    await queue.enqueue(
        [job.entrypoint for job in jobs],
        [job.subject.bytes for job in jobs],
        [0] * len(jobs),
        [job.delay for job in jobs],
        [job.key for job in jobs],
        on_conflict="skip",
    )
