"""Names shown to readers: the Subject of a mail and the file names of its PDF (MSSanté digest §4.3, §4.6)."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

from pfi.model.document import Document
from pfi.model.patient import Traits
from pfi.standards.mail.headers import clean
from pfi.standards.mail.letters import without_accents

PREFIX: Final = "XDM/1.0/DDM+"
LABEL_LENGTH: Final = 40
REPLACED: Final = "[Annule et remplace] "
"""A habit of some software before the prefix of a replacement; not normative (MSSanté digest §5.3)."""

_NOT_IN_FILE_NAMES: Final = re.compile(r'[/\\:*?"<>|]+')
_FILE_NAME_BYTES: Final = 240
"""In UTF-8, extension and number apart: file systems take 255, and a line of a mail 998 characters."""


def label(document: Document) -> str:
    """`code/@displayName` cut at 40 characters; the title when the code has no label."""
    composed = unicodedata.normalize("NFC", document.header.code.label or document.header.title)
    return clean(composed)[:LABEL_LENGTH].rstrip()


def family_name(traits: Traits) -> str:
    """Birth name (used name when it is missing), upper case without accents."""
    return clean(without_accents(traits.birth_name or traits.used_name).upper())


def given_name(traits: Traits) -> str:
    """First birth given name, without accents."""
    first = traits.first_given_name or traits.given_names.partition(" ")[0] or traits.used_given_name
    return clean(without_accents(first))


def subject(documents: Sequence[Document], traits: Traits) -> str:
    """`XDM/1.0/DDM+<libellé> <NOM> <prénom> <JJ/MM/AAAA>`, not encoded.

    The N1 and the N3 of one document (same code, same title) count as one. An unknown date is left out.
    """
    count = _distinct(documents)
    what = label(documents[0]) if count == 1 else f"{count} documents"
    words = (what, family_name(traits), given_name(traits), french_date(traits.birth_date))
    return PREFIX + " ".join(word for word in words if word)


def _distinct(documents: Sequence[Document]) -> int:
    """Clinical documents: of each code and title, as many as there are at the level that has most of them."""
    levels: dict[tuple[str, str], Counter[str]] = {}
    for document in documents:
        header = document.header
        levels.setdefault((header.code.code, clean(header.title)), Counter())[header.level] += 1
    return sum(max(each.values()) for each in levels.values())


def french_date(timestamp: str) -> str:
    """`JJ/MM/AAAA` of an HL7 timestamp; empty when it does not hold a whole date."""
    try:
        day = date.fromisoformat(f"{timestamp[:4]}-{timestamp[4:6]}-{timestamp[6:8]}")
    except ValueError:
        return ""
    return f"{day:%d/%m/}{day.year:04d}"


def pdf_file_names(documents: Sequence[Document], traits: Traits, record_number: str = "") -> tuple[str, ...]:
    """One distinct name for each document: `<AAAAMMJJ>_<type>_<NOM>_<prenom>[_<numéro de dossier>].pdf`.

    The date is the one of the act, else the one of the document.
    """
    names: list[str] = []
    for document in documents:
        event = document.header.principal_event
        day = (event.start if event is not None else "")[:8] or document.header.effective_time[:8]
        parts = (day, label(document), family_name(traits), given_name(traits), record_number)
        whole = "_".join(filter(None, (_file_name_part(part) for part in parts))).encode("utf-8")
        stem = whole[:_FILE_NAME_BYTES].decode("utf-8", "ignore").rstrip(". ")
        name, copy = f"{stem}.pdf", 1
        while _folded(name) in map(_folded, names):
            copy += 1
            name = f"{stem}_{copy}.pdf"
        names.append(name)
    return tuple(names)


def _folded(name: str) -> str:
    """Names alike for a file system without case, or for a reader that takes the ASCII form."""
    return without_accents(name).lower()


def _file_name_part(text: str) -> str:
    return clean(_NOT_IN_FILE_NAMES.sub(" ", clean(text))).strip(". ")
