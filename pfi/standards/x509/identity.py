"""Loading of a private key and its certificate, with the checks that save an evening of TLS debugging."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pfi.model.errors import ConfigurationError, system_reason

Purpose = Literal["auth_cli", "sign"]

# RFC 2253 short names that RFC 4514 does not list; GN and SN as the software of the DMP writes them (DMP digest §2.3).
_SHORT_NAMES: Final = {NameOID.GIVEN_NAME: "GN", NameOID.SURNAME: "SN", NameOID.TITLE: "T"}


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A private RSA key with its certificate and the intermediate certificates of the same file."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private_key: rsa.RSAPrivateKey = field(repr=False)

    @property
    def subject(self) -> str:
        """Distinguished name, most specific part first (RFC 2253)."""
        return distinguished_name(self.certificate.subject)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        """RSASSA-PKCS1-v1_5 signature."""
        return self.private_key.sign(data, padding.PKCS1v15(), algorithm)


def distinguished_name(name: x509.Name) -> str:
    """A name as RFC 2253 writes it: `CN=...,OU=...,O=...,C=FR`."""
    return name.rfc4514_string(attr_name_overrides=_SHORT_NAMES)


def legal_entity(certificate: x509.Certificate) -> str:
    """Struct_IdNat of the legal entity that holds a certificate of IGC Santé (`OU` of the subject: `1` + FINESS EJ);
    empty when there is none."""
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME):
        return str(attribute.value)
    return ""


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, in lower-case hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def check_dates(certificate: x509.Certificate, subject: str, now: datetime) -> None:
    """Raises ConfigurationError `CERTIFICATE_EXPIRED` or `CERTIFICATE_NOT_YET_VALID`."""
    if certificate.not_valid_after_utc < now:
        raise ConfigurationError(
            "CERTIFICATE_EXPIRED",
            f"Le {subject} a expiré le {certificate.not_valid_after_utc:%d/%m/%Y}.",
            "Renouveler le certificat auprès de l'IGC Santé.",
        )
    if certificate.not_valid_before_utc > now:
        raise ConfigurationError(
            "CERTIFICATE_NOT_YET_VALID",
            f"Le {subject} n'est valable qu'à partir du {certificate.not_valid_before_utc:%d/%m/%Y}.",
            "Vérifier l'horloge du serveur.",
        )


def load(
    certificate: Path, key: Path, *, subject: str, purpose: Purpose, now: datetime, password: str = ""
) -> CertifiedKey:
    """Reads two PEM files and checks them. `subject` names the certificate in messages (« certificat de signature »).

    Raises ConfigurationError: `CERTIFICATE_UNREADABLE`, `KEY_UNREADABLE`, or a code of `from_pem`.
    """
    return from_pem(
        read_file(certificate, "CERTIFICATE_UNREADABLE", subject),
        read_file(key, "KEY_UNREADABLE", subject),
        subject=subject,
        purpose=purpose,
        now=now,
        password=password,
    )


def from_pem(
    cert_pem: bytes, key_pem: bytes, *, subject: str, purpose: Purpose, now: datetime, password: str = ""
) -> CertifiedKey:
    """The same from bytes; the first certificate is the leaf.

    Raises ConfigurationError: `CERTIFICATE_UNREADABLE`, `KEY_UNREADABLE`, `KEY_NOT_RSA`, `KEY_MISMATCH`,
    `CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`, `CERTIFICATE_WRONG_PURPOSE`.
    """
    try:
        certificates = x509.load_pem_x509_certificates(cert_pem)
    except ValueError:
        raise ConfigurationError(
            "CERTIFICATE_UNREADABLE", f"Le {subject} n'est pas un certificat PEM.", "Convertir le fichier en PEM."
        ) from None
    try:
        private_key = serialization.load_pem_private_key(key_pem, password.encode() or None)
    except (ValueError, TypeError):
        raise ConfigurationError(
            "KEY_UNREADABLE",
            f"La clé privée du {subject} est illisible.",
            "Vérifier qu'il s'agit d'une clé PEM et que son mot de passe est le bon.",
        ) from None
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise ConfigurationError(
            "KEY_NOT_RSA", f"La clé du {subject} n'est pas une clé RSA.", "Utiliser un certificat de l'IGC Santé."
        )
    leaf = certificates[0]
    if leaf.public_key() != private_key.public_key():
        raise ConfigurationError(
            "KEY_MISMATCH", f"La clé privée n'est pas celle du {subject}.", "Vérifier les deux chemins de fichiers."
        )
    check_dates(leaf, subject, now)
    if not fits(leaf, purpose):
        expected = "ORG_AUTH_CLI (authentification)" if purpose == "auth_cli" else "ORG_SIGN (signature)"
        raise ConfigurationError(
            "CERTIFICATE_WRONG_PURPOSE",
            f"Le {subject} n'est pas fait pour cet usage.",
            f"Utiliser le certificat {expected} de l'IGC Santé.",
        )
    return CertifiedKey(leaf, tuple(certificates[1:]), private_key)


def fits(certificate: x509.Certificate, purpose: Purpose) -> bool:
    """True unless the extensions of the certificate exclude the purpose; an absent extension excludes nothing.

    A certificate made for lasting signatures (non-repudiation) and for no extended usage is an ORG_SIGN.
    """
    lasting = False
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        signs = True
    else:
        lasting = usage.content_commitment
        signs = usage.digital_signature or (purpose == "sign" and lasting)
    try:
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return signs and not (purpose == "auth_cli" and lasting)
    tls_only = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    if purpose == "sign":
        return signs and not set(extended) <= tls_only
    return signs and ExtendedKeyUsageOID.CLIENT_AUTH in extended


def read_file(path: Path, code: str, subject: str) -> bytes:
    """Bytes of a file. Raises ConfigurationError with the given code."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            code,
            f"Fichier du {subject} illisible : {path} ({system_reason(error)}).",
            "Vérifier le chemin et les droits.",
        ) from None
