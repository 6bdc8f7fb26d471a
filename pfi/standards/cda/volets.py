"""Which volet of the CI-SIS a document follows, from its templates: it chooses the schematron (DMP digest §3.4, §5)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lxml import etree

from pfi.standards.cda.tree import N

_MODEL: Final = "1.2.250.1.213.1.1.1."
_UNSTRUCTURED: Final = "1.3.6.1.4.1.19376.1.2.20"
"""Template of every N1 document: it replaces that of the volet, and only the common structure applies."""

_VOLETS: Final = {
    **{
        f"{_MODEL}{branch}": volet
        for branch, volet in {
            "2.1.1": "CARD-F-PRC-AVK",
            "2.1.2": "CARD-F-PRC-TAP",
            "2.1.3": "CARD-F-PRC-DCI",
            "2.1.4": "CARD-F-PRC-PSC",
            "2.1.5": "CARD-F-PRC-PPV",
            "5.1": "CSE-CS8",
            "5.2": "CSE-CS9",
            "5.3": "CSE-CS24",
            "5.4": "CSE-MDE",
            "8": "CANCER-FRCP",
            "12.1": "OBP-SAP",
            "12.2": "OBP-SNM",
            "12.3": "OBP-SNE",
            "12.4": "OBP-SCM",
            "12.5": "OBP-SEM",
            "13": "VSM",
            "15": "AVC-AUNV",
            "16": "AVC-EUNV",
            "17": "AVC-SUNV",
            "18": "OPH-CR-RTN",
            "21": "LDL-EES",
            "22": "DLU-EHPAD-DLU",
            "23": "DLU-EHPAD-FLUDT",
            "24": "DLU-EHPAD-FLUDR",
            "25": "AVC-PAVC",
            "26": "CANCER-PPS",
            "27": "CANCER-D2LM-FIN",
            "28": "CANCER-D2LM-FIDD",
            "29": "LDL-SES",
            "30": "SDM-MR",
            "32": "CANCER-CR-GM",
            "36": "CNAM-HR",
            "37": "VAC",
            "38": "TLM-DA",
            "39": "EP-MED-DM",
            "40": "ANEST-CR-ANEST",
            "41": "ANEST-CR-CPA",
            "42": "OPH-BRE",
            "45": "IMG-CR-IMG",
            "46": "VAC-NOTE",
            "47": "IMG-DA-IMG",
            "51": "IPS-FR",
            "52": "BIO-EP-BIO",
            "54": "eDISP-MED",
            "55": "BIO-CR-BIO",
            "57": "CR-ACP",
            "59": "BIO-TROD",
        }.items()
    },
    "1.3.6.1.4.1.19376.1.3.3": "BIO-CR-BIO",
}
_VERSIONS: Final = {("VSM", "201310"): "1.4_2022.01"}
"""Versions that documents call otherwise than the schematron."""
_FILE: Final = re.compile(r"CI-SIS_(?P<volet>[A-Za-z0-9-]+)_(?P<version>[\w.]+)")


@dataclass(frozen=True, slots=True)
class Volet:
    """A volet and the version that the document announces; empty when it announces none."""

    name: str
    version: str = ""


def volet_of(document: etree._Element) -> Volet | None:
    """The volet of a ClinicalDocument; None for N1 and for templates that the table does not know."""
    templates = [
        (each.get("root", "").strip(), each.get("extension", "").strip())
        for each in document.iterfind(f"{N}templateId")
    ]
    if any(root == _UNSTRUCTURED for root, _version in templates):
        return None
    known = [(root, _VOLETS[root], version) for root, version in templates if root in _VOLETS]
    if not known:
        return None
    # The template of the CI-SIS carries the version; that of IHE comes beside it.
    _root, name, version = max(known, key=lambda each: (each[0].startswith(_MODEL), each[2]))
    return Volet(name, _VERSIONS.get((name, version), version))


def schematron_volet(stem: str) -> Volet | None:
    """The volet that a schematron file is about: `CI-SIS_BIO-CR-BIO_2024.01`."""
    match = _FILE.fullmatch(stem)
    return Volet(match["volet"], match["version"]) if match is not None else None


def candidates(volet: Volet, installed: Iterable[Volet]) -> tuple[Volet, ...]:
    """What may apply among what is installed: the version announced, or every version, newest first, when the document
    announces none. Empty when that version is not installed."""
    same = sorted((each for each in installed if each.name.casefold() == volet.name.casefold()), key=_age, reverse=True)
    return tuple(each for each in same if volet.version in ("", each.version))


def _age(volet: Volet) -> str:
    return volet.version.rpartition("_")[2]
