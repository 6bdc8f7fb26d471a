"""SOAP answers and MTOM, written and read."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from lxml import etree

from pfi.standards.soap.envelope import SOAP, WSA, WSSE, SoapUnreadableError, read_answer, write_envelope
from pfi.standards.soap.mtom import Part, root_part, write_mtom

ENVELOPE = write_envelope(
    action="urn:a&b", message_id="urn:uuid:1", to="https://x/?a=1&b=2", security=b"<s/>", body=b"<b/>"
)


def fault(code: str, subcode: str = "") -> bytes:
    inner = f"<s:Subcode><s:Value>d:{subcode}</s:Value></s:Subcode>" if subcode else ""
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:d="urn:d"><s:Body><s:Fault><s:Code><s:Value>s:{code}</s:Value>{inner}'
        '</s:Code><s:Reason><s:Text xml:lang="fr">motif</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>'
    ).encode()


def test_the_header_follows_ws_addressing_and_holds_the_assertion_alone() -> None:
    root = etree.fromstring(ENVELOPE)
    header = root.find(f"{{{SOAP}}}Header")
    assert header is not None
    assert header.findtext(f"{{{WSA}}}Action") == "urn:a&b"
    assert header.findtext(f"{{{WSA}}}MessageID") == "urn:uuid:1"
    assert header.findtext(f"{{{WSA}}}ReplyTo/{{{WSA}}}Address") == "http://www.w3.org/2005/08/addressing/anonymous"
    for name in ("Action", "ReplyTo"):
        element = header.find(f"{{{WSA}}}{name}")
        assert element is not None
        assert element.get(f"{{{SOAP}}}mustUnderstand") == "true"
    security = header.find(f"{{{WSSE}}}Security")
    assert security is not None
    assert [child.tag for child in security] == ["s"]


def test_our_own_envelope_is_read_back() -> None:
    answer = read_answer(ENVELOPE)
    assert answer.action == "urn:a&b"
    assert answer.body is not None
    assert answer.body.tag == "b"


def test_a_fault_gives_its_subcode_without_prefix() -> None:
    found = read_answer(fault("Sender", "DMPInvalidCertificate")).fault
    assert found is not None
    assert (found.code, found.subcodes, found.reason) == ("Sender", ("DMPInvalidCertificate",), "motif")


def test_a_fault_of_soap_1_1_is_understood() -> None:
    content = (
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault>'
        b"<faultcode>e:Client.DMPInvalidCertificate</faultcode><faultstring>motif</faultstring>"
        b"</e:Fault></e:Body></e:Envelope>"
    )
    found = read_answer(content).fault
    assert found is not None
    assert (found.code, found.subcodes) == ("Sender", ("DMPInvalidCertificate",))


@pytest.mark.parametrize(
    "content", [b"", b"<html/>", b"<a", b"<!DOCTYPE a><a/>", f'<s:Envelope xmlns:s="{SOAP}"/>'.encode()]
)
def test_what_is_not_soap_is_unreadable(content: bytes) -> None:
    with pytest.raises(SoapUnreadableError):
        read_answer(content)


def parsed(content_type: str, body: bytes) -> list[EmailMessage]:
    """The parts as the standard library reads them."""
    message = email.message_from_bytes(
        f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    return [part for part in message.iter_parts() if isinstance(part, EmailMessage)]


def test_mtom_is_read_by_the_standard_library() -> None:
    binary = bytes(range(256)) + b"\r\n--not-the-boundary\r\n"
    content_type, body = write_mtom(ENVELOPE, [Part("d1@pfi", binary)], action="urn:a", boundary="B42")
    root, document = parsed(content_type, body)
    assert root["Content-ID"] == "<root@pfi>"
    assert root.get_content_type() == "application/xop+xml"
    assert document["Content-ID"] == "<d1@pfi>"
    assert document.get_content_type() == "text/xml"
    assert document["Content-Transfer-Encoding"] == "binary"
    assert root_part(content_type, body) == ENVELOPE


def test_the_content_type_says_what_the_parts_are() -> None:
    content_type, _ = write_mtom(ENVELOPE, [], action="urn:a", boundary="B42")
    message = email.message_from_string(f"Content-Type: {content_type}\n\n")
    parameters = dict(message.get_params([])[1:])
    assert parameters == {
        "type": "application/xop+xml",
        "start": "<root@pfi>",
        "start-info": "application/soap+xml",
        "action": "urn:a",
        "boundary": "B42",
    }


ANSWER = b"--b\r\nContent-ID: <d>\r\n\r\nother\r\n--b\r\nContent-Id: <r>\r\n\r\n<root/>\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ('multipart/related; start="<r>"; boundary=b', ANSWER, b"<root/>"),
        ("multipart/related; boundary=b", ANSWER, b"other"),
        ('multipart/related; start="<z>"; boundary=b', ANSWER, b"other"),
        ("multipart/related; boundary=b", b"preamble\r\n" + ANSWER, b"other"),
        ("application/soap+xml", b"<root/>", b"<root/>"),
        ("", b"<root/>", b"<root/>"),
    ],
)
def test_the_root_part_of_an_answer_is_found(content_type: str, body: bytes, expected: bytes) -> None:
    assert root_part(content_type, body) == expected


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/related", ANSWER),
        ("multipart/related; boundary=c", ANSWER),
        ("multipart/related; boundary=b", b"--b\r\n"),
    ],
)
def test_an_answer_without_a_root_part_is_unreadable(content_type: str, body: bytes) -> None:
    with pytest.raises(SoapUnreadableError):
        root_part(content_type, body)


LOST_ROOT = b"--b\r\nContent-Type: text/plain\r\nContent-ID: <d>\r\n\r\nrien\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ('multipart/related; start="<r>"; boundary=b', LOST_ROOT),
        ("multipart/related; boundary=b", LOST_ROOT),
        ("multipart/related; boundary=b", ENVELOPE),
        ("multipart/related; boundary=b", b"--b\r\nContent-ID: <d>\r\n\r\n" + ENVELOPE[: len(ENVELOPE) // 2]),
        ("multipart/related; boundary=b", b"--b\r\n" + ENVELOPE + b"\r\n--b--\r\n"),
        ("multipart/related; boundary=b", b"--b--\r\n"),
        ("multipart/related; boundary=b", b""),
        ('multipart/related; boundary=""', ENVELOPE),
    ],
)
def test_a_malformed_package_is_never_read_as_an_answer(content_type: str, body: bytes) -> None:
    with pytest.raises(SoapUnreadableError):
        read_answer(root_part(content_type, body))


def test_every_cut_of_a_package_is_unreadable_until_the_envelope_is_whole() -> None:
    content_type, body = write_mtom(ENVELOPE, [], action="urn:a", boundary="B42")
    end = body.index(ENVELOPE) + len(ENVELOPE)
    for cut in range(end):
        with pytest.raises(SoapUnreadableError):
            read_answer(root_part(content_type, body[:cut]))
    assert read_answer(root_part(content_type, body[:end])).action == "urn:a&b"


def test_a_fault_without_a_code_is_still_a_fault() -> None:
    content = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault/></s:Body></s:Envelope>'.encode()
    found = read_answer(content).fault
    assert found is not None
    assert (found.code, found.subcodes, found.reason) == ("", (), "")


def test_the_deepest_subcode_is_given_last() -> None:
    content = (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode>'
        "<s:Value>a:One</s:Value><s:Subcode><s:Value>b:Two</s:Value></s:Subcode></s:Subcode></s:Code></s:Fault>"
        "</s:Body></s:Envelope>"
    )
    found = read_answer(content.encode()).fault
    assert found is not None
    assert (found.code, found.subcodes) == ("Receiver", ("One", "Two"))
