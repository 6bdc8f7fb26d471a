"""A validation pack of our own, with the layout and the faults of the official one, for tests that run everywhere."""

import zipfile
from pathlib import Path

ISO = 'xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2"'
NAMESPACES = """<ns prefix="cda" uri="urn:hl7-org:v3"/><ns prefix="hl7" uri="urn:hl7-org:v3"/>
<ns prefix="svs" uri="urn:ihe:iti:svs:2008"/><ns prefix="xsi" uri="http://www.w3.org/2001/XMLSchema-instance"/>"""

XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:hl7-org:v3"
 elementFormDefault="qualified"><xs:element name="ClinicalDocument"><xs:complexType><xs:sequence>
 <xs:any processContents="skip" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
 <xs:anyAttribute processContents="skip"/></xs:complexType></xs:element></xs:schema>"""

COMMON = f"""<schema {ISO}>{NAMESPACES}
<pattern><include href="include/types.sch"/></pattern>
<pattern id="entete"><rule context="//hl7:ClinicalDocument">
<assert role="error" test="count(hl7:title[not(@nullFlavor)]) &gt;= 1"
>(Essai): element hl7:title[not(@nullFlavor)] is mandatory [min 1x].</assert></rule>
<rule context="//hl7:ClinicalDocument/hl7:code"><extends rule="CD"/>
<let name="theCode" value="@code"/>
<assert test="$theCode = (doc('include/voc-1.2.3.4-DYNAMIC.xml')/*/valueSet/conceptList/concept/@code)"
>(Essai): The value for code SHALL be selected from value set '1.2.3.4' Types.</assert></rule></pattern>
<pattern id="fermeture"><rule context="//hl7:ClinicalDocument/*[self::hl7:copyTime]">
<assert role="warning" test="not(.)">(Essai)/d1: this element '<name/>' is not defined, or not defined with this
content.</assert></rule></pattern></schema>"""

TYPES = """<rule xmlns="http://purl.oclc.org/dsdl/schematron" abstract="true" id="CD">
<assert role="error" test="@code or @nullFlavor">dtr1-1-CD: null or code</assert>
<assert role="error" test="@codeSystem or not(@code)">dtr1-2-CD: code requires codeSystem</assert></rule>"""

# One include is named with another case, as in the official pack.
VOLET = f"""<schema {ISO} defaultPhase="essai">{NAMESPACES}
<include href="abstract/dansJeu.sch"/><include href="include/ENTETE.sch"/>
<phase id="essai"><active pattern="variables"/><active pattern="Entete"/><active pattern="Sexe"/></phase>
<pattern id="variables"><let name="SEXES" value="'../jeuxDeValeurs/JDV_Sexes.xml'"/></pattern>
<pattern id="Sexe" is-a="dansJeu"><param name="chemin" value="$SEXES"/>
<param name="element" value="'patient/administrativeGenderCode'"/>
<param name="contexte" value="cda:patient/cda:administrativeGenderCode"/></pattern>
<pattern id="inactif"><rule context="cda:ClinicalDocument"><assert test="false()">[inactif] Jamais.</assert></rule>
</pattern></schema>"""

IN_SET = """<pattern xmlns="http://purl.oclc.org/dsdl/schematron" id="dansJeu" abstract="true">
<rule context="$contexte"><let name="c" value="@code"/><let name="s" value="@codeSystem"/>
<assert test="document($chemin)//svs:Concept[@code=$c and @codeSystem=$s]">
[dansJeu] L'élément <value-of select="$element"/> [<value-of select="$c"/>:<value-of select="$s"/>]
doit faire partie du jeu de valeurs <value-of select="$chemin"/>.</assert></rule></pattern>"""

HEADER = """<pattern xmlns="http://purl.oclc.org/dsdl/schematron" id="Entete">
<rule context="cda:ClinicalDocument/cda:author[2]"><assert test="cda:time">[Entete] Le second auteur.</assert></rule>
<rule context="cda:author"><assert test="cda:assignedAuthor">[Entete] L'auteur est désigné.</assert></rule>
<rule context="*[cda:templateId/@root='9.9.9']"><report test="cda:text/@absent">[Entete] Jamais absent.</report></rule>
</pattern>"""

SEXES = """<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008"><ValueSet id="1.2.3.5"><ConceptList>
<Concept code="M" codeSystem="2.16.840.1.113883.5.1"/><Concept code="F" codeSystem="2.16.840.1.113883.5.1"/>
</ConceptList></ValueSet></RetrieveValueSetResponse>"""

DOCUMENT_TYPES = """<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008"><ValueSet id="1.2.3.4"><ConceptList>
<Concept code="11502-2" codeSystem="2.16.840.1.113883.6.1"/><Concept code="11490-0" codeSystem="2.16.840.1.113883.6.1"/>
</ConceptList></ValueSet></RetrieveValueSetResponse>"""

COMMON_FOLDER = "schematrons/profils/structurationMinimale"
FILES = {
    "infrastructure/cda/CDA_extended.xsd": XSD,
    f"{COMMON_FOLDER}/ASIP-STRUCT-MIN-StrucMin.sch": COMMON,
    f"{COMMON_FOLDER}/include/types.sch": TYPES,
    "schematrons/CI-SIS_BIO-CR-BIO_2024.01.sch": VOLET,
    "schematrons/abstract/dansJeu.sch": IN_SET,
    "schematrons/include/entete.sch": HEADER,
    "jeuxDeValeurs/JDV_Sexes.xml": SEXES,
    "jeuxDeValeurs/JDV_Types.xml": DOCUMENT_TYPES,
}


def write_pack(folder: Path, **changes: str | None) -> Path:
    """The pack in a folder. `changes`: file name without folder (`JDV_Sexes.xml`) -> other content, None = absent."""
    for name, content in FILES.items():
        path = folder / name
        written = changes.get(path.name, content)
        if written is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written, encoding="utf-8")
    return folder


def zip_pack(target: Path, prefix: str = "TestContenuCDA-main/") -> Path:
    """The pack in an archive, under one folder as a forge makes it."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(prefix + name, content)
        archive.writestr(f"{prefix}LISEZMOI.txt", "hors du pack")
    return target


def cda(
    *,
    code: str = '<code code="11502-2" codeSystem="2.16.840.1.113883.6.1"/>',
    sex: str = '<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/>',
    templates: str = '<templateId root="1.2.250.1.213.1.1.1.55" extension="2024.01"/>',
    title: str = "<title>Compte rendu</title>",
    extra: str = "",
    author: str = "<author><time value='20260306'/><assignedAuthor/></author>",
    document_id: str = '<id root="1.2.3.4.5"/>',
    patient_id: str = '<id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>',
    effective_time: str = "20260306101500+0100",
    language: str = "fr-FR",
) -> bytes:
    """A document that the pack finds sound, or not."""
    return f"""<ClinicalDocument xmlns="urn:hl7-org:v3">{templates}{document_id}{code}{title}
<effectiveTime value="{effective_time}"/><languageCode code="{language}"/>{extra}
<recordTarget><patientRole>{patient_id}<patient><name><family qualifier="BR">PAT-TROIS</family></name>{sex}</patient>
</patientRole></recordTarget>{author}<component><structuredBody/></component></ClinicalDocument>""".encode()
