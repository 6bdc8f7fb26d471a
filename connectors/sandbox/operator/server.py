"""The operator: takes mails from the hospital's client, judges them, files them, reports their fate."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Final

from aiosmtpd.smtp import Envelope, Session

from connectors.sandbox.certificates import LEGAL_ENTITY, Certificates, Usage, allows, entity_of
from connectors.sandbox.faults import FaultBook, FaultKind, Service
from connectors.sandbox.operator.answers import Answer, write_answer
from connectors.sandbox.operator.imap import ImapServer
from connectors.sandbox.operator.inspection import Inspected, RefusedMailError, inspect
from connectors.sandbox.operator.mailboxes import APPLICATION_MAILBOX, Mailboxes, MailboxState, canonical
from connectors.sandbox.operator.reports import REPORTER, RecipientReport, write_dsn
from connectors.sandbox.operator.session import MailParameters, OperatorHooks, OperatorSession, RcptParameters

SIZE_LIMIT: Final = 35 * 1024 * 1024
_AT_DATA: Final = (FaultKind.CLOSE_BEFORE_ANSWER, FaultKind.CLOSE_AFTER_BODY, FaultKind.WRONG_ANSWER)
_REFUSALS: Final = {
    MailboxState.FULL: "452 4.2.2 mailbox full",
    MailboxState.BUSY: "451 4.3.0 temporary failure, try again later",
}


@dataclass(frozen=True, slots=True)
class CarriedMail:
    """One mail that the operator took, for tests and the demo."""

    sender: str
    recipients: tuple[str, ...]
    envelope_id: str
    inspected: Inspected
    content: bytes

    def summary(self) -> dict[str, object]:
        return {
            "sender": self.sender,
            "recipients": list(self.recipients),
            "envelope_id": self.envelope_id,
            "message_id": self.inspected.message_id,
            "codes": list(self.inspected.codes),
            "documents": list(self.inspected.documents),
            "size": len(self.content),
        }


class OperatorServer(OperatorHooks):
    """SMTP submission on loopback, and the mailboxes over IMAP (`imap`); ports are known after `start`.

    `owned` are the mailboxes from which the legal entity of the client certificate may send, and that it may read.
    """

    def __init__(
        self, directory: Path, certificates: Certificates, faults: FaultBook, *, clock: Callable[[], datetime]
    ) -> None:
        self.mailboxes = Mailboxes(directory)
        self.owned: set[str] = {APPLICATION_MAILBOX}
        self.mails: list[CarriedMail] = []
        self.refusals: list[str] = []
        self.port = 0
        self.imap = ImapServer(self.mailboxes, self.owned, certificates, clock=clock)
        self._certificates = certificates
        self._faults = faults
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._sessions: set[OperatorSession] = set()

    async def start(self, port: int = 0, imap_port: int = 0) -> None:
        await self.imap.start(imap_port)
        loop = asyncio.get_running_loop()
        context = self._certificates.server_context(self._certificates.smtp_server)

        def session() -> OperatorSession:
            created = OperatorSession(
                self,
                data_size_limit=SIZE_LIMIT,
                hostname=REPORTER,
                ident="ESMTP",
                tls_context=context,
                require_starttls=True,
                auth_exclude_mechanism=("LOGIN", "PLAIN"),
                loop=loop,
            )
            self._sessions.add(created)
            return created

        self._server = await loop.create_server(session, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self.imap.stop()
        if self._server is None:
            return
        self._server.close()
        for session in self._sessions:
            session.drop()
        self._sessions.clear()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    def reports(self, address: str = APPLICATION_MAILBOX) -> tuple[bytes, ...]:
        """The DSN that a mailbox has received, oldest first."""
        mails = [path.read_bytes() for path in self.mailboxes.messages(address)]
        return tuple(mail for mail in mails if _is_report(mail))

    def answer(self, recipient: str, kind: Answer, *, code: str = "", message_id: str = "") -> Path:
        """The recipient, or the server on its behalf, answers a mail that was carried to it, the newest unless named:
        the file in the sender's mailbox. `code` is an error of the table applicationErrorCondition (mssante digest
        §8.2) or an enhanced status. Raises ValueError when there is no such mail, or when it asks for no such answer.
        """
        recipient = canonical(recipient)
        for mail in reversed(self.mails):
            if recipient in mail.recipients and message_id in ("", mail.inspected.message_id):
                content = write_answer(kind, mail.content, recipient, mail.envelope_id, code, self._clock())
                return self.mailboxes.deliver(mail.sender, content)
        raise ValueError("aucun courriel remis à cette adresse")

    def handle_STARTTLS(self, server: OperatorSession, session: Session, envelope: Envelope) -> bool:  # noqa: N802
        """Called by aiosmtpd after the handshake: the client certificate must be one for authentication."""
        certificate = server.client_certificate()
        return certificate is not None and allows(certificate, Usage.AUTH_CLI)

    async def mail_from(self, server: OperatorSession, address: str) -> str:
        """The reply to MAIL."""
        certificate = server.client_certificate()
        entity = entity_of(certificate) if certificate is not None else ""
        if entity != LEGAL_ENTITY or (address and address.lower() not in self.owned):
            return "550 5.7.1 sender mailbox not owned by this certificate"
        return "250 2.1.0 OK"

    async def rcpt_to(self, server: OperatorSession, address: str) -> str:
        """The reply to RCPT."""
        facts = {"recipient": frozenset({canonical(address)}), "sender": frozenset({str(server.current().mail_from)})}
        fault = self._faults.take(Service.SMTP, facts, (FaultKind.REFUSE, FaultKind.TEMPORARY))
        if fault is not None:
            usual = "550 5.7.1" if fault.kind is FaultKind.REFUSE else "451 4.3.0"
            return f"{fault.code or usual} {fault.text or 'ordered fault'}"
        if not self.mailboxes.is_trusted(address):
            return "550 5.7.1 domain not in the white list"
        state = self.mailboxes.state(address)
        if state is None:
            return "550 5.1.1 no such mailbox"
        return _REFUSALS.get(state, "250 2.1.5 OK")

    async def handle_DATA(self, server: OperatorSession, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by aiosmtpd with the whole mail: judges it, then files it."""
        recipients, parameters = dict(server.current().recipients), server.current().parameters
        sender, content = str(envelope.mail_from), envelope.original_content or b""
        facts = {"recipient": frozenset(recipients), "sender": frozenset({sender})}
        await self._faults.delay(Service.SMTP, facts)
        fault = self._faults.take(Service.SMTP, facts, _AT_DATA)
        if fault is not None and fault.kind is FaultKind.CLOSE_BEFORE_ANSWER:
            server.drop()
            return ""
        try:
            inspected = await asyncio.to_thread(inspect, content, sender, tuple(recipients))
        except RefusedMailError as refused:
            self.refusals.append(str(refused))
            return f"554 5.6.0 {_ascii(str(refused))}"
        self.mails.append(CarriedMail(sender, tuple(recipients), parameters.envelope_id, inspected, content))
        for address, wishes in recipients.items():
            self._file(address, wishes, sender, parameters, content)
        if fault is not None and fault.kind is FaultKind.CLOSE_AFTER_BODY:
            server.drop()
            return ""
        if fault is not None:
            return "bonjour"
        return "250 2.0.0 OK queued"

    def _file(
        self, address: str, wishes: RcptParameters, sender: str, parameters: MailParameters, content: bytes
    ) -> None:
        """Delivers to one mailbox, or returns the mail, and reports what was asked for."""
        if self.mailboxes.state(address) is MailboxState.CLOSED:
            report = RecipientReport(address, wishes.original, False, "5.2.1", "550 5.2.1 messagerie fermee")
        else:
            self.mailboxes.deliver(address, content)
            report = RecipientReport(address, wishes.original, True, "2.0.0", "250 2.0.0 delivered")
        # Nobody is told of a mail that nobody may answer (null path).
        if sender and wishes.wants("SUCCESS" if report.delivered else "FAILURE"):
            dsn = write_dsn(
                report,
                sender=sender,
                envelope_id=parameters.envelope_id,
                full=parameters.ret == "FULL",
                message=content,
                arrived=self._clock(),
            )
            self.mailboxes.deliver(sender, dsn)


def _is_report(mail: bytes) -> bool:
    head = message_from_bytes(mail.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", policy=policy.SMTP)
    return head.get_content_type() == "multipart/report" and head.get_param("report-type") == "delivery-status"


def _ascii(text: str) -> str:
    """SMTP replies are ASCII without SMTPUTF8."""
    table = str.maketrans("éèêàâùûîïôçÉÈÀ’«»", 'eeeaauuiiocEEA\'""')
    return text.translate(table).encode("ascii", "replace").decode()
