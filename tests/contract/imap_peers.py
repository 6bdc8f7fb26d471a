"""The servers that the IMAP session is tried on: the sandbox always, Dovecot where it is installed."""

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import Any, Final, Protocol

from connectors.mssante.imap.inbox import Inbox, inboxes
from connectors.mssante.settings import MssanteSettings
from connectors.sandbox.certificates import CertificateFiles, Certificates
from connectors.sandbox.faults import FaultBook
from connectors.sandbox.operator.mailboxes import APPLICATION_MAILBOX
from connectors.sandbox.operator.server import OperatorServer
from pfi.model.clock import system_clock
from tests.mailservers.kit import HOSPITAL_A, PASSWORD, MailServers, await_ready
from tests.mailservers.programs import mail_ids

QUICK: Final = {"connect": 5, "command": 5, "content": 10}


class ImapPeer(Protocol):
    """One mailbox on one server, seen from both sides."""

    address: str
    certificates: Certificates

    def inbox(self, **changes: Any) -> Inbox:
        """How to reach it; `changes` are fields of the connector (`imap__…` of its `imap` section)."""

    def deliver(self, content: bytes) -> None:
        """One more mail in the mailbox, now."""

    def filed(self, folder: str) -> list[bytes]:
        """Mails of a folder (name in modified UTF-7; empty = where mails arrive), lines in CRLF."""

    async def stop(self) -> None: ...

    async def start(self) -> None: ...

    async def renumber(self) -> None:
        """The folder loses its UIDs, as after a restore."""


def settings(address: str, files: CertificateFiles, ca: Path, port: int, changes: dict[str, Any]) -> MssanteSettings:
    imap: dict[str, Any] = {"port": port, "retry_seconds": 60, "patience_seconds": 20, "idle_seconds": 20}
    imap |= {name.removeprefix("imap__"): value for name, value in changes.items() if name.startswith("imap__")}
    values: dict[str, Any] = {
        "host": "localhost",
        "ca_bundle": ca,
        "client_cert": files.certificate,
        "client_key": files.key,
        "mailbox": address,
        "nil": "9999",
        "source_oid": "1.2.250.1.999.1",
        "timeouts": QUICK,
        "imap": imap,
    }
    values |= {name: value for name, value in changes.items() if not name.startswith("imap__")}
    return MssanteSettings.model_validate(values)


class SandboxPeer:
    """The sandbox's operator; the certificate says whose mailbox it is."""

    address = APPLICATION_MAILBOX

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.certificates = certificates
        self.operator = OperatorServer(folder, certificates, FaultBook(), clock=system_clock)

    def inbox(self, **changes: Any) -> Inbox:
        files, ca = self.certificates.mssante, self.certificates.ca
        return inboxes(settings(self.address, files, ca, self.operator.imap.port, changes))[0]

    def deliver(self, content: bytes) -> None:
        self.operator.mailboxes.deliver(self.address, content)

    def filed(self, folder: str) -> list[bytes]:
        path = self.operator.mailboxes.folder(self.address) / folder
        return [each.read_bytes() for each in sorted(path.glob("*.eml"))]

    async def stop(self) -> None:
        await self.operator.imap.stop()

    async def start(self) -> None:
        await self.operator.imap.start(self.operator.imap.port)

    async def renumber(self) -> None:
        self.operator.imap.renumber()
        self.operator.imap.drop()


class DovecotPeer:
    """Dovecot: the certificate is needed, the password says whose mailbox it is."""

    address = HOSPITAL_A

    def __init__(self, servers: MailServers) -> None:
        self.certificates = servers.certificates
        self._servers = servers
        self._count = 0

    def inbox(self, **changes: Any) -> Inbox:
        files, ca = self.certificates.mssante, self.certificates.ca
        usual: dict[str, Any] = {"imap__sasl": "plain", "password": PASSWORD}
        return inboxes(settings(self.address, files, ca, self._servers.dovecot.port, {**usual, **changes}))[0]

    def deliver(self, content: bytes) -> None:
        maildir = self._servers.folder(self.address)
        owner = mail_ids()
        for folder in (maildir.parent.parent, maildir.parent, maildir, *(maildir / each for each in _PARTS)):
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, *owner)
        self._count += 1
        name = f"{time.time_ns()}.{self._count}.mx"
        path = maildir / "tmp" / name
        path.write_bytes(content.replace(b"\r\n", b"\n"))
        os.chown(path, *owner)
        path.rename(maildir / "new" / name)

    def filed(self, folder: str) -> list[bytes]:
        return [mail.replace(b"\n", b"\r\n") for mail in self._servers.mails(self.address, folder)]

    async def stop(self) -> None:
        await asyncio.to_thread(self._servers.dovecot.stop)

    async def start(self) -> None:
        self._servers.dovecot.start()
        await asyncio.to_thread(await_ready, self._servers.dovecot)

    async def renumber(self) -> None:
        await self.stop()
        maildir = self._servers.folder(self.address)
        for path in maildir.glob("dovecot*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        await asyncio.sleep(1.1)  # UIDVALIDITY is a time in seconds
        await self.start()


_PARTS: Final = ("tmp", "new", "cur")
