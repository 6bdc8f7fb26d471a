"""Which rules the traffic uses, and which ones never matched."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pfi.routing.rules import RuleBook
from pfi.store import rulesets
from pfi.store.database import Database


@dataclass(frozen=True, slots=True)
class RuleUse:
    """One rule: how many decisions name it, and when the last message that one of them is about came (`None` =
    never)."""

    rule: str
    kind: str
    file: str
    line: int
    label: str
    decisions: int
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """The rules of a book, in the order of their files. `decisions`: all those that were looked at."""

    digest: str
    since: datetime
    decisions: int
    rules: tuple[RuleUse, ...]

    @property
    def never(self) -> tuple[RuleUse, ...]:
        """Rules that no decision names."""
        return tuple(each for each in self.rules if not each.decisions)


async def cover(database: Database, book: RuleBook, since: datetime) -> Coverage:
    """Counts the decisions about messages received since a moment, replays included, by the rules that they name."""
    async with database.connection() as connection:
        total, rows = await rulesets.coverage(connection, since)
    return tally(book, since, total, {row["rule"]: (row["decisions"], row["last_seen"]) for row in rows})


def tally(book: RuleBook, since: datetime, total: int, named: Mapping[str, tuple[int, datetime]]) -> Coverage:
    """The uses of each rule of a book, from what decisions name."""
    return Coverage(
        book.digest,
        since,
        total,
        tuple(
            RuleUse(name, rule.kind, rule.file, rule.line, rule.label, *named.get(name, (0, None)))
            for name, rule in book.rule_ids.items()
        ),
    )
