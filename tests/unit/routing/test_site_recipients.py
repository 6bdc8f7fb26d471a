"""Rules of the site about recipients: some are taken away, or replaced; the others keep their mail."""

import pytest

from pfi.model.decision import Action, Channel, Trigger
from pfi.routing.decide import decide
from tests.unit.routing.cases import case, decided, rules_of, text_of
from tests.unit.routing.site_cases import DENY, HOLD, TWO, site_book


@pytest.mark.parametrize("effect", [DENY, HOLD])
def test_a_rule_on_recipients_only_takes_these_away(effect: str) -> None:
    book = site_book(f"UNE | recipients: ['@un.mssante.fr'] | {effect}")
    decision = decided(case(professionals=0, recipients=TWO), book)[Channel.PRO]

    assert decision.action is Action.SEND
    assert [each.address for each in decision.recipients] == ["b@deux.mssante.fr"]
    assert "1 destinataire(s)" in text_of(decision, "UNE")


def test_when_nobody_remains_the_channel_is_closed() -> None:
    book = site_book("UNE | recipients: ['@un.mssante.fr'] | deny: {code: PARTI}")
    decision = decided(case(professionals=0, recipients=TWO[:1]), book)[Channel.PRO]

    assert (decision.action, decision.code, decision.recipients, decision.until) == (Action.DENY, "PARTI", (), None)
    assert rules_of(decision)[0] == "UNE"


def test_when_only_some_who_wait_remain_the_channel_waits_for_them() -> None:
    book = site_book(
        "UNE | recipients: ['@un.mssante.fr'] | deny: {code: PARTI}",
        "DEUX | recipients: ['@deux.mssante.fr'] | hold: {code: A_VOIR}",
    )
    one = case(professionals=0, recipients=TWO)
    decision = decided(one, book)[Channel.PRO]
    free = decide(
        one.submission, one.state, one.identity, book, one.profile, one.now, released=frozenset({Channel.PRO})
    )[1]

    assert (decision.action, decision.code, decision.until) == (Action.HOLD, "A_VOIR", Trigger.HUMAN_RELEASE)
    assert [each.address for each in decision.recipients] == ["b@deux.mssante.fr"]
    assert free.action is Action.SEND
    assert free.recipients == decision.recipients


def test_a_prohibition_outranks_a_wait_for_the_same_recipient() -> None:
    book = site_book(
        "UNE | recipients: ['@un.mssante.fr'] | hold: {code: A_VOIR}",
        "DEUX | recipients: ['a@un.mssante.fr'] | deny: {code: PARTI}",
    )

    assert decided(case(professionals=0, recipients=TWO[:1]), book)[Channel.PRO].code == "PARTI"


def test_when_some_wait_and_the_others_are_closed_it_is_told_of_each() -> None:
    book = site_book(
        "UNE | recipients: ['@un.mssante.fr'] | hold: {code: A_VOIR}",
        f"DEUX | recipients: ['@deux.mssante.fr'] | {DENY}",
    )
    decision = decided(case(professionals=0, recipients=TWO), book)[Channel.PRO]

    assert (decision.action, decision.code) == (Action.HOLD, "A_VOIR")
    assert text_of(decision, "DEUX").endswith("1 destinataire(s) écarté(s).")


def test_a_recipient_that_a_rule_adds_may_be_taken_away_by_another() -> None:
    book = site_book(
        "UNE | | add_recipients: [{address: a@un.mssante.fr, kind: professional}]",
        f"DEUX | recipients: ['@un.mssante.fr'] | {DENY}",
    )
    decision = decided(case(), book)[Channel.PRO]

    assert [each.address for each in decision.recipients] == ["professionnel0@test.mssante.fr"]
    assert {"UNE", "DEUX"} <= set(rules_of(decision))


def test_a_recipient_may_be_replaced() -> None:
    book = site_book(
        "UNE | recipients: ['a@un.mssante.fr'] | "
        "deny: {code: PARTI}, add_recipients: [{address: c@trois.mssante.fr, kind: professional}]"
    )
    decision = decided(case(professionals=0, recipients=TWO), book)[Channel.PRO]

    assert [each.address for each in decision.recipients] == ["b@deux.mssante.fr", "c@trois.mssante.fr"]


def test_a_rule_on_recipients_says_nothing_of_the_other_channels() -> None:
    decisions = decided(
        case(professionals=0, recipients=TWO), site_book(f"UNE | recipients: ['@un.mssante.fr'] | {DENY}")
    )

    for channel in (Channel.DMP, Channel.CIT):
        assert decisions[channel].action is Action.SEND
        assert "UNE" not in rules_of(decisions[channel])
