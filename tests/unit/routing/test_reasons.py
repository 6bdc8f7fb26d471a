"""Reasons that must not hide one another."""

from dataclasses import replace

import pytest

from pfi.model.decision import Action, Channel
from pfi.model.document import DocumentId
from pfi.model.parties import Person, Recipient, RecipientKind
from pfi.routing.decide import decide
from tests.unit.routing.cases import case, decided, rules_of, shipped_rules, text_of, with_header, with_submission
from tests.unit.routing.site_cases import site_book

BOOK = 'directory: [{identifier: "10100000017", address: "cabinet@medecin.mssante.fr"}]'


def test_an_exception_that_closes_nothing_does_not_hide_the_one_that_does() -> None:
    one = case(tags=["constitutional_genetics", "pro_opposed"], prescriber=True)
    decision = decided(one)[Channel.PRO]

    assert (decision.action, decision.code) == (Action.DENY, "PRO_OPPOSED")
    assert "E13" in rules_of(decision)


@pytest.mark.parametrize(("feeding", "action"), [("INO", Action.SEND), ("IO", Action.SEND), ("NA", Action.HOLD)])
def test_a_rule_that_waits_for_the_information_of_the_patient_waits_for_no_answer_in_particular(
    feeding: str, action: Action
) -> None:
    book = site_book("UNE | channels: [PRO] | hold: {code: A_INFORMER, until: information_collected}")

    assert decided(case(feeding=feeding), book)[Channel.PRO].action is action


def test_nobody_added_and_nobody_reached_are_both_told() -> None:
    book = site_book("UNE | | add_recipients: [{address: a@ch-exemple.mssante.fr, kind: organization}]")
    unreachable = Recipient(RecipientKind.PROFESSIONAL, "", Person("899700000199"))
    one = with_submission(
        case(confidentiality="R"), lambda each: replace(each, recipients=(*each.recipients, unreachable))
    )

    assert {"EXPLICIT_RECIPIENTS", "NO_MSS_ADDRESS"} <= set(rules_of(decided(one, book)[Channel.PRO]))


def test_those_who_are_added_and_those_who_are_not_found_are_both_told() -> None:
    book = site_book("UNE | | derive_recipients: [medecin_traitant, referring]", head=BOOK)
    decision = decided(case(care_team=[{"role": "ODRP", "identifier": "810100000017"}]), book)[Channel.PRO]

    assert {"RECIPIENT_ADDED", "NO_RECIPIENT"} <= set(rules_of(decision))


def test_the_tags_of_a_site_are_told_in_one_order() -> None:
    tags = ["sensitive_care", "psychiatry", "ivg", "deceased", "cit_opposed", "pro_opposed", "acts_in_stay"]
    book = site_book(head=f"tags: [{{id: TOUTES, units: ['1'], add: [{', '.join(tags)}]}}]")
    decision = decided(case(unit="1"), book)[Channel.DMP]

    assert ", ".join(sorted(tags)) in text_of(decision, "TOUTES")


def test_what_an_operator_let_go_does_not_hide_what_closes_the_channel() -> None:
    one = with_header(
        case(confidentiality="R"), lambda header: replace(header, document_id=DocumentId("2.25.1", "ext"))
    )
    released = decide(
        one.submission, one.state, one.identity, shipped_rules(), one.profile, one.now, released=frozenset(Channel)
    )

    assert (released[0].channel, released[0].action, released[0].code) == (
        Channel.DMP,
        Action.DENY,
        "CDA_ID_EXTENSION",
    )


def test_a_rule_on_somebody_without_address_is_told_even_when_others_are_added() -> None:
    book = site_book(
        "UNE | | add_recipients: [{address: a@ch-exemple.mssante.fr, kind: organization}]",
        "DEUX | recipients: ['899700000199'] | deny: {code: NON}",
    )
    unreachable = Recipient(RecipientKind.PROFESSIONAL, "", Person("899700000199"))
    one = with_submission(case(), lambda each: replace(each, recipients=(*each.recipients, unreachable)))

    assert {"UNE", "DEUX"} <= set(rules_of(decided(one, book)[Channel.PRO]))


@pytest.mark.parametrize(
    ("type_code", "said"), [("34874-8", "tient lieu d'ordre"), ("11502-2", "ne demande pas ce canal")]
)
def test_a_table_that_stands_for_the_order_says_what_it_asks(type_code: str, said: str) -> None:
    decision = decided(case(type=type_code, flags={}, policy="complete"))[Channel.CIT]

    assert said in text_of(decision, "POLICY_COMPLETE")


def test_the_day_of_the_discharge_is_the_limit_of_discharge_letters_by_mail_only() -> None:
    letter, report = decided(case()), decided(case(type="34874-8"))

    assert "le jour même" in text_of(letter[Channel.PRO], "R02")
    assert "le jour même" not in text_of(letter[Channel.DMP], "R02")
    assert "le jour même" not in text_of(report[Channel.PRO], "R09")


@pytest.mark.parametrize("ordered", ["dest_dmp", "dest_mss_ps", "dest_mss_pat", ""])
def test_one_destination_is_enough_for_something_to_be_ordered(ordered: str) -> None:
    every = ("dest_dmp", "dest_mss_ps", "dest_mss_pat")
    decisions = decided(case(flags={name: name == ordered for name in every}))

    assert all(("NOTHING_ORDERED" in rules_of(each)) is (not ordered) for each in decisions.values())


def test_a_sender_without_flags_is_not_told_that_it_ordered_nothing() -> None:
    assert not any("NOTHING_ORDERED" in rules_of(each) for each in decided(case(flags={})).values())


@pytest.mark.parametrize(
    ("named", "channel"),
    [("279035121518989@patient.mssante.fr", Channel.CIT), ("a@un.mssante.fr", Channel.PRO)],
)
def test_only_the_channel_of_somebody_who_is_named_says_that_they_are_not_served(named: str, channel: Channel) -> None:
    none = {"dest_dmp": True, "dest_mss_ps": False, "dest_mss_pat": False}
    decisions = decided(case(professionals=0, recipients=[{"address": named}], flags=none))

    assert {each for each in decisions if "RECIPIENT_NOT_SERVED" in rules_of(decisions[each])} == {channel}
