"""A process that has its hands full makes its senders wait a little, then lets documents queue."""

import asyncio
import time

from tests.integration.engine.fakes import house, letter

_PLACES = 8
"""Documents that one seat keeps in hand (`pfi.engine.processing`)."""


async def test_senders_wait_while_the_hands_are_full_and_no_longer(store_url: str) -> None:
    async with house(store_url, concurrency=1, limits={"pace_seconds": 30}) as home:
        home.dmp.gate = asyncio.Event()
        for number in range(_PLACES):
            assert await home.code(letter(f"M{number}")) == "AA"
        late = asyncio.create_task(home.code(letter("LATE")))
        done, _ = await asyncio.wait({late}, timeout=0.3)
        assert not done, "the acknowledgment is kept back"
        home.dmp.gate.set()
        assert await asyncio.wait_for(late, 10) == "AA"
        rows = await home.fetch(
            "SELECT claimed_as FROM deliveries JOIN messages ON messages.id = message_id WHERE control_id = 'LATE'"
        )
        assert {row["claimed_as"] for row in rows} == {"queued"}, "born claimed: no second reading"


async def test_the_wait_is_bounded_then_documents_are_queued(store_url: str) -> None:
    async with house(store_url, concurrency=1, limits={"pace_seconds": 0.2}) as home:
        home.dmp.gate = asyncio.Event()
        for number in range(_PLACES):
            assert await home.code(letter(f"M{number}")) == "AA"
        started = time.monotonic()
        assert await home.code(letter("LATE")) == "AA"
        assert 0.15 < time.monotonic() - started < 5
        home.dmp.gate.set()
        await home.until(**{f"DMP{_PLACES + 1}": "delivered"})


async def test_a_stopped_destination_keeps_nobody_waiting(store_url: str) -> None:
    from pfi.model.delivery import Outcome, OutcomeKind

    down = Outcome(OutcomeKind.NOT_DELIVERED, "DMPInvalidCertificate", "Certificat refusé.", stop_destination=True)
    async with house(store_url, concurrency=1, pause=60.0, limits={"pace_seconds": 30}) as home:
        home.dmp.answers = [down]
        assert await home.code(letter("M0")) == "AA"
        await home.until(DMP="queued")
        for number in range(1, _PLACES + 4):
            assert await asyncio.wait_for(home.code(letter(f"M{number}")), 10) == "AA"
