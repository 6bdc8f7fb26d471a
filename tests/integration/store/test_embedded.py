"""The embedded server: durable settings, shared use, and what survives a kill."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from pfi.model.errors import ConfigurationError
from pfi.store.database import open_database
from pfi.store.embedded import EmbeddedServer
from tests.stores import open_directory

DURABLE = ("fsync", "full_page_writes", "data_checksums", "synchronous_commit")


@pytest.fixture
def directory() -> Iterator[Path]:
    made = open_directory("pfi-test-embedded-")
    yield made
    shutil.rmtree(made, ignore_errors=True)


def postmaster(directory: Path) -> psutil.Process:
    return psutil.Process(int((directory / "postgres/postmaster.pid").read_text().split()[0]))


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def test_nothing_that_makes_a_commit_durable_is_off(directory: Path) -> None:
    server = EmbeddedServer(directory)
    url = server.start()
    try:
        assert [asyncio.run(value(url, f"SHOW {name}")) for name in DURABLE] == ["on"] * len(DURABLE)
        assert asyncio.run(value(url, "SHOW listen_addresses")) == ""
        assert asyncio.run(value(url, "SHOW log_error_verbosity")) == "terse"
    finally:
        server.stop()


def test_the_last_to_leave_stops_the_server(directory: Path) -> None:
    first, second = EmbeddedServer(directory), EmbeddedServer(directory)
    assert first.start() == second.start()
    process = postmaster(directory)
    first.stop()
    assert process.is_running()
    first.stop()
    second.stop()
    assert not (directory / "postgres/postmaster.pid").exists()


def test_data_outlive_the_server(directory: Path) -> None:
    server = EmbeddedServer(directory)
    asyncio.run(value(server.start(), "CREATE TABLE kept AS SELECT 42 AS answer"))
    server.stop()
    try:
        assert asyncio.run(value(server.start(), "SELECT answer FROM kept")) == 42
    finally:
        server.stop()


def test_a_killed_owner_does_not_keep_the_server(directory: Path) -> None:
    script = "import sys, time; from pathlib import Path; from pfi.store.embedded import EmbeddedServer as E;"
    script += "E(Path(sys.argv[1])).start(); print('ready', flush=True); time.sleep(60)"
    owner = subprocess.Popen([sys.executable, "-c", script, str(directory)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    owner.kill()
    owner.wait()
    owner.stdout.close()
    process = postmaster(directory)
    heir = EmbeddedServer(directory)
    url = heir.start()
    assert postmaster(directory).pid == process.pid
    assert asyncio.run(value(url, "SELECT 1")) == 1
    heir.stop()
    process.wait(10)


def test_a_killed_server_recovers(directory: Path) -> None:
    server = EmbeddedServer(directory)
    asyncio.run(value(server.start(), "CREATE TABLE kept AS SELECT 42 AS answer"))
    process = postmaster(directory)
    family = [process, *process.children(recursive=True)]
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=10)
    again = EmbeddedServer(directory)
    try:
        assert asyncio.run(value(again.start(), "SELECT answer FROM kept")) == 42
    finally:
        again.stop()
        server.stop()


def test_a_server_killed_alone_is_started_again_once_its_children_are_gone(directory: Path) -> None:
    server = EmbeddedServer(directory)
    url = server.start()

    async def kill_under_load() -> None:
        connection = await asyncpg.connect(url)
        busy = asyncio.create_task(connection.execute("SELECT count(*) FROM generate_series(1, 20000000)"))
        await asyncio.sleep(0.2)
        postmaster(directory).kill()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await busy
        connection.terminate()

    killing = threading.Thread(target=lambda: asyncio.run(kill_under_load()))
    killing.start()
    time.sleep(0.6)
    again = EmbeddedServer(directory)
    try:
        assert asyncio.run(value(again.start(), "SELECT 1")) == 1
    finally:
        killing.join()
        again.stop()
        server.stop()


def test_a_pid_file_that_names_nothing_is_no_obstacle(directory: Path) -> None:
    server = EmbeddedServer(directory)
    server.start()
    server.stop()
    (directory / "postgres/postmaster.pid").write_text("")
    try:
        assert asyncio.run(value(server.start(), "SELECT 1")) == 1
    finally:
        server.stop()


def test_a_stale_pid_file_that_names_another_process_is_no_obstacle(directory: Path) -> None:
    server = EmbeddedServer(directory)
    server.start()
    server.stop()
    (directory / "postgres/postmaster.pid").write_text(f"{os.getpid()}\n")
    try:
        assert asyncio.run(value(server.start(), "SELECT 1")) == 1
    finally:
        server.stop()


def test_a_path_too_long_for_a_socket_is_no_obstacle(directory: Path) -> None:
    server = EmbeddedServer(directory / ("d" * 60) / ("e" * 60))
    try:
        assert asyncio.run(value(server.start(), "SELECT 1")) == 1
    finally:
        server.stop()


def test_data_of_another_postgresql_are_refused_with_the_remedy(directory: Path) -> None:
    (directory / "postgres").mkdir()
    (directory / "postgres/PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match="PostgreSQL 16") as caught:
        EmbeddedServer(directory).start()
    assert caught.value.next_step


def test_a_server_that_cannot_start_says_where_to_look(directory: Path) -> None:
    server = EmbeddedServer(directory)
    server.start()
    server.stop()
    (directory / "postgres/postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(ConfigurationError, match="pg_ctl") as caught:
        server.start()
    assert "start.log" in caught.value.next_step


async def test_a_server_out_of_reach_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="inaccessible"):
        await open_database("postgresql://nobody@127.0.0.1:1/none", Path("unused"))
    with pytest.raises(ConfigurationError, match="inaccessible"):
        await open_database("not a url", Path("unused"))
