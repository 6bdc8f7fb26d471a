"""Messages, their bodies and what was concluded from them."""

import base64
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from pfi.model.acknowledgment import BusinessAck
from pfi.model.decision import Decision, Priority
from pfi.model.delivery import Delivery
from pfi.model.document import Document
from pfi.model.finding import Finding
from pfi.model.patient import PatientState
from pfi.model.submission import Request
from pfi.store import lineages, sql, values
from pfi.store.database import Connection
from pfi.store.lineages import Family
from pfi.store.patients import Keys
from pfi.store.states import AckState, DeliveryState
from pfi.store.values import clean

_SQL = sql.load("messages")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message about to be stored. `sender_key`, `control_id` and `digest` (SHA-256 of the body) are the
    deduplication key of accepted messages. `ack_code` is empty when no acknowledgment was possible."""

    received_at: datetime
    listener: str
    peer: str
    certificate: str
    sender: str
    sender_key: str
    control_id: str
    message_type: str
    body: bytes
    digest: bytes
    kind: str
    ack_code: str
    ack: bytes | None


@dataclass(frozen=True, slots=True)
class NewDocument:
    document: Document
    request: Request
    lineage: str


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """`state` is what the accepting process wishes: `IN_FLIGHT` (born claimed), `QUEUED` or `HELD`; the store says
    `WAITING` instead when an earlier delivery of the lineage is open."""

    delivery: Delivery
    destination: str
    lineage: str
    state: DeliveryState
    next_try: datetime | None = None
    hold_until: datetime | None = None
    code: str = ""
    text: str = ""
    until: str = ""
    priority: Priority = Priority.NORMAL
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewAck:
    """A business acknowledgment for the outbox: exact bytes, and the configured sender that it goes to."""

    id: uuid.UUID
    ack: BusinessAck
    sender: str
    control_id: str
    content: bytes
    created_at: datetime
    state: AckState
    delivery_id: uuid.UUID | None = None
    code: str = ""
    text: str = ""

    def row(self) -> dict[str, Any]:
        finished = self.state not in (AckState.QUEUED, AckState.IN_FLIGHT)
        return {
            "id": self.id,
            "delivery_id": self.delivery_id,
            "sender": self.sender,
            "event": self.ack.event,
            "success": self.ack.success,
            "mailbox": self.ack.mailbox,
            "error_code": self.ack.error_code,
            "error_text": self.ack.error_text,
            "control_id": self.control_id,
            "content": base64.b64encode(self.content).decode(),
            "created_at": self.created_at,
            "state": self.state,
            "code": self.code,
            "text": self.text,
            "finished_at": self.created_at if finished else None,
        }


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A record of a patient, and the keys that it answers to.

    `state` is `None` when no ADT message has told anything of it; `anchor`: what is known of an INS without local
    identifier.
    """

    id: uuid.UUID
    version: int
    anchor: bool
    keys: frozenset[bytes]
    state: PatientState | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that was accepted before, with the answer that it got."""

    id: int
    ack: bytes | None


@dataclass(frozen=True, slots=True)
class Kept:
    """An earlier message with what is needed to read it again."""

    earlier: Earlier
    listener: str
    received_at: datetime
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows before a message is concluded."""

    same: Earlier | None
    """The same message, accepted before."""
    same_control_id: bool
    """The same peer and MSH-10 were accepted with another body."""
    records: tuple[KnownPatient, ...]
    """Everything that answers to one of the patient's keys."""
    keys: Keys

    @property
    def complete(self) -> bool:
        """Whether every key has its record, and every INS its anchor: nothing has to be created."""
        answered = {key for each in self.records for key in each.keys if each.anchor or key in self.keys.local}
        return answered.issuperset(self.keys.every)

    @property
    def states(self) -> tuple[PatientState, ...]:
        """What ADT has told: of the local identity when it has said who that is, else of the INS too.

        The local register says nothing of an identity: an entry must not hide an objection told of the INS.
        """
        told = [record for record in self.records if record.state is not None]
        local = [record for record in told if record.keys.intersection(self.keys.local)]
        identified = any(record.state and (record.state.reliability or record.state.ins_at) for record in local)
        chosen = local if identified else told
        return tuple(record.state for record in chosen if record.state is not None)

    @property
    def versions(self) -> dict[uuid.UUID, int]:
        return {record.id: record.version for record in self.records}


@dataclass(frozen=True, slots=True)
class Accepted:
    id: int
    states: dict[uuid.UUID, DeliveryState]


async def look_up(connection: Connection, sender_key: str, control_id: str, digest: bytes, keys: Keys) -> Known:
    (row,) = await connection.fetch(_SQL["look_up"], clean(sender_key), clean(control_id), digest, keys.every)
    same = row["same_message"]
    return Known(
        same=Earlier(same["id"], base64.b64decode(same["ack"]) if same["ack"] else None) if same else None,
        same_control_id=row["same_control_id"],
        records=tuple(
            KnownPatient(
                uuid.UUID(each["id"]),
                each["version"],
                each["anchor"],
                frozenset(bytes.fromhex(key) for key in each["keys"]),
                values.load_state(each["state"]) if each["state"] is not None else None,
            )
            for each in row["records"] or ()
        ),
        keys=keys,
    )


async def with_documents(
    connection: Connection, sender_key: str, control_id: str, unique_ids: Iterable[str]
) -> tuple[Kept, ...]:
    """The last messages that were accepted under this control id and carry one of these documents, newest first; not
    those whose body was purged, or of which something was refused or given up."""
    rows = await connection.fetch(
        _SQL["with_documents"], clean(sender_key), clean(control_id), [clean(each) for each in unique_ids]
    )
    return tuple(Kept(Earlier(row["id"], row["ack"]), row["listener"], row["received_at"], row["body"]) for row in rows)


