"""Mailbox addresses: which ones may be written to, and the one of a patient (MSSanté digest §1)."""

import re
from typing import Final

from pfi.model.patient import Ins

PATIENT_DOMAIN: Final = "patient.mssante.fr"

# RFC 5321 §4.1.2 without quoted strings: no MSSanté mailbox needs them, and they are where injection hides.
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
# The 7th character of a matricule is the only one that can be a letter (2A, 2B).
_MATRICULE: Final = re.compile(r"[0-9]{6}[0-9AB][0-9]{8}\Z")


def normalize(address: str) -> str | None:
    """The address as it may be written in a header and in an SMTP command: trimmed, domain in lower-case A-labels.

    `None` when it is not an address that SMTP without SMTPUTF8 can carry.
    """
    local_part, at, domain = address.strip().rpartition("@")
    if not at or len(local_part) > 64 or not _LOCAL_PART.match(local_part):
        return None
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    if len(ascii_domain) > 253 or not _DOMAIN.match(ascii_domain):
        return None
    return f"{local_part}@{ascii_domain}"


def domain_of(address: str) -> str:
    """What follows the last `@`."""
    return address.rpartition("@")[2]


def is_patient(address: str) -> bool:
    """True for a mailbox of Mon espace santé: its domain alone decides (MSSanté digest §1.3)."""
    return domain_of(address.strip()).lower() == PATIENT_DOMAIN


def is_misspelt_patient(address: str) -> bool:
    """True for a mailbox of Mon espace santé that can be nobody's: its left part is no matricule."""
    normalized = normalize(address)
    return normalized is not None and is_patient(address) and not _MATRICULE.match(normalized.split("@")[0].upper())


def patient_address(ins: Ins) -> str | None:
    """The mailbox of a qualified INS, matricule in upper case; `None` when the matricule is not 15 characters of an
    INS. The key is the identity room's business (MSSanté digest §1.2)."""
    matricule = ins.matricule.strip().upper()
    return f"{matricule}@{PATIENT_DOMAIN}" if _MATRICULE.match(matricule) else None


def same_mailbox(one: str, other: str) -> bool:
    """Equality without regard to case nor surrounding blanks: how operators compare (MSSanté digest §1.2)."""
    return one.strip().lower() == other.strip().lower()
