"""The header of a document in a few lines of French, for its readable form."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pfi.model.document import CdaHeader
from pfi.model.parties import Author
from pfi.model.patient import Patient

_SEXES: Final = {"M": "Masculin", "F": "Féminin", "U": "Inconnu", "UN": "Inconnu"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: `Né(e) le` / `28/03/1979`."""

    label: str
    value: str


def header_facts(header: CdaHeader) -> tuple[Fact, ...]:
    """Type, date, patient, authors, structure, in reading order; a fact that the header does not give is left out."""
    return tuple(fact for fact in _facts(header) if fact.value)


def french_date(moment: str) -> str:
    """An HL7 TS as `28/03/1979` or `28/03/1979 à 10:25`; shorter precisions are kept, local time as written."""
    day = "/".join(part for part in (moment[6:8], moment[4:6], moment[:4]) if part)
    if not moment[:8].isdigit():
        return moment
    time = moment[8:12]
    return f"{day} à {time[:2]}:{time[2:]}" if len(time) == len("HHMM") and time.isdigit() else day


def _facts(header: CdaHeader) -> Iterator[Fact]:
    yield Fact("Type de document", header.code.label or header.code.code)
    yield Fact("Date du document", french_date(header.effective_time))
    yield from _patient_facts(header.patient)
    for author in header.authors:
        yield Fact("Auteur", _author(author))
    for name in dict.fromkeys(author.organization.name for author in header.authors if author.organization):
        yield Fact("Structure", name)
    if header.legal_authenticator is not None:
        yield Fact("Responsable", _author(header.legal_authenticator))
    yield Fact("Conservation", header.custodian.name if header.custodian else "")
    event = header.principal_event
    yield Fact("Date de l'acte", french_date(event.start) if event else "")
    yield Fact("Début de la venue", french_date(header.encounter_start))
    yield Fact("Fin de la venue", french_date(header.encounter_stop))
    yield Fact("Version", str(header.version_number) if header.version_number else "")


def _patient_facts(patient: Patient) -> Iterator[Fact]:
    traits = patient.traits
    yield Fact("Nom de naissance", traits.birth_name)
    yield Fact("Prénoms de naissance", traits.given_names or traits.first_given_name)
    yield Fact("Nom utilisé", traits.used_name)
    yield Fact("Prénom utilisé", traits.used_given_name)
    yield Fact("Sexe", _SEXES.get(traits.sex, traits.sex))
    yield Fact("Né(e) le", french_date(traits.birth_date))
    yield Fact("Lieu de naissance (code INSEE)", traits.birth_place)
    yield Fact("Matricule INS", patient.ins.matricule if patient.ins else "")


def _author(author: Author) -> str:
    """`Jacques BIDEAULT (Médecin - Radio-diagnostic)`, or the software."""
    name = ""
    if author.person is not None:
        name = " ".join(part for part in (author.person.given, author.person.family) if part)
    elif author.device is not None:
        name = author.device.name
    profession = author.specialty[1] if author.specialty else ""
    return f"{name} ({profession})" if name and profession else name
