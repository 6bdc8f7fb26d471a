"""Value sets of the national services, as the sandbox checks them.

DMP digest §2.4 (identification schemes of IHE XDS), §3.1, §3.3 (JDV_J66 with ASS_X16) and §3.4 (ASS_A11). Typed again
on purpose: the engine has its own tables.
"""

from typing import Final

INS_OIDS: Final = frozenset(f"1.2.250.1.213.1.4.{arc}" for arc in (8, 9, 10, 11))
PERSON_OID: Final = "1.2.250.1.71.4.2.1"
STRUCTURE_OID: Final = "1.2.250.1.71.4.2.2"

LOINC: Final = "2.16.840.1.113883.6.1"
TRE_A05: Final = "1.2.250.1.213.1.1.4.12"
CLASS_SCHEME: Final = "1.2.250.1.213.1.1.4.1"
CONFIDENTIALITY_SCHEME: Final = "2.16.840.1.113883.5.25"
VISIBILITY_SCHEME: Final = "1.2.250.1.213.1.1.4.13"
VISIBILITIES: Final = frozenset({"MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"})
CONTENT_TYPE_SCHEME: Final = "1.2.250.1.213.2.2"

_CLASSES: Final = {
    "10": "BIL_AUTO DOCPAT03 DOCPAT05 DOCPAT06 11488-4 11490-0 34112-3 11502-2 11505-5 11506-3 15507-7 15508-5 28653-4"
    " 29274-8 34749-2 34794-8 34874-8 34875-5 47420-5 51969-4 59283-2 60568-3 67851-6 70004-7 75482-0 75492-9 75496-0"
    " 77436-4 78513-9 78601-2 83981-1 85208-7 93024-8 96349-6 28617-9 34120-6 89233-1",
    "11": "SYNTH DOCPAT01 DOCPAT08 18761-7 34133-9 34842-5 56445-0 60591-5 68599-0 68817-6 74207-2 80820-4 83836-7"
    " 83901-9 88348-8 57055-6 57057-2 57075-4 89235-6 78489-2 60280-5 78341-5",
    "31": "IMG-KOS DOCPAT04 18748-4 52040-3",
    "42": "DOCPAT02 PRESC-AAT PRESC-BIO PRESC-KINE PRESC-INF PRESC-PEDI PRESC-ORTHOPHO PRESC-ORTHOPTIE 55115-0 57828-6"
    " 57832-8 57833-6 61357-0 75468-9",
    "43": "DISP_AUT 60593-1",
    "44": "PROT_ALD 18776-5 77604-7 80771-9 80788-3 83869-8",
    "45": "80565-5",
    "52": "CERT_DECL DOCPAT07 11369-6 87273-9 89601-9 96874-3 96173-0",
    "60": "REMB",
    "90": "EXPPAT_1 EXPPAT_2 EXPPAT_3 74465-6",
    "95": "ATTEST-ASS-COMPL ATTEST-RESID ATTEST-HEBGT ATTEST-DROITS-AM AUTORIS-SOINS DOCPAT09 59284-0 86531-1",
}
CLASS_OF_TYPE: Final = {code: family for family, codes in _CLASSES.items() for code in codes.split()}
"""classCode of each typeCode that the DMP takes. Six types have no line in ASS_X16: the class of ASS_X04 is used."""
TYPE_WITHOUT_CLASS: Final = "101881-1"
"""Carte d'implant: in JDV_J66, no class anywhere; any class is accepted."""

FACILITY_SCHEMES: Final = frozenset({"1.2.250.1.71.4.2.4", "1.2.250.1.213.1.1.4.6"})
PRACTICE_SCHEMES: Final = frozenset({"1.2.250.1.213.1.1.4.9", "1.2.250.1.213.1.1.4.6"})
PRACTICES: Final = frozenset(
    {
        "ETABLISSEMENT",
        "AMBULATOIRE",
        "HAD",
        "SAD",
        "MAD",
        "PALLIATIF",
        "DEPISTAGE",
        "SAMU_SMUR",
        "ESSMS",
        "AMO",
        "EXP_PATIENT",
        "SNR",
    }
)

