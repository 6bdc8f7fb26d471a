"""What no official table knows is told with the metadata, never silent."""

import pytest

from pfi.model.document import Document
from pfi.model.finding import Finding, Severity
from pfi.model.submission import Orders
from pfi.standards.xdm.metadata import metadata_warnings
from pfi.standards.xds.mapping import document_entry
from pfi.standards.xds.metadata import DocumentEntry
from tests.unit.xds.documents import MATRICULE, N3_BODY, cda, document


def entry_of(mapped: Document) -> DocumentEntry:
    return document_entry(mapped, entry_id="D", patient_id="1", orders=Orders())


def findings(mapped: Document) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in entry_of(mapped).findings]


def changed(before: str, after: str, **changes: str) -> Document:
    """The test document with one piece of text changed."""
    content = cda(**changes)
    assert before.encode() in content, before
    return document(content.replace(before.encode(), after.encode()))


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ('code="SA01"', 'code="SA99"', "XDS_FACILITY_TYPE_UNKNOWN"),
        ('code="ETABLISSEMENT"', 'code="AILLEURS"', "XDS_PRACTICE_SETTING_UNKNOWN"),
        ('<confidentialityCode code="N"', '<confidentialityCode code="B"', "XDS_CONFIDENTIALITY_CODE_UNKNOWN"),
        ('code="G15_10/SM26"', 'code="G15_10/ZZ99"', "XDS_AUTHOR_SPECIALTY_UNKNOWN"),
        ('<translation code="CT"', '<translation code="XYZ"', "XDS_EVENT_CODE_UNKNOWN"),
    ],
)
def test_a_code_outside_its_value_set_is_a_warning(before: str, after: str, code: str) -> None:
    assert findings(changed(before, after)) == [(code, Severity.WARNING)]


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("1.2.250.1.71.4.2.4", "XDS_FACILITY_TYPE_SYSTEM"),
        ("1.2.250.1.213.1.1.4.9", "XDS_PRACTICE_SETTING_SYSTEM"),
        ("2.16.840.1.113883.5.25", "XDS_CONFIDENTIALITY_CODE_SYSTEM"),
    ],
)
def test_a_known_code_of_another_system_is_an_error(system: str, code: str) -> None:
    assert findings(changed(f'codeSystem="{system}"', 'codeSystem="1.2.3"')) == [(code, Severity.ERROR)]


def test_a_code_without_system_takes_the_one_of_the_table() -> None:
    entry = entry_of(changed(' codeSystem="1.2.250.1.213.1.1.4.9"', ""))
    assert entry.findings == ()
    assert entry.practice_setting is not None
    assert entry.practice_setting.system == "1.2.250.1.213.1.1.4.9"


def test_a_type_that_no_table_has_lacks_its_class_too() -> None:
    assert findings(document(type_code="99999-9")) == [
        ("XDS_TYPE_CODE_UNKNOWN", Severity.WARNING),
        ("XDS_CLASS_CODE_MISSING", Severity.ERROR),
    ]


def test_a_class_of_the_second_table_is_told() -> None:
    entry = entry_of(document(type_code="60280-5"))
    assert [finding.code for finding in entry.findings] == ["XDS_CLASS_CODE_FALLBACK"]
    assert entry.class_code is not None
    assert entry.class_code.code == "11"


def test_a_template_that_no_table_has_is_told() -> None:
    assert findings(document(body=N3_BODY, template="1.2.3")) == [("XDS_FORMAT_CODE_UNKNOWN", Severity.WARNING)]


def test_a_media_type_that_no_table_has_is_told() -> None:
    body = '<nonXMLBody><text mediaType="video/mp4" representation="B64">AA==</text></nonXMLBody>'
    assert findings(document(body=body)) == [("XDS_FORMAT_CODE_UNKNOWN", Severity.WARNING)]


def test_templates_of_two_formats_are_told_and_the_first_is_used() -> None:
    two = '1.2.250.1.213.1.1.1.29"/><templateId root="1.2.250.1.213.1.1.1.13'
    entry = entry_of(document(body=N3_BODY, template=two))
    assert [finding.code for finding in entry.findings] == ["XDS_FORMAT_CODE_AMBIGUOUS"]
    assert entry.format_code is not None
    assert entry.format_code.code == "urn:asip:ci-sis:ldl-ses:2017"


def test_an_author_who_is_a_structure_alone_is_an_error() -> None:
    person = (
        "<assignedPerson><name><given>Adam</given><family>HODA</family></name></assignedPerson>\n      <represented"
    )
    mapped = changed(person, "<represented")
    # The identifier of a professional without a name still names a person, a structure alone does not.
    assert ("XDS_AUTHOR_PERSON_MISSING", Severity.ERROR) in findings(mapped)


def test_a_translation_that_is_not_imaging_is_no_business_of_ours() -> None:
    assert findings(document()) == []


def test_the_translations_of_an_act_without_code_are_not_the_act() -> None:
    mapped = changed(
        '<code code="11488-4" displayName="Consultation" codeSystem="2.16.840.1.113883.6.1">', '<code nullFlavor="UNK">'
    )
    assert [code.code for code in entry_of(mapped).event_codes] == ["CT"]


def test_a_region_of_the_value_set_is_an_event_and_another_place_is_not() -> None:
    region = '<translation code="{}" displayName="Lieu" codeSystem="2.16.840.1.113883.6.96"/></code>'
    for code, kept in (("774007", ["11488-4", "CT", "774007"]), ("69536005", ["11488-4", "CT"])):
        mapped = changed("</code>", region.format(code))
        assert [event.code for event in entry_of(mapped).event_codes] == kept


def test_mail_leaves_with_what_is_unknown_told_once() -> None:
    unknown = changed('code="SA01"', 'code="SA99"')
    assert metadata_warnings([document()]) == ()
    (told,) = metadata_warnings([unknown, document(), unknown])
    assert "JDV_J61" in told


def test_no_finding_quotes_the_document() -> None:
    mapped = changed('code="SA01"', f'code="{MATRICULE}"')
    found: tuple[Finding, ...] = entry_of(mapped).findings
    assert found
    assert all(MATRICULE not in finding.text for finding in found)
