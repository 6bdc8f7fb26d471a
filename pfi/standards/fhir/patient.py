"""The patient of a lot: FR Core Patient, contained or an entry of the Bundle (INS digest §5)."""

from collections.abc import Iterable, Iterator
from typing import Final

from pfi.model.patient import Ins, Patient, Traits
from pfi.standards.fhir.element import Element
from pfi.standards.fhir.identifiers import in_use, is_ins, read_identifier, types_of
from pfi.standards.fhir.resources import Resources
from pfi.standards.fhir.vocabulary import (
    BIRTH_GIVEN_NAMES,
    BIRTH_PLACE,
    IDENTITY_RELIABILITY,
    INSEE_CODE,
    SOURCE_PATIENT,
    without_urn,
)
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.identifiers import INS_NIA

_RULE: Final = "INS digest §5"
_SEX: Final = {"male": "M", "female": "F", "other": "U", "unknown": "U"}
_DAY: Final = len("AAAA-MM-JJ")


def find_patients(resources: Resources, lot: Element, documents: Iterable[Element]) -> tuple[Element, ...]:
    """Every Patient that the lot and its documents are about, the one of the source first, each once."""
    found: dict[str, Element] = {}
    for resource in _pointed_to(resources, lot, tuple(documents)):
        if resource.kind == "Patient":
            found.setdefault(resource.where, resource)
    return tuple(found.values())


def _pointed_to(resources: Resources, lot: Element, documents: tuple[Element, ...]) -> Iterator[Element]:
    for document in documents:
        yield resources.resolve(document.one("context").one("sourcePatientInfo"), document)
    yield resources.resolve(lot.extension(SOURCE_PATIENT).one("valueReference"), lot)
    for holder in (*documents, lot):
        yield resources.resolve(holder.one("subject"), holder)


def read_patient(patients: tuple[Element, ...], deviations: Deviations) -> Patient | None:
    """One patient out of all that describe them: identifiers of all, traits and reliability of the first that gives
    them. Refused when they do not all speak of the same person; `None` when nobody is named."""
    if not patients:
        deviations.refuse(
            "PATIENT_MISSING",
            "PID",
            "Le lot ne désigne aucun patient lisible (subject, context.sourcePatientInfo).",
            "101",
            _RULE,
        )
        return None
    every = {each.where: _ins_of(each) for each in patients}
    ins = tuple(dict.fromkeys(each for found in every.values() for each in found))
    if len({each.matricule for each in ins if each.oid != INS_NIA}) > 1:
        deviations.refuse(
            "INS_CONTRADICTORY",
            "PID^1^3",
            "Le lot porte plusieurs matricules INS différents : le patient concerné est incertain.",
            "207",
            _RULE,
            "904",
        )
    ordered = sorted(ins, key=lambda each: each.oid == INS_NIA)
    described = next((each for each in patients if each.all("name")), patients[0])
    traits = _read_traits(described)
    others = tuple(
        dict.fromkeys(
            read_identifier(identifier, "PI" if "PI" in types_of(identifier) else "")
            for each in patients
            for identifier in in_use(each)
            if not is_ins(identifier)
        )
    )
    patient = Patient(
        ins=ordered[0] if ordered else None,
        identifiers=others,
        traits=traits,
        reliability=next((told for each in patients if (told := _reliability(each))), ()),
        other_ins=tuple(ordered[1:]),
        deceased=any(each.flag("deceasedBoolean") or each.text("deceasedDateTime") for each in patients),
    )
    _check(patient, patients, deviations)
    return patient


def _ins_of(patient: Element) -> tuple[Ins, ...]:
    return tuple(
        Ins(identifier.text("value"), without_urn(identifier.text("system")))
        for identifier in in_use(patient)
        if is_ins(identifier)
    )


def _reliability(patient: Element) -> tuple[str, ...]:
    """`identityStatus` of FR Core: the codes of PID-32."""
    return tuple(
        code.upper()
        for extension in patient.extensions(IDENTITY_RELIABILITY)
        for status in extension.extensions("identityStatus")
        if (code := status.one("valueCoding").text("code"))
    )


def _read_traits(patient: Element) -> Traits:
    """Traits as written. The birth name is the official one; FR Core keeps the list of given names beside it."""
    names = {name.text("use"): name for name in reversed(patient.all("name"))}
    birth = names.get("official") or names.get("") or Element({}, patient.at("name"))
    used = names.get("usual") or Element({}, patient.at("name"))
    given = birth.texts("given")
    listed = birth.extension(BIRTH_GIVEN_NAMES).text("valueString")
    place = patient.extension(BIRTH_PLACE).one("valueAddress")
    return Traits(
        birth_name=birth.text("family"),
        first_given_name=given[0] if given else "",
        given_names=listed or " ".join(given),
        birth_date=patient.text("birthDate")[:_DAY].replace("-", ""),
        sex=_SEX.get(patient.text("gender"), ""),
        birth_place=place.extension(INSEE_CODE).one("valueCoding").text("code"),
        used_name=used.text("family"),
        used_given_name=next(iter(used.texts("given")), ""),
    )


def _check(patient: Patient, patients: tuple[Element, ...], deviations: Deviations) -> None:
    traits = patient.traits
    if patient.ins is None and not patient.identifiers:
        deviations.refuse("PATIENT_ID_MISSING", "PID^1^3", "Le patient n'a aucun identifiant.", "101", _RULE)
    if patient.ins is not None and traits == Traits():
        deviations.inform(
            "TRAITS_FROM_DOCUMENT",
            "PID",
            "Le lot ne désigne le patient que par son INS : ses traits sont ceux du document de même INS.",
            _RULE,
        )
        return
    if not (traits.birth_name or traits.used_name):
        deviations.refuse(
            "PATIENT_NAME_MISSING",
            "PID^1^5",
            "Le nom du patient est absent : le donner dans context.sourcePatientInfo.",
            "101",
            _RULE,
        )
    if any("INS" in kind and not is_ins(each) for who in patients for each in in_use(who) for kind in types_of(each)):
        deviations.deviate(
            "INS_AUTHORITY_UNKNOWN",
            "PID^1^3",
            "Un identifiant de type INS n'est pas délivré par une autorité INS reconnue : il n'est pas traité comme "
            "une INS.",
            "103",
            _RULE,
        )
    if patient.ins is None:
        return
    missing = {
        "PID^1^5": not (traits.birth_name and traits.first_given_name and traits.given_names),
        "PID^1^7": not traits.birth_date,
        "PID^1^8": traits.sex not in ("M", "F"),
        "PID^1^11": not traits.birth_place,
    }
    for where, absent in missing.items():
        if absent:
            deviations.deviate(
                "INS_TRAIT_MISSING",
                where,
                "Le trait strict qui doit accompagner l'INS n'est pas donné en entier.",
                "101",
                _RULE,
            )
