"""Who may call what: authentication mode x transaction, then the rights on one document (DMP digest §1.2)."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from connectors.sandbox.dmp.patients import DmpState, PatientDirectory
from connectors.sandbox.dmp.registry import EntryStatus, StoredDocument
from connectors.sandbox.dmp.verdict import refuse
from connectors.sandbox.dmp.vihf import Mode, Vihf

MASKED: Final = "MASQUE_PS"
_PSIDNAT: Final = re.compile(r"8\d{11}|0[0-9A-Z]{9}")
_PROFESSIONS: Final = "1.2.250.1.71.1.2.7"


class Transaction(StrEnum):
    """Transactions that the sandbox serves."""

    EXISTENCE = "TD0.2"
    FEED = "TD2.1"
    FIND = "TD3.1a"
    REFERENCE = "TD3.1b"
    RETRIEVE = "TD3.2"
    DELETE = "TD3.3c"


_FEEDING: Final = frozenset({Transaction.EXISTENCE, Transaction.FEED, Transaction.REFERENCE, Transaction.DELETE})
_CONSULTING: Final = frozenset({Transaction.FIND, Transaction.RETRIEVE})
_MATRIX: Final[Mapping[Mode, frozenset[Transaction]]] = {
    Mode.INDIRECT: _FEEDING,
    Mode.REINFORCED: _FEEDING | _CONSULTING,
    Mode.DIRECT: _FEEDING | _CONSULTING,
}
_AT_REPOSITORY: Final = frozenset({Transaction.FEED, Transaction.RETRIEVE})


def check_call(transaction: Transaction, vihf: Vihf, patients: PatientDirectory) -> None:
    """The mode opens this transaction, and the patient has shut neither the DMP nor this caller out.

    Raises RefusedError. The codes of a closed right and of a blocked caller are in annex A7-1, which is not public: the
    generic code of IHE stands for them, unless the directory is told one.
    """
    generic = "XDSRepositoryError" if transaction in _AT_REPOSITORY else "XDSRegistryError"
    if transaction not in _MATRIX[vihf.mode]:
        raise refuse(generic, f"{transaction} n'est pas ouverte à l'authentification {vihf.mode}")
    if transaction is Transaction.EXISTENCE:
        return
    if patients.blocks(vihf.matricule, vihf.structure, vihf.person):
        raise refuse(patients.blocked_code or generic, "le patient a bloqué ce professionnel ou cette structure")
    if transaction not in _CONSULTING:
        return
    if not _PSIDNAT.fullmatch(vihf.person) or _PROFESSIONS not in vihf.role_systems:
        raise refuse(generic, "seul un professionnel de santé identifié consulte un DMP")
    state = patients.state(vihf.matricule)
    if state is DmpState.ABSENT:
        raise refuse("XDSUnknownPatientId", "aucun DMP pour ce patient")
    if state is DmpState.CLOSED:
        raise refuse("DMPClosed", "le DMP de ce patient est fermé")


def is_author(document: StoredDocument, vihf: Vihf) -> bool:
    """The structure that fed the document; outside plain indirect authentication, also one of its authors."""
    return document.structure == vihf.structure or (vihf.mode is not Mode.INDIRECT and vihf.person in document.authors)


def may_know(document: StoredDocument, vihf: Vihf) -> bool:
    """Whether TD3.1b tells the reference: one's own documents that are not deleted."""
    return _exists(document, vihf) and is_author(document, vihf)


def may_read(document: StoredDocument, vihf: Vihf) -> bool:
    """Whether a professional may consult: masked documents are for their authors; those that the patient or the legal
    representatives may not see stay visible to professionals (DMP digest §3.1)."""
    return _exists(document, vihf) and (MASKED not in document.confidentiality or is_author(document, vihf))


def _exists(document: StoredDocument, vihf: Vihf) -> bool:
    return document.status is not EntryStatus.DELETED and document.patient == vihf.matricule
