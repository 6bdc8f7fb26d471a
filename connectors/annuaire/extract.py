"""Lookups in the imported extraction of the day: an SQLite file that the import replaces in one step."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from connectors.annuaire import choice
from connectors.annuaire.identifiers import Professional, Structure
from connectors.annuaire.settings import ExtractSettings
from pfi.engine.connector import Lookup, Mailbox
from pfi.model.errors import PfiError
from pfi.standards.mail.address import is_patient

FORMAT: Final = 1
"""Of our own file; another one asks for a new import."""
SCHEMA: Final = """
CREATE TABLE mailbox (
    address TEXT NOT NULL, kind TEXT NOT NULL, person TEXT NOT NULL, structure TEXT NOT NULL,
    label TEXT NOT NULL, place TEXT NOT NULL,
    PRIMARY KEY (address, person, structure)
) WITHOUT ROWID;
CREATE TABLE edition (format INTEGER NOT NULL, made_at TEXT NOT NULL, rows INTEGER NOT NULL, name TEXT NOT NULL);
"""
INDEXES: Final = """
CREATE INDEX mailbox_person ON mailbox (person) WHERE person <> '';
CREATE INDEX mailbox_structure ON mailbox (structure) WHERE structure <> '';
"""
_COLUMNS: Final = "address, kind, structure, label, place"


class ExtractError(PfiError):
    """`ANNUAIRE_EXTRACT_MISSING`, `ANNUAIRE_EXTRACT_UNREADABLE`: there is no usable imported extraction."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What was imported: the moment the extraction was made, its mailboxes, the name of its file."""

    made_at: datetime
    rows: int
    name: str


class Extract:
    """The imported file. Blocking calls of a millisecond or less; each one opens the file anew, so that an import is
    seen at once. Raises ExtractError."""

    def __init__(self, settings: ExtractSettings) -> None:
        self._settings = settings

    def edition(self) -> Edition:
        """What the file holds."""
        with self._opened() as connection:
            row = connection.execute("SELECT format, made_at, rows, name FROM edition").fetchone()
        if row is None or row[0] != FORMAT:
            raise _unreadable(self._settings.file)
        try:
            return Edition(datetime.fromisoformat(row[1]), row[2], row[3])
        except ValueError:
            raise _unreadable(self._settings.file) from None

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is recent enough to answer before the API."""
        return now - self.edition().made_at <= timedelta(days=self._settings.max_age_days)

    def of_professional(self, who: Professional, structure: str) -> Lookup:
        """Personal mailboxes of a professional."""
        return choice.of_professional(self._rows("person = ? AND person <> ''", who.national), structure)

    def of_structure(self, which: Structure) -> Lookup:
        """Organisational mailboxes of a structure: the extraction has no applicative one."""
        clause = "structure = ? AND structure <> '' AND person = ''"
        return choice.of_structure(self._rows(clause, which.finess))

    def _rows(self, clause: str, value: str) -> list[Mailbox]:
        query = f"SELECT {_COLUMNS} FROM mailbox WHERE {clause} ORDER BY address, structure"  # noqa: S608 - our words
        with self._opened() as connection:
            rows = connection.execute(query, (value,)).fetchall()
        return [Mailbox(*row) for row in rows if not is_patient(row[0])]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        path = self._settings.file
        if not path.is_file():
            raise ExtractError(
                "ANNUAIRE_EXTRACT_MISSING",
                "Aucune extraction de l'Annuaire Santé n'est importée.",
                "Lancer « pfi annuaire import ».",
            )
        try:
            # `immutable`: the file is replaced as a whole, never written in place.
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                yield connection
        except sqlite3.Error:
            raise _unreadable(path) from None


def _unreadable(path: Path) -> ExtractError:
    return ExtractError(
        "ANNUAIRE_EXTRACT_UNREADABLE",
        f"Extraction importée de l'Annuaire Santé illisible : {path}.",
        "Supprimer ce fichier et relancer « pfi annuaire import ».",
    )
