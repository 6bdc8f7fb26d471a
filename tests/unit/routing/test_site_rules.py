"""Rules of the site: which match, what they do, and what they can never do."""

from dataclasses import replace
from typing import Any

import pytest

from pfi.model.decision import Action, Channel, Decision, Priority, Trigger
from pfi.model.parties import Establishment, Organization, Person, Recipient, RecipientKind
from pfi.routing.decide import decide
from pfi.routing.rules import RuleBook, load_texts
from pfi.routing.specimen import Specimen, specimen
from tests.unit.routing.cases import case, decided, flags, rules_of, shipped_rules, with_header, with_submission
from tests.unit.routing.site_cases import NAMED_ONLY, site_book

HIGH = "priority: high"
DENY = "deny: {code: NON}"
HOLD = "hold: {code: ATTENTE}"


def matches(when: str, one: Specimen) -> bool:
    """Whether a rule of these criteria is told for the professionals."""
    return "UNE" in rules_of(decided(one, site_book(f"UNE | {when} | {HIGH}"))[Channel.PRO])


def text_of(decision: Decision, rule: str) -> str:
    (reason,) = [each for each in decision.because if each.rule == rule]
    return reason.text


# Criteria


@pytest.mark.parametrize(
    ("when", "given", "other"),
    [
        ("senders: [dpi, ris]", {"sender": "dpi"}, {"sender": "sgl"}),
        ('units: ["4210"]', {"unit": "4210"}, {"unit": "421"}),
        ('units: ["4210"]', {"establishment": {"unit": "4210"}}, {"establishment": {"eg": "4210"}}),
        ('establishments: ["750"]', {"establishment": {"ej": "750"}}, {"establishment": {"unit": "750"}}),
        ('establishments: ["750"]', {"establishment": {"eg": "750"}}, {"unit": "750"}),
        ('types: ["11490-0"]', {}, {"type": "34874-8"}),
        ("requests: [C, D]", {"request": "D"}, {"request": "F"}),
        ("settings: [in_stay]", {"patient_class": "I"}, {"patient_class": "O"}),
        ("settings: [unknown]", {"patient_class": "N"}, {"patient_class": "O"}),
        ("patient_classes: [E]", {"patient_class": "E"}, {"patient_class": "O"}),
        ("channels: [PRO]", {}, None),
        ("tags: [deceased]", {"tags": ["deceased"]}, {"tags": ["ivg"]}),
        ("from: 2026-01-15", {"date": "2026-01-15"}, {"date": "2026-01-14"}),
        ("until: 2026-01-15", {"date": "2026-01-15"}, {"date": "2026-01-16"}),
        ("from: 2026-01-10, until: 2026-01-15", {"date": "2026-01-10"}, {"date": "2026-01-09"}),
        ("", {}, None),
        ('senders: [dpi], units: ["4210"]', {"sender": "dpi", "unit": "4210"}, {"sender": "dpi"}),
    ],
)
def test_a_rule_matches_when_all_of_its_criteria_hold(
    when: str, given: dict[str, Any], other: dict[str, Any] | None
) -> None:
    assert matches(when, case(**given))
    assert other is None or not matches(when, case(**other))


def test_tags_that_the_site_adds_are_seen_by_its_rules() -> None:
    book = site_book(f"UNE | tags: [ivg] | {HIGH}", head='tags: [{units: ["33"], add: [ivg]}]')

    assert "UNE" in rules_of(decided(case(unit="33"), book)[Channel.PRO])
    assert "TAG_1" in rules_of(decided(case(unit="33"), book)[Channel.PRO])
    assert "UNE" not in rules_of(decided(case(unit="34"), book)[Channel.PRO])


def test_a_tag_also_follows_the_unit_of_responsibility() -> None:
    book = site_book(head='tags: [{units: ["33"], add: [cit_opposed]}]')

    assert decided(case(establishment={"unit": "33"}), book)[Channel.CIT].code == "CIT_OPPOSED"


def test_the_period_is_that_of_the_document_and_an_unreadable_date_has_no_beginning() -> None:
    undated = with_header(case(), lambda each: replace(each, effective_time=""))

    assert not matches("from: 2020-01-01", undated)
    assert matches("until: 2020-01-01", undated)
    assert matches("until: 2026-01-15", replace(case(), now=case().now.replace(year=2030)))


