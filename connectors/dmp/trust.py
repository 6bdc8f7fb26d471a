"""Whom the DMP connector trusts: authorities and revocation lists, for our certificates and for the server's."""

from datetime import datetime
from pathlib import Path

from cryptography import x509

from connectors.dmp.settings import DmpSettings
from pfi.model.clock import Clock
from pfi.model.errors import ConfigurationError
from pfi.standards.x509.chain import check_chain, read_authorities
from pfi.standards.x509.identity import CertifiedKey, check_dates
from pfi.standards.x509.revocation import RevocationLists, Standing, is_out_of_date, is_signed, read_lists


class Trust:
    """Read at `open`, read again at each `refresh`. What can no longer be read leaves what is known in place."""

    def __init__(self, settings: DmpSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._authorities: tuple[x509.Certificate, ...] = ()
        self._servers: tuple[x509.Certificate, ...] = ()
        self._lists = RevocationLists()
        self._files: dict[Path, tuple[x509.CertificateRevocationList, ...]] = {}
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
            self.faults = {str(self._path): error}
            return
        self._read_lists(now)

    def vet(self, key: CertifiedKey, subject: str, now: datetime) -> None:
        """Dates, chain and revocation of a certificate of ours. Raises ConfigurationError."""
        check_dates(key.certificate, subject, now)
        issuers = check_chain(key.certificate, key.chain, self._authorities, subject=subject, now=now)
        required = self._settings.certificates.crl_required
        self._lists.check(key.certificate, subject=subject, now=now, required=required)
        for issuer in issuers:
            self._lists.check(issuer, subject=f"certificat de l'autorité du {subject}", now=now, required=False)

    def judge(self, server: x509.Certificate) -> str:
        """Whether the server's certificate was revoked, for `guarded_context`."""
        standing = self._lists.standing(server, self._clock())
        if standing is Standing.REVOKED:
            return "certificate revoked"
        if standing is Standing.UNKNOWN and self._settings.certificates.crl_required:
            return "no current revocation list"
        return ""

    @property
    def _path(self) -> Path:
        return self._settings.certificates.authorities or self._settings.tls.ca

    def _read_authorities(self) -> None:
        ours, servers = read_authorities(self._path), read_authorities(self._settings.tls.ca)
        self._authorities, self._servers = ours, servers

    def _read_lists(self, now: datetime) -> None:
        faults: dict[str, ConfigurationError] = {}
        signers = (*self._authorities, *self._servers)
        for path in self._settings.certificates.crl:
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
                    "Ajouter le certificat de l'autorité qui la publie à « certificates.authorities » ou à « tls.ca ».",
                )
                continue
            self._files[path] = found
            if any(is_out_of_date(each, now) for each in found):
                faults[str(path)] = ConfigurationError(
                    "CRL_OUT_OF_DATE",
                    f"La liste de révocation {path} est périmée.",
                    "La télécharger de nouveau (« certificates.crl » du moteur peut le faire).",
                )
        self._lists = RevocationLists.of((crl for found in self._files.values() for crl in found), signers)
        self.faults = faults
