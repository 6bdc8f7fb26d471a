"""Sessions of the MSSanté connector with its operator: opened, trusted, kept, given up."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.mssante.connector import MssanteConnector
from pfi.model.delivery import OutcomeKind
from pfi.model.errors import BugError, ConfigurationError
from pfi.standards.x509.authority import TestAuthority
from tests.contract.mssante_operator import Files, operator, real_now
from tests.contract.smtp_server import Script
from tests.unit.mssante.material import SURROUNDINGS, delivery


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("mssante"))


async def test_a_kept_connection_is_used_again(files: Files) -> None:
    async with operator(files) as (connector, server):
        for _ in range(3):
            assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert server.connections == 1
    assert server.said("QUIT") == ["QUIT"]


async def test_a_kept_connection_that_died_is_replaced_without_a_trace(files: Files) -> None:
    async with operator(files, Script(close_after_mail=True)) as (connector, server):
        for _ in range(3):
            assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    assert server.connections == 3


async def test_a_kept_connection_that_says_421_is_replaced(files: Files) -> None:
    async with operator(files) as (connector, server):
        await connector.send(delivery())
        server.script.replies_once["MAIL"] = "421 4.4.2 Idle too long"
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert server.connections == 2


async def test_an_idle_connection_is_closed_politely(files: Files) -> None:
    async with operator(files, keep_seconds=0.05) as (connector, server):
        await connector.send(delivery())
        for _ in range(100):
            if server.said("QUIT"):
                break
            await asyncio.sleep(0.02)
        assert server.said("QUIT") == ["QUIT"]
        await connector.send(delivery())
        assert server.connections == 2


async def test_a_cancelled_attempt_does_not_leave_its_answer_to_the_next_one(files: Files) -> None:
    async with operator(files, Script(silent_at="END")) as (connector, server):
        attempt = asyncio.create_task(connector.send(delivery()))
        await server.received.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        server.script.silent_at = ""
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert server.connections == 2


async def test_a_connection_kept_too_long_is_not_used(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    async with operator(files, keep_seconds=60) as (connector, server):
        await connector.send(delivery())
        loop = asyncio.get_running_loop()
        late = loop.time() + 61
        monkeypatch.setattr(loop, "time", lambda: late)
        outcome = await connector.send(delivery())
        monkeypatch.undo()
        assert outcome.kind is OutcomeKind.DELIVERED
        assert server.connections == 2


async def test_connections_are_bounded(files: Files) -> None:
    async with operator(files, connections=2) as (connector, server):
        outcomes = await asyncio.gather(*(connector.send(delivery()) for _ in range(8)))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.DELIVERED}
        assert server.connections == 2


async def test_nobody_listening_is_code_111(files: Files) -> None:
    async with operator(files) as (connector, server):
        port = server.port
    connector = MssanteConnector(files.settings(port), replace(SURROUNDINGS, clock=real_now))
    await connector.open()
    outcome = await connector.send(delivery())
    await connector.close()
    assert (outcome.kind, outcome.code, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, "111", False)


async def test_an_operator_of_another_authority_is_not_talked_to(files: Files, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(TestAuthority("Autre AC", real_now).ca_pem)
    for implicit in (False, True):
        async with operator(files, implicit=implicit, ca_bundle=other) as (connector, server):
            outcome = await connector.send(delivery())
        assert (outcome.kind, outcome.code, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, "101", True)
        assert server.said("MAIL") == []


async def test_a_client_certificate_that_the_operator_refuses_stops_the_destination(files: Files) -> None:
    for implicit in (False, True):
        async with operator(files, implicit=implicit, client_cert=files.stranger, client_key=None) as (
            connector,
            server,
        ):
            outcome = await connector.send(delivery())
        assert (outcome.kind, outcome.code, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, "101", True)
        assert server.said("MAIL") == []


async def test_nothing_is_sent_in_clear(files: Files) -> None:
    script = Script(replies={"EHLO": "250-mx.exemple.test\r\n250 DSN"})
    async with operator(files, script) as (connector, server):
        outcome = await connector.send(delivery())
    assert (outcome.kind, outcome.code, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, "101", True)
    assert server.said("MAIL") == []


async def test_a_refused_password_stops_the_destination(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MSS_PASSWORD", "secret")
    script = Script(replies={"AUTH": "535 5.7.8 Bad credentials"})
    async with operator(files, script, sasl="plain", password={"env": "TEST_MSS_PASSWORD"}) as (connector, _server):
        outcome = await connector.send(delivery())
    assert (outcome.kind, outcome.code, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, "530", True)


async def test_a_mailbox_that_may_not_send_stops_the_destination(files: Files) -> None:
    async with operator(files, Script(replies={"MAIL": "553 5.7.1 Sender rejected"})) as (connector, _server):
        outcome = await connector.send(delivery())
    assert outcome.kind is OutcomeKind.NOT_DELIVERED
    assert outcome.stop_destination


async def test_a_further_mailbox_that_may_not_send_does_not_stop_the_others(files: Files) -> None:
    script = Script(replies={"MAIL": "553 5.7.1 Sender rejected"})
    async with operator(files, script, mailboxes={"labo": "labo@ch-exemple.mssante.fr"}) as (connector, _server):
        outcome = await connector.send(delivery(mailbox="labo"))
    assert (outcome.kind, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, False)
    assert "« mailboxes »" in outcome.text


@pytest.mark.parametrize(
    ("sasl", "expected"),
    [
        ("plain", "AUTH PLAIN AHBmaS5hcHBAY2gtZXhlbXBsZS5tc3NhbnRlLmZyAHNlY3JldA=="),
        ("external", "AUTH EXTERNAL cGZpLmFwcEBjaC1leGVtcGxlLm1zc2FudGUuZnI="),
        ("login", "LOGIN c2VjcmV0"),
        ("none", ""),
    ],
)
async def test_each_authentication_is_said_as_the_operator_wants_it(
    files: Files, monkeypatch: pytest.MonkeyPatch, sasl: str, expected: str
) -> None:
    monkeypatch.setenv("TEST_MSS_PASSWORD", "secret")
    async with operator(files, sasl=sasl, password={"env": "TEST_MSS_PASSWORD"}) as (connector, server):
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
    said = [command for _number, command in server.commands if "AUTH" in command or command.startswith("LOGIN")]
    assert (expected in said) if expected else said == []


async def test_check_reaches_and_authenticates_but_sends_nothing(files: Files) -> None:
    async with operator(files) as (connector, server):
        results = await connector.check()
    assert all(result.ok for result in results), results
    assert (server.said("RCPT"), server.said("DATA"), server.contents) == ([], [], [])
    assert server.said("QUIT") == ["QUIT"]


async def test_check_asks_whether_each_of_our_mailboxes_may_send(files: Files) -> None:
    script = Script(replies_once={"MAIL": "550 5.7.1 not yours"})
    async with operator(files, script, mailboxes={"labo": "labo@ch-exemple.mssante.fr"}) as (connector, server):
        results = await connector.check()
    (wrong,) = [each for each in results if not each.ok]
    assert "pfi.app@ch-exemple.mssante.fr" in wrong.subject
    assert "550" in wrong.text
    assert "certificat" in wrong.text
    assert [each.partition("<")[2] for each in server.said("MAIL")] == [
        "pfi.app@ch-exemple.mssante.fr>",
        "labo@ch-exemple.mssante.fr>",
    ]
    assert server.faults == []


async def test_check_says_that_the_operator_does_not_report(files: Files) -> None:
    async with operator(files, Script(extensions=())) as (connector, _server):
        results = await connector.check()
    assert [result.ok for result in results] == [True, True, True, False]


async def test_check_names_the_next_step_when_it_fails(files: Files) -> None:
    async with operator(files, Script(replies={"GREETING": "554 No service"})) as (connector, _server):
        *_, last = await connector.check()
    assert not last.ok
    assert "554" in last.text


async def test_settings_that_cannot_work_are_refused_when_opening(files: Files, tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    for changes in (
        {"ca_bundle": missing},
        {"client_cert": missing},
        {"authorities": missing},
        {"authorities": files.stranger},
        {"client_cert": files.stranger},
    ):
        connector = MssanteConnector(files.settings(1, **changes), replace(SURROUNDINGS, clock=real_now))
        with pytest.raises(ConfigurationError):
            await connector.open()


async def test_a_connector_that_is_not_open_is_our_bug(files: Files) -> None:
    with pytest.raises(BugError):
        await MssanteConnector(files.settings(1), SURROUNDINGS).send(delivery())
