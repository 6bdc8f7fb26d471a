"""A schedule of the site delays a sending to its next opening, at the hospital's own time."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pfi.model.decision import Action, Channel
from pfi.routing.rulefile import Schedule
from pfi.routing.schedule import delay, next_opening
from pfi.standards.hl7v2.timestamp import NATIONAL_ZONE
from tests.unit.routing.cases import case, decided, flags, rules_of
from tests.unit.routing.site_cases import site_book

WEEK = ["mon", "tue", "wed", "thu", "fri"]
DAYTIME = "UNE | channels: [{channel}] | schedule: {{days: [mon, tue, wed, thu, fri], from: '08:00', to: '18:00'}}"


def opening(now: str, *, days: list[str] | None = None, start: str = "08:00", end: str = "18:00") -> str:
    """The next opening as « AAAA-MM-JJ HH:MM » at the hospital, empty when open."""
    schedule = Schedule.model_validate({"days": days or WEEK, "from": start, "to": end})
    moment = next_opening(schedule, datetime.fromisoformat(now).replace(tzinfo=NATIONAL_ZONE).astimezone(UTC))
    return f"{moment.astimezone(NATIONAL_ZONE):%Y-%m-%d %H:%M}" if moment is not None else ""


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-15 08:00", ""),
        ("2026-01-15 17:59:59", ""),
        ("2026-01-15 18:00", "2026-01-16 08:00"),
        ("2026-01-15 07:59", "2026-01-15 08:00"),
        ("2026-01-16 18:00", "2026-01-19 08:00"),
        ("2026-01-17 12:00", "2026-01-19 08:00"),
        ("2026-07-15 08:00", ""),
        ("2026-07-15 07:00", "2026-07-15 08:00"),
    ],
)
def test_the_next_opening_on_working_days_in_winter_and_in_summer(now: str, expected: str) -> None:
    assert opening(now) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-16 23:00", ""),  # Friday night
        ("2026-01-17 05:59", ""),  # still Friday's opening
        ("2026-01-17 06:00", "2026-01-19 20:00"),
        ("2026-01-18 23:00", "2026-01-19 20:00"),
    ],
)
def test_an_end_before_the_beginning_is_the_next_morning(now: str, expected: str) -> None:
    assert opening(now, start="20:00", end="06:00") == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [("2026-01-12 00:00", ""), ("2026-01-12 23:59", ""), ("2026-01-13 00:00", "2026-01-19 00:00")],
)
def test_a_whole_day_once_a_week(now: str, expected: str) -> None:
    assert opening(now, days=["mon"], start="00:00", end="24:00") == expected


def test_the_day_the_clocks_change_opens_at_the_hour_that_they_show() -> None:
    assert opening("2026-03-28 20:00", days=["sun"]) == "2026-03-29 08:00"
    schedule = Schedule.model_validate({"days": ["sun"], "from": "08:00", "to": "18:00"})
    summer = next_opening(schedule, datetime(2026, 3, 28, 20, tzinfo=UTC))
    winter = next_opening(schedule, datetime(2026, 3, 21, 20, tzinfo=UTC))

    assert summer == datetime(2026, 3, 29, 6, tzinfo=UTC)
    assert winter == datetime(2026, 3, 22, 7, tzinfo=UTC)


def test_a_delayed_sending_is_a_sending_with_the_moment_of_the_opening() -> None:
    decision = decided(case(type="34874-8", at="19:30"), site_book(DAYTIME.format(channel="PRO")))[Channel.PRO]

    assert decision.action is Action.SEND
    assert decision.not_before == datetime(2026, 1, 16, 7, tzinfo=UTC)
    (reason,) = [each for each in decision.because if each.rule == "SCHEDULED"]
    assert reason.text.endswith("le 16/01/2026 à 08:00.")
    assert "SCHEDULE_AFTER_DEADLINE" not in rules_of(decision)


def test_an_open_schedule_delays_nothing_and_is_told() -> None:
    decision = decided(case(at="10:00"), site_book(DAYTIME.format(channel="PRO")))[Channel.PRO]

    assert decision.not_before is None
    assert "UNE" in rules_of(decision)
    assert "SCHEDULED" not in rules_of(decision)


def test_the_hours_of_a_schedule_are_told_with_the_days_of_the_week() -> None:
    every = "UNE | | schedule: {days: [sun, sat, fri, thu, wed, tue, mon], from: '08:00', to: '18:00'}"
    (reason,) = [each for each in decided(case(), site_book(every))[Channel.DMP].because if each.rule == "UNE"]
    assert "de 08:00 à 18:00 (lundi, mardi, mercredi, jeudi, vendredi, samedi, dimanche)" in reason.text
    monday = "UNE | | schedule: {days: [mon], from: '00:00', to: '24:00'}"
    (reason,) = [each for each in decided(case(), site_book(monday))[Channel.DMP].because if each.rule == "UNE"]
    assert "de 00:00 à 24:00 (lundi)" in reason.text


@pytest.mark.parametrize(
    ("channel", "given"),
    [
        (Channel.DMP, {"feeding": "IO"}),
        (Channel.DMP, {"confidentiality": "R"}),
        (Channel.PRO, {"flags": flags(dest_mss_ps=False)}),
    ],
)
def test_a_schedule_never_delays_what_does_not_leave(channel: Channel, given: dict[str, Any]) -> None:
    decision = decided(case(**given, at="22:00"), site_book(DAYTIME.format(channel=channel)))[channel]

    assert decision.action is not Action.SEND
    assert decision.not_before is None
    assert "SCHEDULED" not in rules_of(decision)


@pytest.mark.parametrize(
    ("given", "late"),
    [
        ({"at": "19:00"}, True),
        ({"at": "19:00", "discharged": "2026-01-15"}, True),
        ({"at": "19:00", "discharged": "2026-01-16"}, False),  # tomorrow at 8 is in time
        ({"at": "19:00", "discharged": "2026-01-14"}, False),  # late already
        ({"at": "07:00"}, False),  # later on the same day
        ({"at": "19:00", "type": "34874-8"}, False),  # no time limit
    ],
)
def test_a_schedule_that_makes_a_discharge_letter_miss_its_day_says_so(given: dict[str, Any], late: bool) -> None:
    decision = decided(case(**given), site_book(DAYTIME.format(channel="PRO")))[Channel.PRO]

    assert ("SCHEDULE_AFTER_DEADLINE" in rules_of(decision)) is late
    assert "SCHEDULED" in rules_of(decision)


def test_the_dmp_has_no_same_day_limit() -> None:
    decision = decided(case(at="19:00"), site_book(DAYTIME.format(channel="DMP")))[Channel.DMP]

    assert decision.not_before is not None
    assert "SCHEDULE_AFTER_DEADLINE" not in rules_of(decision)


def test_an_unreadable_discharge_counts_as_today() -> None:
    schedule = Schedule.model_validate({"days": ["mon"], "from": "08:00", "to": "18:00"})
    now = datetime(2026, 1, 15, 12, tzinfo=UTC)

    assert [each.rule for each in delay(schedule, now, "hier").remarks] == ["SCHEDULED", "SCHEDULE_AFTER_DEADLINE"]
    assert [each.rule for each in delay(schedule, now, None).remarks] == ["SCHEDULED"]
