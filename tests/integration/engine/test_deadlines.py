"""A discharge letter that is not delivered to the médecin traitant on the day of discharge raises one alert."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from pfi.engine.alerts import DISCHARGE_LETTER_LATE
from tests.integration.engine.ward import (
    DOCTOR,
    LETTER,
    MIDNIGHT,
    MINUTE,
    MORNING,
    VISIT,
    Ward,
)


async def test_a_letter_delivered_on_the_day_raises_nothing(ward: Ward) -> None:
    message = await ward.receive()
    await ward.answer(message)
    assert await ward.at(MORNING + MINUTE) == 0
    assert await ward.at(MIDNIGHT + timedelta(days=9)) == 0
    assert await ward.all() == []


async def test_midnight_raises_one_alert_over_many_checks_and_engines(ward: Ward) -> None:
    message = await ward.receive()
    assert await ward.at(MIDNIGHT - timedelta(seconds=1)) == 0
    assert await ward.at(MIDNIGHT) == 1
    for minutes in range(5):
        assert await ward.at(MIDNIGHT + minutes * MINUTE) == 0
        assert await ward.other.check() == 0
    (alert,) = await ward.all()
    assert (alert.kind, alert.subject) == (DISCHARGE_LETTER_LATE, ward.subject)
    assert (alert.opened_at, alert.closed_at) == (MIDNIGHT, None)
    assert alert.detail == {
        "message": message,
        "discharged_on": "2026-03-05",
        "cause": "QUEUED",
        "delivery": "queued",
        "referring_known": True,
    }
    assert "à retenter (QUEUED)" in alert.text
    events = await ward.fetch("SELECT message_id, kind, detail FROM events")
    assert [(each["message_id"], each["kind"]) for each in events] == [(message, "alert_opened")]
    assert events[0]["detail"]["subject"] == ward.subject


async def test_engines_that_check_at_the_same_time_open_it_once(ward: Ward) -> None:
    await ward.receive()
    ward.now = MIDNIGHT
    engines = [ward.engine() for _ in range(4)]
    assert sum(await asyncio.gather(*(engine.check() for engine in engines))) == 1
    assert len(await ward.all()) == 1


async def test_an_alert_closes_when_the_letter_leaves_and_stays_closed(ward: Ward) -> None:
    message = await ward.receive()
    await ward.at(MIDNIGHT)
    await ward.answer(message)
    later = MIDNIGHT + timedelta(hours=8)
    assert await ward.at(later) == 1
    assert await ward.at(later + timedelta(days=2)) == 0
    (alert,) = await ward.all()
    assert (alert.closed_at, alert.ending) == (later, "delivered")
    events = await ward.fetch("SELECT message_id, kind, detail FROM events ORDER BY id")
    assert [each["kind"] for each in events] == ["alert_opened", "alert_closed"]
    assert events[1]["message_id"] == message
    assert events[1]["detail"]["ending"] == "delivered"


async def test_opening_and_closing_write_one_log_line_each_with_ids_only(ward: Ward) -> None:
    message = await ward.receive()
    with capture_logs() as lines:
        await ward.at(MIDNIGHT)
        await ward.at(MIDNIGHT + MINUTE)
        await ward.answer(message)
        await ward.at(MIDNIGHT + 2 * MINUTE)
        await ward.at(MIDNIGHT + 3 * MINUTE)
    assert [(line["event"], line["log_level"], line["subject"]) for line in lines] == [
        ("alert_opened", "warning", ward.subject),
        ("alert_closed", "info", ward.subject),
    ]
    assert VISIT.split("^")[0] not in str(lines)


async def test_a_delivery_to_somebody_else_is_not_enough(ward: Ward) -> None:
    message = await ward.receive()
    await ward.answer(message, "autre@test.mssante.fr", party="899700000022")
    assert await ward.at(MIDNIGHT) == 1


@pytest.mark.parametrize("party", [DOCTOR, DOCTOR[1:]])
async def test_the_referring_physician_is_recognised_by_identifier_at_another_mailbox(ward: Ward, party: str) -> None:
    message = await ward.receive()
    await ward.answer(message, "cabinet@test.mssante.fr", party=party)
    assert await ward.at(MIDNIGHT) == 0


async def test_a_referring_physician_who_is_not_a_recipient_is_told(ward: Ward) -> None:
    absent = replace(LETTER, referring_ids=("899700000099",), referring_addresses=())
    message = await ward.receive(absent, "delivered")
    await ward.answer(message)
    assert await ward.at(MIDNIGHT) == 1
    (alert,) = await ward.open()
    assert alert.detail["cause"] == "REFERRING_NOT_NAMED"
    assert "aucun médecin traitant parmi les destinataires" in alert.text


async def test_a_refused_mailbox_is_told_with_its_code(ward: Ward) -> None:
    message = await ward.receive(state="refused")
    await ward.answer(message, outcome="refused", code="550")
    await ward.at(MIDNIGHT)
    (alert,) = await ward.open()
    assert alert.detail["cause"] == "550"
    assert "médecin traitant n'a pas été servie (550)" in alert.text


async def test_a_letter_that_is_not_ordered_to_professionals_is_told_with_the_decision(ward: Ward) -> None:
    await ward.receive(action="deny")
    await ward.at(MIDNIGHT)
    (alert,) = await ward.open()
    assert alert.detail["cause"] == "ORDER_NO"
    assert alert.detail["delivery"] is None


async def test_without_known_referring_physician_any_professional_is_enough(ward: Ward) -> None:
    unknown = replace(LETTER, referring_known=False, referring_ids=(), referring_addresses=())
    message = await ward.receive(unknown)
    await ward.at(MIDNIGHT)
    (alert,) = await ward.open()
    assert "médecin traitant inconnu" in alert.text
    await ward.answer(message, "autre@test.mssante.fr")
    await ward.at(MIDNIGHT + MINUTE)
    assert await ward.open() == []


async def test_a_bounce_reopens_what_was_believed_to_have_left(ward: Ward) -> None:
    message = await ward.receive(state="delivered")
    await ward.answer(message, dsn="expected")
    assert await ward.at(MIDNIGHT) == 0
    await ward.answer(message, outcome="refused", code="511", dsn="received")
    assert await ward.at(MIDNIGHT + MINUTE) == 1
    (alert,) = await ward.open()
    assert alert.detail["cause"] == "511"


async def test_a_notification_that_never_comes_is_no_bounce(ward: Ward) -> None:
    message = await ward.receive(state="delivered")
    await ward.answer(message, dsn="expected")
    await ward.at(MIDNIGHT)
    await ward.answer(message, outcome="failed", code="420", dsn="timeout")
    assert await ward.at(MIDNIGHT + timedelta(days=3)) == 0


# Letters that come late ----------------------------------------------------------------------------------------------


async def test_a_letter_received_after_the_day_has_a_time_of_grace(ward: Ward) -> None:
    ward.now = late = MIDNIGHT + timedelta(hours=10)
    await ward.receive()
    assert await ward.at(late + 14 * MINUTE) == 0
    assert await ward.at(late + 15 * MINUTE) == 1


async def test_a_late_letter_that_leaves_at_once_raises_nothing(ward: Ward) -> None:
    ward.now = late = MIDNIGHT + timedelta(hours=10)
    await ward.answer(await ward.receive())
    assert await ward.at(late + timedelta(days=1)) == 0


async def test_without_grace_a_late_letter_is_late_at_once(ward: Ward) -> None:
    ward.watch = ward.engine(late_grace_minutes=0)
    ward.now = MIDNIGHT + timedelta(days=30)
    await ward.receive()
    assert await ward.at(ward.now) == 1


async def test_a_site_that_loads_old_letters_bounds_their_age(ward: Ward) -> None:
    ward.watch = ward.engine(oldest_days=2, late_grace_minutes=0)
    await ward.receive()
    assert await ward.at(MIDNIGHT + timedelta(days=1)) == 1
    assert await ward.at(MIDNIGHT + timedelta(days=5)) == 0  # what is open stays open
    await ward.receive(replace(LETTER, visit_text=""))
    assert await ward.at(ward.now) == 0
    assert [alert.subject for alert in await ward.open()] == [ward.subject]
