"""The whole way with real TLS: engine, INSi, DMP and the sender's own listener, each the strict mock of the sandbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.faults import Fault, FaultKind, Service
from connectors.sandbox.insi_register import Identity
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.configuration import Configuration
from pfi.engine.runner import Engine
from pfi.engine.settings import Settings
from samples.generator.request import Flags
from tests.contract.dmp_peer import settled
from tests.integration.engine.fakes import FAST, PEER, eventually, letter

MATRICULE = "279035121518989"
ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
STEADY = replace(FAST, attempt=30.0, lease=10.0)


@dataclass
class Hospital:
    sandbox: Sandbox
    engine: Engine

    async def send(self, raw: bytes) -> None:
        answer = await self.engine.intake.accept(raw, PEER)
        assert answer.content is not None
        assert b"MSA|AA" in answer.content

    async def ended(self, state: str) -> dict[str, Any]:
        """The only delivery, once it is in this state."""
        row: dict[str, Any] = {}

        async def done() -> bool:
            nonlocal row
            async with self.engine.database.connection() as connection:
                (found,) = await connection.fetch("SELECT state, code, text FROM deliveries")
                row = dict(found)
            return bool(row["state"] == state)

        await eventually(done)
        return row

    async def told(self) -> dict[str, Any]:
        """The only business acknowledgment that the sender received."""

        async def received() -> bool:
            return len(self.sandbox.dpi.zams) == 1

        await eventually(received)
        return self.sandbox.dpi.zams[0].summary()

    @property
    def verdicts(self) -> list[str]:
        return [call.verdict for call in self.sandbox.insi.calls]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates are made once."""
    return tmp_path_factory.mktemp("sandbox")


@asynccontextmanager
async def hospital(directory: Path, url: str) -> AsyncIterator[Hospital]:
    async with Sandbox(directory) as sandbox:
        sandbox.dmp.put_patient(MATRICULE, DmpState.ACTIVE)
        found = sandbox.configuration()
        reply = {"connector": "mllp", "settings": {"host": found["dpi"]["host"], "port": found["dpi"]["port"]}}
        retry = {"first_seconds": 0.2, "max_attempts": 8}
        dmp = {"connector": "dmp", "channels": ["DMP"], "retry": retry, "settings": found["dmp"]}
        verification = {"when": "before_sending", "connector": "insi", "settings": found["insi"]}
        settings = Settings.model_validate(
            {
                "ins": {"environment": "test", "verification": verification},
                "senders": [{"name": "dpi", "match": {"application": "DPI"}, "reply": reply}],
                "destinations": {"dmp": dmp},
            }
        )
        engine = Engine(Configuration(settings), timings=STEADY, url=url)
        await engine.start()
        try:
            yield Hospital(sandbox, engine)
        finally:
            await engine.stop(grace=2)
            await settled()
    await settled()


async def test_a_confirmed_identity_reaches_the_dmp(directory: Path, store_url: str) -> None:
    async with hospital(directory, store_url) as home:
        await home.send(letter("V1", key="verified", flags=ONLY_DMP))
        await home.ended("delivered")
        assert home.verdicts == ["00"]
        assert [call.transaction for call in home.sandbox.dmp.calls] == ["TD0.2", "TD2.1"]
        assert (await home.told())["success"] is True


async def test_a_contradicted_identity_never_reaches_the_dmp_and_its_sender_is_told(
    directory: Path, store_url: str
) -> None:
    async with hospital(directory, store_url) as home:
        home.sandbox.insi.people.put(
            Identity(MATRICULE, "PAT-TROIS", ("DOMINIQUE", "MARIE-LOUISE"), "F", "1979-03-27", "51215")
        )
        await home.send(letter("V2", key="contradicted", flags=ONLY_DMP))
        row = await home.ended("refused")
        assert row["code"] == "INS_CONTRADICTED"
        assert home.sandbox.dmp.calls == []
        told = await home.told()
        assert (told["event"], told["success"]) == ("Z01", False)
        assert told["error_code"] == "INS_CONTRADICTED"


async def test_the_dmp_waits_for_a_teleservice_that_is_away(directory: Path, store_url: str) -> None:
    async with hospital(directory, store_url) as home:
        home.sandbox.faults.order(Fault(Service.INSI, FaultKind.TEMPORARY, code="insi_101", times=2))
        await home.send(letter("V3", key="waited", flags=ONLY_DMP))
        await home.ended("delivered")
        assert home.verdicts == ["insi_101", "insi_101", "00"]
        assert [call.transaction for call in home.sandbox.dmp.calls] == ["TD0.2", "TD2.1"]
        assert (await home.told())["success"] is True
