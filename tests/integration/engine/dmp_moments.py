"""An engine that feeds the sandbox's DMP over real TLS, and what may happen to one document on its way."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.dmp.registry import EntryStatus, StoredDocument
from connectors.sandbox.faults import Fault, FaultKind, Service
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Surroundings
from pfi.engine.runner import Engine
from pfi.model.acknowledgment import BusinessAck
from pfi.model.clock import IdSource, system_clock
from pfi.standards.hl7v2.ack import read_ack
from pfi.standards.hl7v2.zam import read_zam
from samples.generator import documents, world
from samples.generator.catalogue import IN_STAY
from samples.generator.clinical_document import ClinicalDocument, write
from samples.generator.request import DPI, Flags, Kind, Request, write_request
from tests.contract.dmp_peer import settled
from tests.integration.engine.fakes import FAST, PEER, FakeConnector, FakeReply, make_settings
from tests.integration.engine.tcp_proxy import Death, Proxy

READ_TIMEOUT = 3.0
_SEATS = 16
_SETTLED = ("delivered", "refused", "failed")
_DMP_ALONE = Flags(dest_mss_ps=False, dest_mss_pat=False)


class Step(Enum):
    """One transaction of one kind of submission: where the fault strikes."""

    EXISTENCE = ("TD0.2", Kind.INITIAL)
    FEED = ("TD2.1", Kind.INITIAL)
    LOOK = ("TD3.1b", Kind.INITIAL)
    """After a feed whose answer was lost."""
    REPLACED = ("TD3.1b", Kind.REPLACE)
    """The entryUUID of the document to replace."""
    REPLACE = ("TD2.1", Kind.REPLACE)
    DELETED = ("TD3.1b", Kind.DELETE)
    """The entryUUID of the document to delete."""
    DELETE = ("TD3.3c", Kind.DELETE)

    @property
    def transaction(self) -> str:
        return self.value[0]

    @property
    def kind(self) -> Kind:
        return self.value[1]

    @property
    def acts(self) -> bool:
        """Whether the DMP is changed by it."""
        return self in (Step.FEED, Step.REPLACE, Step.DELETE)


@dataclass(frozen=True)
class Case:
    """One fault and what must come of the attempt that it strikes: kind and code of its outcome."""

    name: str
    fault: Fault
    outcome: str
    code: str

    @property
    def final(self) -> str:
        """State of the delivery in the end."""
        return "refused" if self.outcome == "refused" else "delivered"


def dmp_fault(kind: FaultKind, **changes: Any) -> Fault:
    return Fault(Service.DMP, kind, **changes)


@dataclass(frozen=True)
class Attempt:
    kind: str
    outcome: str
    code: str


@dataclass(frozen=True)
class End:
    """What became of a submission: our state, our attempts, what the sender was told, and what the DMP holds."""

    state: str
    code: str
    attempts: tuple[Attempt, ...]
    told: BusinessAck
    held: tuple[StoredDocument, ...]
    """Every document of the patient, oldest first."""
    fed: int
    """How many feeds of the patient the DMP accepted."""
    deleted: int


class Crossing:
    """The engine, the sandbox, and patients that nobody else uses."""

    def __init__(self, engine: Engine, sandbox: Sandbox, reply: FakeReply, proxy: Proxy | None) -> None:
        self.engine = engine
        self.sandbox = sandbox
        self.reply = reply
        self.proxy = proxy
        self._numbers = itertools.count(201)

    def document(self) -> ClinicalDocument:
        """A letter of a patient of its own."""
        number = next(self._numbers)
        patient = replace(
            world.DOMINIQUE, m13=f"2790351215{number:03d}", ipp=f"88{number:05d}", account=f"26{number:05d}"
        )
        self.sandbox.dmp.put_patient(patient.matricule, DmpState.ACTIVE)
        return documents.discharge_letter(f"moment-{number}", patient=patient)

    def order(self, fault: Fault, document: ClinicalDocument, transaction: str = "") -> None:
        match = {"patient": document.patient.matricule, **({"transaction": transaction} if transaction else {})}
        self.sandbox.faults.order(replace(fault, match=match))

    async def send(self, document: ClinicalDocument, kind: Kind = Kind.INITIAL, control_id: str = "") -> str:
        """Hands a request over; its control id."""
        control_id = control_id or f"{document.key}-{document.version}-{kind}"
        request = Request(DPI, control_id, (document,), IN_STAY, world.CARDIOLOGIST, kind=kind, flags=_DMP_ALONE)
        raw = write_request(request)
        while (code := await self._acknowledged(raw)) == "AR":  # come again, says a busy machine
            await asyncio.sleep(0.2)
        assert code == "AA", code
        return control_id

    async def _acknowledged(self, raw: bytes) -> str:
        answer = await self.engine.intake.accept(raw, PEER)
        assert answer.content is not None
        return read_ack(answer.content).code

    async def end(self, document: ClinicalDocument, control_id: str, seconds: float = 60.0) -> End:
        """Waits until nothing moves any more and the sender was told."""
        row: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while (row := await self._delivery(control_id))["state"] not in _SETTLED or not self._told(control_id):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not settled: {row}, {await self._attempts(row['id'])}") from None
        patient = document.patient.matricule
        calls = [call for call in self.sandbox.dmp.calls if call.patient == patient and call.verdict == "Success"]
        (told,) = self._told(control_id)
        return End(
            state=row["state"],
            code=row["code"],
            attempts=tuple(await self._attempts(row["id"])),
            told=told,
            held=self.sandbox.dmp.documents(patient),
            fed=sum(call.transaction == "TD2.1" for call in calls),
            deleted=sum(call.transaction == "TD3.3c" for call in calls),
        )

    async def _delivery(self, control_id: str) -> dict[str, Any]:
        (row,) = await self.fetch(
            "SELECT d.id, d.state, d.code FROM deliveries d JOIN messages m ON m.id = d.message_id"
            " WHERE m.control_id = $1",
            control_id,
        )
        return row

    async def _attempts(self, delivery: object) -> list[Attempt]:
        rows = await self.fetch(
            "SELECT kind, outcome, code FROM attempts WHERE delivery_id = $1 ORDER BY number", delivery
        )
        return [Attempt(row["kind"], row["outcome"], row["code"]) for row in rows]

    def _told(self, control_id: str) -> list[BusinessAck]:
        acks = (read_zam(message.content) for message in self.reply.received)
        return [ack for ack in acks if ack.request_control_id == control_id]

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Details of the journal's events of one kind, oldest first."""
        return [
            row["detail"] for row in await self.fetch("SELECT detail FROM events WHERE kind = $1 ORDER BY id", kind)
        ]

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.engine.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]

    # --- one case, all cases ---

    async def play(self, step: Step, case: Case, deaths: Sequence[Death] = ()) -> list[str]:
        """One document of its own that meets the fault at the step, or throughout when it lasts; `deaths` are those of
        the next connections. Returns what is not as it must be."""
        first = document = self.document()
        lasting = case.fault.times is None
        if step is Step.LOOK:
            self.order(dmp_fault(FaultKind.CLOSE_AFTER_BODY), document, "TD2.1")
        if lasting:
            self.order(case.fault, first)
        if step.kind is not Kind.INITIAL:
            before = await self.end(first, await self.send(first))
            assert before.state == "delivered", before
        if step.kind is Kind.REPLACE:
            document = replace(first, version=2, replaces_version=1)
        if not lasting:
            self.order(case.fault, document, step.transaction)
        if self.proxy is not None:
            await self.proxy.plan(deaths)
        end = await self.end(document, await self.send(document, step.kind))
        return [
            f"{step.name} {case.name}: {wrong} ({end.state} {end.code} {end.attempts})"
            for wrong in (
                *_wrong_attempts(step, case, end),
                *_disagreements(step.kind, first, document, end),
                *([] if end.state == case.final or step is Step.LOOK else [f"state should be {case.final}"]),
                *_wrong_telling(end),
            )
        ]

    async def play_all(self, step: Step, cases: Iterable[Case]) -> list[str]:
        """All cases, side by side as far as the engine has seats."""
        seats = asyncio.Semaphore(_SEATS)

        async def seated(case: Case) -> list[str]:
            async with seats:
                return await self.play(step, case)

        found = await asyncio.gather(*(seated(case) for case in cases))
        return [wrong for each in found for wrong in each]


