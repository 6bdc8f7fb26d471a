"""PID and PV1: the patient and the stay (hl7v2 digest §1.4 and §1.5)."""

from dataclasses import dataclass
from typing import Final

from pfi.model.patient import Identifier, Ins, Patient, Traits
from pfi.model.submission import Stay
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.identifiers import INS_NIA, INS_OIDS, known, read_cx
from pfi.standards.hl7v2.timestamp import has_birth_date_shape, read_timestamp
from pfi.standards.hl7v2.tokenizer import NULL, Repetition, Segment

_RULE: Final = "hl7v2 digest §1.4"
_STAY_RULE: Final = "hl7v2 digest §1.5"

_NAME_PRIORITY: Final = ("L", "", "U", "N")
"""XPN-7 of the repetition that gives the birth name: the legal one, else an untyped or unspecified one."""

CLASSES_WITH_VISIT: Final = frozenset("IOERV")
CLASSES: Final = CLASSES_WITH_VISIT | {"N"}


@dataclass(frozen=True, slots=True)
class IdentifierList:
    """A list of CX, sorted: INS (NIR before NIA, then as written), others, and whether a `""` withdraws the INS."""

    ins: tuple[Ins, ...] = ()
    others: tuple[Identifier, ...] = ()
    withdrawn: bool = False
    foreign_ins: bool = False
    """A CX typed `INS` whose authority is none of the INS (an obsolete INS-C, a mistake)."""


def read_identifiers(repetitions: tuple[Repetition, ...]) -> IdentifierList:
    """PID-3 or MRG-1. An INS is recognised by CX-5 = `INS` **and** its OID: the billing NIR shares the OID."""
    ins: list[Ins] = []
    others: list[Identifier] = []
    withdrawn = foreign = False
    for cx in repetitions:
        typed_ins = cx.component(5).upper() == "INS"
        oid = cx.subcomponent(4, 2)
        if cx.component(1) == NULL:
            withdrawn = withdrawn or typed_ins
            continue
        identifier = read_cx(cx)
        if identifier is None:
            continue
        if typed_ins and oid in INS_OIDS:
            candidate = Ins(identifier.value, oid)
            if candidate not in ins:
                ins.append(candidate)
        else:
            foreign = foreign or typed_ins
            others.append(identifier)
    ins.sort(key=lambda candidate: candidate.oid == INS_NIA)  # the NIR wins; the sort is stable
    return IdentifierList(tuple(ins), tuple(others), withdrawn, foreign)


def read_patient(pid: Segment) -> Patient:
    """The patient of a PID, exactly as written."""
    identifiers = read_identifiers(pid.repetitions(3))
    return Patient(
        ins=identifiers.ins[0] if identifiers.ins else None,
        identifiers=identifiers.others,
        traits=read_traits(pid),
        reliability=tuple(
            value for repetition in pid.repetitions(32) if (value := known(repetition.component(1)).upper())
        ),
        account=read_cx(pid.first(18)),
        other_ins=identifiers.ins[1:],
        deceased=pid.component(30).upper() == "Y",
    )


def read_traits(pid: Segment) -> Traits:
    """Identity traits, never altered."""
    by_type: dict[str, Repetition] = {}
    for name in pid.repetitions(5):
        by_type.setdefault(name.component(7).upper(), name)
    birth = next((by_type[kind] for kind in _NAME_PRIORITY if kind in by_type), None)
    used = by_type.get("D")
    birth_place = next(
        (known(address.component(9)) for address in pid.repetitions(11) if address.component(7).upper() == "BDL"), ""
    )
    return Traits(
        birth_name=known(birth.subcomponent(1, 1)) if birth else "",
        first_given_name=known(birth.component(2)) if birth else "",
        given_names=known(birth.component(3)) if birth else "",
        birth_date=known(pid.component(7))[:8],
        sex=known(pid.component(8)).upper(),
        birth_place=birth_place,
        used_name=known(used.subcomponent(1, 1)) if used else "",
        used_given_name=known(used.component(2)) if used else "",
    )


