"""A TCP proxy that lets a connection die where a test says: below TLS, whatever travels in it."""

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto


class Death(Enum):
    """Where a connection dies."""

    NONE = auto()
    REFUSED = auto()
    """Nobody listens for a moment."""
    RESET = auto()
    """Taken, and reset at once."""
    HANDSHAKE = auto()
    """After the first words of the caller, before any of the server."""
    HALF_HANDSHAKE = auto()
    """In the middle of the server's first words."""
    LEAVING = auto()
    """In the middle of the request, after `SENT` bytes of the caller's, handshake included."""


SENT = 8_000
_SHUT_SECONDS = 1.0
_FEW = 300
_CHUNK = 1024


@dataclass
class Proxy:
    """`async with Proxy(upstream_port) as proxy`: listens on `proxy.port`. `plan` says how the next connections die, in
    order; those after pass."""

    upstream: int
    port: int = 0

    def __post_init__(self) -> None:
        self._plan: list[Death] = []
        self._server: asyncio.Server | None = None
        self._reserved = socket.socket()
        """Holds the port while nobody listens on it."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def plan(self, deaths: Sequence[Death]) -> None:
        self._plan = list(deaths)
        await self._shut_if_planned()

    async def __aenter__(self) -> "Proxy":
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port = self._reserved.getsockname()[1]
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        self._reserved.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_port=True)

    async def _shut_if_planned(self) -> None:
        """The next connection finds nobody, for a moment."""
        if self._plan[:1] != [Death.REFUSED] or self._server is None:
            return
        self._plan.pop(0)
        self._server.close()
        self._keep(asyncio.create_task(self._reopen()))

    async def _reopen(self) -> None:
        await asyncio.sleep(_SHUT_SECONDS)
        await self._listen()

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        death = self._plan.pop(0) if self._plan else Death.NONE
        await self._shut_if_planned()
        upstream: asyncio.StreamWriter | None = None
        try:
            if death is Death.RESET:
                connection: socket.socket = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            answers, upstream = await asyncio.open_connection("127.0.0.1", self.upstream)
            most_up = {Death.LEAVING: SENT}.get(death)
            most_down = {Death.HANDSHAKE: 0, Death.HALF_HANDSHAKE: _FEW}.get(death)
            pumps = {
                asyncio.create_task(_pump(reader, upstream, most_up)),
                asyncio.create_task(_pump(answers, writer, most_down)),
            }
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            for side in (writer, upstream):
                if side is not None:
                    side.transport.abort()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, most: int | None) -> None:
    """Carries bytes until the end of the source, or until the next one would be too many."""
    carried = 0
    with suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            if most is not None and carried + len(data) > most:
                target.write(data[: most - carried])
                await target.drain()
                return
            target.write(data)
            await target.drain()
            carried += len(data)
