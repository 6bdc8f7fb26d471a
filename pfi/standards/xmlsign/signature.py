"""`ds:Signature` written directly in canonical form: what is hashed is what is sent, byte for byte.

Canonical form here means: double quotes, no self-closed element, attributes in order, no white space between elements.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from pfi.standards.x509.identity import CertifiedKey
from pfi.standards.xmlsign.algorithms import DSIG, Digest


@dataclass(frozen=True, slots=True)
class Reference:
    """One `ds:Reference`; `digest_value` is base64."""

    uri: str
    digest_value: str
    transforms: tuple[str, ...] = ()
    type: str = ""


def write_reference(reference: Reference, digest: Digest) -> str:
    """A `ds:Reference` without namespace declaration."""
    kind = f' Type="{reference.type}"' if reference.type else ""
    transforms = "".join(f'<ds:Transform Algorithm="{uri}"></ds:Transform>' for uri in reference.transforms)
    if transforms:
        transforms = f"<ds:Transforms>{transforms}</ds:Transforms>"
    return (
        f'<ds:Reference{kind} URI="{reference.uri}">{transforms}'
        f'<ds:DigestMethod Algorithm="{digest.digest_uri}"></ds:DigestMethod>'
        f"<ds:DigestValue>{reference.digest_value}</ds:DigestValue></ds:Reference>"
    )


def write_signature(
    references: Sequence[Reference],
    key: CertifiedKey,
    digest: Digest,
    *,
    canonicalization: str,
    signature_id: str = "",
    objects: str = "",
) -> str:
    """A whole `ds:Signature`: SignedInfo, value, leaf certificate, then `objects` as they are.

    The element must be the root of its document, or stand where no other namespace is in scope, unless
    `canonicalization` is exclusive: the digests above suppose that `ds` alone is.
    """
    signed_info = (
        f'<ds:CanonicalizationMethod Algorithm="{canonicalization}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{digest.signature_uri}"></ds:SignatureMethod>'
        + "".join(write_reference(reference, digest) for reference in references)
        + "</ds:SignedInfo>"
    )
    # Canonicalised alone, SignedInfo carries the declaration that it inherits from ds:Signature.
    to_sign = f'<ds:SignedInfo xmlns:ds="{DSIG}">{signed_info}'.encode()
    value = base64.b64encode(key.sign(to_sign, digest.hash_algorithm)).decode("ascii")
    certificate = base64.b64encode(key.der).decode("ascii")
    identifier = f' Id="{signature_id}"' if signature_id else ""
    return (
        f'<ds:Signature xmlns:ds="{DSIG}"{identifier}><ds:SignedInfo>{signed_info}'
        f"<ds:SignatureValue>{value}</ds:SignatureValue>"
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        f"{objects}</ds:Signature>"
    )
