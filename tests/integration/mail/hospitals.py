"""Two hospitals, each with its engine, its store and its DPI, and the operator between them."""

import base64
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Protocol

from connectors.sandbox.certificates import Certificates
from connectors.sandbox.dpi import DpiServer, ReceivedZam
from connectors.sandbox.faults import FaultBook
from connectors.sandbox.filed import FiledDocument
from connectors.sandbox.operator.mailboxes import APPLICATION_MAILBOX, MailboxState
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.configuration import Configuration
from pfi.engine.runner import Engine
from pfi.engine.settings import Settings
from pfi.model.clock import system_clock
from samples.generator import world
from samples.generator.request import Flags
from tests.integration.engine.fakes import FAST, PEER, eventually, letter
from tests.mailservers.kit import CLOSED, HOSPITAL_A, HOSPITAL_B, MailServers

TIMINGS: Final = replace(FAST, lease=5.0, beat=0.5, attempt=30.0, forgotten=5.0, poll=0.5, collect=0.2)
ATTENTION, DOCUMENTS, REPORTS = "À voir", "Traités", "Accusés"
_WAIT: Final = 60.0


class Post(Protocol):
    """An operator with a mailbox for each hospital."""

    a: str
    b: str
    closed: str
    """Accepted at submission, then returned."""

    def settings(self, mailbox: str) -> dict[str, Any]:
        """Of the connector of who has this mailbox."""

    def submit(self, sender: str, recipient: str, content: bytes) -> None:
        """Brings any bytes to a mailbox, as a correspondent's own software would."""

    def mails(self, mailbox: str) -> list[bytes]:
        """What lies in a mailbox, oldest first, lines in CRLF."""


class RealPost:
    """Postfix and Dovecot."""

    def __init__(self, servers: MailServers) -> None:
        self.a, self.b, self.closed = HOSPITAL_A, HOSPITAL_B, CLOSED
        self._servers = servers

    def settings(self, mailbox: str) -> dict[str, Any]:
        files = self._servers.certificate_of(mailbox)
        return {
            "host": "localhost",
            "port": self._servers.postfix.port,
            "ca_bundle": str(self._servers.certificates.ca),
            "client_cert": str(files.certificate),
            "client_key": str(files.key),
            "imap": {"port": self._servers.dovecot_external.port},
        }

    def submit(self, sender: str, recipient: str, content: bytes) -> None:
        files = self._servers.certificate_of(self.a)
        context = ssl.create_default_context(cafile=str(self._servers.certificates.ca))
        context.load_cert_chain(files.certificate, files.key)
        with smtplib.SMTP("localhost", self._servers.postfix.port, timeout=30) as smtp:
            smtp.starttls(context=context)
            smtp.sendmail(sender, [recipient], content, ["BODY=8BITMIME"])

    def mails(self, mailbox: str) -> list[bytes]:
        return [mail.replace(b"\n", b"\r\n") for mail in self._servers.mails(mailbox)]


