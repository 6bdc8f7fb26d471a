"""Alerts: what an operator must know of until it is over. One open alert for one kind and subject, over all engines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from pfi.store import sql
from pfi.store.database import Connection
from pfi.store.values import clean

_SQL = sql.load("alerts")


@dataclass(frozen=True, slots=True)
class Alert:
    """`subject` is what it is about (`stay:<id>`, `document:<lineage>`...), `text` French, `detail` ids and codes;
    never an identity trait. `ending` is the code of why it was closed."""

    id: int
    kind: str
    subject: str
    opened_at: datetime
    closed_at: datetime | None
    ending: str
    detail: Mapping[str, Any]
    text: str


async def open(
    connection: Connection,
    kind: str,
    subject: str,
    text: str,
    detail: Mapping[str, Any],
    at: datetime,
    *,
    message_id: int | None = None,
) -> bool:
    """Opens an alert, with an event (of the message, if one is named). False when it is open already."""
    row = await connection.fetchrow(_SQL["open"], kind, clean(subject), at, dict(detail), clean(text), message_id)
    return row is not None


async def close(
    connection: Connection, kind: str, subject: str, at: datetime, *, ending: str = "", message_id: int | None = None
) -> bool:
    """Closes the open alert of that kind and subject, with an event. False when none is open."""
    return await connection.fetchrow(_SQL["close"], kind, clean(subject), at, ending, message_id) is not None


async def current(connection: Connection) -> tuple[Alert, ...]:
    """Open alerts, oldest first."""
    return _alerts(await connection.fetch(_SQL["current"]))


async def history(connection: Connection, limit: int) -> tuple[Alert, ...]:
    """Open and closed alerts, newest first."""
    return _alerts(await connection.fetch(_SQL["history"], limit))


def _alerts(rows: Iterable[asyncpg.Record]) -> tuple[Alert, ...]:
    return tuple(
        Alert(
            row["id"],
            row["kind"],
            row["subject"],
            row["opened_at"],
            row["closed_at"],
            row["ending"],
            row["detail"],
            row["text"],
        )
        for row in rows
    )
