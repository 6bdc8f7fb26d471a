"""Ways to spoil a healthy message, and the answer each deserves (HL7 digest §4.1, decision table)."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass

from .request import encode

Lines = list[str]


@dataclass(frozen=True, slots=True)
class Case:
    file: str
    shows: str
    control_id: str
    ack: str
    spoil: Callable[[Lines], bytes]
    sent: bool = False
    """Tolerated: the three channels are served."""


_CONTENT = re.compile(r"(\^XML\^Base64\^)([A-Za-z0-9+/=]*)")


def _content(change: Callable[[bytes], bytes]) -> Callable[[Lines], bytes]:
    """Replaces the CDA of the first document by `change(cda)`."""

    def spoil(lines: Lines) -> bytes:
        def again(match: re.Match[str]) -> str:
            return match[1] + base64.b64encode(change(base64.b64decode(match[2]))).decode("ascii")

        return encode([_CONTENT.sub(again, line, count=1) for line in lines])

    return spoil


def _base64(lines: Lines) -> bytes:
    return encode([_CONTENT.sub(r"\1%%%not-base64%%%", line, count=1) for line in lines])


def _entity(cda: bytes) -> bytes:
    declaration = b'<!DOCTYPE ClinicalDocument [<!ENTITY secret SYSTEM "file:///etc/hostname">]>\n'
    head, root = cda.split(b"<ClinicalDocument", 1)
    return (head + declaration + b"<ClinicalDocument" + root).replace(b"<title>", b"<title>&secret;", 1)


def _without(*names: str) -> Callable[[Lines], bytes]:
    return lambda lines: encode([line for line in lines if not line.startswith(names)])


def _replaced(old: str, new: str) -> Callable[[Lines], bytes]:
    return lambda lines: encode([line.replace(old, new) for line in lines])


def _without_professional(lines: Lines) -> bytes:
    """Takes away the recipients that are not the patient, although DESTMSSANTEPS = Y."""
    return encode([line for line in lines if not (line.startswith("PRT||UC||RCT") and "INS-NIR" not in line)])


def _wrong_charset(lines: Lines) -> bytes:
    """Says UTF-8 and is ISO 8859-15; a euro sign makes sure that no other reading is right."""
    spoilt = [line.replace("7 Impasse", "7 Impasse à 1 €").replace("28 Avenue", "28 Avenue à 1 €") for line in lines]
    return encode(spoilt, "8859/15")


CASES = (
    Case("base64-illisible", "OBX-5.5 is not base64", "DPI-0901", "AE 102", _base64),
    Case(
        "xml-tronque", "The CDA is cut in the middle", "DPI-0902", "AE 207", _content(lambda cda: cda[: len(cda) // 2])
    ),
    Case(
        "entite-externe",
        "The CDA declares an external entity (XXE): refused, never resolved",
        "DPI-0903",
        "AE 207",
        _content(_entity),
    ),
    Case(
        "pas-un-cda",
        "Well-formed XML that is not a ClinicalDocument",
        "DPI-0904",
        "AE 207",
        _content(lambda _: b'<?xml version="1.0" encoding="UTF-8"?>\n<facture><total>12</total></facture>\n'),
    ),
    Case(
        "type-de-message-inconnu",
        "MSH-9 `SIU^S12`",
        "DPI-0905",
        "AE 200",
        _replaced("MDM^T02^MDM_T02", "SIU^S12^SIU_S12"),
    ),
    Case("evenement-inconnu", "MSH-9 `MDM^T99`", "DPI-0906", "AE 201", _replaced("MDM^T02^MDM_T02", "MDM^T99^MDM_T02")),
    Case("version-inconnue", "MSH-12 `2.3`", "DPI-0907", "AE 203", _replaced("|T|2.6|", "|T|2.3|")),
    Case(
        "destinataire-absent", "DESTMSSANTEPS = Y and no professional PRT", "DPI-0908", "AE 101", _without_professional
    ),
    Case("segment-pid-absent", "No PID", "DPI-0909", "AE 100", _without("PID")),
    Case(
        "document-absent",
        "No document OBX",
        "DPI-0910",
        "AE 100",
        lambda lines: encode([line for line in lines if "^XML^Base64^" not in line]),
    ),
    Case(
        "indicateur-invalide",
        "MASQUE_PS is neither Y nor N",
        "DPI-0911",
        "AE 103",
        _replaced("de Santé^MetaDMPMSS||N^^", "de Santé^MetaDMPMSS||PEUTETRE^^"),
    ),
    Case(
        "orc-incoherent",
        "ORC-1 `CA` (delete) with OBX-11 `F` (initial)",
        "DPI-0912",
        "AE 199",
        _replaced("ORC|NW", "ORC|CA"),
    ),
    Case(
        "mauvais-jeu-de-caracteres",
        "Declared UTF-8, written in ISO 8859-15: read anyway with a warning (tolerant), AE 102 (strict)",
        "DPI-0913",
        "AA (strict: AE 102)",
        _wrong_charset,
        sent=True,
    ),
    Case(
        "sans-msh",
        "No MSH: no answer is possible",
        "DPI-0914",
        "none, connection closed",
        _without("MSH"),
    ),
)
