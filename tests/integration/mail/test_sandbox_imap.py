"""The sandbox's IMAP: who may open a mailbox, and that it is strict about the protocol."""

import asyncio
import imaplib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from connectors.sandbox.certificates import CertificateFiles, Certificates, Flaw, Usage
from connectors.sandbox.faults import FaultBook
from connectors.sandbox.operator.imap_grammar import GrammarError, chosen, items, read_command, read_section
from connectors.sandbox.operator.mailboxes import APPLICATION_MAILBOX
from connectors.sandbox.operator.server import OperatorServer
from pfi.model.clock import system_clock

_Result = TypeVar("_Result")
MAIL = b"Subject: essai\r\n\r\nUn texte.\r\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("sandbox-imap") / "certificates")


@pytest.fixture
async def operator(tmp_path: Path, certificates: Certificates) -> AsyncIterator[OperatorServer]:
    started = OperatorServer(tmp_path / "mailboxes", certificates, FaultBook(), clock=system_clock)
    await started.start()
    yield started
    await started.stop()


async def with_client(
    operator: OperatorServer,
    certificates: Certificates,
    work: Callable[[imaplib.IMAP4], _Result],
    files: CertificateFiles | None = None,
) -> _Result:
    """Something done by the standard library's client, encrypted, in a thread."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    shown = files or certificates.mssante
    context.load_cert_chain(shown.certificate, shown.key)

    def run() -> _Result:
        with imaplib.IMAP4("localhost", operator.imap.port, timeout=10) as client:
            try:
                client.starttls(context)
                return work(client)
            except (OSError, imaplib.IMAP4.abort):
                client.shutdown()
                raise

    return await asyncio.to_thread(run)


def opened(client: imaplib.IMAP4) -> imaplib.IMAP4:
    assert client.authenticate("EXTERNAL", lambda _challenge: APPLICATION_MAILBOX.encode())[0] == "OK"
    return client


async def test_an_independent_client_reads_what_smtp_delivered(
    operator: OperatorServer, certificates: Certificates
) -> None:
    operator.mailboxes.deliver(APPLICATION_MAILBOX, MAIL)

    def read(client: imaplib.IMAP4) -> object:
        opened(client).select("INBOX")
        assert client.uid("SEARCH", "ALL") == ("OK", [b"1"])
        _kind, answer = client.uid("FETCH", "1:*", "(FLAGS BODY[])")
        assert client.uid("FETCH", "1", "(FLAGS)")[1] == [rb"1 (UID 1 FLAGS (\Seen))"]
        return answer[0][1]

    assert await with_client(operator, certificates, read) == MAIL


async def test_nothing_is_said_before_encryption(operator: OperatorServer) -> None:
    def attempt() -> None:
        with imaplib.IMAP4("localhost", operator.imap.port, timeout=10) as client:
            assert "LOGINDISABLED" in client.capabilities
            for command in (
                lambda: client.login("a", "b"),
                lambda: client.authenticate("EXTERNAL", lambda _challenge: b"a"),
            ):
                with pytest.raises(imaplib.IMAP4.error, match="BAD"):
                    command()

    await asyncio.to_thread(attempt)


async def test_a_mailbox_opens_for_its_own_entity_only(operator: OperatorServer, certificates: Certificates) -> None:
    def refused(address: str) -> Callable[[imaplib.IMAP4], None]:
        def attempt(client: imaplib.IMAP4) -> None:
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                client.authenticate("EXTERNAL", lambda _challenge: address.encode())

        return attempt

    for address in ("docteur.essai@medecin.mssante.fr", "personne@ch-sandbox.mssante.fr", "pas une adresse", ""):
        await with_client(operator, certificates, refused(address))
    other = certificates.flawed(Flaw.OTHER_ENTITY, Usage.AUTH_CLI)
    await with_client(operator, certificates, refused(APPLICATION_MAILBOX), other)
    operator.owned.add("secretariat@ch-sandbox.mssante.fr")
    await with_client(
        operator,
        certificates,
        lambda client: client.authenticate("EXTERNAL", lambda _challenge: b"Secretariat@ch-sandbox.mssante.fr"),
    )


@pytest.mark.parametrize("flaw", [Flaw.REVOKED, Flaw.WRONG_USAGE, Flaw.OTHER_AUTHORITY])
async def test_a_bad_certificate_ends_the_connection(
    operator: OperatorServer, certificates: Certificates, flaw: Flaw
) -> None:
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        await with_client(operator, certificates, opened, certificates.flawed(flaw, Usage.AUTH_CLI))


async def test_folders_are_on_disk(operator: OperatorServer, certificates: Certificates) -> None:
    operator.mailboxes.deliver(APPLICATION_MAILBOX, MAIL)

    def file(client: imaplib.IMAP4) -> None:
        opened(client)
        assert client.create("Lus")[0] == "OK"
        assert client.create("Lus")[0] == client.create("../ailleurs")[0] == "NO"
        assert client.list('""', "*")[1] == [b'() "/" "INBOX"', b'() "/" "Lus"']
        client.select("INBOX")
        assert client.uid("COPY", "1", "Absent")[1][0].startswith(b"[TRYCREATE]")
        assert client.uid("COPY", "1", "Lus")[0] == "OK"
        assert client.uid("STORE", "1", "+FLAGS", r"(\Deleted)")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])

    await with_client(operator, certificates, file)
    folder = operator.mailboxes.folder(APPLICATION_MAILBOX)
    assert [path.read_bytes() for path in (folder / "Lus").glob("*.eml")] == [MAIL]
    assert operator.mailboxes.messages(APPLICATION_MAILBOX) == ()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"a",
        b"a \xff\xfe",
        b'a LOGIN "x" {3}',
        b"a LOGIN %x\x00",
        b"a SELECT {4}",
        b'a LIST "" "non fermee',
        b"a b c",
    ],
)
def test_what_is_no_command_is_refused(line: bytes) -> None:
    with pytest.raises(GrammarError):
        read_command(line).only(2)


def test_commands_are_read() -> None:
    command = read_command(b"A1 UID FETCH 1:3,7 (RFC822.SIZE BODY.PEEK[HEADER]<0.10>)\r\n")
    assert (command.tag, command.verb) == ("A1", "UID FETCH")
    assert items(command.arguments[1:]) == ("RFC822.SIZE", "BODY.PEEK[HEADER]<0.10>")
    assert read_command(rb'A2 login "a \"b\" \\" x').arguments == ('a "b" \\', "x")
    section = read_section("BODY.PEEK[HEADER]<2.4>")
    assert (section.of(b"0123456\r\n\r\n89"), section.name, section.peek) == (b"2345", "BODY[HEADER]<2>", True)
    assert chosen("2:*,9", (1, 2, 5)) == (2, 5)
    assert chosen("9:*", (1, 2, 5)) == (5,)  # the last mail, as RFC 3501 §9 has it


async def test_the_protocol_is_kept_to(operator: OperatorServer, certificates: Certificates) -> None:
    def attempt(client: imaplib.IMAP4) -> None:
        client.state = "AUTH"  # as if it were
        with pytest.raises(imaplib.IMAP4.error, match="BAD"):
            client.select("INBOX")
        client.state = "NONAUTH"
        opened(client)
        client.select("INBOX")
        for arguments in (("FETCH", "x", "(FLAGS)"), ("FETCH", "1", "(ENVELOPE"), ("SEARCH", "FROM", "a")):
            with pytest.raises(imaplib.IMAP4.error, match="BAD"):
                client.uid(*arguments)

    await with_client(operator, certificates, attempt)
