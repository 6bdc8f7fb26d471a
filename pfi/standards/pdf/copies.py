"""The PDF of each CDA document of a mail (MSSanté digest §4.6)."""

from collections.abc import Sequence
from datetime import datetime

from lxml import etree

from pfi.model.document import Document, Level
from pfi.standards.cda.body import decode, embedded_pdf
from pfi.standards.cda.narrative import Block, Media, Narrative, Paragraph, read_narrative
from pfi.standards.cda.tree import clinical_document, parse_cda, path
from pfi.standards.pdf import rtf
from pfi.standards.pdf.page import page_values
from pfi.standards.pdf.typesetting import typeset

_TEXT = path("component", "nonXMLBody", "text")
_RTF = frozenset({"text/rtf", "application/rtf"})


def pdf_copies(documents: Sequence[Document], moment: datetime) -> tuple[bytes, ...]:
    """One PDF for each document, in order.

    A PDF that a document carries is taken byte for byte. An N3 without one takes the PDF of the N1 of the same
    document that travels with it. Anything else is rendered, dated `moment`. Slow: call it from a thread. Raises
    CdaUnreadableError, BugError.
    """
    roots = [parse_cda(document.content) for document in documents]
    own = [embedded_pdf(document.content, root) for document, root in zip(documents, roots, strict=True)]
    return tuple(
        pdf or _of_companion(document, documents, own) or render(document.content, moment, root)
        for document, root, pdf in zip(documents, roots, own, strict=True)
    )


def _of_companion(document: Document, documents: Sequence[Document], own: Sequence[bytes | None]) -> bytes | None:
    """The PDF of the N1 of the same clinical document: same type, same title, and no other N1 or N3 has both.

    Any doubt gives none: the reader would see the words of another document.
    """
    alike = [index for index, each in enumerate(documents) if _same(each, document)]
    levels = sorted(documents[index].header.level for index in alike)
    if document.header.level is not Level.N3 or levels != [Level.N1, Level.N3]:
        return None
    return next((own[index] for index in alike if documents[index].header.level is Level.N1), None)


def _same(one: Document, other: Document) -> bool:
    return one.header.code.code == other.header.code.code and one.header.title.split() == other.header.title.split()


def render(content: bytes, moment: datetime, root: etree._Element | None = None) -> bytes:
    """The readable copy of a CDA document in PDF/A-1, whatever its level. Same arguments, same bytes."""
    if root is None:
        root = parse_cda(content)
    narrative = read_narrative(content, root)
    return typeset(page_values(narrative, moment, _other_body(root, narrative)), moment)


def _other_body(root: etree._Element, narrative: Narrative) -> tuple[Block, ...]:
    """The body of an N1 that is neither text nor image: the words of an RTF, a note about anything else."""
    carrier = clinical_document(root).find(_TEXT)
    if carrier is None or any(section.blocks for section in narrative.sections):
        return ()
    media_type = carrier.get("mediaType", "")
    content = decode(carrier) or b""
    if media_type in _RTF:
        words = rtf.paragraphs(content or (carrier.text or "").strip().encode("utf-8"))
        if words:
            return tuple(Paragraph(paragraph) for paragraph in words)
    return (Media(media_type, content),)
