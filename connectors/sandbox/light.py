"""Cheap sinks for benchmarks: real TLS, no reading, so that the engine is what is measured.

They accept everything and keep nothing; they prove nothing. Anything that judges is in `dmp` and `operator`.
"""

import asyncio
import re
import ssl
from typing import Final, cast

from connectors.sandbox.certificates import Certificates
from connectors.sandbox.dmp import existence, feed, queries
from connectors.sandbox.dmp.mtom import write_package
from connectors.sandbox.dmp.soap import write_answer
from connectors.sandbox.dmp.verdict import SUCCESS, write_response
from connectors.sandbox.operator.server import SIZE_LIMIT

_BUFFER: Final = 256 * 1024
_HEAD: Final = 64 * 1024
"""How much of a request is kept: the SOAP headers, and a whole TD0.2."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_EXPECT: Final = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_MESSAGE_ID: Final = re.compile(rb"MessageID[^>]*>\s*(urn:uuid:[0-9A-Fa-f-]+)\s*<")
_VALUE: Final = re.compile(rb"<[^<>]*value\b[^<>]*extension=[\"'](\w+)[\"'][^<>]*>", re.IGNORECASE)


class _Sink:
    """Listens on loopback and closes what it opened; counts what it took."""

    def __init__(self) -> None:
        self.port = 0
        self.taken = 0
        self.transports: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    def _opened(self, server: asyncio.Server) -> None:
        self._server = server
        self.port = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for transport in list(self.transports):
            transport.abort()
        await self._server.wait_closed()


class DmpSink(_Sink):
    """Answers Success to any body posted to the paths of the DMP."""

    async def start(self, certificates: Certificates, port: int = 0) -> None:
        context = certificates.server_context(certificates.dmp_server)
        loop = asyncio.get_running_loop()
        self._opened(await loop.create_server(lambda: _HttpSink(self), "127.0.0.1", port, ssl=context))


class SmtpSink(_Sink):
    """Takes any mail after STARTTLS."""

    async def start(self, certificates: Certificates, port: int = 0) -> None:
        context = certificates.server_context(certificates.smtp_server)
        loop = asyncio.get_running_loop()
        self._opened(await loop.create_server(lambda: _SmtpSink(self, context), "127.0.0.1", port))


class _HttpSink(asyncio.BufferedProtocol):
    """HTTP/1.1 with Content-Length or chunks, connections kept open."""

    def __init__(self, sink: DmpSink) -> None:
        self._sink = sink
        # A view: asyncio's TLS slices the buffer to fill it, and a slice of a bytearray is a copy.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._transport: asyncio.Transport | None = None
        self._reset()

    def _reset(self) -> None:
        self._head = bytearray()
        self._body_at = -1
        self._left = -1
        self._tail = b""
        self._chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sink.transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._sink.transports.discard(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self._buffer[:nbytes]
        if self._body_at < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                if len(self._head) > _HEAD and self._transport is not None:
                    self._transport.abort()
                return
            self._body_at = end + 4
            self._read_headers(bytes(self._head[:end]))
            body = len(self._head) - self._body_at
            if self._chunked:
                self._tail = bytes(self._head[-5:])
            else:
                self._left -= body
        else:
            if len(self._head) < _HEAD:
                self._head += data[: _HEAD - len(self._head)]
            if self._chunked:
                self._tail = (self._tail + bytes(data[-5:]))[-5:]
            else:
                self._left -= nbytes
        # A chunked body that ends is `0 CRLF CRLF`; clients of the benchmark do not pipeline.
        if (self._chunked and self._tail == b"0\r\n\r\n") or (not self._chunked and self._left <= 0):
            self._answer()

    def _read_headers(self, head: bytes) -> None:
        self._chunked = _CHUNKED.search(head) is not None
        length = _LENGTH.search(head)
        self._left = int(length.group(1)) if length else 0
        if _EXPECT.search(head) and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self) -> None:
        request = bytes(self._head)
        self._reset()
        self._sink.taken += 1
        found = _MESSAGE_ID.search(request)
        relates_to = found.group(1).decode() if found else ""
        path = request.split(b" ", 2)[1] if request.count(b" ") > 1 else b""
        if path.endswith(b"/repository"):
            answer = write_answer(write_response(), action=feed.ANSWER_ACTION, relates_to=relates_to)
            content_type, body = write_package(answer, feed.ANSWER_ACTION, identity="light")
        else:
            content_type = "application/soap+xml; charset=UTF-8"
            written, action = _light_patient(request) if path.endswith(b"/patients") else _light_registry(request)
            body = write_answer(written, action=action, relates_to=relates_to)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        if self._transport is not None:
            self._transport.write(head.encode() + body)


def _light_patient(request: bytes) -> tuple[str, str]:
    """Every patient has an active DMP."""
    found = _VALUE.search(request)
    matricule = found.group(1).decode() if found else ""
    return (
        '<PRPA_IN201308UV02 xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><acknowledgement><typeCode code="AA"/>'
        '<acknowledgementDetail typeCode="I"><code code="DMPFound"/></acknowledgementDetail></acknowledgement>'
        '<controlActProcess classCode="CACT" moodCode="EVN"><subject typeCode="SUBJ"><registrationEvent classCode="REG"'
        ' moodCode="EVN"><statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT">'
        f'<id root="1.2.250.1.213.1.4.10" extension="{matricule}"/><statusCode code="active"/></patient></subject1>'
        '</registrationEvent></subject><queryAck><queryResponseCode code="OK"/></queryAck></controlActProcess>'
        "</PRPA_IN201308UV02>"
    ), existence.ANSWER_ACTION


def _light_registry(request: bytes) -> tuple[str, str]:
    """Nothing is ever found; every deletion succeeds."""
    if queries.UPDATE_ACTION.encode() in request:
        return write_response(), queries.UPDATE_ANSWER
    return (
        '<query:AdhocQueryResponse xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" '
        f'xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" status="{SUCCESS}"><rim:RegistryObjectList/>'
        "</query:AdhocQueryResponse>"
    ), queries.QUERY_ANSWER


_END: Final = b"\r\n.\r\n"


class _SmtpSink(asyncio.Protocol):
    """Just enough of SMTP submission: STARTTLS, pipelined commands, DATA thrown away."""

    def __init__(self, sink: SmtpSink, context: ssl.SSLContext) -> None:
        self._sink = sink
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._secure = False
        self._in_data = False
        self._pending = b""
        self._early = b""
        self._upgrade: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sink.transports.add(self._transport)
        self._transport.write(b"220 smtp.sandbox ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._sink.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._upgrade is not None and not self._secure:
            self._early += data  # first command after the handshake, before `start_tls` has returned
            return
        buffer = self._pending + data
        self._pending = b""
        in_data, self._in_data = self._in_data, False
        while True:
            if in_data:
                end = buffer.find(_END)
                if end < 0:
                    self._pending, self._in_data = buffer[-(len(_END) - 1) :], True
                    return
                buffer = buffer[end + len(_END) :]
                self._sink.taken += 1
                self._reply(b"250 2.0.0 OK")
            end = buffer.find(b"\n")
            if end < 0:
                self._pending = buffer
                return
            line, buffer = buffer[:end].rstrip(b"\r"), buffer[end + 1 :]
            in_data = self._command(line)
            if in_data:
                buffer = b"\r\n" + buffer  # so that a mail without any line ends like the others
            if self._upgrade is not None and not self._secure:
                return  # what came before the handshake does not count (RFC 3207 §4.2)

    def _command(self, line: bytes) -> bool:
        """Answers one command; true when a mail follows."""
        verb = line[:4].upper()
        if verb == b"EHLO":
            tail = b"250-DSN\r\n250-AUTH EXTERNAL" if self._secure else b"250-STARTTLS"
            size = str(SIZE_LIMIT).encode()
            self._reply(
                b"250-smtp.sandbox\r\n250-SIZE " + size + b"\r\n250-8BITMIME\r\n" + tail + b"\r\n250 PIPELINING"
            )
        elif line.upper() == b"STARTTLS" and not self._secure and self._transport is not None:
            self._reply(b"220 go ahead")
            self._transport.pause_reading()
            self._upgrade = asyncio.get_running_loop().create_task(self._start_tls(self._transport))
        elif verb == b"QUIT":
            self._reply(b"221 bye")
            if self._transport is not None:
                self._transport.close()
        elif not self._secure and verb != b"NOOP":
            self._reply(b"530 5.7.0 must issue STARTTLS first")
        elif verb == b"DATA":
            self._reply(b"354 go ahead")
            return True
        else:
            self._reply(b"235 2.7.0 OK" if verb == b"AUTH" else b"250 2.0.0 OK")
        return False

    def _reply(self, line: bytes) -> None:
        if self._transport is not None:
            self._transport.write(line + b"\r\n")

    async def _start_tls(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(transport, self, self._context, server_side=True)
        except (OSError, ssl.SSLError):
            transport.abort()
            return
        if secured is None:
            return
        self._sink.transports.discard(transport)
        self._sink.transports.add(secured)
        self._transport = secured
        self._secure = True
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
