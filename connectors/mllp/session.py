"""One connection of a sender: frames in, answers out, strictly one after the other."""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol, cast

import structlog
from cryptography import x509

from connectors.mllp import refusals
from connectors.mllp.refusals import Refusal
from connectors.mllp.settings import ListenerLimits
from connectors.mllp.tls import keep_alive
from pfi.engine.connector import Answer, Intake, Peer
from pfi.standards.hl7v2.mllp import END, Frame, FrameEvent, Framer, Incomplete, Noise, Oversize, wrap

_BUFFER_BYTES: Final = 64 * 1024
_HEAD_BYTES: Final = 4096
_NOISE_BYTES: Final = 64 * 1024
"""A connection that sends more than this outside any frame is not a sender of ours."""
_LINGER_SECONDS: Final = 2.0
"""How long we read and throw away before closing on a peer that is still sending: a reset would lose our answer."""
_TRAILER_SECONDS: Final = 1.0
"""How long the 0x0D after a 0x1C may take: some senders leave it out and wait for their answer."""

_log = structlog.get_logger(room="mllp")


class Hub(Protocol):
    """What a session knows of its listener."""

    name: str
    intake: Intake
    limits: ListenerLimits

    def admit(self, session: "Session", host: str) -> bool:
        """Counts the session, unless a limit is reached."""

    def forget(self, session: "Session") -> None:
        """The session is over."""


