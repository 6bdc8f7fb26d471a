"""MLLP frames out of any stream of bytes."""

import time

import pytest

from pfi.model.errors import BugError
from pfi.standards.hl7v2.mllp import HEAD_BYTES, Frame, FrameEvent, Framer, Incomplete, Noise, Oversize, wrap

MIB = 1 << 20


def fed(*chunks: bytes, limit: int = MIB) -> list[FrameEvent]:
    framer = Framer(limit)
    events = [event for chunk in chunks for event in framer.feed(chunk)]
    return events + framer.end()


def inside(framer: Framer) -> bool:
    return framer.in_frame


def test_a_wrapped_payload_comes_back_as_one_frame() -> None:
    assert fed(wrap(b"MSH|")) == [Frame(b"MSH|")]


def test_a_frame_may_arrive_byte_by_byte() -> None:
    assert fed(*(bytes([byte]) for byte in wrap(b"MSH|^~\\&|A"))) == [Frame(b"MSH|^~\\&|A")]


def test_pipelined_frames_come_out_in_order() -> None:
    assert fed(wrap(b"1") + wrap(b"2") + wrap(b"3")) == [Frame(b"1"), Frame(b"2"), Frame(b"3")]


def test_noise_before_the_start_block_is_reported_and_skipped() -> None:
    assert fed(b"GET / HTTP/1.1" + wrap(b"1")) == [Noise(b"GET / HTTP/1.1"), Frame(b"1")]


def test_line_ends_between_frames_are_not_noise() -> None:
    assert fed(wrap(b"1") + b"\r\n" + wrap(b"2") + b"\n") == [Frame(b"1"), Frame(b"2")]


def test_a_missing_last_byte_is_tolerated_before_the_next_frame() -> None:
    assert fed(b"\x0b1\x1c" + wrap(b"2")) == [Frame(b"1"), Frame(b"2")]


def test_a_missing_last_byte_is_tolerated_at_the_end_of_the_stream() -> None:
    assert fed(b"\x0b1\x1c") == [Frame(b"1")]


def test_a_frame_waits_for_the_byte_that_tells_its_end() -> None:
    framer = Framer(MIB)
    assert framer.feed(b"\x0b1\x1c") == []
    assert inside(framer)
    assert framer.feed(b"\r") == [Frame(b"1")]
    assert not inside(framer)


def test_an_end_block_inside_the_text_belongs_to_the_payload() -> None:
    assert fed(b"\x0ba\x1cb\x1c\x1cc\x1c\r") == [Frame(b"a\x1cb\x1c\x1cc")]


def test_a_half_frame_at_the_end_of_the_stream_is_reported() -> None:
    assert fed(b"\x0bMSH|half") == [Incomplete(b"MSH|half")]


def test_a_frame_that_begins_inside_another_ends_the_first_as_incomplete() -> None:
    assert fed(b"\x0bMSH|half" + wrap(b"2")) == [Incomplete(b"MSH|half"), Frame(b"2")]


def test_an_empty_frame_is_a_frame() -> None:
    assert fed(wrap(b"")) == [Frame(b"")]


@pytest.mark.parametrize("size", [10, 11])
def test_the_limit_is_exact(size: int) -> None:
    events = fed(wrap(b"x" * size), limit=10)
    assert events == ([Frame(b"x" * 10)] if size == 10 else [Oversize(b"x" * 10)])


def test_an_oversize_frame_is_reported_once_with_its_head_and_then_thrown_away() -> None:
    body = b"MSH|" + b"x" * 20_000
    frame = wrap(body)
    chunks = [frame[start : start + 1000] for start in range(0, len(frame), 1000)]
    assert fed(*chunks, wrap(b"2"), limit=8192) == [Oversize(body[:HEAD_BYTES]), Frame(b"2")]


def test_an_oversize_frame_is_seen_before_its_end() -> None:
    framer = Framer(100)
    assert framer.feed(b"\x0b" + b"x" * 101) == [Oversize(b"x" * 100)]
    assert inside(framer)
    assert framer.feed(b"y" * 1000) == []
    assert framer.end() == []


def test_an_oversize_frame_cut_by_another_is_not_reported_twice() -> None:
    assert fed(b"\x0b" + b"x" * 11 + wrap(b"2"), limit=10) == [Oversize(b"x" * 10), Frame(b"2")]


def test_the_framer_is_idle_between_frames_and_after_the_end() -> None:
    framer = Framer(MIB)
    assert not inside(framer)
    framer.feed(b"\x0bhalf")
    assert inside(framer)
    framer.end()
    assert not inside(framer)
    assert framer.feed(wrap(b"1")) == [Frame(b"1")]


def test_twenty_megabytes_in_small_reads_cost_a_linear_time() -> None:
    frame = wrap(b"MSH|" + b"A" * 20_000_000)
    framer = Framer(64 * MIB)
    started = time.perf_counter()
    events = [event for start in range(0, len(frame), 65536) for event in framer.feed(frame[start : start + 65536])]
    assert time.perf_counter() - started < 2
    assert [len(event.payload) for event in events if isinstance(event, Frame)] == [20_000_004]


def test_a_payload_with_a_framing_byte_cannot_be_sent() -> None:
    with pytest.raises(BugError):
        wrap(b"a\x1cb")
    with pytest.raises(BugError):
        wrap(b"a\x0bb")


def test_a_limit_below_one_byte_makes_no_sense() -> None:
    with pytest.raises(BugError):
        Framer(0)
