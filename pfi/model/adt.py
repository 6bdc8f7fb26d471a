"""What one ADT message of PAM.FR says about a patient (`spec/hl7v2.md` section 6)."""

from dataclasses import dataclass
from datetime import datetime

from pfi.model.parties import Author
from pfi.model.patient import DmpStatus, Feeding, Identifier, Ins, Patient
from pfi.model.submission import MessageHeader, Stay


@dataclass(frozen=True, slots=True)
class PatientEvent:
    """`None` = the message does not say; a fact that the message does not state must not erase a stored one.

    `occurred_at` orders events (EVN-6, else EVN-2, else MSH-7). `withdraws_ins`: a `""` INS in PID-3, or an A47 whose
    MRG-1 is an INS that PID-3 does not replace. `prior_ins` / `prior_identifiers` come from MRG-1.
    `birth_date_corrected` is ZFD-4 = Y: such an identity can never be qualified.
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
