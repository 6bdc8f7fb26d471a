"""The engine processes that share a store, and whether they live: by the store's clock, the only one they share."""

import uuid
from datetime import timedelta

from pfi.store.database import Connection

_BEAT = """
INSERT INTO workers (id, started_at, seen_at) VALUES ($1, now(), now())
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
"""
_FORGET = """
DELETE FROM workers
 WHERE seen_at < now() - $1::interval
   AND NOT EXISTS (SELECT FROM deliveries WHERE owner = workers.id AND state = 'in_flight')
   AND NOT EXISTS (SELECT FROM business_acks WHERE owner = workers.id AND state = 'in_flight')
   AND NOT EXISTS (SELECT FROM handovers WHERE owner = workers.id AND state = 'in_flight')
"""


async def beat(connection: Connection, worker: uuid.UUID) -> None:
    """Says that a worker lives."""
    await connection.execute(_BEAT, worker)


async def leave(connection: Connection, worker: uuid.UUID) -> None:
    """A worker that stops cleanly: whatever it still held is recovered at once."""
    await connection.execute("DELETE FROM workers WHERE id = $1", worker)


async def forget_dead(connection: Connection, silence: timedelta) -> None:
    """Removes the rows of workers not seen for `silence` that hold nothing any more."""
    await connection.execute(_FORGET, silence)
