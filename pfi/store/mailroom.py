"""Mails received, and what is handed on because of them."""

import base64
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import asyncpg

from pfi.model.document import Document
from pfi.model.submission import Request
from pfi.store import sql
from pfi.store.database import Connection
from pfi.store.values import clean

_SQL = sql.load("mailroom")
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('mail ' || $1 || ' ' || $2, 0))"


class MailState(StrEnum):
    """`OPEN`: not every document has been answered for. `KEPT`: it has none to file, a person looks at it."""

    OPEN = "open"
    INTEGRATED = "integrated"
    REFUSED = "refused"
    KEPT = "kept"


class Reply(StrEnum):
    """What the correspondent is answered once a mail is settled (hl7v2 digest §5.3, §5.4). `PERSON`: RFC 8098 §2.1
    forbids an automatic answer."""

    NONE = "none"
    MDN = "mdn"
    ERROR_MAIL = "error_mail"
    PERSON = "person"


class HandoverKind(StrEnum):
    """`MDM`: a document for a consumer of the hospital. `MAIL`: an answer for a correspondent."""

    MDM = "mdm"
    MAIL = "mail"


class HandoverState(StrEnum):
    """`HELD`: waits for a person. `FAILED`: given up. There is no unknown state: sending again resolves."""

    HELD = "held"
    QUEUED = "queued"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NewMail:
    """What is known of a mail when it is stored. `mail_id` is its Message-ID without brackets."""

    mailbox: str
    destination: str
    mail_id: str
    state: MailState
    answer: Reply = Reply.NONE
    answer_to: str = ""
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class NewHandover:
    """Exact bytes for `line`: a configured consumer (MDM), or the destination whose account sends a mail from `mailbox`
    to `recipient`. `control_id` is MSH-10 or the Message-ID."""

    id: uuid.UUID
    kind: HandoverKind
    position: int
    line: str
    control_id: str
    content: bytes = field(repr=False)
    created_at: datetime
    mailbox: str = ""
    recipient: str = ""
    state: HandoverState = HandoverState.QUEUED
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class HandoverWork:
    """A claimed handover. `tries` were made since it was written, or since a person last tried it again."""

    id: uuid.UUID
    message_id: int
    kind: HandoverKind
    line: str
    mailbox: str
    recipient: str
    control_id: str
    content: bytes = field(repr=False)
    tries: int
    fence: int


@dataclass(frozen=True, slots=True)
class RunnableHandover:
    """A handover that a job must try. `attempts` names the job: one per attempt."""

    id: uuid.UUID
    kind: HandoverKind
    line: str
    attempts: int


@dataclass(frozen=True, slots=True)
class EndedHandover:
    id: uuid.UUID
    fence: int
    state: HandoverState
    next_try: datetime | None
    code: str
    text: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail, with its bytes unless they were purged."""

    message_id: int
    mailbox: str
    destination: str
    mail_id: str
    state: MailState
    answer: Reply
    answer_to: str
    received_at: datetime
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of one document of a mail."""

    position: int
    line: str
    state: HandoverState
    code: str
    text: str


async def claim_mailbox(connection: Connection, address: str, worker: uuid.UUID, lease: timedelta) -> bool:
    """Whether this process reads the mailbox from now on (or still does)."""
    return await connection.fetchval(_SQL["claim_mailbox"], address, worker, lease) is not None


async def leave_mailbox(connection: Connection, address: str, worker: uuid.UUID) -> None:
    await connection.execute(_SQL["leave_mailbox"], address, worker)


async def seen_before(connection: Connection, mailbox: str, mail_id: str) -> frozenset[tuple[str, Request, str]]:
    """(uniqueId, request, SHA-1) of the documents that the same mail brought before; none for a mail without
    Message-ID. Who stores the same mail at the same moment waits for the end of this transaction."""
    if not mail_id:
        return frozenset()
    await connection.execute(_LOCK, mailbox, clean(mail_id))
    rows = await connection.fetch(_SQL["seen_before"], mailbox, clean(mail_id))
    return frozenset((row["unique_id"], Request(row["request"]), row["sha1"]) for row in rows)


async def add_mail(connection: Connection, message_id: int, mail: NewMail, now: datetime) -> None:
    await connection.execute(
        _SQL["add_mail"],
        message_id,
        mail.mailbox,
        mail.destination,
        clean(mail.mail_id),
        mail.state,
        mail.code,
        mail.text,
        mail.answer,
        clean(mail.answer_to),
        None if mail.state is MailState.OPEN else now,
    )


async def add_documents(connection: Connection, message_id: int, documents: Sequence[tuple[Document, Request]]) -> None:
    """The documents of a mail, in the order of its handovers."""
    if documents:
        rows = [_document(position, *each) for position, each in enumerate(documents)]
        await connection.execute(_SQL["add_documents"], rows, message_id)


async def add_handovers(connection: Connection, message_id: int, handovers: Sequence[NewHandover]) -> None:
    if handovers:
        await connection.execute(_SQL["add_handovers"], [_row(each) for each in handovers], message_id)


async def claim(
    connection: Connection, handover_id: uuid.UUID, worker: uuid.UUID, now: datetime
) -> HandoverWork | None:
    row = await connection.fetchrow(_SQL["claim"], handover_id, worker, now)
    return HandoverWork(**{**row, "kind": HandoverKind(row["kind"])}) if row else None


async def end(connection: Connection, worker: uuid.UUID, ended: EndedHandover) -> RunnableHandover | None:
    """Writes a result by compare-and-set on the claim; `None` when it was no longer ours."""
    rows = await connection.fetch(
        _SQL["end"],
        ended.id,
        worker,
        ended.fence,
        ended.state,
        ended.next_try,
        ended.code,
        ended.text,
        None if ended.state is HandoverState.QUEUED else ended.ended_at,
    )
    return next(iter(_runnables(rows)), None)


