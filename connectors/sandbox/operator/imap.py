"""The mailboxes of the sandbox over IMAP4rev1: STARTTLS with client certificate, IDLE, MOVE, UIDPLUS (mssante digest §3
and §9). A strict subset: what a client of application mailboxes has no use for is refused."""

import asyncio
import ssl
from collections.abc import Callable, Set
from datetime import datetime
from typing import Final

from cryptography import x509

from connectors.sandbox.certificates import LEGAL_ENTITY, Certificates, entity_of
from connectors.sandbox.operator.folders import Cabinet
from connectors.sandbox.operator.imap_session import EXTENSIONS, ImapSession
from connectors.sandbox.operator.mailboxes import Mailboxes, canonical

_LINE_LIMIT: Final = 64 * 1024


class ImapServer:
    """Listens on loopback; `port` is known after `start`.

    `owned` are the mailboxes that the legal entity of the client certificate may open. `passwords` (empty by default)
    lets PLAIN and LOGIN open them too, certificate always required; `without` are extensions not to offer.
    """

    def __init__(
        self, mailboxes: Mailboxes, owned: Set[str], certificates: Certificates, *, clock: Callable[[], datetime]
    ) -> None:
        self.port = 0
        self.passwords: dict[str, str] = {}
        self.without: set[str] = set()
        self.validity = int(clock().timestamp())
        self._mailboxes = mailboxes
        self._owned = owned
        self._certificates = certificates
        self._cabinets: dict[str, Cabinet] = {}
        self._server: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=_LINE_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cuts every session."""
        if self._server is None:
            return
        self._server.close()
        self.drop()
        if self._talks:
            await asyncio.wait(self._talks)
        await self._server.wait_closed()
        self._server = None

    def drop(self) -> None:
        """Cuts every session without a word; new ones are welcome."""
        for task, writer in self._talks.items():
            writer.transport.abort()
            task.cancel()

    def renumber(self) -> None:
        """From the next SELECT on, UIDs that were known mean nothing any more (RFC 3501 §2.3.1.1)."""
        self.validity += 1

    def context(self) -> ssl.SSLContext:
        return self._certificates.server_context(self._certificates.smtp_server)

    def offered(self) -> tuple[str, ...]:
        return tuple(name for name in EXTENSIONS if name not in self.without)

    def opened_by(self, address: str, certificate: x509.Certificate | None, password: str | None) -> Cabinet | None:
        """The mailbox, for who may open it; `password` `None` = known by the certificate alone."""
        try:
            address = canonical(address)
        except ValueError:
            return None
        if certificate is None or entity_of(certificate) != LEGAL_ENTITY or address not in self._owned:
            return None
        if password is not None and self.passwords.get(address) != password:
            return None
        if self._mailboxes.state(address) is None:
            return None
        return self._cabinets.setdefault(address, Cabinet(self._mailboxes, address))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("no task")
        self._talks[task] = writer
        try:
            await ImapSession(self, reader, writer).talk()
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # a cancelled task would make asyncio's own callback fail (3.11)
        finally:
            self._talks.pop(task, None)
            if not writer.is_closing():
                writer.transport.abort()
