"""Who sends and who receives: List.source, intendedRecipient (PDSm, MHD)."""

from typing import Final

from pfi.model.parties import Author, Device, Organization, Person, Recipient, RecipientKind
from pfi.standards.fhir.element import Element
from pfi.standards.fhir.identifiers import in_use, is_ins, types_of
from pfi.standards.fhir.resources import Resources
from pfi.standards.fhir.vocabulary import (
    AUTHOR_ORGANIZATION,
    EMAIL_TYPE,
    INTENDED_RECIPIENTS,
    without_urn,
)
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.identifiers import national_person, national_structure
from pfi.standards.hl7v2.participants import PATIENT_DOMAIN, Participants

_RULE: Final = "PDSm, SubmissionSet"
_PERSON_OID: Final = "1.2.250.1.71.4.2.1"
_STRUCTURE_OID: Final = "1.2.250.1.71.4.2.2"
_PERSON_SYSTEMS: Final = {
    _PERSON_OID: "IDNPS",
    "https://rpps.esante.gouv.fr": "RPPS",
    "https://adeli.esante.gouv.fr": "ADELI",
}
_STRUCTURE_SYSTEMS: Final = {
    _STRUCTURE_OID: "IDNST",
    "https://finess.esante.gouv.fr": "FINEG",
    "https://sirene.fr": "SIRET",
}
"""The national forms first: the order is that of preference."""


def read_participants(resources: Resources, lot: Element, reply_to: str, deviations: Deviations) -> Participants:
    """What the PRT segments of a message would say."""
    recipients: list[Recipient] = []
    places: list[str] = []
    for extension in lot.extensions(*INTENDED_RECIPIENTS):
        recipient = _read_recipient(resources, resources.resolve(extension.one("valueReference"), lot), lot)
        if recipient is None:
            deviations.deviate(
                "RECIPIENT_EMPTY",
                extension.where,
                "Ce destinataire (intendedRecipient) n'est pas dans le lot : ignoré.",
                "101",
                _RULE,
            )
            continue
        recipients.append(recipient)
        places.append(extension.where)
    return Participants(read_sender(resources, lot), tuple(recipients), tuple(places), reply_to)


def read_sender(resources: Resources, lot: Element) -> Author | None:
    """List.source, and the organization beside it; `None` when it names nobody."""
    source = lot.one("source")
    resource = resources.resolve(source, lot)
    author = _read_author(resources, resource, lot)
    organization = resources.resolve(source.extension(AUTHOR_ORGANIZATION).one("valueReference"), lot)
    if organization.kind == "Organization":
        author = Author(author.person, read_organization(organization), author.device)
    return author if author.person or author.organization or author.device else None


def _read_author(resources: Resources, resource: Element, holder: Element) -> Author:
    match resource.kind:
        case "Practitioner":
            return Author(person=read_person(resource))
        case "PractitionerRole":
            person, organization = _of_role(resources, resource, holder)
            return Author(person, organization)
        case "Organization":
            return Author(organization=read_organization(resource))
        case "Device":
            return Author(device=_read_device(resource))
        case _:
            return Author()


def _of_role(resources: Resources, role: Element, holder: Element) -> tuple[Person | None, Organization | None]:
    practitioner = resources.resolve(role.one("practitioner"), holder)
    organization = resources.resolve(role.one("organization"), holder)
    return (
        read_person(practitioner) if practitioner.kind == "Practitioner" else None,
        read_organization(organization) if organization.kind == "Organization" else None,
    )


def read_person(practitioner: Element) -> Person | None:
    """A Practitioner, its national identifier normalised; `None` when it names nobody."""
    name = practitioner.one("name")
    identifier = _preferred(practitioner, _PERSON_SYSTEMS)
    value, kind = national_person(identifier.text("value"), _kind(identifier, _PERSON_SYSTEMS))
    family, given = name.text("family"), next(iter(name.texts("given")), "")
    if not (value or family or given):
        return None
    return Person(value, _PERSON_OID if kind == "IDNPS" else _oid(identifier), kind if value else "", family, given)


def read_organization(organization: Element) -> Organization | None:
    """An Organization, its national identifier normalised; `None` when it names nothing."""
    identifier = _preferred(organization, _STRUCTURE_SYSTEMS)
    value, kind = national_structure(identifier.text("value"), _kind(identifier, _STRUCTURE_SYSTEMS))
    if not (organization.text("name") or value):
        return None
    oid = _STRUCTURE_OID if kind == "IDNST" else _oid(identifier)
    return Organization(organization.text("name"), value, oid if value else "", kind if value else "")


def _read_device(device: Element) -> Device | None:
    identifier = next(in_use(device), Element({}, device.at("identifier")))
    name = device.one("deviceName").text("name")
    if not (identifier or name):
        return None
    return Device(identifier.text("value"), _oid(identifier), name)


def _read_recipient(resources: Resources, resource: Element, holder: Element) -> Recipient | None:
    address, author = _mailbox(resource), _read_author(resources, resource, holder)
    person, organization, device = author.person, author.organization, author.device
    if resource.kind == "PractitionerRole":
        role_holders = (resources.resolve(resource.one(name), holder) for name in ("practitioner", "organization"))
        address = address or next((found for each in role_holders if (found := _mailbox(each))), "")
    if resource.kind == "Patient":
        person = _patient_as_person(resource)
    if not (address or person or organization or device):
        return None
    if resource.kind == "Patient" or address.lower().endswith(PATIENT_DOMAIN):
        kind = RecipientKind.PATIENT
    elif device is not None:
        kind = RecipientKind.APPLICATION
    elif person is None and organization is not None:
        kind = RecipientKind.ORGANIZATION
    else:
        kind = RecipientKind.PROFESSIONAL
    return Recipient(kind, address, person, organization, device, person.identifier if person else "")


def _patient_as_person(patient: Element) -> Person | None:
    """A patient never becomes a professional: their identifier is the INS, with its own type."""
    identifier = next((each for each in in_use(patient) if is_ins(each)), Element({}, patient.at("identifier")))
    name = patient.one("name")
    family, given = name.text("family"), next(iter(name.texts("given")), "")
    if not (identifier or family or given):
        return None
    return Person(identifier.text("value"), _oid(identifier), "INS" if identifier else "", family, given)


def _mailbox(resource: Element) -> str:
    """The MSSanté address: the telecom that says so, else the first e-mail."""
    mails = [each for each in resource.all("telecom") if each.text("system") == "email" and each.text("value")]
    told = (each for each in mails if each.extension(EMAIL_TYPE).one("valueCoding").text("code").upper() == "MSSANTE")
    chosen = next(told, mails[0] if mails else Element({}, ""))
    return chosen.text("value").removeprefix("mailto:")


def _preferred(holder: Element, systems: dict[str, str]) -> Element:
    every = list(in_use(holder))
    for kind in systems.values():
        for each in every:
            if _kind(each, systems) == kind:
                return each
    return every[0] if every else Element({}, holder.at("identifier"))


def _kind(identifier: Element, systems: dict[str, str]) -> str:
    """The type that the identifier states among those known here, else the one of its system."""
    known = set(systems.values())
    stated = next((each for each in sorted(types_of(identifier)) if each in known), "")
    return stated or systems.get(without_urn(identifier.text("system")), "")


def _oid(identifier: Element) -> str:
    system = identifier.text("system")
    return without_urn(system) if system.lower().startswith("urn:oid:") else ""
