"""Attempts: a process claims a delivery, tries it, and writes how that ended while the claim is still its own."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pfi.model.decision import Channel
from pfi.model.delivery import Outcome
from pfi.model.parties import Recipient
from pfi.store import deliveries, lineages, sql, values
from pfi.store.database import Connection
from pfi.store.deliveries import Runnable, Work
from pfi.store.messages import NewAck
from pfi.store.states import OPEN, DeliveryState

_SQL = sql.load("attempts")


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """Result of one mailbox. `dsn`: `none` or `expected` (then until `dsn_deadline`); `looked_up`: key of a recipient
    whose address a directory was asked for, who stands for the address until one is known."""

    address: str
    party_id: str
    outcome: str
    code: str
    text: str
    dsn: str = "none"
    dsn_deadline: datetime | None = None
    looked_up: str = ""


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """One attempt that ended, the state that follows, and what it makes us say."""

    id: uuid.UUID
    message_id: int
    fence: int
    lineage: str
    channel: Channel
    destination: str
    envelope: str
    kind: str
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    state: DeliveryState
    next_try: datetime | None
    recipients: tuple[Recipient, ...]
    """Still to be served."""
    code: str
    text: str
    partial_code: str = ""
    uncertain: bool = False
    counted: bool = True
    """It used up one of the tries of the delivery."""
    results: tuple[RecipientRow, ...] = ()
    acks: tuple[NewAck, ...] = ()


@dataclass(frozen=True, slots=True)
class Ends:
    """What the store accepted: each delivery whose claim was still ours, as a job would now name it, and the successors
    that may go now."""

    ours: dict[uuid.UUID, Runnable]
    released: tuple[Runnable, ...]


async def claim(connection: Connection, delivery_id: uuid.UUID, worker: uuid.UUID, now: datetime) -> Work | None:
    """Takes a queued or unknown delivery; `None` when there is nothing to take."""
    row = await connection.fetchrow(_SQL["claim"], delivery_id, worker, now)
    return Work.of(row) if row else None


async def undecided(connection: Connection, delivery_id: uuid.UUID) -> int | None:
    """The message of a delivery that must be decided again before it is tried; `None` when it need not be."""
    message: int | None = await connection.fetchval(_SQL["undecided"], delivery_id)
    return message


async def unsure(connection: Connection, delivery_id: uuid.UUID) -> bool:
    """Whether something was told of the patient since a delivery was decided, or it was decided otherwise."""
    told: bool | None = await connection.fetchval(_SQL["unsure"], delivery_id)
    return told is not False


async def address(
    connection: Connection,
    delivery_id: uuid.UUID,
    worker: uuid.UUID,
    fence: int,
    recipients: tuple[Recipient, ...],
    addressees: tuple[Recipient, ...],
) -> bool:
    """Writes down the addresses that were looked up for a claimed delivery; False when the claim is no longer ours."""
    row = await connection.fetchrow(
        _SQL["address"],
        delivery_id,
        worker,
        fence,
        values.dump_recipients(recipients),
        values.dump_recipients(addressees),
    )
    return row is not None


async def end(connection: Connection, worker: uuid.UUID, ended: Sequence[EndedAttempt], now: datetime) -> Ends:
    """Writes results by compare-and-set on the claim; must run inside a transaction."""
    await lineages.lock(connection, [each.lineage for each in ended])
    rows = await connection.fetch(
        _SQL["end"],
        [_ended_row(each) for each in ended],
        worker,
        [_result_row(each, result) for each in ended for result in each.results],
        [ack.row() for each in ended for ack in each.acks],
    )
    ours = {each.id: each for each in map(Runnable.of, rows)}
    over = [each for each in ended if each.id in ours and each.state not in OPEN]
    released = await deliveries.release_successors(connection, [(each.lineage, each.channel) for each in over], now)
    return Ends(ours, released)


async def unclaim(
    connection: Connection, claimed: Iterable[uuid.UUID], worker: uuid.UUID, now: datetime
) -> tuple[Runnable, ...]:
    """Gives back claims on which surely nothing was started."""
    rows = await connection.fetch(_SQL["unclaim"], list(claimed), worker, now)
    return tuple(map(Runnable.of, rows))


async def recover(
    connection: Connection,
    *,
    worker: uuid.UUID,
    active: Iterable[uuid.UUID],
    lease: timedelta,
    stray_since: datetime,
    now: datetime,
) -> tuple[Runnable, ...]:
    """Turns lost claims into `UNKNOWN`: those of workers silent for `lease`, and those of `worker` older than
    `stray_since` that are not `active`."""
    text = "Le processus qui portait cet envoi s'est arrêté ; le sort de l'envoi va être vérifié."
    rows = await connection.fetch(_SQL["recover"], lease, worker, list(active), stray_since, now, text)
    return tuple(map(Runnable.of, rows))


def _ended_row(ended: EndedAttempt) -> dict[str, Any]:
    return {
        "id": ended.id,
        "fence": ended.fence,
        "kind": ended.kind,
        "started_at": ended.started_at,
        "ended_at": ended.ended_at,
        "outcome": ended.outcome.kind,
        "outcome_code": ended.outcome.code,
        "outcome_text": ended.outcome.text,
        "warnings": ended.outcome.warnings,
        "evidence": ended.outcome.evidence,
        "state": ended.state,
        "next_try": ended.next_try,
        "recipients": values.dump_recipients(ended.recipients),
        "code": ended.code,
        "text": ended.text,
        "partial_code": ended.partial_code,
        "uncertain": ended.uncertain,
        "counted": ended.counted,
        "finished_at": None if ended.state in OPEN else ended.ended_at,
    }


def _result_row(ended: EndedAttempt, result: RecipientRow) -> dict[str, Any]:
    return {
        "delivery_id": ended.id,
        "address": result.address.lower(),
        "party_id": result.party_id,
        "outcome": result.outcome,
        "code": result.code,
        "text": result.text,
        "looked_up": result.looked_up,
        "at": ended.ended_at,
        "envelope": ended.envelope,
        "dsn": result.dsn,
        "dsn_deadline": result.dsn_deadline,
    }
