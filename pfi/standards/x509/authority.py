"""A certificate authority that lives in memory: for the sandbox, the tests and previews. Never for production."""

import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pfi.model.clock import Clock

CertificateUse = Literal["auth_cli", "sign", "server"]
"""`auth_cli` and `sign` are the two legal-person certificates of IGC Santé (DMP digest §1.3, EX_GEN-1450)."""


@dataclass(frozen=True, slots=True)
class PemIdentity:
    """A certificate and its private key (PKCS#8, not encrypted), both PEM."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)


class TestAuthority:
    """Signs leaf certificates shaped like those of IGC Santé, with `O` and `OU` of a legal person.

    `common_name` names the root; `clock` gives the start of validity, less one hour for hosts that are slow.
    """

    __test__ = False  # not a test class, whatever its name says

    def __init__(self, common_name: str, clock: Clock, *, key_size: int = 2048) -> None:
        self._clock = clock
        self._key_size = key_size
        self._key = rsa.generate_private_key(65537, key_size)
        self._name = x509.Name(
            [x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        )
        self._certificate = (
            self._builder(self._name, self._key.public_key(), 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(certificate_sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def ca_pem(self) -> bytes:
        """The root certificate, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        common_name: str,
        *,
        organization: str = "",
        identifier: str = "",
        server_names: tuple[str, ...] = (),
        key_usage: CertificateUse = "server",
        days: int = 365,
    ) -> PemIdentity:
        """A new key pair and its certificate.

        `identifier` (Struct_IdNat of the legal entity: `1` + FINESS EJ) becomes the subject's `OU`. `server_names` are
        DNS names or IP addresses. A negative `days` gives an expired certificate.
        """
        key = rsa.generate_private_key(65537, self._key_size)
        attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]
        if organization:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        if identifier:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, identifier))
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
        builder = self._builder(x509.Name(attributes), key.public_key(), days).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        if key_usage == "sign":
            builder = builder.add_extension(_key_usage(digital_signature=True, non_repudiation=True), critical=True)
        else:
            purpose = ExtendedKeyUsageOID.CLIENT_AUTH if key_usage == "auth_cli" else ExtendedKeyUsageOID.SERVER_AUTH
            builder = builder.add_extension(_key_usage(digital_signature=True), critical=True).add_extension(
                x509.ExtendedKeyUsage([purpose]), critical=False
            )
        if server_names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in server_names]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        return PemIdentity(
            cert_pem=certificate.public_bytes(serialization.Encoding.PEM),
            key_pem=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def _builder(self, subject: x509.Name, public_key: rsa.RSAPublicKey, days: int) -> x509.CertificateBuilder:
        now = self._clock()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1) + min(timedelta(0), timedelta(days=days - 1)))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(
    *, digital_signature: bool = False, non_repudiation: bool = False, certificate_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=non_repudiation,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificate_sign,
        crl_sign=certificate_sign,
        encipher_only=False,
        decipher_only=False,
    )
