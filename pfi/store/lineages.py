"""One transaction at a time decides the order within a lineage (initial, replacements, deletion of a document)."""

from collections.abc import Iterable

from pfi.store.database import Connection
from pfi.store.values import clean

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('lineage ' || $1, 0))"


async def lock(connection: Connection, lineages: Iterable[str]) -> None:
    """Until the end of the transaction. Taken before any row is locked, and before the statement that looks.

    Two births that do not see each other would both be in flight; two ends that do not see each other would both leave
    the release of their successor to the other, and it would wait for ever.
    """
    for lineage in sorted({clean(each) for each in lineages}):
        await connection.execute(_LOCK, lineage)
