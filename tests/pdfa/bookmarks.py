"""What Preflight refuses wrongly: the destination of a bookmark that stands in an object of its own.

Any value may stand in an object of its own (PDF Reference 1.4, §3.2.9), and Typst writes destinations so. Preflight
reads `/Dest` without following the reference (`BookmarkValidationProcess`, `COSDictionary.getItem`), finds the array
behind it (`DestinationValidationProcess`, `COSUtils.isArray`), then gives `PDDestination.create` the reference, which
refuses it: "1.2.3 ... can't convert to Destination COSObject{n, 0}". So in PDFBox 2.0.27 of Debian as at the end of its
branch 2.0, the last that has Preflight (PDFBOX-5205). ISO 19005-1 asks nothing of destinations.

Nothing is forgiven unread: each destination that Preflight names is looked at here, with pypdf.
"""

import io
from collections.abc import Iterator
from typing import Any, Final

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

_NUMBERS: Final = {"/XYZ": 3, "/Fit": 0, "/FitH": 1, "/FitV": 1, "/FitR": 4, "/FitB": 0, "/FitBH": 1, "/FitBV": 1}
"""Kinds of destinations, and how many numbers (or nulls) follow (PDF Reference 1.4, §8.2.1)."""


def sound_destinations(pdf: bytes) -> frozenset[tuple[int, int]]:
    """Number and generation of the objects that bookmarks name as destinations and that are: a page, and where."""
    reader = PdfReader(io.BytesIO(pdf))
    pages = {_place(page.indirect_reference) for page in reader.pages}
    named = (item.raw_get("/Dest") for item in bookmarks(reader.root_object) if "/Dest" in item)
    return frozenset(_place(each) for each in named if isinstance(each, IndirectObject) and _is_sound(each, pages))


def bookmarks(root: DictionaryObject) -> Iterator[DictionaryObject]:
    """Every bookmark of a PDF, parents first. Each is an object of its own (PDF Reference 1.4, §8.2.2)."""
    outline = root.get("/Outlines", DictionaryObject()).get_object()
    pending: list[Any] = [outline.get("/First")]
    seen: set[tuple[int, int]] = set()
    while pending:
        reference = pending.pop()
        if isinstance(reference, IndirectObject) and _place(reference) not in seen:
            seen.add(_place(reference))
            item = reference.get_object()
            assert isinstance(item, DictionaryObject)
            yield item
            pending += [item.get("/Next"), item.get("/First")]


def _is_sound(reference: IndirectObject, pages: set[tuple[int, int]]) -> bool:
    target = reference.get_object()
    if not isinstance(target, ArrayObject) or len(target) < 2 or not isinstance(target[0], IndirectObject):
        return False
    return _place(target[0]) in pages and _NUMBERS.get(str(target[1])) == len(target) - 2


def _place(reference: IndirectObject | None) -> tuple[int, int]:
    assert reference is not None
    return reference.idnum, reference.generation
