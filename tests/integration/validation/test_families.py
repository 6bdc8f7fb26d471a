"""One mutated copy of an official document for each family of rules of its volet's schematron, and of the common one:
the defect is found, by the rule that is about it."""

from dataclasses import dataclass, field

import pytest
from lxml import etree

from pfi.model.finding import Severity
from pfi.standards.cda.validator import DocumentValidator
from tests.unit.cda.official import DOCUMENTS, PACK, needs_documents, needs_pack

pytestmark = [needs_pack, needs_documents]

COMMON = "ASIP-STRUCT-MIN-StrucMin"
LDL, DRUGS = "CI-SIS_LDL-SES_2022.01", "CI-SIS_EP-MED-DM_2024.01"
IMAGING, SUMMARY, VSM = "CI-SIS_IMG-CR-IMG_2024.01", "CI-SIS_IPS-FR_2024.01", "CI-SIS_VSM_1.4_2022.01"
SAMPLES = {
    COMMON: "BIO-CR-BIO_2024.01_Glyc",
    LDL: "LDL-SES_2022.01",
    DRUGS: "eP-MED-DM_2024.01",
    IMAGING: "IMG_CR_IMG_2024.01",
    SUMMARY: "IPS-FR_2024.01",
    VSM: "VSM_1.4_2022.01",
}
"""A clean document for each schematron."""

_NS = {"h": "urn:hl7-org:v3", "d": "urn:dicom-org:ps3-20"}
PATIENT = "h:recordTarget/h:patientRole"
DOCTOR = "h:participant[@typeCode='INF'][h:functionCode/@code='PCP']"


@dataclass(frozen=True)
class Defect:
    """What is done to every element that `xpath` finds: attributes changed, or the element removed."""

    schematron: str
    family: str
    xpath: str
    attributes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.schematron}/{self.family}: {self.xpath} {self.attributes}"

    def apply(self, document: etree._Element) -> None:
        found = document.xpath(self.xpath, namespaces=_NS)
        assert isinstance(found, list)
        assert found, f"the sample has no {self.xpath}"
        for element in found:
            assert isinstance(element, etree._Element)
            for name, value in self.attributes.items():
                element.set(name, value)
            if not self.attributes:
                parent = element.getparent()
                assert parent is not None
                parent.remove(element)


def section(template: str) -> str:
    return f"//h:section[h:templateId/@root='{template}']"


def component(template: str) -> str:
    """The component of a section, to be removed with it."""
    return f"//h:component[h:section/h:templateId/@root='{template}']"


def entry(template: str, element: str) -> str:
    return f"//h:{element}[h:templateId/@root='{template}']"


WRONG = {"code": "ERREUR"}
TECHNIQUE = entry("1.2.840.10008.9.14", "procedure")

