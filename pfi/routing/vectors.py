"""Runs the `tests:` sections of rule files (`pfi rules test`)."""

from collections.abc import Iterator
from dataclasses import dataclass

from pfi.model.decision import Channel, Decision
from pfi.routing.decide import appraise, decide
from pfi.routing.rulefile import Vector
from pfi.routing.rules import RuleBook
from pfi.routing.specimen import specimen


@dataclass(frozen=True, slots=True)
class Difference:
    """One expectation that does not hold."""

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
    """Runs every test of every loaded file against the whole book."""
    return VectorReport(
        tuple(
            VectorResult(test.file, test.mark.line, test.vector.name, tuple(_differences(test.vector, rules)))
            for test in rules.tests
        )
    )


def _differences(vector: Vector, rules: RuleBook) -> Iterator[Difference]:
    case, expect = specimen(vector.given), vector.expect
    match = appraise(case.submission, case.state, case.identity, rules, case.profile, case.now).match
    decisions = {
        decision.channel: decision
        for decision in decide(case.submission, case.state, case.identity, rules, case.profile, case.now)
    }
    if expect.rows is not None:
        yield from _compare("rows", " ".join(expect.rows), " ".join(row.id for row in match.rows))
    if expect.deadline is not None:
        yield from _compare("deadline", expect.deadline, next((row.deadline for row in match.rows if row.deadline), ""))
    for channel in Channel:
        key, decision = channel.lower(), decisions[channel]
        for what, expected, actual in (
            (key, getattr(expect, key), match.due(channel)),
            (f"plan.{key}", getattr(expect.plan, key), decision.action),
            (f"codes.{key}", getattr(expect.codes, key), decision.code),
            (f"gaps.{key}", getattr(expect.gaps, key), _gap(decision)),
        ):
            if expected is not None:
                yield from _compare(what, str(expected), str(actual))


def _compare(what: str, expected: str, actual: str | None) -> Iterator[Difference]:
    if expected != actual:
        yield Difference(what, expected, actual or "")


def _gap(decision: Decision) -> str:
    if not decision.gap:
        return "none"
    return "legal" if decision.legal_gap else "unjustified"
