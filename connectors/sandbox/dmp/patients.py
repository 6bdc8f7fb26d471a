"""Who has a DMP in the sandbox."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml


class DmpState(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"
    ABSENT = "absent"
    OPPOSED = "opposed"
    """The DMP exists; the patient opposes its feeding."""
    BLOCKED = "blocked"
    """The DMP exists; the patient has blocked every caller."""


TEST_PATIENTS: Final[Mapping[str, DmpState]] = {
    "279035121518989": DmpState.ACTIVE,
    "277076322082910": DmpState.ACTIVE,
    "146026322000196": DmpState.ACTIVE,
    "299017505600189": DmpState.CLOSED,
    "285058815400141": DmpState.OPPOSED,
}
"""Identities at start; every other matricule is absent unless the directory says otherwise."""


class PatientDirectory:
    """State of each DMP, by matricule INS (15 characters).

    `blocked_code` is the error that a blocked caller is given; empty = the generic code of IHE, since the DMP's own is
    in annex A7-1, which is not public.
    """

    def __init__(self, default: DmpState = DmpState.ABSENT) -> None:
        self.default = default
        self.blocked_code = ""
        self._states: dict[str, DmpState] = dict(TEST_PATIENTS)
        self._blocked: dict[str, set[str]] = {}

    def state(self, matricule: str) -> DmpState:
        return self._states.get(matricule, self.default)

    def put(self, matricule: str, state: DmpState) -> None:
        self._states[matricule] = state

    def block(self, matricule: str, caller: str) -> None:
        """The patient shuts a professional (PSIdNat) or a structure (Struct_IdNat) out of the DMP."""
        self._blocked.setdefault(matricule, set()).add(caller)

    def blocks(self, matricule: str, structure: str, person: str) -> bool:
        """Whether the patient has blocked this caller."""
        blocked = self._blocked.get(matricule, set())
        return self.state(matricule) is DmpState.BLOCKED or structure in blocked or person in blocked

    def load(self, path: Path) -> None:
        """Reads a YAML or JSON file `{default: active, patients: {<matricule>: closed}, blocked: {<matricule>:
        [<PSIdNat or Struct_IdNat>]}}`; raises ValueError."""
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or set(content) - {"default", "patients", "blocked"}:
            raise ValueError("le fichier des patients contient « default », « patients » et « blocked », rien d'autre")
        self.default = DmpState(content.get("default", self.default))
        patients = content.get("patients") or {}
        if not isinstance(patients, dict):
            raise TypeError("« patients » associe un matricule à un état")
        for matricule, state in patients.items():
            self._states[str(matricule)] = DmpState(state)
        for matricule, callers in (content.get("blocked") or {}).items():
            for caller in callers:
                self.block(str(matricule), str(caller))
