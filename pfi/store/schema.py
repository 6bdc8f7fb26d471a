"""Brings a database to the schema of this version: our numbered migrations, then PgQueuer's own tables.

Safe to run from several processes at once and while others work: an advisory lock lets one in at a time, each migration
is one transaction, and a migration that cannot get its table locks in time fails instead of blocking the work.
"""

import re
from dataclasses import dataclass
from importlib import resources

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability

from pfi.model.errors import ConfigurationError
from pfi.store.database import Connection, Database

_LOCK = 0x0050_4649_0001  # "PFI", schema
_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_OLDEST_SERVER = 140000


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str


def migrations() -> tuple[Migration, ...]:
    """All migrations of this version, in order. Raises ValueError when a number is missing or given twice."""
    files = resources.files("pfi.store.migrations").iterdir()
    found = sorted(
        (
            Migration(int(match[1]), file.name, file.read_text(encoding="utf-8"))
            for file in files
            if (match := _FILE.match(file.name))
        ),
        key=lambda migration: migration.number,
    )
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations must be numbered 0001, 0002... without gap")
    return tuple(found)


async def migrate(database: Database) -> int:
    """Applies what is missing and returns the number of our migrations that were applied now.

    Raises ConfigurationError when the database was written by a newer version of the PFI, or is too old.
    """
    async with database.connection() as connection:
        if int(await connection.fetchval("SHOW server_version_num")) < _OLDEST_SERVER:
            raise ConfigurationError(
                "STORE_TOO_OLD", "Le serveur PostgreSQL est trop ancien.", "Utiliser PostgreSQL 14 ou plus récent."
            )
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        try:
            applied = await _apply_ours(connection)
            await _install_queue(connection)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return applied


async def _apply_ours(connection: Connection) -> int:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    known = migrations()
    done = {row["number"] for row in await connection.fetch("SELECT number FROM schema_migrations")}
    if done and max(done) > len(known):
        raise ConfigurationError(
            "STORE_NEWER",
            f"La base vient d'une version plus récente du PFI (migration {max(done)}, connues : {len(known)}).",
            "Installer la version du PFI qui a écrit cette base, ou une plus récente.",
        )
    missing = [migration for migration in known if migration.number not in done]
    for migration in missing:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '10s'")
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)", migration.number, migration.name
            )
    return len(missing)


async def _install_queue(connection: Connection) -> None:
    """PgQueuer's tables, by its own API. Its queue is logged (durable); its log and statistics, which nothing depends
    on, are not."""
    queue = Queries(
        AsyncpgDriver(connection),  # type: ignore[arg-type]  # a pooled connection behaves as a connection
        qbe=QueryBuilderEnvironment(DBSettings(durability=Durability.balanced)),
    )
    if await queue.schema_is_installed():
        await queue.upgrade()
    else:
        await queue.install()
