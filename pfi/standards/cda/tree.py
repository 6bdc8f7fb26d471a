"""Finding one's way in the tree of a CDA document: its root, texts, codes and identifiers."""

from typing import Final

from lxml import etree

from pfi.model.document import CodedValue, DocumentId
from pfi.model.errors import SenderDataError
from pfi.standards.cda.oids import HL7, XML_DSIG, XSL
from pfi.standards.xml import XmlRefusedError, parse

N: Final = f"{{{HL7}}}"
"""Prefix of every CDA element name, in lxml's notation."""

_CLINICAL_DOCUMENT: Final = f"{N}ClinicalDocument"
_STYLESHEETS: Final = frozenset({f"{{{XSL}}}stylesheet", f"{{{XSL}}}transform"})
_SIGNATURE: Final = f"{{{XML_DSIG}}}Signature"


class CdaUnreadableError(SenderDataError):
    """The document cannot be used as a CDA R2 document: not XML, not a ClinicalDocument, or without the minimum that
    says whose it is, what it is and which it is. The code of a refused XML document is kept (`XML_...`)."""


def path(*names: str) -> str:
    """`path("a", "b")` is the lxml path of `h:a/h:b`."""
    return "/".join(N + name for name in names)


def parse_cda(content: bytes) -> etree._Element:
    """The root element of the bytes. Raises CdaUnreadableError."""
    try:
        return parse(content)
    except XmlRefusedError as error:
        raise CdaUnreadableError(error.code, error.text, error.next_step) from None


def clinical_document(root: etree._Element) -> etree._Element:
    """The ClinicalDocument of a tree: its root, or the only one inside a self-presenting document (root
    `xsl:stylesheet`). Raises CdaUnreadableError."""
    if root.tag == _CLINICAL_DOCUMENT:
        return root
    if root.tag in _STYLESHEETS:
        inside = list(root.iter(_CLINICAL_DOCUMENT))
        if len(inside) == 1:
            return inside[0]
        raise CdaUnreadableError(
            "CDA_NOT_A_CLINICAL_DOCUMENT",
            f"Le document autoprésentable doit contenir un seul ClinicalDocument, il en contient {len(inside)}.",
        )
    if root.tag == _SIGNATURE:
        raise CdaUnreadableError(
            "CDA_SIGNED_NOT_SUPPORTED",
            "Le document est un CDA signé (racine ds:Signature) : cette forme n'est pas prise en charge.",
            "Transmettre le document CDA sans son enveloppe de signature.",
        )
    raise CdaUnreadableError(
        "CDA_NOT_A_CLINICAL_DOCUMENT",
        "La racine du document n'est pas un ClinicalDocument de l'espace de noms urn:hl7-org:v3.",
    )


def text(element: etree._Element | None) -> str:
    """All the text of an element, white space reduced to single blanks; empty when it is absent or a nullFlavor."""
    if element is None:
        return ""
    whole = element.text if len(element) == 0 else "".join(str(part) for part in element.itertext(etree.Element))
    return " ".join(whole.split()) if whole else ""


def coded(element: etree._Element | None) -> CodedValue | None:
    """A CD, CE or CS with a code; None when it is absent or has none (nullFlavor)."""
    if element is None:
        return None
    attributes = element.attrib
    code = str(attributes.get("code", "")).strip()
    if not code:
        return None
    return CodedValue(
        code, str(attributes.get("displayName", "")).strip(), str(attributes.get("codeSystem", "")).strip()
    )


def document_id(element: etree._Element | None) -> DocumentId | None:
    """An II with a root; None when it is absent or a nullFlavor."""
    if element is None:
        return None
    root = element.get("root", "").strip()
    return DocumentId(root, element.get("extension", "").strip()) if root else None


def value(element: etree._Element | None) -> str:
    """`@value` of a TS or INT."""
    return "" if element is None else element.get("value", "").strip()


def interval(element: etree._Element | None) -> tuple[str, str]:
    """Start and stop of an IVL_TS: `low` and `high`; a plain `@value` is a start."""
    if element is None:
        return "", ""
    start = value(element.find(f"{N}low")) or value(element)
    return start, value(element.find(f"{N}high"))
