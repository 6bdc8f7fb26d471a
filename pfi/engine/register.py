"""The local register: what a patient told the hospital and no message carries (obligations digest §5, E23 and E25).

Objections to mail to professionals or to themselves, and patients who will never have an INS. An entry is a statement
about the patient like those of the ADT feed: dated, kept, and the newest wins.
"""

from dataclasses import dataclass, replace

from pfi.engine.context import Context
from pfi.engine.patientfile import PatientFile, state_of
from pfi.model.adt import PatientEvent
from pfi.model.patient import Identifier, Ins, Patient, PatientState
from pfi.model.submission import MessageHeader, Stay
from pfi.store import messages

_HEADER = MessageHeader("PFI", "", "", "", "REG", "", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the register is told; `None` = nothing about that."""

    pro_opposed: bool | None = None
    cit_opposed: bool | None = None
    ins_impossible: bool | None = None

    @property
    def empty(self) -> bool:
        return (self.pro_opposed, self.cit_opposed, self.ins_impossible) == (None, None, None)


def named(*, ipp: str = "", authority: str = "", ins: Ins | None = None) -> Patient:
    """A patient as an operator names them: local identifier with its assigning authority (CX-4), INS, or both."""
    identifiers = (Identifier(ipp, authority_oid=authority, type_code="PI"),) if ipp else ()
    return Patient(ins=ins, identifiers=identifiers)


class LocalRegister:
    def __init__(self, context: Context, file: PatientFile) -> None:
        self._context = context
        self._file = file

    async def known(self, patient: Patient) -> PatientState | None:
        """What is known of a patient; `None` when nothing ever was told."""
        async with self._context.database.connection() as connection:
            found = await messages.look_up(connection, "", "", b"", self._file.keys_of(patient))
        return state_of(found)

    async def enter(self, patient: Patient, entry: Entry) -> None:
        """Keeps an entry and has the documents that wait decided again. A patient never seen before is remembered."""
        now = self._context.clock()
        event = PatientEvent(
            message=_HEADER,
            trigger="REG",
            occurred_at=now,
            recorded_at=now,
            patient=replace(patient, ins=None) if patient.identifiers else patient,
            stay=Stay(),
            pro_opposed=entry.pro_opposed,
            cit_opposed=entry.cit_opposed,
            ins_impossible=entry.ins_impossible,
        )
        async with self._context.database.transaction() as connection:
            await self._file.tell(connection, event, None)
            detail = {name: value for name in entry.__dataclass_fields__ if (value := getattr(entry, name)) is not None}
            await messages.add_event(connection, "register_entry", now, detail=detail)
