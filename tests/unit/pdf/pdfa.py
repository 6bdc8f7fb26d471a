"""The marks of PDF/A-1 that can be looked at without a validator (ISO 19005-1), read with pypdf."""

from html import unescape
from typing import Any

from pypdf import PdfReader
from pypdf.generic import DictionaryObject, StreamObject


def check_pdf_a_1a(reader: PdfReader) -> None:
    """Level A: identification, fonts, colours, nothing active nor transparent nor attached, tags and language."""
    root, info = _dictionary(reader.trailer["/Root"]), reader.metadata
    assert reader.pdf_header <= "%PDF-1.4"
    assert not reader.is_encrypted
    assert "/ID" in reader.trailer
    xmp = unescape(_stream(root["/Metadata"]).decode())
    assert "<pdfaid:part>1</pdfaid:part>" in xmp
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in xmp
    assert info is not None
    assert info.title
    assert f">{info.title}<" in xmp
    (intent,) = _list(root["/OutputIntents"])
    assert str(_dictionary(intent)["/S"]) == "/GTS_PDFA1"
    assert _stream(_dictionary(intent)["/DestOutputProfile"])[36:40] == b"acsp"  # an ICC profile
    assert str(root["/Lang"]) == "fr-FR"
    assert str(_dictionary(root["/MarkInfo"])["/Marked"]) == "True"
    assert "/K" in _dictionary(root["/StructTreeRoot"])
    assert not {"/OCProperties", "/AA", "/AcroForm", "/OpenAction"} & set(root)
    names = _dictionary(root.get("/Names", DictionaryObject()))
    assert not {"/JavaScript", "/EmbeddedFiles"} & set(names)
    for page in reader.pages:
        resources = _dictionary(page["/Resources"])
        assert not page.get("/Annots")
        fonts = _resources(resources, "/Font")
        assert fonts
        for font in fonts:
            (descendant,) = _list(font["/DescendantFonts"])
            descriptor = _dictionary(_dictionary(descendant)["/FontDescriptor"])
            assert "/ToUnicode" in font
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)
        for state in _resources(resources, "/ExtGState"):
            assert str(state.get("/SMask", "/None")) == "/None"
            assert {float(state.get("/CA", 1)), float(state.get("/ca", 1))} == {1.0}
        for shown in _resources(resources, "/XObject"):
            assert "/SMask" not in shown


def _resources(resources: DictionaryObject, name: str) -> list[DictionaryObject]:
    return [_dictionary(each) for each in _dictionary(resources.get(name, DictionaryObject())).values()]


def _dictionary(value: Any) -> DictionaryObject:
    found = value.get_object()
    assert isinstance(found, DictionaryObject)
    return found


def _list(value: Any) -> list[Any]:
    return list(value.get_object())


def _stream(value: Any) -> bytes:
    found = value.get_object()
    assert isinstance(found, StreamObject)
    return found.get_data()
