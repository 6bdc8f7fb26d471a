"""The XAdES 1.1.1 signature that a lot sent to the DMP must carry (DMP digest §2.5; IHE DSG, XAdES v1.1.1)."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pfi.standards.x509.identity import CertifiedKey, distinguished_name
from pfi.standards.xds.ebrim import xml_text
from pfi.standards.xmlsign.algorithms import DSIG, Digest
from pfi.standards.xmlsign.canonical import C14N_WITH_COMMENTS, canonical
from pfi.standards.xmlsign.signature import Reference, write_reference, write_signature

XADES: Final = "http://uri.etsi.org/01903/v1.1.1#"
PURPOSE: Final = "1.2.840.10065.1.12.1.14"
"""Purpose of the signature: source (ASTM E1762)."""

_SIGNATURE_ID: Final = "signatureLot"
_MANIFEST_ID: Final = "IHEManifest"
_PROPERTIES_ID: Final = "signedProperties"
_ONE_ZERO_BYTE: Final = base64.b64encode(b"\0").decode("ascii")


def sign_lot(
    submission_set_id: str,
    documents: Sequence[tuple[str, bytes]],
    key: CertifiedKey,
    *,
    signed_at: datetime,
    digest: Digest = Digest.SHA256,
    with_chain: bool = False,
) -> bytes:
    """The signature document.

    `documents` are (uniqueId, exact bytes) of XML documents: each is digested in its canonical form with comments,
    while the bytes travel unchanged. `with_chain` lists the issuers' certificates in SigningCertificate too.
    Raises SenderDataError when a document cannot be canonicalised.
    """
    references = [Reference(f"urn:oid:{submission_set_id}", _ONE_ZERO_BYTE)]
    references += [
        Reference(f"urn:oid:{unique_id}", digest.base64(canonical(content)), (C14N_WITH_COMMENTS,))
        for unique_id, content in documents
    ]
    manifest = "".join(write_reference(reference, digest) for reference in references) + "</ds:Manifest>"
    properties = _signed_properties(key, signed_at, digest, with_chain=with_chain)
    # What each reference designates, as canonicalisation sees it: with the namespaces inherited from its ancestors.
    manifest_digest = digest.base64(f'<ds:Manifest xmlns:ds="{DSIG}" Id="{_MANIFEST_ID}">{manifest}'.encode())
    properties_digest = digest.base64(
        f'<SignedProperties xmlns="{XADES}" xmlns:ds="{DSIG}" Id="{_PROPERTIES_ID}">{properties}'.encode()
    )
    objects = (
        f'<ds:Object><ds:Manifest Id="{_MANIFEST_ID}">{manifest}</ds:Object>'
        f'<ds:Object><ds:SignatureProperties><ds:SignatureProperty Id="purposeOfSignature" Target="#{_SIGNATURE_ID}">'
        f"{PURPOSE}</ds:SignatureProperty></ds:SignatureProperties></ds:Object>"
        f'<ds:Object><QualifyingProperties xmlns="{XADES}" Target="#{_SIGNATURE_ID}">'
        f'<SignedProperties Id="{_PROPERTIES_ID}">{properties}</QualifyingProperties></ds:Object>'
    )
    signature = write_signature(
        [
            Reference(f"#{_MANIFEST_ID}", manifest_digest, (C14N_WITH_COMMENTS,), type=f"{DSIG}Manifest"),
            Reference(f"#{_PROPERTIES_ID}", properties_digest, (C14N_WITH_COMMENTS,), type=f"{XADES}SignedProperties"),
        ],
        key,
        digest,
        canonicalization=C14N_WITH_COMMENTS,
        signature_id=_SIGNATURE_ID,
        objects=objects,
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{signature}'.encode()


def _signed_properties(key: CertifiedKey, signed_at: datetime, digest: Digest, *, with_chain: bool) -> str:
    certificates = (key.certificate, *key.chain) if with_chain else (key.certificate,)
    listed = "".join(_certificate(certificate, digest) for certificate in certificates)
    return (
        "<SignedSignatureProperties>"
        f"<SigningTime>{signed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</SigningTime>"
        f"<SigningCertificate>{listed}</SigningCertificate>"
        "<SignaturePolicyIdentifier><SignaturePolicyImplied></SignaturePolicyImplied></SignaturePolicyIdentifier>"
        "</SignedSignatureProperties></SignedProperties>"
    )


def _certificate(certificate: x509.Certificate, digest: Digest) -> str:
    der = certificate.public_bytes(serialization.Encoding.DER)
    # A text node of canonical XML: only & < > are escaped, quotes are not.
    issuer = xml_text(distinguished_name(certificate.issuer)).replace("&quot;", '"')
    return (
        f'<Cert><CertDigest><DigestMethod Algorithm="{digest.digest_uri}"></DigestMethod>'
        f"<DigestValue>{digest.base64(der)}</DigestValue></CertDigest>"
        f"<IssuerSerial><ds:X509IssuerName>{issuer}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{certificate.serial_number}</ds:X509SerialNumber></IssuerSerial></Cert>"
    )
