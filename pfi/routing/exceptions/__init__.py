"""The situations that exceptions name: one small pure function each (obligations digest §5, §6.2).

A rule file says what a situation does to each channel; this package only says whether the situation holds.
"""

from pfi.routing.exceptions.catalogue import SITUATIONS
from pfi.routing.exceptions.explicit import explicit_recipients_only
from pfi.routing.exceptions.situation import (
    INS_NIA,
    INS_OIDS,
    IdentityConclusion,
    Predicate,
    Situation,
)

__all__ = [
    "INS_NIA",
    "INS_OIDS",
    "SITUATIONS",
    "IdentityConclusion",
    "Predicate",
    "Situation",
    "explicit_recipients_only",
]
