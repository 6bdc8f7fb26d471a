"""Several rules of the site for one document, and the law above them all."""

import pytest

from pfi.model.decision import Action, Channel, Priority, Trigger
from pfi.routing.rules import RuleBook, load_texts
from pfi.routing.specimen import specimen
from tests.unit.routing.cases import case, decided, flags, rules_of, shipped_rules, text_of
from tests.unit.routing.site_cases import DENY, HIGH, HOLD, TWO, site_book


def test_all_rules_that_match_apply_and_are_told() -> None:
    book = site_book(
        "UNE | | mailbox: labo",
        "DEUX | | add_recipients: [{address: a@un.mssante.fr, kind: professional}]",
        f"TROIS | | {HIGH}",
    )
    decision = decided(case(), book)[Channel.PRO]

    assert (decision.mailbox, decision.priority, len(decision.recipients)) == ("labo", Priority.HIGH, 2)
    assert {"UNE", "DEUX", "TROIS"} <= set(rules_of(decision))


def test_of_two_values_the_rule_with_most_criteria_wins_and_the_other_is_told_as_outranked() -> None:
    book = site_book(
        "UNE | types: ['11490-0'] | priority: low, mailbox: labo",
        "DEUX | types: ['11490-0'], channels: [PRO] | priority: high",
    )
    decision = decided(case(), book)[Channel.PRO]

    assert (decision.priority, decision.mailbox) == (Priority.HIGH, "labo")
    assert text_of(decision, "UNE").endswith("Priorité : la règle DEUX l'emporte.")
    assert "l'emporte" not in text_of(decision, "DEUX")
    assert decided(case(), book)[Channel.CIT].priority is Priority.LOW


def test_of_two_rules_with_as_many_criteria_the_first_written_wins() -> None:
    book = site_book(
        "UNE | senders: [default] | policy: respect, schedule: {days: [mon], from: '08:00', to: '09:00'}",
        "DEUX | types: ['11490-0'] | policy: warn, schedule: {days: [tue], from: '08:00', to: '09:00'}, mailbox: b",
        "TROIS | types: ['11490-0'] | mailbox: b",
    )
    decision = decided(case(), book)[Channel.PRO]

    assert text_of(decision, "DEUX").endswith(
        "Politique : la règle UNE l'emporte. Plage horaire : la règle UNE l'emporte."
    )
    assert "l'emporte" not in text_of(decision, "TROIS"), "the same mailbox"
    assert decision.not_before is not None
    assert decision.not_before.weekday() == 0


def test_a_period_counts_for_one_criterion() -> None:
    book = site_book(
        "UNE | senders: [default] | priority: low",
        "DEUX | from: 2026-01-01, until: 2026-12-31 | priority: high",
    )

    assert decided(case(), book)[Channel.PRO].priority is Priority.LOW


def test_files_come_in_the_order_of_the_configuration() -> None:
    def book(*names: str) -> RuleBook:
        return load_texts(
            [
                (name, f"kind: site\nrules: [{{id: {name}, text: x, then: {{mailbox: {name.lower()}}}}}]\n")
                for name in names
            ]
        )

    one, other = book("UNE", "DEUX"), book("DEUX", "UNE")
    assert decided(case(), one)[Channel.PRO].mailbox == "une"
    assert decided(case(), other)[Channel.PRO].mailbox == "deux"
    assert one.digest != other.digest


def test_the_most_specific_hold_gives_its_code_and_time() -> None:
    book = site_book(
        "UNE | | hold: {code: A, until: dmp_active, expiry_days: 3}",
        "DEUX | channels: [PRO] | hold: {code: B, expiry_days: 9}",
    )
    decision = decided(case(), book)[Channel.PRO]

    assert (decision.code, decision.expiry_days) == ("B", 9)
    assert decision.until is Trigger.DMP_ACTIVE, "an operator may not release what an event holds"


