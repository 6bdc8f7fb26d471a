"""Taking a mail: what it is, what is stored of it, what is handed on because of it; then where it is filed.

Filed means stored: a mail leaves the inbox once the transaction that keeps its bytes has been committed. The same mail
read twice is stored once, and the same document of a mail that was sent twice is handed over once.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from pfi.engine.connector import Filing, FoundMail
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.mailroom.answers import Answers
from pfi.engine.mailroom.opening import OpenedDocument, OpenedMail, open_mail, reply_to
from pfi.engine.mailroom.settings import ReceptionSettings
from pfi.engine.mailroom.writing import Writer
from pfi.engine.notifications import Notifications, Taken
from pfi.model.errors import TransportError
from pfi.model.finding import Finding, Severity
from pfi.standards.mail.address import domain_of, is_patient
from pfi.standards.mail.dsn import read_dsn
from pfi.standards.mail.error_mail import read_error_mail
from pfi.standards.mail.inbound import InboundMail, read_mail
from pfi.standards.mail.kind import MailKind, classify
from pfi.standards.mail.mdn import read_mdn
from pfi.store import mailroom, messages, queue
from pfi.store.database import POISON_ERRORS, STORE_ERRORS, Connection
from pfi.store.mailroom import (
    HandoverKind,
    HandoverState,
    MailState,
    NewHandover,
    NewMail,
    Reply,
    RunnableHandover,
)
from pfi.store.messages import NewMessage

Result = TypeVar("Result")

_LOG = get_logger("mailroom")
_INLINE: Final = 64 * 1024
_EARLY_TRIES: Final = 5
_EARLY_PAUSE: Final = 0.5
"""A notification may overtake the end of our own submission: by some moments, or by the time that a doubt takes to be
resolved. It stays in the mailbox meanwhile, and the others pass."""
_LONGEST_ID: Final = 1000
"""Bytes of a Message-ID under which it is stored as it is."""

_REPORTS: Final = frozenset({MailKind.DSN, MailKind.BOUNCE, MailKind.MDN, MailKind.ERROR_MAIL})
_TOLD_BY_SYSTEMS: Final = frozenset({MailKind.DSN, MailKind.BOUNCE})

_UNMATCHED = Finding(
    "REPORT_UNMATCHED",
    Severity.WARNING,
    "",
    "Cette notification ne correspond à aucun courriel envoyé par la plateforme : à voir par une personne.",
    "mssante digest §6",
)
_OTHER = Finding(
    "MAIL_OTHER",
    Severity.WARNING,
    "",
    "Ce courriel n'apporte ni document ni notification : à lire par une personne.",
    "mssante digest §9",
)
_STRANGER = Finding(
    "MAIL_SENDER_OUTSIDE",
    Severity.ERROR,
    "from",
    "L'expéditeur n'est pas dans l'espace de confiance MSSanté (liste blanche) : rien n'est intégré ni répondu.",
    "mssante digest §11",
)
_FROM_PATIENT = Finding(
    "MAIL_FROM_PATIENT",
    Severity.WARNING,
    "from",
    "Un usager a envoyé des documents : rien n'est intégré sans qu'une personne les ait lus.",
    "mssante digest §9",
)
_TOO_LARGE = Finding(
    "MAIL_OVER_LIMIT",
    Severity.ERROR,
    "",
    "Le courriel dépasse la taille admise (reception.max_mail_bytes) : à voir par une personne.",
    "mssante digest §9",
)
_NOT_WHOLE = Finding(
    "MAIL_NOT_WHOLE",
    Severity.ERROR,
    "",
    "Le courriel dépasse ce que la boîte admet (imap.max_bytes) : seul son en-tête est gardé ici. Le courriel entier "
    "est dans le dossier de la boîte qu'une personne regarde.",
    "mssante digest §9",
)
_DEFECT = Finding(
    "MAIL_DEFECT",
    Severity.ERROR,
    "",
    "Défaut interne à la lecture de ce courriel : rien n'en est intégré. À signaler, et à voir par une personne.",
    "mssante digest §9",
)
_REPEATED = Finding(
    "MAIL_REPEATED",
    Severity.INFO,
    "message-id",
    "Ce courriel avait déjà été reçu : ses documents ne sont pas remis une seconde fois.",
    "mssante digest §9",
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox of ours: its address, and the destination whose account it is."""

    address: str
    destination: str


@dataclass(frozen=True, slots=True)
class _Received:
    mailbox: Mailbox
    mail: InboundMail
    kind: MailKind
    at: datetime
    defect: bool = False
    """It could not even be read: `mail` is an empty one."""


