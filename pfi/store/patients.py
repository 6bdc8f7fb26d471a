"""What is known of patients: records found by opaque keys, and the statements that they are folded from.

A record stands for one local identity, or is the anchor of an INS (what is said of it without a local identifier). Only
an ADT message links identifiers, so that a wrong document never mixes two patients.
"""

import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from pfi.model.adt import PatientEvent
from pfi.model.patient import PatientState
from pfi.store import sql, values
from pfi.store.database import Connection

_SQL = sql.load("patients")

Fold = Callable[[Sequence[PatientEvent], Sequence[PatientState]], PatientState]
"""Statements of one record, and what was known before statements were kept (of the record itself, then of those that it
absorbed) -> what is known."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Under what a patient is found: local identifiers, and INS."""

    local: tuple[bytes, ...] = ()
    ins: tuple[bytes, ...] = ()

    @property
    def every(self) -> tuple[bytes, ...]:
        return (*self.local, *self.ins)


@dataclass(frozen=True, slots=True)
class Telling:
    """One statement to be kept. `digest` is the same for the same statement told again. `absorbed` are the local
    identifiers that it declares to be the same person from now on (MRG-1 of A40, change of IPP of A47)."""

    keys: Keys
    absorbed: tuple[bytes, ...]
    digest: bytes
    content: PatientEvent
    message_id: int | None


