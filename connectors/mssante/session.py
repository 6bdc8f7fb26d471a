"""One authenticated SMTP connection to the operator, and what a transaction on it ends with.

Session, TLS, authentication, MAIL and RCPT are aiosmtplib's; the content is written by us, because it is known to be
in CRLF and aiosmtplib would rewrite it by regular expressions (ten times the cost of sending it).
"""

import base64
import contextlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiosmtplib

from connectors.mssante.replies import failed, refusal, scrubbed
from connectors.mssante.settings import MssanteSettings, Sasl, Tls
from pfi.model.delivery import OutcomeKind, RecipientOutcome
from pfi.model.errors import TransportError

_DISCONNECTED = (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, ConnectionError, TimeoutError)
_SENDER_TOO_LARGE = 552
_NOT_WITH_US = (421, 454, 530, 535, 554)
"""What servers answer to EHLO when they do not want our certificate; a busy one says so before STARTTLS."""
_LINE_ENDS = re.compile(rb"\r\n?|\n")


class SessionError(TransportError):
    """No session, or not any more, and surely nothing was sent. `code` is an SMTPERRORCODE.

    `stop` says that every other mail would fail alike: TLS, authentication, our own mailbox refused. `stale` says that
    the connection was lost before it carried anything: worth another one at once when it had been kept idle.
    """

    def __init__(self, code: str, text: str, next_step: str = "", *, stop: bool = False, stale: bool = False) -> None:
        super().__init__(code, text, next_step)
        self.stop = stop
        self.stale = stale


@dataclass(frozen=True, slots=True)
class Envelope:
    """What SMTP needs beside the content. `sender` is empty for an answer, which nobody may answer (RFC 8098 §3).
    `notify_success` asks for reports of success too (RFC 3461); `silent` asks for none. `eight_bit`: the content is not
    all ASCII (RFC 6152)."""

    sender: str
    recipients: tuple[str, ...]
    envelope_id: str
    notify_success: bool
    silent: bool = False
    eight_bit: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """Result for each recipient of the envelope, in its order; `reply` is the final answer without any address."""

    outcomes: tuple[RecipientOutcome, ...]
    reply: str = ""
    warnings: tuple[str, ...] = ()
    reports: bool = False
    """Whether notifications (DSN) were asked for: else the operator's answer is the last thing we will know."""


@dataclass(slots=True)
class _Progress:
    """Recipients decided so far, and those that the server accepted."""

    envelope: Envelope
    decided: dict[str, RecipientOutcome] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)

    def rest(self, outcome: RecipientOutcome) -> None:
        """The same end for every recipient that has none yet."""
        for address in self.envelope.recipients:
            if address not in self.decided:
                self.decided[address] = RecipientOutcome(address, outcome.kind, outcome.code, outcome.text)

    def outcomes(self) -> tuple[RecipientOutcome, ...]:
        return tuple(self.decided[address] for address in self.envelope.recipients)


