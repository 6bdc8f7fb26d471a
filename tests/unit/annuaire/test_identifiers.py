"""Identifiers in their two forms, and nothing else."""

import pytest

from connectors.annuaire.identifiers import Professional, Structure


@pytest.mark.parametrize("written", ["10003461033", "810003461033", " 810003461033 "])
def test_an_rpps_is_the_same_with_or_without_its_8(written: str) -> None:
    who = Professional.read(written)
    assert who is not None
    assert who.national == "810003461033"
    assert who.token == "https://rpps.esante.gouv.fr|10003461033"


def test_an_adeli_number_is_asked_by_the_national_identifier() -> None:
    who = Professional.read("0991234567")
    assert who is not None
    assert who.token == "urn:oid:1.2.250.1.71.4.2.1|0991234567"


@pytest.mark.parametrize("written", ["750803447", "1750803447", " 1750803447"])
def test_a_finess_is_the_same_with_or_without_its_1(written: str) -> None:
    which = Structure.read(written)
    assert which is not None
    assert which.token == "https://finess.esante.gouv.fr|750803447"


def test_a_finess_of_corsica_keeps_its_letter() -> None:
    assert Structure.read("12a0000014") == Structure("2A0000014")


@pytest.mark.parametrize(
    "written",
    [
        "279035121518989",
        "2790351215189",
        "310000000000012",
        "899999999",
        "70003461033a",
        "١٠٠٠٣٤٦١٠٣٣",
        "10003461033|x",
        "",
        "DUPONT",
    ],
)
def test_nothing_that_is_not_a_professional_s_is_ever_asked(written: str) -> None:
    assert Professional.read(written) is None


@pytest.mark.parametrize("written", ["279035121518989", "38012345600012", "12345678900012", "10003461033", ""])
def test_neither_an_ins_nor_a_siret_is_a_structure(written: str) -> None:
    assert Structure.read(written) is None
