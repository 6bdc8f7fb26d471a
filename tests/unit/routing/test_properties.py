"""What must hold of the function that decides itself, and under any rules that a site may write."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pfi.model.decision import Action, Channel
from pfi.routing.rulefile import DerivedRole, Given, SiteRule
from pfi.routing.site import SiteRules
from tests.unit.routing.cases import decided, shipped_rules
from tests.unit.routing.strategies import GIVEN, TYPES
from tests.unit.routing.test_invariants import CIT, DMP, INVARIANTS, sent, waiting_or_sent
from tests.unit.routing.worlds import SOUND, WORLDS, World

CODES = st.sampled_from(["ORDER_NO", "SENSITIVE_UNIT"])
EFFECTS = st.one_of(
    st.fixed_dictionaries({"policy": st.sampled_from(["respect", "warn", "complete"])}),
    st.fixed_dictionaries({"deny": st.fixed_dictionaries({"code": CODES})}),
    st.fixed_dictionaries(
        {
            "hold": st.fixed_dictionaries(
                {"code": CODES, "until": st.sampled_from(["identity_qualified", "objection_lifted", "human_release"])}
            )
        }
    ),
    st.just({"add_recipients": [{"address": "pharmacie@ville.mssante.fr", "kind": "organization"}]}),
    st.just({"derive_recipients": list(DerivedRole)}),
    st.just({"derive_recipients": list(DerivedRole), "annuaire": True}),
    st.just({"annuaire": True}),
    st.just({"add_recipients": [{"address": "cabinet@ville.mssante.fr", "kind": "professional"}], "priority": "high"}),
)
WHENS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"types": st.lists(st.sampled_from(TYPES), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"tags": st.just(["ivg", "psychiatry"])}),
)
BOOK = {"99700000001": "medecin@ville.mssante.fr", "99700000100": "prescripteur@ville.mssante.fr"}


def site(number: int, when: Mapping[str, Any], then: Mapping[str, Any]) -> SiteRule:
    return SiteRule.model_validate({"id": f"S{number}", "text": "règle du site", "when": when, "then": then})


@settings(max_examples=250, deadline=None)
@given(WORLDS, st.lists(st.tuples(WHENS, EFFECTS), min_size=1, max_size=4))
def test_no_rule_of_a_site_makes_a_plan_violate_an_invariant(
    world: World, written: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    law = shipped_rules()
    rules = [site(number, when, then) for number, (when, then) in enumerate(written)]
    book = replace(law, site=SiteRules.of(rules), directory=BOOK)

    plan = world.decided(book)

    for number in ("I1", "I2", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I13", "I15", "I16", "I17", "I18", "I19"):
        INVARIANTS[number](world, plan)
    INVARIANTS["I20"](world, plan)
    for channel in waiting_or_sent(plan):
        assert world.order(channel) is True or world.silent_sender, "I3: no rule turns an N into a Y"
    if not any("policy" in then for _, then in written):
        ordered_anyway = sent(world.decided(released=frozenset(Channel)))
        assert sent(plan) & {DMP, CIT} <= ordered_anyway, "a rule of the site opens neither the DMP nor the patient"


@settings(max_examples=100, deadline=None)
@given(GIVEN)
def test_the_same_situation_is_always_decided_alike(situation: Given) -> None:
    world = replace(SOUND, given=situation)

    assert world.decided() == world.decided()


@settings(max_examples=100, deadline=None)
@given(WORLDS)
def test_each_exception_that_closes_a_channel_is_told(world: World) -> None:
    plan = world.decided(released=frozenset())
    closed = {channel: decision for channel, decision in plan.items() if decision.action is not Action.SEND}
    assume(closed)

    for decision in closed.values():
        assert decision.because[0].text
        by_code = {rule.id for rule in shipped_rules().exceptions if rule.code == decision.code}
        told = {reason.rule for reason in decision.because}
        assert told & (by_code | {decision.code, "DESTDMP", "DESTMSSANTEPS", "DESTMSSANTEPAT", "POLICY_COMPLETE"})


def test_the_cases_of_the_model_are_those_of_the_other_tests() -> None:
    assert decided(SOUND.specimen) == SOUND.decided()
