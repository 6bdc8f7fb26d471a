"""The sandbox's own little IGC-Santé: made at first start, kept in the sandbox's folder.

A legal entity holds two DMP certificates, `ORG_AUTH_CLI` for TLS and `ORG_SIGN` for the VIHF and the signature of the
lot (DMP digest §1.3, EX_GEN-1450), and one client certificate for its MSSanté application mailbox (mssante digest
§3.2).
"""

import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pfi.model.clock import Clock, system_clock

LEGAL_ENTITY: Final = "1990000017"
"""Struct_IdNat of the invented legal entity: `1` and a FINESS EJ."""
_ENTITY_NAME: Final = "CH DU BAC A SABLE"
_KEY_SIZE: Final = 2048
_DAYS: Final = 730
"""Validity of a leaf."""


class Usage(StrEnum):
    """What a certificate may be used for (key usage and extended key usage of IGC-Santé)."""

    AUTH_CLI = "auth_cli"
    SIGN = "sign"
    SERVER = "server"


class Flaw(StrEnum):
    """Deliberately bad certificates, for tests: each must be refused by the services."""

    EXPIRED = "expired"
    SELF_SIGNED = "self_signed"
    OTHER_ENTITY = "other_entity"
    OTHER_AUTHORITY = "other_authority"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    WRONG_USAGE = "wrong_usage"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Paths of a PEM certificate and of its PEM private key (PKCS#8, no password, mode 0600)."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class EntityCertificates:
    """The two DMP certificates of one legal entity."""

    auth_cli: CertificateFiles
    sign: CertificateFiles


class Certificates:
    """All certificates of one sandbox, under `directory`. Loads what exists, creates what is missing."""

    def __init__(self, directory: Path, *, clock: Clock = system_clock, entity: str = LEGAL_ENTITY) -> None:
        self.directory = directory
        self._clock = clock
        self._entity = entity
        directory.mkdir(parents=True, exist_ok=True)
        self._authority = _Authority.load_or_create(directory / "ca.pem", directory / "ca.key", "AC BAC A SABLE", clock)
        self.ca = directory / "ca.pem"
        self.crl = directory / "crl.pem"
        """Revocation list, published anew at each start and at each revocation."""
        self._authority.publish(self.crl, self._authority.revoked(self.crl), clock())
        self.dmp_server = self._keep("dmp-server", "dmp.sandbox", Usage.SERVER)
        self.smtp_server = self._keep("smtp-server", "smtp.sandbox", Usage.SERVER)
        self.dpi_server = self._keep("dpi-server", "dpi.sandbox", Usage.SERVER)
        self.auth_cli = self._keep("org-auth-cli", "pfi-auth-cli", Usage.AUTH_CLI)
        self.sign = self._keep("org-sign", "pfi-sign", Usage.SIGN)
        self.mssante = self._keep("mssante-client", "pfi-mssante", Usage.AUTH_CLI)
        self.insi = self._keep("insi-auto", "INSI_AUTO", Usage.AUTH_CLI)

    def flawed(self, flaw: Flaw, usage: Usage) -> CertificateFiles:
        """A certificate that the services must refuse, for the reason that `flaw` names."""
        stem = f"bad-{flaw}-{usage}"
        files = CertificateFiles(self.directory / f"{stem}.pem", self.directory / f"{stem}.key")
        if files.certificate.exists():
            return files
        name = f"pfi-{usage}-{flaw}".replace("_", "-")
        if flaw is Flaw.OTHER_AUTHORITY:
            stranger = _Authority.create("AC ETRANGERE", self._clock)
            stranger.issue(files, name, self._entity, usage, self._clock())
        elif flaw is Flaw.OTHER_ENTITY:
            self._authority.issue(files, name, "1990000025", usage, self._clock())
        elif flaw is Flaw.EXPIRED:
            self._authority.issue(files, name, self._entity, usage, self._clock() - timedelta(days=800))
        elif flaw is Flaw.NOT_YET_VALID:
            self._authority.issue(files, name, self._entity, usage, self._clock() + timedelta(days=2))
        elif flaw is Flaw.REVOKED:
            self._authority.issue(files, name, self._entity, usage, self._clock())
            self.revoke(files)
        elif flaw is Flaw.WRONG_USAGE:
            other = Usage.SIGN if usage is Usage.AUTH_CLI else Usage.AUTH_CLI
            self._authority.issue(files, name, self._entity, other, self._clock(), named=usage is Usage.SERVER)
        else:
            _Authority.create(name, self._clock, self._entity).write(files)
        return files

    def entity(self, identifier: str) -> EntityCertificates:
        """The certificates of a further legal entity (Struct_IdNat)."""
        return EntityCertificates(
            self._keep(f"{identifier}-auth-cli", "pfi-auth-cli", Usage.AUTH_CLI, identifier),
            self._keep(f"{identifier}-sign", "pfi-sign", Usage.SIGN, identifier),
        )

    def card(self, identifier: str, usage: Usage) -> CertificateFiles:
        """A certificate of a professional, for direct authentication: the PSIdNat is its common name."""
        stem = f"card-{identifier}-{usage}"
        files = CertificateFiles(self.directory / f"{stem}.pem", self.directory / f"{stem}.key")
        if not files.certificate.exists():
            self._authority.issue(files, identifier, "", usage, self._clock())
        return files

    def renew(self, files: CertificateFiles, usage: Usage, *, days: int = 730, entity: str = "") -> None:
        """Puts a new pair in the place of an old one, for `days` days."""
        moment = self._clock() - timedelta(days=_DAYS - days)
        self._authority.issue(files, f"pfi-{usage}".replace("_", "-"), entity or self._entity, usage, moment)

    def revoke(self, files: CertificateFiles) -> None:
        """Takes a certificate back and publishes the list."""
        serial = x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number
        self._authority.publish(self.crl, {*self._authority.revoked(self.crl), serial}, self._clock())

    def is_revoked(self, certificate: x509.Certificate) -> bool:
        """Whether the published list names a certificate of this authority."""
        return certificate.serial_number in self._authority.revoked(self.crl)

    def server_context(self, server: CertificateFiles, *, client_required: bool = True) -> ssl.SSLContext:
        """TLS 1.2 or better with the suites of the LPS front (DMP digest §2.1); the client must show a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE+CHACHA20:ECDHE+AESGCM")
        context.load_cert_chain(server.certificate, server.key)
        context.load_verify_locations(self.ca)
        context.load_verify_locations(self.crl)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_NONE
        return context

    def authority_certificate(self) -> x509.Certificate:
        """The certificate of the sandbox's authority."""
        return self._authority.certificate

    def _keep(self, stem: str, common_name: str, usage: Usage, entity: str = "") -> CertificateFiles:
        """The certificate of this name, made anew when missing or about to expire."""
        files = CertificateFiles(self.directory / f"{stem}.pem", self.directory / f"{stem}.key")
        if files.certificate.exists() and files.key.exists():
            present = x509.load_pem_x509_certificate(files.certificate.read_bytes())
            if present.not_valid_after_utc > self._clock() + timedelta(days=1):
                return files
        self._authority.issue(files, common_name, entity or self._entity, usage, self._clock())
        return files


class _Authority:
    """A root that signs leaves."""

    def __init__(self, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def load_or_create(cls, certificate: Path, key: Path, name: str, clock: Clock) -> "_Authority":
        if certificate.exists() and key.exists():
            # Our own file: checking anew that its numbers are prime would take as long as starting the sandbox.
            loaded = serialization.load_pem_private_key(key.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
            if isinstance(loaded, rsa.RSAPrivateKey):
                return cls(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)
        authority = cls.create(name, clock)
        authority.write(CertificateFiles(certificate, key))
        return authority

    @classmethod
    def create(cls, name: str, clock: Clock, entity: str = "") -> "_Authority":
        key = rsa.generate_private_key(65537, _KEY_SIZE)
        subject = _name(name, entity)
        now = clock()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(certificate_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    def write(self, files: CertificateFiles) -> None:
        _write(files, self.certificate, self._key)

    def publish(self, path: Path, serials: set[int], now: datetime) -> None:
        """Writes the revocation list."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - timedelta(hours=1))
            .next_update(now + timedelta(days=365))
        )
        for serial in sorted(serials):
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(hours=1))
            builder = builder.add_revoked_certificate(revoked.build())
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def revoked(path: Path) -> set[int]:
        """Serial numbers of the published list."""
        return {one.serial_number for one in x509.load_pem_x509_crl(path.read_bytes())} if path.exists() else set()

    def issue(
        self,
        files: CertificateFiles,
        common_name: str,
        entity: str,
        usage: Usage,
        now: datetime,
        *,
        named: bool = False,
    ) -> None:
        """`named`: with the names of a server, whatever the usage."""
        key = rsa.generate_private_key(65537, _KEY_SIZE)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name, entity))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=_DAYS))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(non_repudiation=usage is Usage.SIGN), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if usage is not Usage.SIGN:
            purpose = ExtendedKeyUsageOID.SERVER_AUTH if usage is Usage.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if usage is Usage.SERVER or named:
            names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName(common_name)]
            names.append(x509.IPAddress(_LOOPBACK))
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        _write(files, builder.sign(self._key, hashes.SHA256()), key)


def allows(certificate: x509.Certificate, usage: Usage) -> bool:
    """Whether a certificate was issued for this use: client authentication, or signature without authentication."""
    try:
        key_usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    try:
        purposes = list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        purposes = []
    if usage is Usage.SIGN:
        return key_usage.content_commitment and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if usage is Usage.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH
    return key_usage.digital_signature and purpose in purposes


def distinguished_name(text: str) -> x509.Name:
    """Reads an RFC 2253 name with the short names seen in VIHF (`ST`, `GN`); raises ValueError."""
    compact = re.sub(r"(?<!\\),\s+", ",", text.strip())
    return x509.Name.from_rfc4514_string(compact, {"GN": NameOID.GIVEN_NAME, "SN": NameOID.SURNAME})


def entity_of(certificate: x509.Certificate) -> str:
    """Struct_IdNat of the legal entity that holds the certificate (`OU` of the subject), empty when there is none."""
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME):
        return str(attribute.value)
    return ""


_LOOPBACK: Final = ipaddress.ip_address("127.0.0.1")


def _name(common_name: str, entity: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]
    if entity:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ENTITY_NAME))
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, entity))
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def _key_usage(*, non_repudiation: bool = False, certificate_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificate_sign,
        content_commitment=non_repudiation,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificate_sign,
        crl_sign=certificate_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _write(files: CertificateFiles, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    descriptor = os.open(files.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