class Reception:
    def __init__(
        self,
        context: Context,
        reception: ReceptionSettings,
        notifications: Notifications,
        answers: Answers,
        writer: Writer,
    ) -> None:
        self._context = context
        self._reception = reception
        self._notifications = notifications
        self._answers = answers
        self._writer = writer

    async def take(self, mailbox: Mailbox, found: FoundMail, *, trusts: Callable[[str], bool]) -> Filing:
        """Stores one mail and says where it goes. `trusts`: whether a correspondent belongs to the trust space. Raises
        STORE_ERRORS when nothing could be stored, and TransportError (`REPORT_EARLY`) for a notification about a mail
        whose submission is not over: the mail stays where it is, and is to be given again later."""
        raw = found.content
        received = await self._received(mailbox, raw)
        mail, kind = received.mail, received.kind
        try:
            if received.defect:
                filing = await self._keep(received, raw, _DEFECT)
            elif not found.whole:
                filing = await self._keep(received, raw, _NOT_WHOLE)
            elif len(raw) > self._reception.max_mail_bytes:
                filing = await self._keep(received, raw, _TOO_LARGE)
            elif kind not in _TOLD_BY_SYSTEMS and not _within(mail, trusts):
                filing = await self._keep(received, raw, _STRANGER)
            elif kind in _REPORTS:
                filing = await self._report(received, raw)
            elif kind is MailKind.DOCUMENT and is_patient(mail.sender):
                filing = await self._keep(received, raw, _FROM_PATIENT)
            elif kind is MailKind.DOCUMENT:
                filing = await self._documents(received, raw)
            else:
                filing = await self._keep(received, raw, _OTHER)
        except TransportError:
            raise
        except Exception as error:
            if isinstance(error, STORE_ERRORS) and not isinstance(error, POISON_ERRORS):
                raise
            # Its text may quote the mail. Left where it is, it would come again for ever and nobody would know.
            _LOG.error("mail_bug", destination=mailbox.destination, kind=kind.value, error=type(error).__name__)
            filing = await self._keep(received, raw, _DEFECT)
        _LOG.info("mail_taken", destination=mailbox.destination, kind=kind.value, filing=filing.value)
        return filing

    async def _received(self, mailbox: Mailbox, raw: bytes) -> _Received:
        now = self._context.clock()
        try:
            mail = await _off_loop(raw, read_mail)
            return _Received(mailbox, mail, classify(mail), now)
        except Exception as error:
            _LOG.error("mail_bug", destination=mailbox.destination, error=type(error).__name__)
            return _Received(mailbox, read_mail(b""), MailKind.OTHER, now, defect=True)

    async def _report(self, received: _Received, raw: bytes) -> Filing:
        taken = await self._told(received)
        if taken is Taken.EARLY:
            raise TransportError("REPORT_EARLY", "L'envoi dont parle cette notification n'est pas terminé.")
        if taken is Taken.UNKNOWN:
            return await self._keep(received, raw, _UNMATCHED)
        async with self._context.database.transaction() as connection:
            await self._store(connection, received, raw, "mail_report", (), MailState.INTEGRATED)
        return Filing.REPORTS

    async def _told(self, received: _Received) -> Taken:
        for _ in range(_EARLY_TRIES):
            taken = await self._tell(received)
            if taken is not Taken.EARLY:
                return taken
            await asyncio.sleep(_EARLY_PAUSE)
        return Taken.EARLY

    async def _tell(self, received: _Received) -> Taken:
        mail = received.mail
        match received.kind:
            case MailKind.DSN | MailKind.BOUNCE:
                delivery = read_dsn(mail)
                return Taken.UNKNOWN if delivery is None else await self._notifications.delivery_reported(delivery)
            case MailKind.MDN:
                reading = read_mdn(mail, deleted_is_read=self._reception.mdn_deleted == "success")
                return Taken.UNKNOWN if reading is None else await self._notifications.reading_reported(reading)
            case _:
                return await self._notifications.reading_reported(read_error_mail(mail))

    async def _keep(self, received: _Received, raw: bytes, finding: Finding) -> Filing:
        """For a person: stored, shown, never answered."""
        kind = "mail_report" if received.kind in _REPORTS else "mail_other"
        findings = (*received.mail.findings, finding)
        async with self._context.database.transaction() as connection:
            message_id = await self._store(
                connection, received, raw, kind, findings, MailState.KEPT, code=finding.code, text=finding.text
            )
            if message_id is not None:
                detail = {"code": finding.code, "mailbox": received.mailbox.address}
                await messages.add_event(connection, "mail_kept", received.at, message_id=message_id, detail=detail)
        return Filing.ATTENTION

    async def _documents(self, received: _Received, raw: bytes) -> Filing:
        mail, mailbox = received.mail, received.mailbox
        environment = self._context.settings.ins.environment
        opened = await _off_loop(raw, lambda _: open_mail(mail, mailbox.address, self._reception, environment))
        async with self._context.database.transaction() as connection:
            brought = await mailroom.seen_before(connection, mailbox.address, _bare(mail.message_id))
            new = {
                position: each
                for position, each in enumerate(opened.documents)
                if (each.document.unique_id, each.request, each.document.sha1) not in brought
            }
            repeated = bool(opened.documents) and not new
            findings = (*opened.findings, _REPEATED) if len(new) < len(opened.documents) else opened.findings
            answer, answer_to = reply_to(mail, self._reception)
            message_id = await self._store(
                connection,
                received,
                raw,
                "mail",
                findings,
                MailState.INTEGRATED if repeated else MailState.OPEN,
                code=_REPEATED.code if repeated else "",
                text=_REPEATED.text if repeated else "",
                answer=Reply.NONE if repeated else answer,
                answer_to="" if repeated else answer_to,
            )
            if message_id is not None:
                named = [(each.document, each.request) for each in opened.documents]
                await mailroom.add_documents(connection, message_id, named)
            if message_id is not None and not repeated:
                await self._hand_over(connection, message_id, received, opened, new)
        # A mail that comes again, because it could not be moved, goes where it should have gone.
        held = any(each.held for each in opened.documents)
        return Filing.ATTENTION if opened.failed or held or answer is Reply.PERSON else Filing.DOCUMENTS

    async def _hand_over(
        self,
        connection: Connection,
        message_id: int,
        received: _Received,
        opened: OpenedMail,
        documents: Mapping[int, OpenedDocument],
    ) -> None:
        handovers = [self._handover(received, position, each) for position, each in documents.items()]
        handovers += [
            self._unwritten(received, position, HandoverState.REFUSED, refusal.code, refusal.words)
            for position, refusal in enumerate(opened.refusals, len(opened.documents))
        ]
        await mailroom.add_handovers(connection, message_id, handovers)
        await queue.enqueue(
            connection,
            [
                queue.Job.hand_over(RunnableHandover(each.id, each.kind, each.line, 0))
                for each in handovers
                if each.state is HandoverState.QUEUED
            ],
        )
        for each in handovers:
            if each.state is HandoverState.HELD:
                detail = {"code": each.code, "mailbox": received.mailbox.address}
                await messages.add_event(connection, "mail_held", received.at, message_id=message_id, detail=detail)
        # Nothing may be left to wait for: everything in it was refused.
        await self._answers.settle(connection, message_id, opened.errors)

    def _unwritten(self, received: _Received, position: int, state: HandoverState, code: str, text: str) -> NewHandover:
        """A document that is not handed over, or not yet: there is no message of it."""
        return NewHandover(
            id=self._context.ids.uuid4(),
            kind=HandoverKind.MDM,
            position=position,
            line="",
            control_id="",
            content=b"",
            created_at=received.at,
            state=state,
            code=code,
            text=text,
        )

    def _handover(self, received: _Received, position: int, opened: OpenedDocument) -> NewHandover:
        """A held document is written when a person lets it go: by the routes of that moment."""
        if opened.held:
            return self._unwritten(received, position, HandoverState.HELD, opened.held, opened.held_text)
        written = self._writer.write(opened, received.mail, received.mailbox.address, received.at)
        return NewHandover(
            id=self._context.ids.uuid4(),
            kind=HandoverKind.MDM,
            position=position,
            line=written.consumer,
            control_id=written.control_id,
            content=written.content,
            created_at=received.at,
        )

    async def _store(
        self,
        connection: Connection,
        received: _Received,
        raw: bytes,
        kind: str,
        findings: Sequence[Finding],
        state: MailState,
        *,
        code: str = "",
        text: str = "",
        answer: Reply = Reply.NONE,
        answer_to: str = "",
    ) -> int | None:
        """Number of the message; `None` when the same bytes were stored before for this mailbox."""
        mail, mailbox = received.mail, received.mailbox
        digest = hashlib.sha256(raw).digest()
        accepted = await messages.accept(
            connection,
            NewMessage(
                received_at=received.at,
                listener=mailbox.destination,
                # The left part of a patient's address is a matricule: the domain says enough.
                peer=domain_of(mail.sender),
                certificate="",
                sender=mailbox.destination,
                sender_key=f"mail|{mailbox.address}",
                control_id=_bare(mail.message_id) or digest.hex(),
                message_type=f"MAIL^{received.kind.value.upper()}",
                body=raw,
                digest=digest,
                kind=kind,
                ack_code="AA",
                ack=None,
            ),
            worker=self._context.worker,
            findings=findings,
        )
        if accepted is None:
            return None
        new = NewMail(
            mailbox.address, mailbox.destination, _bare(mail.message_id), state, answer, answer_to, code, text
        )
        await mailroom.add_mail(connection, accepted.id, new, received.at)
        return accepted.id


def _within(mail: InboundMail, trusts: Callable[[str], bool]) -> bool:
    """Whether a mail comes from the trust space: who signs it and, when the envelope names somebody, who sent it."""
    return trusts(mail.sender) and (not mail.return_path or trusts(mail.return_path))


def _bare(message_id: str) -> str:
    """Without brackets. A monstrous one becomes its digest: no index of the store could hold it."""
    bare = message_id.strip("<>")
    raw = bare.encode("utf-8", "replace")
    return bare if len(raw) <= _LONGEST_ID else f"sha256:{hashlib.sha256(raw).hexdigest()}"


async def _off_loop(raw: bytes, act: Callable[[bytes], Result]) -> Result:
    """Reading a large mail outside the event loop."""
    return act(raw) if len(raw) <= _INLINE else await asyncio.to_thread(act, raw)