@pytest.mark.parametrize(
    ("word", "recipient"),
    [
        ("dr@medecin.fr", Recipient(RecipientKind.PROFESSIONAL, " Dr@Medecin.fr ")),
        ("@medecin.fr", Recipient(RecipientKind.PROFESSIONAL, "dr@MEDECIN.fr")),
        ("10100000017", Recipient(RecipientKind.PROFESSIONAL, "x@y.fr", Person("810100000017"))),
        ("810100000017", Recipient(RecipientKind.PROFESSIONAL, "x@y.fr", Person("10100000017"))),
        ("750000001", Recipient(RecipientKind.ORGANIZATION, "x@y.fr", organization=Organization("", "1750000001"))),
        ("1750000001", Recipient(RecipientKind.ORGANIZATION, "x@y.fr", organization=Organization("", "750000001"))),
        ("012345678", Recipient(RecipientKind.PROFESSIONAL, "x@y.fr", Person("0012345678"))),
        ("12345678901234", Recipient(RecipientKind.ORGANIZATION, "", identifier=" 312345678901234 ")),
        ("2A0000014", Recipient(RecipientKind.ORGANIZATION, "x@y.fr", identifier="12A0000014")),
    ],
)
def test_a_recipient_is_named_by_address_domain_or_identifier(word: str, recipient: Recipient) -> None:
    named = with_submission(case(), lambda each: replace(each, recipients=(recipient,)))

    assert matches(f"recipients: ['{word}']", named)
    assert not matches(f"recipients: ['{word}']", case())


def test_the_domain_is_the_whole_domain() -> None:
    named = with_submission(
        case(), lambda each: replace(each, recipients=(Recipient(RecipientKind.PROFESSIONAL, "a@sous.medecin.fr"),))
    )

    assert not matches("recipients: ['@medecin.fr']", named)


# Effects


def test_a_rule_closes_the_channels_that_it_names_and_says_why() -> None:
    decisions = decided(case(), site_book(f"UNE | channels: [PRO, CIT] | {DENY}"))

    assert decisions[Channel.DMP].action is Action.SEND
    assert "UNE" not in rules_of(decisions[Channel.DMP])
    for channel in (Channel.PRO, Channel.CIT):
        decision = decisions[channel]
        assert (decision.action, decision.code, decision.recipients) == (Action.DENY, "NON", ())
        assert (decision.gap, decision.legal_gap) == (True, False)
        assert rules_of(decision)[0] == "UNE"
        assert rules_of(decision).count("UNE") == 1
        assert decision.because[0].text == "Règle UNE. Règle du site : l'envoi est interdit."


def test_a_prohibition_may_be_a_legal_one() -> None:
    decision = decided(case(), site_book("UNE | | deny: {code: NON, legal: true}"))[Channel.PRO]

    assert (decision.gap, decision.legal_gap) == (True, True)


def test_a_rule_holds_until_an_operator_lets_go() -> None:
    book, one = site_book("UNE | | hold: {code: RELECTURE, expiry_days: 15}"), case()
    held = decided(one, book)
    free = decide(
        one.submission, one.state, one.identity, book, one.profile, one.now, released=frozenset({Channel.CIT})
    )

    for decision in held.values():
        assert (decision.action, decision.code) == (Action.HOLD, "RELECTURE")
        assert (decision.until, decision.expiry_days) == (Trigger.HUMAN_RELEASE, 15)
        assert (decision.gap, decision.legal_gap) == (True, False)
    assert held[Channel.PRO].recipients
    assert [each.action for each in free] == [Action.HOLD, Action.HOLD, Action.SEND]
    assert {"RELEASED", "UNE"} <= set(rules_of(free[2]))


@pytest.mark.parametrize(
    ("until", "waiting", "come"),
    [
        ("identity_qualified", {"identity": "not_qualified"}, {}),
        ("objection_lifted", {"feeding": "IO"}, {"feeding": "INO"}),
        ("information_collected", {"feeding": "NA"}, {"feeding": "INO"}),
        ("information_collected", {"feeding": None}, {"feeding": "INO"}),
        ("dmp_active", {"dmp_status": None}, {"dmp_status": "ACTIF"}),
        ("dmp_active", {"dmp_status": "FERME"}, {"dmp_status": "ACTIF"}),
    ],
)
def test_a_hold_ends_when_what_it_waits_for_has_taken_place(
    until: str, waiting: dict[str, Any], come: dict[str, Any]
) -> None:
    book = site_book(f"UNE | channels: [PRO] | hold: {{code: ATTENTE, until: {until}}}")
    decision = decided(case(**waiting), book)[Channel.PRO]

    assert (decision.action, decision.code, decision.until) == (Action.HOLD, "ATTENTE", Trigger(until))
    assert decided(case(**come), book)[Channel.PRO].action is Action.SEND
    assert "UNE" in rules_of(decided(case(**come), book)[Channel.PRO])


def test_a_release_does_not_replace_an_event() -> None:
    book, one = site_book("UNE | | hold: {code: ATTENTE, until: dmp_active}"), case()
    decisions = decide(one.submission, one.state, one.identity, book, one.profile, one.now, released=frozenset(Channel))

    assert {each.action for each in decisions} == {Action.HOLD}
    assert not any("RELEASED" in rules_of(each) for each in decisions)


