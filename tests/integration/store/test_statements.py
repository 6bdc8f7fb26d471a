"""Every named statement is one that PostgreSQL understands."""

from pathlib import Path

import pytest

from pfi.store import sql
from pfi.store.database import open_database

NOUNS = ("messages", "deliveries", "attempts", "acks", "patients", "journal", "rulesets", "stays", "letters", "alerts")


@pytest.mark.parametrize("noun", NOUNS)
async def test_every_statement_prepares(store_url: str, noun: str) -> None:
    database = await open_database(store_url, Path("unused"), pool=2)
    try:
        async with database.connection() as connection:
            for name, statement in sql.load(noun).items():
                try:
                    await connection.prepare(statement)
                except Exception as error:
                    pytest.fail(f"{noun}.{name}: {error}")
    finally:
        await database.close()
