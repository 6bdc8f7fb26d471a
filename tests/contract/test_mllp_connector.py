"""The MLLP connector tells delivered, refused, not delivered and unknown apart, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connectors.mllp.client import MllpClient, UnansweredError
from connectors.mllp.connector import MllpConnector
from connectors.mllp.settings import MllpSettings
from pfi.engine.connector import MessageConnector, OutboundMessage, Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.standards.hl7v2.mllp import wrap
from tests.contract.mllp_peers import (
    RecordingIntake,
    Script,
    ack,
    control_id,
    listening,
    message,
    neighbour,
    read_message,
    tls_files,
)

SURROUNDINGS = Surroundings(system_clock, IdSource())


def zam(control: str) -> OutboundMessage:
    return OutboundMessage(control, message(control))


def answering(*answers: bytes) -> Script:
    """Reads one message per answer and gives that answer, on every connection; an empty answer closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_message(reader)
            if not answer:
                return
            writer.write(wrap(answer))
        await reader.read()

    return script


@asynccontextmanager
async def connector(port: int, **settings: object) -> AsyncIterator[MllpConnector]:
    chosen = {"timeouts": {"answer": 0.3, "connect": 2}, "host": "127.0.0.1", "port": port, **settings}
    opened = MllpConnector(MllpSettings.model_validate(chosen), SURROUNDINGS)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def outcome_of(answer: bytes) -> Outcome:
    async with neighbour(answering(answer)) as port, connector(port) as opened:
        return await opened.send_message(zam("Z1"))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_it_is_a_message_connector() -> None:
    assert isinstance(MllpConnector(MllpSettings(host="dpi", port=2575), SURROUNDINGS), MessageConnector)


@pytest.mark.parametrize("code", ["AA", "CA"])
async def test_a_positive_acknowledgment_is_a_delivery(code: str) -> None:
    assert await outcome_of(ack("Z1", code)) == Outcome(OutcomeKind.DELIVERED)


async def test_an_error_of_the_application_is_a_refusal_with_its_own_code() -> None:
    error = (
        "ERR||PID^1^3|207^Application error^messageErrorCondition|E"
        "|902^Identifiant patient inconnu^applicationErrorCode|||PAT-TROIS DOMINIQUE inconnue\r"
    )

    outcome = await outcome_of(ack("Z1", "AE", error))

    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "902")
    assert outcome.evidence == {"ERR-2": "PID^1^3", "ERR-3": "207", "ERR-5": "902"}
    assert "PAT-TROIS" not in repr(outcome)


