"""Which mailbox is the one: never a guess among several."""

import pytest

from connectors.annuaire.choice import UNTOLD, of_professional, of_structure
from pfi.engine.connector import Ambiguous, Found, Mailbox, Nothing

OWN = Mailbox("own@x.fr", "PER")
HERE = Mailbox("here@x.fr", "PER", "990000025")
THERE = Mailbox("there@x.fr", "PER", "990000033")


def test_the_mailbox_at_the_named_structure_wins_over_the_one_of_nowhere() -> None:
    assert of_professional([OWN, HERE, THERE], "990000025") == Found(HERE)


def test_without_a_structure_the_only_mailbox_of_nowhere_is_the_one() -> None:
    assert of_professional([OWN, HERE, THERE], "") == Found(OWN)


def test_a_structure_where_there_is_no_mailbox_leaves_the_one_of_nowhere() -> None:
    assert of_professional([OWN, THERE], "990000025") == Found(OWN)


@pytest.mark.parametrize("structure", ["", "990000025"])
def test_the_mailbox_of_another_place_is_shown_and_not_chosen(structure: str) -> None:
    assert of_professional([THERE], structure) == Ambiguous((THERE,))


def test_two_mailboxes_at_the_same_place_are_too_many() -> None:
    second = Mailbox("second@x.fr", "CAB", "990000025")
    assert of_professional([OWN, HERE, second], "990000025") == Ambiguous((HERE, second))


def test_two_mailboxes_of_nowhere_are_too_many() -> None:
    second = Mailbox("cab@x.fr", "CAB")
    assert of_professional([OWN, second], "") == Ambiguous((OWN, second))


def test_one_address_published_twice_is_one_mailbox() -> None:
    assert of_professional([OWN, Mailbox("OWN@x.fr", "PER")], "") == Found(OWN)


def test_an_untold_place_is_no_place() -> None:
    somewhere = Mailbox("a@x.fr", "PER", UNTOLD)
    assert of_professional([somewhere], "") == Ambiguous((somewhere,))


def test_an_organisation_s_mailbox_is_no_professional_s_nor_the_contrary() -> None:
    office = Mailbox("office@x.fr", "ORG", "990000025")
    assert of_professional([office], "990000025") == Nothing()
    assert of_structure([HERE]) == Nothing()
    assert of_structure([office, HERE]) == Found(office)


def test_a_structure_with_an_organisational_and_an_applicative_mailbox_has_too_many() -> None:
    office, software = Mailbox("o@x.fr", "ORG"), Mailbox("app@x.fr", "APP")
    assert of_structure([office, software]) == Ambiguous((office, software))
    assert of_structure([]) == Nothing()
