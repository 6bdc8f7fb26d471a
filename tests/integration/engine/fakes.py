"""Neighbours under the test's control, and an engine between them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pfi.engine.configuration import Configuration
from pfi.engine.connector import (
    Answer,
    CheckResult,
    ConnectorSettings,
    Directory,
    OutboundMessage,
    Peer,
    Preview,
    Surroundings,
)
from pfi.engine.context import Timings
from pfi.engine.runner import Engine
from pfi.engine.settings import Settings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.standards.hl7v2.ack import read_ack
from pfi.standards.hl7v2.zam import read_zam
from samples.generator import documents
from samples.generator.catalogue import IN_STAY
from samples.generator.request import DPI, Flags, Kind, Request, write_request
from samples.generator.world import CARDIOLOGIST

PEER = Peer("entree", "127.0.0.1:50000")
FAST = Timings(lease=1.5, beat=0.1, linger=0.02, attempt=2.0, forgotten=0.3, upkeep=3600, poll=0.2, store_retry=0.05)
"""An engine that recovers within two seconds: less, and a busy machine would recover what is alive."""

DELIVERED = Outcome(OutcomeKind.DELIVERED)
NOT_DELIVERED = Outcome(OutcomeKind.NOT_DELIVERED, "503", "Service indisponible.")
REFUSED = Outcome(OutcomeKind.REFUSED, "DMPClosed", "Le DMP est fermé.")
UNKNOWN = Outcome(OutcomeKind.UNKNOWN, "LOST", "Connexion perdue après l'envoi.")

Answering = Callable[[Delivery], Outcome]


class FakeConnector:
    """Answers what it is told to, in order, then `DELIVERED`; remembers what it was given."""

    settings_model = ConnectorSettings

    def __init__(self, settings: Any = None, surroundings: Surroundings | None = None) -> None:
        self.sent: list[Delivery] = []
        self.resolved: list[Delivery] = []
        self.looked: list[Delivery] = []
        self.answers: list[Outcome | Answering | Exception] = []
        self.resolutions: list[Outcome | Answering | Exception] = []
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> tuple[CheckResult, ...]:
        return ()

    def preview(self, delivery: Delivery) -> Preview:
        return Preview("txt", b"")

    async def send(self, delivery: Delivery) -> Outcome:
        self.sent.append(delivery)
        return await self._answer(self.answers, delivery)

    async def resolve(self, delivery: Delivery) -> Outcome:
        self.resolved.append(delivery)
        return await self._answer(self.resolutions, delivery)

    async def look(self, delivery: Delivery) -> Outcome:
        self.looked.append(delivery)
        return await self._answer(self.resolutions, delivery)

    async def _answer(self, answers: list[Outcome | Answering | Exception], delivery: Delivery) -> Outcome:
        answer = answers.pop(0) if answers else DELIVERED
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer(delivery) if callable(answer) else answer


class FakeReply:
    """The sender's own listener for business acknowledgments."""

    settings_model = ConnectorSettings

    def __init__(self, settings: Any = None, surroundings: Surroundings | None = None) -> None:
        self.received: list[OutboundMessage] = []
        self.answers: list[Outcome | Exception] = []
        self.gate: asyncio.Event | None = None

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> tuple[CheckResult, ...]:
        return ()

    async def send_message(self, message: OutboundMessage) -> Outcome:
        self.received.append(message)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else DELIVERED
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def told(self) -> list[tuple[str, bool, str, str]]:
        """(event, success, mailbox, code) of each, sorted."""
        acks = [read_zam(message.content) for message in self.received]
        return sorted((ack.event.value, ack.success, ack.mailbox, ack.error_code) for ack in acks)


