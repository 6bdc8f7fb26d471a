"""The rule files prove every exception and every acceptance vector of the obligations digest (§3, §5, §9)."""

import re

from pfi.model.decision import Channel
from pfi.routing.decide import decide
from pfi.routing.exceptions import SITUATIONS
from pfi.routing.rulefile import Effect, Given
from pfi.routing.rules import LoadedVector
from pfi.routing.specimen import Specimen, specimen
from tests.unit.routing.cases import fired, shipped_rules

IN_ROUTING = {f"E{number:02d}" for number in range(1, 27)} - {"E10"}
"""E10 is an answer of the DMP at sending time."""


def vectors() -> tuple[LoadedVector, ...]:
    return tuple(test for test in shipped_rules().tests if test.file == "exceptions.yaml")


def steps(test: LoadedVector) -> list[Given]:
    """The situation of each step of a vector."""
    situations = [test.vector.given]
    for step in test.vector.then:
        situations.append(step.given.applied_to(situations[-1]))
    return situations


def every_case() -> list[Specimen]:
    return [specimen(given) for test in shipped_rules().tests for given in steps(test)]


def test_the_acceptance_vectors_20_to_38_are_there_by_number_and_21_goes_on_from_20() -> None:
    numbered = {int(found[1]): test for test in vectors() if (found := re.match(r"(\d+)\. ", test.vector.name))}

    assert sorted(numbered) == list(range(20, 39))
    assert [step.identity for step in steps(numbered[21])] == ["not_qualified", "qualified"]
    assert steps(numbered[20])[0].reliability == ("PROV",)


def test_every_exception_but_e10_has_an_entry_and_a_vector_that_it_bears_on() -> None:
    entries = {rule.id for rule in shipped_rules().exceptions if re.fullmatch(r"E\d\d", rule.id)}
    by_situation = {rule.when: rule.id for rule in shipped_rules().exceptions}
    proved = {by_situation[when] for one in every_case() for when in fired(one)}

    assert entries == IN_ROUTING
    assert proved >= IN_ROUTING


def test_what_closes_or_delays_says_its_code_and_what_it_waits_for() -> None:
    for rule in shipped_rules().exceptions:
        effects = {rule.effect(channel) for channel in Channel}
        if effects & {Effect.DENY, Effect.VOID, Effect.HOLD}:
            assert rule.code
        else:
            assert rule.until is None
        assert (Effect.HOLD not in effects) or rule.until is not None


def test_each_reason_code_of_the_exceptions_is_reached_by_a_vector_or_is_that_of_an_unbuildable_document() -> None:
    codes = {rule.code for rule in shipped_rules().exceptions if rule.code}
    reached = {
        decision.code
        for one in every_case()
        for decision in decide(
            one.submission,
            one.state,
            one.identity,
            shipped_rules(),
            one.profile,
            one.now,
            released=one.released,
        )
    }

    # a case of the rule files has no identifier with an extension, nor an identity qualified after the message
    assert codes - reached == {"CDA_ID_EXTENSION", "INS_NOT_IN_DOCUMENT"}
    assert {"ORDER_NO", "NO_RECIPIENT", "NO_MSS_ADDRESS", "FREE_CHOICE_NO_RECIPIENT"} <= reached


def test_every_situation_has_one_entry() -> None:
    names = [rule.when for rule in shipped_rules().exceptions]

    assert sorted(names) == sorted(SITUATIONS)
