"""Migrations: once, by whoever comes first, and never backwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pfi.model.errors import ConfigurationError
from pfi.store import schema
from pfi.store.database import Database, open_database


async def test_several_processes_migrate_at_once_and_each_migration_runs_once(empty_store_url: str) -> None:
    databases = [await open_database(empty_store_url, Path("unused"), pool=2) for _ in range(4)]
    try:
        applied = await asyncio.gather(*(schema.migrate(database) for database in databases))
        assert sorted(applied) == [0, 0, 0, len(schema.migrations())]
        async with databases[0].connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM pgqueuer") == 0
            assert await connection.fetchval("SELECT length(secret) FROM installation") == 32
    finally:
        for database in databases:
            await database.close()


async def test_a_database_of_a_newer_version_is_refused(store_url: str) -> None:
    async with _opened(store_url) as database:
        async with database.connection() as connection:
            await connection.execute("INSERT INTO schema_migrations (number, name) VALUES (9999, 'later')")
        with pytest.raises(ConfigurationError, match="plus récente"):
            await schema.migrate(database)


async def test_a_migration_that_fails_leaves_nothing_behind(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = schema.migrations()
    broken = schema.Migration(len(known) + 1, "broken", "CREATE TABLE half (id integer); SELECT 1 / 0")
    monkeypatch.setattr(schema, "migrations", lambda: (*known, broken))
    async with _opened(store_url) as database:
        with pytest.raises(Exception, match="division by zero"):
            await schema.migrate(database)
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT to_regclass('half')") is None
            assert await connection.fetchval("SELECT max(number) FROM schema_migrations") == len(known)


async def test_a_migration_does_not_wait_for_ever_behind_the_work(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema.migrations()
    added = schema.Migration(len(known) + 1, "added", "SET LOCAL lock_timeout = '100ms'; LOCK TABLE messages")
    monkeypatch.setattr(schema, "migrations", lambda: (*known, added))
    async with _opened(store_url) as database:
        async with database.transaction() as working:
            await working.execute("SELECT FROM messages")
            with pytest.raises(Exception, match="lock timeout"):
                await schema.migrate(database)
        assert await schema.migrate(database) == 1


async def test_the_foundation_runs_on_the_hospital_server(hospital_url: str) -> None:
    async with _opened(hospital_url) as database:
        assert not database.embedded
        assert await schema.migrate(database) == 0


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = await open_database(url, Path("unused"), pool=3)
    try:
        yield database
    finally:
        await database.close()