async def test_a_technical_error_is_a_refusal_with_the_code_of_the_message_error() -> None:
    outcome = await outcome_of(ack("Z1", "AE", "ERR||MSH^1^12|203^Unsupported version^messageErrorCondition|E\r"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "203")


async def test_a_refusal_without_any_reason_keeps_its_acknowledgment_code() -> None:
    outcome = await outcome_of(ack("Z1", "AE"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "AE")


@pytest.mark.parametrize("code", ["AR", "CR"])
async def test_come_again_later_is_not_a_delivery(code: str) -> None:
    outcome = await outcome_of(ack("Z1", code))

    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "AR")


async def test_an_unreachable_neighbour_is_not_a_delivery() -> None:
    async with connector(free_port()) as opened:
        outcome = await opened.send_message(zam("Z1"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "MLLP_UNREACHABLE")


async def test_no_answer_in_time_is_unknown() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with neighbour(silent) as port, connector(port) as opened:
        outcome = await opened.send_message(zam("Z1"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "MLLP_NO_ANSWER")


async def test_a_connection_closed_before_the_answer_is_unknown() -> None:
    async with neighbour(answering(b"")) as port, connector(port) as opened:
        outcome = await opened.send_message(zam("Z1"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "MLLP_CLOSED")


async def test_an_answer_that_is_no_acknowledgment_leaves_the_outcome_unknown() -> None:
    assert (await outcome_of(b"HTTP/1.1 400 Bad Request")).kind is OutcomeKind.UNKNOWN


async def test_a_huge_answer_is_not_read() -> None:
    huge = answering(ack("Z1") + b"X" * 5000)
    async with neighbour(huge) as port, connector(port, max_answer_bytes=1024) as opened:
        outcome = await opened.send_message(zam("Z1"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "MLLP_ANSWER_TOO_LARGE")


async def test_the_answer_to_another_message_is_never_taken_for_the_present_one() -> None:
    async def confused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        writer.write(wrap(ack("Z0")) + wrap(ack("Z1", "AE")))
        await reader.read()

    async with neighbour(confused) as port, connector(port) as opened:
        assert (await opened.send_message(zam("Z1"))).kind is OutcomeKind.REFUSED


async def test_a_late_answer_is_not_heard_by_the_next_message() -> None:
    connections = 0

    async def late_then_prompt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        prompt = connections > 1
        while True:
            raw = await read_message(reader)
            if not prompt:
                await asyncio.sleep(0.5)
            writer.write(wrap(ack(control_id(raw), "AE" if prompt else "AA")))

    async with neighbour(late_then_prompt) as port, connector(port) as opened:
        first = await opened.send_message(zam("Z1"))
        second = await opened.send_message(zam("Z1"))

    assert first.kind is OutcomeKind.UNKNOWN
    assert second.kind is OutcomeKind.REFUSED
    assert connections == 2


async def test_one_connection_is_kept_and_opened_again_when_the_neighbour_closed_it() -> None:
    connections = 0

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            writer.write(wrap(ack(control_id(await read_message(reader)))))

    async with neighbour(twice) as port, connector(port) as opened:
        for n in range(6):
            outcome = await opened.send_message(zam(f"Z{n}"))
            assert outcome.kind is OutcomeKind.DELIVERED
            await asyncio.sleep(0.02)

    assert connections == 3


async def test_concurrent_messages_wait_for_their_turn() -> None:
    open_messages = 0

    async def one_at_a_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_messages
        while True:
            raw = await read_message(reader)
            open_messages += 1
            assert open_messages == 1
            await asyncio.sleep(0.01)
            open_messages -= 1
            writer.write(wrap(ack(control_id(raw))))

    async with neighbour(one_at_a_time) as port, connector(port) as opened:
        outcomes = await asyncio.gather(*(opened.send_message(zam(f"Z{n}")) for n in range(10)))

    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.DELIVERED}


async def test_a_cancelled_message_leaves_no_answer_behind() -> None:
    async def slow_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            control = control_id(await read_message(reader))
            await asyncio.sleep(0.1 if control == "Z1" else 0)
            writer.write(wrap(ack(control)))

    async with neighbour(slow_first) as port, connector(port) as opened:
        first = asyncio.create_task(opened.send_message(zam("Z1")))
        await asyncio.sleep(0.03)
        first.cancel()
        outcome = await opened.send_message(zam("Z2"))

    assert outcome.kind is OutcomeKind.DELIVERED
    assert first.cancelled()


async def test_it_can_send_after_it_was_closed() -> None:
    async with neighbour(answering(ack("Z1"))) as port, connector(port) as opened:
        await opened.close()
        assert (await opened.send_message(zam("Z1"))).kind is OutcomeKind.DELIVERED


async def test_check_says_whether_the_neighbour_can_be_reached_and_sends_nothing() -> None:
    received = bytearray()

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read())

    async with neighbour(remember) as port, connector(port) as opened:
        good = await opened.check()
    async with connector(free_port()) as opened:
        bad = await opened.check()

    assert [result.ok for result in (*good, *bad)] == [True, False]
    assert "pare-feu" in bad[0].text
    assert received == b""


async def test_a_neighbour_over_tls_is_authenticated_both_ways(tmp_path: Path) -> None:
    files = tls_files(tmp_path)
    intake = RecordingIntake()
    server = {"certificate": files.server, "key": files.server_key, "ca": files.ca}
    ours = {"ca": files.ca, "certificate": files.client, "key": files.client_key}
    async with listening(intake, tls=server) as listener:
        async with connector(listener.port, tls=ours) as trusted:
            assert (await trusted.check())[0].ok
            assert (await trusted.send_message(zam("Z1"))).kind is OutcomeKind.DELIVERED
        async with connector(listener.port, tls={**ours, "ca": files.stranger}) as distrustful:
            outcome = await distrustful.send_message(zam("Z2"))
        async with connector(listener.port, tls={**ours, "server_name": "autre.exemple"}) as elsewhere:
            assert not (await elsewhere.check())[0].ok

    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "MLLP_TLS")
    assert intake.peers[0].certificate == "CN=sgl,O=Labo,C=FR"


async def test_a_tls_handshake_that_hangs_is_unreachable_in_bounded_time(tmp_path: Path) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    ours = {"ca": tls_files(tmp_path).ca}
    async with neighbour(mute) as port, connector(port, tls=ours, timeouts={"connect": 0.2}) as opened:
        outcome = await opened.send_message(zam("Z1"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "MLLP_CONNECT_TIMEOUT")


async def test_after_an_unanswered_message_the_client_knows_that_it_is_not_connected() -> None:
    async with neighbour(answering(b"")) as port, MllpClient("127.0.0.1", port) as client:
        with pytest.raises(UnansweredError, match="MLLP_CLOSED"):
            await client.exchange(message("M"))
        assert not client.connected


async def test_the_client_accepts_an_answer_without_its_last_carriage_return() -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        writer.write(wrap(ack("M"))[:-1])

    async with neighbour(short) as port, MllpClient("127.0.0.1", port) as client:
        assert await client.exchange(message("M")) == ack("M")
