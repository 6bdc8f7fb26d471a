"""The MSSanté connector against scripted operators over TLS: what each answer and each moment of death becomes."""

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.mssante.connector import MssanteConnector
from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import Connector
from pfi.model.decision import Channel
from pfi.model.delivery import OutcomeKind
from pfi.model.submission import Orders, Request
from pfi.standards.mail.dsn import read_dsn
from tests.contract.mssante_operator import DOCTOR, OFFICE, Files, operator, real_now
from tests.contract.smtp_server import Script
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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("mssante"))


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


async def test_a_further_mailbox_is_the_sender_of_the_envelope(files: Files) -> None:
    async with operator(files, mailboxes={"labo": "labo@ch-exemple.mssante.fr"}) as (connector, server):
        outcome = await connector.send(delivery(mailbox="labo"))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert server.said("MAIL")[0].startswith("MAIL FROM:<labo@ch-exemple.mssante.fr> ")


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
