"""Documents of one lineage keep their order, however many come at once, and none is forgotten."""

import asyncio
from dataclasses import replace

from tests.integration.engine.fakes import FAST, eventually, house, letter

# Without the safety nets: what is forgotten stays forgotten.
NO_NET = replace(FAST, lease=60.0, forgotten=600.0)
AT_ONCE = 30


async def test_documents_of_one_lineage_that_come_at_once_all_leave_in_order(store_url: str) -> None:
    async with house(store_url, timings=NO_NET) as home:
        codes = await asyncio.gather(*(home.code(letter(f"M{number}", key="K")) for number in range(AT_ONCE)))
        assert codes == ["AA"] * AT_ONCE

        async def all_left() -> bool:
            rows = await home.fetch("SELECT count(*) AS done FROM deliveries WHERE state = 'delivered'")
            return bool(rows[0]["done"] == 3 * AT_ONCE)

        await eventually(all_left)
        born = await home.fetch("SELECT id FROM deliveries WHERE channel = 'DMP' ORDER BY seq")
        assert [delivery.id for delivery in home.dmp.sent] == [row["id"] for row in born]


async def test_two_of_one_lineage_are_never_in_flight_together(store_url: str) -> None:
    async with house(store_url, timings=NO_NET) as home:
        home.dmp.gate = asyncio.Event()
        await asyncio.gather(*(home.code(letter(f"M{number}", key="K")) for number in range(8)))
        rows = await home.fetch("SELECT state FROM deliveries WHERE channel = 'DMP'")
        assert sorted(row["state"] for row in rows) == ["in_flight"] + ["waiting"] * 7
        home.dmp.gate.set()
