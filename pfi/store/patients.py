"""What the ADT feed has told of patients, found by opaque keys."""

import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from pfi.model.patient import PatientState
from pfi.store import sql, values
from pfi.store.database import Connection

_SQL = sql.load("patients")


class PatientKeys:
    """Turns identifiers into opaque keys: HMAC-SHA256 under the secret of the installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    async def load(cls, connection: Connection) -> "PatientKeys":
        return cls(await connection.fetchval(_SQL["secret"]))

    def opaque(self, keys: Iterable[str]) -> tuple[bytes, ...]:
        return tuple(hmac.digest(self._secret, key.encode("utf-8", "replace"), hashlib.sha256) for key in keys)


async def apply(
    connection: Connection,
    keys: Sequence[bytes],
    prior_keys: Sequence[bytes],
    change: Callable[[PatientState], PatientState],
    new_id: Callable[[], uuid.UUID],
    now: datetime,
) -> uuid.UUID | None:
    """Applies one statement to every record found under `keys` or `prior_keys` (MRG-1), and attaches all these keys to
    the best of them; creates the record when there is none. Returns the record's id, `None` without any key.

    Must run inside a transaction.
    """
    wanted = [*keys, *prior_keys]
    if not wanted:
        return None
    rows = sorted(await connection.fetch(_SQL["find"], wanted), key=lambda row: row["rank"])
    if rows:
        for row in rows:
            state = change(values.load_state(row["state"]))
            await connection.execute(_SQL["put"], row["id"], values.dump_state(state), now)
        patient: uuid.UUID = rows[0]["id"]
    else:
        patient = new_id()
        await connection.execute(_SQL["put"], patient, values.dump_state(change(PatientState())), now)
    await connection.execute(_SQL["attach"], wanted, patient)
    return patient
