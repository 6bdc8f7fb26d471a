"""MSSanté: carries document mails to professionals (one mail to all of them) and to the patient (one of their own)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from connectors.mssante.addressing import Addressing, addressing, outcomes, outside, overall
from connectors.mssante.composition import Composed, Composer, forbidden
from connectors.mssante.copies import PdfCopies
from connectors.mssante.imap.reception import Reception
from connectors.mssante.opening import SessionError
from connectors.mssante.pool import SessionPool
from connectors.mssante.replies import failed
from connectors.mssante.reports import ReportFolder, Take
from connectors.mssante.session import Envelope, Session, Transaction
from connectors.mssante.settings import MssanteSettings, Reports
from connectors.mssante.tls import ClientTls
from connectors.mssante.whitelist import TrustSpace
from pfi.engine.connector import (
    CertificateState,
    CheckResult,
    Filing,
    FoundMail,
    Letterhead,
    OutboundMail,
    Preview,
    Surroundings,
)
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.model.errors import BugError, ConfigurationError, PfiError, SenderDataError
from pfi.standards.mail.address import same_mailbox
from pfi.standards.mail.smtp_codes import label_of
from pfi.standards.pdf.copies import pdf_copies
from pfi.standards.x509.secret import read_secret

_LARGE: Final = 64 * 1024
"""Documents from this size on are composed in a thread: base64, deflate and hashing release the interpreter lock."""

_TOO_LARGE: Final = "523"
"""SMTPERRORCODE of a mail over the size limit (MSSanté digest §7)."""

_COUNTED: Final = {
    OutcomeKind.DELIVERED: ("accepté", "acceptés"),
    OutcomeKind.NOT_DELIVERED: ("à retenter", "à retenter"),
    OutcomeKind.REFUSED: ("refusé", "refusés"),
    OutcomeKind.UNKNOWN: ("sans réponse", "sans réponse"),
}


class MssanteConnector:
    """Connector of the channels PRO and CIT (`pfi.engine.connector.Connector`)."""

    settings_model = MssanteSettings

    def __init__(self, settings: MssanteSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._composer = Composer(settings, surroundings)
        self._copies = PdfCopies()
        self._tls = ClientTls(settings, surroundings.clock)
        self._looking = asyncio.Lock()
        self._pool: SessionPool | None = None
        self._reports = ReportFolder(settings.reports_folder) if settings.reports_folder is not None else None
        self._reception = Reception(settings, surroundings)
        self._trust = TrustSpace(settings.white_list, surroundings.clock) if settings.white_list is not None else None

    async def open(self) -> None:
        """Loads certificates and secrets. Raises ConfigurationError; contacts nobody."""
        settings = self._settings
        self._tls.open(self._surroundings.clock())
        if self._trust is not None:
            self._trust.open()
        password = read_secret(settings.password, "password")
        self._pool = SessionPool(
            lambda: Session.open(settings, self._tls.context, password), settings.connections, settings.keep_seconds
        )

    async def certificates(self) -> tuple[CertificateState, ...]:
        """Looks at the files again; a renewed certificate serves new sessions, those open end with their mail."""
        async with self._looking:
            now = self._surroundings.clock()
            if await asyncio.to_thread(self._tls.refresh, now) and self._pool is not None:
                self._pool.renew()
            return self._tls.states(now)

    async def close(self) -> None:
        """Ends kept connections with QUIT."""
        if self._trust is not None:
            await self._trust.close()
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def check(self) -> tuple[CheckResult, ...]:
        """Connects, encrypts, authenticates, asks whether our mailboxes may send, leaves: nobody is written to."""
        settings = self._settings
        subject = f"MSSanté {settings.host}:{settings.port}"
        results = [self._told(state) for state in await self.certificates()]
        if self._trust is not None:
            await self._trust.refresh()
            results.append(_white_list(self._trust))
        try:
            session = await Session.open(settings, self._tls.context, read_secret(settings.password, "password"))
        except PfiError as error:
            results.append(CheckResult(subject, False, f"{error.text} {error.next_step}".strip()))
            return (*results, *await self._reception.check())
        limit = f"{session.size_limit / 1e6:.0f} Mo par courriel" if session.size_limit else "taille non annoncée"
        results += (
            CheckResult(subject, True, f"Connecté ({session.tls_version}), {limit}."),
            *[
                await _sending(session, subject, each)
                for each in dict.fromkeys((settings.mailbox, *settings.mailboxes.values()))
            ],
            CheckResult(
                f"{subject}, accusés de remise",
                session.reports,
                "L'opérateur rend compte des remises (DSN)."
                if session.reports
                else "L'opérateur n'annonce pas l'extension DSN : ACK_RECEPTION ne pourra dire que l'acceptation par "
                "l'opérateur. Voir avec lui.",
            ),
        )
        await session.close()
        return (*results, *await self._reception.check())

    async def send(self, delivery: Delivery) -> Outcome:
        """One mail, one SMTP transaction; results for each recipient of `delivery.recipients`."""
        who = addressing(delivery, self._settings)
        if self._trust is not None:
            await self._trust.look()
            who = outside(who, self._trust.admits)
        if forbidden(delivery):
            return _refused(
                who, "INS_IN_CDA_NOT_QUALIFIED", "Le CDA porte un matricule INS non qualifié : rien ne part."
            )
        if not who.deliverable:
            return _summary(delivery, who.refused or (failed("510"),))
        unusable = self._tls.refusal()
        if unusable is not None:
            results = tuple(failed("101", address, again=True) for address in who.deliverable)
            return replace(unusable, recipients=outcomes(who, results))
        try:
            sender = self._settings.sender(delivery.mailbox)
            pdfs = await self._copies.of(delivery.documents, delivery.created_at)
            composed = await self._compose(delivery, who, pdfs)
        except (ConfigurationError, SenderDataError, BugError) as error:
            return _refused(who, error.code, f"{error.text} {error.next_step}".strip())
        if self._too_large(delivery, len(composed.content)):
            results = tuple(failed(_TOO_LARGE, address) for address in who.deliverable)
            return _summary(delivery, outcomes(who, results), composed)
        envelope = Envelope(
            sender=sender,
            recipients=who.deliverable,
            envelope_id=delivery.ids.envelope,
            notify_success=bool(delivery.orders.ack_reception) or self._settings.reports is Reports.ALWAYS,
        )
        if self._pool is None:
            raise BugError("MSS_NOT_OPEN", "Le connecteur MSSanté n'est pas ouvert.")
        try:
            transaction = await self._pool.submit(envelope, composed.content)
        except SessionError as error:
            results = tuple(
                RecipientOutcome(address, OutcomeKind.NOT_DELIVERED, error.code, error.text)
                for address in who.deliverable
            )
            outcome = _summary(delivery, outcomes(who, results), composed)
            text = f"{error.text} {error.next_step}".strip()
            return replace(outcome, code=error.code, text=text, stop_destination=error.stop, busy=error.busy)
        expected = transaction.reports and envelope.notify_success and self._hears(sender)
        return _summary(delivery, outcomes(who, transaction.outcomes), composed, transaction, reports_expected=expected)

    @property
    def letterhead(self) -> Letterhead:
        """What every mail of this account carries."""
        return Letterhead(self._settings.nil, self._settings.mailbox_label)

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Addresses that are read; none without `imap`."""
        return self._reception.mailboxes

    def trusts(self, address: str) -> bool:
        """Whether a correspondent is in the white list; everybody is when there is none."""
        return self._trust is None or self._trust.admits(address)

    async def receive(self, mailbox: str, take: Callable[[FoundMail], Awaitable[Filing]]) -> None:
        """Reads one mailbox until cancelled."""
        if self._trust is not None:
            await self._trust.look()
        await self._reception.receive(mailbox, take)

    async def send_mail(self, mail: OutboundMail) -> Outcome:
        """Submits an answer under the null path, for nobody may answer it. No notification is asked for."""
        if not self.trusts(mail.recipient):
            return Outcome(OutcomeKind.REFUSED, "512", "Le correspondant n'est pas dans l'espace de confiance MSSanté.")
        if self._pool is None:
            raise BugError("MSS_NOT_OPEN", "Le connecteur MSSanté n'est pas ouvert.")
        unusable = self._tls.refusal()
        if unusable is not None:
            return unusable
        envelope = Envelope(
            sender="",
            recipients=(mail.recipient,),
            envelope_id="",
            notify_success=False,
            silent=True,
            eight_bit=not mail.content.isascii(),
        )
        try:
            transaction = await self._pool.submit(envelope, mail.content)
        except SessionError as error:
            return Outcome(OutcomeKind.NOT_DELIVERED, error.code, f"{error.text} {error.next_step}".strip())
        (answer,) = transaction.outcomes
        return Outcome(answer.kind, answer.code, answer.text)

    def _hears(self, sender: str) -> bool:
        """Whether the notifications that come back to a mailbox are read: from a folder, or in the mailbox itself."""
        return self._reports is not None or any(same_mailbox(sender, each) for each in self.mailboxes)

    async def collect_reports(self, take: Take) -> int:
        """Reads the notifications that arrived; 0 when no folder is configured for them."""
        if self._reports is None:
            return 0
        return await self._reports.collect(take)

    async def resolve(self, delivery: Delivery) -> Outcome:
        """Sends the same bytes again, Message-ID included: receivers recognise the mail (MSSanté digest §6)."""
        outcome = await self.send(delivery)
        note = "Envoi précédent sans réponse : même courriel renvoyé, avec le même Message-ID."
        return replace(outcome, warnings=(*outcome.warnings, note))

    def preview(self, delivery: Delivery) -> Preview:
        """The mail that `send` would submit, whether or not the operator would accept it. Raises SenderDataError for a
        mail over the configured size, which `send` would not submit, and ConfigurationError for an unknown mailbox."""
        who = addressing(delivery, self._settings)
        pdfs = pdf_copies(delivery.documents, delivery.created_at)
        content = self._composer.compose(delivery, who.shown, pdfs).content
        if self._too_large(delivery, len(content)):
            raise SenderDataError(
                _TOO_LARGE, f"Le courriel ferait {len(content)} octets, plus que la limite configurée pour ce canal."
            )
        return Preview("eml", content)

    async def _compose(self, delivery: Delivery, who: Addressing, pdfs: Sequence[bytes]) -> Composed:
        if sum(document.size for document in delivery.documents) < _LARGE:
            return self._composer.compose(delivery, who.shown, pdfs)
        return await asyncio.to_thread(self._composer.compose, delivery, who.shown, pdfs)

    def _too_large(self, delivery: Delivery, size: int) -> bool:
        settings = self._settings
        limit = settings.max_bytes_patient if delivery.channel is Channel.CIT else settings.max_bytes
        return limit is not None and size > limit

    @staticmethod
    def _told(state: CertificateState) -> CheckResult:
        subject = f"MSSanté, {'certificat client' if state.slot == 'client' else state.subject}"
        if state.fault or state.not_after is None:
            return CheckResult(subject, False, state.fault_text or "Certificat non chargé.")
        return CheckResult(subject, True, f"Valable jusqu'au {state.not_after:%d/%m/%Y}.")


