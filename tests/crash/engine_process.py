"""An engine in a process of its own, to be killed (see `nursery`).

Messages come in by TCP, each with a 4-byte length; so do the answers. What the peer of the destinations took is a line
of the ledger, a file that outlives the process: one line is one document delivered.
"""

import asyncio
import os
import random
import struct
from pathlib import Path
from typing import Any

from pfi.engine import logs
from pfi.engine.configuration import Configuration
from pfi.engine.connector import CheckResult, ConnectorSettings, OutboundMessage, Peer, Preview
from pfi.engine.context import Timings
from pfi.engine.runner import Engine
from pfi.engine.settings import LogSettings, Settings
from pfi.model.delivery import Delivery, Outcome, OutcomeKind

_SOURCE = random.SystemRandom()
_TIMINGS = Timings(lease=1.5, beat=0.3, linger=0.02, attempt=5, forgotten=2, poll=0.5, store_retry=0.1)


class LedgerPeer:
    """A destination whose peer remembers; the network is slow enough for a kill to fall anywhere."""

    settings_model = ConnectorSettings

    def __init__(self, ledger: Path) -> None:
        self._ledger = os.open(ledger, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o644)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> tuple[CheckResult, ...]:
        return ()

    def preview(self, delivery: Delivery) -> Preview:
        return Preview("txt", b"")

    async def send(self, delivery: Delivery) -> Outcome:
        await asyncio.sleep(_SOURCE.uniform(0, 0.05))
        os.write(self._ledger, f"{delivery.id} {delivery.message.control_id} {delivery.channel}\n".encode())
        await asyncio.sleep(_SOURCE.uniform(0, 0.05))
        return Outcome(OutcomeKind.DELIVERED)

    async def resolve(self, delivery: Delivery) -> Outcome:
        taken = os.pread(self._ledger, os.fstat(self._ledger).st_size, 0).decode()
        known = any(line.startswith(str(delivery.id)) for line in taken.splitlines())
        return Outcome(OutcomeKind.DELIVERED if known else OutcomeKind.NOT_DELIVERED)


class LedgerReply:
    """The sender's listener: what it was told is a line of another ledger."""

    settings_model = ConnectorSettings

    def __init__(self, ledger: Path) -> None:
        self._ledger = os.open(ledger, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> tuple[CheckResult, ...]:
        return ()

    async def send_message(self, message: OutboundMessage) -> Outcome:
        os.write(self._ledger, f"{message.control_id}\n".encode())
        return Outcome(OutcomeKind.DELIVERED)


def settings(data_dir: Path, url: str | None) -> Settings:
    retry = {"first_seconds": 0.2, "longest_seconds": 1.0}
    destination: dict[str, Any] = {"connector": "ledger", "retry": retry, "concurrency": 8}
    return Settings.model_validate(
        {
            "data_dir": str(data_dir),
            "database": {"url": url},
            "ins": {"environment": "test"},
            "senders": [{"name": "dpi", "match": {"application": "DPI"}, "reply": {"connector": "ledger"}}],
            "destinations": {
                "dmp": {**destination, "channels": ["DMP"]},
                "mssante": {**destination, "channels": ["PRO", "CIT"]},
            },
        }
    )


async def serve(data_dir: Path, ledger: Path, url: str | None) -> None:
    peer, reply = LedgerPeer(ledger), LedgerReply(ledger.with_suffix(".reports"))
    engine = Engine(
        Configuration(settings(data_dir, url)),
        timings=_TIMINGS,
        connectors={"dmp": peer, "mssante": peer},
        replies={"dpi": reply},
    )
    await engine.start()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            answer = await engine.intake.accept(await reader.readexactly(length), Peer("crash"))
            content = answer.content or b""
            writer.write(struct.pack(">I", len(content)) + content)
            await writer.drain()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def live(data_dir: str, ledger: str, url: str | None = None) -> None:
    """Prints the port that it listens on."""
    logs.configure(LogSettings(level="error"))
    asyncio.run(serve(Path(data_dir), Path(ledger), url))
