"""The white list of the trust space: domains whose mailboxes are MSSanté mailboxes (mssante digest §11)."""

from dataclasses import dataclass
from typing import Final

from pfi.model.errors import SenderDataError
from pfi.standards.mail.address import PATIENT_DOMAIN, domain_of
from pfi.standards.xml import parse

MAX_BYTES: Final = 16 * 1024 * 1024


class WhiteListUnreadableError(SenderDataError):
    """`WHITE_LIST_UNREADABLE`: the bytes are not a white list, or one without any domain."""


@dataclass(frozen=True, slots=True)
class WhiteList:
    """Domains in lower-case A-labels."""

    domains: frozenset[str]

    def admits(self, address: str) -> bool:
        """Whether a mailbox belongs to the trust space. That of patients always does."""
        domain = _a_label(domain_of(address)) if "@" in address else ""
        return domain == PATIENT_DOMAIN or domain in self.domains


def read_white_list(data: bytes, more: tuple[str, ...] = ()) -> WhiteList:
    """Reads `Domaine/Nom` entries whatever their namespace; `more` are domains of the site's own. Raises
    WhiteListUnreadableError, XmlRefusedError."""
    root = parse(data, max_bytes=MAX_BYTES)
    names = {
        _a_label(name.text or "")
        for name in root.iter("{*}Nom")
        if (parent := name.getparent()) is not None and str(parent.tag).rpartition("}")[2] == "Domaine"
    } - {""}
    if not names:
        raise WhiteListUnreadableError("WHITE_LIST_UNREADABLE", "La liste blanche ne contient aucun domaine.")
    return WhiteList(frozenset(names | {_a_label(each) for each in more} - {""}))


def _a_label(domain: str) -> str:
    """A domain as it is compared; empty when it is none."""
    try:
        return domain.strip().rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""
