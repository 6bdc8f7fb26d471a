"""What a LeafClass answer tells of documents, and what is left out of it."""

from datetime import UTC, datetime

import pytest
from lxml import etree

from connectors.dmp.consultation_entry import read_entries, read_time
from connectors.dmp.consultation_query import Availability, DocumentQuery, find_documents, retrieve_document
from connectors.dmp.queries import one_of, quoted
from pfi.model.document import CodedValue
from tests.unit.dmp.given import RESOURCE_ID

RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
STABLE = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
ON_DEMAND = "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"
UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"


def response(*objects: str) -> etree._Element:
    return etree.fromstring(
        f'<r xmlns:rim="{RIM}"><rim:RegistryObjectList>{"".join(objects)}</rim:RegistryObjectList></r>'
    )


def entry(inside: str = "", kind: str = STABLE, unique_id: str = "1.2.3") -> str:
    identifier = (
        f'<rim:ExternalIdentifier identificationScheme="{UNIQUE_ID}" value="{unique_id}"/>' if unique_id else ""
    )
    return f'<rim:ExtrinsicObject id="urn:uuid:1" objectType="{kind}">{inside}{identifier}</rim:ExtrinsicObject>'


def slot(name: str, *values: str) -> str:
    listed = "".join(f"<rim:Value>{value}</rim:Value>" for value in values)
    return f'<rim:Slot name="{name}"><rim:ValueList>{listed}</rim:ValueList></rim:Slot>'


def test_a_poor_entry_is_read_without_inventing_anything() -> None:
    (found,) = read_entries(response(entry(slot("size", "douze") + slot("hash") + slot("creationTime", "hier"))))
    assert (found.unique_id, found.entry_uuid) == ("1.2.3", "urn:uuid:1")
    assert (found.size, found.hash, found.creation_time, found.type_code) == (None, "", None, None)
    assert found.confidentiality == found.authors == ()


def test_what_cannot_be_asked_for_is_left_out() -> None:
    listed = response(entry(unique_id=""), entry(kind=ON_DEMAND), '<rim:ObjectRef id="urn:uuid:2"/>', entry())
    assert [each.unique_id for each in read_entries(listed)] == ["1.2.3"]
    assert read_entries(etree.fromstring("<r/>")) == ()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20260105091500", datetime(2026, 1, 5, 9, 15, tzinfo=UTC)),
        ("202601", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026010509+0", None),
        ("20261305", None),
        ("", None),
    ],
)
def test_times_are_utc_with_any_precision(text: str, moment: datetime | None) -> None:
    assert read_time(text) == moment


@pytest.mark.parametrize(
    ("mime_type", "xml"),
    [("text/xml; charset=utf-8", True), ("application/xslt+xml", True), ("application/dicom", False), ("", False)],
)
def test_a_cda_is_known_by_its_mime_type(mime_type: str, xml: bool) -> None:
    written = entry().replace("<rim:ExtrinsicObject ", f'<rim:ExtrinsicObject mimeType="{mime_type}" ')
    assert read_entries(response(written))[0].is_xml is xml


def test_values_of_a_query_are_quoted_as_ihe_asks() -> None:
    assert quoted("O'NEIL") == "'O''NEIL'"
    assert one_of(("a", "b'c")) == "('a','b''c')"


def test_a_search_says_its_criteria_and_nothing_else() -> None:
    query = DocumentQuery(
        types=(CodedValue("11488-4", "", "2.16.840.1.113883.6.1"),),
        created_from=datetime(2026, 1, 1, tzinfo=UTC),
        states=(Availability.APPROVED, Availability.ARCHIVED),
    )
    root = etree.fromstring(find_documents(query, RESOURCE_ID))
    values = {each.get("name"): "".join(map(str, each.itertext())) for each in root.iter(f"{{{RIM}}}Slot")}
    assert values == {
        "$XDSDocumentEntryPatientId": f"'{RESOURCE_ID}'",
        "$XDSDocumentEntryStatus": (
            "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved','urn:asip:ci-sis:2010:StatusType:Archived')"
        ),
        "$XDSDocumentEntryTypeCode": "('11488-4^^2.16.840.1.113883.6.1')",
        "$XDSDocumentEntryCreationTimeFrom": "'20260101000000'",
    }


def test_a_retrieval_names_the_community_only_when_the_registry_does() -> None:
    assert b"HomeCommunityId" not in retrieve_document("1.2", "3.4")
    assert b"<xdsb:HomeCommunityId>urn:oid:9</xdsb:HomeCommunityId>" in retrieve_document("1.2", "3.4", "urn:oid:9")
