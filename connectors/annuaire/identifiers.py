"""National identifiers of professionals and structures, in their two written forms (directory digest §2.2).

Nothing else is ever asked of the directory: what does not have one of these shapes is not sent.
"""

import re
from dataclasses import dataclass
from typing import Final

RPPS_SYSTEM: Final = "https://rpps.esante.gouv.fr"
PERSON_SYSTEM: Final = "urn:oid:1.2.250.1.71.4.2.1"
FINESS_SYSTEM: Final = "https://finess.esante.gouv.fr"
STRUCTURE_SYSTEM: Final = "urn:oid:1.2.250.1.71.4.2.2"

_RPPS: Final = re.compile(r"8?([0-9]{11})", re.ASCII)
_ADELI: Final = re.compile(r"0[0-9][0-9AB][0-9]{7}", re.ASCII)
_FINESS: Final = re.compile(r"1?([0-9][0-9AB][0-9]{7})", re.ASCII)
_RPPS_KIND: Final = "8"


@dataclass(frozen=True, slots=True)
class Professional:
    """A professional by the national identifier: `8` + RPPS, or `0` + ADELI."""

    national: str

    @classmethod
    def read(cls, written: str) -> "Professional | None":
        """RPPS with or without its `8`, or `0` + ADELI; `None` for anything else."""
        text = written.strip().upper()
        if found := _RPPS.fullmatch(text):
            return cls(_RPPS_KIND + found[1])
        return cls(text) if _ADELI.fullmatch(text) else None

    @property
    def token(self) -> str:
        """`system|value` of a FHIR search."""
        if self.national.startswith(_RPPS_KIND):
            return f"{RPPS_SYSTEM}|{self.national[1:]}"
        return f"{PERSON_SYSTEM}|{self.national}"


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure by its FINESS, 9 characters."""

    finess: str

    @classmethod
    def read(cls, written: str) -> "Structure | None":
        """FINESS with or without its `1`; `None` for anything else, a SIRET included."""
        found = _FINESS.fullmatch(written.strip().upper())
        return cls(found[1]) if found else None

    @property
    def token(self) -> str:
        """`system|value` of a FHIR search."""
        return f"{FINESS_SYSTEM}|{self.finess}"
