"""The validator is worth asking: it refuses what is not PDF/A-1b, each for its own reason."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from pfi.standards.pdf import typesetting
from pfi.standards.pdf.copies import render
from tests.pdfa.bookmarks import bookmarks
from tests.pdfa.preflight import findings, needs_preflight, violations
from tests.unit.mssante.material import MOMENT, cda

pytestmark = needs_preflight

BOOKMARK: Final = "1.2.3"


def changed(pdf: bytes, change: Callable[[PdfWriter], object]) -> bytes:
    """The PDF written anew by pypdf, with a change."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def within(value: Any, *path: str | int) -> Any:
    """What stands there in a PDF, references followed."""
    for step in path:
        value = value[step].get_object()
    return value


def without_fonts(writer: PdfWriter) -> None:
    for font in within(writer.pages[0], "/Resources", "/Font").values():
        descriptor = within(font, "/DescendantFonts", 0, "/FontDescriptor")
        for name in {"/FontFile2", "/FontFile3"} & set(descriptor):
            del descriptor[name]


def half_transparent(writer: PdfWriter) -> None:
    state = DictionaryObject({NameObject("/Type"): NameObject("/ExtGState"), NameObject("/ca"): FloatObject(0.5)})
    within(writer.pages[0], "/Resources")[NameObject("/ExtGState")] = DictionaryObject({NameObject("/Half"): state})


def with_a_spoilt_colour_space(writer: PdfWriter) -> None:
    profile = StreamObject()
    profile.set_data(b"not a profile" * 20)
    profile[NameObject("/N")] = NumberObject(3)
    space = ArrayObject([NameObject("/ICCBased"), writer._add_object(profile)])
    within(writer.pages[0], "/Resources", "/ColorSpace")[NameObject("/Spoilt")] = space


def with_a_script(writer: PdfWriter) -> None:
    action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("app.alert(1)")}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(action)


def with_bookmarks_to_no_page(writer: PdfWriter) -> None:
    for item in bookmarks(writer.root_object):
        within(item, "/Dest")[0] = writer.root_object.indirect_reference


def with_direct_destinations(writer: PdfWriter) -> None:
    for item in bookmarks(writer.root_object):
        item[NameObject("/Dest")] = ArrayObject(within(item, "/Dest"))


REFUSED: Final[dict[str, tuple[Callable[[PdfWriter], object], set[str]]]] = {
    "fonts not embedded": (without_fonts, {"3.1.3"}),
    "transparent": (half_transparent, {"4.1.2"}),
    "colours that nobody knows": (with_a_spoilt_colour_space, {"2.4.11"}),
    "script": (with_a_script, {"6.2.5"}),
    "bookmarks to no page": (with_bookmarks_to_no_page, {BOOKMARK}),
}
"""What is done to a rendered PDF, and the codes of Preflight for it."""


@pytest.fixture(scope="module")
def rendered() -> bytes:
    return render(cda(), MOMENT)


def test_what_is_not_pdf_a_1_is_refused_for_its_own_reason(
    rendered: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdfs = {name: changed(rendered, change) for name, (change, _) in REFUSED.items()}
    pdfs |= {"rendered": rendered, "written anew": changed(rendered, lambda _: None), "not a PDF": b"Bonjour"}
    monkeypatch.setattr(typesetting, "STANDARD", "1.4")
    pdfs["of no standard"] = render(cda(), MOMENT)
    found = {name: {each.code for each in said} for name, said in violations(pdfs, tmp_path).items()}
    assert found == {name: codes for name, (_, codes) in REFUSED.items()} | {
        "of no standard": {"7.11"},
        "not a PDF": {"1.0", "1.1"},
    }


def test_it_refuses_destinations_only_for_standing_in_objects_of_their_own(rendered: bytes, tmp_path: Path) -> None:
    """The one thing that Preflight is not believed in: written in the bookmarks themselves, the same ones please it."""
    pdfs = {"own objects": rendered, "in the bookmarks": changed(rendered, with_direct_destinations)}
    found = findings(pdfs, tmp_path)
    assert {each.code for each in found["own objects"]} == {BOOKMARK}
    assert found["in the bookmarks"] == ()
