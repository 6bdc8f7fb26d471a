"""The life of an engine process."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from pfi.engine.configuration import Configuration
from pfi.engine.connector import Answer, Connector, ConnectorSettings, Intake, MessageConnector, Source
from pfi.engine.runner import Engine
from pfi.engine.settings import Settings
from pfi.engine.storage import database_url
from pfi.model.errors import ConfigurationError
from pfi.store import attempts
from samples.generator.request import Flags
from tests.integration.engine.fakes import (
    FAST,
    NOT_DELIVERED,
    PEER,
    FakeConnector,
    FakeReply,
    House,
    eventually,
    house,
    letter,
)
from tests.stores import open_directory

ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)


class FakeSource:
    """A listener without network."""

    settings_model = ConnectorSettings
    stopped: list[str] = []  # noqa: RUF012  # what the test looks at

    def __init__(self, name: str, settings: Any, intake: Intake) -> None:
        self.name = name
        self.intake = intake

    @property
    def port(self) -> int:
        return 4242

    async def start(self) -> None:
        if self.name == "broken":
            raise ConfigurationError("PORT", "Port occupé.")

    async def stop(self, grace: float) -> None:
        self.stopped.append(self.name)


class FakeConfiguration(Configuration):
    """Names fakes instead of entry points."""

    def source(self, name: str, settings: Any, location: Any) -> tuple[type[Any], ConnectorSettings]:
        return FakeSource, ConnectorSettings()

    def connector(self, name: str, settings: Any, location: Any) -> tuple[type[Any], ConnectorSettings]:
        return (FakeReply if "reply" in location else FakeConnector), ConnectorSettings()


def with_listeners(home: House, *names: str) -> Settings:
    listeners = [{"name": name} for name in names]
    return Settings.model_validate({**home.settings.model_dump(), "listeners": listeners})


def test_the_fakes_are_what_the_protocols_say() -> None:
    assert isinstance(FakeConnector(), Connector)
    assert isinstance(FakeReply(), MessageConnector)
    assert isinstance(FakeSource("x", None, None), Source)  # type: ignore[arg-type]  # no message comes


def test_the_environment_wins_over_the_configuration() -> None:
    settings = Settings.model_validate({"database": {"url": "postgresql://configured"}})
    assert database_url(settings, {}) == "postgresql://configured"
    assert database_url(settings, {"PFI_DATABASE_URL": "postgresql://environment"}) == "postgresql://environment"
    assert database_url(Settings(), {"PFI_DATABASE_URL": " "}) is None


async def test_an_engine_builds_what_its_configuration_names_and_listens_last(store_url: str) -> None:
    home = House(store_url)
    FakeSource.stopped.clear()
    engine = Engine(FakeConfiguration(with_listeners(home, "a", "b")), timings=FAST, url=store_url)
    await engine.start()
    try:
        assert engine.ports == {"a": 4242, "b": 4242}
        answer: Answer = await engine.intake.accept(letter(flags=ONLY_DMP), PEER)
        assert answer.content is not None
    finally:
        await engine.stop()
    assert FakeSource.stopped == ["a", "b"]
    with pytest.raises(RuntimeError, match="not running"):
        _ = engine.intake


async def test_a_listener_that_cannot_start_stops_the_whole_engine(store_url: str) -> None:
    home = House(store_url)
    FakeSource.stopped.clear()
    engine = Engine(FakeConfiguration(with_listeners(home, "a", "broken")), timings=FAST, url=store_url)
    with pytest.raises(ConfigurationError, match="Port occupé"):
        await engine.start()
    assert FakeSource.stopped == ["a"]
    connection = await asyncpg.connect(store_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM workers") == 0
    finally:
        await connection.close()


async def test_an_engine_without_url_runs_on_its_embedded_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PFI_DATABASE_URL", raising=False)
    directory = open_directory("pfi-test-engine-")
    home = House("")
    settings = home.settings.model_copy(update={"data_dir": Path(directory)})
    engine = Engine(FakeConfiguration(settings), timings=FAST)
    await engine.start()
    try:
        assert engine.database.embedded
        answer = await engine.intake.accept(letter(), PEER)
        assert answer.content is not None
    finally:
        await engine.stop()
    assert not (directory / "postgres/postmaster.pid").exists()
    shutil.rmtree(directory)


async def test_results_wait_for_a_store_that_comes_back(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    end = attempts.end
    failures = iter(range(3))

    async def unsteady(*arguments: Any) -> Any:
        if next(failures, None) is not None:
            raise asyncpg.ConnectionDoesNotExistError("gone")
        return await end(*arguments)

    async with house(store_url) as home:
        monkeypatch.setattr(attempts, "end", unsteady)
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="delivered")
        assert (len(home.dmp.sent), len(home.dmp.resolved)) == (1, 0)


async def test_jobs_go_on_after_the_store_dropped_every_connection(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter("A", flags=ONLY_DMP))
        await home.until(DMP="delivered")
        connection = await asyncpg.connect(store_url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()
        home.dmp.answers = [NOT_DELIVERED, NOT_DELIVERED]
        await eventually(lambda: _taken(home, letter("B", flags=ONLY_DMP)))
        await asyncio.wait_for(home.until(DMP2="delivered"), 60)


async def _taken(home: House, raw: bytes) -> bool:
    return await home.code(raw) == "AA"
