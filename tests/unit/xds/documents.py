"""A CDA document written for these tests, and where the official material is."""

import os
from pathlib import Path

import pytest

from pfi.model.document import Document
from pfi.standards.cda.header import read_header

ROOT = Path(__file__).parents[3]
INS_OID = "1.2.250.1.213.1.4.10"
MATRICULE = "279035121518989"

N1_BODY = '<nonXMLBody><text mediaType="application/pdf" representation="B64">JVBERi0xLjQK</text></nonXMLBody>'
N3_BODY = "<structuredBody><component><section><text>Texte</text></section></component></structuredBody>"

_CDA = """<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="cda.xsl"?>
<!-- a comment before the root -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <realmCode code="FR"/>
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <templateId root="2.16.840.1.113883.2.8.2.1"/>
  <templateId root="1.2.250.1.213.1.1.1.1"/>
  <templateId root="{template}"/>
  {document_id}
  <code code="{type_code}" displayName="CR de consultation" codeSystem="2.16.840.1.113883.6.1"/>
  <title>{title}</title>
  <effectiveTime value="{effective_time}"/>
  <confidentialityCode code="N" displayName="Normal" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="fr-FR"/>
  <setId root="1.2.250.1.999.1.1.7000"/>
  <versionNumber value="1"/>
  <recordTarget><patientRole>
    <id extension="279035121518989" root="1.2.250.1.213.1.4.10"/>
    <id extension="123456" root="1.2.250.1.999.2"/>
    <patient>
      <name><given>DOMINIQUE MARIE-LOUISE</given><given qualifier="BR">DOMINIQUE</given>
        <family qualifier="BR">PAT-TROIS</family>{used_name}</name>
      <administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/>
      <birthTime value="19790328"/>
      <birthplace><place><addr><county>51215</county></addr></place></birthplace>
    </patient></patientRole></recordTarget>
  <author><functionCode code="ATTPHYS" displayName="Médecin responsable" codeSystem="2.16.840.1.113883.5.88"/>
    <time value="20240102101500+0100"/>
    <assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
      <code code="G15_10/SM26" displayName="Médecin - Médecine générale (SM)" codeSystem="1.2.250.1.213.1.1.4.5"/>
      <assignedPerson><name><given>Adam</given><family>HODA</family></name></assignedPerson>
      <representedOrganization><id root="1.2.250.1.71.4.2.2" extension="1750000001"/>
        <name>CH &amp; Clinique de test</name></representedOrganization></assignedAuthor></author>
  <custodian><assignedCustodian><representedCustodianOrganization>
    <id root="1.2.250.1.71.4.2.2" extension="1750000001"/><name>CH de test</name>
    </representedCustodianOrganization></assignedCustodian></custodian>
  <legalAuthenticator><time value="20240102101600+0100"/><signatureCode code="S"/>
    <assignedEntity><id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
      <assignedPerson><name><given>Adam</given><family>HODA</family></name></assignedPerson></assignedEntity>
  </legalAuthenticator>
  {fulfilment}
  <documentationOf><serviceEvent>{event_ids}
    <code code="11488-4" displayName="Consultation" codeSystem="2.16.840.1.113883.6.1">
      <translation code="CT" displayName="Tomodensitométrie" codeSystem="1.2.840.10008.2.16.4"/>
      <translation code="ACQH004" displayName="Scanographie" codeSystem="1.2.250.1.215.300.1"/></code>
    <effectiveTime><low value="{start}"/><high value="20240102091000+0100"/></effectiveTime>
    <performer typeCode="PRF"><assignedEntity><id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
      <representedOrganization><standardIndustryClassCode code="ETABLISSEMENT" displayName="Etablissement de santé"
        codeSystem="1.2.250.1.213.1.1.4.9"/></representedOrganization></assignedEntity></performer>
  </serviceEvent></documentationOf>
  {related}
  <componentOf><encompassingEncounter><effectiveTime><low value="20240102090000+0100"/></effectiveTime>
    <location><healthCareFacility><code code="SA01" displayName="Etablissement public de santé"
      codeSystem="1.2.250.1.71.4.2.4"/></healthCareFacility></location></encompassingEncounter></componentOf>
  <component>{body}</component>
</ClinicalDocument>
"""

DEFAULTS = {
    "template": "1.3.6.1.4.1.19376.1.2.20",
    "document_id": '<id root="1.2.250.1.999.1.1.7001"/>',
    "type_code": "11488-4",
    "title": "CR de consultation",
    "effective_time": "20240102101500+0100",
    "used_name": "",
    "fulfilment": "",
    "event_ids": "",
    "start": "20240102090000+0100",
    "related": "",
    "body": N1_BODY,
}


def cda(**changes: str) -> bytes:
    """The document with some of its parts changed (`DEFAULTS`)."""
    unknown = set(changes) - set(DEFAULTS)
    assert not unknown, unknown
    return _CDA.format(**{**DEFAULTS, **changes}).encode()


def document(content: bytes | None = None, /, *, without: tuple[str, ...] = (), **changes: str) -> Document:
    """A document as the engine reads it. `without`: exact text pieces to take out."""
    text = cda(**changes) if content is None else content
    for piece in without:
        assert piece.encode() in text, piece
        text = text.replace(piece.encode(), b"")
    return Document(text, read_header(text))


def replacing(unique_id: str) -> str:
    """A `relatedDocument` that replaces another document."""
    return (
        f'<relatedDocument typeCode="RPLC"><parentDocument><id root="{unique_id}"/></parentDocument></relatedDocument>'
    )


def official_folder(variable: str, default: str, *parts: str) -> Path:
    """A folder of public material that is not in the project; skips the test with a reason when it is absent."""
    folder = Path(os.environ.get(variable, ROOT / default)).joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"{variable} ne désigne pas le dossier attendu ({'/'.join(parts) or default})")
    return folder


def ebxml_schemas() -> Path:
    """XSD of ebXML 3.0 and IHE XDS.b."""
    return official_folder("PFI_XSD_DIR", "../shared/xsd", "ebxml")


def official_documents() -> list[Path]:
    """CDA documents published by ANS; empty when they are absent."""
    folder = Path(os.environ.get("PFI_ANS_DIR", ROOT / "../shared/ans")) / "cda"
    return sorted(folder.glob("*.xml")) if folder.is_dir() else []
