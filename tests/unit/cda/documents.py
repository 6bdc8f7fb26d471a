"""CDA documents written for these tests: invented people, test INS only."""

import base64

INS_ID = '<id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>'
IPP_ID = '<id root="1.2.250.1.999.1.1" extension="8800123"/>'

PATIENT = """<patient><name>
  <family qualifier="BR">PAT-TROIS</family><given>DOMINIQUE MARIE-LOUISE</given>
  <given qualifier="BR">DOMINIQUE</given><family qualifier="CL">PAT-DEUX</family><given qualifier="CL">DOM</given>
</name><administrativeGenderCode code="F"/><birthTime value="19790328"/>
<birthplace><place><addr><county>51215</county></addr></place></birthplace></patient>"""

AUTHOR = """<author><functionCode code="PRELV" displayName="Préleveur"/><time value="20260306090000+0100"/>
<assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="899700000001"/>
<code code="G15_10/SM26" displayName="Médecin généraliste" codeSystem="1.2.250.1.213.1.1.4.5"/>
<assignedPerson><name><family>ESSAI</family><given>Camille</given></name></assignedPerson>
<representedOrganization><id root="1.2.250.1.71.4.2.2" extension="1750000001"/><name>CH Démo</name>
</representedOrganization></assignedAuthor></author>"""

CUSTODIAN = """<custodian><assignedCustodian><representedCustodianOrganization>
<id root="1.2.250.1.71.4.2.2" extension="1750000001"/><name>CH Démo</name>
</representedCustodianOrganization></assignedCustodian></custodian>"""

SERVICE_EVENT = """<documentationOf><serviceEvent>
<code code="E101" codeSystem="1.2.250.1.213.2.12" displayName="Acte"><translation nullFlavor="NA"/>
<translation code="CT" codeSystem="1.2.840.10008.2.16.4" displayName="Scanner"/></code>
<effectiveTime><low value="20260306080000+0100"/><high value="20260306083000+0100"/></effectiveTime>
<performer typeCode="PRF"><assignedEntity><id root="1.2.250.1.71.4.2.1" extension="899700000001"/>
<representedOrganization><standardIndustryClassCode code="ETABLISSEMENT" codeSystem="1.2.250.1.213.1.1.4.9"
displayName="Établissement de santé"/></representedOrganization></assignedEntity></performer>
</serviceEvent></documentationOf>"""

ENCOUNTER = """<componentOf><encompassingEncounter><code code="AMB" codeSystem="2.16.840.1.113883.5.4"/>
<effectiveTime><low value="20260306070000+0100"/></effectiveTime><location><healthCareFacility>
<code code="SA01" codeSystem="1.2.250.1.71.4.2.4" displayName="Établissement public de santé"/>
</healthCareFacility></location></encompassingEncounter></componentOf>"""

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def n1(content: bytes = PDF, media_type: str = "application/pdf") -> str:
    return (
        f'<component><nonXMLBody><text mediaType="{media_type}" representation="B64">{encoded(content)}</text>'
        "</nonXMLBody></component>"
    )


def n3(sections: str) -> str:
    return f"<component><structuredBody>{sections}</structuredBody></component>"


def section(text: str, title: str = "Section", extra: str = "") -> str:
    return f"<component><section><title>{title}</title><text>{text}</text>{extra}</section></component>"


def patient_role(ids: str = INS_ID + IPP_ID, patient: str = PATIENT) -> str:
    return f"<recordTarget><patientRole>{ids}{patient}</patientRole></recordTarget>"


def document(
    *,
    ids: str = '<id root="1.2.250.1.999.1.2.1"/>',
    code: str = (
        '<code code="11490-0" codeSystem="2.16.840.1.113883.6.1" displayName="Lettre de liaison de sortie">'
        '<translation code="X"/></code>'
    ),
    title: str = "<title>Lettre de  liaison\n de sortie</title>",
    time: str = '<effectiveTime value="20260306090412+0100"/>',
    language: str = '<languageCode code="fr-FR"/>',
    version: str = '<setId root="1.2.250.1.999.1.2.0"/><versionNumber value="1"/>',
    record_target: str | None = None,
    authors: str = AUTHOR,
    middle: str = "",
    events: str = SERVICE_EVENT,
    after_events: str = "",
    encounter: str = ENCOUNTER,
    body: str | None = None,
) -> bytes:
    """A whole document; every part can be replaced or left out (empty string)."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- prologue -->\n<?xml-stylesheet type="text/xsl" href="x.xsl"?>\n'
        '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:ps3-20="urn:dicom-org:ps3-20">'
        '<realmCode code="FR"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>'
        '<templateId root="2.16.840.1.113883.2.8.2.1"/>'
        '<templateId root="1.2.250.1.213.1.1.1.29" extension="2022.01"/>'
        f"{ids}{code}{title}{time}"
        '<confidentialityCode code="N" displayName="Normal" codeSystem="2.16.840.1.113883.5.25"/>'
        f"{language}{version}{patient_role() if record_target is None else record_target}"
        f"{authors}{CUSTODIAN}{middle}{events}{after_events}{encounter}{n1() if body is None else body}"
        "</ClinicalDocument>"
    ).encode()
