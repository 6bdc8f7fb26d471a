"""MLLP framing without I/O: bytes in, events out (hl7v2 digest §7.1).

A frame is `0x0B payload 0x1C 0x0D`. The state machine never looks twice at a byte and never holds more than one frame
of at most `max_frame` bytes; the events do not depend on how the stream was cut into reads, except that one run of
noise may come in several pieces.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from pfi.model.errors import BugError

START: Final = b"\x0b"
END: Final = b"\x1c"
TRAILER: Final = b"\x0d"

HEAD_BYTES: Final = 4096
"""How much of an oversize or incomplete frame is kept: enough for any MSH."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One complete payload, without its framing bytes. May be empty."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that belong to no frame. Carriage returns and line feeds between frames are not reported."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Oversize:
    """A frame passed the limit; `head` is its beginning. The rest of that frame is thrown away as it comes."""

    head: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A frame that never ended: another one began inside it, or the stream stopped. `head` is its beginning."""

    head: bytes = field(repr=False)


FrameEvent = Frame | Noise | Oversize | Incomplete


class _State(Enum):
    IDLE = auto()
    """Between frames."""
    AFTER_FRAME = auto()
    """A frame has just ended: one carriage return may follow and belongs to it."""
    IN_FRAME = auto()
    END_SEEN = auto()
    """0x1C was read in a frame: the next byte tells whether it ended the frame."""


class Framer:
    """Cuts a byte stream into MLLP frames.

    `max_frame` is the largest payload accepted, in bytes. A missing final 0x0D is tolerated before the next 0x0B and at
    the end of the stream; call `end()` at end of stream, and also when the peer stays silent inside a frame for too
    long: a frame that only lacks its last byte is then delivered. A 0x1C followed by anything else is payload.
    """

    def __init__(self, max_frame: int) -> None:
        if max_frame < 1:
            raise BugError("MLLP_LIMIT", "La taille maximale d'une trame MLLP doit être d'au moins un octet.")
        self._max_frame = max_frame
        self._state = _State.IDLE
        self._buffer = bytearray()
        self._oversize = False

    @property
    def in_frame(self) -> bool:
        """True from a 0x0B to the end of its frame: a read time-out makes sense then, and only then."""
        return self._state in (_State.IN_FRAME, _State.END_SEEN)

    def feed(self, data: bytes) -> list[FrameEvent]:
        """Takes the next bytes of the stream and returns what they complete, in order."""
        events: list[FrameEvent] = []
        position = 0
        while position < len(data):
            match self._state:
                case _State.IDLE:
                    position = self._skip_noise(data, position, events)
                case _State.AFTER_FRAME:
                    position += data[position : position + 1] == TRAILER
                    self._state = _State.IDLE
                case _State.IN_FRAME:
                    position = self._take_payload(data, position, events)
                case _State.END_SEEN:
                    position = self._after_end(data, position, events)
        return events

    def end(self) -> list[FrameEvent]:
        """The stream is over: gives what was pending and forgets everything."""
        events: list[FrameEvent] = []
        if self._state is _State.END_SEEN:
            self._finish(events)
        elif self._state is _State.IN_FRAME:
            self._abandon(events)
        self._state = _State.IDLE
        return events

    def _skip_noise(self, data: bytes, position: int, events: list[FrameEvent]) -> int:
        start = data.find(START, position)
        noise = data[position : start if start >= 0 else len(data)]
        if noise.strip(b"\r\n"):
            events.append(Noise(noise))
        if start < 0:
            return len(data)
        self._begin()
        return start + 1

    def _take_payload(self, data: bytes, position: int, events: list[FrameEvent]) -> int:
        end = data.find(END, position)
        restart = data.find(START, position, end if end >= 0 else len(data))
        if restart >= 0:
            self._keep(data, position, restart, events)
            self._abandon(events)
            self._begin()
            return restart + 1
        if end < 0:
            self._keep(data, position, len(data), events)
            return len(data)
        self._keep(data, position, end, events)
        self._state = _State.END_SEEN
        return end + 1

    def _after_end(self, data: bytes, position: int, events: list[FrameEvent]) -> int:
        following = data[position : position + 1]
        if following in (TRAILER, START):
            self._finish(events)
            return position  # the byte itself is read by the next state
        self._keep(END, 0, 1, events)
        self._state = _State.IN_FRAME
        return position

    def _begin(self) -> None:
        self._buffer = bytearray()
        self._oversize = False
        self._state = _State.IN_FRAME

    def _keep(self, data: bytes, start: int, stop: int, events: list[FrameEvent]) -> None:
        if self._oversize:
            return
        if len(self._buffer) + stop - start > self._max_frame:
            self._buffer += data[start : min(stop, start + HEAD_BYTES)]
            events.append(Oversize(self._head()))
            self._buffer = bytearray()
            self._oversize = True
        else:
            self._buffer += memoryview(data)[start:stop]

    def _finish(self, events: list[FrameEvent]) -> None:
        if not self._oversize:
            events.append(Frame(bytes(self._buffer)))
        self._buffer = bytearray()
        self._state = _State.AFTER_FRAME

    def _abandon(self, events: list[FrameEvent]) -> None:
        if not self._oversize:
            events.append(Incomplete(self._head()))
        self._buffer = bytearray()

    def _head(self) -> bytes:
        return bytes(self._buffer[: min(HEAD_BYTES, self._max_frame)])


def wrap(payload: bytes) -> bytes:
    """The frame of a payload. Raises BugError if the payload holds a framing byte, which no HL7 text can."""
    if START in payload or END in payload:
        raise BugError("MLLP_PAYLOAD", "Un message à émettre contient un octet réservé au tramage MLLP.")
    return START + payload + END + TRAILER