async def _sending(session: Session, subject: str, mailbox: str) -> CheckResult:
    """Some operators only tell at the first mail."""
    subject = f"{subject}, boîte {mailbox}"
    try:
        code = await session.refuses(mailbox)
    except SessionError as error:
        return CheckResult(subject, False, error.text)
    if code is None:
        return CheckResult(subject, True, "L'opérateur laisse ce compte écrire depuis cette boîte.")
    text = f"L'opérateur refuse que ce compte écrive depuis cette boîte ({code}) : vérifier « mailbox », « mailboxes »"
    return CheckResult(subject, False, f"{text} et à quelle boîte le certificat appartient.")


def _white_list(trust: TrustSpace) -> CheckResult:
    subject = "MSSanté, liste blanche"
    if trust.fault is not None:
        return CheckResult(subject, False, f"{trust.fault.text} {trust.fault.next_step}".strip())
    if trust.known is None:
        return CheckResult(
            subject, False, "Aucune liste blanche : aucun domaine n'est vérifié. Renseigner « white_list.url »."
        )
    return CheckResult(subject, True, f"{trust.known} domaines dans l'espace de confiance.")


def _refused(who: Addressing, code: str, text: str) -> Outcome:
    """Nothing may or can leave; each recipient gets the code of a permanent failure."""
    results = tuple(failed("554", given) for given, _checked in who.served)
    return Outcome(OutcomeKind.REFUSED, code, text, (*results, *who.refused))


