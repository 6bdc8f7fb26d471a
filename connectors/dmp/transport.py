"""HTTPS to the DMP, and the moment of death: what is known of a request that got no answer.

Nothing sent (refused, unreachable, no TLS) is `NOT_DELIVERED`; once the body has begun to leave it is `UNKNOWN`.
"""

import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx
from cryptography import x509

from connectors.dmp.settings import DmpSettings
from connectors.dmp.wire import WireRequest
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError
from pfi.standards.x509.contexts import load_authorities, load_pair
from pfi.standards.x509.guard import Judge, guarded_context
from pfi.standards.x509.secret import read_secret

_MAX_ANSWER: Final = 16 * 1024 * 1024
_CIPHERS: Final = "ECDHE+CHACHA20:ECDHE+AESGCM:ECDHE-RSA-AES256-SHA384"  # those of the LPS front (DMP digest §2.1)
_MAX_RETRY_AFTER: Final = 86_400.0
# Alerts (RFC 8446 §6.2) by which a server refuses a peer before it reads any request, as OpenSSL names them.
_REFUSALS: Final = (
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE_",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "ALERT_ACCESS_DENIED",
    "ALERT_DECRYPT_ERROR",
    "ALERT_HANDSHAKE_FAILURE",
    "ALERT_PROTOCOL_VERSION",
    "ALERT_INSUFFICIENT_SECURITY",
    "ALERT_UNRECOGNIZED_NAME",
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer; `retry_after` in seconds when the peer gave one."""

    status: int
    content_type: str
    content: bytes = field(repr=False)
    retry_after: float | None = None


class _Line:
    """One HTTP client with one TLS context. Retired, it closes when its last exchange has ended."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self._exchanges = 0
        self._retired = False

    async def __aenter__(self) -> httpx.AsyncClient:
        self._exchanges += 1
        return self.client

    async def __aexit__(self, *_: object) -> None:
        self._exchanges -= 1
        if self._retired and not self._exchanges:
            await self.client.aclose()

    async def retire(self) -> None:
        self._retired = True
        if not self._exchanges:
            await self.client.aclose()


class Transport:
    """Kept connections with one TLS context at a time; `renew` gives new connections another one."""

    def __init__(self, settings: DmpSettings) -> None:
        self._settings = settings
        self._line: _Line | None = None
        self._retired: list[_Line] = []

    def open(self, context: ssl.SSLContext | None = None) -> None:
        """Loads the certificates, unless a context is given. Raises ConfigurationError; contacts nobody."""
        self._line = _Line(self._client(context or client_context(self._settings)))

    async def renew(self, context: ssl.SSLContext) -> None:
        """New connections use `context`; exchanges under way end on the old ones."""
        old, self._line = self._line, _Line(self._client(context))
        if old is not None:
            self._retired = [line for line in self._retired if not line.client.is_closed]
            self._retired.append(old)
            await old.retire()

    async def close(self) -> None:
        """Ends every connection, retired ones too."""
        lines = [*self._retired, *([self._line] if self._line is not None else [])]
        self._line, self._retired = None, []
        for line in lines:
            await line.client.aclose()

    def _client(self, context: ssl.SSLContext) -> httpx.AsyncClient:
        times = self._settings.timeouts
        return httpx.AsyncClient(
            verify=context,
            http1=True,
            http2=False,
            trust_env=False,
            follow_redirects=False,
            proxy=self._settings.proxy,
            timeout=httpx.Timeout(connect=times.connect, write=times.write, read=times.read, pool=times.connect),
            limits=httpx.Limits(
                max_connections=self._settings.connections,
                max_keepalive_connections=self._settings.connections,
                keepalive_expiry=15.0,
            ),
            headers={"User-Agent": "PFI", "Accept": "multipart/related, application/soap+xml"},
        )

    async def post(self, request: WireRequest, *, max_answer: int = _MAX_ANSWER) -> Reply | Outcome:
        """One POST; an Outcome when there is no answer, or one of more than `max_answer` bytes. Never raises for what
        the network does."""
        try:
            async with (
                self._opened() as client,
                client.stream(
                    "POST", request.url, content=request.body, headers={"Content-Type": request.content_type}
                ) as response,
            ):
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > max_answer:
                        return _unknown("DMP_ANSWER_TOO_LARGE", "La réponse du DMP est anormalement longue.")
                return Reply(
                    status=response.status_code,
                    content_type=response.headers.get("Content-Type", ""),
                    content=bytes(content),
                    retry_after=_seconds(response.headers.get("Retry-After", "")),
                )
        except httpx.PoolTimeout:
            return Outcome(OutcomeKind.NOT_DELIVERED, "DMP_BUSY", "Toutes les connexions vers le DMP sont occupées.")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            return _not_connected(error)
        except (httpx.HTTPError, OSError) as error:  # an ssl.SSLError of a read comes through as it is
            return _interrupted(error)

    async def reach(self, url: str) -> Outcome | None:
        """Connects to a service and ends a TLS handshake; `None` when it works. Sends no patient data."""
        try:
            # The status does not matter: a SOAP service may well refuse a GET.
            async with self._opened() as client, client.stream("GET", url):
                return None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.PoolTimeout) as error:
            return _not_connected(error)
        except (httpx.HTTPError, OSError) as error:
            return _interrupted(error)

    def _opened(self) -> _Line:
        if self._line is None:
            raise ConfigurationError("DMP_NOT_OPEN", "Le connecteur DMP n'est pas ouvert.")
        return self._line