class Session:
    """A connection ready to carry mails, one at a time."""

    def __init__(self, smtp: aiosmtplib.SMTP, settings: MssanteSettings) -> None:
        self._smtp = smtp
        self._settings = settings

    @classmethod
    async def open(cls, settings: MssanteSettings, tls: ssl.SSLContext, password: str) -> "Session":
        """Connects, encrypts, says who we are. Raises SessionError."""
        smtp = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeouts.connect,
            use_tls=settings.tls is Tls.IMPLICIT,
            start_tls=settings.tls is Tls.STARTTLS,
            tls_context=tls,
            local_hostname=settings.ehlo_name,
        )
        encrypted = settings.tls is Tls.IMPLICIT
        greeted = False
        try:
            await smtp.connect()
            encrypted, greeted = True, settings.tls is Tls.STARTTLS
            smtp.timeout = settings.timeouts.command
            await smtp.ehlo()
        except (aiosmtplib.SMTPException, OSError) as error:
            smtp.close()
            raise _connection_error(error, encrypted=encrypted, greeted=greeted) from None
        session = cls(smtp, settings)
        try:
            await session._authenticate(password)
        except SessionError:
            smtp.close()
            raise
        return session

    @property
    def usable(self) -> bool:
        """Whether the connection is still there, as far as is known without asking."""
        return self._smtp.is_connected

    @property
    def reports(self) -> bool:
        """Whether the operator reports deliveries (extension DSN, RFC 3461)."""
        return self._smtp.supports_extension("dsn")

    @property
    def size_limit(self) -> int | None:
        """The operator's SIZE (RFC 1870), `None` when it gives none."""
        value = self._smtp.esmtp_extensions.get("size", "").strip()
        return int(value) if value.isdigit() and int(value) > 0 else None

    @property
    def tls_version(self) -> str:
        """Version of TLS in use (`TLSv1.3`)."""
        channel = self._smtp.get_transport_info("ssl_object")
        return str(channel.version()) if channel is not None else ""

    async def close(self) -> None:
        """QUIT when the connection is there, then closes."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            if self._smtp.is_connected:
                await self._smtp.quit(timeout=min(5.0, self._settings.timeouts.command))
        self._smtp.close()

    async def submit(self, envelope: Envelope, content: bytes) -> Transaction:
        """One transaction. Raises SessionError only when nothing at all was decided for any recipient."""
        limit = self.size_limit
        progress = _Progress(envelope)
        if limit is not None and len(content) > limit:
            progress.rest(failed("523"))
            return Transaction(progress.outcomes())
        reports = self.reports
        warnings = () if reports else ("L'opérateur ne propose pas d'accusés de remise (extension DSN absente).",)
        refused = await self._mail(envelope, len(content))
        if refused is not None:
            progress.rest(refused)
            await self._reset()
            return Transaction(progress.outcomes(), warnings=warnings, reports=reports)
        try:
            await self._recipients(progress)
        except _DISCONNECTED:
            self._smtp.close()
            progress.rest(failed("442", again=True))
            return Transaction(progress.outcomes(), warnings=warnings, reports=reports)
        reply = ""
        if progress.accepted:
            reply = await self._content(progress, content)
        else:
            await self._reset()
        return Transaction(progress.outcomes(), reply, warnings, reports)

    async def _authenticate(self, password: str) -> None:
        user = self._settings.user
        try:
            match self._settings.sasl:
                case Sasl.PLAIN:
                    await self._smtp.auth_plain(user, password)
                case Sasl.LOGIN:
                    await self._smtp.auth_login(user, password)
                case Sasl.EXTERNAL:
                    await self._external(user)
                case Sasl.NONE:
                    pass
        except aiosmtplib.SMTPAuthenticationError as error:
            temporary = 400 <= error.code < 500
            raise SessionError(
                "432" if error.code == 432 else "451" if temporary else "530",
                f"L'opérateur MSSanté a refusé l'authentification ({error.code}).",
                "" if temporary else "Vérifier « sasl », « username », « password » et le certificat de la boîte.",
                stop=True,
            ) from None
        except (*_DISCONNECTED, aiosmtplib.SMTPException) as error:
            raise _connection_error(error, encrypted=True) from None

    async def _external(self, user: str) -> None:
        """SASL EXTERNAL (RFC 4422 appendix A): the certificate proves, the mailbox is the authorization identity."""
        identity = base64.b64encode(user.encode("utf-8"))
        response = await self._smtp.execute_command(b"AUTH", b"EXTERNAL", identity)
        if response.code != aiosmtplib.SMTPStatus.auth_successful:
            raise aiosmtplib.SMTPAuthenticationError(response.code, response.message)

    async def _mail(self, envelope: Envelope, size: int) -> RecipientOutcome | None:
        """MAIL FROM; the outcome of all recipients when it is refused because of this mail."""
        options = [f"SIZE={size}"] if self._smtp.supports_extension("size") else []
        if self.reports and not envelope.silent:
            options += ["RET=HDRS", f"ENVID={_xtext(envelope.envelope_id)}"]
        if envelope.eight_bit and self._smtp.supports_extension("8bitmime"):
            options.append("BODY=8BITMIME")
        try:
            await self._smtp.mail(envelope.sender, options=options)
        except aiosmtplib.SMTPSenderRefused as error:
            outcome = refusal("", error.code, error.message)
            if error.code == aiosmtplib.SMTPStatus.domain_unavailable:
                raise SessionError("421", outcome.text, stale=True) from None
            if outcome.kind is OutcomeKind.NOT_DELIVERED or outcome.code in ("523", "552"):
                return failed("523") if error.code == _SENDER_TOO_LARGE else outcome
            # The sender is our own mailbox: nothing about this mail, every other one from it would be refused alike. A
            # further mailbox is only some of the mails: they wait, the others go on.
            usual = envelope.sender == self._settings.mailbox
            raise SessionError(
                outcome.code,
                f"L'opérateur MSSanté refuse d'envoyer depuis la boîte de la PFI ({error.code}).",
                f"Vérifier « {'mailbox' if usual else 'mailboxes'} » et l'authentification auprès de l'opérateur.",
                stop=usual,
            ) from None
        except _DISCONNECTED:
            self._smtp.close()
            raise SessionError("442", failed("442", again=True).text, stale=True) from None
        return None

    async def _recipients(self, progress: _Progress) -> None:
        notify = "SUCCESS,FAILURE,DELAY" if progress.envelope.notify_success else "FAILURE,DELAY"
        if progress.envelope.silent:
            notify = "NEVER"
        for address in progress.envelope.recipients:
            options = [f"NOTIFY={notify}", f"ORCPT=rfc822;{_xtext(address)}"] if self.reports else []
            try:
                await self._smtp.rcpt(address, options=options)
            except aiosmtplib.SMTPRecipientRefused as error:
                if 200 <= error.code < 300:
                    progress.accepted.append(address)
                    continue
                progress.decided[address] = refusal(address, error.code, error.message)
                if error.code == aiosmtplib.SMTPStatus.domain_unavailable:
                    raise aiosmtplib.SMTPServerDisconnected("421") from None
            else:
                progress.accepted.append(address)

    async def _content(self, progress: _Progress, content: bytes) -> str:
        """DATA, the bytes, the final answer. Decides every accepted recipient."""
        try:
            response = await self._smtp.execute_command(b"DATA")
            protocol = self._smtp.protocol
            if response.code == aiosmtplib.SMTPStatus.start_input and protocol is not None:
                protocol.write(_transparent(content))
        except _DISCONNECTED:
            self._smtp.close()
            progress.rest(failed("442", again=True))
            return ""
        if response.code != aiosmtplib.SMTPStatus.start_input or protocol is None:
            progress.rest(refusal("", response.code, response.message))
            await self._reset()
            return scrubbed(response)
        # From here on the operator may have taken the mail, whatever happens to the connection.
        try:
            response = await protocol.read_response(timeout=self._settings.timeouts.content)
        except (*_DISCONNECTED, aiosmtplib.SMTPException):
            self._smtp.close()
            progress.rest(
                RecipientOutcome(
                    "", OutcomeKind.UNKNOWN, "442", "Connexion perdue avant la réponse finale de l'opérateur."
                )
            )
            return ""
        except BaseException:
            self._smtp.close()  # cancelled: the answer must never be taken for the one of a later command
            raise
        if 200 <= response.code < 300:
            progress.rest(RecipientOutcome("", OutcomeKind.DELIVERED))
        else:
            progress.rest(refusal("", response.code, response.message))
            if response.code == aiosmtplib.SMTPStatus.domain_unavailable:
                self._smtp.close()
        return scrubbed(response)

    async def _reset(self) -> None:
        """Ends a transaction that carried nothing; drops the connection when it does not answer."""
        try:
            await self._smtp.rset()
        except (*_DISCONNECTED, aiosmtplib.SMTPException):
            self._smtp.close()


def _connection_error(error: BaseException, *, encrypted: bool, greeted: bool = False) -> SessionError:
    """`greeted`: the server had taken us in before STARTTLS, and this is its first word since."""
    causes = list(_causes(error))
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        reason = tls.reason or "certificat"
        return SessionError(
            "101",
            f"Échec TLS avec l'opérateur MSSanté ({reason}).",
            "Vérifier « ca_bundle », la date des certificats et le certificat client.",
            stop=True,
        )
    if encrypted and any(isinstance(cause, aiosmtplib.SMTPServerDisconnected) for cause in causes):
        # With TLS 1.3 a server refuses our certificate after the handshake, by closing.
        return SessionError(
            "101",
            "L'opérateur MSSanté ferme la connexion dès qu'elle est chiffrée.",
            "Vérifier que le certificat client est celui de la boîte et qu'il est accepté par l'opérateur.",
            stop=True,
        )
    if greeted and isinstance(error, aiosmtplib.SMTPResponseException) and error.code in _NOT_WITH_US:
        # Postfix takes any certificate in the handshake, and refuses the session afterwards.
        return SessionError(
            "101",
            f"L'opérateur MSSanté refuse la session une fois chiffrée ({error.code}) : le certificat client n'est pas "
            "accepté.",
            "Vérifier que le certificat client est celui de la boîte et qu'il est accepté par l'opérateur.",
            stop=True,
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return SessionError("111", "L'opérateur MSSanté refuse la connexion.", "Vérifier « host » et « port ».")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        code = "421" if 400 <= error.code < 500 else "101"
        return SessionError(code, f"L'opérateur MSSanté n'accepte pas la session ({error.code}).", stop=code == "101")
    if isinstance(error, aiosmtplib.SMTPTimeoutError | TimeoutError):
        return SessionError("101", "L'opérateur MSSanté ne répond pas dans le délai.")
    if isinstance(error, aiosmtplib.SMTPServerDisconnected | OSError):
        return SessionError("101", "Connexion à l'opérateur MSSanté impossible.", "Vérifier « host » et le réseau.")
    return SessionError(
        "101",
        "L'opérateur MSSanté ne propose pas STARTTLS ou l'authentification demandée.",
        "Vérifier « tls », « port » et « sasl ».",
        stop=True,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _transparent(content: bytes) -> bytes:
    """The content as it goes after DATA, end mark included (RFC 5321 §4.5.2). Our own mails have no line to change.

    A mail that an answer returns is somebody else's: a lone CR or LF in it, before a dot, could end the mail for some
    servers and begin another one in our name (RFC 5321 §2.3.8 forbids them)."""
    if content.count(b"\r\n") != content.count(b"\n") or content.count(b"\r\n") != content.count(b"\r"):
        content = _LINE_ENDS.sub(b"\r\n", content)
    if content.startswith(b".") or b"\r\n." in content:
        content = (b"." if content.startswith(b".") else b"") + content.replace(b"\r\n.", b"\r\n..")
    return content + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")


def _xtext(value: str) -> str:
    """RFC 3461 §4: `+`, `=` and anything that is not printable ASCII as `+XX`."""
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte not in b"+=" else f"+{byte:02X}" for byte in value.encode("utf-8")
    )
