"""ADT messages and documents of the same few patients, all at once, in two engines: nothing is lost, doubled or stuck,
and every move of a delivery is one of the table."""

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest

from pfi.engine.intake import EngineIntake
from pfi.model.delivery import Delivery, Outcome
from pfi.standards.hl7v2.ack import read_ack
from pfi.store.states import MOVES, DeliveryState
from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import write_request
from samples.generator.world import Person
from tests.integration.engine.fakes import (
    DELIVERED,
    FAST,
    NOT_DELIVERED,
    PEER,
    UNKNOWN,
    FakeConnector,
    House,
)
from tests.integration.engine.patients import adt, ipp

_MESSAGES = 200
_PATIENT = replace(FAST, lease=30, attempt=20, forgotten=3)
"""Nobody is taken for dead on a busy machine."""
_WATCH = """
CREATE TABLE moves (before text, after text);
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO moves VALUES (OLD.state, NEW.state); RETURN NEW; END $$;
CREATE TRIGGER note_moves AFTER UPDATE OF state ON deliveries FOR EACH ROW
WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION note_move();
"""


class Moody(FakeConnector):
    """Fails one time in four, and is slow enough to be overtaken."""

    def __init__(self) -> None:
        super().__init__()
        self.source = random.Random(7)  # noqa: S311  # a repeatable mood
        self.arrived: list[Delivery] = []

    async def _answer(self, answers: object, delivery: Delivery) -> Outcome:
        await asyncio.sleep(self.source.random() * 0.03)
        mood = self.source.random()
        if mood < 0.15:
            return NOT_DELIVERED
        if mood < 0.25:
            return UNKNOWN
        self.arrived.append(delivery)
        return DELIVERED

    async def look(self, delivery: Delivery) -> Outcome:
        return NOT_DELIVERED


def people() -> list[Person]:
    return [
        replace(world.PROVISIONAL, ipp=f"S{rank}", m13=f"29508{rank:08d}", account=f"A{rank}") for rank in range(1, 5)
    ]


def storm(patients: list[Person], source: random.Random) -> list[bytes]:
    """Documents and statements about these patients, in no order; two of them are merged on the way."""
    raws = []
    for rank in range(_MESSAGES):
        patient = source.choice(patients)
        at = f"202603{source.randint(10, 28)}{source.randint(0, 23):02}{source.randint(0, 59):02}00"
        if rank % 2:
            raws.append(write_request(discharge(f"T{rank}", patient=patient)))
        elif rank % 50 == 0:
            raws.append(adt("A40", patients[0], at, mrg=ipp(patients[1]), control_id=f"F{rank}"))
        else:
            raws.append(adt("A31", patient, at, feeding=source.choice(["IO", "INO"]), control_id=f"T{rank}"))
    source.shuffle(raws)
    return raws


@pytest.mark.timeout(240)
async def test_a_storm_of_statements_and_documents_loses_doubles_and_blocks_nothing(store_url: str) -> None:
    home = House(store_url, timings=_PATIENT, retry={"first_seconds": 0.05, "longest_seconds": 0.1, "max_attempts": 60})
    home.dmp, home.mail = Moody(), Moody()
    home.engine = home.new_engine()
    other = home.new_engine()
    await home.engine.start()
    await other.start()
    try:
        async with home.engine.database.connection() as connection:
            await connection.execute(_WATCH)
        patients, source = people(), random.Random(11)  # noqa: S311  # a repeatable storm
        doors: list[EngineIntake] = [home.engine.intake, other.intake]
        gate = asyncio.Semaphore(16)

        async def hand_over(raw: bytes) -> str:
            async with gate:
                answer = await source.choice(doors).accept(raw, PEER)
            assert answer.content is not None
            return read_ack(answer.content).code

        codes = Counter(await asyncio.gather(*(hand_over(raw) for raw in storm(patients, source))))
        assert codes == {"AA": _MESSAGES}
        for patient in patients:
            feeding = "IO" if patient is patients[3] else "INO"
            assert await hand_over(adt("A31", patient, "20260401080000", feeding=feeding)) == "AA"

        async def quiet() -> bool:
            return not await home.fetch(
                "SELECT FROM deliveries WHERE state IN ('waiting', 'queued', 'in_flight', 'unknown')"
                " UNION ALL SELECT FROM message_patients AS link JOIN patients ON patients.id = link.patient"
                " JOIN deliveries ON deliveries.message_id = link.message_id AND deliveries.state = 'held'"
                " WHERE link.version <> patients.version"
                " UNION ALL SELECT FROM pgqueuer WHERE entrypoint = 'reassess'"
            )

        async with asyncio.timeout(120):
            while not await quiet():
                await asyncio.sleep(0.2)
        assert not await home.fetch("SELECT FROM messages WHERE kind = 'refused'")
        (locks,) = await home.fetch("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert locks["deadlocks"] == 0
        kinds = {row["kind"] for row in await home.fetch("SELECT DISTINCT kind FROM events")}
        assert kinds.isdisjoint({"fenced", "given_up"})
        _each_once(home.dmp.arrived, home.mail.arrived)
        rows = await home.fetch(
            "SELECT channel, state, deliveries.code, last.action FROM deliveries CROSS JOIN LATERAL ("
            " SELECT action FROM decisions WHERE decisions.message_id = deliveries.message_id"
            " AND decisions.channel = deliveries.channel ORDER BY run DESC, position LIMIT 1) AS last"
        )
        for row in rows:
            # An objection is a refusal: what it stopped does not come back by itself (E05).
            stopped = row["state"] == "cancelled" and row["channel"] == "DMP" and row["code"] == "DMP_OPPOSED"
            held = row["state"] == "held" and row["action"] == "hold"
            assert row["state"] == "delivered" or stopped or held, row
        (ordered,) = await home.fetch("SELECT count(*) FROM messages WHERE kind = 'request'")
        assert sum(row["channel"] == "PRO" for row in rows) == ordered["count"]
        moves = await home.fetch("SELECT DISTINCT before, after FROM moves")
        for row in moves:
            assert DeliveryState(row["after"]) in MOVES[DeliveryState(row["before"])], row
    finally:
        await other.stop(grace=2)
        await home.engine.stop(grace=2)


def _each_once(*arrivals: list[Delivery]) -> None:
    for arrived in arrivals:
        times = Counter(
            (each.message.control_id, each.channel, tuple(sorted(to.address for to in each.recipients)))
            for each in arrived
        )
        assert set(times.values()) <= {1}, times.most_common(3)
