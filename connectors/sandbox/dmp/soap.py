"""SOAP 1.2 with WS-Addressing 2005/08 (DMP digest §2.2): reads requests, writes answers and faults."""

import uuid
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from pfi.standards.xml import XmlRefusedError, parse

ENV: Final = "http://www.w3.org/2003/05/soap-envelope"
WSA: Final = "http://www.w3.org/2005/08/addressing"
WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
_NS: Final = {"env": ENV, "wsa": WSA, "wsse": WSSE, "saml": SAML}
_ANONYMOUS: Final = f"{WSA}/anonymous"
_FAULT_ACTION: Final = f"{WSA}/fault"


class SoapFaultError(Exception):
    """The request is answered by a SOAP fault `env:Sender`.

    `subcode` is a local name: one of WS-Security 1.0 (`FailedCheck`...), of WS-Addressing, or `DMPInvalidCertificate`,
    the only sub-code of the DMP itself that public material shows. Empty = a message that is not understood.
    """

    def __init__(self, subcode: str, reason: str) -> None:
        super().__init__(f"{subcode}: {reason}")
        self.subcode = subcode
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """A request whose addressing is in order. `assertion` and `body` are elements of the same tree."""

    action: str
    message_id: str
    assertion: etree._Element
    body: etree._Element


def read_envelope(content: bytes, actions: frozenset[str]) -> Envelope:
    """Reads a request and checks its SOAP and addressing headers. Raises SoapFaultError."""
    try:
        root = parse(content)
    except XmlRefusedError as refused:
        raise SoapFaultError("", f"enveloppe illisible : {refused.code}") from None
    if root.tag != f"{{{ENV}}}Envelope":
        raise SoapFaultError("", "SOAP 1.2 attendu")
    children = [child.tag for child in root.iterchildren("{*}*")]
    if children != [f"{{{ENV}}}Header", f"{{{ENV}}}Body"]:
        raise SoapFaultError("", "l'enveloppe doit contenir un Header puis un Body")
    header, body = root[0], root[-1]
    bodies = list(body.iterchildren("{*}*"))
    if len(bodies) != 1:
        raise SoapFaultError("", "le Body doit contenir exactement un élément")
    action = _required(header, "Action")
    if action not in actions:
        raise SoapFaultError("ActionNotSupported", "action inconnue de ce service")
    message_id = _required(header, "MessageID")
    try:
        well_formed = message_id.startswith("urn:uuid:") and bool(uuid.UUID(message_id[9:]))
    except ValueError:
        well_formed = False
    if not well_formed:
        raise SoapFaultError("InvalidAddressingHeader", "MessageID doit être un urn:uuid")
    if len(header.findall("wsa:To", _NS)) != 1:
        raise SoapFaultError("MessageAddressingHeaderRequired", "en-tête To absent ou répété")
    reply_to = header.find("wsa:ReplyTo", _NS)
    if reply_to is None:
        raise SoapFaultError("MessageAddressingHeaderRequired", "en-tête ReplyTo absent")
    if reply_to.findtext("wsa:Address", "", _NS).strip() != _ANONYMOUS:
        raise SoapFaultError("InvalidAddressingHeader", "ReplyTo doit être anonyme")
    for name in ("Action", "ReplyTo"):
        element = header.find(f"wsa:{name}", _NS)
        if element is None or element.get(f"{{{ENV}}}mustUnderstand") not in ("1", "true"):
            raise SoapFaultError("InvalidAddressingHeader", f"{name} sans mustUnderstand")
    return Envelope(action, message_id, _assertion(root, header), bodies[0])


def write_answer(body: str, *, action: str, relates_to: str) -> bytes:
    """An answer envelope around an XML body that is already written."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="{ENV}" xmlns:wsa="{WSA}"><env:Header>'
        f'<wsa:Action env:mustUnderstand="true">{escape(action)}</wsa:Action>'
        f"<wsa:MessageID>urn:uuid:{uuid.uuid4()}</wsa:MessageID>"
        f"<wsa:RelatesTo>{escape(relates_to)}</wsa:RelatesTo></env:Header>"
        f"<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


def write_fault(fault: SoapFaultError, *, relates_to: str) -> bytes:
    """A SOAP 1.2 fault. The sub-code is a QName of WS-Security, WS-Addressing or the DMP."""
    if fault.subcode.startswith("DMP"):
        prefix, namespace = "dmp", "urn:dmp"
    elif fault.subcode.startswith("XDS"):
        prefix, namespace = "ihe", "urn:ihe:iti:xds-b:2007"
    elif fault.subcode.startswith(("Action", "InvalidAddressing", "MessageAddressing")):
        prefix, namespace = "wsa", WSA
    else:
        prefix, namespace = "wsse", WSSE
    subcode = (
        f"<env:Subcode><env:Value xmlns:{prefix}={quoteattr(namespace)}>{prefix}:{fault.subcode}</env:Value>"
        "</env:Subcode>"
        if fault.subcode
        else ""
    )
    body = (
        f"<env:Fault><env:Code><env:Value>env:Sender</env:Value>{subcode}</env:Code>"
        f'<env:Reason><env:Text xml:lang="fr">{escape(fault.reason)}</env:Text></env:Reason></env:Fault>'
    )
    return write_answer(body, action=_FAULT_ACTION, relates_to=relates_to)


def message_id_of(content: bytes) -> str:
    """MessageID of a request that may be malformed: what a fault can relate to, else empty."""
    try:
        return parse(content).findtext("env:Header/wsa:MessageID", "", _NS).strip()
    except XmlRefusedError:
        return ""


def _required(header: etree._Element, name: str) -> str:
    found = header.findall(f"wsa:{name}", _NS)
    if len(found) != 1:
        raise SoapFaultError("MessageAddressingHeaderRequired", f"en-tête {name} absent ou répété")
    return (found[0].text or "").strip()


def _assertion(root: etree._Element, header: etree._Element) -> etree._Element:
    """The only assertion of the message, alone in the only Security header (DMP digest §2.2).

    Any other assertion anywhere in the envelope is refused: it is how a signature is wrapped.
    """
    security = header.findall("wsse:Security", _NS)
    if len(security) != 1:
        raise SoapFaultError("InvalidSecurity", "en-tête Security absent ou répété")
    children = list(security[0].iterchildren("{*}*"))
    if len(children) != 1 or children[0].tag != f"{{{SAML}}}Assertion":
        raise SoapFaultError("InvalidSecurity", "l'en-tête Security doit contenir le VIHF et lui seul")
    if len(list(root.iter(f"{{{SAML}}}Assertion"))) != 1:
        raise SoapFaultError("FailedCheck", "plusieurs assertions dans le message")
    return children[0]