def host_of(url: str) -> str:
    """`host:port`, for messages."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}"


def _everybody(_server: x509.Certificate) -> str:
    return ""


def client_context(settings: DmpSettings, judge: Judge = _everybody) -> ssl.SSLContext:
    """Mutual TLS with the certificate of `settings`, towards the given authorities only. `judge` is asked about the
    server's certificate once the rest is found good. Raises ConfigurationError."""
    context = guarded_context(judge)
    context.set_ciphers(_CIPHERS)
    tls = settings.tls
    load_authorities(context, tls.ca, code="DMP_CA_UNREADABLE", service="DMP")
    password = read_secret(tls.key_password, "tls.key_password")
    load_pair(context, tls.certificate, tls.key, password, code="DMP_TLS_CERTIFICATE_UNREADABLE", service="DMP")
    return context


def _not_connected(error: httpx.HTTPError) -> Outcome:
    failure = _tls_failure(error)
    if failure is not None:
        return failure
    if isinstance(error, httpx.ConnectTimeout):
        return Outcome(
            OutcomeKind.NOT_DELIVERED,
            "DMP_CONNECT_TIMEOUT",
            "Le DMP n'a pas répondu à la demande de connexion.",
            busy=True,
        )
    return Outcome(OutcomeKind.NOT_DELIVERED, "DMP_UNREACHABLE", "Le DMP est injoignable.", busy=True)


def _interrupted(error: Exception) -> Outcome:
    """With TLS 1.3 the server refuses our certificate after its own handshake is over: the alert comes with the first
    read, and the server has then looked at nothing of the request."""
    failure = _tls_failure(error)
    if failure is not None:
        return failure
    if isinstance(error, httpx.TimeoutException):
        return _unknown("DMP_TIMEOUT", "Le DMP n'a pas répondu dans le délai après l'envoi.")
    return _unknown("DMP_CONNECTION_LOST", "La connexion avec le DMP a été coupée pendant l'échange.")


def _tls_failure(error: BaseException) -> Outcome | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _stop("DMP_SERVER_CERTIFICATE", "Le certificat du serveur du DMP n'est pas reconnu (tls.ca).")
        if isinstance(cause, ssl.SSLError) and any(alert in (cause.reason or "") for alert in _REFUSALS):
            return _stop("DMP_TLS_REFUSED", "Le DMP a refusé la connexion TLS ou notre certificat.")
        cause = cause.__cause__ or cause.__context__
    return None


def _stop(code: str, text: str) -> Outcome:
    return Outcome(OutcomeKind.NOT_DELIVERED, code, text, stop_destination=True)


def _unknown(code: str, text: str) -> Outcome:
    return Outcome(OutcomeKind.UNKNOWN, code, text, busy=True)


def _seconds(retry_after: str) -> float | None:
    """A number of seconds; the date form of Retry-After is not used by SOAP services and is ignored."""
    return min(float(retry_after), _MAX_RETRY_AFTER) if retry_after.isascii() and retry_after.isdigit() else None
