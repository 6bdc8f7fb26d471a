import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from pfi.model.patient import Identifier, Patient
from pfi.model.submission import Orders, Request
from pfi.standards.xdm.metadata import patient_id, write_metadata
from tests.unit.mssante.material import MOMENT, PATIENT, cda, document

XSD = Path(os.environ.get("PFI_XSD_DIR", Path(__file__).resolve().parents[3].parent / "shared" / "xsd")) / "ebxml"
RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"


def metadata(**changes: Any) -> bytes:
    values: dict[str, Any] = {
        "request": Request.INITIAL,
        "orders": Orders(),
        "patient": PATIENT,
        "qualified": True,
        "patient_class": "I",
        "sender": None,
        "unique_id": "2.25.101",
        "source_id": "1.2.250.1.999.1",
        "submitted_at": MOMENT,
    }
    documents = changes.pop("documents", [document()])
    return write_metadata(documents, **{**values, **changes})


def slots(content: bytes, name: str) -> list[str]:
    found = etree.fromstring(content).iter(f"{RIM}Slot")
    return [value.text or "" for slot in found if slot.get("name") == name for value in slot.iter(f"{RIM}Value")]


@pytest.mark.skipif(not XSD.is_dir(), reason=f"ebXML schemas are absent (PFI_XSD_DIR: {XSD})")
@pytest.mark.parametrize("request_kind", Request)
def test_metadata_is_valid_ebxml(request_kind: Request) -> None:
    schema = etree.XMLSchema(etree.parse(XSD / "lcm.xsd"))
    two = [document(), document(cda(unique_id="1.2.3.4"))]
    schema.assertValid(etree.fromstring(metadata(request=request_kind, documents=two)))


@pytest.mark.parametrize(
    ("request_kind", "action"), [(Request.INITIAL, []), (Request.REPLACE, ["C"]), (Request.DELETE, ["D"])]
)
def test_the_action_is_told_for_a_replacement_and_a_deletion_only(request_kind: Request, action: list[str]) -> None:
    assert slots(metadata(request=request_kind), "urn:action:extraMetadataSlot") == action


def test_each_document_has_its_file_name_and_the_lot_its_time_in_utc() -> None:
    content = metadata(documents=[document(), document(cda(unique_id="1.2.3.4"))])
    assert slots(content, "URI") == ["DOC0001.XML", "DOC0002.XML"]
    assert slots(content, "submissionTime") == ["20260305091230"]


def test_without_qualification_there_is_no_matricule_anywhere() -> None:
    bare = replace(PATIENT, ins=None)
    content = metadata(patient=bare, qualified=False, documents=[document(cda(matricule=None))])
    assert b"2790351" not in content
    assert b"1.2.250.1.213.1.4" not in content
    assert b"IPP-4711^^^&amp;1.2.250.1.999.9&amp;ISO^PI" in content


def test_an_unqualified_patient_is_the_local_one_of_the_document_then_the_one_of_the_message() -> None:
    elsewhere = replace(PATIENT, identifiers=(Identifier("77", "1.2.250.1.999.77", "CH EXEMPLE", "PI"),))
    bare = document(cda(matricule=None))
    assert patient_id(elsewhere, [bare], qualified=False) == "IPP-4711^^^&1.2.250.1.999.9&ISO^PI"
    nameless = document(cda(matricule=None).replace(b'<id extension="IPP-4711" root="1.2.250.1.999.9"/>', b""))
    assert patient_id(elsewhere, [nameless], qualified=False) == "77^^^&1.2.250.1.999.77&ISO^PI"
    assert patient_id(replace(PATIENT, identifiers=()), [nameless], qualified=False) == ""


def test_a_patient_without_identifier_in_the_message_is_the_one_of_the_documents() -> None:
    unnamed = document(cda(matricule=None))
    assert patient_id(Patient(), [unnamed], qualified=False) == "IPP-4711^^^&1.2.250.1.999.9&ISO^PI"
    assert patient_id(Patient(), [], qualified=False) == ""
    assert patient_id(PATIENT, [unnamed], qualified=True).startswith("279035121518989^^^")