DEFECTS = (
    # Data types, wherever they stand in the document.
    Defect(COMMON, "ANY/", f"{PATIENT}/h:addr", {"nullFlavor": "UNK"}),
    Defect(COMMON, "II/", f"{PATIENT}/h:id[2]", {"root": "abc"}),
    Defect(COMMON, "TS/", "h:effectiveTime", {"value": "9"}),
    Defect(COMMON, "IVL_TS/", "h:componentOf/h:encompassingEncounter/h:effectiveTime/h:low", {"value": "9"}),
    Defect(COMMON, "URL/", f"{PATIENT}/h:telecom", {"value": "bad value"}),
    # The common structure: elements and their attributes.
    Defect(COMMON, "template-", "h:realmCode", WRONG),
    Defect(COMMON, "template-", "h:confidentialityCode", {"nullFlavor": "UNK"}),
    Defect(COMMON, "template-", "h:author//h:telecom", {"value": ""}),
    # Discharge letter.
    Defect(LDL, "Entete_", "h:code", WRONG),
    Defect(LDL, "Entete_", f"{PATIENT}/h:patient/h:birthTime"),
    Defect(LDL, "Entete_", "h:documentationOf"),
    Defect(LDL, "variables/1", component("1.2.250.1.213.1.1.2.35.1")),
    Defect(LDL, "variables/2", component("1.3.6.1.4.1.19376.1.5.3.1.3.1")),
    Defect(LDL, "variables/3", component("1.3.6.1.4.1.19376.1.7.3.1.1.13.7")),
    Defect(LDL, "variables/4", component("1.3.6.1.4.1.19376.1.5.3.1.3.22")),
    # Prescription of medicines and devices.
    Defect(DRUGS, "Entete_", "h:code", {"codeSystem": "1.2.3"}),
    Defect(DRUGS, "Entete_", "h:templateId[@root='1.3.6.1.4.1.19376.1.9.1.1.1']", {"root": "1.2.3"}),
    Defect(DRUGS, "Entete_", "h:author/h:assignedAuthor/h:code"),
    Defect(DRUGS, "E_dispositifMedicalPrescrit/5", "//h:supply/h:repeatNumber"),
    Defect(DRUGS, "E_dispositifMedicalPrescrit/", entry("1.2.250.1.213.1.1.3.48.13", "*") + "[ancestor::h:supply]/.."),
    Defect(DRUGS, "variables/2", component("1.2.250.1.213.1.1.2.243")),
    # Imaging report: header, sections, entries, value sets.
    Defect(IMAGING, "Entete_", "h:inFulfillmentOf/h:order/d:accessionNumber"),
    Defect(IMAGING, "principal/1", component("1.2.250.1.213.1.1.2.209")),
    Defect(IMAGING, "principal/2", component("1.2.250.1.213.1.1.2.206")),
    Defect(IMAGING, "S_DICOM_ActeImagerie_", section("1.2.840.10008.9.3") + "/h:code", WRONG),
    Defect(IMAGING, "S_DICOM_Addendum_", section("1.2.840.10008.9.6") + "/h:text"),
    Defect(IMAGING, "S_DICOM_CatalogueObjets_", section("2.16.840.1.113883.10.20.6.1.1") + "/h:code", WRONG),
    Defect(IMAGING, "S_DICOM_Complications_", section("2.16.840.1.113883.10.20.22.2.37") + "/h:text"),
    Defect(IMAGING, "S_DICOM_ExpositionsAuxRadiations_", section("1.2.840.10008.9.8") + "/h:code", WRONG),
    Defect(IMAGING, "S_DICOM_HistoriqueMedical_", section("2.16.840.1.113883.10.20.22.2.39") + "/h:code", WRONG),
    Defect(IMAGING, "S_DICOM_InformationClinique_", section("1.2.840.10008.9.2") + "/h:code", WRONG),
    Defect(IMAGING, "S_DICOM_Resultat_", section("2.16.840.1.113883.10.20.6.1.2") + "/h:code", WRONG),
    Defect(IMAGING, "S_DICOM_Conclusion_", section("1.2.250.1.213.1.1.2.209") + "/h:code", WRONG),
    Defect(IMAGING, "E_TechniqueImagerie_", f"{TECHNIQUE}/h:methodCode"),
    Defect(IMAGING, "E_ExamenImagerie_", entry("1.2.840.10008.9.16", "act") + "/h:entryRelationship"),
    Defect(IMAGING, "E_AdministrationProduitDeSante_", "//h:substanceAdministration//h:manufacturedMaterial/h:code"),
    Defect(IMAGING, "JDV_LocalisationAnatomiqueTechniqueImg-", f"{TECHNIQUE}/h:targetSiteCode", WRONG),
    Defect(
        IMAGING, "JDV_ModaliteAcquisition-", entry("1.2.840.10008.9.17", "act") + "/h:code/h:qualifier/h:value", WRONG
    ),
    # Patient summaries.
    Defect(SUMMARY, "Entete_", "h:code", WRONG),
    Defect(SUMMARY, "Entete_", f"{DOCTOR}/h:functionCode", {"displayName": "ERREUR"}),
    Defect(SUMMARY, "variables/1", component("1.3.6.1.4.1.19376.1.5.3.1.3.19")),
    Defect(SUMMARY, "variables/2", component("1.3.6.1.4.1.19376.1.5.3.1.3.13")),
    Defect(SUMMARY, "variables/3", component("1.3.6.1.4.1.19376.1.5.3.1.3.6")),
    Defect(SUMMARY, "variables/4", component("1.3.6.1.4.1.19376.1.5.3.1.3.11")),
    Defect(SUMMARY, "variables/5", component("1.3.6.1.4.1.19376.1.5.3.1.1.5.3.5")),
    Defect(VSM, "variables/2", "h:code", {"codeSystem": "1.2.3"}),
    Defect(VSM, "variables/3", component("1.2.250.1.213.1.1.2.29")),
    Defect(VSM, "variables/4", component("1.3.6.1.4.1.19376.1.5.3.1.3.27")),
    Defect(VSM, "variables/5", component("1.2.250.1.213.1.1.2.32")),
)
"""The last two rules of the VSM never fire: an earlier rule of their pattern has the same context, and only the first
one of a pattern that matches a node is for it (ISO/IEC 19757-3 §6.5)."""


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> DocumentValidator:
    return DocumentValidator(PACK, tmp_path_factory.mktemp("compiled"))


def sample(schematron: str) -> bytes:
    return next(path for path in DOCUMENTS if path.stem.startswith(SAMPLES[schematron])).read_bytes()


def failed_rules(validator: DocumentValidator, content: bytes) -> list[str]:
    return [each.rule for each in validator.validate(content).findings if each.severity is Severity.ERROR]


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_one_defect_of_each_family_is_found_by_the_right_rule(validator: DocumentValidator, defect: Defect) -> None:
    document = etree.fromstring(sample(defect.schematron))
    defect.apply(document)
    found = failed_rules(validator, etree.tostring(document))
    assert any(rule.startswith(f"{defect.schematron}/{defect.family}") for rule in found), found


@pytest.mark.parametrize("schematron", SAMPLES)
def test_the_samples_are_clean_before(validator: DocumentValidator, schematron: str) -> None:
    assert failed_rules(validator, sample(schematron)) == []
