"""Verifies XML signatures with xmlsec: the VIHF and the signature of the lot (DMP digest §2.3 and §2.5).

xmlsec only tells that *some* signature over *some* element holds. What was signed, by whom and how is checked here
first, so that a signature that covers something else than what is used is refused.
"""

import base64
import binascii
import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import xmlsec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from lxml import etree

from connectors.sandbox.certificates import Usage, allows, distinguished_name
from pfi.standards.xml import XmlRefusedError, parse

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.1.1#"
_NS: Final = {"ds": DS, "xades": XADES}
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED: Final = f"{DS}enveloped-signature"
_C14N_COMMENTS: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"
_C14N: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_TRANSFORMS: Final = frozenset({_ENVELOPED, _EXCLUSIVE, f"{_EXCLUSIVE}WithComments", _C14N, _C14N_COMMENTS})
_MANIFEST_TYPE: Final = f"{DS}Manifest"
_PROPERTIES_TYPE: Final = f"{XADES}SignedProperties"
_SOURCE: Final = "1.2.840.10065.1.12.1.14"
_SHA256_RSA: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_SIGNATURE_METHODS: Final = frozenset({f"{DS}rsa-sha1", _SHA256_RSA, f"{_MORE}rsa-sha384", f"{_MORE}rsa-sha512"})
_DIGESTS: Final = {
    f"{DS}sha1": "sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    f"{_MORE}sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}


class BadSignatureError(ValueError):
    """The signature does not prove what it should: French sentence."""


class BadSignerError(BadSignatureError):
    """The signature holds, but its certificate may not sign here."""


@dataclass(frozen=True, slots=True)
class SignedLot:
    """What a lot signature covers: the manifest digests by `urn:oid:` URI, and the signer."""

    signer: x509.Certificate
    references: dict[str, etree._Element]


def verify_assertion(assertion: etree._Element, authority: x509.Certificate, now: datetime) -> x509.Certificate:
    """Verifies the enveloped signature of a SAML assertion and returns its certificate. Raises BadSignatureError."""
    identity = assertion.get("ID", "")
    signatures = assertion.findall("ds:Signature", _NS)
    if len(signatures) != 1 or len(list(assertion.iter(f"{{{DS}}}Signature"))) != 1:
        raise BadSignatureError("il faut exactement une signature, enfant direct de l'assertion")
    signature = signatures[0]
    children = list(assertion.iterchildren("{*}*"))
    if children.index(signature) != 1:
        raise BadSignatureError("la signature doit suivre immédiatement Issuer")
    if not identity or _bearers(assertion.getroottree().getroot(), identity) != 1:
        raise BadSignatureError("l'identifiant de l'assertion n'est pas unique dans le message")
    _method(signature, frozenset({_EXCLUSIVE}))
    references = signature.findall("ds:SignedInfo/ds:Reference", _NS)
    if len(references) != 1 or references[0].get("URI") != f"#{identity}":
        raise BadSignatureError("la référence signée n'est pas l'assertion elle-même")
    if _transforms(references[0]) != [_ENVELOPED, _EXCLUSIVE]:
        raise BadSignatureError("transformations attendues : enveloped-signature puis C14N exclusive")
    if signature.findall("ds:Object", _NS):
        raise BadSignatureError("la signature du VIHF ne contient pas d'Object")
    certificate = _certificate(signature)
    _verify(signature, certificate, [(assertion, "ID")])
    check_signer(certificate, authority, now)
    return certificate


