"""Tables as the DMP digest prints them (§3.1, §3.3 and §3.4), written here a second time on purpose: metadata, and what
the DMP does not take, are recomputed from them without the tables of the product."""

import re
from typing import Final

CLASS_SCHEME: Final = "1.2.250.1.213.1.1.4.1"

_CLASSES: Final = {
    "10": (
        "Compte rendu",
        "BIL_AUTO DOCPAT03 DOCPAT05 DOCPAT06 11488-4 11490-0 34112-3 11502-2 11505-5 11506-3 15507-7 15508-5 "
        "28653-4 29274-8 34749-2 34794-8 34874-8 34875-5 47420-5 51969-4 59283-2 60568-3 67851-6 70004-7 "
        "75482-0 75492-9 75496-0 77436-4 78513-9 78601-2 83981-1 85208-7 93024-8 96349-6",
    ),
    "11": (
        "Synthèse",
        "SYNTH DOCPAT01 DOCPAT08 18761-7 34133-9 34842-5 56445-0 60591-5 68599-0 68817-6 74207-2 80820-4 "
        "83836-7 83901-9 88348-8 57055-6 57057-2 57075-4 89235-6 78489-2",
    ),
    "31": ("Imagerie médicale", "IMG-KOS DOCPAT04 18748-4 52040-3"),
    "42": (
        "Prescription",
        "DOCPAT02 PRESC-AAT PRESC-BIO PRESC-KINE PRESC-INF PRESC-PEDI PRESC-ORTHOPHO PRESC-ORTHOPTIE 55115-0 "
        "57828-6 57832-8 57833-6 61357-0 75468-9",
    ),
    "43": ("Dispensation", "DISP_AUT 60593-1"),
    "44": ("Plan de soins, protocole de soins", "PROT_ALD 18776-5 77604-7 80771-9 80788-3 83869-8"),
    "45": ("Traitement administré", "80565-5"),
    "52": ("Certificat, déclaration", "CERT_DECL DOCPAT07 11369-6 87273-9 89601-9 96874-3 96173-0"),
    "60": ("Données de remboursement", "REMB"),
    "90": ("Autres documents déposés par le patient", "EXPPAT_1 EXPPAT_2 EXPPAT_3 74465-6"),
    "95": (
        "Document de gestion",
        "ATTEST-ASS-COMPL ATTEST-RESID ATTEST-HEBGT ATTEST-DROITS-AM AUTORIS-SOINS DOCPAT09 59284-0 86531-1",
    ),
}
_WITHOUT_LINE: Final = {"28617-9": "10", "34120-6": "10", "60280-5": "11", "78341-5": "11", "89233-1": "10"}
"""Types of JDV_J66 that ASS_X16 does not have: the class of ASS_X04."""

CLASS_OF_TYPE: Final = {
    **{code: family for family, (_, codes) in _CLASSES.items() for code in codes.split()},
    **_WITHOUT_LINE,
}
CLASS_LABELS: Final = {family: label for family, (label, _) in _CLASSES.items()}
ACCEPTED_TYPES: Final = frozenset({*CLASS_OF_TYPE, "101881-1"})
"""JDV_J66; the last one has no class anywhere."""

