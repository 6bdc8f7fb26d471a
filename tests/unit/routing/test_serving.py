"""When rules on recipients leave nobody: which of them gives its code, and what is told of each."""

from pfi.model.decision import Action, Channel, Decision, Trigger
from tests.unit.routing.cases import case, decided
from tests.unit.routing.site_cases import site_book

TWO = [{"address": "a@un.mssante.fr"}, {"address": "b@deux.mssante.fr"}]


def toward(recipients: list[dict[str, str]], *rules: str) -> Decision:
    one = case(professionals=0, recipients=recipients, dmp_status="ACTIF")
    return decided(one, site_book(*rules))[Channel.PRO]


def told(decision: Decision, rule: str) -> str:
    (reason,) = [each for each in decision.because if each.rule == rule]
    return reason.text


def test_of_two_rules_that_each_take_one_away_the_first_gives_its_code_and_both_are_told() -> None:
    decision = toward(
        TWO,
        "UNE | recipients: ['@deux.mssante.fr'] | deny: {code: PREMIER}",
        "DEUX | recipients: ['@un.mssante.fr'] | deny: {code: SECOND}",
    )

    assert (decision.action, decision.code, decision.recipients) == (Action.DENY, "PREMIER", ())
    for rule in ("UNE", "DEUX"):
        assert told(decision, rule).endswith("1 destinataire(s) écarté(s).")


def test_of_two_rules_that_each_delay_one_the_first_gives_its_code() -> None:
    decision = toward(
        TWO,
        "UNE | recipients: ['@deux.mssante.fr'] | hold: {code: PREMIER}",
        "DEUX | recipients: ['@un.mssante.fr'] | hold: {code: SECOND}",
    )

    assert (decision.action, decision.code, len(decision.recipients)) == (Action.HOLD, "PREMIER", 2)


def test_a_rule_that_waits_for_what_has_taken_place_delays_nobody() -> None:
    decision = toward(
        TWO[:1],
        "UNE | recipients: ['@un.mssante.fr'] | hold: {code: DEJA, until: dmp_active}",
        "DEUX | recipients: ['@un.mssante.fr'] | hold: {code: A_VOIR}",
    )

    assert (decision.code, decision.until) == ("A_VOIR", Trigger.HUMAN_RELEASE)
