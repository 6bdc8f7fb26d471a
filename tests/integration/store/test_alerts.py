"""Alerts: one open for one kind and subject, with an event at opening and at closing; and what an operator sees."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from pfi.cli.main import cli
from pfi.engine.alerts import DISCHARGE_LETTER_LATE, Alerts
from pfi.engine.settings import DATABASE_VARIABLE
from pfi.store import alerts, sql
from pfi.store.database import Database, open_database

NOW = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    opened = await open_database(store_url, Path("unused"), pool=4)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.mark.parametrize("noun", ["alerts", "letters", "stays"])
async def test_every_statement_prepares(database: Database, noun: str) -> None:
    async with database.connection() as connection:
        for statement in sql.load(noun).values():
            await connection.prepare(statement)


async def test_an_alert_opens_once_and_closes_once(database: Database) -> None:
    async with database.connection() as connection:
        assert await alerts.open(connection, "certificate", "dmp", "Texte.", {"days": 3}, NOW)
        assert not await alerts.open(connection, "certificate", "dmp", "Autre.", {}, LATER)
        assert await alerts.open(connection, "certificate", "mssante", "Texte.", {}, NOW)
        assert await alerts.open(connection, "destination", "dmp", "Texte.", {}, NOW)
        (first, *others) = await alerts.current(connection)
        assert (first.kind, first.subject, first.text, first.detail) == ("certificate", "dmp", "Texte.", {"days": 3})
        assert (first.opened_at, first.closed_at, first.ending) == (NOW, None, "")
        assert len(others) == 2
        assert await alerts.close(connection, "certificate", "dmp", LATER, ending="renewed")
        assert not await alerts.close(connection, "certificate", "dmp", LATER)
        assert first.id not in [alert.id for alert in await alerts.current(connection)]


async def test_after_its_end_an_alert_may_open_again(database: Database) -> None:
    async with database.connection() as connection:
        await alerts.open(connection, "certificate", "dmp", "", {}, NOW)
        await alerts.close(connection, "certificate", "dmp", NOW, ending="renewed")
        assert await alerts.open(connection, "certificate", "dmp", "", {}, LATER)
        newest, oldest = await alerts.history(connection, 10)
        assert (newest.closed_at, oldest.closed_at, oldest.ending) == (None, NOW, "renewed")
        assert len(await alerts.history(connection, 1)) == 1


async def test_only_true_openings_and_closings_are_events(database: Database) -> None:
    async with database.connection() as connection:
        for _ in range(3):
            await alerts.open(connection, "certificate", "dmp", "", {}, NOW)
        for _ in range(3):
            await alerts.close(connection, "certificate", "dmp", LATER, ending="renewed")
        number = (await alerts.history(connection, 1))[0].id
        events = await connection.fetch("SELECT message_id, at, kind, detail FROM events ORDER BY id")
    common = {"alert": number, "kind": "certificate", "subject": "dmp"}
    assert [tuple(event) for event in events] == [
        (None, NOW, "alert_opened", common),
        (None, LATER, "alert_closed", {**common, "ending": "renewed"}),
    ]


async def test_an_event_may_be_that_of_a_message(database: Database) -> None:
    async with database.connection() as connection:
        message = await connection.fetchval(
            "INSERT INTO messages (received_at, received_on, listener, peer, certificate, sender, sender_key,"
            " control_id, message_type, digest, size, kind, ack_code)"
            " VALUES ($1, $1::timestamptz::date, '', '', '', '', '', '', '', '', 0, 'request', 'AA') RETURNING id",
            NOW,
        )
        await alerts.open(connection, "k", "s", "", {}, NOW, message_id=message)
        await alerts.close(connection, "k", "s", NOW, message_id=message)
        assert await connection.fetchval("SELECT count(*) FROM events WHERE message_id = $1", message) == 2


async def test_two_engines_open_one_alert(database: Database) -> None:
    board = Alerts(database, lambda: NOW)
    opened = await asyncio.gather(*(board.open("k", "s", "Texte.", {}) for _ in range(4)))
    assert sorted(opened) == [False, False, False, True]
    assert [alert.opened_at for alert in await board.current()] == [NOW]
    assert await board.close("k", "s", "over")
    assert not await board.close("k", "s", "over")
    assert [alert.ending for alert in await board.history()] == ["over"]


# The command ---------------------------------------------------------------------------------------------------------


async def _two_alerts(url: str) -> None:
    database = await open_database(url, Path("unused"), pool=2)
    try:
        async with database.transaction() as connection:
            text = "Lettre de liaison de sortie (message 12) non remise [R02]."
            await alerts.open(connection, DISCHARGE_LETTER_LATE, "stay:1", text, {"message": 12}, NOW)
            await alerts.open(connection, DISCHARGE_LETTER_LATE, "stay:2", "Seconde.", {}, NOW)
            await alerts.open(connection, "future_kind", "x", "Tierce.", {}, NOW)
            await alerts.close(connection, DISCHARGE_LETTER_LATE, "stay:2", LATER, ending="delivered")
            await alerts.close(connection, "future_kind", "x", LATER, ending="future_ending")
    finally:
        await database.close()


def _pfi_alerts(tmp_path: Path, *options: str) -> str:
    config = tmp_path / "pfi.yaml"
    config.write_text("data_dir: data\n", encoding="utf-8")
    result = CliRunner().invoke(
        cli, ["alerts", "--config", str(config), *options], env={"COLUMNS": "200"}, catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return re.sub(r"\s+", " ", result.output)


def test_open_alerts_are_listed_in_french(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    assert _pfi_alerts(tmp_path).strip() == "Aucune alerte ouverte."
    assert _pfi_alerts(tmp_path, "--all").strip() == "Aucune alerte."
    asyncio.run(_two_alerts(store_url))
    shown = _pfi_alerts(tmp_path)
    assert "lettre de liaison en retard" in shown
    assert "2026-03-05 09:00:00" in shown
    assert "12" in shown
    assert "[R02]" in shown
    assert "Seconde" not in shown


def test_closed_alerts_are_listed_on_demand_with_their_end(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    asyncio.run(_two_alerts(store_url))
    shown = _pfi_alerts(tmp_path, "--all")
    assert "Seconde." in shown
    assert "remise" in shown
    assert "future_kind" in shown
    assert "future_ending" in shown
    assert "Seconde" not in _pfi_alerts(tmp_path, "--all", "--limit", "1")


def test_a_machine_reads_json(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    asyncio.run(_two_alerts(store_url))
    (alert,) = orjson.loads(_pfi_alerts(tmp_path, "--json"))
    assert alert["subject"] == "stay:1"
    assert alert["opened_at"] == "2026-03-05T09:00:00+00:00"
    assert (alert["closed_at"], alert["detail"]) == (None, {"message": 12})
