"""Whether a certificate of ours goes up to an authority that the site trusts (RFC 5280 §6.1, without policies)."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from pfi.model.errors import ConfigurationError, system_reason

_LONGEST: Final = 8


def read_authorities(path: Path) -> tuple[x509.Certificate, ...]:
    """Certificates of a PEM file. Raises ConfigurationError `AUTHORITIES_UNREADABLE`."""
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else "ce n'est pas du PEM"
        raise ConfigurationError(
            "AUTHORITIES_UNREADABLE",
            f"Autorités de certification illisibles : {path} ({reason}).",
            "Donner les certificats de l'IGC Santé au format PEM.",
        ) from None


def check_chain(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    *,
    subject: str,
    now: datetime,
) -> tuple[x509.Certificate, ...]:
    """The issuers of a certificate, up to one of `authorities`. `subject` names it in messages.

    Raises ConfigurationError: `CERTIFICATE_SELF_SIGNED`, `CERTIFICATE_UNTRUSTED`, `CERTIFICATE_ISSUER_EXPIRED`.
    """
    if is_issued_by(certificate, certificate) and certificate not in authorities:
        raise ConfigurationError(
            "CERTIFICATE_SELF_SIGNED",
            f"Le {subject} est signé par lui-même.",
            "Utiliser le certificat délivré par l'IGC Santé.",
        )
    issuers: list[x509.Certificate] = []
    current = certificate
    while current not in authorities:
        issuer = _issuer(current, (*authorities, *intermediates), below=len(issuers))
        if issuer is None or issuer in issuers or len(issuers) >= _LONGEST:
            raise ConfigurationError(
                "CERTIFICATE_UNTRUSTED",
                f"Le {subject} ne remonte à aucune des autorités configurées.",
                "Ajouter les certificats intermédiaires au fichier, ou compléter les autorités de l'IGC Santé.",
            )
        if not issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc:
            raise ConfigurationError(
                "CERTIFICATE_ISSUER_EXPIRED",
                f"L'autorité qui a émis le {subject} n'est pas en cours de validité "
                f"({issuer.not_valid_after_utc:%d/%m/%Y}).",
                "Mettre à jour les certificats de l'IGC Santé.",
            )
        issuers.append(issuer)
        current = issuer
    return tuple(issuers)


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the name and the signature agree; says nothing of what the issuer may do."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _issuer(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate], *, below: int
) -> x509.Certificate | None:
    return next((each for each in candidates if _may_issue(each, below) and is_issued_by(certificate, each)), None)


def _may_issue(certificate: x509.Certificate, below: int) -> bool:
    """Basic constraints and key usage of an authority with `below` intermediate authorities under it."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not constraints.ca or (constraints.path_length is not None and constraints.path_length < below):
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
