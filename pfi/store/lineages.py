"""One document over its versions: initial, replacements, deletion.

One transaction at a time decides the order within a lineage, and nothing is decided without knowing the others of it.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import asyncpg

from pfi.model.decision import Channel
from pfi.model.delivery import Fate, Version
from pfi.model.document import Level
from pfi.model.submission import Request
from pfi.store import sql
from pfi.store.database import Connection
from pfi.store.values import clean

_SQL = sql.load("lineages")
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('lineage ' || $1, 0))"
_FATES = (Fate.FED, Fate.DOUBTFUL, Fate.OPEN, Fate.TRIED)
"""The first that holds, by the column of the same name."""


@dataclass(frozen=True, slots=True)
class Relative:
    """A document of the same lineage, in another message. `accepted`: its message was answered AA. A channel without
    `fates` had nothing planned."""

    message_id: int
    unique_id: str
    set_id: str
    number: int | None
    level: Level
    request: Request
    sha1: str
    accepted: bool
    fates: Mapping[Channel, Fate]

    def fate(self, channel: Channel) -> Fate:
        return self.fates.get(channel, Fate.NEVER)


@dataclass(frozen=True, slots=True)
class Family:
    """The lineage of a message about to be stored, and what was received of it. `newest` is its latest message, 0 when
    none was looked for or found: a message that came since makes everything to be thought over."""

    lineage: str
    unique_ids: tuple[str, ...]
    relatives: tuple[Relative, ...] = ()
    newest: int = 0

    def versions(self, channel: Channel) -> tuple[Version, ...]:
        return versions(self.relatives, channel, self.newest + 1)


async def lock(connection: Connection, lineages: Iterable[str]) -> None:
    """Until the end of the transaction. Taken before any row is locked, and before the statement that looks.

    Two births that do not see each other would both be in flight; two ends that do not see each other would both leave
    the release of their successor to the other, and it would wait for ever.
    """
    for lineage in sorted({clean(each) for each in lineages}):
        await connection.execute(_LOCK, lineage)


async def lineage_of(connection: Connection, unique_id: str) -> str | None:
    """Lineage of the newest document received with that uniqueId."""
    lineage: str | None = await connection.fetchval(_SQL["lineage_of"], clean(unique_id))
    return lineage


async def relatives(
    connection: Connection, lineage: str, unique_ids: Iterable[str], but: int = 0
) -> tuple[Relative, ...]:
    """The documents of a lineage, or that bear one of these uniqueIds, oldest message first; `but`: not those of that
    message."""
    rows = await connection.fetch(_SQL["relatives"], clean(lineage), [clean(each) for each in unique_ids], but)
    found: dict[tuple[int, str], Relative] = {}
    for row in rows:
        key = (row["message_id"], row["unique_id"])
        fates = {**(found[key].fates if key in found else {}), **_fate(row)}
        found[key] = Relative(
            row["message_id"],
            row["unique_id"],
            row["set_id"],
            row["version"],
            Level(row["level"]),
            Request(row["request"]),
            row["sha1"],
            row["accepted"],
            fates,
        )
    return _without_deleted(tuple(found.values()))


def versions(every: Iterable[Relative], channel: Channel, message_id: int) -> tuple[Version, ...]:
    """What a connector of a channel is told of them, for a delivery of that message."""
    return tuple(
        Version(
            unique_id=each.unique_id,
            request=each.request,
            fate=each.fate(channel),
            later=each.message_id > message_id,
            set_id=each.set_id,
            number=each.number,
            level=each.level,
            sha1=each.sha1,
        )
        for each in every
    )


async def pending(connection: Connection, lineage: str, but: int) -> tuple[uuid.UUID, ...]:
    """Feeds of a lineage that no process works on and that have not left, of other messages than `but`."""
    rows = await connection.fetch(_SQL["pending"], clean(lineage), but)
    return tuple(row["id"] for row in rows)


async def recheck(connection: Connection, lineage: str, but: int) -> None:
    """Feeds of a lineage that may be leaving, of other messages than `but`, are decided again before any other try."""
    await connection.execute(_SQL["recheck"], clean(lineage), but)


def _fate(row: asyncpg.Record) -> dict[Channel, Fate]:
    if row["channel"] is None:
        return {}
    return {Channel(row["channel"]): next((fate for fate in _FATES if row[fate.value]), Fate.NEVER)}


def _without_deleted(every: Sequence[Relative]) -> tuple[Relative, ...]:
    """A deletion that was carried out on a channel ends what the channel had taken before."""
    ended = {
        channel: each.message_id
        for each in every
        if each.request is Request.DELETE
        for channel, fate in each.fates.items()
        if fate is Fate.FED
    }
    return tuple(
        each
        if each.request is Request.DELETE
        else replace(
            each,
            fates={
                channel: Fate.DELETED if fate is Fate.FED and each.message_id < ended.get(channel, 0) else fate
                for channel, fate in each.fates.items()
            },
        )
        for each in every
    )
