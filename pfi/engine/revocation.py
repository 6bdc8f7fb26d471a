"""Revocation lists fetched from where their authority publishes them, into files that connectors read."""

import asyncio
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from pfi.engine.settings import CrlSettings
from pfi.model.errors import ConfigurationError
from pfi.standards.x509.chain import read_authorities
from pfi.standards.x509.revocation import is_signed, parse_lists

_LARGEST_CRL: Final = 32 * 1024 * 1024
_CRL_TIMEOUT: Final = 30.0


class RevocationList:
    """A revocation list that is fetched into a file, which connectors read."""

    def __init__(self, settings: CrlSettings) -> None:
        self.settings = settings

    async def download(self, proxy: str | None = None) -> bool:
        """Replaces the file when the list that is published is newer; false when it is the same or an older one.

        Raises ConfigurationError `CRL_NOT_FETCHED`, `CRL_UNREADABLE`, `CRL_UNTRUSTED`, `AUTHORITIES_UNREADABLE`.
        """
        content = await self._fetch(proxy)
        return await asyncio.to_thread(self._keep, content)

    async def _fetch(self, proxy: str | None) -> bytes:
        content = bytearray()
        try:
            async with (
                httpx.AsyncClient(trust_env=False, proxy=proxy, timeout=_CRL_TIMEOUT, follow_redirects=False) as client,
                client.stream("GET", self.settings.url) as response,
            ):
                response.raise_for_status()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _LARGEST_CRL:
                        raise self._error("CRL_UNREADABLE", "est anormalement longue")
        except (httpx.HTTPError, OSError):
            raise self._error("CRL_NOT_FETCHED", "n'a pas pu être téléchargée") from None
        return bytes(content)

    def _keep(self, content: bytes) -> bool:
        try:
            lists = parse_lists(content)
        except ValueError:
            raise self._error("CRL_UNREADABLE", "est illisible") from None
        authorities = read_authorities(self.settings.authorities)
        if not lists or not all(is_signed(each, authorities) for each in lists):
            raise self._error("CRL_UNTRUSTED", "n'est pas signée par les autorités configurées")
        if min(each.last_update_utc for each in lists) <= self._known():
            return False
        _replace(self.settings.file, content)
        return True

    def _known(self) -> datetime:
        """When the list of the file was published; long ago when there is none."""
        try:
            return max(each.last_update_utc for each in parse_lists(self.settings.file.read_bytes()))
        except (OSError, ValueError):
            return datetime.min.replace(tzinfo=UTC)

    def _error(self, code: str, what: str) -> ConfigurationError:
        return ConfigurationError(code, f"La liste de révocation {self.settings.file.name} {what}.")


def _replace(path: Path, content: bytes) -> None:
    """Never half a file, whoever reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
