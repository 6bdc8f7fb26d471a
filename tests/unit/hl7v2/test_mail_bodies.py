"""CORPSMAIL_PS and CORPSMAIL_PATIENT."""

import pytest

from pfi.model.finding import Severity
from tests.unit.hl7v2.specimens import STRICT, Specimen, b64, codes, errors, mdm, oru

TEXT = "Cher confrère,\nvoici le compte rendu d’imagerie."


def with_body(field: str, *, code: str = "CORPSMAIL_PS", kind: str = "ED") -> Specimen:
    return oru().ending(f"OBX|12|{kind}|{code}^Corps du mail^MetaDMPMSS||{field}||||||F|")


def body_of(specimen: Specimen) -> str | None:
    request = specimen.read().request
    assert request is not None
    return request.body_professional


@pytest.mark.parametrize("form", ["^TEXT^^Base64^", "^text^^BASE64^"])
def test_a_body_is_base64_of_utf_8(form: str) -> None:
    specimen = with_body(form + b64(TEXT.encode()))
    assert body_of(specimen) == TEXT
    assert errors(specimen.read(STRICT).findings) == []


def test_each_body_goes_to_its_reader() -> None:
    request = with_body("^TEXT^^Base64^" + b64(b"Bonjour"), code="CORPSMAIL_PATIENT").read().request
    assert request is not None
    assert (request.body_professional, request.body_patient) == (None, "Bonjour")


def test_a_body_in_8859_15_is_understood() -> None:
    assert body_of(with_body("^TEXT^^Base64^" + b64("Sœur Thérèse, été".encode("iso8859-15")))) == "Sœur Thérèse, été"


def test_a_character_cut_at_the_end_does_not_spoil_the_rest() -> None:
    assert body_of(with_body("^TEXT^^Base64^" + b64("déjà été".encode()[:-1]))) == "déjà ét"


@pytest.mark.parametrize("length", range(1, 30))
def test_a_cut_body_is_used_as_far_as_it_goes(length: int) -> None:
    """One character left over (length 1 mod 4): dropped with a warning, whatever character of the text it cuts."""
    whole = "é" * 80
    text = b64(whole.encode())[: 4 * length + 1]
    reading = with_body("^TEXT^^Base64^" + text).read(STRICT)
    assert reading.request is not None
    body = reading.request.body_professional
    assert body is not None
    assert whole.startswith(body)
    assert "MAIL_BODY_TRUNCATED" in codes(reading.findings, Severity.WARNING)


def test_a_body_that_is_no_base64_is_refused() -> None:
    reading = with_body("^TEXT^^Base64^voilà, du texte").read()
    assert errors(reading.findings) == [("102", "OBX^12^5", "MAIL_BODY_BASE64")]


def test_an_unknown_encoding_is_refused() -> None:
    assert errors(with_body("^TEXT^^Hex^4142").read().findings) == [("103", "OBX^12^5", "MAIL_BODY_ENCODING")]


@pytest.mark.parametrize(
    ("field", "kind", "expected"),
    [
        ("^TEXT^^^Bonjour \\T\\ merci", "ED", "Bonjour & merci"),
        ("Bonjour", "TX", "Bonjour"),
        ("Ligne 1~Ligne 2", "TX", "Ligne 1\nLigne 2"),
        ("Ligne 1\\.br\\Ligne 2", "FT", "Ligne 1\nLigne 2"),
    ],
)
def test_a_bare_text_is_accepted_in_tolerant(field: str, kind: str, expected: str) -> None:
    specimen = with_body(field, kind=kind)
    assert body_of(specimen) == expected
    assert ("102", "OBX^12^5", "MAIL_BODY_FORM") in errors(specimen.read(STRICT).findings)


def test_an_empty_body_is_no_body() -> None:
    assert body_of(with_body("^TEXT^^Base64^")) is None


def test_control_characters_do_not_get_through() -> None:
    assert body_of(with_body("^TEXT^^Base64^" + b64(b"a\x00b\x1cc\r\nd"))) == "abc\nd"


def test_two_bodies_for_one_reader_are_joined() -> None:
    one, two = (
        f"OBX|{n}|ED|CORPSMAIL_PS^x^MetaDMPMSS||^text^^Base64^{b64(t)}||||||F|" for n, t in ((12, b"A"), (13, b"B"))
    )
    reading = mdm().ending(one, two).read()
    assert reading.request is not None
    assert reading.request.body_professional == "A\nB"
    assert ("198", "OBX^13", "MAIL_BODY_REPEATED") in errors(mdm().ending(one, two).read(STRICT).findings)
