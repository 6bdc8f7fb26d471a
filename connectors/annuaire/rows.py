"""Lines of `Extraction_Correspondance_MSSante`, read by the names of their columns (directory digest §3)."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from connectors.annuaire.choice import UNTOLD
from connectors.annuaire.identifiers import Professional, Structure
from pfi.model.errors import PeerRefusedError
from pfi.standards.mail.address import is_patient, normalize

SEPARATOR: Final = "|"
_NOISE: Final = re.compile(r"[^a-z0-9]+")
_REQUIRED: Final = (
    "type de bal",
    "adresse bal",
    "identifiant pp",
    "identification nationale pp",
    "identification structure",
)
_LABELS: Final = ("service de rattachement", "raison sociale structure bal", "enseigne commerciale structure bal")
_PLACE: Final = ("code postal", "departement")


class ExtractionRefusedError(PeerRefusedError):
    """`ANNUAIRE_EXTRACTION_REFUSED`: the file is not an extraction that can replace the one in use."""

    def __init__(self, text: str, next_step: str = "") -> None:
        super().__init__("ANNUAIRE_EXTRACTION_REFUSED", text, next_step)


@dataclass(frozen=True, slots=True)
class Row:
    """One published mailbox. `person` is a national identifier, empty for those of a structure; no name is kept."""

    address: str
    kind: str
    person: str
    structure: str
    label: str
    place: str


class RowReader:
    """Reads lines; counts those that cannot be used."""

    def __init__(self, header: str) -> None:
        """Raises ExtractionRefusedError when a needed column is missing."""
        names = [_plain(name) for name in header.rstrip("\r\n").lstrip("\ufeff").split(SEPARATOR)]
        self._at = {name: index for index, name in reversed(list(enumerate(names)))}
        self._width = len(names)
        missing = [name for name in _REQUIRED if name not in self._at]
        if missing:
            raise ExtractionRefusedError(f"Colonne « {missing[0]} » absente : ce n'est pas l'extraction attendue.")
        self.seen = 0
        self.unusable = 0

    def read(self, lines: Iterable[str]) -> Iterator[Row]:
        """The usable rows of these lines."""
        for line in lines:
            if not line.strip():
                continue
            self.seen += 1
            row = self._row(line.rstrip("\r\n").split(SEPARATOR))
            if row is None:
                self.unusable += 1
            else:
                yield row

    def _row(self, cells: list[str]) -> Row | None:
        # Some editions end lines with a separator, others only the header.
        if abs(len(cells) - self._width) > 1:
            return None
        address = normalize(self._cell(cells, "adresse bal"))
        if address is None or is_patient(address):
            return None
        written = self._cell(cells, "identification nationale pp") or self._cell(cells, "identifiant pp")
        person = Professional.read(written)
        named = self._cell(cells, "identification structure")
        structure = Structure.read(named)
        if written and person is None:
            return None
        return Row(
            address=address,
            kind=self._cell(cells, "type de bal").upper(),
            person=person.national if person else "",
            structure=structure.finess if structure else UNTOLD if named else "",
            label=next((text for name in _LABELS if (text := self._cell(cells, name))), ""),
            place=next((text for name in _PLACE if (text := self._cell(cells, name))), ""),
        )

    def _cell(self, cells: list[str], name: str) -> str:
        index = self._at.get(name, len(cells))
        return cells[index].strip() if index < len(cells) else ""


def _plain(name: str) -> str:
    """A column's name without case, accents nor punctuation: editions differ in these."""
    bare = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return _NOISE.sub(" ", bare).strip()
