"""A key and its certificate whose files may be renewed while they are in use.

What is held is only ever replaced by a pair that passed every check: files half written, a key that is not the one of
the certificate, a certificate of somebody else leave what is held in place, with a fault that says why.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Generic, TypeVar

from pfi.model.errors import ConfigurationError
from pfi.standards.x509.identity import CertifiedKey, Purpose, from_pem, read_file

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class PairFiles:
    """Where a pair is. `subject` names it in messages (« certificat de signature »); `password` gives the password of
    the key and may raise ConfigurationError."""

    certificate: Path
    key: Path
    subject: str
    purpose: Purpose
    password: Callable[[], str] = field(default=str, repr=False)


@dataclass(frozen=True, slots=True)
class Held(Generic[Made]):
    """A pair in use, and what was made of it (a TLS context, a writer of signatures)."""

    key: CertifiedKey
    made: Made


class RenewedPair(Generic[Made]):
    """`prepare` makes what a pair serves for, and raises ConfigurationError when the pair may not be used."""

    def __init__(self, files: PairFiles, prepare: Callable[[CertifiedKey, datetime], Made]) -> None:
        self.files: Final = files
        self._prepare = prepare
        self._held: Held[Made] | None = None
        self._digest = b""
        self.fault: ConfigurationError | None = None
        """Why the files on disk are not those in use; `None` when they are."""

    @property
    def held(self) -> Held[Made] | None:
        """What is in use; `None` before `open`."""
        return self._held

    def open(self, now: datetime) -> Held[Made]:
        """Takes the files into use. Raises ConfigurationError when they cannot be."""
        held, digest = self._read(now)
        self._held, self._digest, self.fault = held, digest, None
        return held

    def refresh(self, now: datetime) -> bool:
        """Looks at the files again; true when others than before are in use. Never raises for what they contain."""
        try:
            digest = self._digest_of(*self._contents())
            if digest == self._digest and self._held is not None:
                self.fault = None
                return False
            self._held, self._digest = self._read(now)
        except ConfigurationError as error:
            self.fault = error
            return False
        self.fault = None
        return True

    def _read(self, now: datetime) -> tuple[Held[Made], bytes]:
        certificate, key, password = self._contents()
        digest = self._digest_of(certificate, key, password)
        loaded = from_pem(
            certificate, key, subject=self.files.subject, purpose=self.files.purpose, now=now, password=password
        )
        made = self._prepare(loaded, now)
        # OpenSSL reads the files by itself: what it read must be what was checked.
        if self._digest_of(*self._contents()) != digest:
            raise ConfigurationError(
                "CERTIFICATE_CHANGING",
                f"Les fichiers du {self.files.subject} sont en cours d'écriture.",
                "Aucune action si la situation ne dure pas.",
            )
        return Held(loaded, made), digest

    def _contents(self) -> tuple[bytes, bytes, str]:
        subject = self.files.subject
        return (
            read_file(self.files.certificate, "CERTIFICATE_UNREADABLE", subject),
            read_file(self.files.key, "KEY_UNREADABLE", subject),
            self.files.password(),
        )

    @staticmethod
    def _digest_of(certificate: bytes, key: bytes, password: str) -> bytes:
        whole = hashlib.sha256()
        for part in (certificate, key, password.encode()):
            whole.update(hashlib.sha256(part).digest())
        return whole.digest()
