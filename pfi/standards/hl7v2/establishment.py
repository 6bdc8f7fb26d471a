"""Where in the hospital a message comes from: legal entity, geographic establishment, UF (hl7v2 digest §1.4, §6.2)."""

from typing import Final

from pfi.model.parties import Establishment
from pfi.standards.hl7v2.identifiers import known, read_cx
from pfi.standards.hl7v2.movement import unit_in
from pfi.standards.hl7v2.tokenizer import Message

_IPP: Final = "PI"


def read_establishment(message: Message) -> Establishment:
    """The establishment of any message with a PID, as written: never fails, what is not told is empty.

    EJ: the authority of the IPP (its number, else its name), else MSH-4. EG: PV1-3.4 (number, else name). UF: ZBE-7,
    else PV1-3.1.
    """
    pv1, zbe = message.first("PV1"), message.first("ZBE")
    eg = unit = ""
    if pv1 is not None:
        location = pv1.first(3)
        eg = known(location.subcomponent(4, 2)) or known(location.subcomponent(4, 1))
        unit = known(location.component(1))
    if zbe is not None:
        unit = unit_in(zbe) or unit
    return Establishment(ej=_authority_of_ipp(message) or message.msh.component(4), eg=eg, unit=unit)


def _authority_of_ipp(message: Message) -> str:
    pid = message.first("PID")
    if pid is None:
        return ""
    identifiers = (read_cx(cx) for cx in pid.repetitions(3))
    local = (each for each in identifiers if each is not None and each.type_code == _IPP)
    return next((authority for each in local if (authority := each.authority_oid or each.authority_name)), "")