def test_recipients_are_added_where_nothing_reserves_the_document() -> None:
    book = site_book("UNE | | add_recipients: [{address: Copie@ch-exemple.mssante.fr, kind: organization, name: 3C}]")

    added = decided(case(), book)[Channel.PRO].recipients[1]
    assert (added.kind, added.address) == (RecipientKind.ORGANIZATION, "copie@ch-exemple.mssante.fr")
    assert added.organization is not None
    assert added.organization.name == "3C"
    assert [each.address for each in decided(case(professionals=0), book)[Channel.PRO].recipients] == [added.address]
    assert decided(case(), book)[Channel.CIT].recipients == decided(case())[Channel.CIT].recipients


@pytest.mark.parametrize("given", NAMED_ONLY)
def test_nobody_is_added_where_only_explicit_recipients_are_admitted(given: dict[str, Any]) -> None:
    book = site_book(
        "UNE | | add_recipients: [{address: a@ch-exemple.mssante.fr, kind: organization}]",
        "DEUX | | derive_recipients: [medecin_traitant]",
        head='directory: [{identifier: "10100000017", address: "cabinet@medecin.mssante.fr"}]',
    )
    team = [{"role": "ODRP", "identifier": "10100000017"}]
    decision = decided(case(**given, care_team=team), book)[Channel.PRO]

    assert {each.address for each in decision.recipients} <= {"professionnel0@test.mssante.fr"}
    assert {"UNE", "EXPLICIT_RECIPIENTS"} <= set(rules_of(decision))


def test_recipients_are_derived_by_role_at_the_address_of_the_directory() -> None:
    book = site_book(
        "UNE | | derive_recipients: [medecin_traitant, referring]",
        head='directory: [{identifier: "10100000017", address: "cabinet@medecin.mssante.fr"}]',
    )
    team = [{"role": "ODRP", "identifier": "810100000017"}, {"role": "RP", "identifier": "10100000025"}]
    decision = decided(case(care_team=team), book)[Channel.PRO]

    assert [each.address for each in decision.recipients] == [
        "professionnel0@test.mssante.fr",
        "cabinet@medecin.mssante.fr",
    ]
    assert "NO_MSS_ADDRESS" in rules_of(decision), "the referring practitioner is not in the directory"


def test_the_mailbox_is_for_mails_and_the_priority_for_all() -> None:
    decisions = decided(case(), site_book("UNE | | mailbox: labo, priority: low"))

    assert {channel: decision.mailbox for channel, decision in decisions.items()} == {
        Channel.DMP: "",
        Channel.PRO: "labo",
        Channel.CIT: "labo",
    }
    assert {decision.priority for decision in decisions.values()} == {Priority.LOW}
    assert "envoi par la boîte « labo » ; priorité basse" in text_of(decisions[Channel.PRO], "UNE")


def test_nothing_particular_is_said_of_a_channel_that_stays_closed() -> None:
    decision = decided(case(flags=flags(dest_mss_ps=False)), site_book("UNE | | mailbox: labo, priority: low"))[
        Channel.PRO
    ]

    assert (decision.mailbox, decision.priority) == ("", Priority.NORMAL)
    assert "UNE" in rules_of(decision)


# Policies


def test_a_rule_raises_or_lowers_the_policy_of_a_sender() -> None:
    complete, respect = (site_book(f"UNE | senders: [dpi] | policy: {policy}") for policy in ("complete", "respect"))
    silent = {"sender": "dpi", "flags": {}}

    assert {each.action for each in decided(case(**silent), complete).values()} == {Action.SEND}
    assert {each.code for each in decided(case(**silent, policy="complete"), respect).values()} == {"ORDER_NO"}
    assert {each.code for each in decided(case(flags={}), complete).values()} == {"ORDER_NO"}


def test_the_policy_may_differ_by_channel() -> None:
    decisions = decided(case(flags={}), site_book("UNE | channels: [DMP] | policy: complete"))

    assert [each.action for each in decisions.values()] == [Action.SEND, Action.DENY, Action.DENY]


def test_completing_never_turns_an_explicit_no_into_a_sending() -> None:
    decisions = decided(case(flags=flags(dest_mss_pat=False)), site_book("UNE | | policy: complete"))

    assert (decisions[Channel.CIT].action, decisions[Channel.CIT].code) == (Action.DENY, "ORDER_NO")
    assert "POLICY_COMPLETE" not in rules_of(decisions[Channel.CIT])


def test_warning_tells_the_gap_with_its_reason() -> None:
    one = case(flags=flags(dest_mss_pat=False))
    decision = decided(one, site_book("UNE | | policy: warn"))[Channel.CIT]

    assert {"OBLIGATION_GAP", "DESTMSSANTEPAT", "R02"} <= set(rules_of(decision))
    assert "OBLIGATION_GAP" not in rules_of(decided(one)[Channel.CIT])


# Recipients taken away


TWO = [{"address": "a@un.mssante.fr"}, {"address": "b@deux.mssante.fr"}]


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


# Several rules


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


# Precedence with the law


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


def test_the_establishment_is_that_of_the_message() -> None:
    one = with_submission(case(), lambda each: replace(each, establishment=Establishment("750", "751", "4210")))

    assert matches('establishments: ["751"], units: ["4210"]', one)
