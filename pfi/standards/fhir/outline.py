"""What an answer needs of the request it answers: its entries, and where things told by HL7 v2 places are in it.

Checks shared with HL7 v2 name places in the form of ERR-2 (`PID^1^8`): the outline gives their FHIR expression.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_DOCUMENT: Final = "OBX^1^5"


@dataclass(frozen=True, slots=True)
class EntryOutline:
    """Type, `fullUrl` and request of an entry."""

    kind: str
    full_url: str
    method: str
    url: str


@dataclass(frozen=True, slots=True)
class Outline:
    """`places` maps HL7 v2 places to expressions; the longest that begins a place wins (`PID^1^8`, then `PID`)."""

    entries: tuple[EntryOutline, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)

    def expression(self, where: str) -> str:
        """The FHIR expression of the place of a finding; empty when nothing of the Bundle is at fault."""
        if where.startswith("Bundle"):
            return where
        if "/" in where or where == "ClinicalDocument":
            return self.places.get(_DOCUMENT, "")
        parts = where.split("^")
        for length in range(len(parts), 0, -1):
            found = self.places.get("^".join(parts[:length]))
            if found:
                return found
        return ""


NO_OUTLINE: Final = Outline()
"""Of what is no Bundle."""
