"""HL7 v2 data types in XDS slots."""

import pytest

from pfi.model.parties import Author, Device, Organization, Person
from pfi.standards.xds.datatypes import cx, escaped, utc_time, xcn, xon

RPPS = "1.2.250.1.71.4.2.1"
FINESS = "1.2.250.1.71.4.2.2"


@pytest.mark.parametrize(
    ("hl7", "utc"),
    [
        ("20240102101530+0100", "20240102091530"),
        ("20240702101530+0200", "20240702081530"),
        ("20240101003000+0100", "20231231233000"),
        ("20240102101530.123+0100", "20240102091530"),
        ("202401021015+0100", "202401020915"),
        ("2024010210+0100", "2024010209"),
        ("20240102101530-0330", "20240102134530"),
        ("20240102", "20240102"),
        ("202401", "202401"),
        ("2024", "2024"),
    ],
)
def test_a_time_is_written_in_utc_with_the_precision_it_had(hl7: str, utc: str) -> None:
    assert utc_time(hl7) == (utc, False)


@pytest.mark.parametrize(("hl7", "utc"), [("20240102101530", "20240102091530"), ("20240702101530", "20240702081530")])
def test_a_time_without_offset_is_read_as_paris_time_and_says_so(hl7: str, utc: str) -> None:
    assert utc_time(hl7) == (utc, True)


@pytest.mark.parametrize(
    "hl7", ["", "hier", "20241301", "20240102251530+0100", "20240230", "2024010", "00010101000000+1400"]
)
def test_a_value_that_is_not_a_time_gives_nothing(hl7: str) -> None:
    assert utc_time(hl7) == ("", False)


def test_a_professional_is_written_with_the_national_identifier_type() -> None:
    author = Author(person=Person("801234567897", RPPS, "IDNPS", "HODA", "Adam"))
    assert xcn(author) == f"801234567897^HODA^Adam^^^^^^&{RPPS}&ISO^D^^^IDNPS"


def test_the_internal_identifier_of_a_structure_is_an_ei() -> None:
    author = Author(person=Person("3750000001/77", RPPS, "EI", "HODA", "Adam"))
    assert xcn(author).endswith("^D^^^EI")


def test_the_type_is_guessed_from_the_root_when_the_carrier_gives_none() -> None:
    assert xcn(Author(person=Person("801234567897", RPPS))).endswith(f"&{RPPS}&ISO^D^^^IDNPS")
    assert xcn(Author(person=Person("12", "1.2.3"))).endswith("&1.2.3&ISO^D^^^EI")


def test_a_patient_who_writes_is_identified_by_the_ins() -> None:
    author = Author(person=Person("279035121518989", "1.2.250.1.213.1.4.10", "INS", "PAT-TROIS", "DOMINIQUE"))
    assert xcn(author) == "279035121518989^PAT-TROIS^DOMINIQUE^^^^^^&1.2.250.1.213.1.4.10&ISO^D^^^NH"


def test_a_device_is_written_with_a_resource_identifier() -> None:
    author = Author(device=Device("77", "1.2.3", "Modèle Logiciel"))
    assert xcn(author) == "77^Modèle Logiciel^^^^^^^&1.2.3&ISO^U^^^RI"


def test_a_device_with_a_national_identifier_keeps_its_type() -> None:
    assert xcn(Author(device=Device("5180/1", RPPS, "Logiciel"))).endswith(f"&{RPPS}&ISO^D^^^EI")
    assert xcn(Author(device=Device("8180", RPPS, "Logiciel"))).endswith("^D^^^IDNPS")


def test_a_person_without_identifier_is_a_name_alone() -> None:
    assert xcn(Author(person=Person(family="HODA", given="Adam"))) == "^HODA^Adam"


def test_an_author_who_names_nobody_is_empty() -> None:
    assert xcn(Author()) == ""


def test_a_structure_is_written_with_its_national_identifier() -> None:
    assert xon(Organization("CH", "1750000001", FINESS)) == f"CH^^^^^&{FINESS}&ISO^IDNST^^^1750000001"


def test_a_structure_without_name_keeps_an_empty_component() -> None:
    assert xon(Organization("", "1750000001", FINESS)) == f"^^^^^&{FINESS}&ISO^IDNST^^^1750000001"


def test_a_structure_without_identifier_is_its_name() -> None:
    assert xon(Organization("CH")) == "CH"
    assert xon(Organization()) == xon(None) == ""


def test_a_structure_of_another_authority_is_not_called_national() -> None:
    assert xon(Organization("CH", "9", "1.2.3")) == "CH^^^^^&1.2.3&ISO^XX^^^9"


def test_a_slot_never_exceeds_256_characters_and_keeps_its_identifier() -> None:
    written = xon(Organization("É" * 400, "1750000001", FINESS))
    assert len(written) == 256
    assert written.endswith("^^^1750000001")
    assert xcn(Author(person=Person("801234567897", RPPS, "IDNPS", "X" * 400, "Y"))).endswith("^D^^^IDNPS")


def test_delimiters_inside_a_component_are_escaped() -> None:
    assert escaped("A & B ^ C | D ~ E \\ F") == r"A \T\ B \S\ C \F\ D \R\ E \E\ F"


def test_white_space_of_xml_sources_is_folded() -> None:
    assert escaped("  CH de\n   Test ") == "CH de Test"


def test_an_identifier_without_authority_has_empty_components() -> None:
    assert cx("1.2.3", "", "urn:x") == "1.2.3^^^^urn:x"
