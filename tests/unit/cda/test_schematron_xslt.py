"""Compiled schematrons say what the reference implementation would say."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from pfi.standards.cda.pack import COMMON, ValidationPack
from pfi.standards.cda.schematron import SchematronUnusableError
from pfi.standards.cda.tree import N, clinical_document, parse_cda
from pfi.standards.cda.volets import Volet
from tests.unit.cda.official import DOCUMENTS, PACK, needs_documents, needs_pack
from tests.unit.cda.sheets import Sheet, processor
from tests.unit.cda.tinypack import ISO, NAMESPACES, cda, write_pack


@pytest.fixture(scope="module")
def saxon() -> Any:
    return processor()


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path)


def outcome(saxon: Any, pack: Path, patterns: str, document: bytes) -> list[tuple[str, int, str]]:
    """Pattern, number and place of what fails, the same whichever way the rules are compiled."""
    path = pack / "schematrons/essai.sch"
    path.write_text(f"<schema {ISO}>{NAMESPACES}{patterns}</schema>", encoding="utf-8")
    tree = saxon.parse_xml(xml_text=document.decode())
    found = Sheet(saxon, pack, path).failures(tree)
    assert found == Sheet(saxon, pack, path, obvious=True).failures(tree)
    return [(pattern, number, place) for pattern, number, _test, place in found]


AUTHORS = "<author/><author><time/></author><author/>"


def test_a_node_fires_the_first_rule_that_matches_it_and_no_other(saxon: Any, pack: Path) -> None:
    patterns = """<pattern id="p"><rule context="cda:author[cda:time]"><assert test="false()">a</assert></rule>
    <rule context="cda:author"><assert test="false()">b</assert></rule>
    <rule context="cda:author"><assert test="false()">c</assert></rule></pattern>"""
    assert outcome(saxon, pack, patterns, cda(author=AUTHORS)) == [
        ("p", 1, "author[2]"),
        ("p", 2, "author"),
        ("p", 2, "author[3]"),
    ]


def test_each_pattern_looks_at_every_node(saxon: Any, pack: Path) -> None:
    pattern = '<pattern id="{}"><rule context="cda:author"><assert test="false()">a</assert></rule></pattern>'
    found = outcome(saxon, pack, pattern.format("p") + pattern.format("q"), cda())
    assert found == [("p", 1, "author"), ("q", 1, "author")]


@pytest.mark.parametrize(
    "context",
    [
        "cda:ClinicalDocument/*",
        "//cda:ClinicalDocument/cda:author",
        "/cda:ClinicalDocument/hl7:author",
        "*:author",
        "cda:*",
        "cda:ClinicalDocument/cda:author[2]",
        "cda:author[last()]",
        "cda:ClinicalDocument//cda:time",
        "/",
        "cda:time | cda:assignedAuthor",
        "*[cda:time]",
        "cda:author[$seuil &gt; 1]",
    ],
)
def test_every_kind_of_context_finds_its_nodes(saxon: Any, pack: Path, context: str) -> None:
    patterns = f"""<pattern id="v"><let name="seuil" value="2"/></pattern>
    <pattern id="p"><rule context="{context}"><assert test="false()">a</assert></rule>
    <rule context="hl7:author"><assert test="false()">b</assert></rule>
    <rule context="//cda:ClinicalDocument/cda:*"><assert test="false()">c</assert></rule></pattern>"""
    assert ("p", 1) in {(pattern, number) for pattern, number, _ in outcome(saxon, pack, patterns, cda(author=AUTHORS))}


def test_two_prefixes_of_one_namespace_are_one_name(saxon: Any, pack: Path) -> None:
    patterns = """<pattern id="p"><rule context="//hl7:ClinicalDocument/hl7:author"><assert test="false()">a</assert>
    </rule><rule context="//cda:ClinicalDocument/cda:author"><assert test="false()">b</assert></rule></pattern>"""
    assert outcome(saxon, pack, patterns, cda()) == [("p", 1, "author")]


def test_a_report_fails_when_its_test_holds(saxon: Any, pack: Path) -> None:
    patterns = (
        '<pattern id="p"><rule context="cda:title"><report test=". = \'Compte rendu\'">a</report></rule></pattern>'
    )
    assert outcome(saxon, pack, patterns, cda()) == [("p", 1, "title")]


def test_codes_are_looked_for_in_the_value_sets_of_the_pack(saxon: Any, pack: Path) -> None:
    sheet = Sheet(saxon, pack, pack / "schematrons/CI-SIS_BIO-CR-BIO_2024.01.sch")
    unknown = '<administrativeGenderCode code="X" codeSystem="2.16.840.1.113883.5.1"/>'
    other_system = '<administrativeGenderCode code="F" codeSystem="1.2.3"/>'
    for sex, failing in (("", 0), (unknown, 1), (other_system, 1), ("<administrativeGenderCode/>", 1)):
        document = cda(sex=sex) if sex else cda()
        found = sheet.failures(saxon.parse_xml(xml_text=document.decode()))
        assert len([each for each in found if each[0] == "Sexe"]) == failing


def test_a_set_that_the_pack_lacks_does_not_accuse_the_document(saxon: Any, tmp_path: Path) -> None:
    pack = write_pack(tmp_path, **{"JDV_Sexes.xml": None})
    sheet = Sheet(saxon, pack, pack / "schematrons/CI-SIS_BIO-CR-BIO_2024.01.sch")
    assert sheet.failures(saxon.parse_xml(xml_text=cda().decode())) == []


def test_a_vocabulary_of_art_decor_is_rebuilt_by_its_oid(saxon: Any, pack: Path) -> None:
    sheet = Sheet(saxon, pack, pack / COMMON)
    assert sheet.failures(saxon.parse_xml(xml_text=cda().decode())) == []
    (failure,) = sheet.failures(saxon.parse_xml(xml_text=cda(code='<code code="0" codeSystem="1.2"/>').decode()))
    assert (failure[0], failure[3]) == ("entete", "code")


def test_a_context_that_is_no_element_is_refused(saxon: Any, pack: Path) -> None:
    with pytest.raises(SchematronUnusableError, match="contexte"):
        outcome(
            saxon, pack, '<pattern id="p"><rule context="@code"><assert test="1">a</assert></rule></pattern>', cda()
        )


def mutated(document: etree._Element, source: random.Random) -> etree._Element:
    changed = copy.deepcopy(document)
    for _ in range(source.randint(1, 8)):
        every = [each for each in changed.iter(etree.Element) if each is not changed]
        header = [each for each in every if not any(up.tag == f"{N}structuredBody" for up in each.iterancestors())]
        chosen = source.choice(header if source.random() < 0.4 else every)
        parent = chosen.getparent()
        assert parent is not None
        match source.randrange(5):
            case 0:
                parent.remove(chosen)
            case 1 if chosen.attrib:
                name = source.choice(list(chosen.attrib))
                chosen.set(name, source.choice(["", "X", "1.2.3", f"{chosen.get(name)}9"]))
            case 2 if chosen.attrib:
                del chosen.attrib[source.choice(list(chosen.attrib))]
            case 3:
                parent.insert(parent.index(chosen), copy.deepcopy(chosen))
            case _:
                chosen.set("nullFlavor", "UNK")
    return changed


@needs_pack
@needs_documents
@pytest.mark.parametrize("prefix", ["BIO-CR-BIO_2024", "LDL-SES", "IMG_CR_IMG", "eP-MED-DM_2024", "SDM-MR_2024"])
def test_official_schematrons_say_the_same_compiled_either_way(saxon: Any, prefix: str) -> None:
    path = next(each for each in DOCUMENTS if each.stem.startswith(prefix))
    document = clinical_document(parse_cda(path.read_bytes()))
    volets = {
        "BIO-CR-BIO_2024": Volet("BIO-CR-BIO", "2024.01"),
        "LDL-SES": Volet("LDL-SES", "2022.01"),
        "IMG_CR_IMG": Volet("IMG-CR-IMG", "2024.01"),
        "eP-MED-DM_2024": Volet("EP-MED-DM", "2024.01"),
        "SDM-MR_2024": Volet("SDM-MR", "2024.01"),
    }
    sheet = ValidationPack(PACK).volets[volets[prefix]]
    ours, obvious = Sheet(saxon, PACK, sheet), Sheet(saxon, PACK, sheet, obvious=True)
    source = random.Random(prefix)  # noqa: S311 - mutations
    told = 0
    for _ in range(25):
        tree = saxon.parse_xml(xml_text=etree.tostring(mutated(document, source), encoding="unicode"))
        found = ours.failures(tree)
        assert found == obvious.failures(tree)
        told += len(found)
    assert told > 0


@needs_pack
@needs_documents
def test_the_common_structure_says_the_same_compiled_either_way(saxon: Any) -> None:
    common = ValidationPack(PACK).common
    assert common is not None
    ours, obvious = Sheet(saxon, PACK, common), Sheet(saxon, PACK, common, obvious=True)
    source = random.Random("structuration minimale")  # noqa: S311 - mutations
    told = 0
    for path in DOCUMENTS[::14]:
        document = clinical_document(parse_cda(path.read_bytes()))
        for _ in range(4):
            tree = saxon.parse_xml(xml_text=etree.tostring(mutated(document, source), encoding="unicode"))
            found = ours.failures(tree)
            assert set(found) == set(obvious.failures(tree))
            told += len(found)
    assert told > 0
