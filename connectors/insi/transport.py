"""HTTPS to INSi with the certificate of the organisation. Whatever fails here says nothing of the patient."""

import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from connectors.insi.settings import InsiSettings
from connectors.insi.wire import WireRequest
from pfi.model.errors import ConfigurationError
from pfi.standards.x509.contexts import load_authorities, load_pair
from pfi.standards.x509.secret import read_secret

MAX_ANSWER: Final = 1024 * 1024
_MAX_RETRY_AFTER: Final = 86_400.0
_CIPHERS: Final = "ECDHE+CHACHA20:ECDHE+AESGCM:ECDHE-RSA-AES256-SHA384"  # those of the LPS front (DMP digest §2.1)


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP answer; `retry_after` in seconds when the peer gave one."""

    status: int
    content: bytes = field(repr=False)
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """No verification was possible. `text` is French. `away`: the service itself cannot be reached, so that asking
    about somebody else would fail alike."""

    code: str
    text: str
    retry_after: float | None = None
    away: bool = False


class Transport:
    """One client, one TLS context, kept connections."""

    def __init__(self, settings: InsiSettings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None
        self._retired: list[httpx.AsyncClient] = []

    def open(self, context: ssl.SSLContext) -> None:
        """Makes connections possible; contacts nobody."""
        self._client = self._made(context)

    async def renew(self, context: ssl.SSLContext) -> None:
        """New connections use `context`; exchanges under way end on the old ones, closed at the next renewal."""
        if self._client is not None:
            await self._close_retired()
            self._retired.append(self._client)
            self._client = self._made(context)

    def _made(self, context: ssl.SSLContext) -> httpx.AsyncClient:
        times, size = self._settings.timeouts, self._settings.connections
        return httpx.AsyncClient(
            verify=context,
            http1=True,
            http2=False,
            trust_env=False,
            follow_redirects=False,
            proxy=self._settings.proxy,
            timeout=httpx.Timeout(connect=times.connect, write=times.read, read=times.read, pool=times.total),
            limits=httpx.Limits(max_connections=size, max_keepalive_connections=size, keepalive_expiry=15.0),
            headers={"User-Agent": "PFI", "Accept": "application/soap+xml"},
        )

    async def close(self) -> None:
        await self._close_retired()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _close_retired(self) -> None:
        while self._retired:
            await self._retired.pop().aclose()

    async def post(self, request: WireRequest) -> Reply | Failure:
        """One POST. Never raises for what the network does."""
        try:
            async with self._opened().stream(
                "POST", self._settings.url, content=request.body, headers={"Content-Type": request.content_type}
            ) as response:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER:
                        return Failure(
                            "INSI_ANSWER_TOO_LARGE", "La réponse du téléservice INSi est anormalement longue."
                        )
                return Reply(response.status_code, bytes(content), _seconds(response.headers.get("Retry-After", "")))
        except (httpx.HTTPError, OSError) as error:  # an ssl.SSLError of a read comes through as it is
            return _failure(error)

    async def reach(self) -> Failure | None:
        """Connects and ends a TLS handshake; `None` when it works. Sends no patient data."""
        try:
            # The status does not matter: a SOAP service may well refuse a GET.
            async with self._opened().stream("GET", self._settings.url):
                return None
        except (httpx.HTTPError, OSError) as error:
            return _failure(error)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            raise ConfigurationError("INSI_NOT_OPEN", "Le connecteur INSi n'est pas ouvert.")
        return self._client


def host_of(url: str) -> str:
    """`host:port`, for messages."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}"


def client_context(settings: InsiSettings) -> ssl.SSLContext:
    """Mutual TLS towards the given authorities only. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    tls = settings.tls
    load_authorities(context, tls.ca, code="INSI_CA_UNREADABLE", service="INSi")
    password = read_secret(tls.key_password, "key_password")
    load_pair(context, tls.certificate, tls.key, password, code="INSI_TLS_CERTIFICATE_UNREADABLE", service="INSi")
    return context


def _failure(error: Exception) -> Failure:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(
                "INSI_SERVER_CERTIFICATE",
                "Le certificat du serveur du téléservice INSi n'est pas reconnu (tls.ca).",
                away=True,
            )
        if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            return Failure(
                "INSI_TLS_REFUSED",
                "Le téléservice INSi a refusé la connexion TLS ou notre certificat.",
                away=True,
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return Failure("INSI_TIMEOUT", "Le téléservice INSi n'a pas répondu dans le délai.", away=True)
    if isinstance(error, httpx.ConnectError | httpx.ProxyError | httpx.UnsupportedProtocol):
        return Failure("INSI_UNREACHABLE", "Le téléservice INSi est injoignable.", away=True)
    return Failure("INSI_CONNECTION_LOST", "La connexion avec le téléservice INSi a été coupée.")


def _seconds(retry_after: str) -> float | None:
    """A number of seconds; the date form of Retry-After is not used by SOAP services and is ignored."""
    return min(float(retry_after), _MAX_RETRY_AFTER) if retry_after.isascii() and retry_after.isdigit() else None
