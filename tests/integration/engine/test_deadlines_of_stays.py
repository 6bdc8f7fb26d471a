"""Which day of discharge counts for a letter: that of the message, or of its stay as ADT tells it; and what else the
check promises."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import orjson
import pytest

from pfi.model.submission import Request
from pfi.store import letters
from tests.integration.engine.ward import LETTER, MIDNIGHT, MINUTE, MORNING, STAY, Ward

# The stay ------------------------------------------------------------------------------------------------------------


async def test_without_pv1_45_the_discharge_told_by_adt_counts(ward: Ward) -> None:
    await ward.receive(replace(LETTER, discharged_on=None))
    assert await ward.at(MIDNIGHT) == 0
    await ward.told(STAY)
    assert await ward.at(MIDNIGHT) == 1
    (alert,) = await ward.open()
    assert alert.detail["discharged_on"] == "2026-03-05"


async def test_pv1_45_wins_over_the_discharge_told_by_adt(ward: Ward) -> None:
    await ward.told(replace(STAY, discharged_at=MORNING + timedelta(days=1)))
    await ward.receive()
    assert await ward.at(MIDNIGHT) == 1


async def test_a_stay_without_discharge_has_no_deadline(ward: Ward) -> None:
    await ward.told(replace(STAY, discharged_at=None))
    await ward.receive(replace(LETTER, discharged_on=None))
    assert await ward.at(MIDNIGHT + timedelta(days=60)) == 0


@pytest.mark.parametrize("told", [date(2026, 3, 5), None])
async def test_a_cancelled_discharge_closes_the_alert(ward: Ward, told: date | None) -> None:
    await ward.told(STAY)
    await ward.receive(replace(LETTER, discharged_on=told))
    assert await ward.at(MIDNIGHT) == 1
    await ward.told(replace(STAY, discharged_at=None))
    assert await ward.at(MIDNIGHT + MINUTE) == 1
    (alert,) = await ward.all()
    assert alert.ending == "cancelled"
    assert await ward.at(MIDNIGHT + timedelta(days=1)) == 0


async def test_after_a_cancelled_discharge_the_next_one_counts(ward: Ward) -> None:
    await ward.told(STAY)
    await ward.told(replace(STAY, discharged_at=None))
    await ward.receive(replace(LETTER, discharged_on=None))
    assert await ward.at(MIDNIGHT) == 0
    await ward.told(replace(STAY, discharged_at=MORNING + timedelta(days=1)))
    assert await ward.at(MIDNIGHT + timedelta(days=1) - MINUTE) == 0
    assert await ward.at(MIDNIGHT + timedelta(days=1)) == 1


async def test_a_letter_about_a_later_discharge_outlives_a_cancelled_one(ward: Ward) -> None:
    await ward.told(STAY)
    await ward.told(replace(STAY, discharged_at=None))
    await ward.receive(replace(LETTER, discharged_on=date(2026, 3, 6)))
    assert await ward.at(MIDNIGHT + timedelta(days=1)) == 1


async def test_a_cancelled_stay_closes_the_alert(ward: Ward) -> None:
    await ward.told(STAY)
    await ward.receive()
    await ward.at(MIDNIGHT)
    await ward.told(replace(STAY, cancelled=True))
    assert await ward.at(MIDNIGHT + MINUTE) == 1
    (alert,) = await ward.all()
    assert alert.ending == "cancelled"


async def test_a_discharge_put_off_closes_the_alert_until_its_new_day(ward: Ward) -> None:
    await ward.told(STAY)
    await ward.receive(replace(LETTER, discharged_on=None))
    await ward.at(MIDNIGHT)
    await ward.told(replace(STAY, discharged_at=MORNING + timedelta(days=1)))
    await ward.at(MIDNIGHT + MINUTE)
    (alert,) = await ward.all()
    assert alert.ending == "not_due"
    assert await ward.at(MIDNIGHT + timedelta(days=1)) == 1


async def test_a_letter_without_stay_is_known_by_its_lineage(ward: Ward) -> None:
    await ward.receive(replace(LETTER, visit_text=""))
    await ward.at(MIDNIGHT)
    (alert,) = await ward.open()
    assert alert.subject == "document:2.25.9"


# Versions and deletions ----------------------------------------------------------------------------------------------


async def test_a_deleted_letter_closes_its_alert(ward: Ward) -> None:
    await ward.receive()
    await ward.at(MIDNIGHT)
    await ward.receive(replace(LETTER, request=Request.DELETE))
    assert await ward.at(MIDNIGHT + MINUTE) == 1
    (alert,) = await ward.all()
    assert alert.ending == "deleted"
    assert await ward.at(MIDNIGHT + timedelta(days=1)) == 0


async def test_two_letters_of_a_stay_share_one_alert_and_one_delivery_is_enough(ward: Ward) -> None:
    await ward.receive()
    await ward.at(MIDNIGHT)
    second = await ward.receive(replace(LETTER, lineage="2.25.10"))
    assert await ward.at(MIDNIGHT + timedelta(hours=1)) == 0
    await ward.answer(second)
    assert await ward.at(MIDNIGHT + timedelta(hours=2)) == 1
    assert await ward.open() == []
    await ward.receive(replace(LETTER, request=Request.REPLACE))
    assert await ward.at(MIDNIGHT + timedelta(days=1)) == 0


async def test_recording_a_letter_again_corrects_it(ward: Ward) -> None:
    message = await ward.receive()
    async with ward.database.transaction() as connection:
        await letters.record(connection, message, replace(LETTER, discharged_on=date(2026, 3, 7)), ward.opaque)
    assert await ward.at(MIDNIGHT) == 0
    assert await ward.at(MIDNIGHT + timedelta(days=2)) == 1


async def test_a_letter_whose_discharge_is_never_told_is_not_watched_for_ever(ward: Ward) -> None:
    await ward.receive(replace(LETTER, discharged_on=None))
    assert await ward.at(MORNING + timedelta(days=364)) == 0
    assert await ward.at(MORNING + timedelta(days=366)) == 0
    assert await ward.fetch("SELECT settled FROM discharge_letters") == [{"settled": "expired"}]


# Settings ------------------------------------------------------------------------------------------------------------


async def test_a_stay_without_letter_raises_nothing_by_default(ward: Ward) -> None:
    await ward.told(STAY)
    assert await ward.at(MIDNIGHT) == 0


async def test_every_stay_wants_its_letter_when_the_site_says_so(ward: Ward) -> None:
    ward.watch = ward.engine(discharge_letter="every_stay")
    outside = replace(STAY, visit="5500099^2.25.7", patient_class="O")
    cancelled = replace(STAY, visit="5500098^2.25.7", cancelled=True)
    await ward.told(STAY, outside, cancelled)
    assert await ward.at(MIDNIGHT - timedelta(seconds=1)) == 0
    assert await ward.at(MIDNIGHT) == 1
    assert await ward.at(MIDNIGHT + timedelta(days=60)) == 0
    (alert,) = await ward.open()
    assert (alert.subject, alert.detail["cause"], alert.detail["message"]) == (ward.subject, "NO_LETTER", None)
    message = await ward.receive(replace(LETTER, discharged_on=None))
    assert await ward.at(ward.now + timedelta(hours=1)) == 0  # the same alert, until the letter leaves
    await ward.answer(message)
    assert await ward.at(ward.now + MINUTE) == 1
    assert (await ward.all())[0].ending == "delivered"
    assert await ward.at(ward.now + timedelta(days=1)) == 0


async def test_a_cancelled_discharge_closes_the_alert_of_a_stay_without_letter(ward: Ward) -> None:
    ward.watch = ward.engine(discharge_letter="every_stay")
    await ward.told(STAY)
    await ward.at(MIDNIGHT)
    await ward.told(replace(STAY, discharged_at=None))
    assert await ward.at(MIDNIGHT + MINUTE) == 1
    assert (await ward.all())[0].ending == "cancelled"


async def test_discharges_of_old_raise_nothing_when_the_site_begins_to_ask_for_every_stay(ward: Ward) -> None:
    await ward.told(STAY)
    ward.watch = ward.engine(discharge_letter="every_stay")
    assert await ward.at(MIDNIGHT + timedelta(days=14)) == 0


async def test_switching_off_closes_what_is_open(ward: Ward) -> None:
    await ward.receive()
    await ward.at(MIDNIGHT)
    async with ward.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO alerts (kind, subject, opened_at, detail, text) VALUES ('other', 'x', $1, '{}', '')", MIDNIGHT
        )
    ward.watch = ward.engine(discharge_letter="off")
    assert await ward.at(MIDNIGHT + MINUTE) == 1
    assert await ward.at(MIDNIGHT + 2 * MINUTE) == 0
    (left,) = await ward.open()
    assert left.kind == "other"
    assert (await ward.all())[1].ending == "off"


async def test_another_time_zone_has_another_midnight(ward: Ward) -> None:
    ward.watch = ward.engine(timezone="Indian/Reunion")
    await ward.receive()
    assert await ward.at(datetime(2026, 3, 5, 19, 59, tzinfo=UTC)) == 0
    assert await ward.at(datetime(2026, 3, 5, 20, 0, tzinfo=UTC)) == 1


@pytest.mark.parametrize(
    ("day", "midnight"),
    [
        (date(2026, 3, 29), datetime(2026, 3, 29, 22, 0, tzinfo=UTC)),  # 23 hours
        (date(2026, 10, 25), datetime(2026, 10, 25, 23, 0, tzinfo=UTC)),  # 25 hours
    ],
)
@pytest.mark.parametrize("by_adt", [False, True])
async def test_the_days_on_which_clocks_change_end_at_midnight_too(
    ward: Ward, day: date, midnight: datetime, by_adt: bool
) -> None:
    ward.now = midnight - timedelta(hours=12)
    await ward.told(replace(STAY, discharged_at=midnight - MINUTE))
    await ward.receive(replace(LETTER, discharged_on=None if by_adt else day))
    assert await ward.at(midnight - timedelta(seconds=1)) == 0
    assert await ward.at(midnight) == 1


async def test_rounds_are_spaced(ward: Ward) -> None:
    await ward.receive()
    ward.now = MIDNIGHT
    watch = ward.engine(check_seconds=3600)
    await watch.round()
    assert len(await ward.open()) == 1
    await ward.fetch("DELETE FROM alerts")
    await watch.round()
    assert await ward.open() == []
    await ward.engine(check_seconds=0).round()
    assert len(await ward.open()) == 1


async def test_the_check_stays_cheap_with_a_hundred_thousand_letters(
    ward: Ward, record_property: Callable[[str, object], None]
) -> None:
    """A measure rather than a test of time: the bound is loose, the figure is printed."""
    ward.now = MIDNIGHT
    await _many(ward, letters_count=100_000, watched=2_000, late=500)
    ward.watch = ward.engine(discharge_letter="every_stay")
    await ward.at(MIDNIGHT)  # opens the 500
    assert len(await ward.open()) == 500
    figures = []
    for minutes in range(1, 6):
        started = time.perf_counter()
        assert await ward.at(MIDNIGHT + minutes * MINUTE) == 0
        figures.append((time.perf_counter() - started) * 1000)
    figures.sort()
    record_property("check_ms", figures[2])
    print(f"check of 100,000 letters: median {figures[2]:.1f} ms, worst {figures[-1]:.1f} ms")
    assert figures[0] < 1000


async def _many(ward: Ward, *, letters_count: int, watched: int, late: int) -> None:
    """Letters of a few years: settled, but for those of today and the late ones."""
    async with ward.database.transaction() as connection:
        await connection.execute("INSERT INTO patients (id, state, updated_at) VALUES ($1, '{}', now())", ward.patient)
        await connection.execute(
            "INSERT INTO messages (received_at, received_on, listener, peer, certificate, sender, sender_key,"
            " control_id, message_type, digest, size, kind, ack_code)"
            " SELECT $1::timestamptz, $1::timestamptz::date, '', '', '', '', '', n, '', '', 0, 'request', 'AA'"
            " FROM generate_series(1, $2::integer) AS n",
            MORNING,
            letters_count,
        )
        await connection.execute(
            "INSERT INTO stays (id, visit_key, patient, patient_class, ej, eg, unit, discharged_at, exit_mode,"
            " cancelled, updated_at)"
            " SELECT md5(id::text)::uuid, md5(id::text)::bytea, $1, 'I', '', '', '', $2::timestamptz"
            " - (($3::integer - id) / 12) * interval '1 hour', '', false, $2::timestamptz FROM messages",
            ward.patient,
            MORNING,
            letters_count,
        )
        await connection.execute(
            "INSERT INTO discharge_letters (message_id, received_at, lineage, stay, subject, discharged_on,"
            " referring_known, referring_ids, referring_addresses, settled)"
            " SELECT id, received_at, id::text, md5(id::text)::uuid, 'stay:' || md5(id::text)::uuid,"
            " CASE WHEN id > $1::integer - $2::integer THEN $3::date ELSE $3::date + 1 END, true, '{a}', '{b}',"
            " CASE WHEN id > $1::integer - $4::integer THEN '' ELSE 'delivered' END FROM messages",
            letters_count,
            late,
            MORNING.date(),
            watched,
        )
        await connection.execute(
            "INSERT INTO deliveries (id, message_id, channel, destination, lineage, request, qualified, ids,"
            " addressees, recipients, created_at, state)"
            " SELECT md5('d' || id)::uuid, id, 'PRO', 'm', id::text, 'F', true, '{}', '[]', '[]',"
            " $1::timestamptz, 'refused' FROM messages",
            MORNING,
        )
        await connection.execute(
            "INSERT INTO recipient_results (delivery_id, address, party_id, outcome, code, text, at, envelope, dsn)"
            " SELECT id, 'b', 'a', 'refused', '', '', $1::timestamptz, '', 'none' FROM deliveries",
            MORNING,
        )
    async with ward.database.connection() as connection:
        await connection.execute("ANALYZE")


async def test_an_alert_is_plain_json_for_a_machine(ward: Ward) -> None:
    await ward.receive()
    await ward.at(MIDNIGHT)
    (alert,) = await ward.open()
    assert orjson.loads(orjson.dumps(alert))["subject"] == ward.subject
