"""Our certificates go up to an authority that the site trusts, through authorities that may issue."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from pfi.model.errors import ConfigurationError
from pfi.standards.x509.chain import check_chain, read_authorities

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Node:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


@cache
def key(number: int) -> rsa.RSAPrivateKey:
    assert number >= 0
    return rsa.generate_private_key(65537, 2048)


def make(name: str, number: int, issuer: Node | None = None, **how: Any) -> Node:
    """`how`: `ca`, `path_length`, `cert_sign`, `start`, `end`, `bare` (no extension)."""
    own = key(number)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(how.get("start", NOW - timedelta(days=10)))
        .not_valid_after(how.get("end", NOW + timedelta(days=10)))
    )
    if not how.get("bare"):
        builder = builder.add_extension(
            x509.BasicConstraints(ca=how.get("ca", True), path_length=how.get("path_length")), critical=True
        )
    if "cert_sign" in how:
        usage = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": how["cert_sign"]}), critical=True)
    return Node(builder.sign((issuer.key if issuer else own), hashes.SHA256()), own)


ROOT = make("AC racine", 0)
MIDDLE = make("AC intermédiaire", 1, ROOT)
LEAF = make("PFI", 2, MIDDLE, ca=False)


def chain(leaf: Node, between: list[Node], trusted: list[Node]) -> list[x509.Certificate]:
    issuers = check_chain(
        leaf.certificate,
        [each.certificate for each in between],
        [each.certificate for each in trusted],
        subject="certificat",
        now=NOW,
    )
    return list(issuers)


def test_a_chain_goes_up_to_the_root() -> None:
    assert chain(LEAF, [MIDDLE], [ROOT]) == [MIDDLE.certificate, ROOT.certificate]


def test_an_intermediate_authority_may_be_trusted_by_itself() -> None:
    assert chain(LEAF, [], [MIDDLE]) == [MIDDLE.certificate]
    assert chain(LEAF, [], [MIDDLE, ROOT]) == [MIDDLE.certificate]


@pytest.mark.parametrize(
    ("leaf", "between", "trusted", "code"),
    [
        (LEAF, [], [ROOT], "CERTIFICATE_UNTRUSTED"),
        (LEAF, [MIDDLE], [make("AC racine", 3)], "CERTIFICATE_UNTRUSTED"),
        (make("PFI", 4), [], [ROOT], "CERTIFICATE_SELF_SIGNED"),
        (make("PFI", 5, LEAF, ca=False), [LEAF, MIDDLE], [ROOT], "CERTIFICATE_UNTRUSTED"),
        (make("PFI", 5, make("AC nue", 6, ROOT, bare=True), ca=False), [], [ROOT], "CERTIFICATE_UNTRUSTED"),
    ],
    ids=["no intermediate", "same name, other key", "self-signed", "issued by a leaf", "issuer unknown"],
)
def test_what_does_not_reach_a_trusted_authority_is_refused(
    leaf: Node, between: list[Node], trusted: list[Node], code: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        chain(leaf, between, trusted)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"bare": True}, "CERTIFICATE_UNTRUSTED"),
        ({"ca": False}, "CERTIFICATE_UNTRUSTED"),
        ({"cert_sign": False}, "CERTIFICATE_UNTRUSTED"),
        ({"end": NOW - timedelta(days=1)}, "CERTIFICATE_ISSUER_EXPIRED"),
        ({"start": NOW + timedelta(days=1)}, "CERTIFICATE_ISSUER_EXPIRED"),
    ],
)
def test_an_issuer_that_may_not_issue_is_no_issuer(how: dict[str, Any], code: str) -> None:
    middle = make("AC intermédiaire", 1, ROOT, **how)
    with pytest.raises(ConfigurationError) as raised:
        chain(make("PFI", 2, middle, ca=False), [middle], [ROOT])
    assert raised.value.code == code


def test_a_root_says_how_many_authorities_stand_under_it() -> None:
    root = make("AC racine", 0, path_length=0)
    middle = make("AC intermédiaire", 1, root, cert_sign=True)
    with pytest.raises(ConfigurationError, match="CERTIFICATE_UNTRUSTED"):
        chain(make("PFI", 2, middle, ca=False), [middle], [root])
    assert chain(make("PFI", 2, root, ca=False), [], [root])


def test_authorities_are_read_from_pem(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(b"".join(each.certificate.public_bytes(serialization.Encoding.PEM) for each in (ROOT, MIDDLE)))
    assert read_authorities(file) == (ROOT.certificate, MIDDLE.certificate)
    file.write_bytes(b"?")
    for path, told in ((file, "PEM"), (tmp_path / "absent.pem", "absent")):
        with pytest.raises(ConfigurationError, match=told) as raised:
            read_authorities(path)
        assert raised.value.code == "AUTHORITIES_UNREADABLE"
