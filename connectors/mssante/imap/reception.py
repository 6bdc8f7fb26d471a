"""The mailboxes of a connector, each read until cancelled, as `pfi.engine.connector.MailReceiver` has it."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from connectors.mssante.imap.inbox import inboxes
from connectors.mssante.imap.mailbox import Mailbox
from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import CheckResult, Filing, FoundMail, Surroundings
from pfi.model.errors import BugError, PfiError, TransportError

_log = structlog.get_logger(room="mssante")

Take = Callable[[FoundMail], Awaitable[Filing]]
_UNKNOWN: Final = "MSS_IMAP_MAILBOX_UNKNOWN"


class Reception:
    """What the connector of these settings receives; each call reads one mailbox with a session of its own."""

    def __init__(self, settings: MssanteSettings, surroundings: Surroundings) -> None:
        self._inboxes = {inbox.address: inbox for inbox in inboxes(settings)}
        self._surroundings = surroundings

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Addresses, in the order of the settings."""
        return tuple(self._inboxes)

    async def receive(self, mailbox: str, take: Take) -> None:
        """Gives each mail of one mailbox to `take` and moves it where `take` says, until cancelled.

        Of a mail over `max_bytes`, `take` gets the header, and it goes where a person looks. When `take` raises, the
        mail stays, the others go on, and it is given again later. Raises PfiError when the mailbox cannot be read.
        """
        if mailbox not in self._inboxes:
            raise BugError(_UNKNOWN, f"Boîte {mailbox} absente des réglages.")
        async with Mailbox(self._inboxes[mailbox], self._surroundings) as box:
            async for mail in box.arrivals():
                try:
                    filing = await take(FoundMail(mail.content, mail.whole))
                except TransportError as error:
                    _log.info("mail_left", mailbox=mailbox, uid=mail.key.uid, code=error.code)
                    continue
                except Exception as error:
                    # Its text may quote the mail.
                    _log.error("mail_not_taken", mailbox=mailbox, uid=mail.key.uid, error=type(error).__name__)
                    continue
                try:
                    await box.file(mail.key, filing if mail.whole else Filing.ATTENTION)
                except TransportError as error:
                    _log.warning("mail_not_filed", mailbox=mailbox, uid=mail.key.uid, code=error.code)

    async def check(self) -> tuple[CheckResult, ...]:
        """Opens each mailbox and leaves; reads no mail."""
        return tuple([await self._check(address) for address in self._inboxes])

    async def _check(self, address: str) -> CheckResult:
        inbox = self._inboxes[address]
        subject = f"IMAP {inbox.place}, boîte {address}"
        try:
            async with Mailbox(inbox, self._surroundings) as box:
                return CheckResult(subject, True, await box.check())
        except PfiError as error:
            return CheckResult(subject, False, f"{error.text} {error.next_step}".strip())