def verify_lot(content: bytes, authority: x509.Certificate, now: datetime) -> SignedLot:
    """Verifies the XAdES signature of a lot, up to its manifest. Raises BadSignatureError.

    The digests of the manifest are then to be compared by `matches_manifest`.
    """
    root = _parse_with_comments(content)
    if root.tag != f"{{{DS}}}Signature" or not root.get("Id"):
        raise BadSignatureError("la signature du lot doit être un ds:Signature avec un Id")
    _method(root, frozenset({_C14N_COMMENTS}))
    manifest = _only(root, "ds:Object/ds:Manifest[@Id='IHEManifest']", "manifeste IHEManifest")
    qualifying = _only(root, "ds:Object/xades:QualifyingProperties", "QualifyingProperties XAdES 1.1.1")
    if qualifying.get("Target", "").removeprefix("#") != root.get("Id"):
        raise BadSignatureError("QualifyingProperties ne vise pas cette signature")
    properties = _only(qualifying, "xades:SignedProperties", "SignedProperties")
    covered = {one.get("Type", ""): one.get("URI", "") for one in root.findall("ds:SignedInfo/ds:Reference", _NS)}
    if len(root.findall("ds:SignedInfo/ds:Reference", _NS)) != 2 or covered != {
        _MANIFEST_TYPE: "#IHEManifest",
        _PROPERTIES_TYPE: f"#{properties.get('Id', '')}",
    }:
        raise BadSignatureError("SignedInfo doit porter sur le manifeste et sur SignedProperties")
    identities = [one.get("Id") for one in root.iter("{*}*") if one.get("Id")]
    if len(identities) != len(set(identities)):
        raise BadSignatureError("identifiants répétés dans la signature")
    purpose = _only(root, "ds:Object/ds:SignatureProperties/ds:SignatureProperty[@Id='purposeOfSignature']", "but")
    if purpose.get("Target") != f"#{root.get('Id')}" or "".join(map(str, purpose.itertext())).strip() != _SOURCE:
        raise BadSignatureError("but de la signature différent de Source")
    certificate = _certificate(root)
    _signed_properties(properties, certificate, now)
    _verify(root, certificate, [(manifest, "Id"), (properties, "Id")])
    check_signer(certificate, authority, now)
    references = {one.get("URI", ""): one for one in manifest.findall("ds:Reference", _NS)}
    if len(references) != len(manifest.findall("ds:Reference", _NS)):
        raise BadSignatureError("référence répétée dans le manifeste")
    return SignedLot(certificate, references)


def is_null_digest(reference: etree._Element) -> bool:
    """Whether a manifest reference carries the digest of the submission set: one zero byte."""
    return _digest_value(reference) == b"\x00" and _transforms(reference) == []


def matches_manifest(reference: etree._Element, content: bytes) -> bool:
    """Whether a manifest reference holds for a document: C14N with comments for XML, the bytes themselves otherwise."""
    transforms = _transforms(reference)
    if transforms == [_C14N_COMMENTS]:
        tree = _parse_with_comments(content).getroottree()
        data = etree.tostring(tree, method="c14n", exclusive=False, with_comments=True)
    elif transforms == []:
        data = content
    else:
        return False
    return hashlib.new(_digest_name(reference), data, usedforsecurity=False).digest() == _digest_value(reference)


def _bearers(root: etree._Element, identity: str) -> int:
    """How many elements carry this value in an attribute that any reader could take for an identifier."""
    return sum(
        1
        for element in root.iter("{*}*")
        if any(etree.QName(name).localname.lower() == "id" and value == identity for name, value in element.items())
    )


