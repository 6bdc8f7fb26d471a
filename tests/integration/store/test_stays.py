"""Stays are what the ADT feed tells of them now, found by a key that shows nothing."""

import hashlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pfi.model.patient import Episode
from pfi.store import stays
from pfi.store.database import Database, open_database

NOW = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
STAY = Episode("V1^CH", "N1^CH", "I", "750999005", "750999013", "4021", NOW - timedelta(days=3), NOW, "8")


def opaque(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    opened = await open_database(store_url, Path("unused"), pool=2)
    try:
        async with opened.connection() as connection:
            for patient in (ONE, OTHER):
                await connection.execute(
                    "INSERT INTO patients (id, state, updated_at) VALUES ($1, '{}', $2)", patient, NOW
                )
        yield opened
    finally:
        await opened.close()


async def project(database: Database, patient: uuid.UUID, *episodes: Episode, now: datetime = NOW) -> None:
    async with database.transaction() as connection:
        await stays.project(connection, patient, episodes, opaque, now)


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.connection() as connection:
        return [dict(row) for row in await connection.fetch("SELECT * FROM stays ORDER BY admitted_at")]


async def test_a_stay_is_stored_under_an_opaque_key(database: Database) -> None:
    await project(database, ONE, STAY)
    (row,) = await rows(database)
    key = opaque("visit:V1^CH")
    assert row == {
        "id": stays.stay_id(key),
        "visit_key": key,
        "patient": ONE,
        "patient_class": "I",
        "ej": "750999005",
        "eg": "750999013",
        "unit": "4021",
        "admitted_at": STAY.admitted_at,
        "discharged_at": NOW,
        "exit_mode": "8",
        "cancelled": False,
        "cancelled_discharge": None,
        "updated_at": NOW,
    }


async def test_an_episode_without_visit_is_found_by_its_account(database: Database) -> None:
    await project(database, ONE, replace(STAY, visit=""))
    (row,) = await rows(database)
    assert row["visit_key"] == opaque("account:N1^CH")


async def test_an_episode_that_names_neither_is_no_stay(database: Database) -> None:
    await project(database, ONE, replace(STAY, visit="", account=""))
    assert await rows(database) == []


async def test_telling_the_same_thing_again_writes_nothing(database: Database) -> None:
    await project(database, ONE, STAY)
    await project(database, ONE, STAY, now=NOW + timedelta(hours=1))
    assert (await rows(database))[0]["updated_at"] == NOW


async def test_what_changed_is_written_in_place(database: Database) -> None:
    await project(database, ONE, STAY)
    await project(database, ONE, replace(STAY, unit="4022", cancelled=True), now=NOW + timedelta(hours=1))
    (row,) = await rows(database)
    assert (row["unit"], row["cancelled"], row["updated_at"]) == ("4022", True, NOW + timedelta(hours=1))


async def test_a_stay_that_the_record_no_longer_has_is_deleted(database: Database) -> None:
    await project(database, ONE, STAY, replace(STAY, visit="V2^CH", admitted_at=NOW))
    await project(database, OTHER, replace(STAY, visit="V3^CH", admitted_at=NOW + timedelta(1)))
    await project(database, ONE, STAY)
    assert [row["visit_key"] for row in await rows(database)] == [opaque("visit:V1^CH"), opaque("visit:V3^CH")]
    await project(database, ONE)
    assert [row["patient"] for row in await rows(database)] == [OTHER]


@pytest.mark.parametrize("survivor_first", [True, False])
async def test_a_merge_moves_the_stay_and_keeps_its_number(database: Database, survivor_first: bool) -> None:
    await project(database, ONE, STAY)
    (before,) = await rows(database)
    async with database.transaction() as connection:
        steps: list[tuple[uuid.UUID, list[Episode]]] = [(OTHER, [STAY]), (ONE, [])]
        for patient, episodes in steps if survivor_first else reversed(steps):
            await stays.project(connection, patient, episodes, opaque, NOW)
    (after,) = await rows(database)
    assert after == {**before, "patient": OTHER}


async def test_a_discharge_that_is_taken_back_is_remembered_until_the_next_one(database: Database) -> None:
    await project(database, ONE, STAY)
    await project(database, ONE, replace(STAY, discharged_at=None))
    await project(database, ONE, replace(STAY, discharged_at=None, unit="4022"))
    (row,) = await rows(database)
    assert (row["discharged_at"], row["cancelled_discharge"]) == (None, NOW)
    await project(database, ONE, replace(STAY, discharged_at=NOW + timedelta(days=1)))
    (row,) = await rows(database)
    assert (row["discharged_at"], row["cancelled_discharge"]) == (NOW + timedelta(days=1), None)


async def test_a_stay_that_never_had_a_discharge_has_none_to_remember(database: Database) -> None:
    await project(database, ONE, replace(STAY, discharged_at=None))
    await project(database, ONE, replace(STAY, discharged_at=None, unit="4022"))
    assert (await rows(database))[0]["cancelled_discharge"] is None


async def test_codes_that_no_text_column_can_hold_are_cleaned(database: Database) -> None:
    await project(database, ONE, replace(STAY, unit="40\x0021"))
    assert (await rows(database))[0]["unit"] == "40\ufffd21"
