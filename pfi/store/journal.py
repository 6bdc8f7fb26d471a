"""The journal as rows: what `pfi.engine.journal` shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pfi.model.decision import Action, Channel, Decision
from pfi.model.finding import Finding
from pfi.store import sql
from pfi.store.database import Connection
from pfi.store.messages import decision_rows, finding_rows

_SQL = sql.load("journal")

Row = Mapping[str, Any]

PARTS = (
    "mail",
    "documents",
    "findings",
    "decisions",
    "deliveries",
    "attempts",
    "recipients",
    "readings",
    "handovers",
    "acks",
    "events",
)
"""Everything that hangs on a message, each in its order."""


async def messages(
    connection: Connection,
    *,
    since: datetime | None,
    until: datetime | None,
    sender: str | None,
    kind: str | None,
    control_id: str | None,
    state: str | None,
    before: int | None,
    limit: int,
) -> list[Row]:
    rows = await connection.fetch(_SQL["list"], since, until, sender, kind, control_id, state, before, limit)
    return [dict(row) for row in rows]


async def message(connection: Connection, message_id: int) -> Row | None:
    row = await connection.fetchrow(_SQL["message"], message_id)
    return dict(row) if row else None


@dataclass(frozen=True, slots=True)
class LastDecision:
    """The newest decision on one channel. `cured_by`: the event after which it is to be taken again, or empty."""

    action: Action
    code: str
    cured_by: str


async def last_decisions(connection: Connection, message_id: int) -> dict[Channel, LastDecision]:
    """The newest decision on each channel of a message."""
    return {
        Channel(row["channel"]): LastDecision(Action(row["action"]), row["code"], row["until"])
        for row in await connection.fetch(_SQL["last_decisions"], message_id)
    }


async def part(connection: Connection, name: str, message_id: int) -> tuple[Row, ...]:
    """One of `PARTS` of a message."""
    return tuple(dict(row) for row in await connection.fetch(_SQL[name], message_id))


async def requests(connection: Connection, since: datetime, after: int, limit: int) -> list[Row]:
    """`id`, `received_at` and `listener` of accepted requests received since a moment, ids above `after`, in order."""
    return [dict(row) for row in await connection.fetch(_SQL["requests"], since, after, limit)]


async def mails(connection: Connection, state: str | None, limit: int) -> tuple[Row, ...]:
    """Received mails, newest first."""
    return tuple(dict(row) for row in await connection.fetch(_SQL["mails"], state, limit))


async def engine_events(connection: Connection, limit: int) -> tuple[Row, ...]:
    """What concerns no message: destinations stopped and resumed."""
    return tuple(dict(row) for row in await connection.fetch(_SQL["engine_events"], limit))


async def counts(connection: Connection) -> tuple[Row, ...]:
    """Number of deliveries by state and channel."""
    return tuple(dict(row) for row in await connection.fetch(_SQL["counts"]))


async def add_run(
    connection: Connection, message_id: int, findings: Iterable[Finding], decisions: Iterable[Decision]
) -> int:
    """Stores what a replay found and decided; returns its number (the intake is 1)."""
    number: int = await connection.fetchval(
        _SQL["add_run"], message_id, finding_rows(findings), decision_rows(decisions)
    )
    return number
