"""MAIL, RCPT and DATA in one write (RFC 2920), over TLS, with operators that know the order of commands."""

import asyncio
from dataclasses import replace
from typing import Self

import pytest

from connectors.mssante.connector import MssanteConnector
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from tests.contract.mssante_operator import DOCTOR, OFFICE, Files, operator, real_now
from tests.contract.smtp_server import GOOD, Script, ScriptedServer
from tests.unit.mssante.material import SURROUNDINGS, cda, delivery, document, professional

NO_PIPELINING = tuple(each for each in GOOD if each != "PIPELINING")
WAYS = pytest.mark.parametrize("extensions", [GOOD, NO_PIPELINING], ids=["pipelined", "step_by_step"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("pipelining"))


def large() -> Delivery:
    """A mail of several MB, more than the buffers between us and the operator hold."""
    return delivery(documents=(document(cda(pdf=b"%PDF-1.4\n" + bytes(range(256)) * 40_000)),))


class Far:
    """A server that is `seconds` away, there and back."""

    def __init__(self, port: int, seconds: float) -> None:
        self.port = 0
        self._there = port
        self._half = seconds / 2
        self._server: asyncio.Server | None = None
        self._carriers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._there)
        for source, sink in ((reader, back), (there, writer)):
            self._carriers.add(asyncio.create_task(self._carry(source, sink)))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await asyncio.sleep(self._half)
                sink.write(data)
        finally:
            sink.transport.abort()


def kinds(outcome: Outcome) -> list[tuple[OutcomeKind, str]]:
    return [(each.kind, each.code) for each in outcome.recipients]


@pytest.mark.parametrize("implicit", [False, True])
async def test_mail_rcpt_and_data_leave_in_one_write_when_the_operator_says_pipelining(
    files: Files, implicit: bool
) -> None:
    async with operator(files, implicit=implicit) as (connector, server):
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert (await connector.send(delivery(Channel.CIT))).kind is OutcomeKind.DELIVERED
    assert server.hurried == ["MAIL", "RCPT", "RCPT", "MAIL", "RCPT"]
    assert server.faults == []
    assert server.connections == 1


async def test_each_reply_is_waited_for_when_the_operator_does_not_say_pipelining(files: Files) -> None:
    async with operator(files, Script(extensions=NO_PIPELINING)) as (connector, server):
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    assert (server.hurried, server.faults) == ([], [])


async def test_each_reply_is_waited_for_when_the_site_wants_it_so(files: Files) -> None:
    async with operator(files, pipelining=False) as (connector, server):
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    assert server.hurried == []


@WAYS
async def test_the_content_goes_to_those_who_were_accepted(files: Files, extensions: tuple[str, ...]) -> None:
    script = Script(replies={f"RCPT {DOCTOR}": "550 5.1.1 No"}, extensions=extensions)
    async with operator(files, script) as (connector, server):
        outcome = await connector.send(delivery())
    assert kinds(outcome) == [(OutcomeKind.REFUSED, "550"), (OutcomeKind.DELIVERED, "")]
    assert (len(server.contents), server.faults) == (1, [])


@WAYS
async def test_a_mail_that_every_recipient_refused_is_not_sent_though_data_is_accepted(
    files: Files, extensions: tuple[str, ...]
) -> None:
    """RFC 2920 §3.1: the client must send an empty mail, whose answer means nothing."""
    script = Script(replies={"RCPT": "550 5.1.1 No"}, extensions=extensions, asks_for_nothing=True)
    async with operator(files, script) as (connector, server):
        outcome = await connector.send(delivery())
        assert kinds(outcome) == [(OutcomeKind.REFUSED, "550")] * 2
        assert "reply" not in outcome.evidence
        assert server.contents == ([b""] if "PIPELINING" in extensions else [])
        server.script.replies.clear()
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    assert (server.connections, server.faults) == (1, [])


@WAYS
@pytest.mark.parametrize("asks_for_nothing", [False, True])
async def test_a_refused_sender_sends_nothing_and_the_connection_serves_again(
    files: Files, extensions: tuple[str, ...], asks_for_nothing: bool
) -> None:
    script = Script(extensions=extensions, asks_for_nothing=asks_for_nothing)
    script.replies_once["MAIL"] = "451 4.3.0 Come again"
    async with operator(files, script) as (connector, server):
        outcome = await connector.send(delivery())
        assert kinds(outcome) == [(OutcomeKind.NOT_DELIVERED, "452")] * 2
        assert [each for each in server.contents if each] == []
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    assert (server.connections, server.faults) == (1, [])


@WAYS
@pytest.mark.parametrize("step", ["MAIL", f"RCPT {DOCTOR}", f"RCPT {OFFICE}", "DATA"])
async def test_a_connection_cut_in_the_group_has_sent_nothing(
    files: Files, extensions: tuple[str, ...], step: str
) -> None:
    async with operator(files, Script(die_at=step, extensions=extensions)) as (connector, server):
        outcome = await connector.send(delivery())
    assert {kind for kind, _code in kinds(outcome)} == {OutcomeKind.NOT_DELIVERED}
    assert (server.contents, outcome.busy) == ([], True)


