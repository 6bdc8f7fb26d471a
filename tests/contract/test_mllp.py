"""The MLLP listener keeps the promises of a source, on real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connectors.mllp.client import MllpClient, UnansweredError, UnreachableError
from connectors.mllp.listener import MllpListener
from connectors.mllp.settings import MllpListenerSettings
from pfi.engine.connector import Source
from pfi.model.errors import ConfigurationError
from pfi.standards.hl7v2.mllp import wrap
from tests.contract.mllp_peers import RecordingIntake, ack, eventually, listening, message, read_message

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def intake() -> RecordingIntake:
    return RecordingIntake()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def test_it_is_a_source(intake: RecordingIntake) -> None:
    assert isinstance(MllpListener("sgl", MllpListenerSettings(), intake), Source)


async def test_many_messages_over_one_connection_are_answered_in_order(intake: RecordingIntake) -> None:
    async with listening(intake) as listener, MllpClient("127.0.0.1", listener.port) as client:
        answers = [await client.exchange(message(f"M{n}", 300_000 if n % 5 == 0 else 10)) for n in range(20)]

    assert answers == [ack(f"M{n}") for n in range(20)]
    assert [len(raw) for raw in intake.accepted[:2]] == [len(message("M0", 300_000)), len(message("M1", 10))]
    assert {peer.listener for peer in intake.peers} == {"sgl"}
    assert len({peer.address for peer in intake.peers}) == 1
    assert intake.peers[0].certificate == ""


async def test_pipelined_messages_are_taken_one_at_a_time_in_order(intake: RecordingIntake) -> None:
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(b"".join(wrap(message(f"M{n}")) for n in range(30)))
        answers = [await read_message(reader) for _ in range(30)]

    assert answers == [ack(f"M{n}") for n in range(30)]
    assert intake.most_running == 1


async def test_a_sender_in_a_hurry_waits_in_its_own_buffers(intake: RecordingIntake) -> None:
    intake.gate = asyncio.Event()
    frame = wrap(message("M", 200_000))
    sent = 0
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        while sent < 200:
            writer.write(frame)
            sent += 1
            try:
                async with asyncio.timeout(0.3):
                    await writer.drain()
            except TimeoutError:
                break
        assert sent < 200, "40 MB were read while one message was being taken"
        intake.gate.set()
        for _ in range(sent):
            assert await read_message(reader) == ack("M")

    assert len(intake.accepted) == sent


async def test_several_connections_are_served_side_by_side(intake: RecordingIntake) -> None:
    async with (
        listening(intake) as listener,
        MllpClient("127.0.0.1", listener.port) as one,
        MllpClient("127.0.0.1", listener.port) as two,
    ):
        intake.gate = asyncio.Event()
        both = asyncio.gather(one.exchange(message("A")), two.exchange(message("B")))
        await eventually(lambda: intake.running == 2)
        intake.gate.set()
        assert tuple(await both) == (ack("A"), ack("B"))


async def test_a_message_cut_into_single_bytes_is_one_message(intake: RecordingIntake) -> None:
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        for byte in wrap(message("M")):
            writer.write(bytes([byte]))
            await writer.drain()
        assert await read_message(reader) == ack("M")


async def test_noise_is_recorded_once_and_the_next_message_is_still_answered(intake: RecordingIntake) -> None:
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        await writer.drain()
        await eventually(lambda: intake.refused)
        writer.write(b"Host: pfi\r\n")
        writer.write(wrap(message("M")))
        assert await read_message(reader) == ack("M")

    assert intake.codes == ["MLLP_NOISE"]
    assert intake.refused[0][0].startswith(b"GET / HTTP")


async def test_a_flood_of_noise_ends_the_connection(intake: RecordingIntake) -> None:
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(b"A" * 200_000)
        assert await reader.read() == b""

    assert intake.codes[-1] == "MLLP_NOISE_LIMIT"
    assert all(len(head) <= 4096 for head, _ in intake.refused)


async def test_a_message_over_the_limit_is_refused_answered_and_the_connection_closed(intake: RecordingIntake) -> None:
    async with (
        listening(intake, limits={"max_frame_bytes": 100_000}) as listener,
        connected(listener.port) as (reader, writer),
    ):
        writer.write(wrap(message("BIG", 3_000_000)) + wrap(message("LATER")))
        assert await read_message(reader) == ack("?", "AE")
        assert await reader.read() == b""

    assert intake.codes == ["MLLP_FRAME_TOO_LARGE"]
    assert b"|BIG|" in intake.refused[0][0]
    assert intake.accepted == []


async def test_a_half_message_at_the_end_of_the_stream_is_recorded(intake: RecordingIntake) -> None:
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(wrap(message("WHOLE")) + wrap(message("HALF"))[:40])
        writer.write_eof()
        assert await read_message(reader) == ack("WHOLE")
        assert await read_message(reader) == ack("?", "AE")
        assert await reader.read() == b""

    assert intake.codes == ["MLLP_TRUNCATED_FRAME"]
    assert intake.accepted == [message("WHOLE")]


async def test_a_message_received_before_a_reset_is_still_taken(intake: RecordingIntake) -> None:
    intake.gate = asyncio.Event()
    async with listening(intake) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(wrap(message("M")) + b"\x0bMSH|half")
        await writer.drain()
        await eventually(lambda: intake.running)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        intake.gate.set()
        await eventually(lambda: intake.refused)
        del reader

    assert intake.accepted == [message("M")]
    assert intake.codes == ["MLLP_TRUNCATED_FRAME"]


async def test_a_message_that_does_not_end_in_time_is_refused(intake: RecordingIntake) -> None:
    async with (
        listening(intake, limits={"frame_seconds": 0.2}) as listener,
        connected(listener.port) as (reader, writer),
    ):
        writer.write(b"\x0bMSH|^~\\&|SGL|LABO")
        for _ in range(3):
            await asyncio.sleep(0.05)
            writer.write(b"|drop by drop")
        assert await read_message(reader) == ack("?", "AE")
        assert await reader.read() == b""

    assert intake.codes == ["MLLP_FRAME_TIMEOUT"]


async def test_a_sender_that_forgets_the_last_carriage_return_gets_its_answer(intake: RecordingIntake) -> None:
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(wrap(message("M"))[:-1])
        async with asyncio.timeout(5):
            assert await read_message(reader) == ack("M")

    assert intake.refused == []


async def test_a_frame_that_begins_inside_another_one_is_taken_and_the_first_one_recorded(
    intake: RecordingIntake,
) -> None:
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(b"\x0bMSH|lost" + wrap(message("M")))
        assert await read_message(reader) == ack("?", "AE")
        assert await read_message(reader) == ack("M")

    assert intake.codes == ["MLLP_TRUNCATED_FRAME"]


async def test_a_silent_connection_is_closed_when_a_limit_is_set(intake: RecordingIntake) -> None:
    async with (
        listening(intake, limits={"idle_seconds": 0.2}) as listener,
        connected(listener.port) as (reader, writer),
    ):
        writer.write(wrap(message("M")))
        assert await read_message(reader) == ack("M")
        async with asyncio.timeout(3):
            assert await reader.read() == b""

    assert intake.refused == []


async def test_idle_time_does_not_run_while_a_message_is_being_taken(intake: RecordingIntake) -> None:
    intake.gate = asyncio.Event()
    async with (
        listening(intake, limits={"idle_seconds": 0.1}) as listener,
        connected(listener.port) as (reader, writer),
    ):
        writer.write(wrap(message("M")))
        await asyncio.sleep(0.3)
        intake.gate.set()
        assert await read_message(reader) == ack("M")


async def test_there_is_no_more_than_the_allowed_number_of_connections(intake: RecordingIntake) -> None:
    async with (
        listening(intake, limits={"connections": 2}) as listener,
        MllpClient("127.0.0.1", listener.port) as one,
        MllpClient("127.0.0.1", listener.port) as two,
    ):
        await one.exchange(message("A"))
        await two.exchange(message("B"))
        async with MllpClient("127.0.0.1", listener.port) as three:
            with pytest.raises((UnansweredError, UnreachableError)):
                await three.exchange(message("C"))
        await one.close()
        await asyncio.sleep(0.05)
        async with MllpClient("127.0.0.1", listener.port) as four:
            assert await four.exchange(message("D")) == ack("D")


async def test_one_address_cannot_take_every_connection(intake: RecordingIntake) -> None:
    async with (
        listening(intake, limits={"connections_per_address": 1}) as listener,
        MllpClient("127.0.0.1", listener.port) as one,
        MllpClient("127.0.0.1", listener.port) as two,
    ):
        await one.exchange(message("A"))
        with pytest.raises((UnansweredError, UnreachableError)):
            await two.exchange(message("B"))


async def test_without_commit_there_is_no_answer_and_the_listener_lives_on(intake: RecordingIntake) -> None:
    async with listening(intake) as listener:
        intake.failure = RuntimeError("disque plein")
        async with MllpClient("127.0.0.1", listener.port) as client:
            with pytest.raises(UnansweredError):
                await client.exchange(message("A"))
            intake.failure = None
            assert await client.exchange(message("A")) == ack("A")


async def test_the_intake_may_close_the_connection_after_its_answer(intake: RecordingIntake) -> None:
    intake.close_after = True
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(wrap(message("M")))
        assert await read_message(reader) == ack("M")
        assert await reader.read() == b""


async def test_a_close_asked_by_the_intake_does_not_lose_the_answer_to_a_sender_in_a_hurry(
    intake: RecordingIntake,
) -> None:
    intake.close_after = True
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(b"".join(wrap(message(f"M{n}", 300_000)) for n in range(20)))
        assert await reader.read() == wrap(ack("M0"))

    assert intake.accepted == [message("M0", 300_000)]


async def test_stopping_answers_what_is_under_way_and_closes_the_rest(intake: RecordingIntake) -> None:
    intake.gate = asyncio.Event()
    async with listening(intake) as listener:
        async with connected(listener.port) as (busy, writer), connected(listener.port) as (idle, _):
            writer.write(wrap(message("M")) + wrap(message("NEXT")))
            await eventually(lambda: intake.running)
            stopping = asyncio.create_task(listener.stop(grace=5))
            assert await idle.read() == b""
            intake.gate.set()
            assert await busy.read() == wrap(ack("M")) + wrap(ack("NEXT"))
            await stopping
        with pytest.raises(OSError, match=r"refused|failed"):
            await asyncio.open_connection("127.0.0.1", listener.port)


async def test_stopping_does_not_wait_for_ever(intake: RecordingIntake) -> None:
    intake.gate = asyncio.Event()
    async with listening(intake) as listener, connected(listener.port) as (reader, writer):
        writer.write(wrap(message("M")))
        await eventually(lambda: intake.running)
        async with asyncio.timeout(4):
            await listener.stop(grace=0.1)
        assert intake.running == 0
        assert b"AA" not in await _rest(reader)

    assert intake.accepted == []


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_a_sender_that_never_reads_its_answers_is_dropped(intake: RecordingIntake) -> None:
    async with listening(intake, limits={"send_seconds": 0.2}) as listener:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", listener.port))
        with sock, pytest.raises((ConnectionResetError, BrokenPipeError)):
            await _pour(sock, b"".join(wrap(message(f"M{n}")) for n in range(2000)))


async def _pour(sock: socket.socket, frames: bytes) -> None:
    """Sends without ever reading."""
    for _ in range(200):
        async with asyncio.timeout(10):
            await asyncio.get_running_loop().sock_sendall(sock, frames)


async def test_a_port_in_use_is_a_configuration_error(intake: RecordingIntake) -> None:
    async with listening(intake) as listener:
        other = MllpListener("autre", MllpListenerSettings(port=listener.port), intake)
        with pytest.raises(ConfigurationError, match="MLLP_BIND"):
            await other.start()