async def lock_mail(connection: Connection, message_id: int) -> StoredMail | None:
    """A mail, locked until the end of the transaction."""
    row = await connection.fetchrow(_SQL["lock_mail"], message_id)
    if row is None:
        return None
    return StoredMail(
        message_id=row["message_id"],
        mailbox=row["mailbox"],
        destination=row["destination"],
        mail_id=row["mail_id"],
        state=MailState(row["state"]),
        answer=Reply(row["answer"]),
        answer_to=row["answer_to"],
        received_at=row["received_at"],
        body=row["body"],
    )


async def filed(connection: Connection, message_id: int) -> tuple[Filed, ...]:
    """What became of the documents of a mail, in their order."""
    rows = await connection.fetch(_SQL["filed"], message_id)
    return tuple(Filed(**{**row, "state": HandoverState(row["state"])}) for row in rows)


async def settle(
    connection: Connection, message_id: int, state: MailState, code: str, text: str, now: datetime
) -> None:
    await connection.execute(_SQL["settle"], message_id, state, clean(code), clean(text), now)


async def held(connection: Connection, message_id: int) -> dict[uuid.UUID, tuple[str, Request]]:
    """uniqueId and request of the held documents of a mail by handover, locked until the end of the transaction."""
    return await _named(connection, message_id, HandoverState.HELD)


async def refused(connection: Connection, message_id: int) -> dict[uuid.UUID, tuple[str, Request]]:
    """The same for those that a consumer refused."""
    return await _named(connection, message_id, HandoverState.REFUSED)


async def rewrite(
    connection: Connection, handover_id: uuid.UUID, line: str, control_id: str, content: bytes, now: datetime
) -> RunnableHandover | None:
    """Lets a document go that was held or refused, as it is written now."""
    rows = await connection.fetch(_SQL["rewrite"], handover_id, line, control_id, content, now)
    return next(iter(_runnables(rows)), None)


async def followers(connection: Connection, message_id: int, now: datetime) -> tuple[RunnableHandover, ...]:
    """Later documents of the same lineages that may have waited for those of a mail."""
    return _runnables(await connection.fetch(_SQL["followers"], message_id, now))


async def dismiss(connection: Connection, message_id: int, now: datetime, code: str, text: str) -> int:
    """Gives the held documents of a mail up; returns how many."""
    return len(await connection.fetch(_SQL["dismiss"], message_id, now, code, text))


async def reopen(connection: Connection, message_id: int) -> None:
    """A refused mail of which something is tried again."""
    await connection.execute(_SQL["reopen"], message_id)


async def retry(
    connection: Connection, message_id: int, kind: HandoverKind, now: datetime
) -> tuple[RunnableHandover, ...]:
    """Queues again, the same bytes, what was given up of a mail, of one kind, and answers that were refused."""
    return _runnables(await connection.fetch(_SQL["retry"], message_id, now, kind))


async def withdraw_answers(connection: Connection, message_id: int) -> None:
    """Drops the answers of a mail that have not left."""
    await connection.execute(_SQL["withdraw_answers"], message_id)


async def recover(
    connection: Connection,
    *,
    worker: uuid.UUID,
    active: Iterable[uuid.UUID],
    lease: timedelta,
    stray_since: datetime,
    now: datetime,
) -> tuple[RunnableHandover, ...]:
    """Queues again what lost workers had claimed."""
    return _runnables(await connection.fetch(_SQL["recover"], lease, worker, list(active), stray_since, now))


async def forgotten(connection: Connection, before: datetime) -> tuple[RunnableHandover, ...]:
    """What should have been tried before `before` and has no job."""
    return _runnables(await connection.fetch(_SQL["forgotten"], before))


async def purge(connection: Connection, before: datetime) -> None:
    """Drops the bytes of hand-overs that were finished before; a few hundred at a time."""
    await connection.execute(_SQL["purge"], before)


async def mark_answer(connection: Connection, message_id: int, code: str, text: str, *, missing: bool) -> None:
    """Shows beside what became of a mail that its answer could not leave, or shows it no longer."""
    await connection.execute(_SQL["mark_answer"], message_id, code, text, missing)


async def _named(connection: Connection, message_id: int, state: HandoverState) -> dict[uuid.UUID, tuple[str, Request]]:
    rows = await connection.fetch(_SQL["named"], message_id, state)
    return {row["id"]: (row["unique_id"], Request(row["request"])) for row in rows}


def _document(position: int, document: Document, request: Request) -> dict[str, Any]:
    header = document.header
    return {
        "position": position,
        "unique_id": document.unique_id,
        "version": header.version_number,
        "type_code": header.code.code,
        "level": header.level,
        "request": request,
        "sha1": document.sha1,
        "size": document.size,
        "replaces": header.replaced.xds if header.replaced else "",
    }


def _row(new: NewHandover) -> dict[str, Any]:
    return {
        "id": new.id,
        "kind": new.kind,
        "position": new.position,
        "line": new.line,
        "mailbox": new.mailbox,
        "recipient": clean(new.recipient),
        "control_id": clean(new.control_id),
        "content": base64.b64encode(new.content).decode(),
        "created_at": new.created_at,
        "state": new.state,
        "code": new.code,
        "text": new.text,
    }


def _runnables(rows: Iterable[asyncpg.Record]) -> tuple[RunnableHandover, ...]:
    return tuple(RunnableHandover(row["id"], HandoverKind(row["kind"]), row["line"], row["attempts"]) for row in rows)
