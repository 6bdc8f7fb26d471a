"""What would be decided otherwise with other rules: the same messages, the same patients, two books."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pfi.engine.conclusion import conclude
from pfi.engine.context import Context
from pfi.engine.folder import Folder
from pfi.engine.interpretation import Interpretation, Kind
from pfi.engine.logs import get_logger
from pfi.engine.patientfile import PatientFile, state_of
from pfi.engine.reading import Reader
from pfi.model.decision import Action, Channel, Decision, Priority, Trigger
from pfi.model.patient import PatientState
from pfi.routing.rules import RuleBook
from pfi.standards.nomenclature import type_label
from pfi.store import journal, messages
from pfi.store.database import STORE_ERRORS

_LOG = get_logger("comparison")
_PAGE = 200


class ChangeKind(StrEnum):
    """What differs, the weightiest first."""

    ACTION = "action"
    RECIPIENTS = "recipients"
    CODE = "code"
    """Same action, other reason code."""
    TERMS = "terms"
    """What is awaited, how long, not before when, priority, mailbox."""
    DUTY = "duty"
    """What is due by law, or whether the law explains the gap."""


class Skipped(StrEnum):
    """Why a message could not be compared."""

    PURGED = "purged"
    """Its content is past its retention."""
    REFUSED = "refused"
    """It would be refused as it is read today: no rule has a say."""
    UNREADABLE = "unreadable"
    """No HL7 message and no CDA."""
    FAULT = "fault"
    """A defect of ours."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One side of a change. `recipients` is a number: addresses are never shown."""

    action: Action
    code: str
    recipients: int
    due: bool
    legal_gap: bool
    until: Trigger | None
    expiry_days: int | None
    not_before: datetime | None
    priority: Priority
    mailbox: str

    @classmethod
    def of(cls, decision: Decision) -> "Verdict":
        return cls(
            decision.action,
            decision.code,
            len(decision.recipients),
            decision.due,
            decision.legal_gap,
            decision.until,
            decision.expiry_days,
            decision.not_before,
            decision.priority,
            decision.mailbox,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One decision that would change. `message`: number in the journal, or name of a file. `rules`: what only one of
    the two decisions names, else what decided on each side."""

    message: str
    document: str
    type_code: str
    type_label: str
    channel: Channel
    kind: ChangeKind
    before: Verdict
    after: Verdict
    rules: tuple[str, ...]

    @property
    def what(self) -> str:
        """The kind, and for an action which one becomes which: `send>hold`."""
        return f"{self.before.action}>{self.after.action}" if self.kind is ChangeKind.ACTION else str(self.kind)


@dataclass(slots=True)
class Tally:
    """Counts of a comparison, complete when it has ended. A decision is counted once for all the renditions (N1, N3)
    of a document."""

    messages: int = 0
    decisions: int = 0
    changes: int = 0
    by_change: Counter[tuple[Channel, str]] = field(default_factory=Counter)
    skipped: Counter[Skipped] = field(default_factory=Counter)


class Comparison:
    """Compares the rules in force with others. Reads only."""

    def __init__(self, context: Context, reader: Reader, patients: PatientFile) -> None:
        self._context = context
        self._reader = reader
        self._patients = patients

    async def journal(self, new: RuleBook, since: datetime, tally: Tally) -> AsyncIterator[Change]:
        """The accepted requests received since a moment, oldest first, one in memory at a time; each as if it came at
        the time it came, with what is known of its patient now."""
        after = 0
        while True:
            async with self._context.database.connection() as connection:
                rows = await journal.requests(connection, since, after, _PAGE)
            for row in rows:
                after = row["id"]
                for change in await self._stored(row, new, tally):
                    yield change
            if len(rows) < _PAGE:
                return

    async def _stored(self, row: Mapping[str, object], new: RuleBook, tally: Tally) -> list[Change]:
        number, received_at = int(str(row["id"])), row["received_at"]
        assert isinstance(received_at, datetime)  # noqa: S101 - a column of our own
        async with self._context.database.connection() as connection:
            body = await messages.body(connection, number)
        if body is None:
            tally.skipped[Skipped.PURGED] += 1
            return []
        try:
            interpretation, _ = await self._reader.read(body, str(row["listener"]), received_at)
            state = await self._state(interpretation)
        except STORE_ERRORS:
            raise
        except Exception as error:
            return _fault(tally, error)
        return list(compare(str(number), interpretation, state, self._context.rules, new, received_at, tally))

    async def _state(self, interpretation: Interpretation) -> PatientState | None:
        """What is known of the patient now."""
        async with self._context.database.connection() as connection:
            known = await self._patients.look_up(connection, "", "", b"", interpretation.submission)
        return state_of(known)


def compare_folder(folder: Folder, old: RuleBook, new: RuleBook, now: datetime, tally: Tally) -> Iterator[Change]:
    """The same for files, without a store."""
    for specimen in folder.read(now):
        yield from compare(specimen.name, specimen.interpretation, specimen.state, old, new, now, tally)


def compare(
    name: str,
    interpretation: Interpretation,
    state: PatientState | None,
    old: RuleBook,
    new: RuleBook,
    now: datetime,
    tally: Tally,
) -> Iterator[Change]:
    """The decisions about one message that differ from one book to the other."""
    submission = interpretation.submission
    if interpretation.kind is not Kind.REQUEST or submission is None:
        unreadable = interpretation.kind is Kind.UNREADABLE or interpretation.header is None
        tally.skipped[Skipped.UNREADABLE if unreadable else Skipped.REFUSED] += 1
        return
    try:
        before, after = (conclude(interpretation, state, rules, now).decisions for rules in (old, new))
    except Exception as error:
        _fault(tally, error)
        return
    tally.messages += 1
    code = submission.documents[0].header.code.code
    first = submission.documents[0].unique_id
    for one, other in zip(before, after, strict=True):
        if one.document != first:
            continue
        tally.decisions += 1
        kind = _kind(one, other)
        if kind is None:
            continue
        change = Change(
            name,
            one.document,
            code,
            type_label(code),
            one.channel,
            kind,
            Verdict.of(one),
            Verdict.of(other),
            _difference(one, other),
        )
        tally.changes += 1
        tally.by_change[change.channel, change.what] += 1
        yield change


def _kind(before: Decision, after: Decision) -> ChangeKind | None:
    if before.action is not after.action:
        return ChangeKind.ACTION
    if {each.key for each in before.recipients} != {each.key for each in after.recipients}:
        return ChangeKind.RECIPIENTS
    if before.code != after.code:
        return ChangeKind.CODE
    if _terms(before) != _terms(after):
        return ChangeKind.TERMS
    if (before.due, before.legal_gap) != (after.due, after.legal_gap):
        return ChangeKind.DUTY
    return None


def _terms(decision: Decision) -> tuple[object, ...]:
    return (decision.until, decision.expiry_days, decision.not_before, decision.priority, decision.mailbox)


def _difference(before: Decision, after: Decision) -> tuple[str, ...]:
    """Names of rules that only one of the decisions gives, those of the new one first."""
    old, new = ([reason.rule for reason in decision.because] for decision in (before, after))
    only = [*(rule for rule in new if rule not in old), *(rule for rule in old if rule not in new)]
    return tuple(dict.fromkeys(only or [*new[:1], *old[:1]]))


def _fault(tally: Tally, error: Exception) -> list[Change]:
    """A defect of ours: its text may quote the message and stays out of the log."""
    _LOG.error("comparison_bug", error=type(error).__name__)
    tally.skipped[Skipped.FAULT] += 1
    return []
