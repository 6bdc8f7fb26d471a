"""Digest and signature algorithms, chosen together by one switch (DMP digest §2.3 and §2.5)."""

import base64
import hashlib
from enum import StrEnum

from cryptography.hazmat.primitives import hashes

DSIG = "http://www.w3.org/2000/09/xmldsig#"


class Digest(StrEnum):
    """`SHA1` is only for a peer that has not moved on: every public sample of 2019-2022 uses it. `SHA384` and `SHA512`
    are for one that has moved further (RFC 9231 §2.1, §2.3)."""

    SHA256 = "sha256"
    SHA1 = "sha1"
    SHA384 = "sha384"
    SHA512 = "sha512"

    @property
    def digest_uri(self) -> str:
        return _DIGEST_URIS[self]

    @property
    def signature_uri(self) -> str:
        """RSA with this digest."""
        return _SIGNATURE_URIS[self]

    @property
    def hash_algorithm(self) -> hashes.HashAlgorithm:
        return _HASHES[self]()

    def base64(self, data: bytes) -> str:
        """Digest of the data, as a `ds:DigestValue`."""
        return base64.b64encode(hashlib.new(self.value, data, usedforsecurity=False).digest()).decode("ascii")


_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_HASHES: dict[Digest, type[hashes.HashAlgorithm]] = {
    Digest.SHA256: hashes.SHA256,
    Digest.SHA1: hashes.SHA1,  # a peer may require it
    Digest.SHA384: hashes.SHA384,
    Digest.SHA512: hashes.SHA512,
}
_DIGEST_URIS = {
    Digest.SHA256: "http://www.w3.org/2001/04/xmlenc#sha256",
    Digest.SHA384: f"{_MORE}sha384",
    Digest.SHA512: "http://www.w3.org/2001/04/xmlenc#sha512",
    Digest.SHA1: f"{DSIG}sha1",
}
_SIGNATURE_URIS = {
    Digest.SHA256: f"{_MORE}rsa-sha256",
    Digest.SHA384: f"{_MORE}rsa-sha384",
    Digest.SHA512: f"{_MORE}rsa-sha512",
    Digest.SHA1: f"{DSIG}rsa-sha1",
}
