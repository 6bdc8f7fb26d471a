"""Criteria of the rules of a site: which documents a rule is about."""

from dataclasses import replace
from typing import Any

import pytest

from pfi.model.decision import Channel
from pfi.model.parties import Establishment, Organization, Person, Recipient, RecipientKind
from pfi.routing.decide import decide
from pfi.routing.specimen import Specimen
from tests.unit.routing.cases import case, decided, rules_of, with_header, with_submission
from tests.unit.routing.site_cases import HIGH, site_book


def matches(when: str, one: Specimen) -> bool:
    """Whether a rule of these criteria is told for the professionals."""
    return "UNE" in rules_of(decided(one, site_book(f"UNE | {when} | {HIGH}"))[Channel.PRO])


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


def test_one_document_of_the_period_is_enough() -> None:
    """Two renditions of one message need not bear the same date."""
    january, march = case(date="2026-01-15"), case(date="2026-03-15")
    both = with_submission(
        january, lambda each: replace(each, documents=(*each.documents, *march.submission.documents))
    )

    def told(when: str) -> bool:
        book = site_book(f"UNE | {when} | {HIGH}")
        decisions = decide(both.submission, both.state, both.identity, book, both.profile, both.now)
        return all("UNE" in rules_of(each) for each in decisions)

    assert told("from: 2026-02-01")
    assert told("until: 2026-02-01")
    assert not told("from: 2026-04-01")


def test_each_rule_has_its_own_period() -> None:
    book = site_book(f"PASSEE | until: 2025-12-31 | {HIGH}", f"A_VENIR | from: 2027-01-01 | {HIGH}", f"UNE | | {HIGH}")
    told = rules_of(decided(case(date="2026-01-15"), book)[Channel.PRO])
    assert "UNE" in told
    assert not {"PASSEE", "A_VENIR"} & set(told)


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


def test_the_establishment_is_that_of_the_message() -> None:
    one = with_submission(case(), lambda each: replace(each, establishment=Establishment("750", "751", "4210")))

    assert matches('establishments: ["751"], units: ["4210"]', one)
