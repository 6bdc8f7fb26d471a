"""The PDF that a CDA document carries: its whole body (N1), or the copy of itself that an N3 volet asks for."""

import binascii
from collections.abc import Iterator
from typing import Final

import pybase64
from lxml import etree

from pfi.standards.cda.oids import PDF_COPY_TEMPLATE
from pfi.standards.cda.tree import N, clinical_document, parse_cda, path

PDF: Final = "application/pdf"
_PDF_MARK: Final = b"%PDF-"
_MARK_WITHIN: Final = 1024  # ISO 32000 annex H: readers accept the mark in the first 1024 bytes

_TEXT: Final = path("component", "nonXMLBody", "text")
_STRUCTURED: Final = path("component", "structuredBody")


def embedded_pdf(content: bytes, root: etree._Element | None = None) -> bytes | None:
    """The PDF form of a whole document; `None` when it has none or when it cannot be decoded.

    N1: the body when its media type is `application/pdf`. N3: the first PDF of the section of template
    1.2.250.1.213.1.1.2.243; other attached PDF files are not copies of the document. `root` is the tree of the same
    bytes when they have been parsed already. Raises CdaUnreadableError.
    """
    document = clinical_document(parse_cda(content) if root is None else root)
    carriers = document.iterfind(_TEXT) if document.find(_TEXT) is not None else _copies(document)
    for carrier in carriers:
        if carrier.get("mediaType") == PDF:
            pdf = decode(carrier)
            if pdf is not None and _PDF_MARK in pdf[:_MARK_WITHIN]:
                return pdf
    return None


def decode(carrier: etree._Element) -> bytes | None:
    """Bytes of an ED in base64 (`representation="B64"`); `None` when it is not base64."""
    if carrier.get("representation", "B64") != "B64" or not carrier.text:
        return None
    try:
        return pybase64.b64decode("".join(carrier.text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _copies(document: etree._Element) -> Iterator[etree._Element]:
    for body in document.iterfind(_STRUCTURED):
        for section in body.iter(f"{N}section"):
            if any(template.get("root") == PDF_COPY_TEMPLATE for template in section.iterchildren(f"{N}templateId")):
                for media in section.iter(f"{N}observationMedia"):
                    yield from media.iterchildren(f"{N}value")
