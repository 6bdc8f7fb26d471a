"""The sandbox's MSSanté operator: who may submit, what it carries, what it reports."""

import asyncio
import contextlib
import io
import ssl
import zipfile
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from connectors.sandbox.certificates import CertificateFiles, Flaw, Usage
from connectors.sandbox.operator.mailboxes import Mailboxes, MailboxState
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import MATRICULE, write_cda
from tests.integration.sandbox.conftest import client_context
from tests.integration.sandbox.mail_sample import DOCTOR, PATIENT, SENDER, Mail


@contextlib.asynccontextmanager
async def session(sandbox: Sandbox, files: CertificateFiles | None = None) -> AsyncIterator[aiosmtplib.SMTP]:
    """A submission session, encrypted, with the hospital's certificate unless another is given."""
    context = client_context(sandbox.certificates.ca, files or sandbox.certificates.mssante)
    client = aiosmtplib.SMTP(
        hostname="localhost", port=sandbox.operator.port, start_tls=True, tls_context=context, timeout=60
    )
    await client.connect()
    try:
        yield client
    finally:
        client.close()


async def submit(
    sandbox: Sandbox, mail: Mail, *, mail_options: list[str] | None = None, rcpt_options: list[str] | None = None
) -> tuple[int, str]:
    """Sends one mail; the last reply."""
    async with session(sandbox) as client:
        try:
            await client.ehlo()
            await client.mail(SENDER, options=mail_options or [])
            await client.rcpt(mail.to, options=rcpt_options or [])
            reply = await client.data(mail.write())
        except aiosmtplib.SMTPResponseException as refused:
            return refused.code, refused.message
        return reply.code, reply.message


async def test_a_good_mail_is_filed(sandbox: Sandbox) -> None:
    mail = Mail()
    content = mail.write()
    async with session(sandbox) as client:
        await client.ehlo()
        await client.sendmail(SENDER, DOCTOR, content)
    (path,) = sandbox.operator.mailboxes.messages(DOCTOR)
    assert path.read_bytes() == content
    (carried,) = sandbox.operator.mails
    assert (carried.sender, carried.recipients, carried.inspected.codes) == (SENDER, (DOCTOR,), ("11490-0",))


async def test_a_patient_receives_at_the_address_of_his_ins(sandbox: Sandbox) -> None:
    assert (await submit(sandbox, Mail(to=PATIENT, headers={"X-MSS-MES": "FIN"})))[0] == 250


async def test_the_operator_offers_what_it_must(sandbox: Sandbox) -> None:
    async with session(sandbox) as client:
        await client.ehlo()
        assert set(client.esmtp_extensions) >= {"size", "8bitmime", "dsn", "pipelining", "enhancedstatuscodes"}
        assert int(client.esmtp_extensions["size"]) > 25_000_000
        assert "starttls" not in client.esmtp_extensions


