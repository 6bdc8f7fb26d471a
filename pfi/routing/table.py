"""The legal table applied to one document: rows add up, the strongest value wins (obligations digest §3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pfi.model.decision import Channel
from pfi.routing.facts import DocumentFacts
from pfi.routing.rulefile import Conditions, Due, Row, Setting

_CONDITIONS = tuple(Conditions.model_fields)


@dataclass(frozen=True, slots=True)
class RowTest:
    """A row with its conditions as (fact, expected value) pairs, ready to be compared."""

    row: Row
    conditions: tuple[tuple[str, object], ...]

    @classmethod
    def of(cls, row: Row) -> "RowTest":
        """Keeps only the conditions that the row states."""
        stated = ((name, getattr(row.when, name)) for name in _CONDITIONS)
        return cls(row, tuple((name, value) for name, value in stated if value is not None))

    def in_force(self, day: date | None) -> bool:
        """Both ends inclusive. An unreadable date only matches rows without a beginning."""
        if day is None:
            return self.row.from_ is None
        return (self.row.from_ is None or self.row.from_ <= day) and (self.row.until is None or day <= self.row.until)

    def failed(self, facts: DocumentFacts) -> tuple[str, ...]:
        """Names of the conditions that do not hold."""
        return tuple(name for name, value in self.conditions if getattr(facts, name) != value)


@dataclass(frozen=True, slots=True)
class Match:
    """Rows that apply, and rows that would have applied if the setting were known."""

    rows: tuple[Row, ...]
    undecided: tuple[Row, ...]

    def due(self, channel: Channel) -> Due:
        """Strongest value over the rows that apply."""
        return max((row.due(channel) for row in self.rows), key=lambda value: value.strength, default=Due.NONE)

    def setting_missing(self, channel: Channel) -> bool:
        """True when a known setting could make the channel (more strongly) due."""
        strength = self.due(channel).strength
        return any(row.due(channel).strength > strength for row in self.undecided)


def match(documents: Iterable[DocumentFacts], by_type: Mapping[str, tuple[RowTest, ...]]) -> Match:
    """Rows that apply to the renditions of one document, in the order of the table.

    `by_type` indexes the table by typeCode. The version of the table is that of each document's own date: a replay
    applies the law of the time (obligations digest §2.2).
    """
    rows: dict[str, Row] = {}
    undecided: dict[str, Row] = {}
    for facts in documents:
        for test in by_type.get(facts.type_code, ()):
            if not test.in_force(facts.date):
                continue
            failed = test.failed(facts)
            if not failed:
                rows.setdefault(test.row.id, test.row)
            elif all(getattr(facts, name) is Setting.UNKNOWN for name in failed):
                undecided.setdefault(test.row.id, test.row)
    return Match(tuple(rows.values()), tuple(row for row in undecided.values() if row.id not in rows))


def free_choice(documents: Iterable[DocumentFacts], by_type: Mapping[str, tuple[RowTest, ...]]) -> bool:
    """True when the type of a rendition is one for which the patient chooses the professional (rows X*).

    Whatever the setting and the date: a prescription whose setting is unknown must not reach a default pharmacy either
    (CSP R. 4127-6).
    """
    return any(test.row.pro is Due.FREE_CHOICE for facts in documents for test in by_type.get(facts.type_code, ()))
