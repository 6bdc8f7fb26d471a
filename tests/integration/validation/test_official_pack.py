"""The official pack: what the ANS publishes as good is found good, and one defect of each family is found."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from pfi.model.finding import Severity
from pfi.standards.cda.pack import FaultKind, ValidationPack
from pfi.standards.cda.tree import N
from pfi.standards.cda.validator import DocumentValidator, Validated
from tests.unit.cda.official import DOCUMENTS, PACK, each_document, needs_documents, needs_pack

pytestmark = [needs_pack, needs_documents]

NOT_CLEAN = {"01_Modèles_contenus_CDA"}
"""A catalogue of templates, that announces a volet (VSM) without respecting it."""
COMMON = "ASIP-STRUCT-MIN-StrucMin"
BIO = "CI-SIS_BIO-CR-BIO_2024.01"


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> DocumentValidator:
    return DocumentValidator(PACK, tmp_path_factory.mktemp("compiled"))


def errors(validated: Validated) -> list[tuple[str, str]]:
    return [(each.code, each.rule) for each in validated.findings if each.severity is Severity.ERROR]


@each_document
def test_a_clean_official_document_passes(validator: DocumentValidator, document: Path) -> None:
    validated = validator.validate(document.read_bytes())
    found = errors(validated)
    if document.stem in NOT_CLEAN:
        assert {rule.split("/")[0] for _code, rule in found} == {"CI-SIS_VSM_2023.01"}
        return
    # What the pack itself lacks is not the document's fault; nothing else may be found.
    assert [each for each in found if each[0] != "CDA_NOT_VALIDATED"] == []
    assert COMMON in validated.applied


def test_documents_are_validated_with_the_schematron_of_their_volet(validator: DocumentValidator) -> None:
    for path in DOCUMENTS:
        announced = re.findall(rb"schematrons/(CI-SIS_[\w.-]+)\.sch", path.read_bytes())
        if announced and path.stem not in NOT_CLEAN:
            assert announced[0].decode() in validator.validate(path.read_bytes()).applied, path.name


def lacking(schematron: str) -> bool:
    """Whether the pack lacks a file of this schematron."""
    prepared = ValidationPack(PACK).prepare(PACK / "schematrons" / f"{schematron}.sch")
    return any(fault.kind is FaultKind.INCOMPLETE for fault in prepared.faults)


@pytest.mark.parametrize(("accepted", "severity"), [(False, Severity.ERROR), (True, Severity.WARNING)])
def test_a_document_whose_schematron_is_incomplete_is_not_validated(
    tmp_path: Path, accepted: bool, severity: Severity
) -> None:
    """The pack's fault cannot be repaired: told, and the document goes to the DMP only if an administrator accepts."""
    sample = next(path for path in DOCUMENTS if path.stem.startswith("BIO-CR-BIO_2023.01"))
    if not lacking("CI-SIS_BIO-CR-BIO_2023.01"):
        pytest.skip("this pack has every file of CI-SIS_BIO-CR-BIO_2023.01")
    validated = DocumentValidator(PACK, tmp_path, accept_incomplete=accepted).validate(sample.read_bytes())
    assert [(each.code, each.severity) for each in validated.findings] == [("CDA_NOT_VALIDATED", severity)]


Change = Callable[[etree._Element], object]


def first(document: etree._Element, path: str) -> etree._Element:
    found = document.find("/".join(N + name for name in path.split("/")))
    assert found is not None, path
    return found


def remove(path: str) -> Change:
    def change(document: etree._Element) -> None:
        element = first(document, path)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    return change


def put(path: str, **attributes: str) -> Change:
    def change(document: etree._Element) -> None:
        for name, value in attributes.items():
            first(document, path).set(name, value)

    return change


def drop(path: str, name: str) -> Change:
    def change(document: etree._Element) -> None:
        del first(document, path).attrib[name]

    return change


PERFORMER = "documentationOf/serviceEvent/performer"
PRACTICE = f"{PERFORMER}/assignedEntity/representedOrganization/standardIndustryClassCode"
FACILITY = "componentOf/encompassingEncounter/location/healthCareFacility/code"

