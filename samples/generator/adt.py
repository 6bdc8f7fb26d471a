"""ADT messages of PAM.FR 2.11 sent by the identity repository (HL7 digest §6)."""

from dataclasses import dataclass

from . import world
from .request import Stay, pid_segment, pv1, segment
from .world import Person


@dataclass(frozen=True, slots=True)
class Zfa:
    """DMP status and consents: ZFA-1, ZFA-9 (feeding), ZFA-11 (consultation)."""

    status: str
    feeding: str
    consultation: str


@dataclass(frozen=True, slots=True)
class Event:
    file: str
    shows: str
    control_id: str
    trigger: str
    structure: str
    patient: Person
    occurred_at: str
    stay: Stay
    reliability: str = "VALI"
    with_ins: bool = True
    zfa: Zfa | None = None
    withdrawn: bool = False
    """A47 that takes the INS away: MRG-1 = the INS, PID-3 = IPP and an INS emptied by `""`."""


_NO_STAY = Stay("N")

EVENTS = (
    Event(
        "a01-admission-non-opposition",
        "A01, INS qualified, ZFA `INO` (feeding not opposed) and `IC` (consents to consultation)",
        "GAM-0001",
        "A01",
        "ADT_A01",
        world.DOMINIQUE,
        "20260301090000",
        Stay("I", "5500123", "20260301090000"),
        zfa=Zfa("ACTIF", "INO", "IC"),
    ),
    Event(
        "a31-opposition",
        "A31, ZFA `IO`: the patient is opposed to the feeding of the DMP",
        "GAM-0002",
        "A31",
        "ADT_A05",
        world.OPPOSED,
        "20260301100000",
        _NO_STAY,
        zfa=Zfa("ACTIF", "IO", "INC"),
    ),
    Event(
        "a31-identite-validee",
        "A31, PID-32 `VALI` and the INS: the identity of `identite-provisoire` becomes qualified",
        "GAM-0003",
        "A31",
        "ADT_A05",
        world.PROVISIONAL,
        "20260306080000",
        _NO_STAY,
    ),
    Event(
        "a28-identite-provisoire",
        "A28, PID-32 `PROV`, no INS",
        "GAM-0004",
        "A28",
        "ADT_A05",
        world.PROVISIONAL,
        "20260301070000",
        _NO_STAY,
        reliability="PROV",
        with_ins=False,
    ),
    Event(
        "a03-sortie",
        "A03, discharge, no ZFA: must not erase a recorded consent",
        "GAM-0005",
        "A03",
        "ADT_A03",
        world.DOMINIQUE,
        "20260305110000",
        Stay("I", "5500123", "20260301090000", "20260305110000"),
    ),
    Event(
        "a47-retrait-ins",
        "A47 that withdraws an INS attached by mistake",
        "GAM-0006",
        "A47",
        "ADT_A30",
        world.PROVISIONAL,
        "20260307080000",
        _NO_STAY,
        reliability="PROV",
        with_ins=False,
        withdrawn=True,
    ),
)


def segments(event: Event) -> list[str]:
    """The segments in the order of PAM.FR, without terminators."""
    patient, at = event.patient, event.occurred_at
    lines = [
        f"MSH|^~\\&|GAM|CH-EXEMPLE|PFI|CH-EXEMPLE|{at}||ADT^{event.trigger}^{event.structure}|{event.control_id}|T"
        "|2.5^FRA^2.11|||||FRA|UNICODE UTF-8|FR||2.11^IHE_FRANCE-2.11-PAM",
        segment("EVN", ["", "", at, "", "", "", at]),
        pid_segment(patient, with_ins=event.with_ins, reliability=event.reliability, set_id="1"),
    ]
    if event.withdrawn:
        authority = f"ASIP-SANTE-INS-NIR&{world.TEST_INS_OID}&ISO^INS"
        ipp = f"{patient.ipp}^"
        lines[-1] = lines[-1].replace(f"|{ipp}", f'|""^^^{authority}~{ipp}', 1)
        lines.append(f"MRG|{patient.matricule}^^^{authority}")
        return lines
    lines.append(pv1(event.stay))
    if event.stay.visit:
        unit = f"CH-EXEMPLE&{world.HOSPITAL.finess}&M^UF^^^3435"
        lines.append(f"ZBE|{event.control_id}^CH-EXEMPLE|{at}||INSERT|N||Cardiologie^^^^^{unit}||HMS")
    if event.zfa is not None:
        zfa, day = event.zfa, at[:8]
        lines.append(f"ZFA|{zfa.status}|{day}|||||||{zfa.feeding}|{day}|{zfa.consultation}|{day}")
    if event.trigger in {"A01", "A28", "A31"}:
        lines.append("ZFD|||Y|N|INSI|20260301" if event.with_ins else "ZFD|||Y|N|SM")
    return lines