N1_TEMPLATE: Final = "1.3.6.1.4.1.19376.1.2.20"
_ANS_FORMATS: Final = "1.2.250.1.213.1.1.4.2.282"
_IHE_FORMATS: Final = "1.3.6.1.4.1.19376.1.2.3"
N1_FORMATS: Final = {
    "application/pdf": "urn:ihe:iti:xds-sd:pdf:2008",
    "text/plain": "urn:ihe:iti:xds-sd:text:2008",
    "image/jpeg": "urn:ihe:iti-fr:xds-sd:jpeg:2010",
    "text/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
    "image/tiff": "urn:ihe:iti-fr:xds-sd:tiff:2010",
}
_ANS_TEMPLATES: Final = (
    "5.1=urn:asip:ci-sis:cse-cs8:2017 5.2=urn:asip:ci-sis:cse-cs9:2017 5.3=urn:asip:ci-sis:cse-cs24:2017"
    " 5.4=urn:ans:ci-sis:cse-mde:2023 8=urn:asip:ci-sis:frcp:2011 9=urn:asip:ci-sis:idap:2011"
    " 10=urn:asip:ci-sis:cva:2017 12.1=urn:asip:ci-sis:obp-sap:2023 12.2=urn:asip:ci-sis:obp-snm:2023"
    " 12.3=urn:asip:ci-sis:obp-sne:2023 12.4=urn:asip:ci-sis:obp-scm:2023 12.5=urn:asip:ci-sis:obp-sem:2023"
    " 13=urn:asip:ci-sis:vsm:2012 15=urn:asip:ci-sis:aunv:2013 16=urn:asip:ci-sis:eunv:2013"
    " 17=urn:asip:ci-sis:sunv:2013 18=urn:asip:ci-sis:crrtn:2013 2.1.1=urn:asip:ci-sis:avk:2009"
    " 2.1.2=urn:asip:ci-sis:tap:2009 2.1.3=urn:asip:ci-sis:dci:2009 2.1.4=urn:asip:ci-sis:psc:2009"
    " 2.1.5=urn:asip:ci-sis:ppv:2009 20=urn:asip:ci-sis:pps-paerpa:2017 21=urn:asip:ci-sis:ldl-ees:2017"
    " 22=urn:asip:ci-sis:dlu:2015 23=urn:asip:ci-sis:fludt:2017 24=urn:asip:ci-sis:fludr:2017"
    " 25=urn:asip:ci-sis:pavc:2016 26=urn:asip:ci-sis:pps-cancer:2017 27=urn:asip:ci-sis:d2lm-fin:2017"
    " 28=urn:asip:ci-sis:d2lm-fidd:2017 29=urn:asip:ci-sis:ldl-ses:2017 30=urn:asip:ci-sis:sdm-mr:2017"
    " 32=urn:asip:ci-sis:crgm:2018 36=urn:asip:ci-sis:hr:2019 37=urn:asip:ci-sis:vac:2019"
    " 38=urn:asip:ci-sis:tlm-da:2020 39=urn:ihe:pharm:pre:2010 40=urn:asip:ci-sis:cr-anest:2020"
    " 41=urn:asip:ci-sis:cr-cpa:2020 42=urn:ihe:eyecare:geneyeevalcn:2014 43=urn:ihe:eyecare:geneyeevalcn:2014"
    " 44=urn:ihe:eyecare:geneyeevalcn:2014 45=urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013"
    " 46=urn:asip:ci-sis:vac-note:2021 47=urn:ans:ci-sis:img-da:2022 48=urn:asip:ci-sis:dlu-dlu-dom:2022"
    " 49=urn:asip:ci-sis:dlu-fludt-dom:2022 50=urn:asip:ci-sis:dlu-fludr-dom:2022 51=urn:ihe:pcc:ips:2020"
    " 52=urn:ans:ci-sis:bio-ep-bio:2022 54=urn:ihe:pharm:dis:2010 55=urn:ihe:lab:xd-lab:2008"
    " 56=urn:asip:ci-sis:ppp:2023 57=urn:ihe:palm:apsr:2016 58=urn:asip:ci-sis:export-dui:2023"
    " 59=urn:ans:ci-sis:trod:2024"
)
FORMAT_OF_TEMPLATE: Final = {
    **{f"1.2.250.1.213.1.1.1.{arc}": code for arc, _, code in (pair.partition("=") for pair in _ANS_TEMPLATES.split())},
    "1.3.6.1.4.1.19376.1.3.3": "urn:ihe:lab:xd-lab:2008",
}
NO_PROFILE_FORMAT: Final = "urn:asipSante:modelesHorsProfils:2011"

IHE_SCHEMES: Final = {
    "author": "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d",
    "classCode": "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
    "confidentialityCode": "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
    "eventCodeList": "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4",
    "formatCode": "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "healthcareFacilityTypeCode": "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "practiceSettingCode": "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
    "typeCode": "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
    "patientId": "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
    "uniqueId": "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab",
}
"""Classification and identification schemes of a DocumentEntry (IHE ITI TF-3 §4.2)."""
SUBMISSION_SCHEMES: Final = {
    "node": "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd",
    "author": "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d",
    "contentTypeCode": "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500",
    "patientId": "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446",
    "sourceId": "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832",
    "uniqueId": "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8",
}
DOCUMENT_OBJECT_TYPE: Final = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"


def format_schemes(code: str) -> frozenset[str]:
    """Code systems under which a formatCode may be written."""
    if code.startswith("urn:ihe:iti-fr:"):
        return frozenset({_IHE_FORMATS, _ANS_FORMATS})
    return frozenset({_IHE_FORMATS if code.startswith("urn:ihe:") else _ANS_FORMATS})
