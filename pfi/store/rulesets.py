"""The rule sets that were in force, with their text, and every activation: who, when, on which host, why."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from pfi.store import sql
from pfi.store.database import Connection, Database

_SQL = sql.load("rulesets")
_LOCK = 0x0050_4649_0003  # "PFI", rules
_CHANNEL = "pfi_rules"
_LONGEST_READ_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class RuleText:
    """One file of a set: its name, without folder, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    digest: str
    files: tuple[RuleText, ...]


@dataclass(frozen=True, slots=True)
class Activation:
    """`author` is an account of the operating system of `host`. `id` grows with every activation."""

    id: int
    digest: str
    at: datetime
    author: str
    host: str
    reason: str


async def lock(connection: Connection) -> None:
    """Lets one change of the rules in force in at a time. Must run inside a transaction."""
    await connection.execute(_SQL["lock"], _LOCK)


async def newest(connection: Connection) -> Activation | None:
    """The activation in force; `None` when no rules were ever put in force in this store."""
    row = await connection.fetchrow(_SQL["newest"])
    return Activation(**row) if row else None


async def history(connection: Connection, limit: int) -> tuple[Activation, ...]:
    """Newest first."""
    return tuple(Activation(**row) for row in await connection.fetch(_SQL["history"], limit))


async def was_in_force(connection: Connection, digest: str) -> bool:
    found: bool = await connection.fetchval(_SQL["was_in_force"], digest)
    return found


async def previous(connection: Connection) -> str | None:
    """Digest of the rules that were in force before the present ones."""
    digest: str | None = await connection.fetchval(_SQL["previous"])
    return digest


async def find(connection: Connection, beginning: str) -> tuple[RuleSet, ...]:
    """The sets whose digest begins so: none, one, or two of several."""
    rows = await connection.fetch(_SQL["find"], beginning)
    return tuple(RuleSet(row["digest"], tuple(RuleText(**file) for file in row["files"])) for row in rows)


async def activate(connection: Connection, rules: RuleSet, *, at: datetime, author: str, host: str, reason: str) -> int:
    """Stores a set unless it is known, makes it the one in force, and wakes every engine at the commit. Returns the
    number of the activation. Must run inside a transaction that holds `lock`."""
    files = [{"name": file.name, "text": file.text} for file in rules.files]
    await connection.execute(_SQL["store"], rules.digest, files, at)
    number: int = await connection.fetchval(_SQL["activate"], rules.digest, at, author, host, reason)
    await connection.execute(_SQL["notify"], _CHANNEL, str(number))
    return number


async def living(
    connection: Connection, seconds: float, kind: str, activation: int, since: datetime
) -> tuple[int, int]:
    """How many engine processes live (seen for `seconds`), and how many of them said by an event `kind` that they took
    an activation."""
    row = await connection.fetchrow(_SQL["living"], seconds, kind, str(activation), since)
    return (row["living"], row["taken"]) if row else (0, 0)


async def coverage(connection: Connection, since: datetime) -> tuple[int, tuple[Mapping[str, Any], ...]]:
    """How many decisions there were about messages received since a moment; and `rule`, `decisions`, `last_seen` for
    each name that they give as a reason."""
    total: int = await connection.fetchval(_SQL["decided"], since, timeout=_LONGEST_READ_SECONDS)
    rows = await connection.fetch(_SQL["coverage"], since, timeout=_LONGEST_READ_SECONDS)
    return total, tuple(dict(row) for row in rows)


class Bell:
    """Rings at each activation. `lost`: the connection that listens is gone, and rings no more."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()
        self.lost = False

    def ring(self, *_: object) -> None:
        self.rung.set()

    def lose(self, *_: object) -> None:
        self.lost = True
        self.rung.set()


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[Bell]:
    """Listens on a connection of its own: the pool may be small."""
    bell = Bell()
    connection = await asyncpg.connect(database.url, server_settings={"application_name": "pfi rules"})
    try:
        connection.add_termination_listener(bell.lose)
        await connection.add_listener(_CHANNEL, bell.ring)
        yield bell
    finally:
        await connection.close(timeout=2)
