"""Delivery status notifications: Z02 waits for them when they are expected."""

from datetime import timedelta

import pytest

from pfi.model.clock import system_clock
from pfi.model.delivery import OutcomeKind
from pfi.standards.mail.dsn import DsnAction
from samples.generator.request import Flags
from tests.integration.engine.fakes import House, eventually, house, letter, to_everybody

ONLY_PRO = Flags(dest_dmp=False, dest_mss_pat=False)
DOCTOR = "bruno.peuplier@medecin-exemple.mssante.fr"


async def test_z02_waits_for_the_notification(store_url: str) -> None:
    async with house(store_url) as home:
        envelope = await _accepted_by_the_operator(home)
        assert home.reply.received == []
        assert await home.engine.notifications.dsn_received(envelope, DOCTOR.upper(), DsnAction.DELIVERED)
        assert await home.told(1) == [("Z02", True, DOCTOR, "")]
        assert await home.engine.notifications.dsn_received(envelope, DOCTOR, DsnAction.DELIVERED)
        assert len(await home.fetch("SELECT FROM business_acks")) == 1


@pytest.mark.parametrize("action", [DsnAction.RELAYED, DsnAction.EXPANDED])
async def test_what_was_relayed_or_expanded_is_received(store_url: str, action: DsnAction) -> None:
    async with house(store_url) as home:
        envelope = await _accepted_by_the_operator(home)
        await home.engine.notifications.dsn_received(envelope, DOCTOR, action)
        assert await home.told(1) == [("Z02", True, DOCTOR, "")]


async def test_a_failure_is_told_with_its_code(store_url: str) -> None:
    async with house(store_url) as home:
        envelope = await _accepted_by_the_operator(home)
        await home.engine.notifications.dsn_received(envelope, DOCTOR, DsnAction.FAILED, "550", "Boîte inconnue.")
        assert await home.told(1) == [("Z02", False, DOCTOR, "550")]


async def test_a_delay_is_recorded_and_nothing_is_told(store_url: str) -> None:
    async with house(store_url) as home:
        envelope = await _accepted_by_the_operator(home)
        assert await home.engine.notifications.dsn_received(envelope, DOCTOR, DsnAction.DELAYED, "450")
        assert await home.fetch("SELECT FROM business_acks") == []
        events = await home.fetch("SELECT kind FROM events WHERE message_id = 1")
        assert [row["kind"] for row in events] == ["dsn_delayed"]


async def test_a_notification_of_no_mail_of_ours_is_not_taken(store_url: str) -> None:
    async with house(store_url) as home:
        assert not await home.engine.notifications.dsn_received("unknown", DOCTOR, DsnAction.DELIVERED)


async def test_without_notification_in_time_the_sender_is_told_420_and_a_late_one_still_counts(
    store_url: str,
) -> None:
    async with house(store_url) as home:
        envelope = await _accepted_by_the_operator(home)
        home.clock = lambda: system_clock() + timedelta(hours=71)
        assert await home.engine.notifications.expire() == 0
        home.clock = lambda: system_clock() + timedelta(hours=73)
        assert await home.told(1) == [("Z02", False, DOCTOR, "420")]
        assert await home.engine.notifications.dsn_received(envelope, DOCTOR, DsnAction.DELIVERED)
        assert ("Z02", True, DOCTOR, "") in await home.told(2)


async def _accepted_by_the_operator(home: House) -> str:
    home.mail.answers = [to_everybody(OutcomeKind.DELIVERED, dsn="expected")]
    await home.accept(letter(flags=ONLY_PRO))
    await home.until(PRO="delivered")

    async def stored() -> bool:
        return bool(await home.fetch("SELECT FROM recipient_results WHERE dsn = 'expected'"))

    await eventually(stored)
    return home.mail.sent[0].ids.envelope
