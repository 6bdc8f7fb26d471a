"""What one ADT message of PAM.FR says about a patient (hl7v2 digest §6)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pfi.model.parties import NOWHERE, Author, Establishment
from pfi.model.patient import DmpStatus, Feeding, Identifier, Ins, Patient
from pfi.model.submission import MessageHeader, Stay


class MovementAction(StrEnum):
    """ZBE-4."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Movement:
    """ZBE: one movement of a stay. Empty or `None` = not told.

    `ids` are all repetitions of ZBE-1 as `value^authority`. `started_at` is ZBE-2, `historic` ZBE-5, `medical_unit` and
    `care_unit` the codes (component 10) of ZBE-7 and ZBE-8. `original_trigger` is ZBE-6, the event that an update or a
    cancellation is about. `nature` is ZBE-9.
    """

    ids: tuple[str, ...] = ()
    action: MovementAction = MovementAction.INSERT
    original_trigger: str = ""
    started_at: datetime | None = None
    historic: bool = False
    medical_unit: str = ""
    care_unit: str = ""
    nature: str = ""


CLEARABLE = frozenset({"dmp_status", "admitted_at", "discharged_at", "unit", "entry_mode", "exit_mode"})
"""What `PatientEvent.cleared` may hold. The other facts have a value that says "no longer known" (ZFA-9 `NA`, PID-32
`VIDE`)."""


@dataclass(frozen=True, slots=True)
class PatientEvent:
    """`None` = the message does not say; a fact that the message does not state must not erase a stored one.

    `occurred_at` is when the event took place (EVN-6, else EVN-2, else MSH-7); `recorded_at` when it was told (EVN-2,
    else MSH-7, else EVN-6): statements about the same fact are ordered by it. `withdraws_ins`: a `""` INS in PID-3, or
    an A47 whose MRG-1 is an INS that PID-3 does not replace. `prior_ins` / `prior_identifiers` come from MRG-1; they
    are empty for A44, which moves a file between two patients who stay distinct. `birth_date_corrected` is ZFD-4 = Y:
    such an identity can never be qualified. `deceased` is PID-30 (`None` = field empty), or a death told by ZFM-2;
    `patient.deceased` is PID-30 alone. `pro_opposed`, `cit_opposed` and `ins_impossible` come from the local register
    that operators keep (E23, E25), never from a message.
    """

    message: MessageHeader
    trigger: str
    occurred_at: datetime
    patient: Patient
    stay: Stay
    prior_ins: tuple[Ins, ...] = ()
    prior_identifiers: tuple[Identifier, ...] = ()
    withdraws_ins: bool = False
    dmp_status: DmpStatus | None = None
    dmp_status_at: datetime | None = None
    feeding: Feeding | None = None
    feeding_at: datetime | None = None
    consultation: str | None = None
    consultation_at: datetime | None = None
    birth_date_corrected: bool = False
    referring_professionals: tuple[Author, ...] = ()
    recorded_at: datetime | None = None
    establishment: Establishment = NOWHERE
    movement: Movement | None = None
    deceased: bool | None = None
    entry_mode: str = ""
    """ZFM-1."""
    exit_mode: str = ""
    """ZFM-2."""
    pro_opposed: bool | None = None
    cit_opposed: bool | None = None
    ins_impossible: bool | None = None
    ended_roles: tuple[Author, ...] = ()
    """ROL-2 = `DE`: these people no longer have that role."""
    whole_account: bool = False
    """PV1-51 = `A`: the cancellation (A11) is about every visit of the file."""
    cleared: frozenset[str] = frozenset()
    """Facts that the message deletes with `""`: see `CLEARABLE`."""

    @property
    def told_at(self) -> datetime:
        """The moment that orders statements."""
        return self.recorded_at or self.occurred_at
