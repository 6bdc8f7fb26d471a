"""Revocation lists (CRL): which certificates their authority has taken back (RFC 5280 §5, MSSanté digest §3.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from pfi.model.errors import ConfigurationError, system_reason

_BEGIN: Final = b"-----BEGIN X509 CRL-----"
_END: Final = b"-----END X509 CRL-----"


class Standing(StrEnum):
    """What the lists say of a certificate. `UNKNOWN`: no current list of its authority."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationLists:
    """The newest list of each authority, each signed by an authority that the site trusts."""

    lists: tuple[x509.CertificateRevocationList, ...] = ()

    @classmethod
    def of(
        cls, found: Iterable[x509.CertificateRevocationList], authorities: Sequence[x509.Certificate]
    ) -> "RevocationLists":
        """Keeps what one of `authorities` signed, the newest of each. The others are ignored: see `is_signed`."""
        newest: dict[bytes, x509.CertificateRevocationList] = {}
        for each in found:
            name = each.issuer.public_bytes()
            known = newest.get(name)
            if is_signed(each, authorities) and (known is None or known.last_update_utc < each.last_update_utc):
                newest[name] = each
        return cls(tuple(newest.values()))

    def standing(self, certificate: x509.Certificate, now: datetime) -> Standing:
        """A serial number found in a list is revoked even when the list is out of date; not found says something only
        while the list is current."""
        standing = Standing.UNKNOWN
        for each in self.lists:
            if each.issuer != certificate.issuer:
                continue
            if each.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                return Standing.REVOKED
            if _is_current(each, now):
                standing = Standing.GOOD
        return standing

    def check(self, certificate: x509.Certificate, *, subject: str, now: datetime, required: bool) -> None:
        """Raises ConfigurationError `CERTIFICATE_REVOKED`, and `CERTIFICATE_STANDING_UNKNOWN` when `required`."""
        standing = self.standing(certificate, now)
        if standing is Standing.REVOKED:
            raise ConfigurationError(
                "CERTIFICATE_REVOKED",
                f"Le {subject} a été révoqué par son autorité.",
                "Demander un nouveau certificat à l'IGC Santé.",
            )
        if standing is Standing.UNKNOWN and required:
            raise ConfigurationError(
                "CERTIFICATE_STANDING_UNKNOWN",
                f"Aucune liste de révocation à jour ne dit si le {subject} est révoqué.",
                "Mettre à jour les fichiers « crl », ou renoncer à « crl_required ».",
            )


def read_lists(path: Path) -> tuple[x509.CertificateRevocationList, ...]:
    """Lists of a file, PEM (one or several) or DER. Raises ConfigurationError `CRL_UNREADABLE`."""
    try:
        return parse_lists(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else "ni PEM ni DER"
        raise ConfigurationError(
            "CRL_UNREADABLE",
            f"Liste de révocation illisible : {path} ({reason}).",
            "Donner une liste (CRL) de l'IGC Santé.",
        ) from None


def parse_lists(content: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    """Lists of the bytes of a file. Raises ValueError."""
    if _BEGIN not in content:
        return (x509.load_der_x509_crl(content),)
    blocks = [block for block in content.split(_BEGIN)[1:] if _END in block]
    return tuple(x509.load_pem_x509_crl(_BEGIN + block.partition(_END)[0] + _END + b"\n") for block in blocks)


def is_signed(crl: x509.CertificateRevocationList, authorities: Iterable[x509.Certificate]) -> bool:
    """Whether one of the authorities issued the list."""
    for authority in authorities:
        if authority.subject != crl.issuer:
            continue
        try:
            if crl.is_signature_valid(authority.public_key()):  # type: ignore[arg-type]  # other keys raise TypeError
                return True
        except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
            continue
    return False


def is_out_of_date(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    """Whether a newer list should have been published."""
    return not _is_current(crl, now)


def _is_current(crl: x509.CertificateRevocationList, now: datetime) -> bool:
    return crl.next_update_utc is not None and crl.last_update_utc <= now <= crl.next_update_utc