async def raw(sandbox: Sandbox, *lines: bytes) -> list[bytes]:
    """Speaks in clear; the first line of each reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.operator.port)
    replies = [await reader.readline()]
    for line in lines:
        writer.write(line + b"\r\n")
        reply = await reader.readline()
        replies.append(reply)
        while reply[3:4] == b"-":
            reply = await reader.readline()
    writer.close()
    return replies


async def test_nothing_is_submitted_in_clear(sandbox: Sandbox) -> None:
    replies = await raw(sandbox, b"EHLO test", b"MAIL FROM:<" + SENDER.encode() + b">")
    assert replies[-1].startswith(b"530")


async def tls_refused(sandbox: Sandbox, files: CertificateFiles | None) -> bool:
    context = client_context(sandbox.certificates.ca, files)
    client = aiosmtplib.SMTP(hostname="localhost", port=sandbox.operator.port, start_tls=True, tls_context=context)
    try:
        await client.connect(timeout=5)
        await client.ehlo()
        await client.mail(SENDER)
    except (aiosmtplib.SMTPException, ssl.SSLError, OSError, TimeoutError):
        return True
    finally:
        client.close()
    return False


@pytest.mark.parametrize("flaw", [Flaw.EXPIRED, Flaw.SELF_SIGNED, Flaw.OTHER_AUTHORITY])
async def test_a_bad_client_certificate_is_refused(flaw: Flaw, sandbox: Sandbox) -> None:
    assert await tls_refused(sandbox, sandbox.certificates.flawed(flaw, Usage.AUTH_CLI))


async def test_a_client_certificate_is_required(sandbox: Sandbox) -> None:
    assert await tls_refused(sandbox, None)


async def test_a_signature_certificate_is_not_a_client_certificate(sandbox: Sandbox) -> None:
    assert await tls_refused(sandbox, sandbox.certificates.sign)


async def test_the_mailbox_belongs_to_the_certificate(sandbox: Sandbox) -> None:
    other = sandbox.certificates.flawed(Flaw.OTHER_ENTITY, Usage.AUTH_CLI)
    async with session(sandbox, other) as client:
        await client.ehlo()
        with pytest.raises(aiosmtplib.SMTPResponseException, match=r"5\.7\.1"):
            await client.mail(SENDER)
    async with session(sandbox) as client:
        await client.ehlo()
        with pytest.raises(aiosmtplib.SMTPResponseException, match=r"5\.7\.1"):
            await client.mail("autre@ch-sandbox.mssante.fr")


@pytest.mark.parametrize(
    ("address", "code", "status"),
    [
        ("quelqu.un@exemple.fr", 550, "5.7.1"),
        ("inconnu@medecin.mssante.fr", 550, "5.1.1"),
        ("pleine@medecin.mssante.fr", 452, "4.2.2"),
        ("occupee@medecin.mssante.fr", 451, "4.3.0"),
        ("deux..points@medecin.mssante.fr", 553, "5.1.3"),
    ],
)
async def test_recipients_that_cannot_be_served_are_refused_at_once(
    address: str, code: int, status: str, sandbox: Sandbox
) -> None:
    sandbox.operator.mailboxes.create("pleine@medecin.mssante.fr", MailboxState.FULL)
    sandbox.operator.mailboxes.create("occupee@medecin.mssante.fr", MailboxState.BUSY)
    reply = await submit(sandbox, Mail(to=address))
    assert (reply[0], reply[1].split()[0]) == (code, status)


async def test_a_domain_can_be_opened(sandbox: Sandbox) -> None:
    sandbox.operator.mailboxes.open_domain("demo.mssante.fr")
    assert (await submit(sandbox, Mail(to="qui@demo.mssante.fr")))[0] == 250


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["RET=SOME"], 501),
        (["BODY=BINARYMIME"], 501),
        (["SIZE=beaucoup"], 501),
        (["SIZE=99999999"], 552),
        (["ENVID=a=b"], 501),
        (["ENVID=a", "ENVID=b"], 501),
        (["ENVID="], 501),
        (["AUTRE=1"], 555),
    ],
)
async def test_wrong_mail_parameters_are_refused(options: list[str], code: int, sandbox: Sandbox) -> None:
    assert (await submit(sandbox, Mail(), mail_options=options))[0] == code


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["NOTIFY=ALWAYS"], 501),
        (["NOTIFY=NEVER,SUCCESS"], 501),
        (["ORCPT=docteur"], 501),
        (["AUTRE=1"], 555),
    ],
)
async def test_wrong_rcpt_parameters_are_refused(options: list[str], code: int, sandbox: Sandbox) -> None:
    assert (await submit(sandbox, Mail(), rcpt_options=options))[0] == code


async def test_commands_out_of_sequence_are_refused(sandbox: Sandbox) -> None:
    async with session(sandbox) as client:
        assert (await client.execute_command(b"MAIL", b"FROM:<a@b>")).code == 503
        await client.ehlo()
        assert (await client.execute_command(b"RCPT", b"TO:<a@b>")).code == 503
        assert (await client.execute_command(b"MAIL", b"TO:<a@b>")).code == 501
        await client.mail(SENDER)
        assert (await client.execute_command(b"MAIL", b"FROM:<a@b>")).code == 503
        assert (await client.execute_command(b"RCPT", b"TO:a@b c")).code == 501
        assert (await client.execute_command(b"AUTH", b"EXTERNAL", b"=")).code == 235


def report(sandbox: Sandbox) -> tuple[EmailMessage, list[EmailMessage]]:
    (raw_report,) = sandbox.operator.reports()
    mail = message_from_bytes(raw_report, policy=policy.SMTP)
    assert isinstance(mail, EmailMessage)
    assert not mail.defects
    status = next(part for part in mail.walk() if part.get_content_type() == "message/delivery-status")
    blocks = status.get_payload()
    assert isinstance(blocks, list)
    return mail, [block for block in blocks if isinstance(block, EmailMessage)]


async def test_a_delivery_is_reported_to_who_asked(sandbox: Sandbox) -> None:
    await submit(
        sandbox,
        Mail(),
        mail_options=["RET=HDRS", "ENVID=env+2B1"],
        rcpt_options=["NOTIFY=SUCCESS,FAILURE,DELAY", f"ORCPT=rfc822;{DOCTOR}"],
    )
    mail, (message, recipient) = report(sandbox)
    assert mail["To"] == SENDER
    assert message["Original-Envelope-Id"] == "env+1"
    assert message["Reporting-MTA"] == "dns; smtp.sandbox"
    assert recipient["Original-Recipient"] == f"rfc822;{DOCTOR}"
    assert recipient["Final-Recipient"] == f"rfc822; {DOCTOR}"
    assert (recipient["Action"], recipient["Status"]) == ("delivered", "2.0.0")
    assert [part.get_content_type() for part in mail.iter_parts()][-1] == "text/rfc822-headers"


@pytest.mark.parametrize("options", [[], ["NOTIFY=NEVER"], ["NOTIFY=FAILURE"]])
async def test_a_delivery_is_not_reported_unasked(options: list[str], sandbox: Sandbox) -> None:
    await submit(sandbox, Mail(), rcpt_options=options)
    assert sandbox.operator.reports() == ()


@pytest.mark.parametrize(("options", "count"), [([], 1), (["NOTIFY=FAILURE"], 1), (["NOTIFY=NEVER"], 0)])
async def test_a_closed_mailbox_returns_the_mail(options: list[str], count: int, sandbox: Sandbox) -> None:
    sandbox.operator.mailboxes.create(PATIENT, MailboxState.CLOSED)
    reply = await submit(sandbox, Mail(to=PATIENT), mail_options=["RET=FULL"], rcpt_options=options)
    assert reply[0] == 250
    assert sandbox.operator.mailboxes.messages(PATIENT) == ()
    assert len(sandbox.operator.reports()) == count
    if count:
        mail, (_, recipient) = report(sandbox)
        assert (recipient["Action"], recipient["Status"]) == ("failed", "5.2.1")
        assert mail["Subject"] == "Undelivered Mail Returned to Sender"
        assert [part.get_content_type() for part in mail.iter_parts()][-1] == "message/rfc822"


def header(name: str, value: str | None) -> Callable[[], Mail]:
    return lambda: Mail(headers={name: value})


def metadata(old: str, new: str) -> Callable[[], Mail]:
    def edit(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return lambda: Mail(metadata_edit=edit)


def text(old: str, new: str) -> Callable[[], Mail]:
    def edit(whole: str) -> str:
        assert old in whole, old
        return whole.replace(old, new)

    return lambda: Mail(edit=edit)


def encrypted() -> bytes:
    """An archive that says that its first member is encrypted."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("README.TXT", b"x")
    data = bytearray(stream.getvalue())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


