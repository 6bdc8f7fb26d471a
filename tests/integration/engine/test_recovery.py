"""Processes die: what they had claimed is taken over, resolved and never sent again blindly."""

import asyncio
import uuid
from dataclasses import replace

from pfi.engine.context import Timings
from samples.generator.request import Flags, Kind
from tests.integration.engine.fakes import FAST, House, eventually, house, letter

ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
SLOW_TO_RECOVER = replace(FAST, beat=60.0, lease=60.0, forgotten=60.0)
"""An engine whose recovery runs only when the test asks."""


async def test_a_claim_of_a_dead_process_is_resolved_by_another(store_url: str) -> None:
    async with house(store_url) as survivor:
        dead = House(store_url)
        await dead.engine.start()
        dead.dmp.gate = asyncio.Event()
        await dead.accept(letter(flags=ONLY_DMP))
        await dead.dmp.entered.wait()
        await _kill(dead)
        await survivor.until(DMP="delivered")
        assert (len(dead.dmp.sent), len(survivor.dmp.sent), len(survivor.dmp.resolved)) == (1, 0, 1)
        attempts = await survivor.fetch("SELECT kind, outcome, code FROM attempts ORDER BY number")
        assert await survivor.told(1) == [("Z01", True, "", "")]
    assert attempts == [
        {"kind": "send", "outcome": "unknown", "code": "WORKER_LOST"},
        {"kind": "resolve", "outcome": "delivered", "code": ""},
    ]


async def test_a_process_killed_between_commit_and_first_attempt_loses_nothing(store_url: str) -> None:
    home = House(store_url, concurrency=1)
    home.dmp.gate = asyncio.Event()
    await home.engine.start()
    await home.accept(letter("A", flags=ONLY_DMP))
    await home.accept(letter("B", flags=ONLY_DMP))
    await home.dmp.entered.wait()
    await _kill(home)
    async with house(store_url) as heir:
        await heir.until(DMP="delivered", DMP2="delivered")
        assert len(heir.dmp.resolved) == 2


async def test_the_result_of_a_claim_that_was_taken_over_is_not_written(store_url: str) -> None:
    async with house(store_url, timings=SLOW_TO_RECOVER) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter(flags=ONLY_DMP))
        await home.dmp.entered.wait()
        # Another process finds that this one was silent, takes the delivery over and resolves it.
        await home.fetch("UPDATE deliveries SET owner = $1, fence = fence + 1 RETURNING id", uuid.uuid4())
        home.dmp.gate.set()
        await eventually(lambda: _has_event(home, "fenced"))
        assert await home.fetch("SELECT FROM attempts WHERE outcome = 'delivered'") == []
        assert await home.fetch("SELECT FROM business_acks") == []
        await home.engine.recovery.sweep()
        await home.until(DMP="delivered")
        assert len(home.dmp.resolved) == 1


async def test_a_claim_that_nobody_works_on_is_found_by_its_own_process(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter(flags=ONLY_DMP))
        await home.dmp.entered.wait()
        processing = home.engine.recovery._processing
        processing._active.clear()  # as after a commit whose answer was lost on the way
        await eventually(lambda: _resolved(home))
        home.dmp.gate.set()
        await home.until(DMP="delivered")
        assert len(home.dmp.sent) == 1


async def test_a_slow_attempt_of_a_living_process_is_not_taken_over(store_url: str) -> None:
    async with house(store_url, timings=replace(FAST, attempt=30.0)) as home, house(store_url) as other:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter(flags=ONLY_DMP))
        await asyncio.sleep(1.2)
        assert await home.states() == {"DMP": "in_flight"}
        home.dmp.gate.set()
        await home.until(DMP="delivered")
        assert other.dmp.resolved == []


async def test_an_acknowledgment_claimed_by_a_dead_process_is_sent_by_another(store_url: str) -> None:
    async with house(store_url, timings=SLOW_TO_RECOVER) as home:
        await home.accept(letter(flags=ONLY_DMP))
        await home.told(1)
        query = "UPDATE business_acks SET state = 'in_flight', owner = $1, claimed_at = now() RETURNING id"
        await home.fetch(query, uuid.uuid4())
        await home.engine.recovery.sweep()  # or the engine's own round, if it comes first
        await home.told(2)
        assert len({message.content for message in home.reply.received}) == 1


async def test_a_delivery_without_job_gets_one(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter(flags=ONLY_DMP))
        await home.dmp.entered.wait()
        forgotten = "UPDATE deliveries SET state = 'queued', owner = NULL, next_try = now() - interval '1 hour'"
        await home.fetch(forgotten + " RETURNING id")
        home.dmp.gate.set()
        await home.until(DMP="delivered")


async def test_what_waits_behind_nothing_is_freed(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter("A", flags=ONLY_DMP))
        await home.accept(letter("B", key="A", flags=ONLY_DMP, kind=Kind.REPLACE))
        await home.fetch("UPDATE deliveries SET state = 'cancelled' WHERE state = 'in_flight' RETURNING id")
        home.dmp.gate.set()
        await home.until(DMP="cancelled", DMP2="delivered")


