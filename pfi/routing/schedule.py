"""Opening hours: when a sending that a schedule delays may leave."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from pfi.model.decision import Reason
from pfi.routing.facts import day_of
from pfi.routing.rulefile import Schedule, Weekday
from pfi.standards.hl7v2.timestamp import NATIONAL_ZONE

_WEEK: Final = tuple(Weekday)
_MIDNIGHT: Final = "24:00"


@dataclass(frozen=True, slots=True)
class Delay:
    """Until when a sending is kept, in UTC (`None` = it leaves at once), and what must be told of it."""

    until: datetime | None = None
    remarks: tuple[Reason, ...] = ()


def delay(schedule: Schedule, now: datetime, discharged_at: str | None) -> Delay:
    """What a schedule does to a sending decided now.

    `discharged_at` is given when the sending is due on the day of discharge (CSP R. 1112-1-2): PV1-45 as written, empty
    when it is not told (the letter is then taken for one of today). A schedule that makes it miss that day says so.
    """
    opening = next_opening(schedule, now)
    if opening is None:
        return Delay()
    local = opening.astimezone(NATIONAL_ZONE)
    text = f"Plage horaire fermée : l'envoi part à sa prochaine ouverture, le {local:%d/%m/%Y à %H:%M}."
    remarks = [Reason("SCHEDULED", text)]
    if discharged_at is not None and local_day(now) <= (day_of(discharged_at) or local_day(now)) < local.date():
        late = "La plage horaire reporte cet envoi après le jour de la sortie, où la loi le demande (CSP R. 1112-1-2)."
        remarks.append(Reason("SCHEDULE_AFTER_DEADLINE", late))
    return Delay(opening, tuple(remarks))


def next_opening(schedule: Schedule, now: datetime) -> datetime | None:
    """`None` while the schedule is open, else the moment (UTC) of its next opening, within a week.

    Hours are those of the hospital's clocks, whatever the season. `to` before `from` closes on the next morning.
    """
    today = local_day(now)
    windows = (_window(schedule, today + timedelta(days)) for days in range(-1, 8))
    opening, _ = next(each for each in windows if each is not None and each[1] > now)
    return None if opening <= now else opening


def local_day(moment: datetime) -> date:
    """The day at the hospital."""
    return moment.astimezone(NATIONAL_ZONE).date()


def _window(schedule: Schedule, day: date) -> tuple[datetime, datetime] | None:
    """Opening and closing of a day, in UTC; `None` on other days than those of the schedule."""
    if _WEEK[day.weekday()] not in schedule.days:
        return None
    whole = schedule.to == _MIDNIGHT
    end = day + timedelta(days=1) if whole or schedule.to < schedule.from_ else day
    return _moment(day, schedule.from_), _moment(end, "00:00" if whole else schedule.to)


def _moment(day: date, hour: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(hour), NATIONAL_ZONE).astimezone(UTC)
