"""SIGKILL at any moment: every acknowledged message is found afterwards, and delivered once.

Thirty kills of the engine, ten of the engine and its PostgreSQL; `PFI_CRASH_ROUNDS` sets another number for both.
"""

import asyncio
import collections
import contextlib
import os
import random
import shutil
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from pfi.standards.hl7v2.ack import read_ack
from pfi.store.embedded import EmbeddedServer
from samples.generator.request import Flags
from tests.crash.nursery import Nursery
from tests.integration.engine.fakes import eventually, letter
from tests.stores import open_directory

pytestmark = pytest.mark.crash

_WANTED = os.environ.get("PFI_CRASH_ROUNDS")
ENGINE_KILLS = int(_WANTED or 30)
STORE_KILLS = int(_WANTED or 10)
CONNECTIONS = 4
_ENGINE = "tests.crash.engine_process"


class Victim:
    """An engine process, started again after each kill."""

    def __init__(self, nursery: Nursery, folder: Path, url: str | None) -> None:
        self.folder = folder
        self.url = url
        self.ledger = folder / "ledger"
        self._nursery = nursery

    async def start(self) -> int:
        """Returns the port it listens on."""
        arguments = [str(self.folder / "data"), str(self.ledger), *([self.url] if self.url else [])]
        return int(await self._nursery.start(*arguments))

    async def kill(self) -> None:
        await self._nursery.kill()

    def kill_store(self) -> None:
        """SIGKILL for the embedded PostgreSQL too: as near to a power cut as a process can get."""
        postmaster = psutil.Process(int((self.folder / "data/postgres/postmaster.pid").read_text().split()[0]))
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):  # children end when they see their postmaster dead
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)

    def deliveries(self) -> list[str]:
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []


class Load:
    """Senders that send one message after the other, and again what was not acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self._next = 0

    async def send(self, port: int) -> None:
        await asyncio.gather(*(self._converse(port) for _ in range(CONNECTIONS)))

    async def _converse(self, port: int) -> None:
        control_id = ""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while True:
                    self._next += 1
                    control_id = f"C{self._next}"
                    await self._exchange(control_id, reader, writer)
            finally:
                writer.close()
        except (OSError, asyncio.IncompleteReadError):
            return

    async def again(self, port: int) -> None:
        """Every sender repeats what it has no answer for, unchanged."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(1, self._next + 1):
            if f"C{number}" not in self.acknowledged:
                await self._exchange(f"C{number}", reader, writer)
        writer.close()

    async def _exchange(self, control_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = letter(control_id, flags=Flags(ack_reception=True))
        writer.write(struct.pack(">I", len(raw)) + raw)
        await writer.drain()
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        ack = read_ack(await reader.readexactly(length))
        if ack.code == "AA":
            self.acknowledged.add(control_id)


@pytest.fixture
def folder() -> Iterator[Path]:
    directory = open_directory("pfi-crash-")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.timeout(60 + 30 * ENGINE_KILLS)
async def test_killing_the_engine_loses_nothing_and_doubles_nothing(store_url: str, folder: Path) -> None:
    async with Nursery(_ENGINE) as nursery:
        await _survive(Victim(nursery, folder, store_url), store_url, ENGINE_KILLS, kill_store=False)


@pytest.mark.timeout(60 + 30 * STORE_KILLS)
async def test_killing_the_engine_and_its_store_loses_nothing_and_doubles_nothing(folder: Path) -> None:
    server = EmbeddedServer(folder / "data")
    try:
        async with Nursery(_ENGINE) as nursery:
            await _survive(Victim(nursery, folder, None), None, STORE_KILLS, kill_store=True)
    finally:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.stop)


async def _survive(victim: Victim, url: str | None, kills: int, *, kill_store: bool) -> None:
    load = Load()
    for _ in range(kills):
        port = await victim.start()
        sending = asyncio.create_task(load.send(port))
        await asyncio.sleep(random.SystemRandom().uniform(0.3, 1.5))
        await victim.kill()
        if kill_store:
            victim.kill_store()
        await sending
    port = await victim.start()
    try:
        await load.again(port)
        where = url or EmbeddedServer(victim.folder / "data").url
        await _examine(where, load, victim)
    finally:
        await victim.kill()


async def _examine(url: str, load: Load, victim: Victim) -> None:
    connection = await asyncpg.connect(url)
    try:

        async def finished() -> bool:
            count = await connection.fetchval("SELECT count(*) FROM deliveries WHERE state <> 'delivered'")
            acks = await connection.fetchval("SELECT count(*) FROM business_acks WHERE state <> 'delivered'")
            return bool(count == 0 and acks == 0)

        await eventually(finished, seconds=40)
        stored = collections.Counter(
            row["control_id"] for row in await connection.fetch("SELECT control_id FROM messages")
        )
        delivered = collections.Counter(victim.deliveries())
        reports = await connection.fetchval("SELECT count(*) FROM business_acks")
    finally:
        await connection.close()
    assert len(load.acknowledged) > 10
    assert load.acknowledged == set(stored)
    assert set(stored.values()) == {1}
    assert len(delivered) == 3 * len(stored)
    assert set(delivered.values()) == {1}
    assert reports == 3 * len(stored)
