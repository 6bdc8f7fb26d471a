"""Random histories of patients and documents, against a plain model of what may leave.

No send while opposed, unqualified, withdrawn or merged away; each document leaves exactly once, or is stopped, or
expires. The model below knows nothing of the engine: it reads the rules of the obligations digest (E01, E02, E05) and
of the INS digest (§3.2, §3.4) on lists of statements.
"""

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pfi.model.clock import system_clock
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome
from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import write_request
from samples.generator.world import Person
from tests.integration.engine.fakes import DELIVERED, FAST, NOT_DELIVERED, FakeConnector, House, eventually
from tests.integration.engine.patients import adt, ins, ipp

_BEGINNING = datetime(2026, 3, 1, 8, tzinfo=UTC)
_NUMBERS = itertools.count(1)
_FAR = {"first_seconds": 3600, "longest_seconds": 3600, "max_attempts": 1000}
"""What failed is tried again when the test says so, not before."""


class Identity:
    """What the model remembers of one person: statements as (time, word)."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.identity: list[tuple[datetime, str]] = []
        self.feeding: list[tuple[datetime, str]] = []
        self.merged_into: Identity | None = None
        self.absorbed: list[Identity] = []

    @property
    def opposed(self) -> bool:
        together = self.merged_into or self
        told = sorted(each for one in (together, *together.absorbed) for each in one.feeding)
        return bool(told) and told[-1][1] == "IO"

    def qualified(self, written_at: datetime, stated: str) -> bool:
        """For a document written at that time, whose PID-32 says `stated`."""
        if self.merged_into is not None:
            return False
        newer = [word for at, word in sorted(self.identity) if at > written_at]
        last = newer[-1] if newer else stated
        of_ins = [word for _, word in sorted(self.identity) if word in ("VALI", "WITHDRAWN")]
        withdrawn = bool(of_ins) and of_ins[-1] == "WITHDRAWN"
        return last == "VALI" and not withdrawn


@dataclass
class Sent:
    """A document and what became of it on each channel: `pending`, `sent`, `over`."""

    key: str
    identity: Identity
    written_at: datetime
    stated: str
    fate: dict[Channel, str] = field(default_factory=lambda: dict.fromkeys(Channel, "pending"))

    def allowed(self, channel: Channel) -> bool:
        if not self.identity.qualified(self.written_at, self.stated):
            return False
        return channel is not Channel.DMP or not self.identity.opposed


class Watched(FakeConnector):
    """Judges every send by the model, at the moment it is made."""

    machine: ClassVar["Histories"]

    async def _answer(self, answers: object, delivery: Delivery) -> Outcome:
        return self.machine.judge(delivery)

    async def resolve(self, delivery: Delivery) -> Outcome:
        """On a slow machine the engine may think that a claim of its own was lost: it asks, and nothing is sent."""
        return self.machine.found(delivery)

    async def look(self, delivery: Delivery) -> Outcome:
        return self.machine.found(delivery)


class Histories(RuleBasedStateMachine):
    home: ClassVar[House]
    runner: ClassVar["Loop"]

    def __init__(self) -> None:
        super().__init__()
        Watched.machine = self
        self.now = _BEGINNING
        self.people: list[Identity] = []
        self.documents: list[Sent] = []
        self.up = True
        self.wrong: list[str] = []
        self.elapsed = timedelta(0)

    @initialize()
    def two_people(self) -> None:
        for _ in range(2):
            number = next(_NUMBERS)
            person = replace(
                world.PROVISIONAL, ipp=f"H{number:06d}", m13=f"29508{number:08d}", account=f"A{number:06d}"
            )
            self.people.append(Identity(person))

    def judge(self, delivery: Delivery) -> Outcome:
        document = next(each for each in self.documents if each.key == delivery.message.control_id)
        channel = delivery.channel
        if not document.allowed(channel):
            self.wrong.append(f"{document.key} left on {channel} though it may not")
        if document.fate[channel] != "pending":
            self.wrong.append(f"{document.key} left on {channel} though it was {document.fate[channel]}")
        if not self.up:
            return NOT_DELIVERED
        document.fate[channel] = "sent"
        return DELIVERED

    def found(self, delivery: Delivery) -> Outcome:
        """What the destination holds."""
        document = next(each for each in self.documents if each.key == delivery.message.control_id)
        return DELIVERED if document.fate[delivery.channel] == "sent" else NOT_DELIVERED

    def teardown(self) -> None:
        """What this history leaves open is not the next one's."""
        self.runner.run(self._forget())

    async def _forget(self) -> None:
        await self.home.fetch(
            "UPDATE deliveries SET state = 'cancelled' WHERE state IN ('held', 'waiting', 'queued', 'unknown')"
        )

    def tick(self) -> datetime:
        self.now += timedelta(minutes=7)
        return self.now

    def run(self, raw: bytes) -> None:
        self.runner.run(self._accept(raw))

    async def _accept(self, raw: bytes) -> None:
        assert await self.home.code(raw) == "AA"
        await self._settle()

    async def _settle(self) -> None:
        await eventually(self._quiet)

    async def _quiet(self) -> bool:
        rows = await self.home.fetch(
            "SELECT FROM deliveries WHERE state = 'in_flight' OR (state = 'queued' AND next_try <= now())"
            " UNION ALL SELECT FROM message_patients AS link JOIN patients ON patients.id = link.patient"
            " WHERE link.version <> patients.version AND EXISTS (SELECT FROM deliveries"
            " WHERE deliveries.message_id = link.message_id AND state IN ('held', 'waiting', 'queued'))"
        )
        return not rows

    def after_statement(self) -> None:
        """An objection ends what is pending towards the DMP: it is a refusal, not a wait (E05)."""
        for document in self.documents:
            if document.identity.opposed and document.fate[Channel.DMP] == "pending":
                document.fate[Channel.DMP] = "over"

    @rule(who=st.integers(0, 1), stated=st.sampled_from(["VALI", "PROV"]))
    def a_document_comes(self, who: int, stated: str) -> None:
        identity, at = self.people[who], self.tick()
        key = f"{identity.person.ipp}-{len(self.documents)}"
        document = Sent(key, identity, at, stated)
        self.documents.append(document)
        self.after_statement()
        request = discharge(key, patient=identity.person)
        self.run(write_request(request.but(reliability=stated, sent_at=f"{at:%Y%m%d%H%M%S}")))

    @rule(
        who=st.integers(0, 1),
        word=st.sampled_from(["VALI", "PROV"]),
        feeding=st.sampled_from(["", "", "INO", "IO"]),
        late=st.sampled_from([0, 0, 0, 10, 30]),
    )
    def identity_is_told(self, who: int, word: str, feeding: str, late: int) -> None:
        """A31, now or with the date of some minutes ago."""
        identity = self.people[who]
        at = self.tick() - timedelta(minutes=late, seconds=next(_NUMBERS) % 60)
        identity.identity.append((at, word))
        if feeding:
            identity.feeding.append((at, feeding))
        self.after_statement()
        self.run(
            adt(
                "A31", identity.person, f"{at:%Y%m%d%H%M%S}", reliability=word, with_ins=word == "VALI", feeding=feeding
            )
        )

    @rule(who=st.integers(0, 1))
    def the_ins_is_withdrawn(self, who: int) -> None:
        identity, at = self.people[who], self.tick()
        identity.identity.append((at, "WITHDRAWN"))
        self.run(
            adt(
                "A47",
                identity.person,
                f"{at:%Y%m%d%H%M%S}",
                mrg=ins(identity.person),
                withdrawn=True,
                with_ins=False,
                reliability="PROV",
            )
        )

    @precondition(lambda self: all(each.merged_into is None for each in self.people))
    @rule(surviving=st.integers(0, 1))
    def two_identities_are_merged(self, surviving: int) -> None:
        kept, gone, at = self.people[surviving], self.people[1 - surviving], self.tick()
        gone.merged_into = kept
        kept.absorbed.append(gone)
        kept.identity.append((at, "VALI"))
        self.after_statement()
        self.run(adt("A40", kept.person, f"{at:%Y%m%d%H%M%S}", mrg=ipp(gone.person)))

    @rule()
    def destinations_fall_or_come_back(self) -> None:
        self.up = not self.up
        if self.up:
            self.runner.run(self._try_again())

    async def _try_again(self) -> None:
        await self.home.fetch("UPDATE deliveries SET next_try = now() WHERE state = 'queued'")
        await self.home.fetch("UPDATE pgqueuer SET execute_after = now() WHERE status = 'queued'")
        await self._settle()

    @rule()
    def a_month_passes(self) -> None:
        """What is held gives up."""
        for document in self.documents:
            for channel in Channel:
                if document.fate[channel] == "pending" and not document.allowed(channel):
                    document.fate[channel] = "over"
        self.runner.run(self._month())

    async def _month(self) -> None:
        type(self).home.clock = _shifted(timedelta(days=31))
        try:

            async def none_held() -> bool:
                return not await self.home.fetch("SELECT FROM deliveries WHERE state = 'held'")

            await eventually(none_held)
        finally:
            type(self).home.clock = system_clock

    @invariant()
    def nothing_left_wrongly(self) -> None:
        assert not self.wrong, self.wrong

    @invariant()
    def what_may_leave_has_left(self) -> None:
        for document in self.documents:
            for channel, fate in document.fate.items():
                if self.up and document.allowed(channel):
                    assert fate != "pending", f"{document.key} did not leave on {channel}"


def _shifted(by: timedelta):  # type: ignore[no-untyped-def]
    return lambda: system_clock() + by


class Loop:
    """An event loop of its own thread: the engine goes on while the test thinks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def runner() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.mark.timeout(400)
def test_no_history_sends_wrongly_nor_loses_nor_repeats(store_url: str, runner: Loop) -> None:
    # A slow machine must not make the engine think that it is dead.
    home = House(store_url, retry=_FAR, timings=replace(FAST, lease=30.0))
    home.dmp, home.mail = Watched(), Watched()
    home.engine = home.new_engine()
    Histories.home, Histories.runner = home, runner
    runner.run(home.engine.start())
    try:
        run_state_machine_as_test(Histories, settings=settings(max_examples=25, stateful_step_count=14, deadline=None))
    finally:
        runner.run(home.engine.stop(grace=2))
