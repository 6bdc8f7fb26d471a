"""The deadline of the discharge letter in a running engine: from the HL7 messages to the alert and its end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pfi.model.delivery import OutcomeKind
from pfi.store.states import DeliveryState
from samples.generator import adt, world
from samples.generator.catalogue import IN_STAY
from samples.generator.request import Kind, encode
from tests.integration.engine.fakes import House, eventually, letter, to_everybody

RECEIVED = datetime(2026, 3, 5, 10, 6, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 5, 23, 0, tzinfo=UTC)
"""In Paris, at the end of the day of the letter's PV1-45."""
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def house(store_url: str) -> AsyncIterator[House]:
    built = House(store_url)
    alerts = built.settings.alerts.model_copy(update={"check_seconds": 3600.0})
    built.settings = built.settings.model_copy(update={"alerts": alerts})
    built.engine = built.new_engine()
    built.clock = lambda: RECEIVED
    await built.engine.start()

    async def own_round_is_over() -> bool:
        return built.engine.letters._next_round > 0

    # One check at a time: the engine's first one would make the test's do nothing.
    await eventually(own_round_is_over)
    try:
        yield built
    finally:
        await built.engine.stop(grace=2)


async def check(house: House, at: datetime) -> int:
    house.clock = lambda: at
    return await house.engine.letters.check()


async def alerts(house: House) -> list[tuple[str, str, bool]]:
    """(cause, ending, open) of each, oldest first."""
    rows = await house.fetch("SELECT detail, ending, closed_at IS NULL AS open FROM alerts ORDER BY id")
    return [(row["detail"]["cause"], row["ending"], row["open"]) for row in rows]


def movement(trigger: str, at: str, zbe: str) -> bytes:
    """A movement of the stay that the letter is about."""
    event = adt.Event("", "", f"{trigger}-{at}", trigger, "ADT_A01", world.DOMINIQUE, at, IN_STAY)
    if trigger != "A03":
        event = replace(event, stay=replace(IN_STAY, discharged_at=""))
    lines = [f"ZBE|{zbe}" if line.startswith("ZBE|") else line for line in adt.segments(event)]
    return encode(lines)


async def test_a_letter_that_leaves_on_the_day_raises_nothing(house: House) -> None:
    assert await house.code(letter()) == "AA"
    await house.until(PRO=DeliveryState.DELIVERED)
    assert await check(house, MIDNIGHT + timedelta(days=1)) == 0
    assert await alerts(house) == []


async def test_a_letter_that_is_kept_back_raises_an_alert_until_it_leaves(house: House) -> None:
    house.mail.gate = asyncio.Event()
    await house.code(letter())
    assert await check(house, MIDNIGHT - MINUTE) == 0
    assert await check(house, MIDNIGHT) == 1
    assert await alerts(house) == [("IN_FLIGHT", "", True)]
    house.mail.gate.set()
    await house.until(PRO=DeliveryState.DELIVERED)
    assert await check(house, MIDNIGHT + MINUTE) == 1
    assert await alerts(house) == [("IN_FLIGHT", "delivered", False)]


async def test_the_alert_is_seen_with_its_message(house: House) -> None:
    house.mail.answers = [to_everybody(OutcomeKind.REFUSED, "550")] * 2
    await house.code(letter())
    await house.until(PRO=DeliveryState.REFUSED)
    await check(house, MIDNIGHT)
    (line,) = await house.engine.journal.messages()
    view = await house.engine.journal.message(line.id)
    assert view is not None
    assert [event["kind"] for event in view.events] == ["alert_opened"]
    assert await alerts(house) == [("550", "", True)]


async def test_a_discharge_cancelled_by_adt_closes_the_alert(house: House) -> None:
    house.mail.answers = [to_everybody(OutcomeKind.REFUSED, "550")] * 2
    await house.code(movement("A01", "20260301090000", "1^CH-EXEMPLE|20260301090000||INSERT|N"))
    await house.code(movement("A03", "20260305110000", "2^CH-EXEMPLE|20260305110000||INSERT|N"))
    await house.code(letter())
    await house.until(PRO=DeliveryState.REFUSED)
    assert await check(house, MIDNIGHT) == 1
    await house.code(movement("A13", "20260305200000", "2^CH-EXEMPLE|20260305110000||CANCEL|N|A03"))
    assert await check(house, MIDNIGHT + MINUTE) == 1
    assert await alerts(house) == [("550", "cancelled", False)]


async def test_a_deleted_letter_closes_the_alert(house: House) -> None:
    house.mail.answers = [to_everybody(OutcomeKind.REFUSED, "550")] * 2
    await house.code(letter("M1", key="lettre"))
    await house.until(PRO=DeliveryState.REFUSED)
    await check(house, MIDNIGHT)
    assert await house.code(letter("M2", key="lettre", kind=Kind.DELETE)) == "AA"
    assert await check(house, MIDNIGHT + MINUTE) == 1
    assert await alerts(house) == [("550", "deleted", False)]
