"""One connection of a sender: HTTP/1.1 requests in, answers out, strictly one after the other."""

import asyncio
import ssl
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import h11
import structlog
from cryptography import x509

from connectors.fhir import refusals
from connectors.fhir.refusals import Refusal
from connectors.fhir.requests import Ask, Head, judge
from connectors.fhir.settings import ListenerLimits
from pfi.engine.connector import Intake, Peer
from pfi.model.submission import Standard
from pfi.standards.fhir.answer import MEDIA_TYPE, status_of, write_refusal
from pfi.standards.fhir.outline import NO_OUTLINE

_READ_BYTES: Final = 64 * 1024
_HEAD_BYTES: Final = 4096
_LINGER_SECONDS: Final = 2.0
"""How long we read and throw away before closing on a peer that is still sending: a reset would lose our answer."""
_UNAVAILABLE: Final = 503
_HEAD_TOO_LARGE: Final = 431

_log = structlog.get_logger(room="fhir")


class Hub(Protocol):
    """What a session knows of its listener."""

    name: str
    path: str
    capability: bytes
    intake: Intake
    limits: ListenerLimits

    def take_place(self) -> bool:
        """Reserves memory for one more Bundle, unless there are too many."""

    def free_place(self) -> None:
        """Gives it back."""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    content: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()


class _RefusedError(Exception):
    """The request cannot be taken. `head` is what is known of its bytes; `silent`: nobody is there to be answered."""

    def __init__(self, refusal: Refusal, head: bytes = b"", *, silent: bool = False) -> None:
        super().__init__(refusal.finding.code)
        self.refusal = refusal
        self.head = head
        self.silent = silent


