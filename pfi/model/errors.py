"""The error tree, split by who must act.

Every error carries a stable code, a French sentence for the operator and the next step to take. None of them may carry
an identity trait or clinical content: they end up in logs.

    PfiError
    ├── ConfigurationError   the hospital's integrator: fix the configuration
    ├── SenderDataError      the sending software: fix the message
    ├── PeerRefusedError     the national service or neighbour said no, for good
    ├── TransportError       nobody: the network or the peer is down, try again later
    └── BugError             us
"""

import errno
import socket


class PfiError(Exception):
    """Base of all errors of the PFI: `code` (stable), `text` (French), `next_step` (French, may be empty)."""

    def __init__(self, code: str, text: str, next_step: str = "") -> None:
        super().__init__(f"{code}: {text}" + (f" {next_step}" if next_step else ""))
        self.code = code
        self.text = text
        self.next_step = next_step


class ConfigurationError(PfiError):
    """The configuration cannot be used as written; says the file, the place and the remedy."""


class SenderDataError(PfiError):
    """What the sender gave cannot be processed."""


class PeerRefusedError(PfiError):
    """The peer refused for good; trying again as is would be refused again."""


class TransportError(PfiError):
    """The peer could not be reached or did not answer; trying again may succeed."""


class BugError(PfiError):
    """An invariant of our own code does not hold."""


_SYSTEM_REASONS = {
    errno.ENOENT: "fichier ou dossier absent",
    errno.EACCES: "droits insuffisants",
    errno.EPERM: "opération interdite",
    errno.EISDIR: "c'est un dossier",
    errno.ENOTDIR: "ce n'est pas un dossier",
    errno.ENOSPC: "disque plein",
    errno.EADDRINUSE: "adresse ou port déjà pris",
    errno.EADDRNOTAVAIL: "adresse qui n'est pas celle de cette machine",
    errno.ECONNREFUSED: "connexion refusée",
    errno.ECONNRESET: "connexion coupée",
    errno.EHOSTUNREACH: "machine injoignable",
    errno.ENETUNREACH: "réseau injoignable",
    errno.ETIMEDOUT: "délai dépassé",
}


def system_reason(error: OSError) -> str:
    """Why the operating system refused, in French."""
    if isinstance(error, socket.gaierror):
        return "nom de machine inconnu"
    if error.errno in _SYSTEM_REASONS:
        return _SYSTEM_REASONS[error.errno]
    return f"erreur système {error.errno}" if error.errno else "erreur système"
