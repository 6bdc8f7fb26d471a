"""The two ends of the MLLP tests: an intake that remembers, a neighbour that follows a script, TLS material."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import MllpListenerSettings
from pfi.engine.connector import Answer, Peer
from pfi.model.clock import system_clock
from pfi.model.finding import Finding
from pfi.standards.x509.authority import TestAuthority


def message(control_id: str, padding: int = 0) -> bytes:
    """A small message, or a big one."""
    return f"MSH|^~\\&|SGL|LABO|PFI|CH|20260305||ORU^R01^ORU_R01|{control_id}|T|2.5\rZZZ|{'A' * padding}\r".encode()


def control_id(raw: bytes) -> str:
    return raw.split(b"|")[9].decode()


def ack(control: str, code: str = "AA", errors: str = "") -> bytes:
    return f"MSH|^~\\&|PFI|CH|SGL|LABO|20260305||ACK^R01^ACK|P1|T|2.5\rMSA|{code}|{control}\r{errors}".encode()


@dataclass
class RecordingIntake:
    """Acknowledges everything and remembers it. `gate` holds messages back; `failure` is raised instead."""

    accepted: list[bytes] = field(default_factory=list)
    refused: list[tuple[bytes, Finding]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    gate: asyncio.Event | None = None
    failure: Exception | None = None
    close_after: bool = False
    running: int = 0
    most_running: int = 0

    async def accept(self, raw: bytes, peer: Peer) -> Answer:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.failure is not None:
                raise self.failure
            await asyncio.sleep(0)
            self.accepted.append(raw)
            self.peers.append(peer)
            return Answer(ack(control_id(raw)), close=self.close_after)
        finally:
            self.running -= 1

    async def refuse(self, head: bytes, peer: Peer, finding: Finding) -> Answer:
        self.refused.append((head, finding))
        self.peers.append(peer)
        return Answer(ack("?", "AE") if finding.err3 else None)

    @property
    def codes(self) -> list[str]:
        return [finding.code for _, finding in self.refused]


@asynccontextmanager
async def listening(intake: RecordingIntake, **settings: object) -> AsyncIterator[MllpListener]:
    """A started listener on a free port of this machine; stopped at the end."""
    listener = MllpListener("sgl", MllpListenerSettings.model_validate({"port": 0, **settings}), intake)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop(grace=1.0)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def neighbour(script: Script) -> AsyncIterator[int]:
    """A server whose every connection follows the script; gives its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """The next payload that the peer sends."""
    frame = await reader.readuntil(b"\x1c\r")
    return frame[1:-2]


@dataclass(frozen=True)
class TlsFiles:
    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    stranger: Path
    stranger_key: Path


def tls_files(folder: Path) -> TlsFiles:
    """An authority, a server for `localhost` and 127.0.0.1, a client, and a client of another authority."""
    ours, other = TestAuthority("AC de test", system_clock), TestAuthority("Autre AC", system_clock)
    server = ours.issue("pfi", server_names=("localhost", "127.0.0.1"))
    client = ours.issue("sgl", organization="Labo", key_usage="auth_cli")
    stranger = other.issue("intrus", key_usage="auth_cli")
    contents = {
        "ca": ours.ca_pem,
        "server": server.cert_pem,
        "server_key": server.key_pem,
        "client": client.cert_pem,
        "client_key": client.key_pem,
        "stranger": stranger.cert_pem,
        "stranger_key": stranger.key_pem,
    }
    paths = {}
    for name, content in contents.items():
        paths[name] = folder / f"{name}.pem"
        paths[name].write_bytes(content)
    return TlsFiles(**paths)


async def eventually(condition: "object") -> None:
    """Waits until a callable is true."""
    assert callable(condition)
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never became true")
