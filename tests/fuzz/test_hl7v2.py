"""Whatever the bytes, the HL7 v2 readers answer or raise their one documented error."""

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pfi.model.acknowledgment import AckCode, AckError, TechnicalAck
from pfi.model.finding import refuses
from pfi.model.profile import Matrix, Mode, SenderProfile
from pfi.standards.hl7v2.ack import read_ack, write_ack
from pfi.standards.hl7v2.adt import read_adt
from pfi.standards.hl7v2.header import read_header
from pfi.standards.hl7v2.mllp import Frame, FrameEvent, Framer, wrap
from pfi.standards.hl7v2.request import read_request
from pfi.standards.hl7v2.tokenizer import UnreadableMessageError, parse
from pfi.standards.hl7v2.zam import read_zam
from tests.unit.hl7v2.specimens import adt, mdm, oru

NOW = datetime(2026, 3, 5, 10, 14, 1, tzinfo=UTC)
SPECIMENS = [oru().raw(), mdm("T10", "RO", "C").raw(), adt("A47").raw()]
PROFILES = [SenderProfile(mode=mode, matrix=matrix) for mode in Mode for matrix in Matrix]

marks = st.sampled_from(
    [b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b'""', b"\\F\\", b"\\X", b"\xff", b"\xcb\x9c", b""]
)
noise = st.lists(st.one_of(marks, st.binary(max_size=4)), max_size=40).map(b"".join)
headed = noise.map(lambda body: b"MSH|^~\\&|A|B|C|D|20260305||ORU^R01^ORU_R01|1|P|2.5|\r" + body)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A sound message, cut, repeated or overwritten at a few places."""
    raw = bytearray(draw(st.sampled_from(SPECIMENS)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(raw)))
        stop = min(len(raw), start + draw(st.integers(0, 30)))
        raw[start:stop] = draw(st.one_of(marks, st.binary(max_size=6)))
    return bytes(raw)


def readers_survive(raw: bytes) -> None:
    try:
        message = parse(raw)
    except UnreadableMessageError:
        return
    header = read_header(message)
    for profile in PROFILES:
        reading = read_request(message, profile)
        assert (reading.request is None) or not refuses(reading.findings)
        assert (reading.request is not None) or reading.findings
        event = read_adt(message, profile=profile)
        assert event.event is None or not refuses(event.findings)
    ack = TechnicalAck(AckCode.AE, tuple(AckError(f.err3, f.where, f.err5, f.text) for f in reading.findings))
    answer = write_ack(header, ack, control_id="P-1", now=NOW)
    wrap(answer)
    assert read_ack(answer).code is AckCode.AE
    for read in (read_ack, read_zam):
        try:
            read(raw)
        except UnreadableMessageError:
            continue


@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    readers_survive(raw)


@given(headed)
def test_any_bytes_after_a_header(raw: bytes) -> None:
    readers_survive(raw)


@given(spoilt())
def test_a_spoilt_message(raw: bytes) -> None:
    readers_survive(raw)


def events_of(stream: bytes, cuts: list[int], limit: int) -> list[FrameEvent]:
    """What is seen of a stream cut at these places, noise left out: only noise may come in several pieces."""
    framer = Framer(limit)
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    events = [event for start, stop in pairwise(places) for event in framer.feed(stream[start:stop])]
    return [event for event in events + framer.end() if type(event).__name__ != "Noise"]


stream_pieces = st.one_of(
    st.binary(max_size=30).filter(lambda body: b"\x0b" not in body and b"\x1c" not in body).map(wrap),
    st.binary(max_size=12),
    st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\x1c\r", b"\x0bx\x1c", b"\r\n"]),
)


@given(st.lists(stream_pieces, max_size=12).map(b"".join), st.lists(st.integers(0, 10_000), max_size=20))
def test_frames_do_not_depend_on_the_cuts(stream: bytes, cuts: list[int]) -> None:
    for limit in (10, 1_000_000):
        whole = events_of(stream, [], limit)
        assert events_of(stream, cuts, limit) == whole
        assert events_of(stream, list(range(len(stream))), limit) == whole


@given(st.lists(st.binary(max_size=50).filter(lambda body: b"\x0b" not in body and b"\x1c" not in body)))
def test_wrapped_payloads_all_come_back(payloads: list[bytes]) -> None:
    assert events_of(b"".join(map(wrap, payloads)), [], 1_000_000) == [Frame(payload) for payload in payloads]