def check_signer(certificate: x509.Certificate, authority: x509.Certificate, now: datetime) -> None:
    """Whether the certificate is an ORG_SIGN of the sandbox's authority, in its dates. Raises BadSignerError."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        raise BadSignerError("certificat de signature qui n'est pas émis par l'autorité attendue") from None
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise BadSignerError("certificat de signature périmé")
    if not allows(certificate, Usage.SIGN):
        raise BadSignerError("le certificat n'est pas un certificat de signature (ORG_SIGN)")


def _verify(
    signature: etree._Element, certificate: x509.Certificate, identified: list[tuple[etree._Element, str]]
) -> None:
    """Runs xmlsec with the key of the certificate already chosen: keys named by the message are never trusted."""
    pem = certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with _xmlsec_lock:
        _without_external_references()
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)
        for element, attribute in identified:
            context.register_id(element, attribute)
        try:
            context.verify(signature)
        except xmlsec.Error:
            raise BadSignatureError("la signature ne correspond pas au contenu signé") from None


_xmlsec_lock: Final = threading.Lock()


def _without_external_references() -> None:
    """xmlsec follows the references of a manifest; they name documents that are not files (`urn:oid:`).

    Every URI is answered by a constant document: nothing outside is ever opened, and the result does not count, since
    manifests are checked by `matches_manifest`. Installed before each use: callbacks belong to the whole process, and
    anybody in it may have changed them.
    """
    xmlsec.cleanup_callbacks()
    xmlsec.register_callbacks(lambda _uri: True, lambda _uri: [b"<x/>"], _read_constant, lambda _stream: None)


def _read_constant(stream: list[bytes], buffer: memoryview) -> int:
    if not stream:
        return 0
    data = stream.pop()
    buffer[: len(data)] = data
    return len(data)


def _method(signature: etree._Element, canonicalizations: frozenset[str]) -> None:
    canonicalization = signature.find("ds:SignedInfo/ds:CanonicalizationMethod", _NS)
    if canonicalization is None or canonicalization.get("Algorithm") not in canonicalizations:
        raise BadSignatureError("méthode de canonicalisation inattendue")
    method = signature.find("ds:SignedInfo/ds:SignatureMethod", _NS)
    if method is None or method.get("Algorithm") not in _SIGNATURE_METHODS:
        raise BadSignatureError("méthode de signature inattendue")
    for reference in signature.findall("ds:SignedInfo/ds:Reference", _NS):
        _digest_name(reference)
        if not reference.get("URI", "").startswith("#"):
            raise BadSignatureError("référence signée hors du document")
        if not set(_transforms(reference)) <= _TRANSFORMS:
            raise BadSignatureError("transformation inattendue dans SignedInfo")


def _certificate(signature: etree._Element) -> x509.Certificate:
    found = signature.findall("ds:KeyInfo/ds:X509Data/ds:X509Certificate", _NS)
    if not found:
        raise BadSignatureError("KeyInfo sans X509Certificate")
    try:
        return x509.load_der_x509_certificate(base64.b64decode("".join((found[0].text or "").split()), validate=True))
    except ValueError:
        raise BadSignatureError("certificat de KeyInfo illisible") from None


def _signed_properties(properties: etree._Element, certificate: x509.Certificate, now: datetime) -> None:
    """SigningTime near now, SigningCertificate that is the one of KeyInfo, SignaturePolicyImplied."""
    signed = _only(properties, "xades:SignedSignatureProperties", "SignedSignatureProperties")
    time = _only(signed, "xades:SigningTime", "SigningTime").text or ""
    try:
        moment = datetime.fromisoformat(time.strip())
    except ValueError:
        raise BadSignatureError("SigningTime illisible") from None
    if moment.tzinfo is None or (moment - now).total_seconds() > 300:
        raise BadSignatureError("SigningTime sans fuseau horaire, ou dans l'avenir")
    _only(signed, "xades:SignaturePolicyIdentifier/xades:SignaturePolicyImplied", "SignaturePolicyImplied")
    leaf = signed.find("xades:SigningCertificate/xades:Cert", _NS)
    if leaf is None:
        raise BadSignatureError("SigningCertificate absent")
    # XAdES 1.1.1 qualifies CertDigest's children with its own namespace, later versions with that of XML-DSig.
    values = {etree.QName(one).localname: one for one in leaf.iter("{*}*")}
    try:
        algorithm = _DIGESTS[values["DigestMethod"].get("Algorithm", "")]
        digest = base64.b64decode((values["DigestValue"].text or "").strip(), validate=True)
        serial = int((values["X509SerialNumber"].text or "").strip())
        issuer = distinguished_name(values["X509IssuerName"].text or "")
    except (KeyError, ValueError):
        raise BadSignatureError("SigningCertificate incomplet ou illisible") from None
    der = certificate.public_bytes(serialization.Encoding.DER)
    if digest != hashlib.new(algorithm, der, usedforsecurity=False).digest():
        raise BadSignatureError("SigningCertificate ne désigne pas le certificat de KeyInfo")
    if serial != certificate.serial_number or issuer != certificate.issuer:
        raise BadSignatureError("émetteur ou numéro de série de SigningCertificate différents du certificat")


def _transforms(reference: etree._Element) -> list[str]:
    return [one.get("Algorithm", "") for one in reference.findall("ds:Transforms/ds:Transform", _NS)]


def _digest_name(reference: etree._Element) -> str:
    method = reference.find("ds:DigestMethod", _NS)
    name = _DIGESTS.get(method.get("Algorithm", "") if method is not None else "")
    if name is None:
        raise BadSignatureError("algorithme d'empreinte inattendu")
    return name


def _digest_value(reference: etree._Element) -> bytes:
    text = reference.findtext("ds:DigestValue", "", _NS)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise BadSignatureError("empreinte qui n'est pas en base64") from None


def _only(element: etree._Element, path: str, what: str) -> etree._Element:
    found = element.findall(path, _NS)
    if len(found) != 1:
        raise BadSignatureError(f"signature du lot : {what} absent ou répété")
    return found[0]


def _parse_with_comments(content: bytes) -> etree._Element:
    """The document with its comments, which C14N with comments covers; `parse` has vetted the same bytes before."""
    try:
        parse(content)
    except XmlRefusedError as refused:
        raise BadSignatureError(f"XML illisible : {refused.code}") from None
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=len(content) > 9_000_000
    )
    return etree.fromstring(content, parser)
