"""The TS data type (HL7 v2.5 §2.A.77): `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

NATIONAL_ZONE: Final = ZoneInfo("Europe/Paris")
"""Zone of the times that carry no offset: senders write the hospital's own time."""

_FIRST_YEAR: Final = 1000
_LAST_YEAR: Final = 9998
"""Beyond these years a moment cannot be moved from one zone to another."""

_SHAPE: Final = re.compile(
    r"(?P<year>[0-9]{4})"
    r"(?:(?P<month>[0-9]{2})(?:(?P<day>[0-9]{2})(?:(?P<hour>[0-9]{2})"
    r"(?:(?P<minute>[0-9]{2})(?:(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,4}))?)?)?)?)?)?"
    r"(?P<offset>[+-][0-9]{4})?"
)
_BIRTH_DATE: Final = re.compile(r"[0-9]{4}(?:[0-9]{2}(?:[0-9]{2}(?:[0-9]{2,6}(?:\.[0-9]+)?)?)?)?(?:[+-][0-9]{4})?")


def read_timestamp(text: str) -> datetime | None:
    """The moment written in a TS, timezone-aware; missing parts count as the earliest. `None` when it is no TS."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        return None
    parts = found.groupdict()
    if not _FIRST_YEAR <= int(parts["year"]) <= _LAST_YEAR:
        return None
    try:
        return datetime(
            int(parts["year"]),
            int(parts["month"] or 1),
            int(parts["day"] or 1),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int((parts["fraction"] or "0").ljust(6, "0")),
            tzinfo=_zone(parts["offset"]),
        )
    except ValueError:
        return None


def _zone(offset: str | None) -> ZoneInfo | timezone:
    if offset is None:
        return NATIONAL_ZONE
    delta = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    return timezone(-delta if offset[0] == "-" else delta)


def has_birth_date_shape(text: str) -> bool:
    """True for a birth date that can be carried as it is: digits of a date, however partial or out of the calendar
    (INSi returns such dates for people born abroad or with an unknown day)."""
    return _BIRTH_DATE.fullmatch(text) is not None


def write_timestamp(moment: datetime) -> str:
    """A TS to the second, with the offset of its own zone; a naive moment gets none."""
    return moment.strftime("%Y%m%d%H%M%S%z")


def as_utc(moment: datetime) -> datetime:
    """The same moment in UTC, the form of every time in the model."""
    return moment.astimezone(UTC)
