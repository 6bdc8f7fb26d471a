"""The patient of a CDA header: `recordTarget/patientRole` (DMP digest §4.1, INS digest §4)."""

from typing import Final

from lxml import etree

from pfi.model.patient import Identifier, Ins, Patient, Traits
from pfi.standards.cda.oids import INS_OIDS, InsOid
from pfi.standards.cda.tree import N, path, text, value

_COUNTY: Final = path("birthplace", "place", "addr", "county")
_DAY: Final = len("AAAAMMJJ")


def read_patient(patient_role: etree._Element) -> Patient:
    """Identifiers and traits as written.

    An `id` is an INS by its OID alone. With an NIR and an NIA side by side the NIR is the INS (INS digest §3.1); the
    others go to `other_ins`. An `id` without extension stays among the other identifiers.
    """
    all_ins: list[Ins] = []
    identifiers: list[Identifier] = []
    for element in patient_role.iterchildren(f"{N}id"):
        root = element.get("root", "").strip()
        extension = element.get("extension", "").strip()
        if root in INS_OIDS and extension:
            all_ins.append(Ins(extension, root))
        elif root or extension:
            identifiers.append(Identifier(extension, authority_oid=root))
    chosen = next((ins for ins in all_ins if ins.oid != InsOid.NIA), all_ins[0] if all_ins else None)
    return Patient(
        ins=chosen,
        identifiers=tuple(identifiers),
        traits=_traits(patient_role.find(f"{N}patient")),
        other_ins=tuple(ins for ins in all_ins if ins is not chosen),
    )


def ins_is_first(patient_role: etree._Element) -> bool:
    """False when there is an INS and another identifier comes before it."""
    roots = [element.get("root", "").strip() for element in patient_role.iterchildren(f"{N}id")]
    return not any(root in INS_OIDS for root in roots[1:]) or roots[0] in INS_OIDS


def _traits(patient: etree._Element | None) -> Traits:
    if patient is None:
        return Traits()
    families: dict[str, str] = {}
    givens: dict[str, list[str]] = {}
    for name in patient.iterchildren(f"{N}name"):
        for part in name.iterchildren(f"{N}family", f"{N}given"):
            # An `EN` qualifier is a set of codes: "BR", "CL", seldom "BR CL".
            qualifiers = part.get("qualifier", "").split() or [""]
            for qualifier in qualifiers:
                if part.tag == f"{N}family":
                    families.setdefault(qualifier, text(part))
                else:
                    givens.setdefault(qualifier, []).append(text(part))
    gender = patient.find(f"{N}administrativeGenderCode")
    return Traits(
        birth_name=families.get("BR", ""),
        first_given_name="".join(givens.get("BR", ())[:1]),
        given_names=" ".join(given for given in givens.get("", ()) if given),
        birth_date=value(patient.find(f"{N}birthTime"))[:_DAY],
        sex="" if gender is None else gender.get("code", "").strip(),
        birth_place=text(patient.find(_COUNTY)),
        # SP was withdrawn from the volet in V1.13 and is still met: read as CL (DMP digest §4.1).
        used_name=families.get("CL") or families.get("SP", ""),
        used_given_name="".join((givens.get("CL") or givens.get("SP", []))[:1]),
    )
