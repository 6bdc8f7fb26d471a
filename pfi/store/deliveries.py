"""Deliveries: what is to be sent, held, stopped or tried again, and in which order."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import asyncpg

from pfi.model.decision import Channel, Priority
from pfi.model.delivery import DeliveryIds
from pfi.model.parties import Recipient
from pfi.model.submission import Request
from pfi.store import lineages, sql, values
from pfi.store.database import Connection
from pfi.store.messages import NewDelivery, delivery_row
from pfi.store.states import DeliveryState
from pfi.store.values import clean

_SQL = sql.load("deliveries")


@dataclass(frozen=True, slots=True)
class Work:
    """A delivery as stored, with what is needed to build it again. `body` is `None` once purged."""

    id: uuid.UUID
    message_id: int
    channel: Channel
    destination: str
    lineage: str
    request: Request
    qualified: bool
    ids: DeliveryIds
    addressees: tuple[Recipient, ...]
    recipients: tuple[Recipient, ...]
    created_at: datetime
    state: DeliveryState
    attempts: int
    budget_from: int
    fence: int
    resolve: bool
    """The claim is for `resolve`, not for `send`."""
    recheck: bool
    """Decided otherwise while it was in flight: it must not be sent."""
    code: str
    text: str
    partial_code: str
    uncertain: bool
    may_have_left: bool
    """An attempt, whichever, ended in doubt: what is found at the destination may be its doing."""
    mailbox: str
    received_at: datetime
    listener: str
    sender: str
    body: bytes | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        return cls(
            id=row["id"],
            message_id=row["message_id"],
            channel=Channel(row["channel"]),
            destination=row["destination"],
            lineage=row["lineage"],
            request=Request(row["request"]),
            qualified=row["qualified"],
            ids=values.load_ids(row["ids"]),
            addressees=values.load_recipients(row["addressees"]),
            recipients=values.load_recipients(row["recipients"]),
            created_at=row["created_at"],
            state=DeliveryState(row["state"]),
            attempts=row["attempts"],
            budget_from=row["budget_from"],
            fence=row["fence"],
            resolve=row["claimed_as"] == DeliveryState.UNKNOWN,
            recheck=row["recheck"],
            code=row["code"],
            text=row["text"],
            partial_code=row["partial_code"],
            uncertain=row["uncertain"],
            may_have_left=row["may_have_left"],
            mailbox=row["mailbox"],
            received_at=row["received_at"],
            listener=row["listener"],
            sender=row["sender"],
            body=row["body"],
        )


@dataclass(frozen=True, slots=True)
class Runnable:
    """A delivery that a job must try. `attempts` names the job: one per attempt."""

    id: uuid.UUID
    destination: str
    attempts: int
    priority: Priority = Priority.NORMAL

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        return cls(row["id"], row["destination"], row["attempts"], Priority(row["priority"]))


@dataclass(frozen=True, slots=True)
class Existing:
    """A delivery that a message already has, as it is when it is decided again."""

    id: uuid.UUID
    channel: Channel
    state: DeliveryState
    lineage: str
    code: str
    until: str
    released: bool
    attempts: int
    uncertain: bool
    qualified: bool = True
    left: Mapping[str, Recipient] = field(default_factory=dict)
    """Recipients still to be served, by their keys."""
    settled: frozenset[str] = frozenset()
    """Keys of the recipients that its attempts are over with: served, or refused."""


@dataclass(frozen=True, slots=True)
class AwaitedDsn:
    delivery_id: uuid.UUID
    message_id: int
    address: str
    party_id: str


async def read(connection: Connection, delivery_id: uuid.UUID) -> Work | None:
    row = await connection.fetchrow(_SQL["read"], delivery_id)
    return Work.of(row) if row else None


async def release_successors(
    connection: Connection, lineages: Sequence[tuple[str, str]], now: datetime
) -> tuple[Runnable, ...]:
    """Queues the next delivery of each (lineage, channel) of which nothing else is open before it."""
    if not lineages:
        return ()
    rows = await connection.fetch(
        _SQL["release_successors"], [lineage for lineage, _ in lineages], [channel for _, channel in lineages], now
    )
    return tuple(map(Runnable.of, rows))


async def forgotten(connection: Connection, before: datetime) -> tuple[Runnable, ...]:
    """What should have been tried before `before` and has no job."""
    return tuple(map(Runnable.of, await connection.fetch(_SQL["forgotten"], before)))


async def let_go(
    connection: Connection, delivery_id: uuid.UUID, new: NewDelivery, now: datetime, *, by_operator: bool
) -> Runnable | None:
    """Lets a held delivery go as it is decided now; the job to make, unless it must wait for its turn."""
    row = await connection.fetchrow(
        _SQL["let_go"],
        delivery_id,
        now,
        new.destination,
        new.delivery.qualified,
        values.dump_recipients(new.delivery.recipients),
        new.priority,
        new.delivery.mailbox,
        new.not_before,
        by_operator,
    )
    return Runnable.of(row) if row is not None and row["state"] == DeliveryState.QUEUED else None


async def hold(connection: Connection, delivery_id: uuid.UUID, new: NewDelivery) -> bool:
    """Holds what nobody works on."""
    row = await connection.fetchrow(_SQL["hold"], delivery_id, new.hold_until, new.code, new.text, new.until)
    return row is not None


async def confirm(
    connection: Connection, delivery_id: uuid.UUID, qualified: bool, recipients: tuple[Recipient, ...] | None
) -> None:
    """What is to be sent still is, to these recipients (`None` = as before), when its next try is due."""
    dumped = None if recipients is None else values.dump_recipients(recipients)
    await connection.execute(_SQL["confirm"], delivery_id, qualified, dumped)


async def recheck(connection: Connection, delivery_id: uuid.UUID) -> None:
    """What is in flight can no longer be stopped; should it come back, it is decided again before any other try."""
    await connection.execute(_SQL["recheck"], delivery_id)


async def revise(connection: Connection, delivery_id: uuid.UUID) -> None:
    """What is in flight would be sent otherwise now; should it come back, it is decided again before any other try."""
    await connection.execute(_SQL["revise"], delivery_id)


async def close(
    connection: Connection,
    delivery_id: uuid.UUID,
    state: DeliveryState,
    now: datetime,
    leaving: Iterable[DeliveryState],
    *,
    code: str | None = None,
    text: str | None = None,
) -> tuple[bool, tuple[Runnable, ...]]:
    """Ends a delivery that no process works on; returns whether it did, and the successors that may go now. Must run
    inside a transaction."""
    await lineages.lock(connection, [row["lineage"] for row in await connection.fetch(_SQL["lineage"], delivery_id)])
    row = await connection.fetchrow(_SQL["close"], delivery_id, state, now, list(leaving), code, text)
    if row is None:
        return False, ()
    return True, await release_successors(connection, [(row["lineage"], row["channel"])], now)


async def held(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Held deliveries, the first to expire first."""
    return [dict(row) for row in await connection.fetch(_SQL["held"], limit)]


