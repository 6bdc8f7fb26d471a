"""Held deliveries: told at once, let go, cancelled or given up."""

import uuid
from dataclasses import replace
from datetime import timedelta

from pfi.model.clock import system_clock
from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import Flags, write_request
from tests.integration.engine.fakes import NOT_DELIVERED, House, house, letter
from tests.integration.engine.patients import adt

DMP_AND_PRO = Flags(dest_mss_pat=False)


def provisional(control_id: str = "P1") -> bytes:
    """A letter of a patient whose identity is not qualified: the DMP waits, the professionals get it."""
    request = discharge(control_id, patient=world.PROVISIONAL, with_matricule=False)
    return write_request(request.but(reliability="PROV", pid_with_ins=False, flags=DMP_AND_PRO))


def confidential(control_id: str = "C1") -> bytes:
    """A letter whose confidentialityCode is V: a person decides for the DMP, the professionals get it (E22)."""
    request = discharge(control_id, patient=world.DOMINIQUE)
    (document,) = request.documents
    return write_request(
        request.but(documents=(replace(document, confidentiality=("V", "Très restreint")),), flags=DMP_AND_PRO)
    )


async def test_a_held_delivery_is_told_at_once_and_told_again_when_an_operator_lets_it_go(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(confidential())
        await home.until(DMP="held", PRO="delivered")
        assert ("Z01", False, "", "CONFIDENTIALITY_RV") in await home.told(2)
        (line,) = await home.engine.holds.waiting()
        assert (line.until, line.code) == ("human_release", "CONFIDENTIALITY_RV")
        assert await home.engine.holds.find(str(line.id)[:8]) == line.id
        assert (await home.engine.holds.release(await _held(home))).done
        await home.until(DMP="delivered")
        assert ("Z01", True, "", "") in await home.told(3)


async def test_an_operator_cannot_release_an_identity_that_is_not_qualified(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(provisional())
        await home.until(DMP="held", PRO="delivered")
        release = await home.engine.holds.release(await _held(home))
        assert not release.done
        assert "INS" in release.text
        assert await home.states() == {"DMP": "held", "PRO": "delivered"}


async def test_a_release_is_remembered_when_the_document_is_decided_again(store_url: str) -> None:
    async with house(store_url, retry={"first_seconds": 0.5, "longest_seconds": 0.5}) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(confidential())
        await home.until(DMP="held")
        assert (await home.engine.holds.release(await _held(home))).done
        await home.until(DMP="queued")
        await home.accept(adt("A31", world.DOMINIQUE, feeding="INO"))
        await home.until(DMP="delivered")


async def test_an_objection_is_stronger_than_a_release(store_url: str) -> None:
    async with house(store_url, retry={"first_seconds": 0.5, "longest_seconds": 0.5}) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(confidential())
        await home.until(DMP="held")
        assert (await home.engine.holds.release(await _held(home))).done
        # Queued before its first attempt too.
        await home.dmp.entered.wait()
        await home.until(DMP="queued")
        await home.accept(adt("A31", world.DOMINIQUE, feeding="IO"))
        await home.until(DMP="cancelled")
        assert len(home.dmp.sent) == 1


async def test_a_held_delivery_is_told_at_its_expiry_when_the_sender_is_set_so(store_url: str) -> None:
    async with house(store_url, sender={"hold": {"notify": "at_expiry", "expiry_days": 2}}) as home:
        await home.accept(provisional())
        await home.until(DMP="held", PRO="delivered")
        assert [event for event, *_ in await home.told(1)] == ["Z02"]
        home.clock = lambda: system_clock() + timedelta(days=1)
        assert await home.engine.holds.expire() == 0
        home.clock = lambda: system_clock() + timedelta(days=3)
        await home.until(DMP="failed")
        assert ("Z01", False, "", "INS_NOT_QUALIFIED") in await home.told(2)
        assert "hold_expired" in {row["kind"] for row in await home.fetch("SELECT kind FROM events")}


async def test_an_expiry_is_not_told_twice(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(provisional())
        await home.told(2)
        home.clock = lambda: system_clock() + timedelta(days=31)
        await home.until(DMP="failed")
        rows = await home.fetch("SELECT event FROM business_acks WHERE event = 'Z01'")
    assert len(rows) == 1


async def test_a_cancelled_delivery_frees_its_lineage(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(provisional("P1"))
        await home.until(DMP="held")
        assert await home.engine.holds.cancel(await _held(home))
        await home.until(DMP="cancelled")
        assert not (await home.engine.holds.release(await _delivery(home))).done


async def test_what_is_not_held_cannot_be_released_nor_what_left_be_cancelled(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter(flags=Flags(dest_mss_ps=False, dest_mss_pat=False)))
        await home.until(DMP="delivered")
        delivery = await _delivery(home)
        assert not (await home.engine.holds.release(delivery)).done
        assert not await home.engine.holds.cancel(delivery)
        assert not (await home.engine.holds.release(uuid.uuid4())).done


async def test_a_channel_without_destination_cannot_be_released(store_url: str) -> None:
    async with house(store_url, destinations=False) as home:
        await home.accept(letter())
        assert not (await home.engine.holds.release(await _held(home))).done


async def _held(home: House) -> uuid.UUID:
    (row, *_) = await home.fetch("SELECT id FROM deliveries WHERE state = 'held'")
    found: uuid.UUID = row["id"]
    return found


async def _delivery(home: House) -> uuid.UUID:
    (row, *_) = await home.fetch("SELECT id FROM deliveries ORDER BY seq")
    found: uuid.UUID = row["id"]
    return found
