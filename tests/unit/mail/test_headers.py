from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfi.model.errors import BugError
from pfi.standards.mail import headers


def parsed(field: bytes) -> EmailMessage:
    message = BytesParser(policy=policy.SMTP).parsebytes(field + b"\r\n")
    assert isinstance(message, EmailMessage)
    return message


@given(st.text(max_size=300))
def test_any_text_stays_one_field_and_comes_back(value: str) -> None:
    field = headers.text("Subject", value)
    assert parsed(field).keys() == ["Subject"]
    assert all(len(line) <= 998 for line in field.split(b"\r\n"))
    raw = BytesParser(policy=policy.compat32).parsebytes(field + b"\r\n")["Subject"]
    unfolded = " ".join(str(raw).replace("\r\n", "").split())
    shown = str(make_header(decode_header(unfolded))) if "=?" in unfolded else unfolded
    # The standard reader drops the blank between a parenthesis and an encoded word: blanks are not compared.
    assert "".join(shown.split()) == "".join(headers.clean(value).split())


@pytest.mark.parametrize(
    "attack", ["x\r\nBcc: a@x.fr", "x\nBcc: a@x.fr", "x\rBcc: a@x.fr", "x\u2028Bcc: a@x.fr", "x\x00\x0b\x0c"]
)
def test_no_value_starts_another_field(attack: str) -> None:
    for field in (headers.text("Subject", attack), headers.mailbox("From", "a@x.fr", attack)):
        assert len(parsed(field).keys()) == 1
    parameter = headers.file_name_parameter("filename", f"{attack}.pdf")
    assert "\nBcc" not in parameter
    with pytest.raises(BugError):
        headers.token("X-MSS-NIL", attack)


def test_filters_can_read_the_prefix_of_a_subject_that_has_accents() -> None:
    field = headers.text("Subject", "XDM/1.0/DDM+CR d'examens biologiques détaillés VIAL Paul 26/11/1978")
    assert field.startswith(b"Subject: XDM/1.0/DDM+CR d'examens biologiques =?utf-8?")
    assert parsed(field)["Subject"] == "XDM/1.0/DDM+CR d'examens biologiques détaillés VIAL Paul 26/11/1978"


def test_a_word_that_looks_encoded_is_shown_as_it_was_written() -> None:
    assert parsed(headers.text("Subject", "XDM =?utf-8?q?trompe?=")).get("Subject") == "XDM =?utf-8?q?trompe?="


@pytest.mark.parametrize("value", ["A" * 3000, "court " + "B" * 3000, 'C"' * 900])
def test_a_word_without_end_is_folded_all_the_same(value: str) -> None:
    for field in (headers.text("Subject", value), headers.mailbox("From", "a@x.fr", value)):
        assert max(map(len, field.split(b"\r\n"))) <= 78
    assert parsed(headers.text("Subject", value))["Subject"] == value
    shown = parsed(headers.mailbox("From", "a@x.fr", value))["From"].addresses[0]
    assert shown.addr_spec == "a@x.fr"
    # The standard reader puts a blank between two encoded words of a name: blanks are not compared.
    assert shown.display_name.replace(" ", "") == value.replace(" ", "")


@pytest.mark.parametrize("label", ["", "CH Exemple", 'CH "Le Parc", (sud) <x@y.fr>', "Hôpital – été", "=?utf-8?q?a?="])
def test_a_label_never_changes_the_address(label: str) -> None:
    shown = parsed(headers.mailbox("From", "pfi@ch.mssante.fr", label))["From"].addresses
    assert [address.addr_spec for address in shown] == ["pfi@ch.mssante.fr"]
    assert shown[0].display_name == label


def test_several_addresses_are_one_field() -> None:
    field = headers.addresses("To", [f"medecin{number}@cabinet.mssante.fr" for number in range(60)])
    assert len(parsed(field)["To"].addresses) == 60
    assert max(map(len, field.split(b"\r\n"))) < 78


def test_an_address_with_a_comma_or_line_is_a_bug() -> None:
    with pytest.raises(BugError):
        headers.addresses("To", ["a@x.fr\r\nBcc: b@x.fr"])
    with pytest.raises(BugError):
        headers.token("X", "")
    with pytest.raises(BugError):
        headers.token("X", "a" * 1000)


def test_a_file_name_has_an_ascii_form_and_an_exact_one() -> None:
    assert headers.file_name_parameter("filename", "a.pdf") == 'filename="a.pdf"'
    assert headers.file_name_parameter("filename", "Œuvre d'été.pdf") == (
        "filename=\"OEuvre d'ete.pdf\";\r\n filename*=UTF-8''%C5%92uvre%20d%27%C3%A9t%C3%A9.pdf"
    )
    assert headers.file_name_parameter("name", '日"x.pdf').startswith('name="_\\"x.pdf";')
