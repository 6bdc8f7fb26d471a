"""SOAP 1.2 envelopes: written as bytes, answers read into values (DMP digest §2.1, §2.2, §2.6)."""

from dataclasses import dataclass
from typing import Final

from lxml import etree

from pfi.model.errors import SenderDataError
from pfi.standards.xds.ebrim import xml_text
from pfi.standards.xml import parse

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
WSA: Final = "http://www.w3.org/2005/08/addressing"
WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
XOP: Final = "http://www.w3.org/2004/08/xop/include"

UNSPECIFIED: Final = "http://www.w3.org/2005/08/addressing/unspecified"
"""What an answer relates to when the server could not read the MessageID (WS-Addressing 1.0 Core §3.4)."""

_ANONYMOUS: Final = "http://www.w3.org/2005/08/addressing/anonymous"
_MAX_ANSWER: Final = 8 * 1024 * 1024


class SoapUnreadableError(SenderDataError):
    """The answer is not a SOAP envelope. Code `SOAP_UNREADABLE`."""

    def __init__(self, text: str = "La réponse n'est pas un message SOAP lisible.") -> None:
        super().__init__("SOAP_UNREADABLE", text)


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` and `subcodes` are local names (`Sender`, `DMPInvalidCertificate`); `reason` may quote our request."""

    code: str
    subcodes: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SoapAnswer:
    """One of `fault` and `body` is given, except for an empty body."""

    action: str
    relates_to: str
    fault: Fault | None
    body: etree._Element | None


def write_envelope(*, action: str, message_id: str, to: str, security: bytes, body: bytes) -> bytes:
    """`security` is a SAML assertion and `body` the only child of the body; both are inserted untouched."""
    head = (
        f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Header xmlns:wsa="{WSA}">'
        f'<wsa:Action soap:mustUnderstand="true">{xml_text(action)}</wsa:Action>'
        f"<wsa:MessageID>{xml_text(message_id)}</wsa:MessageID>"
        f'<wsa:ReplyTo soap:mustUnderstand="true"><wsa:Address>{_ANONYMOUS}</wsa:Address></wsa:ReplyTo>'
        f"<wsa:To>{xml_text(to)}</wsa:To>"
        f'<wsse:Security xmlns:wsse="{WSSE}" soap:mustUnderstand="true">'
    )
    return b"".join(
        (
            b'<?xml version="1.0" encoding="UTF-8"?>',
            head.encode(),
            security,
            b"</wsse:Security></soap:Header><soap:Body>",
            body,
            b"</soap:Body></soap:Envelope>",
        )
    )


def read_answer(content: bytes) -> SoapAnswer:
    """Reads an answer; SOAP 1.1 faults are understood too. Raises SoapUnreadableError."""
    try:
        root = parse(content, max_bytes=_MAX_ANSWER)
    except SenderDataError:
        raise SoapUnreadableError from None
    if root.tag not in (f"{{{SOAP}}}Envelope", f"{{{SOAP_11}}}Envelope"):
        raise SoapUnreadableError
    namespace = root.tag[1:].partition("}")[0]
    body = root.find(f"{{{namespace}}}Body")
    if body is None:
        raise SoapUnreadableError
    header = root.find(f"{{{namespace}}}Header")
    child = next(body.iterchildren("{*}*"), None)
    fault = None
    if child is not None and child.tag == f"{{{namespace}}}Fault":
        fault, child = (_fault_11(child) if namespace == SOAP_11 else _fault(child)), None
    return SoapAnswer(
        action=_text(header, f"{{{WSA}}}Action"),
        relates_to=_text(header, f"{{{WSA}}}RelatesTo"),
        fault=fault,
        body=child,
    )


def _fault(element: etree._Element) -> Fault:
    code = element.find(f"{{{SOAP}}}Code")
    subcodes: list[str] = []
    inner = code
    while inner is not None:
        inner = inner.find(f"{{{SOAP}}}Subcode")
        if inner is not None:
            subcodes.append(_local(_text(inner, f"{{{SOAP}}}Value")))
    return Fault(
        code=_local(_text(code, f"{{{SOAP}}}Value")),
        subcodes=tuple(subcodes),
        reason=_text(element.find(f"{{{SOAP}}}Reason"), f"{{{SOAP}}}Text"),
    )


def _fault_11(element: etree._Element) -> Fault:
    # SOAP 1.1 has one code; refinements follow a dot: "Client.DMPInvalidCertificate".
    code, *subcodes = _local(_text(element, "faultcode")).split(".")
    return Fault(
        code={"Client": "Sender", "Server": "Receiver"}.get(code, code),
        subcodes=tuple(subcodes),
        reason=_text(element, "faultstring"),
    )


def _text(parent: etree._Element | None, tag: str) -> str:
    element = None if parent is None else parent.find(tag)
    return "" if element is None else "".join(str(text) for text in element.itertext()).strip()


def _local(qualified_name: str) -> str:
    return qualified_name.rpartition(":")[2].strip()