async def accept(
    connection: Connection,
    message: NewMessage,
    *,
    worker: uuid.UUID,
    documents: Iterable[NewDocument] = (),
    findings: Iterable[Finding] = (),
    decisions: Iterable[Decision] = (),
    deliveries: Sequence[NewDelivery] = (),
    acks: Iterable[NewAck] = (),
    dependence: Mapping[uuid.UUID, int] = MappingProxyType({}),
    family: Family | None = None,
) -> Accepted | None:
    """Stores everything in one statement; `None` when the same message was accepted before, or when another message of
    its lineage was stored since `family` was looked at (when given).

    `dependence`: records of the patient, with the versions that the decisions took into account.
    """
    if family is not None:
        await lineages.lock(connection, [family.lineage])
    row = await connection.fetchrow(
        _SQL["accept"],
        message.received_at,
        message.received_at.date(),
        message.listener,
        message.peer,
        message.certificate,
        message.sender,
        clean(message.sender_key),
        clean(message.control_id),
        clean(message.message_type),
        message.digest,
        len(message.body),
        message.kind,
        message.ack_code,
        message.ack,
        message.body,
        [_document_row(position, each) for position, each in enumerate(documents)],
        finding_rows(findings),
        decision_rows(decisions),
        [delivery_row(each) for each in deliveries],
        sorted({clean(each.lineage) for each in deliveries}),
        worker,
        [ack.row() for ack in acks],
        list(dependence),
        list(dependence.values()),
        clean(family.lineage) if family else None,
        [clean(each) for each in family.unique_ids] if family else [],
        family.newest if family else 0,
    )
    if row is None:
        return None
    return Accepted(row["id"], {uuid.UUID(key): DeliveryState(state) for key, state in (row["states"] or {}).items()})


async def body(connection: Connection, message_id: int) -> bytes | None:
    """The exact bytes received; `None` when the message does not exist or its body was purged."""
    content: bytes | None = await connection.fetchval(_SQL["body"], message_id)
    return content


async def add_event(
    connection: Connection,
    kind: str,
    at: datetime,
    *,
    message_id: int | None = None,
    delivery_id: uuid.UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Adds to the journal what no other table tells. `detail` holds codes and ids, never a trait."""
    await connection.execute(_SQL["add_event"], message_id, delivery_id, at, kind, detail or {})


async def count_open(connection: Connection, limit: int) -> int:
    """Number of unfinished deliveries (held ones apart), counted up to `limit`."""
    count: int = await connection.fetchval(_SQL["count_open"], limit)
    return count


async def ensure_partitions(connection: Connection, today: date, days: int = 7) -> None:
    """Creates the body partitions of the coming days; a body of another day goes to the default partition."""
    existing = {row["name"] for row in await connection.fetch(_SQL["body_partitions"])}
    for offset in range(days):
        day = today + timedelta(days=offset)
        name = f"bodies_{day:%Y%m%d}"
        if name not in existing:
            following = day + timedelta(days=1)
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF bodies FOR VALUES FROM ('{day}') TO ('{following}')"
            )


async def drop_partitions(connection: Connection, before: date) -> list[str]:
    """Drops the bodies of the days before `before` of which everything is finished; returns the partitions' names."""
    dropped = []
    for row in await connection.fetch(_SQL["body_partitions"]):
        suffix = row["name"].removeprefix("bodies_")
        if not suffix.isdigit():
            continue
        day = datetime.strptime(suffix, "%Y%m%d").date()  # noqa: DTZ007  # a day, not a moment
        if day < before and not await connection.fetchval(_SQL["unfinished_on"], day):
            await connection.execute(f"DROP TABLE {row['name']}")
            dropped.append(row["name"])
    return sorted(dropped)


def finding_rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [
        {
            "position": position,
            "code": finding.code,
            "severity": finding.severity,
            "location": finding.where,
            "text": finding.text,
            "rule": finding.rule,
        }
        for position, finding in enumerate(findings)
    ]


def decision_rows(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    return [
        {
            "position": position,
            "document": decision.document,
            "channel": decision.channel,
            "action": decision.action,
            "code": decision.code,
            "because": values.dump_because(decision.because),
            "recipients": values.dump_recipients(decision.recipients),
            "due": decision.due,
            "gap": decision.gap,
            "legal_gap": decision.legal_gap,
            "rules_digest": decision.rules_digest,
            "until": decision.until or "",
        }
        for position, decision in enumerate(decisions)
    ]


def _document_row(position: int, new: NewDocument) -> dict[str, Any]:
    header = new.document.header
    return {
        "position": position,
        "unique_id": new.document.unique_id,
        "set_id": header.set_id.xds if header.set_id else "",
        "version": header.version_number,
        "type_code": header.code.code,
        "level": header.level,
        "request": new.request,
        "lineage": new.lineage,
        "sha1": new.document.sha1,
        "size": new.document.size,
        "obx_set_id": new.document.obx_set_id,
    }


def delivery_row(new: NewDelivery) -> dict[str, Any]:
    delivery = new.delivery
    return {
        "id": delivery.id,
        "channel": delivery.channel,
        "destination": new.destination,
        "lineage": clean(new.lineage),
        "request": delivery.request,
        "qualified": delivery.qualified,
        "ids": values.dump_ids(delivery.ids),
        "recipients": values.dump_recipients(delivery.recipients),
        "created_at": delivery.created_at,
        "next_try": new.next_try,
        "hold_until": new.hold_until,
        "code": new.code,
        "text": new.text,
        "until": new.until,
        "priority": new.priority,
        "mailbox": delivery.mailbox,
        "not_before": new.not_before,
        "state": new.state,
    }
