"""Mailboxes on disk and the white list of domains (mssante digest §1 and §11)."""

import itertools
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final

PATIENT_DOMAIN: Final = "patient.mssante.fr"
APPLICATION_MAILBOX: Final = "pfi.app@ch-sandbox.mssante.fr"
"""The mailbox from which the hospital's client certificate may send."""
WHITE_LIST: Final = frozenset({PATIENT_DOMAIN, "ch-sandbox.mssante.fr", "medecin.mssante.fr", "cabinet.apicrypt.org"})
TEST_MAILBOXES: Final = (
    APPLICATION_MAILBOX,
    "secretariat@ch-sandbox.mssante.fr",
    "docteur.essai@medecin.mssante.fr",
    "cabinet.demo@medecin.mssante.fr",
    f"279035121518989@{PATIENT_DOMAIN}",
    f"277076322082910@{PATIENT_DOMAIN}",
    f"146026322000196@{PATIENT_DOMAIN}",
)
UNKNOWN_PREFIX: Final = "inconnu"
"""A mailbox that never exists in an open domain: samples use it to show a refusal."""
_ADDRESS: Final = re.compile(r"^[a-z0-9][a-z0-9._+'-]*@[a-z0-9][a-z0-9.-]*$")


class MailboxState(StrEnum):
    OPEN = "open"
    FULL = "full"
    """452 4.2.2 at RCPT."""
    BUSY = "busy"
    """451 4.3.0 at RCPT."""
    CLOSED = "closed"
    """Accepted, then returned: the citizen has closed the messaging (mssante digest §7)."""


class Mailboxes:
    """All mailboxes of the sandbox, one folder each with `.eml` files, oldest first by name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._states: dict[str, MailboxState] = {}
        self._open_domains: set[str] = set()
        self._numbers = itertools.count(1)
        self.white_list: set[str] = set(WHITE_LIST)
        for address in TEST_MAILBOXES:
            self.create(address)

    def create(self, address: str, state: MailboxState = MailboxState.OPEN) -> None:
        """Opens a mailbox, or changes its state; its domain joins the white list. Raises ValueError."""
        address = canonical(address)
        self._states[address] = state
        self.white_list.add(address.partition("@")[2])
        self.folder(address).mkdir(parents=True, exist_ok=True)

    def open_domain(self, domain: str) -> None:
        """From now on any address of this domain exists, but those that begin by `inconnu`: for demonstrations."""
        self.white_list.add(domain.lower())
        self._open_domains.add(domain.lower())

    def is_trusted(self, address: str) -> bool:
        """Whether the domain is in the trusted space."""
        return canonical(address).partition("@")[2] in self.white_list

    def state(self, address: str) -> MailboxState | None:
        """`None` = no such mailbox."""
        address = canonical(address)
        known = self._states.get(address)
        is_open = address.partition("@")[2] in self._open_domains and not address.startswith(UNKNOWN_PREFIX)
        if known is None and is_open:
            self.create(address)
            return MailboxState.OPEN
        return known

    def addresses(self) -> tuple[str, ...]:
        return tuple(self._states)

    def deliver(self, address: str, content: bytes) -> Path:
        """Writes one mail in a mailbox; the file appears whole."""
        folder = self.folder(canonical(address))
        folder.mkdir(parents=True, exist_ok=True)
        path = self.free_path(folder)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(content)
        temporary.rename(path)
        return path

    def free_path(self, folder: Path) -> Path:
        """Where the next mail of a folder is written: numbers only grow, over all folders."""
        while (path := folder / f"{next(self._numbers):06d}.eml").exists():
            pass
        return path

    def messages(self, address: str) -> tuple[Path, ...]:
        """Mails of a mailbox, oldest first."""
        return tuple(sorted(self.folder(canonical(address)).glob("*.eml")))

    def folder(self, address: str) -> Path:
        """Where the mails of a mailbox are."""
        return self._directory / address


def canonical(address: str) -> str:
    """Lower-case form of an address, under which it is compared and stored; raises ValueError."""
    lowered = address.strip().lower()
    if _ADDRESS.match(lowered) is None or ".." in lowered:
        raise ValueError("adresse mal formée")
    return lowered


def patients_among(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of the citizens' domain."""
    return tuple(one for one in addresses if one.lower().endswith(f"@{PATIENT_DOMAIN}"))