_ARC: Final = "1.2.250.1.213.1.1.1."
_TEMPLATES: Final = (
    "5.1=urn:asip:ci-sis:cse-cs8:2017 27=urn:asip:ci-sis:d2lm-fin:2017 5.2=urn:asip:ci-sis:cse-cs9:2017 "
    "28=urn:asip:ci-sis:d2lm-fidd:2017 5.3=urn:asip:ci-sis:cse-cs24:2017 29=urn:asip:ci-sis:ldl-ses:2017 "
    "5.4=urn:ans:ci-sis:cse-mde:2023 30=urn:asip:ci-sis:sdm-mr:2017 8=urn:asip:ci-sis:frcp:2011 "
    "32=urn:asip:ci-sis:crgm:2018 9=urn:asip:ci-sis:idap:2011 36=urn:asip:ci-sis:hr:2019 "
    "10=urn:asip:ci-sis:cva:2017 37=urn:asip:ci-sis:vac:2019 12.1=urn:asip:ci-sis:obp-sap:2023 "
    "38=urn:asip:ci-sis:tlm-da:2020 12.2=urn:asip:ci-sis:obp-snm:2023 40=urn:asip:ci-sis:cr-anest:2020 "
    "12.3=urn:asip:ci-sis:obp-sne:2023 41=urn:asip:ci-sis:cr-cpa:2020 12.4=urn:asip:ci-sis:obp-scm:2023 "
    "46=urn:asip:ci-sis:vac-note:2021 12.5=urn:asip:ci-sis:obp-sem:2023 47=urn:ans:ci-sis:img-da:2022 "
    "13=urn:asip:ci-sis:vsm:2012 48=urn:asip:ci-sis:dlu-dlu-dom:2022 15=urn:asip:ci-sis:aunv:2013 "
    "49=urn:asip:ci-sis:dlu-fludt-dom:2022 16=urn:asip:ci-sis:eunv:2013 50=urn:asip:ci-sis:dlu-fludr-dom:2022 "
    "17=urn:asip:ci-sis:sunv:2013 52=urn:ans:ci-sis:bio-ep-bio:2022 18=urn:asip:ci-sis:crrtn:2013 "
    "56=urn:asip:ci-sis:ppp:2023 2.1.1=urn:asip:ci-sis:avk:2009 58=urn:asip:ci-sis:export-dui:2023 "
    "2.1.2=urn:asip:ci-sis:tap:2009 59=urn:ans:ci-sis:trod:2024 2.1.3=urn:asip:ci-sis:dci:2009 "
    "39=urn:ihe:pharm:pre:2010 2.1.4=urn:asip:ci-sis:psc:2009 54=urn:ihe:pharm:dis:2010 "
    "2.1.5=urn:asip:ci-sis:ppv:2009 42=urn:ihe:eyecare:geneyeevalcn:2014 20=urn:asip:ci-sis:pps-paerpa:2017 "
    "43=urn:ihe:eyecare:geneyeevalcn:2014 21=urn:asip:ci-sis:ldl-ees:2017 "
    "44=urn:ihe:eyecare:geneyeevalcn:2014 22=urn:asip:ci-sis:dlu:2015 "
    "45=urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013 23=urn:asip:ci-sis:fludt:2017 "
    "55=urn:ihe:lab:xd-lab:2008 24=urn:asip:ci-sis:fludr:2017 57=urn:ihe:palm:apsr:2016 "
    "25=urn:asip:ci-sis:pavc:2016 51=urn:ihe:pcc:ips:2020 26=urn:asip:ci-sis:pps-cancer:2017 "
)
FORMAT_OF_TEMPLATE: Final = {
    **{_ARC + arc: code for arc, _, code in (pair.partition("=") for pair in _TEMPLATES.split())},
    "1.3.6.1.4.1.19376.1.3.3": "urn:ihe:lab:xd-lab:2008",
    "1.3.6.1.4.1.19376.1.8.1.1.1": "urn:ihe:pat:apsr:all:2010",
}
FORMAT_OF_MEDIA_TYPE: Final = {
    "application/pdf": "urn:ihe:iti:xds-sd:pdf:2008",
    "text/plain": "urn:ihe:iti:xds-sd:text:2008",
    "image/jpeg": "urn:ihe:iti-fr:xds-sd:jpeg:2010",
    "text/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
    "image/tiff": "urn:ihe:iti-fr:xds-sd:tiff:2010",
}
WITHOUT_TEMPLATE: Final = "urn:asipSante:modelesHorsProfils:2011"
REFUSED_FORMATS: Final = re.compile(
    r"urn:(?:asip:ci-sis:(?:export-dui:2023|dlu-\w+-dom:2022|cva:2017)|ans:ci-sis:mso-.+|ihe:pat:apsr:.+)"
)
"""Formats of documents that JDV_J60 does not have: not for the DMP."""
ANS_FORMATS: Final = "1.2.250.1.213.1.1.4.2.282"
IHE_FORMATS: Final = "1.3.6.1.4.1.19376.1.2.3"

_MODALITIES: Final = (
    "AR BDUS BI BMD CR CT DG DMS DX ECG EEG EMG EOG EPS ES GM HD IO IVOCT IVUS KER LEN LS MG MR NM OAM OCT OP OPM OPT "
    "OPTBSV OPTENF OPV OSS POS PT PX RESP RF RG RTIMAGE SM SRF TG US VA XA XC"
)
MODALITIES: Final = frozenset(_MODALITIES.split())
"""Value set 1.2.250.1.213.1.1.5.618, in DICOM."""
_REGIONS: Final = "63337009 38266002 53120007 61685007 67734004 774007 113257007 80891009 76752008 737561001"
REGIONS: Final = frozenset(_REGIONS.split())
"""Value set 1.2.250.1.213.1.1.5.695, in SNOMED CT."""

FACILITIES: Final = re.compile(r"SA\d\d|EXP_PATIENT|SNR")
"""JDV_J61, by the form of its codes."""
_SETTINGS: Final = "ETABLISSEMENT AMBULATOIRE HAD SAD MAD PALLIATIF DEPISTAGE SAMU_SMUR ESSMS AMO EXP_PATIENT SNR"
PRACTICE_SETTINGS: Final = frozenset(_SETTINGS.split())
"""JDV_J04."""
