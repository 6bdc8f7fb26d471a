"""A destination is given its backlog little by little, less when it is busy, and is left alone when it is away."""

import asyncio
from dataclasses import replace

from pfi.model.delivery import Delivery, Outcome
from samples.generator.request import Flags
from tests.integration.engine.fakes import NOT_DELIVERED, FakeConnector, House, eventually, house, letter

ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
BUSY = replace(NOT_DELIVERED, code="421", busy=True)
STOP = replace(NOT_DELIVERED, stop_destination=True)


class Stepping(FakeConnector):
    """Keeps what it is sent until the test has counted it."""

    def __init__(self) -> None:
        super().__init__()
        self._inside: list[asyncio.Event] = []

    async def send(self, delivery: Delivery) -> Outcome:
        go_on = asyncio.Event()
        self._inside.append(go_on)
        await go_on.wait()
        return await super().send(delivery)

    async def wave(self) -> int:
        """Waits until somebody came and nobody else comes; lets them all end; returns how many there were."""
        before = 0
        async with asyncio.timeout(10):
            while not before or before != len(self._inside):
                before = len(self._inside)
                await asyncio.sleep(0.15)
        inside, self._inside = self._inside, []
        for go_on in inside:
            go_on.set()
        return len(inside)

    async def waves(self, documents: int) -> list[int]:
        """Until that many attempts were let go."""
        found: list[int] = []
        while sum(found) < documents:
            found.append(await self.wave())
        return found


def stepping(home: House) -> Stepping:
    """Replaces the DMP of a house that has not started."""
    connector = Stepping()
    home.dmp = connector
    home.engine = home.new_engine()
    return connector


async def accepted(home: House, count: int) -> None:
    for number in range(count):
        assert await home.code(letter(f"M{number}", flags=ONLY_DMP)) == "AA"


def all_delivered(count: int) -> dict[str, str]:
    return {f"DMP{number}" if number > 1 else "DMP": "delivered" for number in range(1, count + 1)}


async def test_an_engine_that_starts_gives_its_backlog_little_by_little(store_url: str) -> None:
    home = House(store_url, concurrency=8)
    dmp = stepping(home)
    await home.engine.start()
    try:
        await accepted(home, 22)
        assert await dmp.waves(22) == [2, 4, 8, 8]
        await home.until(**all_delivered(22))
    finally:
        await home.engine.stop(grace=2)


async def test_after_a_stop_one_probes_then_a_few_then_all(store_url: str) -> None:
    home = House(store_url, concurrency=8, pause=0.6)
    dmp = stepping(home)
    dmp.answers = [STOP, STOP]
    await home.engine.start()
    try:
        await accepted(home, 10)
        found = await dmp.waves(12)
        await home.until(**all_delivered(10))
        kinds = [row["kind"] for row in await home.engine.journal.engine_events()]
    finally:
        await home.engine.stop(grace=2)
    assert found[:2] == [2, 1], "stopped, then the probe"
    assert max(found[2:3]) <= 2
    assert max(found) <= 4, "ten documents are too few to go further"
    assert kinds.count("destination_stopped") == kinds.count("destination_resumed") == 1


async def test_a_busy_destination_is_given_less_and_the_operators_are_told_once(store_url: str) -> None:
    async with house(store_url, concurrency=4, retry={"max_attempts": 30}) as home:
        await accepted(home, 8)
        await home.until(**all_delivered(8))
        place = home.engine._running.processing.destinations["dmp"]  # type: ignore[union-attr]
        assert place.seats.seats == 4
        home.dmp.answers = [BUSY]
        await home.accept(letter("B1", flags=ONLY_DMP))
        await home.until(DMP9="delivered")
        assert place.seats.seats == 2
        for number in range(10, 16):
            await home.accept(letter(f"B{number}", flags=ONLY_DMP))
            await home.until(**{f"DMP{number}": "delivered"})
        assert place.seats.seats == 4
        events = await home.engine.journal.engine_events()
    kinds = [event["kind"] for event in events]
    assert [kind for kind in kinds if kind.startswith("destination")] == ["destination_at_pace", "destination_slowed"]


async def test_a_destination_that_is_away_is_left_alone_and_no_document_is_given_up(store_url: str) -> None:
    """Fewer attempts than documents have tries: those that wait for the destination use up none."""
    async with house(store_url, concurrency=4, pause=0.3, retry={"max_attempts": 6, "first_seconds": 0.1}) as home:
        home.dmp.answers = [BUSY] * 12
        await accepted(home, 6)
        await home.until(**all_delivered(6))
        assert len(home.dmp.sent) == 12 + 6

        async def told() -> bool:
            events = await home.engine.journal.engine_events()
            kinds = [event["kind"] for event in events if event["kind"].startswith("destination")]
            return kinds[:1] == ["destination_resumed"] and kinds.count("destination_stopped") == 1

        await eventually(told)
