"""An engine that verifies identities, between fake neighbours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pfi.engine.configuration import Configuration
from pfi.engine.connector import Verification, VerificationKind
from pfi.engine.runner import Engine
from pfi.engine.settings import Settings
from pfi.model.clock import IdSource
from tests.integration.engine.fakes import House
from tests.unit.insi.test_verifications import Oracle

CONFIRMED = Verification(VerificationKind.CONFIRMED, "INSI_00", "Confirmée.")
CONTRADICTED = Verification(VerificationKind.CONTRADICTED, "INSI_01", "Aucune identité.")
UNDECIDED = Verification(VerificationKind.UNDECIDED, "INSI_02", "Plusieurs identités.")
UNAVAILABLE = Verification(VerificationKind.UNAVAILABLE, "insi_102", "Indisponible.")


class VerifyingHouse(House):
    """A house with an oracle in place of the teleservice."""

    def __init__(self, url: str, *answers: Verification, verification: dict[str, Any], **changes: Any) -> None:
        self.oracle = Oracle([*answers])
        self.verification = verification
        super().__init__(url, **changes)

    def new_engine(self) -> Engine:
        ins = {"environment": "test", "verification": {"when": "before_sending", **self.verification}}
        self.settings = Settings.model_validate({**self.settings.model_dump(), "ins": ins})
        return Engine(
            Configuration(self.settings),
            ids=IdSource(),
            timings=self.timings,
            url=self.url,
            connectors={"dmp": self.dmp, "mssante": self.mail},
            replies={"dpi": self.reply},
            verifier=self.oracle,
        )

    async def events(self, *kinds: str) -> list[dict[str, Any]]:
        return await self.fetch("SELECT * FROM events WHERE kind = ANY($1) ORDER BY id", list(kinds))


@asynccontextmanager
async def verifying(
    url: str, *answers: Verification, verification: dict[str, Any] | None = None, **changes: Any
) -> AsyncIterator[VerifyingHouse]:
    """A started house that verifies before sending; the oracle answers in turn, the last answer for ever."""
    home = VerifyingHouse(url, *answers, verification=verification or {}, **changes)
    await home.engine.start()
    try:
        yield home
    finally:
        await home.engine.stop(grace=2)
