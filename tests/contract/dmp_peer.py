"""A peer over mutual TLS that does what a test tells it, at the byte: for the moments of death."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Handler = Callable[["Call"], Awaitable[None]]


async def settled() -> None:
    """Lets aborted transports close for good."""
    for _ in range(5):
        await asyncio.sleep(0.002)


@asynccontextmanager
async def serving(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """A bare server; gives its `https://` URL whatever it speaks."""

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handled, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await settled()


@contextmanager
def refusing_certificates(folder: Path, version: ssl.TLSVersion) -> Iterator[str]:
    """A server that trusts no client certificate and says so by a TLS alert (asyncio's own server drops the alert)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "stranger.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        # The duplicate outlives the failed handshake, to read what the client still sends: a reset would destroy the
        # alert on its way.
        with connection, connection.dup() as raw:
            raw.settimeout(2)
            with suppress(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)
            with suppress(OSError):
                while raw.recv(65536):
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        thread.join(5)
        listener.close()


@dataclass
class Call:
    """One HTTP request as received."""

    path: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter

    @property
    def message_id(self) -> str:
        return self.body.partition(b"<wsa:MessageID>")[2].partition(b"<")[0].decode()

    async def answer(self, content: bytes, status: int = 200, content_type: str = "application/soap+xml") -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
        self.writer.write(head.encode() + content)
        await self.writer.drain()

    def cut(self) -> None:
        self.writer.transport.abort()


@dataclass
class Peer:
    """`async with Peer(folder, handler) as peer`: listens on `peer.url`; `calls` are the paths asked for."""

    folder: Path
    handler: Handler
    calls: list[Call] = field(default_factory=list)
    url: str = ""
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "Peer":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.folder / "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.url = f"https://localhost:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await settled()

    @property
    def paths(self) -> list[str]:
        return [call.path for call in self.calls]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                call = Call(first.split()[1], headers, body, writer)
                self.calls.append(call)
                await self.handler(call)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