class PatientKeys:
    """Turns identifiers into opaque keys: HMAC-SHA256 under the secret of the installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    async def load(cls, connection: Connection) -> "PatientKeys":
        return cls(await connection.fetchval(_SQL["secret"]))

    def opaque(self, key: str) -> bytes:
        return hmac.digest(self._secret, key.encode("utf-8", "replace"), hashlib.sha256)

    def keys(self, local: Iterable[str], ins: Iterable[str]) -> Keys:
        return Keys(tuple(self.opaque(each) for each in local), tuple(self.opaque(each) for each in ins))


async def link(
    connection: Connection,
    keys: Keys,
    seen: Mapping[uuid.UUID, int],
    complete: bool,
    new_id: Callable[[], uuid.UUID],
    now: datetime,
) -> dict[uuid.UUID, int] | None:
    """The records that a document's patient has, with their versions; those missing are created.

    `seen` are the records and versions that its decisions took into account, `complete` says that none was missing:
    `None` when something was told or joined meanwhile, and the decisions must be made again. Must run inside a
    transaction, before any delivery is locked: nobody can tell anything more of these records before it ends.
    """
    if not keys.every:
        return {}
    if not complete:
        # Before any row is locked: who tells something takes the locks in that order too.
        await connection.fetch(_SQL["lock_keys"], keys.every)
    found = await connection.fetch(_SQL["found"], keys.every)
    missing = _missing(keys, found)
    # A record that only another document has made since says nothing yet: its version is 0.
    news = any(seen.get(row["id"], None if row["told"] else 0) != row["version"] for row in found)
    if news or (missing and complete):
        return None
    versions = {row["id"]: row["version"] for row in found}
    for key in missing:
        versions[await _create(connection, key, key in keys.ins, new_id, now)] = 0
    return versions


def _missing(keys: Keys, found: Sequence[asyncpg.Record]) -> list[bytes]:
    """Local identifiers without a record, and INS without an anchor: whoever tells something of that INS later finds
    there the documents that it concerns."""
    answered = {row["key"] for row in found if row["anchor"] or row["key"] in keys.local}
    return [key for key in keys.every if key not in answered]


async def depend(connection: Connection, message_id: int, versions: dict[uuid.UUID, int]) -> None:
    """Notes the records that a message depends on, with the versions that its decisions took into account."""
    if versions:
        await connection.execute(_SQL["link"], message_id, list(versions), list(versions.values()))


async def versions_of(connection: Connection, message_id: int) -> dict[uuid.UUID, int]:
    """The records that a message depends on, as they are now; they cannot change before the transaction ends."""
    return {row["id"]: row["version"] for row in await connection.fetch(_SQL["versions"], message_id)}


async def tell(
    connection: Connection, telling: Telling, fold: Fold, new_id: Callable[[], uuid.UUID], now: datetime
) -> dict[uuid.UUID, PatientState]:
    """Keeps a statement and returns the records that it changed, with what is now known of each.

    The statement belongs to the record of its local identifiers; without any, to the anchor of its INS and to every
    local record that has this INS, or will have it. Must run inside a transaction.
    """
    keys = telling.keys
    await connection.fetch(_SQL["lock_keys"], [*keys.every, *telling.absorbed])
    taken = await connection.fetch(_SQL["taken"], [*keys.every, *telling.absorbed])
    by_key: dict[bytes, list[uuid.UUID]] = {}
    for row in taken:
        by_key.setdefault(row["key"], []).append(row["id"])
    anchors = {row["id"] for row in taken if row["anchor"]}
    if keys.local:
        target = await _join(connection, keys, telling.absorbed, by_key, anchors, new_id, now)
        changed = {target.id: target.changed}
    else:
        changed = {patient: False for key in keys.ins for patient in by_key.get(key, ())}
        if not anchors and keys.ins:
            changed[await _create(connection, keys.ins[0], True, new_id, now)] = True
    states: dict[uuid.UUID, PatientState] = {}
    for patient, already in changed.items():
        said = await connection.fetchval(
            _SQL["say"],
            patient,
            telling.digest,
            telling.content.told_at,
            telling.message_id,
            values.dump_event(telling.content),
        )
        if said is not None or already:
            states[patient] = await _refold(connection, patient, fold, now)
    return states


async def stale(connection: Connection, patient: uuid.UUID, since: datetime) -> tuple[int, ...]:
    """Messages that depend on a record and must be decided again, in the order of their reception. `since`: how far
    back a refusal may be cured."""
    return tuple(row["message_id"] for row in await connection.fetch(_SQL["stale"], patient, since))


async def unsettled(connection: Connection, since: datetime, before: datetime) -> tuple[uuid.UUID, ...]:
    """Records changed between two moments on which open deliveries depend that were not decided again yet."""
    return tuple(row["patient"] for row in await connection.fetch(_SQL["unsettled"], since, before))


@dataclass(frozen=True, slots=True)
class _Target:
    id: uuid.UUID
    changed: bool


async def _join(
    connection: Connection,
    keys: Keys,
    absorbed: tuple[bytes, ...],
    by_key: dict[bytes, list[uuid.UUID]],
    anchors: set[uuid.UUID],
    new_id: Callable[[], uuid.UUID],
    now: datetime,
) -> _Target:
    """The one record of these local identifiers: several that an ADT message names together are the same person."""
    locals_found = [patient for key in keys.local for patient in by_key.get(key, ()) if patient not in anchors]
    others = [patient for key in absorbed for patient in by_key.get(key, ()) if patient not in anchors]
    if locals_found:
        target = locals_found[0]
    else:
        target = new_id()
        await connection.execute(_SQL["create"], target, values.dump_state(PatientState()), now, False)
    changed = False
    for other in dict.fromkeys([*locals_found, *others]):
        if other != target:
            await _absorb(connection, other, target)
            changed = True
    await connection.fetch(_SQL["attach"], [*keys.local, *absorbed], target)
    new_ins = [row["key"] for row in await connection.fetch(_SQL["attach"], list(keys.ins), target)]
    if new_ins:
        # Who looks at an anchor without seeing this record yet must look again.
        await connection.execute(_SQL["renew"], list(anchors))
        for query in ("inherit_links", "inherit_baseline"):
            await connection.execute(_SQL[query], new_ins, target)
        changed |= bool(await connection.fetch(_SQL["inherit_statements"], new_ins, target))
    return _Target(target, changed)


async def _absorb(connection: Connection, other: uuid.UUID, target: uuid.UUID) -> None:
    """Everything of a record becomes the target's: statements, keys, and the messages that depend on it."""
    for query in ("absorb_statements", "absorb_keys", "absorb_links", "absorb_baseline"):
        await connection.execute(_SQL[query], other, target)
    await connection.execute(_SQL["forget"], other)


async def _create(
    connection: Connection, key: bytes, anchor: bool, new_id: Callable[[], uuid.UUID], now: datetime
) -> uuid.UUID:
    patient = new_id()
    await connection.execute(_SQL["create"], patient, values.dump_state(PatientState()), now, anchor)
    await connection.fetch(_SQL["attach"], [key], patient)
    return patient


async def _refold(connection: Connection, patient: uuid.UUID, fold: Fold, now: datetime) -> PatientState:
    events = [values.load_event(row["content"]) for row in await connection.fetch(_SQL["statements"], patient)]
    baselines = await connection.fetchval(_SQL["baselines"], patient)
    state = fold(events, [values.load_state(each) for each in baselines or ()])
    await connection.execute(_SQL["put"], patient, values.dump_state(state), now)
    return state
