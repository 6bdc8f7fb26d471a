"""Rules of the site: what they do to the channels, and to the policy of a sender."""

from typing import Any

import pytest

from pfi.model.decision import Action, Channel, Priority, Trigger
from pfi.model.parties import RecipientKind
from pfi.routing.decide import decide
from tests.unit.routing.cases import case, decided, flags, rules_of, text_of
from tests.unit.routing.site_cases import DENY, NAMED_ONLY, site_book


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
