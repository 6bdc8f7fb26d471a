"""Who asks the DMP in the tests of the sandbox: the ORG_SIGN pair, what it signs, and its assertion (VIHF)."""

import base64
import hashlib
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from xml.sax.saxutils import escape

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from connectors.sandbox.certificates import CertificateFiles
from tests.integration.sandbox.cda_sample import INS_OID, MATRICULE
from tests.integration.sandbox.dmp_edits import Edit, same

DS = "http://www.w3.org/2000/09/xmldsig#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
STRUCTURE = "1990000025"


@dataclass(frozen=True)
class Signer:
    """The ORG_SIGN pair of a test."""

    certificate: bytes
    key: bytes

    @classmethod
    def load(cls, files: CertificateFiles) -> "Signer":
        return cls(files.certificate.read_bytes(), files.key.read_bytes())

    @property
    def x509(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate)

    @property
    def base64_der(self) -> str:
        return base64.b64encode(self.x509.public_bytes(serialization.Encoding.DER)).decode()


def sign_assertion(xml: str, signer: Signer) -> str:
    """Fills the enveloped signature template of an assertion."""
    root = etree.fromstring(xml.encode())
    signature = root.find(f".//{{{DS}}}Signature")
    assert signature is not None
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(signer.key, xmlsec.constants.KeyDataFormatPem)
    context.register_id(root, "ID")
    context.sign(signature)
    return etree.tostring(root, encoding="unicode")


def sign_lot(xml: str, signer: Signer) -> str:
    """Fills the XAdES template. Not by xmlsec, which would digest by itself the documents that the manifest names."""
    signature = etree.fromstring(xml.encode())
    for reference in signature.findall(f"{{{DS}}}SignedInfo/{{{DS}}}Reference"):
        identity = (reference.get("URI") or "").removeprefix("#")
        target = next(one for one in signature.iter("{*}*") if one.get("Id") == identity)
        value = reference.find(f"{{{DS}}}DigestValue")
        assert value is not None
        value.text = base64.b64encode(hashlib.sha256(_c14n(target, comments=False)).digest()).decode()
    info = signature.find(f"{{{DS}}}SignedInfo")
    holder = signature.find(f"{{{DS}}}SignatureValue")
    assert info is not None
    assert holder is not None
    signed = _private_key(signer.key).sign(_c14n(info, comments=True), padding.PKCS1v15(), hashes.SHA256())
    holder.text = base64.b64encode(signed).decode()
    return etree.tostring(signature, encoding="unicode")


def _c14n(element: etree._Element, *, comments: bool) -> bytes:
    # The signature declares every prefix on its root and nothing else uses others: canonical forms are self-contained.
    return etree.tostring(element, method="c14n", with_comments=comments, exclusive=False, with_tail=False)


@cache
def _private_key(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class Assertion:
    """A VIHF; every field can be made wrong."""

    identity: str = field(default_factory=lambda: f"_{uuid.uuid4().hex}")
    issued: datetime = field(default_factory=lambda: datetime.now(UTC))
    structure: str = STRUCTURE
    resource: str = f"{MATRICULE}^^^&{INS_OID}&ISO^NH"
    name_id: str = "801234567897"
    issuer: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    """Replaces (or, with an empty value, removes) an attribute by its name; the value is XML."""
    signed: bool = True
    edit: Edit = same
    """Changes the text before it is signed."""

    def write(self, signer: Signer) -> str:
        values = {
            "VIHF_Version": "3.0",
            "Authentification_Mode": "INDIRECTE",
            "Identifiant_Structure": self.structure,
            "Secteur_Activite": "SA01^1.2.250.1.71.4.2.4",
            "urn:oasis:names:tc:xspa:1.0:subject:subject-id": "PFI automate",
            "urn:oasis:names:tc:xacml:2.0:subject:role": (
                '<Role xmlns="urn:hl7-org:v3" xsi:type="CE" code="AUTOMATE" codeSystem="1.2.250.1.213.1.1.4.6"/>'
            ),
            "urn:oasis:names:tc:xacml:2.0:resource:resource-id": escape(self.resource),
            "Ressource_URN": "urn:dmp",
            "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse": (
                '<PurposeOfUse xmlns="urn:hl7-org:v3" xsi:type="CE" code="normal" '
                'codeSystem="1.2.250.1.213.1.1.4.248"/>'
            ),
            "LPS_Nom": "PFI",
            "LPS_Version": "0.1",
            "LPS_ID_HOMOLOGATION_DMP": "HOMOLOGATION-DE-TEST",
        }
        values.update(self.attributes)
        attributes = "".join(
            f'<saml:Attribute Name="{name}"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>'
            for name, value in values.items()
            if value
        )
        issuer = self.issuer or signer.x509.subject.rfc4514_string()
        moment = instant(self.issued)
        signature = _ENVELOPED.format(identity=self.identity, certificate=signer.base64_der) if self.signed else ""
        xml = (
            '<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" '
            f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="{self.identity}" Version="2.0" '
            f'IssueInstant="{moment}"><saml:Issuer Format="urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName">'
            f"{escape(issuer)}</saml:Issuer>{signature}"
            f"<saml:Subject><saml:NameID>{self.name_id}</saml:NameID></saml:Subject>"
            f'<saml:AuthnStatement AuthnInstant="{moment}"><saml:AuthnContext><saml:AuthnContextClassRef>'
            "urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>"
            f"</saml:AuthnStatement><saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>"
        )
        xml = self.edit(xml)
        return sign_assertion(xml, signer) if self.signed else xml


_ENVELOPED = (
    f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
    f'<ds:SignatureMethod Algorithm="{RSA_SHA256}"/><ds:Reference URI="#{{identity}}"><ds:Transforms>'
    f'<ds:Transform Algorithm="{DS}enveloped-signature"/><ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>'
    f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>'
    "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    "</ds:Signature>"
)


def professional(mode: str = "INDIRECTE_RENFORCEE", **changes: object) -> Assertion:
    """The VIHF of a doctor: in AIR, the establishment declares how the user was authenticated."""
    end = "</saml:AuthnContextClassRef>"
    declared = f"{end}<saml:AuthnContextDecl>CONF_EXI_PGSSIS</saml:AuthnContextDecl>"
    roles = "".join(
        f'<saml:AttributeValue><Role xmlns="urn:hl7-org:v3" xsi:type="CE" code="{code}" codeSystem="{system}"/>'
        "</saml:AttributeValue>"
        for code, system in (("10", "1.2.250.1.71.1.2.7"), ("SM26", "1.2.250.1.71.4.2.5"))
    )
    inner = roles.removeprefix("<saml:AttributeValue>").removesuffix("</saml:AttributeValue>")
    attributes = {"Authentification_Mode": mode, "urn:oasis:names:tc:xacml:2.0:subject:role": inner}
    edit: Edit = (lambda text: text.replace(end, declared)) if mode == "INDIRECTE_RENFORCEE" else same
    return replace(Assertion(attributes=attributes, edit=edit), **changes)  # type: ignore[arg-type] # fields of Assertion
