"""XML schema validation."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pfi.model.errors import ConfigurationError
from pfi.model.finding import Severity
from pfi.standards.cda.schema import SCHEMA, CdaSchema
from pfi.standards.cda.tree import CdaUnreadableError, parse_cda
from tests.unit.cda.documents import document
from tests.unit.cda.official import DOCUMENTS, PACK, needs_documents, needs_pack

# A schema of our own, for what does not need the official one.
_XSD = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:hl7-org:v3"
  targetNamespace="urn:hl7-org:v3" elementFormDefault="qualified"><xs:element name="ClinicalDocument"><xs:complexType>
  <xs:sequence><xs:element name="id" maxOccurs="unbounded"><xs:complexType>
  <xs:attribute name="root" type="xs:integer" use="required"/></xs:complexType></xs:element></xs:sequence>
  </xs:complexType></xs:element></xs:schema>"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (tmp_path / SCHEMA).parent.mkdir(parents=True)
    (tmp_path / SCHEMA).write_bytes(_XSD)
    return tmp_path


def cda(inside: str) -> bytes:
    return f'<ClinicalDocument xmlns="urn:hl7-org:v3">\n{inside}</ClinicalDocument>'.encode()


def test_a_valid_document_has_no_finding(pack: Path) -> None:
    assert CdaSchema(pack).validate(cda('<id root="1"/>')) == ()


@pytest.mark.parametrize(
    ("inside", "place", "meaning"),
    [
        ("<title/>", "title", "élément inattendu ou manquant"),
        ('<id root="PAT-TROIS"/>', "id", "valeur d'un type incorrect"),
        ("<id/>", "id", "attribut obligatoire absent"),
        ('<id root="1" name="PAT-TROIS"/>', "id", "attribut non prévu"),
        ("texte PAT-TROIS", "ClinicalDocument", "texte inattendu"),
    ],
)
def test_a_deviation_is_told_in_french_with_its_line_and_without_its_content(
    pack: Path, inside: str, place: str, meaning: str
) -> None:
    first = CdaSchema(pack).validate(cda(inside))[0]
    assert first.severity is Severity.ERROR
    assert first.code == "CDA_SCHEMA"
    assert place in first.text
    assert "ligne 1" in first.text or "ligne 2" in first.text
    assert meaning in first.text
    assert "PAT-TROIS" not in repr(first)


def test_findings_are_bounded(pack: Path) -> None:
    assert len(CdaSchema(pack).validate(cda('<id root="x"/>\n' * 100))) == 20


def test_the_inner_document_of_a_self_presenting_one_is_validated(pack: Path) -> None:
    sheet = '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{}</xsl:stylesheet>'
    schema = CdaSchema(pack)
    assert schema.validate(sheet.format(cda('<id root="1"/>').decode()).encode()) == ()
    (finding,) = schema.validate(sheet.format(cda("<title/>").decode()).encode())
    assert finding.where == "title (ligne 2)"


def test_another_thread_gets_the_same_findings(pack: Path) -> None:
    schema = CdaSchema(pack)
    contents = [cda('<id root="1"/>'), cda("<title/>")] * 20
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(schema.validate, contents))
    assert [len(each) for each in found] == [0, 1] * 20


@pytest.mark.parametrize("schema", [None, b"<not-a-schema/>", b"not xml"])
def test_an_unusable_pack_is_a_configuration_error(tmp_path: Path, schema: bytes | None) -> None:
    if schema is not None:
        (tmp_path / SCHEMA).parent.mkdir(parents=True)
        (tmp_path / SCHEMA).write_bytes(schema)
    with pytest.raises(ConfigurationError, match="CDA_SCHEMA_UNUSABLE"):
        CdaSchema(tmp_path)


def test_an_unreadable_document_raises(pack: Path) -> None:
    with pytest.raises(CdaUnreadableError):
        CdaSchema(pack).validate(b"<a>")


@needs_pack
@needs_documents
def test_the_official_schema_sees_a_missing_custodian() -> None:
    sound = next(path for path in DOCUMENTS if path.stem.startswith("LDL-SES")).read_bytes()
    root = parse_cda(sound)
    custodian = root.find("{urn:hl7-org:v3}custodian")
    assert custodian is not None
    root.remove(custodian)
    (finding,) = CdaSchema(PACK).validate(b"", root)
    assert "inattendu ou manquant" in finding.text


@needs_pack
def test_the_official_schema_reads_our_own_documents() -> None:
    codes = {finding.code for finding in CdaSchema(PACK).validate(document())}
    assert codes <= {"CDA_SCHEMA"}


@needs_pack
@needs_documents
def test_a_deviation_in_another_namespace_names_its_element() -> None:
    sample = next(path for path in DOCUMENTS if path.stem.startswith("BIO-CR-BIO_2024.01_Glyc")).read_bytes()
    root = parse_cda(sample)
    prefixed = [element for element in root.iter("{*}statusCode") if element.prefix]
    assert prefixed
    prefixed[0].set("inattendu", "1")
    (finding,) = CdaSchema(PACK).validate(b"", root)
    assert finding.where.startswith("statusCode")
