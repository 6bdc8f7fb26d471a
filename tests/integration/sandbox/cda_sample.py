"""A small CDA R2 of level 1, written for these tests."""

import base64

MATRICULE = "279035121518989"
INS_OID = "1.2.250.1.213.1.4.10"
CDA_ID = "1.2.250.1.999.1.1.7898"

_TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="cda.xsl"?>
<!-- un commentaire hors de la racine -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <realmCode code="FR"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
 <templateId root="2.16.840.1.113883.2.8.2.1"/><templateId root="1.2.250.1.213.1.1.1.1"/>
 <templateId root="1.3.6.1.4.1.19376.1.2.20"/>
 <id root="{identity}"{extension}/>
 <code code="{type_code}" displayName="Lettre de liaison" codeSystem="2.16.840.1.113883.6.1"/>
 <title>Lettre de liaison &amp; synthèse</title>
 <effectiveTime value="20260105101500+0100"/>
 <confidentialityCode code="{confidentiality}" codeSystem="2.16.840.1.113883.5.25"/>
 <languageCode code="fr-FR"/>
 <setId root="{set_id}"/><versionNumber value="{version}"/>
 <recordTarget><patientRole>
  <id root="{oid}" extension="{matricule}"/><id root="1.2.250.1.999.9" extension="IPP42"/>
  <patient><name><family qualifier="BR">PAT-TROIS</family><given>DOMINIQUE MARIE</given>
   <given qualifier="BR">DOMINIQUE</given></name>
   <administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19790328"/>
   <birthplace><place><addr><county>51215</county></addr></place></birthplace></patient>
 </patientRole></recordTarget>
 <author><time value="20260105101500+0100"/><assignedAuthor>
  <id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
  <assignedPerson><name><family>ESSAI</family><given>Anne</given></name></assignedPerson>
 </assignedAuthor></author>
 <custodian><assignedCustodian><representedCustodianOrganization>
  <id root="1.2.250.1.71.4.2.2" extension="1990000025"/></representedCustodianOrganization></assignedCustodian>
 </custodian>
 <legalAuthenticator><time value="20260105101500+0100"/><signatureCode code="S"/><assignedEntity>
  <id root="1.2.250.1.71.4.2.1" extension="801234567897"/></assignedEntity></legalAuthenticator>
 <documentationOf><serviceEvent>
  <effectiveTime><low value="20260104080000+0100"/><high value="20260104090000+0100"/></effectiveTime>
  <performer typeCode="PRF"><assignedEntity><id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
   <representedOrganization><standardIndustryClassCode code="ETABLISSEMENT" displayName="Etablissement de santé"
    codeSystem="1.2.250.1.213.1.1.4.9"/></representedOrganization></assignedEntity></performer>
 </serviceEvent></documentationOf>{related}
 <componentOf><encompassingEncounter><effectiveTime><low value="20260104"/></effectiveTime>
  <location><healthCareFacility><code code="SA01" displayName="Etablissement public"
   codeSystem="1.2.250.1.71.4.2.4"/></healthCareFacility></location></encompassingEncounter></componentOf>
 <component><nonXMLBody><text mediaType="application/pdf" representation="B64">{body}</text></nonXMLBody></component>
</ClinicalDocument>
"""


def write_cda(
    *,
    identity: str = CDA_ID,
    extension: str = "",
    type_code: str = "11490-0",
    confidentiality: str = "N",
    matricule: str = MATRICULE,
    oid: str = INS_OID,
    replaces: str = "",
    set_id: str = "",
    version: int = 0,
    body: bytes = b"%PDF-1.4 lettre",
) -> bytes:
    """The bytes of a discharge letter; `replaces` is the root of the document that it replaces: it is then version 2 of
    the same set, unless said otherwise."""
    related = (
        f'<relatedDocument typeCode="RPLC"><parentDocument><id root="{replaces}"/></parentDocument></relatedDocument>'
        if replaces
        else ""
    )
    return _TEMPLATE.format(
        identity=identity,
        extension=f' extension="{extension}"' if extension else "",
        type_code=type_code,
        confidentiality=confidentiality,
        matricule=matricule,
        oid=oid,
        related=related,
        set_id=set_id or f"{replaces or identity}.1",
        version=version or (2 if replaces else 1),
        body=base64.b64encode(body).decode(),
    ).encode()
