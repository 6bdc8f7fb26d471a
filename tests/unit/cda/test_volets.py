"""Which schematron a document calls for."""

import pytest

from pfi.standards.cda.tree import parse_cda
from pfi.standards.cda.volets import Volet, candidates, schematron_volet, volet_of
from tests.unit.cda.official import DOCUMENTS, needs_documents
from tests.unit.cda.tinypack import cda

COMMON = '<templateId root="2.16.840.1.113883.2.8.2.1"/><templateId root="1.2.250.1.213.1.1.1.1"/>'


def template(root: str, version: str = "") -> str:
    return f'<templateId root="{root}"' + (f' extension="{version}"/>' if version else "/>")


@pytest.mark.parametrize(
    ("templates", "volet"),
    [
        (template("1.2.250.1.213.1.1.1.55", "2024.01"), Volet("BIO-CR-BIO", "2024.01")),
        (template("1.3.6.1.4.1.19376.1.3.3") + template("1.2.250.1.213.1.1.1.55"), Volet("BIO-CR-BIO")),
        (template("1.3.6.1.4.1.19376.1.3.3"), Volet("BIO-CR-BIO")),
        (template("1.2.250.1.213.1.1.1.13", "201310"), Volet("VSM", "1.4_2022.01")),
        (template("1.2.250.1.213.1.1.1.2.1.1", "2022.01"), Volet("CARD-F-PRC-AVK", "2022.01")),
        (template("1.3.6.1.4.1.19376.1.2.20"), None),
        (template("1.3.6.1.4.1.19376.1.2.20") + template("1.2.250.1.213.1.1.1.55"), None),
        (template("1.2.3"), None),
        ("", None),
    ],
)
def test_the_templates_name_the_volet_and_its_version(templates: str, volet: Volet | None) -> None:
    assert volet_of(parse_cda(cda(templates=COMMON + templates))) == volet


def test_a_schematron_names_its_volet() -> None:
    assert schematron_volet("CI-SIS_VSM_1.4_2022.01") == Volet("VSM", "1.4_2022.01")
    assert schematron_volet("CI-SIS_eDISP-MED_2024.01") == Volet("eDISP-MED", "2024.01")
    assert schematron_volet("IHE") is None


INSTALLED = (Volet("VSM", "1.4_2022.01"), Volet("VSM", "2023.01"), Volet("EP-MED-DM", "2024.01"))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Volet("VSM", "2023.01"), (Volet("VSM", "2023.01"),)),
        (Volet("VSM"), (Volet("VSM", "2023.01"), Volet("VSM", "1.4_2022.01"))),
        (Volet("VSM", "2030.01"), ()),
        (Volet("eP-MED-DM", "2024.01"), (Volet("EP-MED-DM", "2024.01"),)),
        (Volet("LDL-SES"), ()),
    ],
)
def test_the_version_announced_applies_else_the_newest_first(wanted: Volet, found: tuple[Volet, ...]) -> None:
    assert candidates(wanted, INSTALLED) == found


@needs_documents
def test_every_official_document_of_level_3_names_its_volet() -> None:
    for path in DOCUMENTS:
        content = path.read_bytes()
        if b"xsl:stylesheet" in content or b"nonXMLBody" in content:
            continue
        found = volet_of(parse_cda(content))
        assert found is not None, path.name
        if path.stem.startswith("BIO"):
            assert found.name in path.stem
