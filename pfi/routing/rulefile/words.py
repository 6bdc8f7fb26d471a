"""The closed vocabulary of rule files, and the model that all their blocks share."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Due(StrEnum):
    """What a row asks of a channel. `FREE_CHOICE`: due, but only toward the professional the patient has chosen."""

    NONE = "none"
    FREE_CHOICE = "due_free_choice"
    DUE = "due"

    @property
    def strength(self) -> int:
        """Rows add up: the strongest value wins (obligations digest §3)."""
        return _STRENGTH[self]


_STRENGTH = {Due.NONE: 0, Due.FREE_CHOICE: 1, Due.DUE: 2}


class Setting(StrEnum):
    """Where a document was produced, or where the acts it asks for will be performed."""

    IN_STAY = "in_stay"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """What an exception does to a channel (obligations digest §5).

    `VOID`: the destination does not exist. `PRESCRIBER_ONLY` keeps only the prescriber among the professionals.
    `WARN` and `INFO` leave the channel as it is and are recorded.
    """

    DENY = "deny"
    VOID = "void"
    HOLD = "hold"
    PRESCRIBER_ONLY = "prescriber_only"
    WARN = "warn"
    INFO = "info"


class Tag(StrEnum):
    """Facts that no header carries, told by the site or by the sending software."""

    CONSTITUTIONAL_GENETICS = "constitutional_genetics"
    ENTENTE_PREALABLE = "entente_prealable"
    ACTS_IN_STAY = "acts_in_stay"
    INS_IMPOSSIBLE = "ins_impossible"
    IVG = "ivg"
    PSYCHIATRY = "psychiatry"
    SENSITIVE_CARE = "sensitive_care"
    ADMISSION_WITHOUT_CONSENT = "admission_without_consent"
    PRO_OPPOSED = "pro_opposed"
    CIT_OPPOSED = "cit_opposed"
    DECEASED = "deceased"


class RuleModel(BaseModel):
    """Unknown keys are refused: a misspelt condition must never be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Identifier = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
KnownSetting = Literal[Setting.IN_STAY, Setting.OUTSIDE]


class Weekday(StrEnum):
    """Days of a schedule, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class PatientClass(StrEnum):
    """PV1-2 in PAM.FR: admitted, external, emergency, sessions, no visit, day visit."""

    INPATIENT = "I"
    OUTPATIENT = "O"
    EMERGENCY = "E"
    RECURRING = "R"
    NONE = "N"
    DAY = "V"


class DerivedRole(StrEnum):
    """Professionals that the traffic names otherwise than as recipients (obligations digest §7)."""

    MEDECIN_TRAITANT = "medecin_traitant"
    PRESCRIBER = "prescriber"
    REFERRING = "referring"
    INFORMED = "informed"
