"""A small MLLP client: one connection, one message at a time."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from connectors.mllp.tls import keep_alive
from pfi.model.errors import TransportError, system_reason
from pfi.standards.hl7v2.mllp import Frame, Framer, Oversize, wrap

_READ_BYTES: Final = 64 * 1024


class UnreachableError(TransportError):
    """Nothing of the message has left."""


class UnansweredError(TransportError):
    """The message may have arrived: no answer came in time, or the connection broke."""


class MllpClient:
    """Sends messages and waits for their answers.

    The connection is opened by the first exchange and kept; after a failure it is closed, so that a late answer can
    never be taken for the answer to a later message, and the next exchange opens a new one. `timeout` in seconds bounds
    one exchange, `connect_timeout` the connection. Usable as an asynchronous context manager.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ssl_context: ssl.SSLContext | None = None,
        server_name: str = "",
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        max_answer: int = 1024 * 1024,
    ) -> None:
        self._host = host
        self._port = port
        self._context = ssl_context
        self._server_name = server_name or host
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_answer = max_answer
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._framer = Framer(max_answer)
        self._answers: deque[bytes] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether a connection is open, as far as we know."""
        if self._streams is None:
            return False
        reader, writer = self._streams
        return not writer.is_closing() and not reader.at_eof() and reader.exception() is None

    async def connect(self) -> None:
        """Opens the connection unless it is open. Raises UnreachableError."""
        if self.connected:
            return
        await self.close()
        try:
            async with asyncio.timeout(self._connect_timeout):
                self._streams = await asyncio.open_connection(
                    self._host,
                    self._port,
                    ssl=self._context,
                    server_hostname=self._server_name if self._context is not None else None,
                )
        except TimeoutError:
            raise UnreachableError(
                "MLLP_CONNECT_TIMEOUT",
                f"{self._host}:{self._port} ne répond pas à la connexion.",
                "Vérifier l'adresse, le pare-feu et que le logiciel destinataire est démarré.",
            ) from None
        except ssl.SSLError as error:
            raise UnreachableError(
                "MLLP_TLS",
                f"Connexion TLS refusée avec {self._host}:{self._port} ({error.reason or 'erreur TLS'}).",
                "Vérifier les certificats et leurs autorités des deux côtés.",
            ) from None
        except OSError as error:
            raise UnreachableError(
                "MLLP_UNREACHABLE",
                f"{self._host}:{self._port} est injoignable ({system_reason(error)}).",
                "Vérifier l'adresse, le pare-feu et que le logiciel destinataire est démarré.",
            ) from None
        self._framer = Framer(self._max_answer)
        self._answers.clear()
        keep_alive(self._streams[1].get_extra_info("socket"))

    async def exchange(self, message: bytes, *, is_answer: Callable[[bytes], bool] = lambda _: True) -> bytes:
        """Sends a message (without framing) and returns the raw answer (without framing).

        Answers that `is_answer` does not recognise are skipped. Raises UnreachableError, UnansweredError; BugError when
        the message holds a framing byte.
        """
        frame = wrap(message)
        await self.connect()
        answered = False
        try:
            async with asyncio.timeout(self._timeout):
                await self._write(frame)
                answer = await self._read_answer(is_answer)
            answered = True
        except TimeoutError:
            raise UnansweredError(
                "MLLP_NO_ANSWER",
                f"Pas d'accusé de réception en {self._timeout:g} s.",
                "Vérifier que le logiciel destinataire traite ses messages.",
            ) from None
        finally:
            if not answered:
                await self._drop()
        return answer

    async def close(self) -> None:
        """Ends the connection cleanly."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            try:
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()
            except (OSError, TimeoutError):
                writer.transport.abort()

    async def _drop(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.transport.abort()

    async def _write(self, frame: bytes) -> None:
        _, writer = self._open_streams()
        try:
            writer.write(frame)
            await writer.drain()
        except OSError:
            raise _broken() from None

    async def _read_answer(self, is_answer: Callable[[bytes], bool]) -> bytes:
        reader, _ = self._open_streams()
        while True:
            while self._answers:
                answer = self._answers.popleft()
                if is_answer(answer):
                    return answer
            try:
                data = await reader.read(_READ_BYTES)
            except OSError:
                raise _broken() from None
            events = self._framer.feed(data) if data else self._framer.end()
            self._answers.extend(event.payload for event in events if isinstance(event, Frame))
            if any(isinstance(event, Oversize) for event in events):
                raise UnansweredError("MLLP_ANSWER_TOO_LARGE", "L'accusé de réception dépasse la taille acceptée.")
            if not data and not self._answers:
                raise _broken()

    def _open_streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            raise _broken()
        return self._streams


def _broken() -> UnansweredError:
    return UnansweredError(
        "MLLP_CLOSED",
        "Le destinataire a fermé la connexion avant de répondre.",
        "Voir le journal du logiciel destinataire.",
    )