def check_patient(pid: Segment, patient: Patient, deviations: Deviations) -> None:
    """The checks of PID for a document request."""
    traits = patient.traits
    if patient.ins is None and not patient.identifiers:
        deviations.refuse("PATIENT_ID_MISSING", "PID^1^3", "PID-3 ne donne aucun identifiant du patient.", "101", _RULE)
    if not (traits.birth_name or traits.used_name):
        deviations.refuse("PATIENT_NAME_MISSING", "PID^1^5", "PID-5 (nom du patient) est vide.", "101", _RULE)
    if read_identifiers(pid.repetitions(3)).foreign_ins:
        deviations.deviate(
            "INS_AUTHORITY_UNKNOWN",
            "PID^1^3",
            "Un identifiant de type INS n'est pas délivré par une autorité INS reconnue : il n'est pas traité comme "
            "une INS.",
            "103",
            _RULE,
        )
    if len({ins.matricule for ins in (patient.ins, *patient.other_ins) if ins and ins.oid != INS_NIA}) > 1:
        deviations.refuse(
            "INS_CONTRADICTORY",
            "PID^1^3",
            "PID-3 porte plusieurs matricules INS différents : le patient concerné est incertain.",
            "207",
            _RULE,
            "904",
        )
    birth_date = known(pid.component(7))
    if birth_date and not has_birth_date_shape(birth_date):
        deviations.refuse("BIRTH_DATE_INVALID", "PID^1^7", "PID-7 n'a pas la forme d'une date.", "102", _RULE)
    if patient.ins is not None:
        _check_strict_traits(traits, deviations)
        if traits.birth_name and not any(name.component(7).upper() == "L" for name in pid.repetitions(5)):
            deviations.deviate(
                "BIRTH_NAME_UNTYPED",
                "PID^1^5",
                "Une INS demande un nom de naissance de type L en PID-5 : le nom sans ce type est lu comme tel.",
                "101",
                _RULE,
            )


def _check_strict_traits(traits: Traits, deviations: Deviations) -> None:
    """An INS travels with all its strict traits. A missing one stops the DMP (905), not the message."""
    missing = {
        5: not (traits.birth_name and traits.first_given_name and traits.given_names),
        7: not traits.birth_date,
        8: traits.sex not in ("M", "F"),
        11: not traits.birth_place,
    }
    for number, absent in missing.items():
        if absent:
            deviations.deviate(
                "INS_TRAIT_MISSING",
                f"PID^1^{number}",
                f"PID-{number} ne donne pas complètement le trait strict qui doit accompagner l'INS.",
                "101",
                _RULE,
            )


def read_stay(pv1: Segment | None) -> Stay:
    """The stay of a PV1; without PV1 no stay is known."""
    if pv1 is None:
        return Stay()
    return Stay(
        patient_class=known(pv1.component(2)).upper(),
        visit=read_cx(pv1.first(19)),
        admitted_at=known(pv1.component(44)),
        discharged_at=known(pv1.component(45)),
        unit=known(pv1.component(3)),
    )


def check_stay(stay: Stay, deviations: Deviations) -> None:
    """The checks of PV1 for a document request."""
    if not stay.patient_class:
        deviations.deviate("PATIENT_CLASS_MISSING", "PV1^1^2", "PV1-2 (classe de venue) est vide.", "101", _STAY_RULE)
    elif stay.patient_class not in CLASSES:
        deviations.deviate(
            "PATIENT_CLASS_UNKNOWN", "PV1^1^2", "PV1-2 doit valoir I, O, E, R, V ou N.", "103", _STAY_RULE
        )
    elif stay.patient_class in CLASSES_WITH_VISIT and stay.visit is None:
        deviations.deviate(
            "VISIT_NUMBER_MISSING",
            "PV1^1^19",
            "PV1-19 (numéro de venue) est requis pour cette classe de venue.",
            "101",
            _STAY_RULE,
        )
    for number, value in ((44, stay.admitted_at), (45, stay.discharged_at)):
        if value and read_timestamp(value) is None:
            deviations.deviate(
                "STAY_TIME_INVALID", f"PV1^1^{number}", f"PV1-{number} n'est pas une date valide.", "102", _STAY_RULE
            )
