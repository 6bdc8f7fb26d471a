"""A discharge letter that is not delivered to the médecin traitant on the day of discharge raises one alert."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from pfi.engine.alerts import DISCHARGE_LETTER_LATE, Alerts, DischargeLetters
from pfi.engine.context import Context
from pfi.engine.rulebooks import Rulebooks
from pfi.engine.settings import Settings
from pfi.model.clock import IdSource
from pfi.model.patient import Episode
from pfi.model.submission import Request
from pfi.routing.rules import RuleBook, load_rules
from pfi.store import letters, stays
from pfi.store.alerts import Alert
from pfi.store.database import Database, open_database
from pfi.store.letters import Letter
from pfi.store.patients import PatientKeys

MORNING = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
"""Of the day of discharge."""
MIDNIGHT = datetime(2026, 3, 5, 23, 0, tzinfo=UTC)
"""In Paris, the end of that day."""
VISIT = "5500041^2.25.7"
DOCTOR = "899700000011"
MAILBOX = "medecin@test.mssante.fr"
MINUTE = timedelta(minutes=1)

LETTER = Letter(
    lineage="2.25.9",
    request=Request.INITIAL,
    received_at=MORNING,
    visit_text=f"visit:{VISIT}",
    discharged_on=date(2026, 3, 5),
    referring_known=True,
    referring_ids=(DOCTOR, DOCTOR[1:]),
    referring_addresses=(MAILBOX,),
)
STAY = Episode(visit=VISIT, patient_class="I", admitted_at=MORNING - timedelta(days=3), discharged_at=MORNING)


@cache
def rules() -> RuleBook:
    return load_rules()


class Ward:
    """A store, two engines' watches over it, and a clock."""

    def __init__(self, database: Database, keys: PatientKeys) -> None:
        self.database = database
        self.keys = keys
        self.now = MORNING
        self.patient = uuid.uuid4()
        self.watch, self.other = self.engine(), self.engine()

    def engine(self, **changes: Any) -> DischargeLetters:
        context = Context(
            settings=Settings.model_validate({"alerts": changes}),
            database=self.database,
            rulebooks=Rulebooks(rules()),
            clock=lambda: self.now,
            ids=IdSource(),
            worker=uuid.uuid4(),
        )
        return DischargeLetters(context)

    def opaque(self, text: str) -> bytes:
        return self.keys.opaque(text)

    @property
    def subject(self) -> str:
        return f"stay:{stays.stay_id(self.opaque(f'visit:{VISIT}'))}"

    async def receive(self, letter: Letter = LETTER, state: str = "queued", *, action: str = "send") -> int:
        """Stores a letter with its decision and, unless it is denied, its delivery to professionals."""
        letter = replace(letter, received_at=self.now)
        async with self.database.transaction() as connection:
            message: int = await connection.fetchval(
                "INSERT INTO messages (received_at, received_on, listener, peer, certificate, sender, sender_key,"
                " control_id, message_type, digest, size, kind, ack_code)"
                " VALUES ($1, $2, 'l', 'p', '', 's', 's', '1', 'ORU^R01', $3, 0, 'request', 'AA') RETURNING id",
                letter.received_at,
                letter.received_at.date(),
                uuid.uuid4().bytes,
            )
            await connection.execute(
                "INSERT INTO decisions (message_id, run, position, document, channel, action, code, because,"
                " recipients, due, gap, legal_gap, rules_digest)"
                " VALUES ($1, 1, 1, 'd', 'PRO', $2, $3, '[]', '[]', true, false, false, '')",
                message,
                action,
                "ORDER_NO" if action == "deny" else "",
            )
            if action == "send":
                await connection.execute(
                    "INSERT INTO deliveries (id, message_id, channel, destination, lineage, request, qualified, ids,"
                    " addressees, recipients, created_at, state)"
                    " VALUES ($1, $2, 'PRO', 'mssante', $3, $4, true, '{}', $5, '[]', $6, $7)",
                    uuid.uuid4(),
                    message,
                    letter.lineage,
                    letter.request,
                    [{"address": MAILBOX.upper(), "identifier": DOCTOR}],
                    letter.received_at,
                    state,
                )
            await letters.record(connection, message, letter, self.opaque)
        return message

    async def answer(
        self,
        message: int,
        address: str = MAILBOX,
        outcome: str = "delivered",
        *,
        party: str = "",
        code: str = "",
        dsn: str = "none",
    ) -> None:
        """What became of one mailbox."""
        async with self.database.connection() as connection:
            await connection.execute(
                "INSERT INTO recipient_results (delivery_id, address, party_id, outcome, code, text, at, envelope, dsn)"
                " SELECT id, $2, $3, $4, $5, '', $6, '', $7 FROM deliveries WHERE message_id = $1 AND channel = 'PRO'"
                " ON CONFLICT (delivery_id, address) DO UPDATE SET outcome = excluded.outcome, code = excluded.code,"
                " dsn = excluded.dsn",
                message,
                address,
                party,
                outcome,
                code,
                self.now,
                dsn,
            )

    async def told(self, *episodes: Episode) -> None:
        """The ADT feed tells the stays of the patient."""
        async with self.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO patients (id, state, updated_at) VALUES ($1, '{}', $2) ON CONFLICT DO NOTHING",
                self.patient,
                self.now,
            )
            await stays.project(connection, self.patient, episodes, self.opaque, self.now)

    async def at(self, now: datetime) -> int:
        self.now = now
        return await self.watch.check()

    async def open(self) -> list[Alert]:
        return list(await Alerts(self.database).current())

    async def all(self) -> list[Alert]:
        return list(await Alerts(self.database).history())

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]


@pytest.fixture
async def ward(store_url: str) -> AsyncIterator[Ward]:
    database = await open_database(store_url, Path("unused"), pool=4)
    try:
        async with database.connection() as connection:
            keys = await PatientKeys.load(connection)
        yield Ward(database, keys)
    finally:
        await database.close()


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
