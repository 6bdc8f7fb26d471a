"""Metadata of the official CDA documents: valid by schema, and equal to what a second, separate reading finds."""

import hashlib
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from pfi.model.document import Document
from pfi.model.submission import Orders
from pfi.standards import nomenclature
from pfi.standards.cda.header import read_header
from pfi.standards.xds.ebrim import write_submit_objects
from pfi.standards.xds.mapping import document_entry, patient_id, submission_set
from tests.unit.xds.documents import ebxml_schemas, official_documents

OFFICIAL = official_documents()
H = "{urn:hl7-org:v3}"
INS = {f"1.2.250.1.213.1.4.{arc}" for arc in (8, 9, 10, 11)}

pytestmark = pytest.mark.skipif(not OFFICIAL, reason="documents officiels absents (PFI_ANS_DIR)")


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(ebxml_schemas() / "lcm.xsd")))


def _clinical_document(path: Path) -> ET.Element:
    root = ET.parse(path).getroot()  # noqa: S314 - see above
    return root if root.tag == f"{H}ClinicalDocument" else next(root.iter(f"{H}ClinicalDocument"))


def _to_utc(value: str) -> str:
    if len(value) <= 8:
        return value
    digits, offset = value[:-5], value[-5:]
    assert offset[0] in "+-", "the official documents give offsets here"
    form = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M"}[len(digits)]
    return datetime.strptime(value, f"{form}%z").astimezone(UTC).strftime(form)


@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_metadata_of_an_official_document(path: Path) -> None:
    content = path.read_bytes()
    header = read_header(content)
    qualified_id = patient_id(header.patient, True)
    entry = document_entry(Document(content, header), entry_id="Document01", patient_id=qualified_id, orders=Orders())
    assert entry.findings == ()

    cda = _clinical_document(path)
    code = cda.find(f"{H}code")
    assert code is not None
    assert entry.type_code is not None
    assert entry.type_code.code == code.get("code")
    assert nomenclature.accepted_by_dmp(entry.type_code.code)
    assert entry.class_code == nomenclature.class_code(entry.type_code.code)
    assert entry.title == " ".join((cda.findtext(f"{H}title") or "").split())[:128]
    effective = cda.find(f"{H}effectiveTime")
    assert effective is not None
    assert entry.creation_time == _to_utc(effective.get("value", ""))
    assert entry.hash == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    ids = [(i.get("extension"), i.get("root")) for i in cda.findall(f"{H}recordTarget/{H}patientRole/{H}id")]
    ins = next(value for value in ids if value[1] in INS)
    assert entry.patient_id == f"{ins[0]}^^^&{ins[1]}&ISO^NH"
    signer = cda.find(f"{H}legalAuthenticator/{H}assignedEntity/{H}id")
    assert signer is not None
    assert entry.legal_authenticator.startswith(f"{signer.get('extension')}^")
    assert entry.legal_authenticator.split("^")[8] == f"&{signer.get('root')}&ISO"
    assert len(entry.authors) == len(cda.findall(f"{H}author"))
    facility = cda.find(f".//{H}healthCareFacility/{H}code")
    assert facility is not None
    assert entry.facility_type is not None
    assert entry.facility_type.code == facility.get("code")
    settings = {element.get("code") for element in cda.iter(f"{H}standardIndustryClassCode")}
    assert entry.practice_setting is not None
    assert entry.practice_setting.code in settings

    assert entry.format_code is not None
    assert entry.format_code.code != "urn:asipSante:modelesHorsProfils:2011"
    body = cda.find(f"{H}component/{H}nonXMLBody/{H}text")
    assert entry.format_code.code.startswith("urn:ihe:iti:xds-sd") == (body is not None)

    lot = submission_set(
        entry_id="SubmissionSet01",
        unique_id="1.2.3",
        source_id="1.2.4",
        patient_id=qualified_id,
        submitted_at=datetime.now(UTC),
        patient_class="I",
        sender=header.authors[0],
    )
    _schema().assertValid(etree.fromstring(write_submit_objects(lot, [entry])))
