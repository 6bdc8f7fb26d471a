"""Recipients as rule files write them: an MSSanté address, a domain (`@domaine`) or a national identifier."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

from pfi.standards.mail import address as mail

_IDENTIFIER: Final = re.compile(r"[0-9][0-9AB][0-9]{7,13}")
"""RPPS (11 digits, 12 with its type), ADELI and FINESS (9, 10 with its type, Corsica written 2A or 2B), SIRET."""


def _address(written: str) -> str:
    normalized = mail.normalize(written)
    if normalized is None:
        raise ValueError("adresse de messagerie attendue")
    if mail.is_patient(normalized):
        raise ValueError("adresse de patient : une règle ne s'adresse qu'à des professionnels")
    return normalized.lower()


def _recipient(written: str) -> str:
    word = written.strip().lower()
    if word.startswith("@"):
        if mail.normalize(f"x{word}") is None:
            raise ValueError("domaine attendu après « @ »")
        if mail.is_patient(word):
            raise ValueError("domaine des patients : une règle ne nomme que des professionnels")
        return word
    if "@" in word:
        return _address(word)
    identifier = word.upper()
    if not _IDENTIFIER.fullmatch(identifier):
        raise ValueError("adresse MSSanté, « @domaine » ou identifiant national (chiffres) attendu")
    return identifier


Address = Annotated[str, AfterValidator(_address)]
"""The address of a professional, in lower case."""

RecipientWord = Annotated[str, AfterValidator(_recipient)]
"""One of the three forms; addresses and domains in lower case."""