class House:
    """An engine, its two destinations and its sender's listener."""

    def __init__(self, url: str, *, timings: Timings = FAST, **changes: Any) -> None:
        self.url = url
        self.dmp = FakeConnector()
        self.mail = FakeConnector()
        self.reply = FakeReply()
        self.directory: Directory | None = None
        self.settings = make_settings(**changes)
        self.timings = timings
        self.clock = system_clock
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        return Engine(
            Configuration(self.settings),
            clock=lambda: self.clock(),
            ids=IdSource(),
            timings=self.timings,
            url=self.url,
            connectors={"dmp": self.dmp, "mssante": self.mail},
            replies={"dpi": self.reply},
            directory=self.directory,
        )

    async def accept(self, raw: bytes) -> Answer:
        return await self.engine.intake.accept(raw, PEER)

    async def code(self, raw: bytes) -> str:
        """MSA-1 of the answer."""
        answer = await self.accept(raw)
        assert answer.content is not None
        return read_ack(answer.content).code

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.engine.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]

    async def states(self) -> dict[str, str]:
        """State of each delivery, by channel and order: `DMP`, `DMP2`..."""
        found: dict[str, str] = {}
        for row in await self.fetch("SELECT channel, state FROM deliveries ORDER BY seq"):
            rank = 1
            while (name := row["channel"] + (str(rank) if rank > 1 else "")) in found:
                rank += 1
            found[name] = row["state"]
        return found

    async def until(self, **states: str) -> None:
        """Waits until deliveries are in these states."""
        await eventually(lambda: self._are(states))

    async def _are(self, states: dict[str, str]) -> bool:
        now = await self.states()
        return all(now.get(name) == state for name, state in states.items())

    async def told(self, count: int) -> list[tuple[str, bool, str, str]]:
        """Waits for business acknowledgments and returns them."""

        async def enough() -> bool:
            return len(self.reply.received) >= count

        await eventually(enough)
        return self.reply.told


@asynccontextmanager
async def house(url: str, **changes: Any) -> AsyncIterator[House]:
    built = House(url, **changes)
    await built.engine.start()
    try:
        yield built
    finally:
        await built.engine.stop(grace=2)


async def eventually(true: Callable[[], Any], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # the truth is in a database
            await asyncio.sleep(0.02)


def make_settings(
    *,
    retry: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    sender: dict[str, Any] | None = None,
    concurrency: int = 8,
    pause: float = 0.5,
    reply: bool = True,
    destinations: bool = True,
) -> Settings:
    common = {
        "concurrency": concurrency,
        "pause_seconds": pause,
        "retry": {"first_seconds": 0.05, "longest_seconds": 0.2, "max_attempts": 5, **(retry or {})},
    }
    return Settings.model_validate(
        {
            "data_dir": str(Path("/nonexistent")),
            "ins": {"environment": "test"},
            "senders": [
                {
                    "name": "dpi",
                    "match": {"application": "DPI"},
                    **({"reply": {"connector": "fake"}} if reply else {}),
                    **(sender or {}),
                }
            ],
            "destinations": {
                "dmp": {"connector": "fake", "channels": ["DMP"], **common},
                "mssante": {"connector": "fake", "channels": ["PRO", "CIT"], **common},
            }
            if destinations
            else {},
            "limits": limits or {},
        }
    )


def letter(
    control_id: str = "M1",
    *,
    key: str = "",
    flags: Flags | None = None,
    kind: Kind = Kind.INITIAL,
    version: int = 0,
    **changes: object,
) -> bytes:
    """A discharge letter of a patient whose identity is qualified; all three channels ordered unless told otherwise.

    A replacement of the same `key` is its version 2 unless told otherwise; any version above 1 replaces the one before.
    """
    document = documents.discharge_letter(key or control_id)
    version = version or (2 if kind is Kind.REPLACE else 1)
    if version > 1:
        document = replace(document, version=version, replaces_version=version - 1)
    request = Request(DPI, control_id, (document,), IN_STAY, CARDIOLOGIST, kind=kind, flags=flags or Flags())
    return write_request(request.but(**changes))


def to_everybody(kind: OutcomeKind, code: str = "", **evidence: str) -> Answering:
    """The same answer for every recipient."""

    def answer(delivery: Delivery) -> Outcome:
        return Outcome(
            kind,
            code,
            recipients=tuple(RecipientOutcome(each.address, kind, code) for each in delivery.recipients),
            evidence=dict(evidence),
        )

    return answer
