"""All official CDA documents, against an independent reading with the standard library's ElementTree."""

import xml.etree.ElementTree as ET
from pathlib import Path

from pfi.model.document import Level
from pfi.standards.cda.body import embedded_pdf
from pfi.standards.cda.checks import check_header
from pfi.standards.cda.header import read_header
from pfi.standards.cda.narrative import read_narrative
from pfi.standards.cda.schema import CdaSchema
from tests.unit.cda.official import DOCUMENTS, PACK, each_document, needs_documents, needs_pack

V3 = "{urn:hl7-org:v3}"
INS_ROOTS = [f"1.2.250.1.213.1.4.{last}" for last in (8, 9, 10, 11)]

pytestmark = needs_documents


def clinical_document(content: bytes) -> ET.Element:
    root = ET.fromstring(content)  # noqa: S314 - official samples
    return root if root.tag == f"{V3}ClinicalDocument" else next(root.iter(f"{V3}ClinicalDocument"))


def find(element: ET.Element, names: str) -> ET.Element | None:
    return element.find("/".join(V3 + name for name in names.split("/")))


def attribute(element: ET.Element, names: str, name: str) -> str:
    found = find(element, names)
    return "" if found is None else found.get(name, "")


@each_document
def test_the_header_is_what_another_parser_reads(document: Path) -> None:
    content = document.read_bytes()
    expected = clinical_document(content)
    header = read_header(content)
    assert header.document_id.root == attribute(expected, "id", "root")
    assert header.document_id.extension == attribute(expected, "id", "extension")
    assert header.code.code == attribute(expected, "code", "code")
    assert header.code.label == attribute(expected, "code", "displayName")
    assert header.title == " ".join("".join(expected.findtext(f"{V3}title") or "").split())
    assert header.effective_time == attribute(expected, "effectiveTime", "value")
    assert header.language == attribute(expected, "languageCode", "code")
    assert header.template_ids == tuple(each.get("root", "") for each in expected.findall(f"{V3}templateId"))
    assert header.set_id is not None
    assert header.set_id.root == attribute(expected, "setId", "root")
    assert str(header.version_number) == attribute(expected, "versionNumber", "value")
    facility = "componentOf/encompassingEncounter/location/healthCareFacility/code"
    assert header.facility is not None
    assert header.facility.code == attribute(expected, facility, "code")
    assert len(header.authors) == len(expected.findall(f"{V3}author"))
    assert len(header.participants) == len(expected.findall(f"{V3}participant"))
    assert len(header.service_events) == len(expected.findall(f"{V3}documentationOf"))
    assert (header.level is Level.N1) == (find(expected, "component/nonXMLBody") is not None)
    assert header.self_presenting == (b"<xsl:stylesheet" in content)
    replaced = [each for each in expected.findall(f"{V3}relatedDocument") if each.get("typeCode") == "RPLC"]
    assert (header.replaced is not None) == bool(replaced)


@each_document
def test_the_patient_is_what_another_parser_reads(document: Path) -> None:
    content = document.read_bytes()
    role = find(clinical_document(content), "recordTarget/patientRole")
    assert role is not None
    patient = read_header(content).patient
    ids = [(each.get("extension", ""), each.get("root", "")) for each in role.findall(f"{V3}id")]
    assert patient.ins is not None
    assert (patient.ins.matricule, patient.ins.oid) == next(each for each in ids if each[1] in INS_ROOTS)
    assert [(each.value, each.authority_oid) for each in patient.identifiers] == [
        each for each in ids if each[1] not in INS_ROOTS
    ]
    assert patient.traits.birth_name == role.findtext(f"{V3}patient/{V3}name/{V3}family[@qualifier='BR']", "").strip()
    assert patient.traits.first_given_name == role.findtext(f".//{V3}name/{V3}given[@qualifier='BR']", "").strip()
    assert patient.traits.birth_date == attribute(role, "patient/birthTime", "value")[:8]
    assert patient.traits.sex == attribute(role, "patient/administrativeGenderCode", "code")
    county = find(role, "patient/birthplace/place/addr/county")
    assert county is not None
    assert patient.traits.birth_place == (county.text or "").strip()


@each_document
def test_no_official_document_is_refused_by_the_header_checks(document: Path) -> None:
    refused = [each for each in check_header(read_header(document.read_bytes())) if each.severity == "error"]
    assert refused == []


@each_document
def test_the_text_that_a_doctor_reads_is_complete(document: Path) -> None:
    """Every word of every narrative block is in the readable form, in the same section."""
    content = document.read_bytes()
    narrative = read_narrative(content)
    sections = list(clinical_document(content).iter(f"{V3}section"))
    assert len(narrative.sections) == len(sections)
    for expected, read in zip(sections, narrative.sections, strict=True):
        text = expected.find(f"{V3}text")
        words = [] if text is None else " ".join(text.itertext()).split()
        seen = "".join(repr(read.blocks).replace("\\n", "").split())
        for word in words:
            assert repr(word)[1:-1] in seen or repr("'" + word)[2:-1] in seen


@needs_pack
def test_every_official_document_is_valid_against_the_official_schema() -> None:
    schema = CdaSchema(PACK)
    assert [path.name for path in DOCUMENTS if schema.validate(path.read_bytes())] == []


def test_some_documents_carry_their_pdf() -> None:
    found = {path.stem: embedded_pdf(path.read_bytes()) for path in DOCUMENTS}
    levels = {path.stem: read_header(path.read_bytes()) for path in DOCUMENTS}
    for name, pdf in found.items():
        if levels[name].body_media_type == "application/pdf":
            assert pdf is not None
            assert pdf.startswith(b"%PDF-")
    assert any(pdf is not None and levels[name].level is Level.N3 for name, pdf in found.items())
