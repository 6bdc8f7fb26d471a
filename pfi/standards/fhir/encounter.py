"""The stay: the Encounter of a document's context (hl7v2 digest §1.5)."""

import re
from typing import Final

from pfi.model.parties import Establishment
from pfi.model.patient import Identifier, Patient
from pfi.model.submission import Stay
from pfi.standards.fhir.element import Element
from pfi.standards.fhir.identifiers import in_use, read_identifier, types_of
from pfi.standards.fhir.resources import Resources
from pfi.standards.fhir.vocabulary import without_urn

_CLASSES: Final = {"IMP": "I", "ACUTE": "I", "NONAC": "I", "SS": "I", "AMB": "O", "EMER": "E", "VR": "N", "HH": "O"}
"""Encounter.class (v3-ActCode) -> PV1-2; the HL7 v2 letters themselves are taken as they are."""
_LETTERS: Final = frozenset("IOERVN")
_INSTANT: Final = re.compile(
    r"(?P<date>\d{4}(?:-\d{2}(?:-\d{2})?)?)"
    r"(?:T(?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?(?P<zone>Z|[+-]\d{2}:\d{2})?)?"
)


def timestamp(text: str) -> str:
    """A FHIR date or instant as an HL7 TS to the second; empty when it is none."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return ""
    zone = {"Z": "+0000", None: ""}.get(found["zone"], (found["zone"] or "").replace(":", ""))
    return found["date"].replace("-", "") + (found["time"] or "").replace(":", "") + zone


def read_encounter(resources: Resources, documents: tuple[Element, ...]) -> Element:
    """The first Encounter of the lot or contained in a document; empty when there is none."""
    for document in documents:
        for reference in document.one("context").all("encounter"):
            found = resources.resolve(reference, document)
            if found.kind == "Encounter":
                return found
    return Element({}, "Bundle.entry")


def read_stay(encounter: Element) -> Stay:
    """Class, visit number, dates and lodging unit."""
    if not encounter:
        return Stay()
    code = encounter.one("class").text("code").upper()
    period = encounter.one("period")
    return Stay(
        patient_class=_CLASSES.get(code, code if code in _LETTERS else ""),
        visit=next((read_identifier(each, "VN") for each in in_use(encounter) if types_of(each) <= {"VN"}), None),
        admitted_at=timestamp(period.text("start")),
        discharged_at=timestamp(period.text("end")),
        unit=encounter.one("location").one("location").one("identifier").text("value"),
    )


def read_account(encounter: Element) -> Identifier | None:
    """The file number (NDA, PID-18), an identifier of type `AN` of the stay."""
    return next((read_identifier(each, "AN") for each in in_use(encounter) if "AN" in types_of(each)), None)


def read_establishment(patient: Patient, encounter: Element, custodian: Element, stay: Stay) -> Establishment:
    """EJ: the authority of the IPP, else the custodian of the document; EG: the provider of the stay."""
    local = (each for each in patient.identifiers if each.type_code == "PI")
    ej = next((authority for each in local if (authority := each.authority_oid or each.authority_name)), "")
    if not ej:
        ej = without_urn(next(iter(in_use(custodian)), Element({}, "")).text("value"))
    provider = encounter.one("serviceProvider")
    return Establishment(ej, provider.one("identifier").text("value") or provider.text("display"), stay.unit)
