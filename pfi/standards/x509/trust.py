"""Whom a connector trusts: authorities and revocation lists, for our certificates and for the server's."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pfi.model.clock import Clock
from pfi.model.errors import ConfigurationError
from pfi.standards.x509.chain import check_chain, read_authorities
from pfi.standards.x509.identity import CertifiedKey, check_dates
from pfi.standards.x509.revocation import RevocationLists, Standing, is_out_of_date, is_signed, read_lists


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """Where trust comes from: `servers` and `ours` are the authorities (PEM) of their certificates and of our own,
    `lists` the revocation lists; `required` refuses a certificate of which no current list tells. `ours` absent: the
    chain of our own is not checked. `settings` names, in French, the settings that hold authorities."""

    servers: Path
    ours: Path | None
    lists: tuple[Path, ...]
    required: bool
    settings: str


class Trust:
    """Read at `open`, read again at each `refresh`. What can no longer be read leaves what is known in place."""

    def __init__(self, files: TrustFiles, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._ours: tuple[x509.Certificate, ...] = ()
        self._servers: tuple[x509.Certificate, ...] = ()
        self._lists = RevocationLists()
        self._found: dict[Path, tuple[x509.CertificateRevocationList, ...]] = {}
        self.faults: dict[str, ConfigurationError] = {}
        """What is wrong with the files, by their path."""

    def open(self, now: datetime) -> None:
        """Raises ConfigurationError when the authorities cannot be read."""
        self._read_authorities()
        self._read_lists(now)

    def refresh(self, now: datetime) -> None:
        """Reads the files again. Never raises for what they contain."""
        try:
            self._read_authorities()
        except ConfigurationError as error:
            self.faults = {str(self._files.ours or self._files.servers): error}
            return
        self._read_lists(now)

    def vet(self, key: CertifiedKey, subject: str, now: datetime) -> None:
        """Dates, chain and revocation of a certificate of ours. Raises ConfigurationError."""
        check_dates(key.certificate, subject, now)
        issuers: tuple[x509.Certificate, ...] = ()
        if self._files.ours is not None:
            issuers = check_chain(key.certificate, key.chain, self._ours, subject=subject, now=now)
        self._lists.check(key.certificate, subject=subject, now=now, required=self._files.required)
        for issuer in issuers:
            self._lists.check(issuer, subject=f"certificat de l'autorité du {subject}", now=now, required=False)

    def judge(self, server: x509.Certificate) -> str:
        """Whether the server's certificate was revoked, for `guarded_context`."""
        standing = self._lists.standing(server, self._clock())
        if standing is Standing.REVOKED:
            return "certificate revoked"
        if standing is Standing.UNKNOWN and self._files.required:
            return "no current revocation list"
        return ""

    def _read_authorities(self) -> None:
        ours = read_authorities(self._files.ours) if self._files.ours is not None else ()
        self._ours, self._servers = ours, read_authorities(self._files.servers)

    def _read_lists(self, now: datetime) -> None:
        faults: dict[str, ConfigurationError] = {}
        signers = (*self._ours, *self._servers)
        for path in self._files.lists:
            try:
                found = read_lists(path)
            except ConfigurationError as error:
                faults[str(path)] = error
                continue
            if not found or not all(is_signed(each, signers) for each in found):
                faults[str(path)] = ConfigurationError(
                    "CRL_UNTRUSTED",
                    f"La liste de révocation {path} n'est signée par aucune des autorités configurées : elle ne "
                    "sert à rien.",
                    f"Ajouter le certificat de l'autorité qui la publie à {self._files.settings}.",
                )
                continue
            self._found[path] = found
            if any(is_out_of_date(each, now) for each in found):
                faults[str(path)] = ConfigurationError(
                    "CRL_OUT_OF_DATE",
                    f"La liste de révocation {path} est périmée.",
                    "La télécharger de nouveau (« certificates.crl » du moteur peut le faire).",
                )
        self._lists = RevocationLists.of((crl for found in self._found.values() for crl in found), signers)
        self.faults = faults
