"""ADT messages and letters of patients, for the tests of what is decided again."""

from collections.abc import Sequence

from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import Flags, encode, pid_segment, write_request
from samples.generator.world import Person

INS = f"ASIP-SANTE-INS-NIR&{world.TEST_INS_OID}&ISO^INS"
AUTHORITY = f"CH-EXEMPLE&{world.HOSPITAL.finess}&M"
LATER = "20260310080000"
"""After every letter of these tests (written on 2026-03-05)."""


def adt(
    trigger: str,
    patient: Person,
    at: str = LATER,
    *,
    reliability: str = "VALI",
    with_ins: bool = True,
    feeding: str = "",
    status: str = "",
    deceased: bool = False,
    mrg: str = "",
    withdrawn: bool = False,
    more: Sequence[str] = (),
    control_id: str = "",
) -> bytes:
    """One ADT message. `mrg` is MRG-1; `withdrawn`: PID-3 carries an INS emptied by `""`."""
    structure = {"A40": "ADT_A39", "A47": "ADT_A30", "A28": "ADT_A05", "A31": "ADT_A05"}.get(trigger, "ADT_A01")
    pid = pid_segment(patient, with_ins=with_ins, reliability=reliability, set_id="1")
    if withdrawn:
        pid = pid.replace(f"|{patient.ipp}^", f'|""^^^{INS}~{patient.ipp}^', 1)
    if deceased:
        fields = pid.split("|")
        fields[30] = "Y"
        pid = "|".join(fields)
    lines = [
        f"MSH|^~\\&|GAM|CH-EXEMPLE|PFI|CH-EXEMPLE|{at}||ADT^{trigger}^{structure}|{control_id or trigger + at}|T"
        "|2.5^FRA^2.11|||||FRA|UNICODE UTF-8|FR||2.11^IHE_FRANCE-2.11-PAM",
        f"EVN||{at}||||{at}",
        pid,
    ]
    if mrg:
        lines.append(f"MRG|{mrg}")
    if trigger not in ("A40", "A47"):
        lines.append("PV1|1|N")
    lines += more
    if feeding or status:
        lines.append(f"ZFA|{status}|{at[:8]}|||||||{feeding}|{at if feeding else ''}")
    return encode(lines)


def ipp(patient: Person) -> str:
    """The local identifier as MRG-1 writes it."""
    return f"{patient.ipp}^^^{AUTHORITY}^PI"


def ins(patient: Person) -> str:
    """The INS as MRG-1 writes it."""
    return f"{patient.matricule}^^^{INS}"


def letter_of(
    patient: Person,
    control_id: str = "D1",
    *,
    reliability: str = "VALI",
    pid_with_ins: bool = True,
    with_matricule: bool = True,
    flags: Flags | None = None,
    **changes: object,
) -> bytes:
    """A discharge letter; by default of a qualified identity, all three channels ordered."""
    request = discharge(control_id, patient=patient, with_matricule=with_matricule)
    return write_request(
        request.but(reliability=reliability, pid_with_ins=pid_with_ins, flags=flags or Flags(), **changes)
    )