async def find(connection: Connection, prefix: str) -> uuid.UUID | None:
    """The one unfinished delivery whose identifier begins so; `None` when there is none, or several."""
    rows = await connection.fetch(_SQL["find"], prefix)
    return rows[0]["id"] if len(rows) == 1 else None


async def expired(connection: Connection, now: datetime) -> tuple[uuid.UUID, ...]:
    """Held deliveries whose time is over."""
    return tuple(row["id"] for row in await connection.fetch(_SQL["expired"], now))


async def reopen(
    connection: Connection, delivery_id: uuid.UUID, now: datetime, recipients: tuple[Recipient, ...] | None = None
) -> Runnable | None:
    """Gives a refused or given-up delivery a new budget of attempts, for `recipients` when given."""
    dumped = None if recipients is None else values.dump_recipients(recipients)
    row = await connection.fetchrow(_SQL["reopen"], delivery_id, now, dumped)
    return Runnable.of(row) if row else None


async def add(connection: Connection, message_id: int, new: Sequence[NewDelivery]) -> tuple[Runnable, ...]:
    """Adds deliveries to a stored message (replay); returns those that a job must try now."""
    rows = await connection.fetch(
        _SQL["add"], message_id, [delivery_row(each) for each in new], sorted({clean(each.lineage) for each in new})
    )
    return tuple(Runnable.of(row) for row in rows if row["state"] == DeliveryState.QUEUED)


async def of_message(connection: Connection, message_id: int) -> dict[Channel, Existing]:
    """The deliveries of a message, by channel, locked until the end of the transaction with their lineages."""
    rows = await connection.fetch(_SQL["lineages_of_message"], message_id)
    await lineages.lock(connection, [row["lineage"] for row in rows])
    return {
        Channel(row["channel"]): Existing(
            row["id"],
            Channel(row["channel"]),
            DeliveryState(row["state"]),
            row["lineage"],
            row["code"],
            row["until"],
            row["released"],
            row["attempts"],
            row["uncertain"],
            row["qualified"],
            (left := _by_key(row["recipients"])),
            frozenset(_by_key(row["addressees"]).keys() - left.keys()),
        )
        for row in await connection.fetch(_SQL["of_message"], message_id)
    }


async def previous_message_id(connection: Connection, lineage: str, channel: Channel, but: uuid.UUID) -> str:
    """Message-ID of the last mail delivered for a lineage, empty when there is none."""
    row = await connection.fetchrow(_SQL["sent_before"], lineage, channel, but)
    return str(row["message_id"]) if row else ""


async def served_recipients(connection: Connection, message_id: int, channel: Channel) -> frozenset[str]:
    """Keys of the recipients that got the mail of a message, whichever of its deliveries carried it: the addresses, and
    who they are for those who were looked up."""
    rows = await connection.fetch(_SQL["served_recipients"], message_id, channel)
    return frozenset(key for row in rows for key in (row["address"], row["looked_up"]) if key)


async def late_dsn(connection: Connection, now: datetime) -> tuple[AwaitedDsn, ...]:
    """Mailboxes whose notification did not come in time; locked until the end of the transaction."""
    rows = await connection.fetch(_SQL["dsn_late"], now)
    return tuple(AwaitedDsn(row["delivery_id"], row["message_id"], row["address"], row["party_id"]) for row in rows)


async def set_dsn(
    connection: Connection, awaited: AwaitedDsn, dsn: str, outcome: str, code: str, text: str, now: datetime
) -> None:
    await connection.execute(_SQL["set_dsn"], awaited.delivery_id, awaited.address, dsn, outcome, code, text, now)


def _by_key(recipients: Any) -> dict[str, Recipient]:
    return {each.key: each for each in values.load_recipients(recipients)}
