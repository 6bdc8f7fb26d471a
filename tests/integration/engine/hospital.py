"""An engine between a sender and the real sandbox DMP: sockets, TLS, signatures. Mails go to a fake."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from connectors.sandbox.dmp.registry import StoredDocument
from connectors.sandbox.faults import Fault, FaultKind, Service
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Connector, Surroundings
from pfi.engine.runner import Engine
from pfi.model.clock import IdSource, system_clock
from samples.generator import documents
from tests.contract.dmp_peer import settled
from tests.integration.engine.fakes import FAST, House

STEADY = replace(FAST, attempt=30.0, lease=10.0)
MATRICULE = "279035121518989"


def version_id(key: str, version: int) -> str:
    """uniqueId of a version of the letter made from `key` (`tests.integration.engine.fakes.letter`)."""
    return documents.discharge_letter(key).version_id(version)


class Hospital(House):
    """A house whose DMP is the sandbox's."""

    def __init__(self, url: str, sandbox: Sandbox, **changes: Any) -> None:
        self.sandbox = sandbox
        settings = DmpSettings.model_validate(sandbox.configuration()["dmp"])
        self.connector = DmpConnector(settings, Surroundings(system_clock, IdSource(), "PFI", "1.0"))
        super().__init__(url, timings=STEADY, **changes)

    def new_engine(self) -> Engine:
        return Engine(
            Configuration(self.settings),
            clock=lambda: self.clock(),
            ids=IdSource(),
            timings=self.timings,
            url=self.url,
            connectors={"dmp": cast(Connector, self.connector), "mssante": self.mail},
            replies={"dpi": self.reply},
        )

    @property
    def shown(self) -> list[tuple[int | None, str]]:
        """Version and status of each document that the DMP ever took, oldest first."""
        return [(each.version, each.status.name.lower()) for each in self.stored]

    @property
    def stored(self) -> tuple[StoredDocument, ...]:
        return self.sandbox.dmp.documents()

    def order(self, kind: FaultKind, unique_id: str = "", transaction: str = "TD2.1", **more: Any) -> None:
        """A fault of the DMP, for one document when its uniqueId is given."""
        match = {"transaction": transaction, **({"unique_id": unique_id} if unique_id else {})}
        self.sandbox.faults.order(Fault(Service.DMP, kind, match=match, **more))

    async def attempts(self, name: str = "DMP") -> list[dict[str, Any]]:
        """Attempts of a delivery, by its place among those of the DMP."""
        rank = int(name.removeprefix("DMP") or "1")
        return await self.fetch(
            "SELECT attempts.* FROM attempts JOIN deliveries ON deliveries.id = attempts.delivery_id"
            " WHERE seq = (SELECT seq FROM deliveries WHERE channel = 'DMP' ORDER BY seq LIMIT 1 OFFSET $1)"
            " ORDER BY number",
            rank - 1,
        )

    async def end(self, name: str = "DMP") -> tuple[str, str, tuple[str, ...]]:
        """State, code and codes of the warnings of the last attempt, of a delivery to the DMP."""
        rows = await self.fetch("SELECT state, code FROM deliveries WHERE channel = 'DMP' ORDER BY seq")
        row = rows[int(name.removeprefix("DMP") or "1") - 1]
        tried = await self.attempts(name)
        warnings = tuple(each.partition(" :")[0] for each in tried[-1]["warnings"]) if tried else ()
        return row["state"], row["code"], tuple(each for each in warnings if each.startswith("DMP_"))


@asynccontextmanager
async def hospital(url: str, directory: Path, **changes: Any) -> AsyncIterator[Hospital]:
    """`directory`: where the sandbox has its certificates; what its DMP holds there is erased."""
    async with Sandbox(directory) as sandbox:
        built = Hospital(url, sandbox, **changes)
        await built.engine.start()
        try:
            yield built
        finally:
            await built.engine.stop(grace=2)
            await settled()
    await settled()