FAMILIES: dict[str, tuple[Change, str, str]] = {
    "schema": (remove("custodian"), "CDA_SCHEMA", "CDA_extended.xsd"),
    "presence": (remove("setId"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "version": (remove("versionNumber"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "title": (remove("title"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "legal authenticator": (remove("legalAuthenticator"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "encounter": (remove("componentOf"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "performer": (remove(PERFORMER), "CDA_SCHEMATRON", f"{COMMON}/"),
    "sex": (put("recordTarget/patientRole/patient/administrativeGenderCode", code="X"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "birth place": (remove("recordTarget/patientRole/patient/birthplace"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "confidentiality": (put("confidentialityCode", code="X"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "value set of types": (put("code", code="0-0"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "value set of practice settings": (put(PRACTICE, code="X"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "value set of facilities": (put(FACILITY, code="SA99"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "data type": (drop(PRACTICE, "codeSystem"), "CDA_SCHEMATRON", f"{COMMON}/C"),
    "template": (put("templateId", root="1.2.3"), "CDA_SCHEMATRON", f"{COMMON}/"),
    "header of the volet": (put("code", displayName="X"), "CDA_SCHEMATRON", f"{BIO}/Entete_CR-BIO"),
    "language": (put("languageCode", code="en-US"), "CDA_LANGUAGE", ""),
    "INS OID": (put("recordTarget/patientRole/id", root="1.2.250.1.213.1.4.99"), "CDA_INS_OID_UNKNOWN", ""),
    "INS": (put("recordTarget/patientRole/id", extension="123"), "CDA_INS_MALFORMED", ""),
    "offset": (put("effectiveTime", value="20240301101500"), "CDA_EFFECTIVE_TIME_NO_OFFSET", ""),
    "id": (put("id", extension="7"), "CDA_ID_EXTENSION", ""),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_one_defect_of_each_family_is_found_by_the_right_rule(validator: DocumentValidator, family: str) -> None:
    change, code, rule = FAMILIES[family]
    sample = next(path for path in DOCUMENTS if path.stem.startswith("BIO-CR-BIO_2024.01_Glyc"))
    document = etree.fromstring(sample.read_bytes())
    change(document)
    found = errors(validator.validate(etree.tostring(document)))
    assert any(each == code and told.startswith(rule) for each, told in found), found


BODY = {
    "results": ("statusCode", "active", f"{BIO}/E_FR-"),
    "value set": ("interpretationCode", "X", f"{BIO}/JDV_HL7_ObservationInterpretation"),
}


@pytest.mark.parametrize("family", BODY)
def test_one_defect_of_the_body_is_found_by_the_right_rule(validator: DocumentValidator, family: str) -> None:
    name, code, rule = BODY[family]
    sample = next(path for path in DOCUMENTS if path.stem.startswith("BIO-CR-BIO_2024.01_Glyc"))
    document = etree.fromstring(sample.read_bytes())
    for element in document.iter(N + name):
        element.set("code", code)
    found = errors(validator.validate(etree.tostring(document)))
    assert any(told.startswith(rule) for _code, told in found), found


def test_no_finding_carries_what_the_document_says(validator: DocumentValidator) -> None:
    """Every code, name, date and text replaced by a mark: none comes out, whatever fails."""
    for prefix in ("BIO-CR-BIO_2024.01_Glyc", "LDL-SES", "eP-MED-DM_2024"):
        document = etree.fromstring(next(path for path in DOCUMENTS if path.stem.startswith(prefix)).read_bytes())
        for element in document.iter(etree.Element):
            for name in ("displayName", "extension", "code"):
                if element.get(name) is not None and element.getparent() is not document:
                    element.set(name, "SECRET")
            if element.text and element.text.strip():
                element.text = "SECRET"
        validated = validator.validate(etree.tostring(document))
        assert errors(validated)
        assert "SECRET" not in repr(validated)
