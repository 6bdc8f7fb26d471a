"""Both servers together: what Postfix delivers is read by Dovecot."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from connectors.sandbox.certificates import CertificateFiles, Certificates, Usage
from tests.mailservers.dovecot import Dovecot
from tests.mailservers.postfix import Postfix
from tests.mailservers.programs import free_ports, mail_ids

HOSPITAL_A: Final = "pfi.app@ch-a.mssante.fr"
HOSPITAL_B: Final = "pfi.app@ch-b.mssante.fr"
DOCTOR: Final = "docteur.essai@medecin.mssante.fr"
OFFICE: Final = "secretariat@ch-b.mssante.fr"
CITIZEN: Final = "279035121518989@patient.mssante.fr"
CLOSED: Final = "ferme@medecin.mssante.fr"
"""Accepted at submission, then returned."""
SLOW: Final = "lent@ch-b.mssante.fr"
"""Accepted at submission; the server behind never answers."""
UNKNOWN: Final = "inconnu@ch-b.mssante.fr"
PASSWORD: Final = "mot de passe d'essai"
_START_SECONDS: Final = 30.0


class MailServers:
    """Postfix, Dovecot and their certificates under `root`, which the users of both servers can read.

    Any address of `mailboxes` has the password `PASSWORD` and, with `certificate_of`, a client certificate.
    """

    def __init__(self, root: Path) -> None:
        root.chmod(0o755)
        self.root = root
        self.certificates = Certificates(root / "certificates")
        self.mailboxes = (HOSPITAL_A, HOSPITAL_B, DOCTOR, OFFICE, CITIZEN)
        self._maildirs = root / "mailboxes"
        self._maildirs.mkdir()
        uid, gid = mail_ids()
        os.chown(self._maildirs, uid, gid)
        smtp, neighbour, nobody, imap, imaps, external, externals = free_ports(7)
        server, ca = self.certificates.smtp_server, self.certificates.ca
        self.postfix = Postfix(
            root / "postfix",
            self._maildirs,
            ports=(smtp, neighbour, nobody),
            maildirs={address: f"{_folder(address)}/Maildir/" for address in self.mailboxes},
            returned={CLOSED: "550 5.2.1 mailbox closed by its owner"},
            delayed=(SLOW,),
            server=server,
            ca=ca,
        )
        passwords = dict.fromkeys(self.mailboxes, PASSWORD)
        self.dovecot = Dovecot(
            root / "dovecot", self._maildirs, ports=(imap, imaps), passwords=passwords, server=server, ca=ca
        )
        self.dovecot_external = Dovecot(
            root / "dovecot-external",
            self._maildirs,
            ports=(external, externals),
            passwords=passwords,
            server=server,
            ca=ca,
            from_certificate=True,
        )
        """The same mailboxes for those who are known by their certificate (SASL EXTERNAL)."""

    def start(self) -> None:
        """Starts all servers and waits until they listen. Raises RuntimeError with what they said."""
        servers = (self.postfix, self.dovecot, self.dovecot_external)
        for server in servers:
            server.start()
        for server in servers:
            await_ready(server)

    def stop(self) -> None:
        for server in (self.postfix, self.dovecot, self.dovecot_external):
            server.stop()

    def certificate_of(self, address: str) -> CertificateFiles:
        """A client certificate whose common name is the mailbox."""
        return self.certificates.card(address, Usage.AUTH_CLI)

    def folder(self, address: str, name: str = "") -> Path:
        """Maildir of a mailbox, or of one of its folders."""
        maildir = self._maildirs / _folder(address) / "Maildir"
        return maildir / f".{name}" if name else maildir

    def mails(self, address: str, name: str = "") -> list[bytes]:
        """Mails of a mailbox as they are on disk (line ends of Unix), oldest first; the parser's view is the same."""
        folder = self.folder(address, name)
        paths = [path for part in ("new", "cur") for path in (folder / part).glob("*") if path.is_file()]
        return [path.read_bytes() for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))]

    def empty(self) -> None:
        """Takes every mail and every folder away, and what is on its way."""
        self.postfix.forget()
        for address in self.mailboxes:
            shutil.rmtree(self._maildirs / _folder(address), ignore_errors=True)


def await_ready(server: Postfix | Dovecot) -> None:
    """Waits until a server listens. Raises RuntimeError with what it said."""
    limit = time.monotonic() + _START_SECONDS
    while not server.ready:
        if not server.alive or time.monotonic() > limit:
            raise RuntimeError(f"{type(server).__name__} does not start:\n{server.said()}")
        time.sleep(0.05)


@contextmanager
def mail_servers_running() -> Iterator[MailServers]:
    """Both servers for the time of a block. The folder is not pytest's own, which only root can enter."""
    root = Path(tempfile.mkdtemp(prefix="pfi-mail-", dir="/tmp"))
    servers = MailServers(root)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
        shutil.rmtree(root, ignore_errors=True)


def _folder(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{domain}/{local}"
