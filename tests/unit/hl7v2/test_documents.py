"""The document OBX: recognition and exact bytes."""

import pytest

from pfi.model.profile import SenderProfile
from tests.unit.hl7v2.specimens import CDA, STRICT, TOLERANT, Specimen, b64, errors, mdm, oru


def with_content(text: str, *, encoding: str = "Base64") -> Specimen:
    return oru().having("OBX^1^5", f"^TEXT^XML^{encoding}^{text}")


def content_of(specimen: Specimen, profile: SenderProfile = STRICT) -> bytes:
    request = specimen.read(profile).request
    assert request is not None
    return request.documents[0].content


@pytest.mark.parametrize("content", [b"<a/>", b"<ab/>", b"<abc/>", "\ufeff<é/>\r\n".encode(), bytes(range(256))])
@pytest.mark.parametrize("padded", [True, False])
def test_bytes_come_out_untouched_padded_or_not(content: bytes, padded: bool) -> None:
    text = b64(content) if padded else b64(content).rstrip("=")
    assert content_of(with_content(text)) == content


@pytest.mark.parametrize("cut", [" ", "\t", "\\.br\\", "\\X0D0A\\"])
def test_white_space_and_escapes_inside_base64_are_undone(cut: str) -> None:
    text = b64(CDA)
    assert content_of(with_content(text[:5] + cut + text[5:] + cut)) == CDA


def test_base64_wrapped_over_lines_is_read_in_tolerant() -> None:
    text = b64(CDA * 20)
    wrapped = "\r".join(text[start : start + 76] for start in range(0, len(text), 76))
    specimen = with_content(wrapped)
    assert content_of(specimen, TOLERANT) == CDA * 20
    assert errors(specimen.read(STRICT).findings) == [("199", "MSH^1", "LINE_WRAPPED")]


@pytest.mark.parametrize("encoding", ["Base64", "BASE64", "base64"])
def test_the_encoding_is_read_whatever_its_case(encoding: str) -> None:
    assert content_of(with_content(b64(CDA), encoding=encoding)) == CDA


@pytest.mark.parametrize("form", ["TEXT", "text", "Text"])
def test_the_form_is_read_whatever_its_case(form: str) -> None:
    assert content_of(oru().having("OBX^1^5", f"^{form}^xml^Base64^{b64(CDA)}")) == CDA


@pytest.mark.parametrize(
    ("specimen", "refusal"),
    [
        (with_content(b64(CDA)[:-3]), ("102", "OBX^1^5", "DOCUMENT_TRUNCATED")),
        (with_content("Q"), ("102", "OBX^1^5", "DOCUMENT_TRUNCATED")),
        (with_content("pas du base64 !"), ("102", "OBX^1^5", "DOCUMENT_BASE64")),
        (with_content("é" * 4), ("102", "OBX^1^5", "DOCUMENT_BASE64")),
        (with_content("QUJD=QUJD"), ("102", "OBX^1^5", "DOCUMENT_BASE64")),
        (with_content(""), ("101", "OBX^1^5", "DOCUMENT_EMPTY")),
        (with_content("===="), ("101", "OBX^1^5", "DOCUMENT_EMPTY")),
        (with_content("3C612F3E", encoding="Hex"), ("103", "OBX^1^5", "DOCUMENT_ENCODING")),
        (oru().having("OBX^1^5", f"^TEXT^PDF^Base64^{b64(CDA)}"), ("100", "OBX^1", "DOCUMENT_MISSING")),
        (oru().having("OBX^1^2", "TX"), ("100", "OBX^1", "DOCUMENT_MISSING")),
    ],
)
def test_a_document_that_cannot_be_taken_is_refused_in_both_modes(
    specimen: Specimen, refusal: tuple[str, str, str]
) -> None:
    for profile in (TOLERANT, STRICT):
        reading = specimen.read(profile)
        assert refusal in errors(reading.findings)
        assert reading.request is None


@pytest.mark.parametrize(
    ("specimen", "strict"),
    [
        (with_content(b64(CDA), encoding=""), ("101", "OBX^1^5", "DOCUMENT_ENCODING_MISSING")),
        (oru().having("OBX^1^5", f"^^XML^Base64^{b64(CDA)}"), ("103", "OBX^1^5", "DOCUMENT_FORM")),
        (oru().having("OBX^1^3", "11502-2^x"), ("101", "OBX^1^3", "CODING_SYSTEM_MISSING")),
        (oru().having("OBX^1^3", ""), ("101", "OBX^1^3", "DOCUMENT_CODE_MISSING")),
    ],
)
def test_a_document_that_can_still_be_taken_is_refused_in_strict_only(
    specimen: Specimen, strict: tuple[str, str, str]
) -> None:
    assert content_of(specimen, TOLERANT) == CDA
    assert strict in errors(specimen.read(STRICT).findings)


def test_a_mail_body_is_not_taken_for_a_document() -> None:
    body = f"OBX|13|ED|CORPSMAIL_PS^x^MetaDMPMSS||^text^XML^Base64^{b64(b'Bonjour')}||||||F|"
    request = mdm().ending(body).read(STRICT).request
    assert request is not None
    assert len(request.documents) == 1
