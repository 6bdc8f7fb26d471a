"""The connection to the operator once it is open: commands out, replies in, in their order (RFC 5321, RFC 2920).

aiosmtplib opens it (TLS, STARTTLS, EHLO, AUTH), but reads one reply at a time and drops what comes with it: the mails
themselves are carried here.
"""

import asyncio
import re
from collections import deque
from typing import Final

from aiosmtplib import SMTPResponse

_CONTROLS: Final = re.compile(rb"[\x00-\x1f\x7f]")
_CODE: Final = re.compile(rb"[2-5][0-9]{2}")
_LONGEST_REPLY: Final = 32 * 1024
"""A server that says more without an end does not speak SMTP."""
_SLICE: Final = 64 * 1024
"""Content is handed over by pieces of this size, so that a cut before the last one is known for what it is."""


class WireLostError(ConnectionError):
    """The connection is gone, was silent for too long, or does not carry SMTP."""


class Wire(asyncio.Protocol):
    """Takes an open transport over. Every command awaits one reply; a reply that nothing awaits ends the connection,
    for it would be taken for the answer to something else."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._received = bytearray()
        self._text: list[str] = []
        self._said = 0
        self._replies: deque[SMTPResponse] = deque()
        self._awaited = 0
        self._gone = transport.is_closing()
        self._heard: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether the connection is there, as far as is known without asking, and owes no reply."""
        return not self._gone and not self._transport.is_closing() and self._awaited == 0

    @property
    def tls_version(self) -> str:
        """Version of TLS in use (`TLSv1.3`)."""
        channel = self._transport.get_extra_info("ssl_object")
        return str(channel.version()) if channel is not None else ""

    def send(self, *commands: bytes) -> None:
        """Commands in one write, without their line ends; each awaits a reply. Raises WireLostError, and ValueError for
        a command that would be two."""
        if any(_CONTROLS.search(command) for command in commands):
            raise ValueError("a command holds a control character")
        self._write(b"".join(command + b"\r\n" for command in commands), replies=len(commands))

    async def reply(self, seconds: float | None = None) -> SMTPResponse:
        """The next reply, at most `seconds` from now. Raises WireLostError, after which the connection is closed."""
        try:
            async with asyncio.timeout(seconds):
                while not self._replies:
                    if self._gone:
                        raise WireLostError("connection lost")
                    self._heard = asyncio.get_running_loop().create_future()
                    await self._heard
        except TimeoutError:
            self.abort()
            raise WireLostError("silence") from None
        self._awaited -= 1
        return self._replies.popleft()

    async def transfer(self, content: bytes) -> bool:
        """The bytes after DATA, end mark included; awaits one reply. False when the server answered before the end:
        the rest was not sent. Raises WireLostError when the connection is lost before the last piece was handed over:
        the end mark has not left."""
        pieces = memoryview(content)
        self._write(b"", replies=1)
        for start in range(0, len(pieces), _SLICE):
            await self._writable.wait()
            if self._replies:
                return False
            self._write(pieces[start : start + _SLICE])
        return True

    def close(self) -> None:
        """Ends the connection once what was written has left."""
        self._gone = True
        self._transport.close()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._gone = True
        self._transport.abort()
        self._wake()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while not self._gone and (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end]).rstrip(b"\r")
            del self._received[: end + 1]
            self._line(line)
        if len(self._received) > _LONGEST_REPLY:
            self.abort()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _write(self, data: bytes | memoryview, *, replies: int = 0) -> None:
        if self._gone or self._transport.is_closing():
            raise WireLostError("connection lost")
        self._awaited += replies
        self._transport.write(data)

    def _line(self, line: bytes) -> None:
        """One line of a reply (RFC 5321 §4.2)."""
        if _CODE.fullmatch(line[:3]) is None or line[3:4] not in (b"", b" ", b"-"):
            self.abort()
            return
        self._text.append(line[4:].decode("utf-8", "replace").strip())
        self._said += len(line)
        if self._said > _LONGEST_REPLY:
            self.abort()
        elif line[3:4] != b"-":
            if self._awaited == len(self._replies):
                self.abort()
                return
            self._replies.append(SMTPResponse(int(line[:3]), "\n".join(self._text)))
            self._text, self._said = [], 0

    def _wake(self) -> None:
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(None)