def _summary(
    delivery: Delivery,
    results: Sequence[RecipientOutcome],
    composed: Composed | None = None,
    transaction: Transaction | None = None,
    *,
    reports_expected: bool = False,
) -> Outcome:
    """One outcome for the mail: the code is the one of the first recipient that is the reason for it."""
    kind = overall(results)
    code = next((result.code for result in results if result.kind is kind), "")
    if len({(result.kind, result.code) for result in results}) == 1:
        text = results[0].text or "Courriel accepté par l'opérateur."
    else:
        counts = [
            f"{count} {words[count > 1]}"
            for each, words in _COUNTED.items()
            if (count := sum(result.kind is each for result in results))
        ]
        text = f"{len(results)} destinataires : {', '.join(counts)}." + (f" {label_of(code)}." if code else "")
    evidence = {"envelope": delivery.ids.envelope}
    if composed is not None:
        evidence |= {"message_id": composed.message_id, "size": str(len(composed.content))}
    if transaction is not None:
        evidence |= {"dsn": "expected" if reports_expected else "none"}
        if transaction.reply:
            evidence["reply"] = transaction.reply
    warnings = (*(composed.warnings if composed else ()), *(transaction.warnings if transaction else ()))
    busy = transaction is not None and transaction.busy
    return Outcome(kind, code, text, tuple(results), busy=busy, warnings=warnings, evidence=evidence)