async def test_a_clean_stop_gives_back_what_was_not_started(store_url: str) -> None:
    home = House(store_url, concurrency=1, timings=Timings(beat=0.05, poll=0.2))
    home.dmp.gate = asyncio.Event()
    await home.engine.start()
    await home.accept(letter("A", flags=ONLY_DMP))
    await home.accept(letter("B", flags=ONLY_DMP))
    await home.dmp.entered.wait()
    await home.engine.stop(grace=0.2)
    async with house(store_url) as heir:
        await heir.until(DMP="delivered", DMP2="delivered")
        # The one that had started is resolved; the other one is simply sent.
        assert [each.message.control_id for each in heir.dmp.resolved] == ["A"]
        assert [each.message.control_id for each in heir.dmp.sent] == ["B"]


async def test_a_clean_stop_lets_attempts_under_way_end(store_url: str) -> None:
    home = House(store_url)
    home.dmp.gate = asyncio.Event()
    await home.engine.start()
    await home.accept(letter(flags=ONLY_DMP))
    await home.dmp.entered.wait()
    stopping = asyncio.create_task(home.engine.stop(grace=5))
    await asyncio.sleep(0.1)
    home.dmp.gate.set()
    await stopping
    async with house(store_url) as heir:
        assert await heir.states() == {"DMP": "delivered"}
    assert len(home.reply.received) == 1


async def test_a_clean_stop_gives_back_the_reports_that_could_not_be_handed_over(store_url: str) -> None:
    home = House(store_url)
    home.reply.gate = asyncio.Event()
    await home.engine.start()
    await home.accept(letter(flags=ONLY_DMP))
    await home.until(DMP="delivered")
    await eventually(lambda: _handed(home))
    await home.engine.stop(grace=0.2)
    async with house(store_url) as heir:
        assert await heir.told(1) == [("Z01", True, "", "")]
        assert heir.reply.received[0].content == home.reply.received[0].content


async def test_a_defect_of_the_reply_connector_or_its_silence_only_delays_the_report(store_url: str) -> None:
    async with house(store_url, timings=replace(FAST, attempt=0.2)) as home:
        home.reply.answers = [ValueError("bug")]
        await home.accept(letter(flags=ONLY_DMP))
        await eventually(lambda: _waiting_reports(home, 1))
        await home.fetch("UPDATE business_acks SET next_try = now() - interval '1 hour' RETURNING id")
        await home.fetch("DELETE FROM pgqueuer RETURNING id")
        assert await home.told(2) == [("Z01", True, "", "")] * 2
        home.reply.gate = asyncio.Event()
        await home.accept(letter("B", flags=ONLY_DMP))
        await eventually(lambda: _waiting_reports(home, 1))


async def test_old_bodies_are_dropped_once_everything_about_them_is_finished(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="delivered")
        async with home.engine.database.connection() as connection:
            await connection.execute(_OLD_DAYS)
        # The engine's own upkeep may be running: one at a time.
        await eventually(lambda: _kept_after_upkeep(home, ["bodies_20200102"]))


async def _kept_after_upkeep(home: House, names: list[str]) -> bool:
    await home.engine.recovery.upkeep()
    rows = await home.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'bodies_2020%' AND relkind = 'r'")
    return [row["relname"] for row in rows] == names


_OLD_DAYS = """
CREATE TABLE bodies_20200101 PARTITION OF bodies FOR VALUES FROM ('2020-01-01') TO ('2020-01-02');
CREATE TABLE bodies_20200102 PARTITION OF bodies FOR VALUES FROM ('2020-01-02') TO ('2020-01-03');
INSERT INTO messages (received_at, received_on, listener, peer, certificate, sender, sender_key, control_id,
                      message_type, digest, size, kind, ack_code)
SELECT received_at, day, listener, peer, certificate, sender, sender_key, day::text, message_type, digest, size, kind,
       ack_code
  FROM messages, (VALUES ('2020-01-01'::date), ('2020-01-02'::date)) AS days (day);
INSERT INTO deliveries (id, message_id, channel, destination, lineage, request, qualified, ids, addressees, recipients,
                        created_at, state)
SELECT gen_random_uuid(), messages.id, channel, destination, control_id, request, qualified, ids, addressees,
       recipients, created_at, CASE control_id WHEN '2020-01-02' THEN 'held' ELSE 'delivered' END
  FROM deliveries, messages WHERE control_id LIKE '2020%';
"""
"""Two days of which the first is finished and the second is not."""


async def _kill(home: House) -> None:
    """As SIGKILL: nothing is given back, nothing more is written."""
    engine = home.engine
    left = {*engine._tasks, *engine.recovery._processing._tasks, *engine.recovery._outbox._tasks}
    engine.database.pool.terminate()
    while left:
        # The driver may swallow one cancellation while its connection dies.
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)


async def _has_event(home: House, kind: str) -> bool:
    return bool(await home.fetch("SELECT FROM events WHERE kind = $1", kind))


async def _handed(home: House) -> bool:
    return bool(home.reply.received)


async def _waiting_reports(home: House, count: int) -> bool:
    rows = await home.fetch("SELECT FROM business_acks WHERE state = 'queued' AND attempts > 0")
    return len(rows) == count


async def _resolved(home: House) -> bool:
    return bool(home.dmp.resolved)
