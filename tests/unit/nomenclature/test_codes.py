"""The code tables answer what the official tables say (DMP digest §3.3 and §3.4)."""

import pytest

from pfi.standards import nomenclature
from pfi.standards.nomenclature import tables
from tests.unit.xds.documents import N3_BODY, document


@pytest.mark.parametrize(
    ("type_code", "class_code"),
    [
        ("11490-0", "10"),
        ("18748-4", "31"),
        ("57833-6", "42"),
        ("74207-2", "11"),
        ("87273-9", "52"),
        ("11526-1", "10"),
        ("60280-5", "11"),
        ("PRESC-BIO", "42"),
    ],
)
def test_a_type_has_its_class(type_code: str, class_code: str) -> None:
    found = nomenclature.class_code(type_code)
    assert found is not None
    assert (found.code, found.system) == (class_code, "1.2.250.1.213.1.1.4.1")


@pytest.mark.parametrize("type_code", ["101881-1", "FICHE-CONTACTS", "00000-0"])
def test_a_type_without_class_says_so(type_code: str) -> None:
    assert nomenclature.class_code(type_code) is None


def test_the_dmp_refuses_what_is_outside_its_value_set() -> None:
    assert nomenclature.accepted_by_dmp("11490-0")
    assert not nomenclature.accepted_by_dmp("PIECE-IDENTITE")
    assert not nomenclature.accepted_by_dmp("11526-1")
    assert not nomenclature.accepted_by_dmp("E1762")


def test_every_class_used_by_a_type_exists() -> None:
    for row in tables.document_types().values():
        assert not row.class_code or nomenclature.class_label(row.class_code) is not None


def test_codes_know_their_system() -> None:
    words, loinc = nomenclature.type_code("PRESC-BIO"), nomenclature.type_code("11490-0")
    assert words is not None
    assert loinc is not None
    assert words.system == "1.2.250.1.213.1.1.4.12"
    assert loinc.system == "2.16.840.1.113883.6.1"


def test_a_label_is_french_and_empty_when_unknown() -> None:
    assert nomenclature.type_label("11502-2") == "CR d'examens biologiques"
    assert nomenclature.type_label("?") == ""


@pytest.mark.parametrize(
    ("media_type", "format_code"),
    [
        ("application/pdf", "urn:ihe:iti:xds-sd:pdf:2008"),
        ("text/plain; charset=utf-8", "urn:ihe:iti:xds-sd:text:2008"),
        ("IMAGE/JPEG", "urn:ihe:iti-fr:xds-sd:jpeg:2010"),
        ("image/tiff", "urn:ihe:iti-fr:xds-sd:tiff:2010"),
        ("text/rtf", "urn:ihe:iti-fr:xds-sd:rtf:2010"),
        ("video/mp4", "urn:asipSante:modelesHorsProfils:2011"),
    ],
)
def test_a_body_that_is_not_structured_is_known_by_its_media_type(media_type: str, format_code: str) -> None:
    body = f'<nonXMLBody><text mediaType="{media_type}" representation="B64">AA==</text></nonXMLBody>'
    assert nomenclature.format_code(document(body=body).header).code == format_code


def test_a_template_outside_the_tables_has_no_profile() -> None:
    assert nomenclature.format_code(document(body=N3_BODY, template="1.2.3").header).code == (
        "urn:asipSante:modelesHorsProfils:2011"
    )


@pytest.mark.parametrize("code", ["urn:asip:ci-sis:cva:2017", "urn:asip:ci-sis:dlu-dlu-dom:2022"])
def test_some_formats_have_a_template_but_do_not_go_to_the_dmp(code: str) -> None:
    assert code in tables.formats().by_template.values()
    assert not nomenclature.format_accepted_by_dmp(code)


def test_every_format_has_a_coding_scheme() -> None:
    known = tables.formats()
    for code in (*known.by_template.values(), *known.by_media_type.values(), known.fallback):
        assert known.system_of(code), code


def test_the_content_type_follows_the_patient_class() -> None:
    assert nomenclature.content_type_for("I").code == "03"
    assert nomenclature.content_type_for("V").code == "07"
    assert nomenclature.content_type_for("").code == "97"
    assert nomenclature.content_type_for("?", default="08").code == "08"
    with pytest.raises(KeyError):
        nomenclature.content_type_for("", default="XX")


def test_facilities_and_practice_settings_are_known() -> None:
    facility, setting = nomenclature.facility_type("SNR"), nomenclature.practice_setting("HAD")
    assert facility is not None
    assert setting is not None
    assert facility.system == "1.2.250.1.213.1.1.4.6"
    assert setting.system == "1.2.250.1.213.1.1.4.9"
    assert nomenclature.facility_type("SA00") is None


def test_every_table_says_its_version() -> None:
    assert nomenclature.versions()["JDV_J66 TypeCode DMP"] == "2024-09-27"
