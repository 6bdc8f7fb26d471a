"""The PDF form of a document."""

import pytest

from pfi.standards.cda.body import embedded_pdf
from pfi.standards.cda.tree import CdaUnreadableError, parse_cda
from tests.unit.cda.documents import PDF, document, encoded, n1, n3, section

COPY = '<templateId root="1.2.250.1.213.1.1.2.243"/>'
OTHER = '<templateId root="1.2.250.1.213.1.1.2.37"/>'


def media(content: bytes, media_type: str = "application/pdf") -> str:
    return (
        '<entry><organizer><component><observationMedia ID="D1">'
        f'<value mediaType="{media_type}" representation="B64">{encoded(content)}</value>'
        "</observationMedia></component></organizer></entry>"
    )


def test_the_body_of_an_n1_pdf_is_given_back_byte_for_byte() -> None:
    assert embedded_pdf(document()) == PDF


def test_base64_on_several_lines_is_read() -> None:
    text = "\n      ".join(encoded(PDF)[start : start + 20] for start in range(0, len(encoded(PDF)), 20))
    body = f'<component><nonXMLBody><text mediaType="application/pdf">{text}\n</text></nonXMLBody></component>'
    assert embedded_pdf(document(body=body)) == PDF


@pytest.mark.parametrize(
    "body",
    [
        n1(PDF, "text/plain"),
        n1(b"not a PDF"),
        n1(b"x" * 2000 + PDF),
        '<component><nonXMLBody><text mediaType="application/pdf">***</text></nonXMLBody></component>',
        '<component><nonXMLBody><text mediaType="application/pdf"/></nonXMLBody></component>',
        '<component><nonXMLBody><text mediaType="application/pdf" representation="TXT">AA</text></nonXMLBody>'
        "</component>",
        n3(section("x")),
        n3(section("x", extra=media(PDF))),
        n3(section("x", extra=COPY + media(b"\x89PNG", "image/png"))),
    ],
)
def test_a_document_without_a_readable_pdf_of_itself_has_none(body: str) -> None:
    assert embedded_pdf(document(body=body)) is None


def test_the_copy_of_an_n3_is_found_in_its_own_section_only() -> None:
    body = n3(section("x", extra=OTHER + media(b"%PDF-attached")) + section("y", extra=COPY + media(PDF)))
    assert embedded_pdf(document(body=body)) == PDF
    assert embedded_pdf(b"", parse_cda(document(body=body))) == PDF


def test_a_pdf_of_20_megabytes_passes() -> None:
    pdf = PDF + b"\0" * 20_000_000
    assert embedded_pdf(document(body=n1(pdf))) == pdf


def test_an_unreadable_document_raises() -> None:
    with pytest.raises(CdaUnreadableError):
        embedded_pdf(b"<a/>")
