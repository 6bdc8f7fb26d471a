"""The white list, fetched from time to time and kept in a file: the last good one serves when the source is away."""

import asyncio
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx

from connectors.mssante.settings import WhiteListSettings
from pfi.model.clock import Clock
from pfi.model.errors import ConfigurationError, PfiError, TransportError, system_reason
from pfi.standards.files import replace_file
from pfi.standards.mail.whitelist import MAX_BYTES, WhiteList, read_white_list
from pfi.standards.x509.contexts import load_authorities

_TIMEOUT: Final = 30.0
_TOTAL: Final = 60.0
_RETRY: Final = timedelta(minutes=5)
"""Before a failed fetch is tried again."""
_LOOK: Final = timedelta(minutes=1)
"""Between two looks at a file that is put there by hand."""
_LEAST_SHARE: Final = 0.5
"""Of the domains in force: a list with fewer would refuse, for good, what a mere incident took away."""


class TrustSpace:
    """Says which mailboxes may be written to and read from. Without any list yet, it admits everybody and says so in
    `pfi check`: the operator enforces the list too (mssante digest §11)."""

    def __init__(self, settings: WhiteListSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._list: WhiteList | None = None
        self._next: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self.fault: PfiError | None = None
        """What was wrong at the last refresh."""

    def open(self) -> None:
        """Reads the file of the last good list. Raises ConfigurationError when there is none to use, nor any source to
        fetch one from."""
        try:
            self._list = self._kept()
        except PfiError as error:
            if self._settings.url is None:
                raise _unusable(error) from None
            self.fault = _unusable(error)

    def admits(self, address: str) -> bool:
        """Whether a mailbox may be written to, or its mails taken."""
        self._begin()
        return self._list is None or self._list.admits(address)

    @property
    def known(self) -> int | None:
        """Number of domains; `None` when no list was ever had."""
        return None if self._list is None else len(self._list.domains)

    async def look(self) -> None:
        """Refreshes the list when it is time: without waiting when one is known, else before anything is judged. Never
        raises: `fault` tells; the list in force stays."""
        self._begin()
        if self._list is None and self._task is not None:
            await asyncio.shield(self._task)

    async def refresh(self) -> None:
        """Refreshes the list when it is time, and waits for the end. Never raises."""
        self._begin()
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        """Ends a refresh under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _begin(self) -> None:
        """Starts a refresh when it is time and none is under way; nothing outside an event loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        due = self._next is None or self._clock() >= self._next
        if due and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        url, authorities = self._settings.url, self._settings.ca
        fetched = url is not None and authorities is not None
        self._next = self._clock() + (_RETRY if fetched else _LOOK)
        try:
            if url is None or authorities is None:
                self._list, self.fault = await asyncio.to_thread(self._kept), None
                return
            data = await self._fetch(url, authorities)
            found = read_white_list(data, self._settings.domains)
            self._measure(found)
        except PfiError as error:
            self.fault = error if fetched else _unusable(error)
            return
        self._list, self.fault = found, None
        self._next = self._clock() + timedelta(hours=self._settings.hours)
        try:
            await asyncio.to_thread(replace_file, self._settings.file, data)
        except OSError as error:
            self.fault = TransportError(
                "WHITE_LIST_NOT_KEPT",
                f"La liste blanche MSSanté est en vigueur, mais n'a pas pu être enregistrée ({system_reason(error)}).",
                "Vérifier « white_list.file », ses droits et la place libre.",
            )

    def _kept(self) -> WhiteList | None:
        """The list of the file; `None` when there is no file yet and a source will give one. Raises PfiError."""
        try:
            return read_white_list(self._settings.file.read_bytes(), self._settings.domains)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._settings.url is not None:
                return None
            raise ConfigurationError("WHITE_LIST_UNREADABLE", f"{system_reason(error).capitalize()}.") from None

    def _measure(self, found: WhiteList) -> None:
        if self._list is not None and len(found.domains) < _LEAST_SHARE * len(self._list.domains):
            raise TransportError(
                "WHITE_LIST_SHRUNK",
                f"La liste blanche publiée n'a plus que {len(found.domains)} domaines, contre "
                f"{len(self._list.domains)} dans celle en vigueur, qui le reste.",
                "Si cette baisse est réelle, supprimer le fichier « white_list.file » et redémarrer.",
            )

    async def _fetch(self, url: str, authorities: Path) -> bytes:
        content = bytearray()
        try:
            async with (
                asyncio.timeout(_TOTAL),
                httpx.AsyncClient(
                    verify=await asyncio.to_thread(_context, authorities),
                    trust_env=False,
                    proxy=self._settings.proxy,
                    timeout=_TIMEOUT,
                    follow_redirects=False,
                ) as client,
                client.stream("GET", url) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise _away(f"HTTP {response.status_code}")
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_BYTES:
                        raise _away("réponse anormalement longue")
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise _away(type(error).__name__) from None
        return bytes(content)


def _context(authorities: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_authorities(context, authorities, code="WHITE_LIST_CA_UNREADABLE", service="liste blanche MSSanté")
    return context


def _unusable(error: PfiError) -> ConfigurationError:
    return ConfigurationError(
        "WHITE_LIST_UNREADABLE",
        f"Fichier de la liste blanche MSSanté inutilisable. {error.text}",
        "Vérifier « white_list.file » et ses droits.",
    )


def _away(reason: str) -> TransportError:
    return TransportError(
        "WHITE_LIST_NOT_FETCHED",
        f"La liste blanche MSSanté n'a pas pu être téléchargée ({reason}) : la dernière bonne liste reste en vigueur.",
        "Vérifier « white_list.url », « white_list.ca » et l'accès à Internet.",
    )
