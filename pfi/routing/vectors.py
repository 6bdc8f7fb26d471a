"""Runs the `tests:` sections of rule files (`pfi rules test`)."""

from collections.abc import Iterator
from dataclasses import dataclass

from pfi.model.decision import Channel, Decision
from pfi.routing.decide import appraise, decide
from pfi.routing.rulefile import Expect, Given, Vector
from pfi.routing.rules import RuleBook
from pfi.routing.specimen import specimen
from pfi.routing.table import Match
from pfi.standards.hl7v2.timestamp import NATIONAL_ZONE


@dataclass(frozen=True, slots=True)
class Difference:
    """One expectation that does not hold. `what` begins with `then.N.` for the Nth further step of a test."""

    what: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class VectorResult:
    """One test: where it is written, and what differs (nothing = passed)."""

    file: str
    line: int
    name: str
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class VectorReport:
    """All the tests of a book."""

    results: tuple[VectorResult, ...]

    @property
    def failures(self) -> tuple[VectorResult, ...]:
        return tuple(result for result in self.results if not result.passed)

    @property
    def passed(self) -> bool:
        return not self.failures


def run(rules: RuleBook) -> VectorReport:
    """Runs every test of every loaded file: those of site files against the whole book, those of the table and of the
    exceptions against the law alone, which a site may well close further."""
    law = rules.law
    return VectorReport(
        tuple(
            VectorResult(
                test.file,
                test.mark.line,
                test.vector.name,
                tuple(_differences(test.vector, law if test.of_law else rules)),
            )
            for test in rules.tests
        )
    )


def _differences(vector: Vector, rules: RuleBook) -> Iterator[Difference]:
    given = vector.given
    yield from _step("", given, vector.expect, rules)
    for number, step in enumerate(vector.then, start=1):
        given = step.given.applied_to(given)
        yield from _step(f"then.{number}.", given, step.expect, rules)


def _step(prefix: str, given: Given, expect: Expect, rules: RuleBook) -> Iterator[Difference]:
    case = specimen(given)
    match = appraise(case.submission, case.state, case.identity, rules, case.profile, case.now).match
    decisions = decide(
        case.submission, case.state, case.identity, rules, case.profile, case.now, released=case.released
    )
    for what, expected, actual in _compared(expect, match, decisions):
        if expected is not None and str(expected) != str(actual):
            yield Difference(f"{prefix}{what}", str(expected), str(actual))


def _compared(
    expect: Expect, match: Match, decisions: tuple[Decision, ...]
) -> Iterator[tuple[str, object | None, object]]:
    """What is compared, what is expected (`None` = anything), what came out."""
    if expect.rows is not None:
        yield "rows", " ".join(expect.rows), " ".join(row.id for row in match.rows)
    yield "deadline", expect.deadline, next((row.deadline for row in match.rows if row.deadline), "")
    named = {reason.rule for decision in decisions for reason in decision.because}
    for name in expect.because or ():
        yield "because", name, name if name in named else ""
    for name in expect.not_because or ():
        yield "not_because", "", name if name in named else ""
    for decision in decisions:
        key = decision.channel.lower()
        yield key, getattr(expect, key), match.due(decision.channel)
        yield f"plan.{key}", getattr(expect.plan, key), decision.action
        yield f"codes.{key}", getattr(expect.codes, key), decision.code
        yield f"gaps.{key}", getattr(expect.gaps, key), _gap(decision)
        yield f"until.{key}", getattr(expect.until, key), decision.until or ""
        yield f"priority.{key}", getattr(expect.priority, key), decision.priority
        yield f"not_before.{key}", getattr(expect.not_before, key), _opening(decision)
        if decision.channel is not Channel.DMP:
            yield f"recipients.{key}", getattr(expect.recipients, key), len(decision.recipients)
            yield f"mailbox.{key}", getattr(expect.mailbox, key), decision.mailbox


def _opening(decision: Decision) -> str:
    if decision.not_before is None:
        return ""
    return f"{decision.not_before.astimezone(NATIONAL_ZONE):%Y-%m-%d %H:%M}"


def _gap(decision: Decision) -> str:
    if not decision.gap:
        return "none"
    return "legal" if decision.legal_gap else "unjustified"
