"""The outbox of business acknowledgments (ZAM)."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from pfi.model.acknowledgment import BusinessEvent
from pfi.store import sql
from pfi.store.database import Connection
from pfi.store.messages import NewAck
from pfi.store.states import AckState

_SQL = sql.load("acks")


@dataclass(frozen=True, slots=True)
class AckWork:
    """A claimed acknowledgment: the exact bytes to send to `sender`'s reply address."""

    id: uuid.UUID
    message_id: int
    sender: str
    control_id: str
    content: bytes
    attempts: int
    fence: int


@dataclass(frozen=True, slots=True)
class EndedAck:
    id: uuid.UUID
    fence: int
    state: AckState
    next_try: datetime | None
    code: str
    text: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class RunnableAck:
    """An acknowledgment that a job must send. `attempts` names the job: one per attempt."""

    id: uuid.UUID
    sender: str
    attempts: int


async def add(connection: Connection, message_id: int, acks: Sequence[NewAck]) -> None:
    await connection.execute(_SQL["add"], [ack.row() for ack in acks], message_id)


async def claim(connection: Connection, ack_id: uuid.UUID, worker: uuid.UUID, now: datetime) -> AckWork | None:
    """Takes a queued acknowledgment; `None` when there is nothing to take, or when an earlier event about the same
    mailbox is still to be told."""
    row = await connection.fetchrow(_SQL["claim"], ack_id, worker, now)
    return AckWork(**row) if row else None


async def end(connection: Connection, worker: uuid.UUID, ended: Sequence[EndedAck]) -> dict[uuid.UUID, RunnableAck]:
    """Writes results by compare-and-set on the claim; returns those that were still ours."""
    rows = await connection.fetch(_SQL["end"], [_row(each) for each in ended], worker)
    return {each.id: each for each in _runnables(rows)}


async def unclaim(
    connection: Connection, acks: Iterable[uuid.UUID], worker: uuid.UUID, now: datetime
) -> tuple[RunnableAck, ...]:
    return _runnables(await connection.fetch(_SQL["unclaim"], list(acks), worker, now))


async def recover(
    connection: Connection,
    *,
    worker: uuid.UUID,
    active: Iterable[uuid.UUID],
    lease: timedelta,
    stray_since: datetime,
    now: datetime,
) -> tuple[RunnableAck, ...]:
    """Queues again what lost workers had claimed."""
    return _runnables(await connection.fetch(_SQL["recover"], lease, worker, list(active), stray_since, now))


async def forgotten(connection: Connection, before: datetime) -> tuple[RunnableAck, ...]:
    """What should have been sent before `before` and has no job."""
    return _runnables(await connection.fetch(_SQL["forgotten"], before))


async def told(connection: Connection, message_id: int, event: BusinessEvent) -> frozenset[str]:
    """Mailboxes (lower case) of which the sender was already told something by this event about this message; an empty
    one stands for the DMP, or for a channel without a known mailbox."""
    rows = await connection.fetch(_SQL["told"], message_id, event)
    return frozenset(row["mailbox"] for row in rows)


async def reopen(connection: Connection, message_id: int, sender: str, now: datetime) -> tuple[RunnableAck, ...]:
    """Queues again the acknowledgments of a message that could not be sent."""
    return _runnables(await connection.fetch(_SQL["reopen"], message_id, now, sender))


def _row(ended: EndedAck) -> dict[str, Any]:
    return {
        "id": ended.id,
        "fence": ended.fence,
        "state": ended.state,
        "next_try": ended.next_try,
        "code": ended.code,
        "text": ended.text,
        "finished_at": None if ended.state is AckState.QUEUED else ended.ended_at,
    }


def _runnables(rows: Iterable[asyncpg.Record]) -> tuple[RunnableAck, ...]:
    return tuple(RunnableAck(row["id"], row["sender"], row["attempts"]) for row in rows)