class SandboxPost:
    """The sandbox's operator: no package needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.a, self.b, self.closed = APPLICATION_MAILBOX, HOSPITAL_B, CLOSED
        self._sandbox = sandbox
        sandbox.operator.mailboxes.create(self.b)
        sandbox.operator.mailboxes.create(self.closed, MailboxState.CLOSED)
        sandbox.operator.owned.add(self.b)

    def settings(self, mailbox: str) -> dict[str, Any]:
        found: dict[str, Any] = dict(self._sandbox.configuration()["mssante"])
        del found["reports_folder"]
        return {**found, "imap": {"port": self._sandbox.operator.imap.port}}

    def submit(self, sender: str, recipient: str, content: bytes) -> None:
        path = f"Return-Path: <{sender}>\r\n".encode()
        self._sandbox.operator.mailboxes.deliver(recipient, path + content)

    def mails(self, mailbox: str) -> list[bytes]:
        return [path.read_bytes() for path in self._sandbox.operator.mailboxes.messages(mailbox)]


def account(post: Post, mailbox: str) -> dict[str, Any]:
    """The settings of a connector with this mailbox."""
    return {
        **post.settings(mailbox),
        "mailbox": mailbox,
        "mailbox_label": "Hôpital – échanges",
        "nil": "9999-TEST",
        "source_oid": "1.2.250.1.999.1",
        "establishment": "CH d'Exemple",
    }


class Hospital:
    """An engine configured as any other: its mailbox at the operator, its DPI by MLLP."""

    def __init__(
        self, url: str, post: Post, mailbox: str, dpi: DpiServer, faults: FaultBook, changes: dict[str, Any]
    ) -> None:
        self.mailbox = mailbox
        self.dpi = dpi
        self.faults = faults
        self.engine = Engine(Configuration(_settings(post, mailbox, dpi, changes)), timings=TIMINGS, url=url)

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.engine.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]

    async def send(self, control_id: str, to: str, *, spoil: Callable[[bytes], bytes] = bytes, **changes: Any) -> bytes:
        """The DPI sends a letter to a mailbox; the bytes of the document, which `spoil` may have changed."""
        reader = replace(world.FAMILY_DOCTOR, mailbox=to)
        flags = Flags(dest_dmp=False, dest_mss_pat=False, ack_lecture_mss=True)
        raw = letter(control_id, flags=flags, recipients=(reader,), **changes)
        content = document_of(raw)
        raw = raw.replace(base64.b64encode(content), base64.b64encode(spoil(content)))
        answer = await self.engine.intake.accept(raw, PEER)
        assert b"\rMSA|AA|" in (answer.content or b""), answer
        return document_of(raw)

    async def filed(self, count: int) -> list[FiledDocument]:
        """What the DPI filed, once there is that much of it."""
        await self.until(lambda: len(self.dpi.filed) >= count)
        return self.dpi.filed

    async def told(self, count: int) -> list[tuple[str, str, bool, str, str]]:
        """What the DPI was told of what it sent: (request, event, success, mailbox, code), sorted."""
        await self.until(lambda: len(self.dpi.zams) >= count)
        return sorted(_said(zam) for zam in self.dpi.zams)

    def heard(self, request: str) -> list[str]:
        """The events that the DPI was told of one request, in the order in which it was."""
        return [zam.event for zam in self.dpi.zams if zam.request == request]

    async def mails(self) -> list[tuple[str, str]]:
        """(state, code) of the mails received, in their order."""
        rows = await self.fetch("SELECT state, code FROM mails ORDER BY message_id")
        return [(row["state"], row["code"]) for row in rows]

    async def until_mails(self, count: int) -> list[tuple[str, str]]:
        """The same, once that many are settled."""

        async def settled() -> bool:
            return len([state for state, _ in await self.mails() if state != "open"]) >= count

        await eventually(settled, _WAIT)
        return await self.mails()

    async def findings(self, message_id: int) -> set[str]:
        rows = await self.fetch("SELECT code FROM findings WHERE message_id = $1", message_id)
        return {row["code"] for row in rows}

    async def until(self, true: Callable[[], bool]) -> None:
        async def now() -> bool:
            return true()

        await eventually(now, _WAIT)


@asynccontextmanager
async def hospital(
    url: str, post: Post, mailbox: str, certificates: Certificates, **changes: Any
) -> AsyncIterator[Hospital]:
    """A running hospital; `changes` are further settings of its MSSanté connector."""
    faults = FaultBook()
    dpi = DpiServer(certificates, faults, clock=system_clock)
    await dpi.start()
    built = Hospital(url, post, mailbox, dpi, faults, changes)
    try:
        await built.engine.start()
        yield built
    finally:
        await built.engine.stop(grace=5)
        await dpi.stop()


def document_of(raw: bytes) -> bytes:
    """The document of an MDM, found without any of our readers."""
    line = next(line for line in raw.split(b"\r") if line.startswith(b"OBX|1|"))
    return base64.b64decode(line.split(b"|")[5].split(b"^")[4], validate=True)


def _said(zam: ReceivedZam) -> tuple[str, str, bool, str, str]:
    return zam.request, zam.event, zam.success, zam.mailbox, zam.error_code


def _settings(post: Post, mailbox: str, dpi: DpiServer, changes: dict[str, Any]) -> Settings:
    mllp = {"connector": "mllp", "settings": {"host": "127.0.0.1", "port": dpi.port}}
    retry = {"first_seconds": 0.2, "longest_seconds": 0.5, "max_attempts": 20}
    values = {
        "data_dir": "/nonexistent",
        "ins": {"environment": "test"},
        "senders": [{"name": "dpi", "match": {"application": "DPI"}, "reply": mllp}],
        "destinations": {
            "mssante": {
                "connector": "mssante",
                "channels": ["PRO", "CIT"],
                "retry": retry,
                "pause_seconds": 0.5,
                "settings": {**account(post, mailbox), **changes},
            }
        },
        "reception": {
            "consumers": [{"name": "dpi", **mllp, "application": "DPI", "facility": "CH"}],
            "routes": [{"consumer": "dpi", "unit": "3001", "unit_name": "Cardiologie"}],
            "first_seconds": 0.2,
            "longest_seconds": 0.5,
        },
    }
    return Settings.model_validate(values)
