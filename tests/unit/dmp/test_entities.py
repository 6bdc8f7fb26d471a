"""Several legal entities: the establishment that sends chooses the certificates, and nobody's are lent."""

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.dmp.caller import caller
from connectors.dmp.entities import Entities, Entity
from connectors.dmp.settings import DmpSettings, finess, plain
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.parties import NOWHERE, Author, Device, Establishment, Organization, Person
from tests.unit.dmp.given import SENDER, delivery, settings, surroundings

FIRST, SECOND = "1750000000", "1690000005"
OTHER: dict[str, Any] = {
    "legal_entity": SECOND,
    "establishments": ["690000013", "CH-NORD", "1.2.250.1.999.69"],
    "tls": {"certificate": "b.pem", "key": "b.key"},
    "signing": {"certificate": "bs.pem", "key": "bs.key"},
    "structure": {"identifier": "1690000013", "name": "CH Nord", "sector": "SA05"},
    "responsible": {"identifier": "3690000013/PFI", "family": "PFI NORD"},
}


def two(**changes: Any) -> DmpSettings:
    return settings(**{"legal_entity": FIRST, "entities": [OTHER], **changes})


def sender(identifier: str, oid: str = "1.2.250.1.71.4.2.2", kind: str = "IDNST") -> Author:
    return Author(person=SENDER.person, organization=Organization("CH", identifier, oid, kind))


def chosen(of: DmpSettings, who: Author | None, place: Establishment = NOWHERE) -> str:
    found = Entities(of, surroundings()).of(delivery(sender=who, establishment=place))
    if isinstance(found, Entity):
        return found.name
    assert found.kind is OutcomeKind.REFUSED
    return found.code


@pytest.mark.parametrize(
    ("who", "place", "entity"),
    [
        (sender("1750000001"), Establishment(), FIRST),
        (sender("1690000013"), Establishment(), SECOND),
        (sender("690000013"), Establishment(), SECOND),
        (sender(SECOND), Establishment(), SECOND),
        (sender("1690000013"), Establishment(eg="750000001", ej="750000000"), SECOND),
        (sender("LABO", "1.2.3", "EI"), Establishment(eg="690000013"), SECOND),
        (sender("4217", "", "EI"), Establishment(eg="690000013"), SECOND),
        (None, Establishment(eg="690000013"), SECOND),
        (None, Establishment(eg="BLOC 4", ej="750000000"), FIRST),
        (None, Establishment(eg="", ej="ch-nord"), SECOND),
        (None, Establishment(ej="1.2.250.1.999.69"), SECOND),
        (sender("1330000001"), Establishment(eg="690000013"), "DMP_ENTITY_UNKNOWN"),
        (sender("312345678901234"), Establishment(eg="690000013"), "DMP_ENTITY_UNKNOWN"),
        (None, Establishment(eg="330000001", ej="690000005"), "DMP_ENTITY_UNKNOWN"),
        (None, Establishment(ej="330000001"), "DMP_ENTITY_UNKNOWN"),
        (None, Establishment(ej="CHU"), "DMP_ENTITY_UNKNOWN"),
        (None, Establishment(), "DMP_ENTITY_UNKNOWN"),
    ],
)
def test_the_establishment_that_sends_chooses_the_entity(who: Author | None, place: Establishment, entity: str) -> None:
    assert chosen(two(), who, place) == entity


def test_a_single_entity_sends_for_everybody_unless_it_names_its_establishments() -> None:
    assert chosen(settings(), sender("1330000001")) == "1750000001"
    named = settings(establishments=["750000001"])
    assert chosen(named, sender("1750000001")) == "1750000001"
    assert chosen(named, sender("1330000001")) == "DMP_ENTITY_UNKNOWN"


