"""Where in the hospital a message comes from."""

import pytest

from pfi.model.parties import NOWHERE, Establishment
from pfi.standards.hl7v2.adt import read_adt
from pfi.standards.hl7v2.establishment import read_establishment
from pfi.standards.hl7v2.tokenizer import parse
from tests.unit.hl7v2.specimens import INS_CX, Specimen, adt, mdm, oru


def told(specimen: Specimen) -> Establishment:
    return read_establishment(parse(specimen.raw()))


def test_an_adt_message_tells_its_legal_entity_its_site_and_its_unit() -> None:
    specimen = adt().having("PV1^1^3", "3435^^^SITE-NORD&750000019&N^O")
    assert told(specimen) == Establishment(ej="750000001", eg="750000019", unit="6268")
    event = read_adt(parse(specimen.raw())).event
    assert event is not None
    assert event.establishment == told(specimen)


@pytest.mark.parametrize(
    ("pid_3", "ej"),
    [
        ("1^^^CH-NORD&750000019&N^PI", "750000019"),
        ("1^^^CH-NORD^PI", "CH-NORD"),
        ("1^^^^PI~2^^^CH-SUD&2&L^PI", "2"),
        ("1^^^CH-NORD&750000019&N^AN", "CH-TEST"),
        (INS_CX, "CH-TEST"),
        ("", "CH-TEST"),
    ],
)
def test_the_legal_entity_is_the_authority_of_the_ipp_else_the_sender_s(pid_3: str, ej: str) -> None:
    assert told(adt().having("PID^1^3", pid_3)).ej == ej


@pytest.mark.parametrize(
    ("location", "eg"),
    [("^^^SITE&750000019", "750000019"), ("^^^SITE", "SITE"), ('^^^""', ""), ("3435", "")],
)
def test_the_site_is_that_of_the_location(location: str, eg: str) -> None:
    assert told(adt().having("PV1^1^3", location)).eg == eg


def test_the_unit_is_that_of_the_movement_else_that_of_the_location() -> None:
    assert told(adt()).unit == "6268"
    assert told(adt().without("ZBE")).unit == "3435"
    assert told(adt().having("ZBE^1^7", "")).unit == "3435"


def test_a_message_that_tells_nothing_comes_from_nowhere() -> None:
    bare = Specimen((adt().having("MSH^1^4", "").lines[0],))
    assert told(bare) == NOWHERE


@pytest.mark.parametrize(
    ("specimen", "expected"),
    [
        (oru().having("PV1^1^3", "3435^^^SITE&750000019"), Establishment("750000001", "750000019", "3435")),
        (mdm(), Establishment("CH-TEST", "", "")),
    ],
)
def test_a_document_request_tells_its_establishment_the_same_way(specimen: Specimen, expected: Establishment) -> None:
    request = specimen.read().request
    assert request is not None
    assert request.establishment == expected