class Session:
    """Serves one connection until it ends."""

    def __init__(self, hub: Hub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hub = hub
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=hub.limits.max_head_bytes)
        self._finishing = False
        self._method = ""
        host, port = writer.get_extra_info("peername")[:2]
        certificate = _subject(writer.get_extra_info("ssl_object"))
        self.host: str = host
        self.peer = Peer(hub.name, f"{host}:{port}", certificate, Standard.FHIR)
        self.idle = True
        """Between two requests: it may be ended without harm."""

    def finish(self) -> None:
        """Answers the request under way, then closes."""
        self._finishing = True

    async def serve(self) -> None:
        """Requests and answers, until one side closes. Never raises for what the peer does."""
        while await self._exchange():
            self._http.start_next_cycle()

    async def turn_away(self) -> None:
        """Answers 503 without reading anything."""
        await self._send(self._refused(refusals.busy()), close=True)

    # One exchange ----------------------------------------------------------------------------------------------------

    async def _exchange(self) -> bool:
        """One request and its answer; true when the connection can take another one."""
        lost = False
        try:
            head = await self._read_head()
            if head is None:
                return False
            reply = await self._answer(head)
        except _RefusedError as error:
            reply, lost = self._refused(error.refusal), error.refusal.close
            if error.refusal.record:
                answer = await self._hub.intake.refuse(error.head, self.peer, error.refusal.finding)
                if answer.content is not None and status_of(answer.content) == _UNAVAILABLE:
                    reply = self._reply(answer.content)
            if error.silent:
                return False
        unread = lost or not self._all_read()
        close = unread or self._finishing
        if not await self._send(reply, close=close):
            return False
        if unread:
            await self._linger()
        return not close and self._http.our_state is h11.DONE

    async def _answer(self, head: Head) -> _Reply:
        asked = judge(head, self._hub.path, self._hub.limits.max_body_bytes)
        if isinstance(asked, Refusal):
            raise _RefusedError(asked, head.line)
        if asked is Ask.CAPABILITY:
            await self._read_body(head)
            return _Reply(200, self._hub.capability)
        if not self._hub.take_place():
            raise _RefusedError(refusals.busy())
        try:
            body = await self._read_body(head)
            answer = await self._hub.intake.accept(body, self.peer)
        finally:
            self._hub.free_place()
        if answer.content is None:
            return self._refused(refusals.busy())
        return self._reply(answer.content)

    def _reply(self, content: bytes) -> _Reply:
        """An answer of the engine, with the status that it means."""
        return self._with_delay(_Reply(status_of(content), content))

    def _refused(self, refusal: Refusal) -> _Reply:
        content = write_refusal((refusal.finding,), NO_OUTLINE)
        return self._with_delay(_Reply(refusal.status, content, refusal.headers))

    def _with_delay(self, reply: _Reply) -> _Reply:
        if reply.status != _UNAVAILABLE:
            return reply
        return replace(reply, headers=(("Retry-After", str(self._hub.limits.retry_after_seconds)),))

    # Reading ---------------------------------------------------------------------------------------------------------

    async def _read_head(self) -> Head | None:
        """The next request; `None` when the peer has no more to say, or has been silent too long."""
        limits = self._hub.limits
        self.idle = not self._http.trailing_data[0]
        try:
            if self.idle:
                async with asyncio.timeout(limits.idle_seconds):
                    self._http.receive_data(await self._reader.read(_READ_BYTES))
        except (TimeoutError, OSError):
            return None
        self.idle = False
        event = await self._next_event(self._deadline(limits.head_seconds), limits.head_seconds, b"")
        if not isinstance(event, h11.Request):
            return None
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
        self._method = event.method.decode("latin-1")
        if sum(len(name) + len(value) for name, value in event.headers) + len(event.target) > limits.max_head_bytes:
            raise _RefusedError(refusals.malformed(_HEAD_TOO_LARGE))  # h11 only counts what comes in several reads
        return Head(self._method, event.target.decode("latin-1"), headers)

    async def _read_body(self, head: Head) -> bytes:
        limits = self._hub.limits
        deadline = self._deadline(limits.body_seconds)
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await self._next_event(deadline, limits.body_seconds, chunks[0] if chunks else head.line)
            if not isinstance(event, h11.Data):
                return b"".join(chunks)
            size += len(event.data)
            if size > limits.max_body_bytes:
                raise _RefusedError(refusals.too_large(limits.max_body_bytes), chunks[0][:_HEAD_BYTES])
            chunks.append(bytes(event.data))

    async def _next_event(
        self, deadline: float, seconds: float, head: bytes
    ) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next thing that HTTP has to say. Raises _RefusedError; `head` is what it then tells of the bytes."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[]))
                async with asyncio.timeout_at(deadline):
                    data = await self._reader.read(_READ_BYTES)
                if not data and self._http.their_state is h11.SEND_BODY:
                    raise _RefusedError(refusals.truncated(), head[:_HEAD_BYTES], silent=True)
                self._http.receive_data(data)
        except TimeoutError:
            raise _RefusedError(refusals.too_slow(seconds), head[:_HEAD_BYTES]) from None
        except OSError:
            raise _RefusedError(refusals.truncated(), head[:_HEAD_BYTES], silent=True) from None
        except h11.RemoteProtocolError as error:
            raise _RefusedError(refusals.malformed(error.error_status_hint), head[:_HEAD_BYTES]) from None
        return event

    def _all_read(self) -> bool:
        """Whether the request is over: one that has no body is, once it is asked."""
        if self._http.their_state is h11.SEND_BODY:
            try:
                self._http.next_event()
            except h11.RemoteProtocolError:
                return False
        return self._http.their_state is h11.DONE

    @staticmethod
    def _deadline(seconds: float) -> float:
        return asyncio.get_running_loop().time() + seconds

    # Answering -------------------------------------------------------------------------------------------------------

    async def _send(self, reply: _Reply, *, close: bool) -> bool:
        """Writes an answer; false when the peer does not take it."""
        headers = [
            ("Content-Type", f"{MEDIA_TYPE}; charset=utf-8"),
            ("Content-Length", str(len(reply.content))),
            ("Cache-Control", "no-store"),
            *reply.headers,
            *([("Connection", "close")] if close else []),
        ]
        try:
            self._write(h11.Response(status_code=reply.status, headers=headers))
            if self._method != "HEAD":
                self._write(h11.Data(data=reply.content))
            self._write(h11.EndOfMessage())
            async with asyncio.timeout(self._hub.limits.send_seconds):
                await self._writer.drain()
        except (TimeoutError, OSError):
            _log.warning("fhir_answer_not_taken", listener=self._hub.name, address=self.peer.address)
            self._writer.transport.abort()
            return False
        return True

    def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")

    async def _linger(self) -> None:
        """Lets the peer read our answer before the connection disappears under what it is still sending."""
        try:
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self._reader.read(_READ_BYTES):
                    pass
        except (TimeoutError, OSError):
            return


def _subject(ssl_object: ssl.SSLObject | None) -> str:
    """Subject of the sender's certificate (RFC 4514), empty without one."""
    certificate = ssl_object.getpeercert(binary_form=True) if ssl_object is not None else None
    if not certificate:
        return ""
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
