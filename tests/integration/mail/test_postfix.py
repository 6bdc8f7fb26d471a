"""The connector's mails through a real Postfix into a real Dovecot: what leaves is what arrives, and what comes back is
understood."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from connectors.mssante.connector import MssanteConnector
from connectors.mssante.imap.arrival import Arrival
from connectors.mssante.imap.inbox import inboxes
from connectors.mssante.imap.mailbox import Mailbox
from connectors.mssante.settings import MssanteSettings
from connectors.sandbox.certificates import CertificateFiles, Flaw, Usage
from pfi.engine.connector import Filing
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, OutcomeKind
from pfi.model.patient import Traits
from pfi.model.submission import Orders, Request
from pfi.standards.mail.dsn import DeliveryReport, DsnAction, read_dsn
from tests.mailservers.kit import CITIZEN, CLOSED, DOCTOR, HOSPITAL_A, OFFICE, PASSWORD, SLOW, UNKNOWN, MailServers
from tests.mailservers.postfix import SIZE_LIMIT
from tests.unit.mssante.material import (
    PATIENT,
    PDF,
    SURROUNDINGS,
    cda,
    delivery,
    document,
    patient_recipient,
    professional,
)
from tests.unit.mssante.reader import attachments, read_mail
from tests.unit.mssante.xdm import agrees_with_cda, read_archive

STRICT = policy.SMTP.clone(raise_on_defect=True)


def now() -> datetime:
    return datetime.now(UTC)


def noise(size: int) -> bytes:
    """Bytes that do not shrink, the same at each run."""
    return random.Random(size).randbytes(size)  # noqa: S311 - no secret


NOW = replace(SURROUNDINGS, clock=now)


def settings(servers: MailServers, mailbox: str = HOSPITAL_A, **changes: Any) -> MssanteSettings:
    """Submission with the mailbox's certificate, reading with certificate and SASL EXTERNAL."""
    files: CertificateFiles = changes.pop("files", None) or servers.certificate_of(mailbox)
    values: dict[str, Any] = {
        "host": "localhost",
        "port": servers.postfix.port,
        "ca_bundle": servers.certificates.ca,
        "client_cert": files.certificate,
        "client_key": files.key,
        "mailbox": mailbox,
        "mailbox_label": "CH d'Exemple – Diffusion",
        "nil": "9999-TEST",
        "source_oid": "1.2.250.1.999.1",
        "establishment": "CH d'Exemple",
        "timeouts": {"connect": 10, "command": 10, "content": 30},
        "imap": {"port": servers.dovecot_external.port},
    }
    return MssanteSettings.model_validate({**values, **changes})


@pytest.fixture
async def connector(mail_servers: MailServers) -> AsyncIterator[MssanteConnector]:
    opened = MssanteConnector(settings(mail_servers), NOW)
    await opened.open()
    yield opened
    await opened.close()


async def read(servers: MailServers, mailbox: str, count: int = 1) -> list[Arrival]:
    """The next mails of a mailbox, filed."""
    found: list[Arrival] = []
    inbox = inboxes(settings(servers, mailbox))[0]
    async with asyncio.timeout(40), Mailbox(inbox, NOW) as box, aclosing(box.arrivals()) as arrivals:
        async for mail in arrivals:
            found.append(mail)
            assert await box.file(mail.key, Filing.DOCUMENTS)
            if len(found) == count:
                break
    return found


async def report(servers: MailServers) -> DeliveryReport:
    """The notification that came back to the sender."""
    (mail,) = await read(servers, HOSPITAL_A)
    found = read_dsn(mail.content)
    assert found is not None
    return found


def submitted(mail: Arrival, sent: bytes) -> bytes:
    """What arrived, without the trace that servers put before it; it is what was sent."""
    trace = mail.content[: -len(sent)]
    names = {line.partition(b":")[0].lower() for line in trace.splitlines() if not line.startswith((b" ", b"\t"))}
    assert names == {b"return-path", b"x-original-to", b"delivered-to", b"received"}
    return mail.content[len(trace) :]


async def test_a_mail_arrives_byte_for_byte(mail_servers: MailServers, connector: MssanteConnector) -> None:
    words = "Compte rendu joint : résultats à revoir, œdème, 37,5 °C. " * 60  # one line of more than 998 characters
    sent = delivery(
        recipients=(professional(DOCTOR),), body=words, documents=(document(cda(title="Échographie – œil")),)
    )
    outcome = await connector.send(sent)
    assert outcome.kind is OutcomeKind.DELIVERED
    (mail,) = await read(mail_servers, DOCTOR)
    content = connector.preview(sent).content
    assert submitted(mail, content) == content
    parsed = message_from_bytes(mail.content, policy=STRICT)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    assert [parsed[name] for name in ("X-MSS-NIL", "X-MSS-INS", "X-MSS-CODECDA")] == ["9999-TEST", "O", "18748-4"]
    assert parsed["Message-ID"] == outcome.evidence["message_id"]
    assert str(parsed["Subject"]).startswith("XDM/1.0/DDM+CR d'imagerie médicale PAT-TROIS")
    body = parsed.get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == words.split()


