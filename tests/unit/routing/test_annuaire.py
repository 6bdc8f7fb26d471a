"""Rules that leave an address to the Annuaire Santé: for whom, and for whom never."""

from dataclasses import replace
from typing import Any

import pytest

from pfi.model.decision import Action, Channel, Decision
from pfi.model.parties import Device, Organization, Person, Recipient, RecipientKind
from tests.unit.routing.cases import case, decided, rules_of, with_submission
from tests.unit.routing.site_cases import NAMED_ONLY, site_book

ASKS = "ANNUAIRE | | annuaire: true"
DERIVES = "ROLES | | derive_recipients: [medecin_traitant]"
DOCTOR = "10100000017"
BOOK = f'directory: [{{identifier: "{DOCTOR}", address: "cabinet@medecin.mssante.fr"}}]'
TEAM = [{"role": "ODRP", "identifier": f"8{DOCTOR}"}]

PERSON = Recipient(RecipientKind.PROFESSIONAL, "", Person("899700000199"), identifier="899700000199")
STRUCTURE = Recipient(RecipientKind.ORGANIZATION, "", organization=Organization("CABINET", "1990000025"))
SOFTWARE = Recipient(RecipientKind.APPLICATION, "", device=Device("LOGICIEL"), identifier="LOGICIEL")
UNKNOWN = Recipient(RecipientKind.PROFESSIONAL, "", Person(family="SANS-NUMERO"))


def decision(*rules: str, named: tuple[Recipient, ...] = (), head: str = "", **given: Any) -> Decision:
    """What is decided for the professionals; `named` join the one that the case names."""
    one = with_submission(case(**given), lambda each: replace(each, recipients=(*each.recipients, *named)))
    return decided(one, site_book(*rules, head=head))[Channel.PRO]


def asked(of: Decision) -> list[str]:
    """Identifiers of the recipients whose address is looked up."""
    return [each.key for each in of.recipients if not each.address]


@pytest.mark.parametrize(("recipient", "key"), [(PERSON, "99700000199"), (STRUCTURE, "1990000025")])
def test_who_is_named_without_address_is_looked_up_where_a_rule_says_so(recipient: Recipient, key: str) -> None:
    assert asked(decision(named=(recipient,))) == []

    told = decision(ASKS, named=(recipient,))
    assert asked(told) == [key]
    assert len(told.recipients) == 2
    assert {"ANNUAIRE", "ADDRESS_LOOKED_UP"} <= set(rules_of(told))
    assert "NO_MSS_ADDRESS" not in rules_of(told)


def test_blanks_are_no_address() -> None:
    told = decision(ASKS, named=(replace(PERSON, address="  "),))
    assert [each.key for each in told.recipients if not each.address.strip()] == ["99700000199"]
    assert "ADDRESS_LOOKED_UP" in rules_of(told)


@pytest.mark.parametrize("recipient", [SOFTWARE, UNKNOWN])
def test_who_has_no_national_identifier_is_not(recipient: Recipient) -> None:
    told = decision(ASKS, named=(recipient,))
    assert asked(told) == []
    assert "NO_MSS_ADDRESS" in rules_of(told)
    assert "ADDRESS_LOOKED_UP" not in rules_of(told)


def test_a_channel_without_any_address_opens() -> None:
    only: dict[str, Any] = {"professionals": 0, "recipients": [{"identifier": "899700000199"}]}
    assert (decision(**only).action, decision(**only).code) == (Action.DENY, "NO_MSS_ADDRESS")
    assert decision(ASKS, **only).action is Action.SEND


def test_a_test_of_a_rule_file_may_name_a_structure_without_address() -> None:
    told = decision(ASKS, professionals=0, recipients=[{"kind": "organization", "identifier": "1990000025"}])
    assert [(each.organization, each.identifier) for each in told.recipients] == [
        (Organization(identifier="1990000025"), "1990000025")
    ]


def test_who_is_derived_and_absent_from_the_book_is_looked_up_and_the_book_wins() -> None:
    assert asked(decision(DERIVES, ASKS, care_team=TEAM)) == [DOCTOR]
    assert asked(decision(DERIVES, care_team=TEAM)) == []
    known = decision(DERIVES, ASKS, care_team=TEAM, head=BOOK)
    assert asked(known) == []
    assert "cabinet@medecin.mssante.fr" in [each.address for each in known.recipients]


def test_one_person_named_and_derived_is_looked_up_once() -> None:
    twice = Recipient(RecipientKind.PROFESSIONAL, "", Person(DOCTOR), identifier=DOCTOR)
    assert asked(decision(DERIVES, ASKS, care_team=TEAM, named=(twice,))) == [DOCTOR]


@pytest.mark.parametrize("given", NAMED_ONLY)
def test_nobody_is_looked_up_where_only_explicit_recipients_are_admitted(given: dict[str, Any]) -> None:
    prescriber = Recipient(RecipientKind.PROFESSIONAL, "", Person("899700000100"), identifier="899700000100")
    told = decision(DERIVES, ASKS, named=(PERSON, prescriber), care_team=TEAM, **given)
    assert asked(told) == []
    assert {each.address for each in told.recipients} <= {"professionnel0@test.mssante.fr"}


def test_a_closer_rule_takes_it_back() -> None:
    told = decision(ASKS, "NON | units: ['4210'] | annuaire: false", named=(PERSON,), unit="4210")
    assert asked(told) == []
    (reason,) = [each for each in told.because if each.rule == "ANNUAIRE"]
    assert "la règle NON l'emporte" in reason.text


def test_it_reads_in_the_explanation() -> None:
    (reason,) = [each for each in decision(ASKS, named=(PERSON,)).because if each.rule == "ADDRESS_LOOKED_UP"]
    assert "demandée à l'Annuaire Santé au moment de l'envoi" in reason.text
