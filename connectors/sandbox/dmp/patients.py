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


TEST_PATIENTS: Final[Mapping[str, DmpState]] = {
    "279035121518989": DmpState.ACTIVE,
    "277076322082910": DmpState.ACTIVE,
    "146026322000196": DmpState.ACTIVE,
    "299017505600189": DmpState.CLOSED,
    "285058815400141": DmpState.OPPOSED,
}
"""Identities at start; every other matricule is absent unless the directory says otherwise."""


class PatientDirectory:
    """State of each DMP, by matricule INS (15 characters)."""

    def __init__(self, default: DmpState = DmpState.ABSENT) -> None:
        self.default = default
        self._states: dict[str, DmpState] = dict(TEST_PATIENTS)

    def state(self, matricule: str) -> DmpState:
        return self._states.get(matricule, self.default)

    def put(self, matricule: str, state: DmpState) -> None:
        self._states[matricule] = state

    def load(self, path: Path) -> None:
        """Reads a YAML or JSON file `{default: active, patients: {<matricule>: closed}}`; raises ValueError."""
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or set(content) - {"default", "patients"}:
            raise ValueError("le fichier des patients contient « default » et « patients », rien d'autre")
        self.default = DmpState(content.get("default", self.default))
        patients = content.get("patients") or {}
        if not isinstance(patients, dict):
            raise TypeError("« patients » associe un matricule à un état")
        for matricule, state in patients.items():
            self._states[str(matricule)] = DmpState(state)
