"""Everything that an exception may depend on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pfi.model.patient import IdentityStatus, Ins, Patient, PatientState
from pfi.model.profile import Environment, SenderProfile
from pfi.model.submission import Orders, Submission
from pfi.routing.rulefile import Parameters

INS_OIDS = {
    Environment.PRODUCTION: frozenset({"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"}),
    Environment.TEST: frozenset({"1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"}),
}
"""INS OIDs that may leave, by environment (INS digest §1.3)."""

INS_NIA = "1.2.250.1.213.1.4.9"
"""The number of a person who waits for a NIR; it has no test OID."""


class IdentityConclusion(Protocol):
    """What identity assessment concluded (`pfi.identity.status.Assessment`)."""

    @property
    def status(self) -> IdentityStatus: ...

    @property
    def code(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Situation:
    """One submission in its circumstances. `minor` is `None` when the birth date does not tell."""

    submission: Submission
    state: PatientState
    identity: IdentityStatus
    identity_code: str
    """Reason code of the identity assessment, which may know more than the headers show."""
    profile: SenderProfile
    parameters: Parameters
    tags: frozenset[str]
    minor: bool | None
    genetics: bool
    type_accepted: bool
    """Every rendition has a typeCode that the DMP accepts (JDV_J66)."""
    free_choice: bool
    """The type of a rendition is one for which the patient chooses the professional (rows X*), whatever the setting and
    the date (`pfi.routing.table.free_choice`)."""
    orders: Orders = field(init=False)
    reliability: frozenset[str] = field(init=False)
    """PID-32 of the message and the last one told by ADT, together: a doubt told by either is a doubt."""
    message_ins: tuple[Ins, ...] = field(init=False)
    """Every INS of PID-3."""
    cda_ins: tuple[Ins, ...] = field(init=False)
    """Every INS written in the headers of the documents."""

    def __post_init__(self) -> None:
        told = (*self.submission.patient.reliability, *self.state.reliability)
        carried = [ins for document in self.submission.documents for ins in _ins_of(document.header.patient)]
        for name, value in (
            ("orders", self.submission.orders),
            ("reliability", frozenset(value.strip().upper() for value in told)),
            ("message_ins", _ins_of(self.submission.patient)),
            ("cda_ins", tuple(carried)),
        ):
            object.__setattr__(self, name, value)  # computed once: many predicates look at them


Predicate = Callable[[Situation], bool]


def _ins_of(patient: Patient) -> tuple[Ins, ...]:
    return (patient.ins, *patient.other_ins) if patient.ins is not None else patient.other_ins