class Session(asyncio.BufferedProtocol):
    """Reads frames, gives each to the intake, writes its answer, then takes the next one.

    Reading stops while a message is being taken and another one is already here, so that a sender in a hurry waits in
    its own buffers and not in ours.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._framer = Framer(hub.limits.max_frame_bytes)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._pending: deque[Frame | Refusal] = deque()
        self._noise = 0
        self._wake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = False
        self._silent = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._ended = False
        self._finishing = False
        self._discarding = False
        self._paused = False
        self._encrypted = False

    # The transport's side ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        host, port = transport.get_extra_info("peername")[:2]
        self._encrypted = transport.get_extra_info("ssl_object") is not None
        if not self._hub.admit(self, host):
            _log.warning("mllp_connection_refused", listener=self._hub.name, address=host)
            self._discarding = True
            self._transport.abort()
            return
        self.peer = Peer(self._hub.name, f"{host}:{port}", _subject(transport.get_extra_info("ssl_object")))
        keep_alive(transport.get_extra_info("socket"))
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._discarding:
            return
        data = bytes(self._buffer[:nbytes])
        was_in_frame = self._framer.in_frame
        events = self._framer.feed(data)
        if not was_in_frame or events:
            self._deadline = None  # whatever frame is under way began in these bytes
        self._take(events)
        self._watch(last=data[-1:])

    def eof_received(self) -> bool:
        self._silent.set()
        self._end_input()
        return not self._encrypted  # keep our half open for the answers; TLS cannot

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._silent.set()
        self._writable.set()
        self._end_input()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # The listener's side -------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Answers what has begun to arrive, then closes."""
        self._finishing = True
        self._wake.set()

    def abort(self) -> None:
        """Closes now."""
        self._transport.abort()

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """Runs until the last answer is written and the connection closed."""
        return self._task

    # Reading ---------------------------------------------------------------------------------------------------------

    def _take(self, events: Sequence[FrameEvent]) -> None:
        for event in events:
            taken = self._judge(event)
            if taken is not None:
                self._pending.append(taken)
                if isinstance(taken, Refusal) and taken.close:
                    self._stop_reading()
                    break
        self._wake.set()
        self._regulate()

    def _judge(self, event: FrameEvent) -> Frame | Refusal | None:
        match event:
            case Frame():
                self._noise = 0
                return event
            case Noise(data):
                first, self._noise = self._noise == 0, self._noise + len(data)
                if self._noise > _NOISE_BYTES:
                    return refusals.too_much_noise(data[:_HEAD_BYTES], _NOISE_BYTES)
                return refusals.noise(data[:_HEAD_BYTES]) if first else None
            case Oversize(head):
                return refusals.too_large(head, self._hub.limits.max_frame_bytes)
            case Incomplete(head):
                return refusals.truncated(head)

    def _stop_reading(self) -> None:
        """Whatever comes next is thrown away."""
        self._discarding = True
        self._ended = True
        self._cancel_timer()

    def _end_input(self) -> None:
        if not self._ended:
            self._ended = True
            self._cancel_timer()
            self._take(self._framer.end())
        self._wake.set()

    def _regulate(self) -> None:
        """Back-pressure: beside the message being taken, at most what one read brings waits here."""
        wanted = not self._ended and len(self._pending) > (0 if self._busy else 1)
        if wanted is self._paused or self._lost or self._transport.is_closing():
            return
        self._paused = wanted
        if wanted:
            self._transport.pause_reading()
            self._cancel_timer()
        else:
            self._transport.resume_reading()
            self._deadline = None  # a frame that we kept waiting starts its time again
            self._watch(last=b"")

    # Time limits -----------------------------------------------------------------------------------------------------

    def _watch(self, *, last: bytes) -> None:
        """After some bytes, of which `last` is the last one: what may the next ones take?"""
        if self._ended or self._paused:
            return
        if not self._framer.in_frame:
            self._watch_idle()
            return
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._hub.limits.frame_seconds
        trailer_only = last == END
        self._start_timer(min(self._deadline, now + _TRAILER_SECONDS) if trailer_only else self._deadline)

    def _watch_idle(self) -> None:
        self._cancel_timer()
        if self._hub.limits.idle_seconds and not self._busy and not self._pending:
            self._start_timer(asyncio.get_running_loop().time() + self._hub.limits.idle_seconds)

    def _start_timer(self, when: float) -> None:
        if self._timer is None or self._timer.when() != when:
            self._cancel_timer()
            self._timer = asyncio.get_running_loop().call_at(when, self._expired)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        """A message did not end in time (or lacks only its last byte: then it is whole), or nobody speaks."""
        self._timer = None
        if not self._framer.in_frame:
            self._end_input()
        for event in self._framer.end():
            if isinstance(event, Incomplete):
                self._pending.append(refusals.too_slow(event.head, self._hub.limits.frame_seconds))
                self._stop_reading()
                self._wake.set()
            else:
                self._take([event])

    # Answering -------------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            if not self._framer.in_frame:  # bytes may have come before this task began: their time is already counted
                self._watch_idle()
            closing = False
            while not closing:
                taken = await self._next()
                if taken is None:
                    break
                self._busy = True
                self._regulate()
                closing = await self._answer(taken)
                self._busy = False
                self._regulate()
            if self._discarding or (closing and (self._pending or self._framer.in_frame)):
                await self._linger()
        except Exception as error:
            # The intake could not commit: without an answer the sender keeps its message and comes back. The text of
            # the error stays out of the log: it may quote what was being stored.
            _log.error(
                "mllp_session_failed", listener=self._hub.name, address=self.peer.address, error=type(error).__name__
            )
        finally:
            self._cancel_timer()
            self._transport.close()
            self._hub.forget(self)

    async def _next(self) -> Frame | Refusal | None:
        while not self._pending:
            if self._ended or (self._finishing and not self._framer.in_frame):
                return None
            if not self._framer.in_frame:
                self._watch_idle()
            self._wake.clear()
            await self._wake.wait()
        return self._pending.popleft()

    async def _answer(self, taken: Frame | Refusal) -> bool:
        """Submits and replies; true when the connection must be closed."""
        if isinstance(taken, Frame):
            answer, close = await self._hub.intake.accept(taken.payload, self.peer), False
        else:
            answer, close = await self._hub.intake.refuse(taken.head, self.peer, taken.finding), taken.close
        written = await self._reply(answer)
        return close or answer.close or not written

    async def _reply(self, answer: Answer) -> bool:
        if answer.content is None:
            return True
        if self._lost:
            return True  # nobody listens any more, but what was received is still taken
        self._transport.write(wrap(answer.content))
        try:
            async with asyncio.timeout(self._hub.limits.send_seconds):
                await self._writable.wait()
        except TimeoutError:
            _log.warning("mllp_answer_not_taken", listener=self._hub.name, address=self.peer.address)
            self._transport.abort()
            return False
        return True

    async def _linger(self) -> None:
        """Lets the peer read our answer before the connection disappears under what it is still sending."""
        self._stop_reading()
        self._regulate()
        if self._lost:
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._silent.wait()
        except TimeoutError:
            return


def _subject(ssl_object: ssl.SSLObject | None) -> str:
    """Subject of the sender's certificate (RFC 4514), empty without one."""
    certificate = ssl_object.getpeercert(binary_form=True) if ssl_object is not None else None
    if not certificate:
        return ""
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
