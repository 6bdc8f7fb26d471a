"""Mails of ours found again by what comes back about them, and what their readers say."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pfi.store import sql
from pfi.store.database import Connection
from pfi.store.values import clean

_SQL = sql.load("readings")


@dataclass(frozen=True, slots=True)
class SentMail:
    """A mail of ours, found again. `leaving`: it is not known yet which mailboxes it was submitted for."""

    delivery_id: uuid.UUID
    message_id: int
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class MailReader:
    """One mailbox that a mail was submitted for. `dsn`: `none`, `expected`, `received` or `timeout`."""

    address: str
    party_id: str
    outcome: str
    code: str
    dsn: str


async def sent_mail(connection: Connection, envelope: str, mail_ids: Iterable[str]) -> SentMail | None:
    """The mail of ours that has this ENVID, else one of these Message-ID (the most certain first); `None` when we never
    sent it."""
    row = await connection.fetchrow(_SQL["sent_by_envelope"], clean(envelope)) if envelope else None
    for mail_id in mail_ids:
        left = clean(mail_id).strip("<> ").partition("@")[0]
        row = row or (await connection.fetchrow(_SQL["sent_by_mail_id"], left) if left else None)
    return SentMail(**row) if row else None


async def readers(connection: Connection, delivery_id: uuid.UUID) -> tuple[MailReader, ...]:
    """The mailboxes of a mail that was tried, locked until the end of the transaction."""
    return tuple(MailReader(**row) for row in await connection.fetch(_SQL["readers"], delivery_id))


async def add_reading(
    connection: Connection,
    delivery_id: uuid.UUID,
    address: str,
    *,
    success: bool,
    disposition: str,
    code: str,
    text: str,
    now: datetime,
) -> bool:
    """False when the same was told before."""
    row = await connection.fetchrow(
        _SQL["add_reading"], delivery_id, clean(address), success, clean(disposition), code, clean(text), now
    )
    return row is not None


async def displayed(connection: Connection, delivery_id: uuid.UUID, address: str) -> bool:
    """Whether the reader has already said that the mail was read or processed."""
    return bool(await connection.fetchval(_SQL["displayed"], delivery_id, clean(address)))


async def reception_due(connection: Connection, delivery_id: uuid.UUID, address: str) -> datetime | None:
    """When the creator is told that a mail reached a mailbox (Z02), when that is still to be told."""
    due: datetime | None = await connection.fetchval(_SQL["reception_due"], delivery_id, clean(address))
    return due
