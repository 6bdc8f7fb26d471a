"""Fixtures that several files of this folder share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pfi.store.database import open_database
from pfi.store.patients import PatientKeys
from tests.integration.engine.ward import Ward


@pytest.fixture
async def ward(store_url: str) -> AsyncIterator[Ward]:
    database = await open_database(store_url, Path("unused"), pool=4)
    try:
        async with database.connection() as connection:
            keys = await PatientKeys.load(connection)
        yield Ward(database, keys)
    finally:
        await database.close()
