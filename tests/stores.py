"""Real PostgreSQL stores for tests: one server per session, one database per test, made from a migrated template.

These servers do not wait for the disk: what a power cut leaves is the business of `tests/crash` and of
`tests/integration/store/test_embedded.py`, which start servers of their own, as the engine does.

`store_url` gives a database of the embedded server. `hospital_url` gives one of a second server, reached over TCP with
a password, as a hospital's own would be. A conftest makes them available: `from tests.stores import *`.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from pfi.store.database import open_database
from pfi.store.embedded import SYSTEM_USER, EmbeddedServer, binaries
from pfi.store.schema import migrate

__all__ = ["empty_store_url", "hospital_server", "hospital_url", "open_directory", "store_server", "store_url"]

_TEMPLATE = "pfi_template"
_PASSWORD = "motdepasse"


def open_directory(prefix: str) -> Path:
    """A folder that the account of the server may enter when tests run as root."""
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    directory.chmod(0o755)
    return directory


def with_database(url: str, name: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def store_server() -> Iterator[str]:
    """URL of an embedded server that lives as long as the session, with a migrated template."""
    directory = open_directory("pfi-test-store-")
    server = EmbeddedServer(directory)
    url = server.start()
    try:
        asyncio.run(_hurry(url))
        asyncio.run(_make_template(url))
        yield url
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def store_url(store_server: str) -> Iterator[str]:
    """A fresh, migrated database."""
    yield from _database(store_server, _TEMPLATE)


@pytest.fixture
def empty_store_url(store_server: str) -> Iterator[str]:
    """A fresh database without any table."""
    yield from _database(store_server, "template1")


@pytest.fixture(scope="session")
def hospital_server() -> Iterator[str]:
    """URL of a second server, started by hand, that listens on TCP and wants a password."""
    directory = open_directory("pfi-test-hospital-")
    data = directory / "data"
    account = SYSTEM_USER if os.geteuid() == 0 else None
    if account:
        EmbeddedServer(directory).prepare_account()
        data.mkdir()
        os.chown(directory, pwd.getpwnam(account).pw_uid, -1)
        os.chown(data, pwd.getpwnam(account).pw_uid, -1)
    password = directory / "password"
    password.write_text(_PASSWORD)
    password.chmod(0o644)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(binaries() / program), "--pgdata", str(data), *arguments],
            user=account,
            cwd="/",
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    run("initdb", "--username", "hospital", "--auth", "scram-sha-256", "--pwfile", str(password), "--encoding", "UTF8")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={directory} -c fsync=off"
    run("pg_ctl", "start", "--wait", "--log", str(directory / "log"), "--options", options)
    url = f"postgresql://hospital:{_PASSWORD}@127.0.0.1:{port}/postgres"
    try:
        asyncio.run(_make_template(url))
        yield url
    finally:
        run("pg_ctl", "stop", "--wait", "--mode", "fast")
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def hospital_url(hospital_server: str) -> Iterator[str]:
    """A fresh, migrated database on the second server."""
    yield from _database(hospital_server, _TEMPLATE)


def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    try:
        yield with_database(server, name)
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _hurry(url: str) -> None:
    """Nothing waits for the disk: a database is made in a tenth of the time."""
    await _execute(url, "ALTER SYSTEM SET fsync = off")
    await _execute(url, "SELECT pg_reload_conf()")


async def _make_template(url: str) -> None:
    await _execute(url, f"CREATE DATABASE {_TEMPLATE}")
    database = await open_database(with_database(url, _TEMPLATE), Path("unused"), pool=2)
    try:
        await migrate(database)
    finally:
        await database.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