def test_a_prohibition_of_the_law_gives_its_code_and_the_rule_is_told() -> None:
    decision = decided(case(feeding="IO"), site_book(f"UNE | | {DENY}"))[Channel.DMP]

    assert (decision.code, decision.legal_gap) == ("DMP_OPPOSED", True)
    assert "UNE" in rules_of(decision)
    assert decision.until is None, "lifting the objection would cure nothing"


def test_an_absent_destination_stays_without_object() -> None:
    decision = decided(case(dmp_status="FERME"), site_book(f"UNE | | {DENY}"))[Channel.DMP]

    assert (decision.action, decision.code, decision.until) == (Action.VOID, "DMP_CLOSED", None)


def test_a_prohibition_of_the_site_outranks_a_wait_of_the_law_which_still_explains_the_gap() -> None:
    decision = decided(case(confidentiality="R"), site_book(f"UNE | | {DENY}"))[Channel.DMP]

    assert (decision.action, decision.code, decision.legal_gap) == (Action.DENY, "NON", True)
    assert rules_of(decision)[:2] == ["UNE", "E22"]


def test_a_wait_of_the_law_gives_its_code_and_its_time() -> None:
    book = site_book("UNE | | hold: {code: ATTENTE, until: dmp_active, expiry_days: 3}")
    decision = decided(case(confidentiality="R"), book)[Channel.DMP]

    assert (decision.action, decision.code, decision.expiry_days) == (Action.HOLD, "CONFIDENTIALITY_RV", None)
    assert decision.until is Trigger.DMP_ACTIVE
    assert decision.legal_gap


def test_a_channel_that_nobody_ordered_is_not_held_by_the_site() -> None:
    decision = decided(case(flags=flags(dest_dmp=False)), site_book(f"UNE | | {HOLD}"))[Channel.DMP]

    assert (decision.action, decision.code, decision.legal_gap) == (Action.DENY, "ORDER_NO", False)
    assert "UNE" in rules_of(decision)


EFFECTS = (
    "policy: complete",
    "policy: warn",
    DENY,
    "deny: {code: NON, legal: true}",
    HOLD,
    "hold: {code: ATTENTE, until: identity_qualified}",
    "add_recipients: [{address: a@un.mssante.fr, kind: professional}]",
    "derive_recipients: [medecin_traitant, prescriber, referring, informed]",
    "derive_recipients: [medecin_traitant, prescriber, referring, informed], annuaire: true",
    "annuaire: true",
    "annuaire: false",
    "mailbox: labo",
    HIGH,
    "schedule: {days: [mon], from: '08:00', to: '09:00'}",
)
CURED = {"NO_RECIPIENT", "NO_MSS_ADDRESS"}
"""What an added recipient cures."""


@pytest.mark.parametrize("effect", EFFECTS)
def test_no_effect_opens_what_the_law_closes_nor_sends_what_nobody_ordered(effect: str) -> None:
    """Over all the situations that the shipped rules are tested on."""
    book = site_book(f"UNE | | {effect}")
    for test in shipped_rules().tests:
        one = specimen(test.vector.given)
        law, site = decided(one), decided(one, book)
        for channel in Channel:
            before, after = law[channel], site[channel]
            assert "UNE" in rules_of(after) or channel not in book.site.rules[0].channels
            silent = not one.submission.orders.given and "policy: complete" in effect
            if after.action is Action.SEND and before.action is not Action.SEND:
                assert (silent and before.code == "ORDER_NO") or before.code in CURED, test.vector.name
            if before.action in (Action.DENY, Action.VOID) and not silent and before.code not in CURED:
                assert after.action is before.action, test.vector.name
            if before.legal_gap and not silent and after.action is not Action.SEND:
                assert after.legal_gap, test.vector.name
            assert after.due is before.due


def test_no_reason_of_a_rule_shows_an_address() -> None:
    book = site_book(
        f"UNE | recipients: ['@un.mssante.fr'] | {DENY}",
        "DEUX | | add_recipients: [{address: a@un.mssante.fr, kind: professional}], derive_recipients: [informed]",
    )

    for decision in decided(case(recipients=TWO), book).values():
        assert not any("@" in reason.text for reason in decision.because)