def _wrong_attempts(step: Step, case: Case, end: End) -> Iterable[str]:
    struck = end.attempts[1] if step is Step.LOOK and len(end.attempts) > 1 else end.attempts[0]
    if (struck.outcome, struck.code) != (case.outcome, case.code):
        yield f"{case.outcome} {case.code} expected"
    for one, following in itertools.pairwise(end.attempts):
        if one.outcome == "unknown" and following.kind != "resolve":
            yield "sent again blindly"


def _disagreements(kind: Kind, first: ClinicalDocument, document: ClinicalDocument, end: End) -> Iterable[str]:
    """What the DMP holds and what we say it holds."""
    delivered = end.state == "delivered"
    statuses = {held.unique_id: held.status for held in end.held}
    expected = {first.document_id: EntryStatus.APPROVED}
    feeds = 1
    if kind is Kind.INITIAL and not delivered:
        expected, feeds = {}, 0
    elif kind is Kind.REPLACE and delivered:
        expected = {first.document_id: EntryStatus.DEPRECATED, document.document_id: EntryStatus.APPROVED}
        feeds = 2
    elif kind is Kind.DELETE and delivered:
        expected = {first.document_id: EntryStatus.DELETED}
    if statuses != expected:
        yield f"the DMP holds {statuses}"
    if end.fed != feeds:
        yield f"{end.fed} feeds carried out, not {feeds}"
    if end.deleted != (kind is Kind.DELETE and delivered):
        yield f"{end.deleted} deletions carried out"
    sent = {each.document_id: sha1_of(each) for each in (first, document)}
    if any(held.sha1 != sent.get(held.unique_id) for held in end.held):
        yield "other bytes"


