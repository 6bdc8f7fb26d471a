"""What a human reads in a CDA document, as plain values: header facts, sections, paragraphs, lists, tables, images.

The narrative block (CDA R2 §4.3.5) is the attested content. It is turned into text without loss: line breaks become
`\\n`, references (footnotes, images) are resolved, links keep their address.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from pfi.model.document import CdaHeader
from pfi.standards.cda.body import decode
from pfi.standards.cda.facts import Fact, header_facts
from pfi.standards.cda.flow import flow, is_strong
from pfi.standards.cda.header import read_header
from pfi.standards.cda.tree import N, clinical_document, parse_cda, path, text

_TEXT: Final = path("component", "nonXMLBody", "text")
_BODY: Final = path("component", "structuredBody")
_SECTION: Final = f"{N}section"
_PLAIN: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A run of text; `\\n` is a line break. `strong`: wholly in bold."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class ItemList:
    """A list; nested items come indented inside their parent's text. `caption` may be empty."""

    items: tuple[str, ...]
    ordered: bool = False
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell; `media` are the images shown in it."""

    text: str
    header: bool = False
    strong: bool = False
    colspan: int = 1
    rowspan: int = 1
    media: tuple["Media", ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `header` holds the rows of `thead` (they repeat on each page), `rows` the others."""

    header: tuple[tuple[Cell, ...], ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Media:
    """An object that the text refers to: an image to show, or an attached file (PDF) to mention."""

    media_type: str
    content: bytes = field(repr=False)


Block = Paragraph | ItemList | Table | Media


@dataclass(frozen=True, slots=True)
class Section:
    """A section; `depth` is 1 for the sections of the body, 2 for their own sections, and so on, in reading order."""

    title: str
    depth: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Narrative:
    """A document to be read. `facts` are what a professional looks for first: type, patient, author, date."""

    title: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    header: CdaHeader = field(repr=False)


def read_narrative(content: bytes, root: etree._Element | None = None) -> Narrative:
    """The readable form of a document. An N1 gives its text or its image; its PDF is `body.embedded_pdf`.

    `root` is the tree of the same bytes when they have been parsed already. Raises CdaUnreadableError.
    """
    if root is None:
        root = parse_cda(content)
    document = clinical_document(root)
    header = read_header(content, root)
    body = document.find(_BODY)
    sections = _sections(document, body) if body is not None else _non_xml_sections(document)
    return Narrative(header.title or header.code.label, header_facts(header), tuple(sections), header)


def _non_xml_sections(document: etree._Element) -> Iterator[Section]:
    carrier = document.find(_TEXT)
    media_type = "" if carrier is None else carrier.get("mediaType", _PLAIN)
    content = None if carrier is None else decode(carrier)
    if carrier is None or not (media_type == _PLAIN or media_type.startswith("image/")):
        return
    if media_type != _PLAIN:
        if content is not None:
            yield Section("", 1, (Media(media_type, content),))
        return
    plain = (carrier.text or "") if content is None else content.decode("utf-8", "replace")
    blocks = tuple(Paragraph(part.strip()) for part in plain.replace("\r\n", "\n").split("\n\n") if part.strip())
    yield Section("", 1, blocks)


def _sections(document: etree._Element, body: etree._Element) -> Iterator[Section]:
    for section in body.iter(_SECTION):
        depth = 1 + sum(1 for _ in section.iterancestors(_SECTION))
        narrative = section.find(f"{N}text")
        blocks = () if narrative is None else tuple(_blocks(document, narrative))
        yield Section(text(section.find(f"{N}title")), depth, blocks)


def _blocks(document: etree._Element, narrative: etree._Element) -> Iterator[Block]:
    """Blocks of a `text`; what stands between two blocks is a paragraph of its own."""
    loose: list[etree._Element | str] = [narrative.text or ""]
    for child in narrative.iterchildren(etree.Element):
        read = _READERS.get(str(child.tag).removeprefix(N))
        if read is None:
            loose += [child, child.tail or ""]
            continue
        yield from _loose(document, loose)
        yield from read(document, child)
        loose = [child.tail or ""]
    yield from _loose(document, loose)


def _loose(document: etree._Element, loose: list[etree._Element | str]) -> Iterator[Block]:
    words = flow(loose)
    elements = [part for part in loose if isinstance(part, etree._Element)]
    if words:
        bare = any(isinstance(part, str) and part.strip() for part in loose)
        yield Paragraph(words, strong=not bare and all(is_strong(element) for element in elements))
    for element in elements:
        yield from _media_in(document, element)


def _paragraph(document: etree._Element, element: etree._Element) -> Iterator[Block]:
    words = flow([element])
    if words:
        yield Paragraph(words, is_strong(element))
    yield from _media_in(document, element)


def _list(document: etree._Element, element: etree._Element) -> Iterator[Block]:
    items = tuple(words for item in element.iterchildren(f"{N}item") if (words := flow([item])))
    caption = _caption(element)
    if items or caption:
        yield ItemList(items, element.get("listType") == "ordered", caption)
    yield from _media_in(document, element)


def _table(document: etree._Element, element: etree._Element) -> Iterator[Block]:
    header: list[tuple[Cell, ...]] = []
    rows: list[tuple[Cell, ...]] = []
    parts = element.iterchildren(f"{N}thead", f"{N}tbody", f"{N}tfoot", f"{N}tr")
    # The schema puts `tfoot` before `tbody`; it is read last, as browsers show it.
    for part in sorted(parts, key=lambda part: part.tag == f"{N}tfoot"):
        lines = [part] if part.tag == f"{N}tr" else part.iterchildren(f"{N}tr")
        kept = header if part.tag == f"{N}thead" else rows
        for line in lines:
            cells = tuple(_cell(document, cell) for cell in line.iterchildren(f"{N}td", f"{N}th"))
            if cells:
                kept.append(cells)
    if header or rows:
        yield Table(tuple(header), tuple(rows), _caption(element))


def _cell(document: etree._Element, element: etree._Element) -> Cell:
    return Cell(
        text=flow([element]),
        header=element.tag == f"{N}th",
        strong=is_strong(element),
        colspan=_span(element, "colspan"),
        rowspan=_span(element, "rowspan"),
        media=tuple(_media_in(document, element)),
    )


def _span(element: etree._Element, name: str) -> int:
    number = element.get(name, "").strip()
    return max(1, min(int(number), 1000)) if number.isascii() and number.isdigit() and len(number) < 5 else 1


def _caption(element: etree._Element) -> str:
    caption = element.find(f"{N}caption")
    return "" if caption is None else flow([caption])


def _media(document: etree._Element, element: etree._Element) -> Iterator[Media]:
    """The observationMedia (or the one of a regionOfInterest) that a `renderMultiMedia` names by its `ID`s."""
    wanted = set(element.get("referencedObject", "").split())
    for candidate in document.iter(f"{N}observationMedia", f"{N}regionOfInterest") if wanted else ():
        if candidate.get("ID") in wanted:
            for media in candidate.iter(f"{N}observationMedia"):
                carrier = media.find(f"{N}value")
                content = None if carrier is None else decode(carrier)
                if carrier is not None and content is not None:
                    yield Media(carrier.get("mediaType", ""), content)


def _media_in(document: etree._Element, element: etree._Element) -> Iterator[Media]:
    for reference in element.iter(f"{N}renderMultiMedia"):
        yield from _media(document, reference)


_READERS: Final = {"paragraph": _paragraph, "list": _list, "table": _table, "renderMultiMedia": _media}
