"""The read side: what was received, what was decided, what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pfi.store import journal, messages
from pfi.store.database import Database

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages to list; `None` = any. `state`: at least one delivery has it. `before`: ids below (paging)."""

    since: datetime | None = None
    until: datetime | None = None
    sender: str | None = None
    kind: str | None = None
    control_id: str | None = None
    state: str | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class MessageLine:
    """One line of the list. `deliveries`: (channel, state, code) of each."""

    id: int
    received_at: datetime
    listener: str
    sender: str
    control_id: str
    message_type: str
    kind: str
    ack_code: str
    size: int
    deliveries: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message and everything that hangs on it; keys of the rows are the columns of the store (migrations).

    Recipients and addresses are there: this is for the operator's eyes, never for a log.
    """

    message: Row
    mail: tuple[Row, ...]
    """One row for a received mail, none for any other message."""
    documents: tuple[Row, ...]
    findings: tuple[Row, ...]
    decisions: tuple[Row, ...]
    deliveries: tuple[Row, ...]
    attempts: tuple[Row, ...]
    recipients: tuple[Row, ...]
    readings: tuple[Row, ...]
    handovers: tuple[Row, ...]
    acks: tuple[Row, ...]
    events: tuple[Row, ...]


class Journal:
    """Needs a store only: works beside a running engine, or without one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def messages(self, wanted: MessageFilter = MessageFilter()) -> tuple[MessageLine, ...]:
        """Messages, newest first."""
        async with self._database.connection() as connection:
            rows = await journal.messages(
                connection,
                since=wanted.since,
                until=wanted.until,
                sender=wanted.sender,
                kind=wanted.kind,
                control_id=wanted.control_id,
                state=wanted.state,
                before=wanted.before,
                limit=wanted.limit,
            )
        return tuple(_line(row) for row in rows)

    async def message(self, message_id: int) -> MessageView | None:
        """One message in full; `None` when there is none of that number."""
        async with self._database.connection() as connection:
            row = await journal.message(connection, message_id)
            if row is None:
                return None
            parts = {name: await journal.part(connection, name, message_id) for name in journal.PARTS}
        return MessageView(message=row, **parts)

    async def body(self, message_id: int) -> bytes | None:
        """The exact bytes received; `None` when unknown or purged."""
        async with self._database.connection() as connection:
            return await messages.body(connection, message_id)

    async def mails(self, state: str | None = None, limit: int = 50) -> tuple[Row, ...]:
        """Received mails, newest first; `state` = only those."""
        async with self._database.connection() as connection:
            return await journal.mails(connection, state, limit)

    async def engine_events(self, limit: int = 50) -> tuple[Row, ...]:
        """What concerns no message (destinations stopped, resumed), newest first."""
        async with self._database.connection() as connection:
            return await journal.engine_events(connection, limit)

    async def counts(self) -> dict[tuple[str, str], int]:
        """Number of deliveries by (state, channel)."""
        async with self._database.connection() as connection:
            return {(row["state"], row["channel"]): row["count"] for row in await journal.counts(connection)}


def _line(row: Row) -> MessageLine:
    deliveries = tuple((each["channel"], each["state"], each["code"]) for each in row["deliveries"])
    return MessageLine(**{**row, "deliveries": deliveries})
