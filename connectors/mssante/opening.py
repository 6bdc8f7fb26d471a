"""Opening a connection to the operator: TCP, TLS, EHLO and AUTH are aiosmtplib's; what goes wrong is ours to tell."""

import asyncio
import base64
import ssl
from collections.abc import Iterator, Mapping
from typing import Final, cast

import aiosmtplib

from connectors.mssante.replies import failed
from connectors.mssante.settings import MssanteSettings, Sasl, Tls
from connectors.mssante.wire import Wire
from pfi.model.errors import TransportError

_DISCONNECTED: Final = (
    aiosmtplib.SMTPServerDisconnected,
    aiosmtplib.SMTPTimeoutError,
    ConnectionError,
    TimeoutError,
)
_NOT_WITH_US: Final = (421, 454, 530, 535, 554)
"""What servers answer to EHLO when they do not want our certificate; a busy one says so before STARTTLS."""


class SessionError(TransportError):
    """No session, or not any more, and surely nothing was sent. `code` is an SMTPERRORCODE.

    `stop` says that every other mail would fail alike: TLS, authentication, our own mailbox refused. `stale` says that
    the connection was lost before it carried anything: worth another one at once when it had been kept idle. `busy`
    says that the operator is away, or takes nothing now.
    """

    def __init__(
        self,
        code: str,
        text: str,
        next_step: str = "",
        *,
        stop: bool = False,
        stale: bool = False,
        busy: bool = False,
    ) -> None:
        super().__init__(code, text, next_step)
        self.stop = stop
        self.stale = stale
        self.busy = busy


async def open_wire(settings: MssanteSettings, tls: ssl.SSLContext, password: str) -> tuple[Wire, Mapping[str, str]]:
    """Connects, encrypts, says who we are. The connection, and what EHLO announced once encrypted (keywords in lower
    case, with their parameters). Raises SessionError."""
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
    try:
        await _authenticate(smtp, settings, password)
    except BaseException:
        smtp.close()
        raise
    if smtp.transport is None:
        raise SessionError("442", failed("442", again=True).text, busy=True)
    return Wire(cast(asyncio.Transport, smtp.transport)), dict(smtp.esmtp_extensions)


async def _authenticate(smtp: aiosmtplib.SMTP, settings: MssanteSettings, password: str) -> None:
    """Says who we are, as the operator wants it (MSSanté digest §3.2). Raises SessionError."""
    try:
        match settings.sasl:
            case Sasl.PLAIN:
                await smtp.auth_plain(settings.user, password)
            case Sasl.LOGIN:
                await smtp.auth_login(settings.user, password)
            case Sasl.EXTERNAL:
                await _external(smtp, settings.user)
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


async def _external(smtp: aiosmtplib.SMTP, user: str) -> None:
    """SASL EXTERNAL (RFC 4422 appendix A): the certificate proves, the mailbox is the authorization identity."""
    identity = base64.b64encode(user.encode("utf-8"))
    response = await smtp.execute_command(b"AUTH", b"EXTERNAL", identity)
    if response.code != aiosmtplib.SMTPStatus.auth_successful:
        raise aiosmtplib.SMTPAuthenticationError(response.code, response.message)


def _connection_error(error: BaseException, *, encrypted: bool, greeted: bool = False) -> SessionError:
    """`greeted`: the server had taken us in before STARTTLS, and this is its first word since."""
    causes = list(_causes(error))
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        # What the revocation lists refuse has no OpenSSL reason.
        reason = getattr(tls, "reason", None) or "certificat révoqué, ou sans liste de révocation à jour"
        return SessionError(
            "101",
            f"Échec TLS avec l'opérateur MSSanté ({reason}).",
            "Vérifier « ca_bundle », « crl », la date des certificats et le certificat client.",
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
        return SessionError(
            "111", "L'opérateur MSSanté refuse la connexion.", "Vérifier « host » et « port ».", busy=True
        )
    if isinstance(error, aiosmtplib.SMTPResponseException):
        code = "421" if 400 <= error.code < 500 else "101"
        text = f"L'opérateur MSSanté n'accepte pas la session ({error.code})."
        return SessionError(code, text, stop=code == "101", busy=code == "421")
    if isinstance(error, aiosmtplib.SMTPTimeoutError | TimeoutError):
        return SessionError("101", "L'opérateur MSSanté ne répond pas dans le délai.", busy=True)
    if isinstance(error, aiosmtplib.SMTPServerDisconnected | OSError):
        return SessionError(
            "101", "Connexion à l'opérateur MSSanté impossible.", "Vérifier « host » et le réseau.", busy=True
        )
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
