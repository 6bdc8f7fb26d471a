"""Connections to the store: the hospital's own PostgreSQL, or the embedded one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import orjson

from pfi.model.errors import ConfigurationError
from pfi.store.embedded import EmbeddedServer

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]"

STORE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What a statement raises when the store is away or refuses: the caller must say "come again"."""

POISON_ERRORS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""The store refuses the values, not the moment: the same statement would fail for ever."""

_ACQUIRE_SECONDS = 10.0
_STATEMENT_SECONDS = 60.0


class Database:
    """A pool of prepared connections. Columns of type `json` are read and written as plain Python values."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", url: str, server: EmbeddedServer | None = None) -> None:
        self.pool = pool
        self.url = url
        self._server = server

    @property
    def embedded(self) -> bool:
        return self._server is not None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with self.pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction; committed durably (WAL flushed) when the block ends, rolled back when it raises."""
        async with self.pool.acquire(timeout=_ACQUIRE_SECONDS) as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self.pool.close(), timeout=10)
        except TimeoutError:
            self.pool.terminate()
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)


async def open_database(url: str | None, data_dir: Path, *, pool: int = 12) -> Database:
    """Opens the store at `url`, or the embedded one in `data_dir` when there is no URL.

    Raises ConfigurationError when it cannot be reached or is older than PostgreSQL 14.
    """
    server = None
    if url is None:
        server = EmbeddedServer(data_dir)
        url = await asyncio.to_thread(server.start)
    try:
        opened = await asyncpg.create_pool(
            url,
            min_size=min(2, pool),
            max_size=pool,
            command_timeout=_STATEMENT_SECONDS,
            init=prepare,
            reset=_keep,
            server_settings={"synchronous_commit": "on", "application_name": "pfi", "timezone": "UTC", "jit": "off"},
        )
    except (*STORE_ERRORS, ValueError) as error:
        if server is not None:
            await asyncio.to_thread(server.stop)
        raise ConfigurationError(
            "STORE_UNREACHABLE",
            f"Base PostgreSQL inaccessible ({type(error).__name__}).",
            "Vérifier PFI_DATABASE_URL (ou database.url), le réseau, le compte et pg_hba.conf.",
        ) from error
    return Database(opened, url, server)


async def prepare(connection: Connection) -> None:
    """Makes `json` columns Python values. `jsonb` is left alone: PgQueuer passes it as text."""
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=_encode_json, decoder=orjson.loads, format="binary"
    )


async def _keep(connection: Connection) -> None:
    """Nothing to reset when a connection comes back to the pool: nobody leaves session state on it (two round trips
    saved for every statement)."""


def _encode_json(value: Any) -> bytes:
    """PostgreSQL text cannot hold U+0000, which a hostile message may carry: it becomes U+FFFD. The driver has a UUID
    of its own, which `default` writes."""
    return orjson.dumps(value, default=str).replace(b"\\u0000", b"\\ufffd")