WRONG: dict[str, Callable[[], Mail]] = {
    "another From": header("From", "autre@ch-sandbox.mssante.fr"),
    "a Sender": header("Sender", SENDER),
    "another To": header("To", "autre@medecin.mssante.fr"),
    "no Date": header("Date", None),
    "Date without a zone": header("Date", "Mon, 05 Jan 2026 10:12:00 -0000"),
    "unreadable Date": header("Date", "hier"),
    "no Message-ID": header("Message-ID", None),
    "malformed Message-ID": header("Message-ID", "<bonjour>"),
    "no X-MSS-NIL": header("X-MSS-NIL", None),
    "no X-MSS-CODECDA": header("X-MSS-CODECDA", None),
    "another X-MSS-CODECDA": header("X-MSS-CODECDA", "34112-3"),
    "no X-MSS-INS": header("X-MSS-INS", None),
    "another X-MSS-INS": header("X-MSS-INS", "N"),
    "another subject": header("Subject", "Lettre de liaison"),
    "accents in the subject's name": header("Subject", "XDM/1.0/DDM+Lettre de liaison PÉTIT Dominique 28/03/1979"),
    "closing an exchange with a professional": header("X-MSS-MES", "FIN"),
    "not multipart": header("Content-Type", "text/plain"),
    "alternative instead of mixed": header("Content-Type", 'multipart/alternative; boundary="b1"'),
    "truncated": text("--b1--\n", ""),
    "no text first": text("Content-Type: text/plain", "Content-Type: text/html"),
    "no archive": text("IHE_XDM.ZIP", "AUTRE.ZIP"),
    "archive of another type": text("application/zip", "application/octet-stream"),
    "no PDF": text("application/pdf", "application/octet-stream"),
    "PDF that is none": text("JVBERi0", "QUJDREVG"),
    "PDF that is not the one of the document": lambda: Mail(cda=write_cda(body=b"%PDF-1.4 autre")),
    "document whose body is not base64": lambda: Mail(cda=write_cda().replace(b'"B64">', b'"B64">!')),
    "professional and patient together": header("To", f"{DOCTOR}, {PATIENT}"),
    "archive that is not a ZIP": lambda: Mail(archive=b"bonjour"),
    "archive encrypted": lambda: Mail(archive=encrypted()),
    "no README.TXT": lambda: Mail(members={"README.TXT": None}),
    "no INDEX.HTM": lambda: Mail(members={"INDEX.HTM": None}),
    "no METADATA.XML": lambda: Mail(members={"IHE_XDM/SUBSET01/METADATA.XML": None}),
    "lower-case name": lambda: Mail(members={"readme.txt": b"x"}),
    "name that climbs": lambda: Mail(members={"../A.TXT": b"x"}),
    "a document without metadata": lambda: Mail(members={"IHE_XDM/SUBSET01/DOC0002.XML": b"<a/>"}),
    "a missing document": lambda: Mail(members={"IHE_XDM/SUBSET01/DOC0001.XML": None}),
    "metadata that are not XML": lambda: Mail(members={"IHE_XDM/SUBSET01/METADATA.XML": b"bonjour"}),
    "an altered document": lambda: Mail(sent_cda=write_cda(body=b"%PDF-1.4 autre")),
    "a document that is not a CDA": lambda: Mail(cda=b"<a/>"),
    "another hash": metadata('<Slot name="hash"><ValueList><Value>', '<Slot name="hash"><ValueList><Value>0'),
    "another size": metadata('<Slot name="size"><ValueList><Value>', '<Slot name="size"><ValueList><Value>1'),
    "another uniqueId": metadata('.7898"', '.7899"'),
    "another typeCode": metadata('"11490-0"', '"34112-3"'),
    "another patient": lambda: Mail(patient_id="277076322082910^^^&1.2.250.1.213.1.4.10&ISO^NH"),
    "local time": metadata("20260105091500", "20260105101500"),
    "no HasMember": metadata("AssociationType:HasMember", "AssociationType:Autre"),
    "not a submission set": metadata("a54d6aa5", "a54d6aa6"),
    "another objectType": metadata("7edca82f", "7edca82e"),
    "an unknown action": metadata(
        '<Slot name="URI">',
        '<Slot name="urn:action:extraMetadataSlot"><ValueList><Value>Z</Value></ValueList></Slot><Slot name="URI">',
    ),
    "no document": metadata("ExtrinsicObject", "Autre"),
    "a patient's mail without complete identity": lambda: Mail(
        to=PATIENT,
        cda=write_cda().replace(b'qualifier="BR">PAT-TROIS', b">PAT-TROIS"),
        headers={"X-MSS-INS": "N"},
    ),
    "the mail of another patient": lambda: Mail(to="277076322082910@patient.mssante.fr"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_mail_that_breaks_a_rule_is_refused(name: str, sandbox: Sandbox) -> None:
    mail = WRONG[name]()
    code, message = await submit(sandbox, mail)
    assert (code, message[:5]) == (554, "5.6.0"), message
    assert sandbox.operator.mails == []
    assert sandbox.operator.mailboxes.messages(mail.to) == ()
    assert MATRICULE not in message


async def test_a_later_attempt_may_serve_some_of_the_recipients(sandbox: Sandbox) -> None:
    assert (await submit(sandbox, Mail(headers={"To": f"cabinet.demo@medecin.mssante.fr, {DOCTOR}"})))[0] == 250


async def test_a_replacement_says_its_action(sandbox: Sandbox) -> None:
    slot = '<Slot name="urn:action:extraMetadataSlot"><ValueList><Value>C</Value></ValueList></Slot>'
    mail = Mail(metadata_edit=lambda whole: whole.replace('<Slot name="URI">', slot + '<Slot name="URI">'))
    assert (await submit(sandbox, mail))[0] == 250


async def test_a_document_without_ins_goes_to_professionals(sandbox: Sandbox) -> None:
    mail = Mail(
        cda=write_cda(oid="1.2.250.1.999.8"),
        patient_id=f"{MATRICULE}^^^&1.2.250.1.999.8&ISO^PI",
        headers={"X-MSS-INS": "N"},
    )
    assert (await submit(sandbox, mail))[0] == 250


async def test_a_patient_receives_no_more_than_25_mb(sandbox: Sandbox) -> None:
    heavy = "A" * 76 + "\n"
    mail = Mail(to=PATIENT, edit=lambda whole: whole.replace("--b1--", heavy * 330_000 + "--b1--"))
    assert (await submit(sandbox, mail))[0] == 554


async def test_a_reading_report_needs_no_archive(sandbox: Sandbox) -> None:
    content = (
        f"From: {SENDER}\r\nTo: {DOCTOR}\r\nSubject: lu\r\nDate: Mon, 05 Jan 2026 10:12:00 +0100\r\n"
        "Message-ID: <1@ch-sandbox.mssante.fr>\r\nX-MSS-NIL: 9999\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nlu\r\n--b--\r\n"
    )
    async with session(sandbox) as client:
        await client.ehlo()
        await client.sendmail(SENDER, DOCTOR, content)
    assert len(sandbox.operator.mailboxes.messages(DOCTOR)) == 1


def test_an_address_is_never_a_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adresse"):
        Mailboxes(tmp_path).create("../../etc@medecin.mssante.fr")
