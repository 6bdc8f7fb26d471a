"""The sandbox's Annuaire and directories that ask it, over real TLS, with the people it knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from connectors.annuaire.client import trust
from connectors.annuaire.directory import AnnuaireDirectory
from connectors.annuaire.importing import import_file
from connectors.annuaire.settings import AnnuaireSettings, ExtractSettings
from connectors.sandbox.annuaire import KEY, AnnuaireServer
from connectors.sandbox.certificates import Certificates
from pfi.engine.connector import Away, Found, Lookup, Surroundings
from pfi.model.clock import IdSource
from tests.contract.dmp_peer import settled
from tests.unit.annuaire.given import NAME, written

OWN, TWO_PLACES, NO_MAILBOX, RETIRED = "99900000017", "99900000025", "99900000033", "99900000041"
HERE, THERE = "990000025", "990000033"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Pair:
    """The sandbox's Annuaire, and directories that ask it."""

    def __init__(self, server: AnnuaireServer, certificates: Certificates, folder: Path) -> None:
        self.server = server
        self.certificates = certificates
        self.folder = folder
        self.clock = Clock()
        (folder / "key").write_text(f"{KEY}\n")

    def settings(self, **changes: Any) -> AnnuaireSettings:
        values: dict[str, Any] = {
            "url": self.server.url,
            "key": {"file": self.folder / "key"},
            "ca": self.certificates.ca,
            "requests_per_second": 17,
            "attempts": 1,
        }
        return AnnuaireSettings.model_validate({**values, **changes})

    @asynccontextmanager
    async def opened(self, **changes: Any) -> AsyncIterator[AnnuaireDirectory]:
        directory = AnnuaireDirectory(self.settings(**changes), Surroundings(self.clock, IdSource()))
        await directory.open()
        try:
            yield directory
        finally:
            await directory.close()

    async def resolved(self, professional: str = "", structure: str = "", **changes: Any) -> Lookup:
        async with self.opened(**changes) as directory:
            return await directory.resolve(professional, structure)

    def extract(self, *lines: str, name: str = NAME) -> dict[str, Any]:
        settings = ExtractSettings(file=self.folder / "annuaire.sqlite")
        import_file(written(self.folder, *lines, name=name), settings, self.clock)
        return settings.model_dump()

    async def raw(self, path: str, key: str = KEY) -> httpx.Response:
        async with httpx.AsyncClient(verify=trust(self.certificates.ca), trust_env=False) as client:
            base = self.server.url.removesuffix("/fhir/v2")
            return await client.get(f"{base}{path}", headers={"ESANTE-API-KEY": key} if key else {})


@asynccontextmanager
async def paired(certificates: Certificates, folder: Path) -> AsyncIterator[Pair]:
    server = AnnuaireServer(certificates, lambda: ("medecin.mssante.fr",))
    await server.start()
    try:
        yield Pair(server, certificates, folder)
    finally:
        await server.stop()
        await settled()


def address(lookup: Lookup) -> str:
    assert isinstance(lookup, Found), lookup
    return lookup.mailbox.address


def code(lookup: Lookup) -> str:
    assert isinstance(lookup, Away), lookup
    return lookup.code