async def test_a_refusal_heard_before_the_cut_is_kept(files: Files) -> None:
    script = Script(replies={f"RCPT {DOCTOR}": "550 5.1.1 No"}, die_at="DATA")
    async with operator(files, script) as (connector, _server):
        outcome = await connector.send(delivery())
    assert kinds(outcome) == [(OutcomeKind.REFUSED, "550"), (OutcomeKind.NOT_DELIVERED, "442")]


async def test_a_refused_data_leaves_the_connection_good(files: Files) -> None:
    script = Script()
    script.replies_once["DATA"] = "451 4.3.2 Later"
    async with operator(files, script) as (connector, server):
        assert kinds(await connector.send(delivery())) == [(OutcomeKind.NOT_DELIVERED, "421")] * 2
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    assert (server.connections, len(server.contents)) == (1, 1)


async def test_a_reply_too_many_is_never_taken_for_the_reply_to_the_next_mail(files: Files) -> None:
    script = Script()
    script.replies_once["END"] = "250 2.0.0 Ok\r\n250 2.0.0 Ok again"
    async with operator(files, script) as (connector, server):
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        script.replies[f"RCPT {DOCTOR}"] = "550 5.1.1 No"
        outcome = await connector.send(delivery())
    assert kinds(outcome) == [(OutcomeKind.REFUSED, "550"), (OutcomeKind.DELIVERED, "")]
    assert server.connections == 2


async def test_an_answer_to_data_that_is_none_ends_the_connection(files: Files) -> None:
    script = Script()
    script.replies_once["DATA"] = "250 2.1.5 Ok"
    async with operator(files, script) as (connector, server):
        outcome = await connector.send(delivery())
        assert {kind for kind, _code in kinds(outcome)} == {OutcomeKind.NOT_DELIVERED}
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    assert (server.connections, len(server.contents)) == (2, 1)


async def test_a_large_mail_cut_before_its_end_has_not_left(files: Files) -> None:
    """Its end mark was never handed over: nothing to doubt."""
    async with operator(files, Script(die_at="CONTENT")) as (connector, _server):
        outcome = await connector.send(large())
    assert kinds(outcome) == [(OutcomeKind.NOT_DELIVERED, "442")] * 2
    assert outcome.busy


async def test_a_mail_refused_while_it_leaves_is_refused(files: Files) -> None:
    """A server that answers in the middle of the content has made up its mind: the rest stays here."""
    script = Script(interrupts="552 5.3.4 Too big")
    async with operator(files, script) as (connector, server):
        outcome = await connector.send(large())
        assert kinds(outcome) == [(OutcomeKind.REFUSED, "523")] * 2
        script.interrupts = ""
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    assert server.connections == 2


async def test_many_recipients_go_in_one_write(files: Files) -> None:
    many = tuple(professional(f"medecin{number}@hopital.mssante.fr") for number in range(60))
    async with operator(files) as (connector, server):
        outcome = await connector.send(delivery(recipients=many))
    assert {kind for kind, _code in kinds(outcome)} == {OutcomeKind.DELIVERED}
    assert len(outcome.recipients) == 60
    assert server.hurried == ["MAIL", *["RCPT"] * 60]


async def test_a_mail_takes_two_round_trips_whatever_its_recipients(files: Files) -> None:
    """At 50 ms a round trip, what five would cost is more than what a mail costs to write."""
    loop = asyncio.get_running_loop()
    spent: dict[bool, float] = {}
    for pipelining in (True, False):
        async with ScriptedServer(Script(), files.server_context()) as server, Far(server.port, 0.05) as far:
            connector = MssanteConnector(
                files.settings(far.port, pipelining=pipelining), replace(SURROUNDINGS, clock=real_now)
            )
            await connector.open()
            await connector.send(delivery())
            begun = loop.time()
            assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
            spent[pipelining] = loop.time() - begun
            await connector.close()
    assert spent[True] < 0.2 < spent[False]


@pytest.mark.parametrize(
    ("step", "reply", "busy"),
    [
        ("GREETING", "421 4.3.2 Too many connections", True),
        ("MAIL", "421 4.7.0 Slow down", True),
        ("MAIL", "451 4.3.0 Come again", True),
        ("RCPT", "452 4.2.2 Mailbox full", False),
        ("RCPT", "450 4.7.1 Come again", False),
        (f"RCPT {OFFICE}", "421 4.3.2 Bye", True),
        ("DATA", "451 Later", True),
        ("END", "421 4.3.2 Bye", True),
        ("END", "452 4.3.1 No room", True),
        ("END", "451 4.7.5 Later", False),
        ("END", "451 4.6.0 This one", False),
        ("END", "550 5.7.1 Spam", False),
    ],
)
async def test_an_operator_that_wants_less_is_told_from_a_mail_that_it_does_not_want(
    files: Files, step: str, reply: str, busy: bool
) -> None:
    async with operator(files, Script(replies={step: reply})) as (connector, _server):
        outcome = await connector.send(delivery())
    assert (outcome.busy, outcome.stop_destination) == (busy, False)


async def test_an_operator_that_nobody_reaches_is_busy_too(files: Files) -> None:
    async with operator(files) as (connector, server):
        port = server.port
    connector = MssanteConnector(files.settings(port), replace(SURROUNDINGS, clock=real_now))
    await connector.open()
    assert (await connector.send(delivery())).busy
    await connector.close()