def _wrong_telling(end: End) -> Iterable[str]:
    if end.told.success is not (end.state == "delivered"):
        yield f"Z01 {end.told.success}"
    if end.told.error_code != ("" if end.told.success else end.code):
        yield f"Z01 code {end.told.error_code}"


@asynccontextmanager
async def crossing(
    url: str,
    directory: Path,
    *,
    proxied: bool = False,
    retry: dict[str, Any] | None = None,
    pause: float = 0.3,
) -> AsyncIterator[Crossing]:
    """`directory` keeps the certificates of the sandbox; `proxied`: its DMP is reached through a
    proxy."""
    async with Sandbox(directory) as sandbox, AsyncExitStack() as stack:
        values = sandbox.configuration()["dmp"]
        urls, proxy = values["urls"], None
        if proxied:
            proxy = await stack.enter_async_context(Proxy(sandbox.dmp.port))
            urls = {name: each.replace(f":{sandbox.dmp.port}", f":{proxy.port}") for name, each in urls.items()}
        settings = DmpSettings.model_validate(
            {
                **values,
                "urls": urls,
                "timeouts": {"connect": 5, "write": 5, "read": READ_TIMEOUT},
                "existence": {"cache_seconds": 0},
            }
        )
        reply = FakeReply()
        connectors: dict[str, Any] = {
            "dmp": DmpConnector(settings, Surroundings(system_clock, IdSource(), "PFI", "1.0")),
            "mssante": FakeConnector(),
        }
        engine = Engine(
            Configuration(make_settings(retry={"max_attempts": 8, **(retry or {})}, concurrency=_SEATS, pause=pause)),
            ids=IdSource(),
            timings=replace(FAST, lease=10.0, attempt=30.0, forgotten=5.0),
            url=url,
            connectors=connectors,
            replies={"dpi": reply},
        )
        await engine.start()
        try:
            yield Crossing(engine, sandbox, reply, proxy)
        finally:
            await engine.stop(grace=2)
            await settled()
    await settled()


def sha1_of(document: ClinicalDocument) -> str:
    """Of its bytes, in hexadecimal."""
    return hashlib.sha1(write(document), usedforsecurity=False).hexdigest()


def report(wrong: Sequence[str]) -> str:
    return "\n".join(("", *wrong))
