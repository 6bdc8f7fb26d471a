"""VIHF in both indirect authentications, plain and reinforced (AIR): a signed SAML 2.0 assertion (DMP digest §2.3)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from pfi.model.document import CodedValue
from pfi.standards.x509.identity import CertifiedKey
from pfi.standards.xds.ebrim import xml_text
from pfi.standards.xmlsign.algorithms import Digest
from pfi.standards.xmlsign.canonical import EXCLUSIVE_C14N, exclusive
from pfi.standards.xmlsign.signature import Reference, write_signature

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
HL7: Final = "urn:hl7-org:v3"

_NAME_FORMAT: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"
_ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_XS: Final = "http://www.w3.org/2001/XMLSchema"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"

_SUBJECT_ID: Final = "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
_ROLE: Final = "urn:oasis:names:tc:xacml:2.0:subject:role"
_RESOURCE_ID: Final = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
_PURPOSE: Final = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
_CONFIDENTIALITY: Final = "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code"


class Mode(StrEnum):
    """Who was authenticated, and by whom. `REINFORCED` (AIR): the establishment also declares the primary
    authentication of its users."""

    INDIRECT = "INDIRECTE"
    REINFORCED = "INDIRECTE_RENFORCEE"
    DIRECT = "DIRECTE"
    """The professional's own certificates: to consult, never to feed."""


# Purpose of use, the only one of a feed.
NORMAL_ACCESS: Final = CodedValue("normal", "Accès normal", "1.2.250.1.213.1.1.4.248")


@dataclass(frozen=True, slots=True)
class Vihf:
    """What one assertion says. A fresh one is made for every call.

    `structure` is Struct_IdNat (`1` + FINESS géographique), `sector` `SAxx^1.2.250.1.71.4.2.4`, `resource_id` the INS
    as `INS^^^&oid&ISO^NH`. `roles`: profession, then speciality where one is mandatory. `name_id` identifies the
    professional, or who is responsible for the automated flow. `lifetime` bounds the validity when given. `declaration`
    is the primary authentication that AIR declares; plain indirect authentication says nothing of it.
    """

    assertion_id: str
    issued_at: datetime
    name_id: str
    subject: str
    structure: str
    sector: str
    resource_id: str = field(repr=False)
    roles: tuple[CodedValue, ...]
    product_name: str
    product_version: str
    homologation: str = field(repr=False)
    version: str = "3.0"
    mode: Mode = Mode.INDIRECT
    mode_attribute: str = "Authentification_Mode"
    authentication_class: str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
    declaration: str = ""
    purpose: CodedValue = NORMAL_ACCESS
    purpose_system_name: str = "mode acces VIHF 1.0"
    product_id: str = ""
    confidentiality: str = ""
    lifetime: timedelta | None = None


def write_assertion(vihf: Vihf, key: CertifiedKey, digest: Digest = Digest.SHA256) -> bytes:
    """The signed assertion, to be inserted untouched in a SOAP header. `key` is the ORG_SIGN certificate's."""
    issued = _instant(vihf.issued_at)
    head = (
        f'<saml2:Assertion xmlns:saml2="{SAML}" ID="{xml_text(vihf.assertion_id)}" IssueInstant="{issued}" '
        f'Version="2.0"><saml2:Issuer Format="{_NAME_FORMAT}">{xml_text(key.subject)}</saml2:Issuer>'
    )
    body = (
        f"<saml2:Subject><saml2:NameID>{xml_text(vihf.name_id)}</saml2:NameID></saml2:Subject>"
        f"{_conditions(vihf)}"
        f'<saml2:AuthnStatement AuthnInstant="{issued}"><saml2:AuthnContext><saml2:AuthnContextClassRef>'
        f"{xml_text(vihf.authentication_class)}</saml2:AuthnContextClassRef>{_declaration(vihf)}"
        "</saml2:AuthnContext></saml2:AuthnStatement>"
        f"<saml2:AttributeStatement>{_attributes(vihf)}</saml2:AttributeStatement></saml2:Assertion>"
    )
    reference = Reference(
        uri=f"#{vihf.assertion_id}",
        digest_value=digest.base64(exclusive(f"{head}{body}".encode())),
        transforms=(_ENVELOPED, EXCLUSIVE_C14N),
    )
    signature = write_signature([reference], key, digest, canonicalization=EXCLUSIVE_C14N)
    return f"{head}{signature}{body}".encode()


def _conditions(vihf: Vihf) -> str:
    """No AudienceRestriction, ever; the interval is optional."""
    if vihf.lifetime is None:
        return ""
    end = _instant(vihf.issued_at + vihf.lifetime)
    return f'<saml2:Conditions NotBefore="{_instant(vihf.issued_at)}" NotOnOrAfter="{end}"></saml2:Conditions>'


def _declaration(vihf: Vihf) -> str:
    """In AIR only, as every public client writes it: a mere text."""
    if vihf.mode is not Mode.REINFORCED:
        return ""
    return f"<saml2:AuthnContextDecl>{xml_text(vihf.declaration)}</saml2:AuthnContextDecl>"


def _attributes(vihf: Vihf) -> str:
    texts = [
        ("VIHF_Version", vihf.version),
        (vihf.mode_attribute, vihf.mode),
        ("Identifiant_Structure", vihf.structure),
        ("Secteur_Activite", vihf.sector),
        (_SUBJECT_ID, vihf.subject),
        (_RESOURCE_ID, vihf.resource_id),
        ("Ressource_URN", "urn:dmp"),
        (_CONFIDENTIALITY, vihf.confidentiality),
        ("LPS_ID", vihf.product_id),
        ("LPS_Nom", vihf.product_name),
        ("LPS_Version", vihf.product_version),
        ("LPS_ID_HOMOLOGATION_DMP", vihf.homologation),
    ]
    written = [_attribute(name, _string(value)) for name, value in texts if value]
    written.append(_attribute(_ROLE, *(_coded("Role", role) for role in vihf.roles)))
    written.append(_attribute(_PURPOSE, _coded("PurposeOfUse", vihf.purpose, vihf.purpose_system_name)))
    return "".join(written)


def _attribute(name: str, *values: str) -> str:
    return f'<saml2:Attribute Name="{xml_text(name)}">{"".join(values)}</saml2:Attribute>'


def _string(value: str) -> str:
    # `xs` only occurs inside an attribute value: exclusive C14N would forget a declaration made higher up.
    return (
        f'<saml2:AttributeValue xmlns:xs="{_XS}" xmlns:xsi="{_XSI}" xsi:type="xs:string">'
        f"{xml_text(value)}</saml2:AttributeValue>"
    )


def _coded(element: str, code: CodedValue, system_name: str = "") -> str:
    name = f' codeSystemName="{xml_text(system_name)}"' if system_name else ""
    return (
        f'<saml2:AttributeValue><{element} xmlns="{HL7}" xmlns:xsi="{_XSI}" xsi:type="CE" '
        f'code="{xml_text(code.code)}" codeSystem="{xml_text(code.system)}"{name} '
        f'displayName="{xml_text(code.label)}"/></saml2:AttributeValue>'
    )


def _instant(moment: datetime) -> str:
    """UTC, to the millisecond."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
