"""The MSSanté connector against scripted operators over TLS: what each answer and each moment of death becomes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.mssante.connector import MssanteConnector
from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import Connector
from pfi.model.decision import Channel
from pfi.model.delivery import OutcomeKind
from pfi.model.errors import BugError, ConfigurationError
from pfi.model.submission import Orders, Request
from pfi.standards.mail.dsn import read_dsn
from pfi.standards.x509.authority import TestAuthority
from tests.contract.smtp_server import Script, ScriptedServer
from tests.unit.mssante.material import (
    PATIENT,
    PATIENT_ADDRESS,
    SURROUNDINGS,
    cda,
    delivery,
    document,
    patient_recipient,
    professional,
)
from tests.unit.mssante.reader import read_mail

DOCTOR = "dr.essai@medecin.mssante.fr"
OFFICE = "secretariat@ch-voisin.mssante.fr"


def real_now() -> datetime:
    return datetime.now(UTC)


class Files:
    """Certificates of one test session, on disk as an integrator would put them."""

    def __init__(self, folder: Path) -> None:
        authority = TestAuthority("AC de test", real_now)
        server = authority.issue("localhost", server_names=("127.0.0.1", "localhost"), key_usage="server")
        client = authority.issue("pfi.app", organization="CH", identifier="1990000001", key_usage="auth_cli")
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(authority.ca_pem)
        self.server = folder / "server.pem"
        self.server.write_bytes(server.cert_pem + server.key_pem)
        self.client = folder / "client.pem"
        self.client.write_bytes(client.cert_pem)
        self.client_key = folder / "client.key"
        self.client_key.write_bytes(client.key_pem)
        stranger = TestAuthority("AC inconnue", real_now).issue("x", key_usage="auth_cli")
        self.stranger = folder / "stranger.pem"
        self.stranger.write_bytes(stranger.cert_pem + stranger.key_pem)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def settings(self, port: int, **changes: Any) -> MssanteSettings:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "ca_bundle": self.ca,
            "client_cert": self.client,
            "client_key": self.client_key,
            "mailbox": "pfi.app@ch-exemple.mssante.fr",
            "mailbox_label": "CH d'Exemple",
            "nil": "9999",
            "source_oid": "1.2.250.1.999.1",
            "timeouts": {"connect": 5, "command": 5, "content": 5},
        }
        return MssanteSettings.model_validate({**values, **changes})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("mssante"))


@asynccontextmanager
async def operator(
    files: Files, script: Script | None = None, *, implicit: bool = False, **changes: Any
) -> AsyncIterator[tuple[MssanteConnector, ScriptedServer]]:
    async with ScriptedServer(script or Script(), files.server_context(), implicit=implicit) as server:
        if implicit:
            changes["tls"] = "implicit"
        surroundings = replace(SURROUNDINGS, clock=real_now)
        connector = MssanteConnector(files.settings(server.port, **changes), surroundings)
        await connector.open()
        try:
            yield connector, server
        finally:
            await connector.close()


def test_it_is_a_connector(files: Files) -> None:
    assert isinstance(MssanteConnector(files.settings(1), SURROUNDINGS), Connector)


@pytest.mark.parametrize("implicit", [False, True])
async def test_one_mail_goes_to_all_professionals_in_one_transaction(files: Files, implicit: bool) -> None:
    async with operator(files, implicit=implicit) as (connector, server):
        outcome = await connector.send(delivery())
    assert outcome.kind is OutcomeKind.DELIVERED
    assert [(each.address, each.kind) for each in outcome.recipients] == [
        (DOCTOR, OutcomeKind.DELIVERED),
        (OFFICE, OutcomeKind.DELIVERED),
    ]
    assert len(server.contents) == 1
    assert server.said("MAIL") == [
        f"MAIL FROM:<pfi.app@ch-exemple.mssante.fr> SIZE={len(server.contents[0])} RET=HDRS ENVID=e0e1e2e3"
    ]
    assert server.said("RCPT") == [
        f"RCPT TO:<{DOCTOR}> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;{DOCTOR}",
        f"RCPT TO:<{OFFICE}> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;{OFFICE}",
    ]
    assert server.contents[0] == connector.preview(delivery()).content
    assert outcome.evidence["message_id"] == read_mail(server.contents[0])["Message-ID"]
    assert outcome.evidence["reply"] == "250 2.0.0 Ok: queued as 4XyZ"
    assert outcome.evidence["dsn"] == "none"


async def test_the_patient_gets_a_mail_of_their_own(files: Files) -> None:
    async with operator(files) as (connector, server):
        outcome = await connector.send(delivery(Channel.CIT))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert read_mail(server.contents[0])["To"] == PATIENT_ADDRESS


async def test_success_is_not_asked_for_when_the_sender_does_not_want_it(files: Files) -> None:
    quiet = delivery(orders=Orders(dest_mss_ps=True, ack_reception=False))
    async with operator(files) as (connector, server):
        await connector.send(quiet)
    assert "NOTIFY=FAILURE,DELAY " in server.said("RCPT")[0]
    async with operator(files, reports="always") as (connector, server):
        await connector.send(quiet)
    assert "NOTIFY=SUCCESS,FAILURE,DELAY " in server.said("RCPT")[0]


async def test_a_notification_is_awaited_only_where_one_can_come(files: Files) -> None:
    folder = files.ca.parent / "reports"
    folder.mkdir()
    async with operator(files, reports_folder=folder) as (connector, _server):
        assert (await connector.send(delivery())).evidence["dsn"] == "expected"
        assert (await connector.send(delivery(orders=Orders()))).evidence["dsn"] == "none"
    async with operator(files, Script(extensions=("SIZE 20000000",)), reports_folder=folder) as (connector, _server):
        assert (await connector.send(delivery())).evidence["dsn"] == "none"


async def test_without_the_dsn_extension_the_mail_leaves_without_parameters_and_says_so(files: Files) -> None:
    async with operator(files, Script(extensions=("SIZE 20000000",))) as (connector, server):
        outcome = await connector.send(delivery())
    assert outcome.kind is OutcomeKind.DELIVERED
    assert server.said("RCPT") == [f"RCPT TO:<{DOCTOR}>", f"RCPT TO:<{OFFICE}>"]
    assert "ENVID" not in server.said("MAIL")[0]
    assert outcome.evidence["dsn"] == "none"
    assert any("DSN" in warning for warning in outcome.warnings)


async def test_recipients_end_each_in_their_own_way(files: Files) -> None:
    script = Script(replies={f"RCPT {OFFICE}": "452 4.2.2 Mailbox full", "RCPT inconnu@x.mssante.fr": "550 5.1.1 No"})
    mail = delivery(recipients=tuple(map(professional, (OFFICE, "inconnu@x.mssante.fr", DOCTOR, "pas une adresse"))))
    async with operator(files, script) as (connector, server):
        outcome = await connector.send(mail)
    assert outcome.kind is OutcomeKind.NOT_DELIVERED
    assert {each.address: (each.kind, each.code) for each in outcome.recipients} == {
        OFFICE: (OutcomeKind.NOT_DELIVERED, "422"),
        "inconnu@x.mssante.fr": (OutcomeKind.REFUSED, "550"),
        DOCTOR: (OutcomeKind.DELIVERED, ""),
        "pas une adresse": (OutcomeKind.REFUSED, "510"),
    }
    assert len(server.contents) == 1
    assert "4 destinataires : 1 accepté, 1 à retenter, 2 refusés." in outcome.text
    assert outcome.code == "422"


async def test_the_mail_is_refused_when_all_ended_and_one_was_refused(files: Files) -> None:
    async with operator(files, Script(replies={f"RCPT {OFFICE}": "550 5.1.1 No"})) as (connector, _server):
        outcome = await connector.send(delivery())
    assert outcome.kind is OutcomeKind.REFUSED
    assert [each.kind for each in outcome.recipients] == [OutcomeKind.DELIVERED, OutcomeKind.REFUSED]


async def test_a_later_attempt_serves_who_is_left_with_the_same_bytes(files: Files) -> None:
    first = delivery()
    later = delivery(recipients=(professional(OFFICE),), addressees=first.recipients, attempt=2)
    async with operator(files) as (connector, server):
        await connector.send(first)
        outcome = await connector.send(later)
    assert [each.address for each in outcome.recipients] == [OFFICE]
    assert len(server.said("RCPT")) == 3
    assert server.contents[0] == server.contents[1]


async def test_nothing_is_transferred_when_every_recipient_is_refused(files: Files) -> None:
    async with operator(files, Script(replies={"RCPT": "550 5.1.1 No"})) as (connector, server):
        outcome = await connector.send(delivery())
        assert outcome.kind is OutcomeKind.REFUSED
        assert server.contents == []
        assert server.said("RSET") == ["RSET"]
        server.script.replies.clear()
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert server.connections == 1


@pytest.mark.parametrize(
    ("step", "reply", "kind", "code"),
    [
        ("MAIL", "451 4.3.0 Come again", OutcomeKind.NOT_DELIVERED, "452"),
        ("MAIL", "451 Come again", OutcomeKind.NOT_DELIVERED, "451"),
        ("MAIL", "552 5.3.4 Too big", OutcomeKind.REFUSED, "523"),
        ("MAIL", "552 Too big", OutcomeKind.REFUSED, "523"),
        ("RCPT", "450 4.2.1 Busy", OutcomeKind.NOT_DELIVERED, "450"),
        ("RCPT", "553 5.1.3 Bad", OutcomeKind.REFUSED, "513"),
        ("DATA", "451 4.3.2 Later", OutcomeKind.NOT_DELIVERED, "421"),
        ("DATA", "554 5.5.1 No valid recipients", OutcomeKind.REFUSED, "500"),
        ("END", "451 4.7.5 Later", OutcomeKind.NOT_DELIVERED, "451"),
        ("END", "554 5.6.0 Bad content", OutcomeKind.REFUSED, "554"),
        ("END", "552 5.2.3 Too big", OutcomeKind.REFUSED, "523"),
        ("END", "550 5.7.1 Spam", OutcomeKind.REFUSED, "541"),
        ("END", "421 4.3.2 Shutting down", OutcomeKind.NOT_DELIVERED, "421"),
    ],
)
async def test_a_reply_becomes_an_outcome(files: Files, step: str, reply: str, kind: OutcomeKind, code: str) -> None:
    async with operator(files, Script(replies={step: reply})) as (connector, _server):
        outcome = await connector.send(delivery())
    assert (outcome.kind, outcome.code) == (kind, code)
    assert {each.code for each in outcome.recipients} == {code}
    assert not outcome.stop_destination


async def test_a_reply_that_quotes_an_address_is_not_quoted_by_us(files: Files) -> None:
    replies = {"END": f"554 5.6.0 <{PATIENT_ADDRESS}> {PATIENT.ins and PATIENT.ins.matricule} refused"}
    async with operator(files, Script(replies=replies)) as (connector, _server):
        outcome = await connector.send(delivery(Channel.CIT))
    told = f"{outcome.text} {outcome.evidence} {outcome.recipients[0].text} {outcome.warnings}"
    assert "279035121518989" not in told
    assert outcome.evidence["reply"] == "554 5.6.0 … … refused"


@pytest.mark.parametrize("step", ["EHLO", "MAIL", "RCPT", f"RCPT {OFFICE}", "DATA"])
async def test_a_connection_lost_before_the_content_leaves_nothing(files: Files, step: str) -> None:
    async with operator(files, Script(die_at=step)) as (connector, server):
        outcome = await connector.send(delivery())
    assert outcome.kind is OutcomeKind.NOT_DELIVERED
    assert {each.kind for each in outcome.recipients} == {OutcomeKind.NOT_DELIVERED}
    assert server.contents == []


@pytest.mark.parametrize("step", ["CONTENT", "END"])
async def test_a_connection_lost_after_the_content_began_is_unknown(files: Files, step: str) -> None:
    async with operator(files, Script(die_at=step, die_once=True)) as (connector, server):
        outcome = await connector.send(delivery())
        assert outcome.kind is OutcomeKind.UNKNOWN
        assert {each.kind for each in outcome.recipients} == {OutcomeKind.UNKNOWN}
        resolved = await connector.resolve(delivery(attempt=2))
    assert resolved.kind is OutcomeKind.DELIVERED
    assert any("Message-ID" in warning for warning in resolved.warnings)
    assert len({read_mail(content)["Message-ID"] for content in server.contents}) == 1


async def test_a_refused_recipient_stays_refused_when_the_rest_is_unknown(files: Files) -> None:
    script = Script(replies={f"RCPT {OFFICE}": "550 5.1.1 No"}, die_at="END")
    async with operator(files, script) as (connector, _server):
        outcome = await connector.send(delivery())
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert [each.kind for each in outcome.recipients] == [OutcomeKind.UNKNOWN, OutcomeKind.REFUSED]


@pytest.mark.parametrize(
    ("step", "kind"), [("MAIL", OutcomeKind.NOT_DELIVERED), ("END", OutcomeKind.UNKNOWN)], ids=["MAIL", "END"]
)
async def test_silence_ends_with_the_timeout(files: Files, step: str, kind: OutcomeKind) -> None:
    timeouts = {"connect": 5, "command": 0.3, "content": 0.3}
    async with operator(files, Script(silent_at=step), timeouts=timeouts) as (connector, _server):
        outcome = await connector.send(delivery())
    assert outcome.kind is kind


async def test_an_unreadable_final_answer_is_unknown(files: Files) -> None:
    async with operator(files, Script(replies={"END": "tout va bien"})) as (connector, _server):
        outcome = await connector.send(delivery())
    assert outcome.kind is OutcomeKind.UNKNOWN


async def test_a_421_in_the_middle_leaves_nothing_for_the_others(files: Files) -> None:
    async with operator(files, Script(replies={f"RCPT {OFFICE}": "421 4.3.2 Bye"})) as (connector, server):
        outcome = await connector.send(delivery())
    assert [(each.kind, each.code) for each in outcome.recipients] == [
        (OutcomeKind.NOT_DELIVERED, "442"),
        (OutcomeKind.NOT_DELIVERED, "421"),
    ]
    assert server.contents == []


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


async def test_a_further_mailbox_is_the_sender_of_the_envelope(files: Files) -> None:
    async with operator(files, mailboxes={"labo": "labo@ch-exemple.mssante.fr"}) as (connector, server):
        outcome = await connector.send(delivery(mailbox="labo"))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert server.said("MAIL")[0].startswith("MAIL FROM:<labo@ch-exemple.mssante.fr> ")


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


async def test_a_mail_over_the_size_of_the_operator_is_refused_before_it_is_said(files: Files) -> None:
    async with operator(files, Script(extensions=("SIZE 1000", "DSN"))) as (connector, server):
        outcome = await connector.send(delivery())
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "523")
    assert server.said("MAIL") == []


async def test_a_mail_over_our_own_limit_never_connects(files: Files) -> None:
    async with operator(files, max_bytes=1000, max_bytes_patient=1000) as (connector, server):
        for channel in (Channel.PRO, Channel.CIT):
            outcome = await connector.send(delivery(channel))
            assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "523")
    assert server.connections == 0


async def test_a_matricule_that_is_not_qualified_never_leaves(files: Files) -> None:
    async with operator(files) as (connector, server):
        outcome = await connector.send(delivery(qualified=False))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "INS_IN_CDA_NOT_QUALIFIED")
    assert server.connections == 0


async def test_an_address_that_is_not_the_patients_gets_nothing(files: Files) -> None:
    wrong = delivery(Channel.CIT, recipients=(patient_recipient("277076322082910@patient.mssante.fr"),))
    async with operator(files) as (connector, server):
        outcome = await connector.send(wrong)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "510")
    assert server.connections == 0


async def test_a_document_that_cannot_be_read_is_refused_with_its_reason(files: Files) -> None:
    broken = replace(document(), content=b"<ClinicalDocument")
    async with operator(files) as (connector, server):
        outcome = await connector.send(delivery(documents=(broken,)))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "XML_NOT_WELL_FORMED")
    assert {each.code for each in outcome.recipients} == {"554"}
    assert server.connections == 0


async def test_a_large_document_arrives_whole(files: Files) -> None:
    pdf = b"%PDF-1.4\n" + bytes(range(256)) * 4000
    large = delivery(documents=(document(cda(pdf=pdf)),))
    async with operator(files) as (connector, server):
        outcome = await connector.send(large)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert server.contents[0] == connector.preview(large).content


async def test_check_reaches_and_authenticates_but_sends_nothing(files: Files) -> None:
    async with operator(files) as (connector, server):
        results = await connector.check()
    assert all(result.ok for result in results), results
    assert server.said("MAIL") == []
    assert server.said("QUIT") == ["QUIT"]


async def test_check_says_that_the_operator_does_not_report(files: Files) -> None:
    async with operator(files, Script(extensions=())) as (connector, _server):
        results = await connector.check()
    assert [result.ok for result in results] == [True, True, False]


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


async def test_a_connector_that_is_not_open_is_our_bug(files: Files) -> None:
    with pytest.raises(BugError):
        await MssanteConnector(files.settings(1), SURROUNDINGS).send(delivery())


async def test_the_strict_operator_of_the_sandbox_takes_our_mails_and_its_reports_are_read(tmp_path: Path) -> None:
    pytest.importorskip("aiosmtpd", reason="the sandbox extra is not installed")
    from connectors.sandbox.certificates import Certificates
    from connectors.sandbox.faults import FaultBook
    from connectors.sandbox.operator.server import OperatorServer

    certificates = Certificates(tmp_path / "certificates", clock=real_now)
    server = OperatorServer(tmp_path / "mailboxes", certificates, FaultBook(), clock=real_now)
    await server.start()
    settings = MssanteSettings(
        host="127.0.0.1",
        port=server.port,
        ca_bundle=certificates.ca,
        client_cert=certificates.mssante.certificate,
        client_key=certificates.mssante.key,
        mailbox="pfi.app@ch-sandbox.mssante.fr",
        nil="9999",
        source_oid="1.2.250.1.999.1",
    )
    connector = MssanteConnector(settings, replace(SURROUNDINGS, clock=real_now))
    await connector.open()
    everybody = (
        professional("docteur.essai@medecin.mssante.fr"),
        professional("secretariat@ch-sandbox.mssante.fr"),
        professional("nul@medecin.mssante.fr"),
    )
    n1, n3 = document(), document(cda(unique_id="1.2.250.1.999.1.1.9"))
    try:
        assert all(result.ok for result in await connector.check())
        mixed = await connector.send(delivery(recipients=everybody, documents=(n1, n3)))
        for given in (
            delivery(recipients=everybody[1:2], addressees=everybody, documents=(n1, n3)),
            delivery(recipients=everybody[:2], request=Request.DELETE, body="Texte de l'émetteur."),
            delivery(Channel.CIT, orders=Orders(dest_mss_pat=True, ack_reception=True, close_exchange=True)),
        ):
            outcome = await connector.send(given)
            assert outcome.kind is OutcomeKind.DELIVERED, server.refusals
    finally:
        await connector.close()
        await server.stop()
    assert [(each.kind, each.code) for each in mixed.recipients] == [
        (OutcomeKind.DELIVERED, ""),
        (OutcomeKind.DELIVERED, ""),
        (OutcomeKind.REFUSED, "550"),
    ]
    reports = [read_dsn(report) for report in server.reports()]
    assert reports[0] is not None
    assert reports[0].envelope == "e0e1e2e3"
    assert reports[0].message_ids == ("<9b0c2a52-0d3c-4f43-8a57-1f6f5a3e7c11@ch-sandbox.mssante.fr>",)
    read = {each.address for report in reports if report for each in report.recipients if each.acknowledged}
    assert read == {"docteur.essai@medecin.mssante.fr", "secretariat@ch-sandbox.mssante.fr", PATIENT_ADDRESS}
