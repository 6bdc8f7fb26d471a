"""HTTPS to the FHIR API: the key, the pace, tries again, pages (directory digest §2).

Answers are read as JSON objects (`Element`), not through the strict R4 models: one unknown element of one resource must
not hide a mailbox, and only five of them matter here.
"""

import asyncio
import random
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import certifi
import httpx
import orjson

from connectors.annuaire.errors import AnnuaireAwayError, AnnuaireRefusedError, refused, unreadable
from connectors.annuaire.pace import Pace
from connectors.annuaire.settings import AnnuaireSettings
from pfi.model.clock import Clock
from pfi.model.errors import ConfigurationError
from pfi.standards.fhir.element import Element
from pfi.standards.x509.contexts import load_authorities

_MAX_ANSWER: Final = 8 * 1024 * 1024
_MAX_PAGES: Final = 20
_LONGEST_WAIT: Final = 10.0
"""A longer wait between two tries is left to the caller's own schedule."""
_MAX_RETRY_AFTER: Final = 86_400.0
_NOTHING: Final = Element({}, "")
_JITTER: Final = random.SystemRandom()


class Client:
    """Searches of one application. Safe for concurrent calls."""

    def __init__(self, settings: AnnuaireSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._pace = Pace.shared(host_of(settings.url), settings.requests_per_second)
        self._client: httpx.AsyncClient | None = None

    def open(self, key: str) -> None:
        """Makes connections possible; contacts nobody. Raises ConfigurationError."""
        if not key.isascii() or not key.isprintable():
            raise ConfigurationError(
                "ANNUAIRE_KEY_UNUSABLE", "La clé d'API de l'Annuaire Santé contient un caractère interdit."
            )
        times, size = self._settings.timeouts, self._settings.connections
        self._client = httpx.AsyncClient(
            verify=trust(self._settings.ca),
            http1=True,
            http2=False,
            trust_env=False,
            follow_redirects=False,
            proxy=self._settings.proxy,
            timeout=httpx.Timeout(connect=times.connect, write=times.read, read=times.read, pool=times.total),
            limits=httpx.Limits(max_connections=size, max_keepalive_connections=size, keepalive_expiry=15.0),
            headers={"User-Agent": "PFI", "Accept": "application/fhir+json", "ESANTE-API-KEY": key},
        )

    async def close(self) -> None:
        """Ends connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def search(self, kind: str, criteria: Mapping[str, str]) -> tuple[Element, ...]:
        """Resources of every page, in order, included ones too. Raises AnnuaireAwayError, AnnuaireRefusedError."""
        url = str(httpx.URL(f"{self._settings.url}/{kind}", params=dict(criteria)))
        found: list[Element] = []
        for _ in range(_MAX_PAGES):
            bundle = await self.read(url)
            if bundle.kind != "Bundle":
                raise unreadable()
            found += [each for entry in bundle.all("entry") if (each := entry.one("resource"))]
            following = next((each.text("url") for each in bundle.all("link") if each.text("relation") == "next"), "")
            if not following:
                return tuple(found)
            url = self._page(url, following)
        raise unreadable()

    def _page(self, url: str, following: str) -> str:
        """The next page, verbatim: never elsewhere than at the service, for the key goes with the request."""
        try:
            joined = urljoin(url, following)
            ours, theirs = httpx.URL(self._settings.url), httpx.URL(joined)
        except (ValueError, httpx.InvalidURL):
            raise unreadable() from None
        same = (ours.scheme, ours.host, ours.port) == (theirs.scheme, theirs.host, theirs.port)
        if joined == url or not same or theirs.userinfo or not theirs.path.startswith(f"{ours.path}/"):
            raise unreadable()
        return joined

    async def read(self, url: str) -> Element:
        """One resource of the service. Raises AnnuaireAwayError, AnnuaireRefusedError."""
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return await self._get(url)
            except AnnuaireAwayError as error:
                wait = error.retry_after
                if wait is None:
                    wait = 0.5 * 2 ** (attempt - 1) * (1 + _JITTER.random())
                if attempt == self._settings.attempts or wait > _LONGEST_WAIT or error.code == "ANNUAIRE_CERTIFICATE":
                    raise
            await asyncio.sleep(wait)
        raise unreadable()

    async def _get(self, url: str) -> Element:
        if self._client is None:
            raise ConfigurationError("ANNUAIRE_NOT_OPEN", "Le connecteur de l'Annuaire Santé n'est pas ouvert.")
        await self._pace.turn()
        content = bytearray()
        try:
            async with self._client.stream("GET", url) as response:
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _MAX_ANSWER:
                        raise unreadable()
        except (httpx.HTTPError, OSError) as error:  # an ssl.SSLError of a read comes through as it is
            raise _lost(error) from None
        status = response.status_code
        if status == httpx.codes.OK:
            return _element(bytes(content))
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise self._busy(status, response.headers.get("Retry-After", ""))
        raise refused(status, _lenient(bytes(content)))

    def _busy(self, status: int, retry_after: str) -> AnnuaireAwayError:
        after = _seconds(retry_after, self._clock())
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return AnnuaireAwayError("ANNUAIRE_BUSY", "L'Annuaire Santé demande d'attendre (quota).", retry_after=after)
        return AnnuaireAwayError(
            "ANNUAIRE_FAILED", f"L'Annuaire Santé est en panne (HTTP {status}).", retry_after=after, down=True
        )


def host_of(url: str) -> str:
    """`host:port`, for messages."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}"


def trust(authorities: Path | None) -> ssl.SSLContext:
    """TLS towards the given authorities, else the public ones of certifi; never the system's. Raises
    ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    path = Path(certifi.where()) if authorities is None else authorities
    load_authorities(context, path, code="ANNUAIRE_CA_UNREADABLE", service="Annuaire Santé")
    return context


def _element(content: bytes) -> Element:
    try:
        read = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise unreadable() from None
    if not isinstance(read, dict):
        raise unreadable()
    return Element(read, str(read.get("resourceType", "")))


def _lenient(content: bytes) -> Element:
    """An error's body, which may be anything."""
    try:
        return _element(content)
    except AnnuaireRefusedError:
        return _NOTHING


def _lost(error: Exception) -> AnnuaireAwayError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = "Le certificat de l'Annuaire Santé n'est pas reconnu (ca)."
            return AnnuaireAwayError("ANNUAIRE_CERTIFICATE", text, down=True)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return AnnuaireAwayError("ANNUAIRE_TIMEOUT", "L'Annuaire Santé n'a pas répondu dans le délai.", down=True)
    return AnnuaireAwayError(
        "ANNUAIRE_UNREACHABLE",
        "L'Annuaire Santé est injoignable : vérifier « url », « proxy », « ca » et le pare-feu.",
        down=True,
    )


def _seconds(retry_after: str, now: datetime) -> float | None:
    """A number of seconds, or a date (RFC 9110 §10.2.3); `None` when it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), _MAX_RETRY_AFTER)
