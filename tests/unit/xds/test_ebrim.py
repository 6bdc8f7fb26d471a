"""ebRIM written as text: valid by schema, safe whatever the metadata contain."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree

from pfi.model.submission import Orders
from pfi.standards.xds.ebrim import RIM, write_submit_objects, xml_text
from pfi.standards.xds.mapping import document_entry, submission_set
from pfi.standards.xds.metadata import Association, AssociationType, DocumentEntry, SubmissionSet
from tests.unit.xds.documents import document, ebxml_schemas
from tests.unit.xds.test_mapping import PATIENT_ID

R = f"{{{RIM}}}"


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(ebxml_schemas() / "lcm.xsd")))


@pytest.fixture
def entry() -> DocumentEntry:
    return document_entry(document(), entry_id="Document01", patient_id=PATIENT_ID, orders=Orders(masque_ps=True))


@pytest.fixture
def lot() -> SubmissionSet:
    return submission_set(
        entry_id="SubmissionSet01",
        unique_id="1.2.3",
        source_id="1.2.4",
        patient_id=PATIENT_ID,
        submitted_at=datetime(2024, 1, 2, tzinfo=UTC),
        patient_class="I",
        sender=document().header.authors[0],
        title="Lot",
    )


def slots(element: etree._Element) -> dict[str, list[str]]:
    return {
        slot.get("name", ""): [value.text or "" for value in slot.iter(f"{R}Value")]
        for slot in element.iterchildren(f"{R}Slot")
    }


def test_a_lot_is_valid_by_the_schema_in_both_forms(
    schema: etree.XMLSchema, lot: SubmissionSet, entry: DocumentEntry
) -> None:
    for inside in (True, False):
        schema.assertValid(etree.fromstring(write_submit_objects(lot, [entry], marker_inside=inside)))


def test_objects_come_in_the_order_of_the_dmp(lot: SubmissionSet, entry: DocumentEntry) -> None:
    replaces = Association(AssociationType.REPLACES, "Document01", "urn:uuid:1")
    root = etree.fromstring(write_submit_objects(lot, [entry], associations=[replaces], marker_inside=True))
    names = [etree.QName(child).localname for child in root[0]]
    assert names == ["RegistryPackage", "ExtrinsicObject", "Association", "Association"]
    assert root[0][3].get("associationType") == "urn:ihe:iti:2007:AssociationType:RPLC"


def test_the_marker_stands_beside_the_package_in_xdm(lot: SubmissionSet, entry: DocumentEntry) -> None:
    root = etree.fromstring(write_submit_objects(lot, [entry]))
    marker = root[0][1]
    assert marker.get("classificationNode") == "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
    assert marker.get("classifiedObject") == "SubmissionSet01"


def test_every_entry_is_a_member_of_the_lot(lot: SubmissionSet, entry: DocumentEntry) -> None:
    second = replace(entry, entry_id="Document02")
    root = etree.fromstring(write_submit_objects(lot, [entry, second]))
    members = [
        (found.get("sourceObject"), found.get("targetObject"), slots(found))
        for found in root.iter(f"{R}Association")
        if found.get("associationType", "").endswith("HasMember")
    ]
    original = {"SubmissionSetStatus": ["Original"]}
    assert members == [
        ("SubmissionSet01", "Document01", original),
        ("SubmissionSet01", "Document02", original),
    ]


def test_ids_are_unique_and_refer_to_existing_objects(lot: SubmissionSet, entry: DocumentEntry) -> None:
    root = etree.fromstring(write_submit_objects(lot, [entry, replace(entry, entry_id="Document02")]))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for name in ("classifiedObject", "registryObject"):
        assert {element.get(name) for element in root.iter() if element.get(name)} <= set(ids)


def test_slots_hold_the_metadata(lot: SubmissionSet, entry: DocumentEntry) -> None:
    root = etree.fromstring(write_submit_objects(lot, [entry]))
    found = slots(root.find(f".//{R}ExtrinsicObject"))  # type: ignore[arg-type]  # present by construction
    assert found["hash"] == [entry.hash]
    assert found["size"] == [str(entry.size)]
    assert found["sourcePatientInfo"] == list(entry.source_patient_info)
    assert "URI" not in found
    assert "urn:action:extraMetadataSlot" not in found


def test_xdm_slots_are_written_when_asked(schema: etree.XMLSchema, lot: SubmissionSet, entry: DocumentEntry) -> None:
    content = write_submit_objects(lot, [replace(entry, uri="DOC0001.XML", action="C")], declaration=True)
    assert content.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    root = etree.fromstring(content)
    schema.assertValid(root)
    found = slots(root.find(f".//{R}ExtrinsicObject"))  # type: ignore[arg-type]  # present by construction
    assert (found["URI"], found["urn:action:extraMetadataSlot"]) == (["DOC0001.XML"], ["C"])


def test_hostile_text_stays_text(schema: etree.XMLSchema, lot: SubmissionSet, entry: DocumentEntry) -> None:
    hostile = 'a"b<c>&\x00\x0b\ud800é]]>'
    root = etree.fromstring(write_submit_objects(replace(lot, title=hostile), [replace(entry, title=hostile)]))
    schema.assertValid(root)
    titles = {name[0].get("value") for name in root.iter(f"{R}Name") if "b<c>" in (name[0].get("value") or "")}
    assert titles == {'a"b<c>&é]]>'}


def test_white_space_survives_in_attributes() -> None:
    element = etree.fromstring(f'<a b="{xml_text("x	y" + chr(10) + "z")}"/>')
    assert element.get("b") == "x\ty\nz"


def test_metadata_that_are_unknown_are_left_out(schema: etree.XMLSchema, lot: SubmissionSet) -> None:
    bare = DocumentEntry(entry_id="Document01", mime_type="text/xml", unique_id="1.2.3", patient_id="")
    root = etree.fromstring(write_submit_objects(replace(lot, author=None), [bare]))
    schema.assertValid(root)
    found = root.find(f".//{R}ExtrinsicObject")
    assert found is not None
    assert [etree.QName(child).localname for child in found] == ["ExternalIdentifier"]