RENDERED = document(cda(title="Synthèse – œdème"))
N1 = document(cda(pdf=PDF + b"\n.\n..\r\n"))
BARE = document(cda(matricule=None))
CLOSING = Orders(dest_mss_pat=True, ack_reception=True, close_exchange=True)
READ = Orders(dest_mss_ps=True, ack_reception=True, ack_lecture_mss=True)
KINDS: dict[str, Delivery] = {
    "n1": delivery(documents=(N1,)),
    "n3 without pdf": delivery(documents=(RENDERED,)),
    "n1 and n3": delivery(documents=(N1, document(cda(unique_id="1.2.3.3")))),
    "several documents": delivery(documents=(N1, document(cda(unique_id="1.2.3.4", title="Autre", code="11488-4")))),
    "replacement": delivery(request=Request.REPLACE, previous_message_id="first-id", documents=(RENDERED,)),
    "deletion": delivery(request=Request.DELETE, previous_message_id="first-id", documents=(RENDERED,)),
    "reading notice": delivery(orders=READ),
    "text of the sender": delivery(body="Cher confrère,\n.\n..\nFrom ici à « là »\n\n-- \nDr Œuvrard"),
    "long names": delivery(patient=replace(PATIENT, traits=Traits("É" * 200, "Ω" * 200, "", "19790328", "F"))),
    "not qualified": delivery(documents=(BARE,), qualified=False, patient=replace(PATIENT, ins=None)),
    "patient": delivery(Channel.CIT, documents=(RENDERED,)),
    "patient, closed": delivery(Channel.CIT, orders=CLOSING),
    "patient, replacement": delivery(Channel.CIT, request=Request.REPLACE, previous_message_id="first-id"),
    "patient, deletion": delivery(Channel.CIT, request=Request.DELETE, previous_message_id="first-id"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_mail_arrives_unchanged_and_is_read_whole(
    mail_servers: MailServers, connector: MssanteConnector, kind: str
) -> None:
    given = KINDS[kind]
    citizen = given.channel is Channel.CIT
    sent = replace(given, recipients=(patient_recipient(CITIZEN) if citizen else professional(DOCTOR),))
    outcome = await connector.send(sent)
    assert outcome.kind is OutcomeKind.DELIVERED, outcome
    (mail,) = await read(mail_servers, CITIZEN if citizen else DOCTOR)
    content = connector.preview(sent).content
    assert submitted(mail, content) == content
    parsed = read_mail(submitted(mail, content))
    assert not message_from_bytes(mail.content, policy=STRICT).defects
    files = attachments(parsed)
    archive = read_archive(files.pop("IHE_XDM.ZIP"))
    assert [archive.document(entry) for entry in archive.entries] == [each.content for each in sent.documents]
    for entry, each in zip(archive.entries, sent.documents, strict=True):
        agrees_with_cda(entry, each.content)
    assert len(files) == len(sent.documents)
    assert all(pdf.startswith(b"%PDF-") for pdf in files.values())
    assert parsed["References"] == ("<first-id@ch-a.mssante.fr>" if sent.previous_message_id else None)
    assert parsed["X-MSS-MES"] == ("FIN" if sent.orders.close_exchange else None)


async def test_attachments_survive(mail_servers: MailServers, connector: MssanteConnector) -> None:
    pdf = PDF + noise(60_000)
    sent = delivery(recipients=(professional(DOCTOR),), documents=(document(cda(pdf=pdf)),))
    await connector.send(sent)
    (mail,) = await read(mail_servers, DOCTOR)
    parsed = message_from_bytes(mail.content, policy=STRICT)
    before = message_from_bytes(connector.preview(sent).content, policy=STRICT)
    attached = [[part.get_content() for part in each.iter_attachments()] for each in (parsed, before)]
    assert attached[0] == attached[1]
    assert pdf in attached[0]


async def test_several_documents_go_in_one_mail(mail_servers: MailServers, connector: MssanteConnector) -> None:
    documents = tuple(document(cda(unique_id=f"1.2.250.1.999.1.1.{number}")) for number in range(3))
    sent = delivery(recipients=(professional(DOCTOR), professional(OFFICE)), documents=documents)
    assert (await connector.send(sent)).kind is OutcomeKind.DELIVERED
    content = connector.preview(sent).content
    for mailbox in (DOCTOR, OFFICE):
        (mail,) = await read(mail_servers, mailbox)
        assert submitted(mail, content) == content


async def test_the_patient_has_a_mail_of_their_own(mail_servers: MailServers, connector: MssanteConnector) -> None:
    outcome = await connector.send(delivery(Channel.CIT, recipients=(patient_recipient(CITIZEN),)))
    assert outcome.kind is OutcomeKind.DELIVERED
    (mail,) = await read(mail_servers, CITIZEN)
    assert message_from_bytes(mail.content, policy=STRICT)["To"] == CITIZEN


async def test_success_is_reported_to_the_sender(mail_servers: MailServers, connector: MssanteConnector) -> None:
    sent = delivery(recipients=(professional(DOCTOR),))
    outcome = await connector.send(sent)
    found = await report(mail_servers)
    (recipient,) = found.recipients
    assert (found.envelope, recipient.original_address) == (sent.ids.envelope, DOCTOR)
    assert (recipient.action, recipient.acknowledged, recipient.code) == (DsnAction.DELIVERED, True, "")
    assert outcome.evidence["message_id"] in found.message_ids


async def test_success_is_not_reported_to_who_did_not_ask(
    mail_servers: MailServers, connector: MssanteConnector
) -> None:
    usual = delivery(recipients=(professional(DOCTOR),))
    for envelope, wants in (("quiet", False), ("asking", True)):
        ids, orders = replace(usual.ids, envelope=envelope), replace(usual.orders, ack_reception=wants)
        await connector.send(replace(usual, ids=ids, orders=orders))

    def reported() -> set[str]:
        """Mails of which something came back; those of other tests may still be on their way."""
        mails = mail_servers.mails(HOSPITAL_A)
        return {
            each for each in ("quiet", "asking") if any(f"Envelope-Id: {each}\n".encode() in mail for mail in mails)
        }

    async with asyncio.timeout(30):
        while "asking" not in reported():
            await asyncio.sleep(0.05)
    assert reported() == {"asking"}


async def test_an_unknown_mailbox_is_refused_the_others_are_served(
    mail_servers: MailServers, connector: MssanteConnector
) -> None:
    outcome = await connector.send(delivery(recipients=(professional(UNKNOWN), professional(DOCTOR))))
    results = {each.address: (each.kind, each.code) for each in outcome.recipients}
    assert results == {UNKNOWN: (OutcomeKind.REFUSED, "550"), DOCTOR: (OutcomeKind.DELIVERED, "")}
    assert len(await read(mail_servers, DOCTOR)) == 1


async def test_a_mail_that_comes_back_is_understood(mail_servers: MailServers, connector: MssanteConnector) -> None:
    sent = delivery(recipients=(professional(CLOSED),))
    assert (await connector.send(sent)).kind is OutcomeKind.DELIVERED
    found = await report(mail_servers)
    (recipient,) = found.recipients
    assert (found.envelope, recipient.original_address) == (sent.ids.envelope, CLOSED)
    assert (recipient.action, recipient.status, recipient.code) == (DsnAction.FAILED, "5.2.1", "550")


async def test_a_delay_is_understood(mail_servers: MailServers, connector: MssanteConnector) -> None:
    sent = delivery(recipients=(professional(SLOW),))
    assert (await connector.send(sent)).kind is OutcomeKind.DELIVERED
    found = await report(mail_servers)
    (recipient,) = found.recipients
    assert (found.envelope, recipient.action, recipient.acknowledged) == (sent.ids.envelope, DsnAction.DELAYED, None)


async def test_a_mail_over_the_operators_limit_is_refused(
    mail_servers: MailServers, connector: MssanteConnector
) -> None:
    large = document(cda(pdf=PDF + noise(SIZE_LIMIT // 2)))
    outcome = await connector.send(delivery(recipients=(professional(DOCTOR),), documents=(large,)))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "523")
    assert mail_servers.mails(DOCTOR) == []


async def test_one_connection_carries_several_mails(mail_servers: MailServers, connector: MssanteConnector) -> None:
    for number in range(3):
        ids = replace(delivery().ids, envelope=f"e{number}")
        outcome = await connector.send(replace(delivery(recipients=(professional(DOCTOR),)), ids=ids))
        assert outcome.kind is OutcomeKind.DELIVERED
    reports = [read_dsn(mail.content) for mail in await read(mail_servers, HOSPITAL_A, 3)]
    assert sorted(each.envelope for each in reports if each is not None) == ["e0", "e1", "e2"]


async def test_a_certificate_of_another_authority_sends_nothing(mail_servers: MailServers) -> None:
    files = mail_servers.certificates.flawed(Flaw.OTHER_AUTHORITY, Usage.AUTH_CLI)
    stranger = MssanteConnector(settings(mail_servers, files=files), NOW)
    await stranger.open()
    outcome = await stranger.send(delivery(recipients=(professional(DOCTOR),)))
    await stranger.close()
    assert (outcome.kind, outcome.code, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, "101", True)
    assert "certificat client" in outcome.text
    assert mail_servers.mails(DOCTOR) == []


async def test_the_check_is_content(mail_servers: MailServers, connector: MssanteConnector) -> None:
    results = await connector.check()
    assert [result.ok for result in results] == [True] * len(results)


async def test_implicit_tls_and_a_password_open_the_mailbox_too(mail_servers: MailServers) -> None:
    implicit = {"port": mail_servers.dovecot.implicit_port, "tls": "implicit", "sasl": "login"}
    inbox = inboxes(settings(mail_servers, imap=implicit, password=PASSWORD))[0]
    async with Mailbox(inbox, NOW) as box:
        assert await box.check() == (
            "Boîte ouverte (TLSv1.3), prévenue de chaque arrivée (IDLE), 0 courriel(s) en attente."
        )
