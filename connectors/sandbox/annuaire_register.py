"""What the sandbox's Annuaire Santé publishes: invented professionals, places and structures, as FHIR resources
(directory digest §2.3, §2.4)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

Resource = dict[str, Any]

RPPS: Final = "https://rpps.esante.gouv.fr"
PERSON: Final = "urn:oid:1.2.250.1.71.4.2.1"
FINESS: Final = "https://finess.esante.gouv.fr"
STRUCTURE: Final = "urn:oid:1.2.250.1.71.4.2.2"

_IDENTIFIER_TYPES: Final = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
_EMAIL_TYPE: Final = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type"
_EMAIL_TYPES: Final = "https://mos.esante.gouv.fr/NOS/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie"
_METADATA: Final = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata"
_MAILBOX_TYPES: Final = "https://mos.esante.gouv.fr/NOS/TRE_R257-TypeBAL/FHIR/TRE-R257-TypeBAL"
_PROFILE: Final = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-dp-"


@dataclass(frozen=True, slots=True)
class Box:
    """A published e-mail: `kind` PER, ORG, APP, CAB; `typed` false for one that lacks the e-mail type."""

    address: str
    kind: str = "PER"
    typed: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """A place of work: FINESS of the structure, and the mailboxes that the professional has there."""

    finess: str
    boxes: tuple[Box, ...] = ()
    active: bool = True


@dataclass(frozen=True, slots=True)
class Professional:
    """Somebody, by RPPS (11 digits)."""

    rpps: str
    family: str
    boxes: tuple[Box, ...] = ()
    places: tuple[Place, ...] = ()
    active: bool = True


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure, by FINESS. `emails` are ordinary ones."""

    finess: str
    name: str
    boxes: tuple[Box, ...] = ()
    emails: tuple[str, ...] = ()
    active: bool = True


PEOPLE: Final = (
    Professional("99900000017", "ESSAI", (Box("docteur.essai@medecin.mssante.fr"),)),
    Professional(
        "99900000025",
        "DEUX-LIEUX",
        places=(
            Place("990000025", (Box("deux.lieux@ch-sandbox.mssante.fr"),)),
            Place("990000033", (Box("deux.lieux@medecin.mssante.fr"),)),
        ),
    ),
    Professional("99900000033", "SANS-BOITE", places=(Place("990000025"),)),
    Professional("99900000041", "RETRAITE", (Box("retraite@medecin.mssante.fr"),), active=False),
)
STRUCTURES: Final = (
    Structure(
        "990000025",
        "CH DU BAC A SABLE",
        (Box("secretariat@ch-sandbox.mssante.fr", "ORG"),),
        ("accueil@ch-sandbox.example",),
    ),
    Structure(
        "990000033",
        "MAISON DE SANTE DEMO",
        (Box("cabinet.demo@medecin.mssante.fr", "ORG"), Box("pfi@medecin.mssante.fr", "APP")),
    ),
)


@dataclass
class Register:
    """Everything that is published. `raw` are resources given as they are, for shapes that the rest does not make."""

    people: list[Professional] = field(default_factory=lambda: list(PEOPLE))
    structures: list[Structure] = field(default_factory=lambda: list(STRUCTURES))
    raw: list[Resource] = field(default_factory=list)

    def resources(self, kind: str) -> list[Resource]:
        """All resources of a type."""
        made: list[Resource] = [each for each in self.raw if each["resourceType"] == kind]
        if kind == "Practitioner":
            made += [_practitioner(each) for each in self.people]
        elif kind == "PractitionerRole":
            made += [
                _role(person, rank, place)
                for person in self.people
                for rank, place in enumerate(person.places, start=1)
            ]
        elif kind == "Organization":
            made += [_organization(each) for each in self.structures]
        return made


def _practitioner(person: Professional) -> Resource:
    resource: Resource = {
        "resourceType": "Practitioner",
        "id": f"003-{person.rpps}",
        "identifier": [_identifier(PERSON, f"8{person.rpps}", "IDNPS"), _identifier(RPPS, person.rpps, "RPPS")],
        "active": person.active,
    }
    if person.active:  # of the others only the identifiers are told
        resource |= {
            "meta": {"profile": [f"{_PROFILE}practitioner"]},
            "language": "fr",
            "name": [{"use": "usual", "family": person.family, "given": ["CAMILLE"], "prefix": ["MME"]}],
            **_telecom(person.boxes),
        }
    return resource


def _role(person: Professional, rank: int, place: Place) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": f"005-{person.rpps}-{rank}",
        "meta": {"profile": [f"{_PROFILE}practitionerrole"]},
        "identifier": [{"system": RPPS, "value": f"10{person.rpps[2:]}"}],
        "active": place.active,
        "practitioner": {"reference": f"Practitioner/003-{person.rpps}"},
        "organization": {"reference": f"Organization/001-01-{place.finess}"},
        **_telecom(place.boxes),
    }


def _organization(structure: Structure) -> Resource:
    ordinary = [{"system": "email", "value": each} for each in structure.emails]
    boxes = _telecom(structure.boxes).get("telecom", [])
    return {
        "resourceType": "Organization",
        "id": f"001-01-{structure.finess}",
        "meta": {"profile": [f"{_PROFILE}organization"]},
        "identifier": [
            _identifier(FINESS, structure.finess, "FINEG"),
            _identifier(STRUCTURE, f"1{structure.finess}", "IDNST"),
        ],
        "active": structure.active,
        "name": structure.name,
        "address": [{"city": "TRIFOUILLY", "postalCode": "99000", "country": "FR"}],
        **({"telecom": [*ordinary, *boxes]} if ordinary or boxes else {}),
    }


def _identifier(system: str, value: str, code: str) -> Resource:
    coded = {"coding": [{"system": _IDENTIFIER_TYPES, "code": code}]}
    return {"use": "official", "system": system, "value": value, "type": coded}


def _telecom(boxes: Iterable[Box]) -> Resource:
    told = [_contact(each) for each in boxes]
    return {"telecom": told} if told else {}


def _contact(box: Box) -> Resource:
    extensions: list[Resource] = []
    if box.typed:
        extensions.append({"url": _EMAIL_TYPE, "valueCoding": {"system": _EMAIL_TYPES, "code": "MSSANTE"}})
    coded = {"coding": [{"system": _MAILBOX_TYPES, "code": box.kind}]}
    described = [{"url": "type", "valueCodeableConcept": coded}, {"url": "digitization", "valueBoolean": True}]
    extensions.append({"url": _METADATA, "extension": described})
    return {"system": "email", "value": box.address, "extension": extensions}
