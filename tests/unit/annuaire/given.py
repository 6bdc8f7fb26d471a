"""Invented professionals and structures, and lines of an extraction, for the tests of the directory."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

NOW: Final = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
NAME: Final = "Extraction_Correspondance_MSSante_202603050312.txt"
HEADER: Final = (
    "Type de BAL|Adresse BAL|Type d'identifiant PP|Identifiant PP|Identification nationale PP|"
    "Type d'identifiant structure|Identification Structure|Service de rattachement|Nom d'exercice|Prénom d'exercice|"
    "Dématérialisation|Raison sociale structure BAL|Code postal|Département|Pays"
)


def personal(address: str, rpps: str, finess: str = "", kind: str = "PER") -> str:
    """A line of a professional's mailbox."""
    return (
        f"{kind}|{address}|8|{rpps}|8{rpps}|{'1' if finess else ''}|{finess}||ESSAI|CAMILLE|O|"
        f"{'CH DEMO' if finess else ''}|99000|99|FR"
    )


def organisational(address: str, finess: str, service: str = "") -> str:
    """A line of a structure's mailbox."""
    return f"ORG|{address}||||1|{finess}|{service}|||O|CH DEMO|99000|99|FR"


def written(folder: Path, *lines: str, name: str = NAME, header: str = HEADER) -> Path:
    """An extraction as text."""
    path = folder / name
    path.write_text("\n".join((header, *lines, "")), encoding="utf-8")
    return path
