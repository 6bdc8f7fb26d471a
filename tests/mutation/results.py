"""What became of each fault, kept from one run to the next so that only what changed is tried again."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutation.operators import Mutant


class Fate(StrEnum):
    """`TIMED_OUT`: the tests never ended, which counts as seen."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Result:
    """A fault and its fate; `by` is the test that saw it."""

    mutant: Mutant
    fate: Fate
    by: str = ""


class Ledger:
    """The fates of the faults of each module, in a file; those of a module that changed are forgotten."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, dict[str, dict[str, str]]] = {}
        if path.is_file():
            self._told = json.loads(path.read_text(encoding="utf-8"))

    def known(self, source: str, mutant: Mutant) -> Result | None:
        """What is known of a fault of this source."""
        told = self._told.get(_digest(source), {}).get(mutant.mark)
        return Result(mutant, Fate(told["fate"]), told["by"]) if told else None

    def add(self, source: str, result: Result) -> None:
        """Notes a fate; `save` writes it."""
        told = self._told.setdefault(_digest(source), {})
        told[result.mutant.mark] = {"fate": str(result.fate), "by": result.by}

    def save(self, sources: Iterable[str]) -> None:
        """Writes what is known of these sources."""
        digests = {_digest(source) for source in sources}
        kept = {digest: told for digest, told in self._told.items() if digest in digests}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(kept, indent=0), encoding="utf-8")


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:24]