def test_each_entity_has_its_own_files_structure_and_responsible() -> None:
    first, second = two(responsible={"identifier": "3750000001/PFI", "family": "PFI"}).each_entity()
    assert second.tls.ca == first.tls.ca
    assert [str(path) for path in (second.tls.certificate, second.tls.key)] == ["b.pem", "b.key"]
    assert str(second.signing.certificate) == "bs.pem"
    assert second.structure.sector == "SA05"
    assert second.responsible is not None
    assert second.responsible.identifier == "3690000013/PFI"
    assert (first.entities, second.entities) == ((), ())
    assert second.urls == first.urls
    without = two(
        responsible={"identifier": "3750000001/PFI", "family": "PFI"}, entities=[{**OTHER, "responsible": None}]
    )
    assert without.each_entity()[1].responsible is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"legal_entity": ""}, "legal_entity"),
        ({"legal_entity": SECOND}, "deux fois"),
        ({"establishments": ["690000013"]}, "deux entités"),
        ({"entities": [{**OTHER, "legal_entity": "CH"}]}, "legal_entity"),
        ({"entities": [{**OTHER, "tls": {"certificate": "b.pem"}}]}, "key"),
    ],
)
def test_entities_that_could_be_mixed_up_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        two(**changes)


def test_a_finess_is_one_name_however_written() -> None:
    assert plain("1750000001") == plain(" 750000001 ") == "750000001"
    assert plain("12a0000001") == plain("2A0000001") == "2A0000001"
    assert plain("CH-Nord") == "ch-nord"
    assert [finess(name) for name in ("1750000001", "2B0000001", "1.2.3", "CH", "")] == [
        "750000001",
        "2B0000001",
        "",
        "",
        "",
    ]


def test_without_prt_the_geographic_establishment_is_the_structure_of_the_vihf() -> None:
    own = settings(establishments=["1750000019"], responsible={"identifier": "3750000001/PFI", "family": "PFI"})
    told = caller(delivery(sender=None, establishment=Establishment(eg="750000019")), own)
    assert told is not None
    assert told.structure == "1750000019"
    other = caller(delivery(sender=None, establishment=Establishment(eg="750000027")), own)
    assert other is not None
    assert other.structure == "1750000001"


@pytest.mark.parametrize(
    ("place", "structure"),
    [(Establishment(eg="750000019"), "1750000019"), (Establishment(eg="690000013"), "1750000001")],
)
def test_a_sender_that_names_the_legal_entity_sends_from_a_geographic_establishment(
    place: Establishment, structure: str
) -> None:
    """The VIHF never names a FINESS EJ, nor an establishment of another entity."""
    own, _ = two(establishments=["750000019"]).each_entity()
    told = caller(delivery(sender=sender(FIRST), establishment=place), own)
    assert told is not None
    assert told.structure == structure
    assert told.author.organization is not None
    assert told.author.organization.identifier == structure


def test_a_system_that_sends_is_the_author_and_somebody_answers_for_it() -> None:
    device = Device("42", "1.2.250.1.999.5", "SGL 3000")
    who = Author(device=device, organization=SENDER.organization)
    alone = caller(delivery(sender=who), settings())
    assert alone is not None
    assert (alone.author.device, alone.author.person) == (device, None)
    assert (alone.name_id, alone.subject) == ("42", "SGL 3000")
    assert [role.code for role in alone.roles] == ["AUTOMATE"]
    answered = caller(delivery(sender=who), settings(responsible={"identifier": "3750000001/PFI", "family": "PFI"}))
    assert answered is not None
    assert (answered.name_id, answered.subject) == ("3750000001/PFI", "SGL 3000")


def test_a_person_goes_before_a_system() -> None:
    who = Author(person=Person("801234567897", family="HODA"), device=Device("42", "1.2.3", "SGL"))
    told = caller(delivery(sender=who), settings())
    assert told is not None
    assert (told.name_id, told.author.device) == ("801234567897", None)


def test_the_refusal_says_what_to_configure() -> None:
    outcome = Entities(two(), surroundings()).of(delivery(sender=sender("1330000001")))
    assert isinstance(outcome, Outcome)
    assert "entities" in outcome.text
    assert "HODA" not in outcome.text
