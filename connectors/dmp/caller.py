"""Who calls the DMP for a delivery: the sender of the message (PRT SB), completed by the settings (DMP digest §2.3)."""

import re
from dataclasses import dataclass
from typing import Final

from connectors.dmp.settings import DmpSettings, finess, plain
from pfi.model.delivery import Delivery
from pfi.model.document import CodedValue
from pfi.model.parties import Author, Establishment, Organization, Person
from pfi.standards.cda.oids import PROFESSIONAL_OID, STRUCTURE_OID

_PROFESSIONS: Final = "1.2.250.1.71.1.2.7"  # TRE_G15
_SPECIALITIES: Final = "1.2.250.1.71.4.2.5"  # TRE_R01
_SECTORS: Final = "1.2.250.1.71.4.2.4"
_DOCTOR: Final = "10"
_PHARMACIST: Final = "21"
_AUTHOR_SPECIALITY: Final = re.compile(r"G15_(\d\d)(?:/(\w+))?$")


@dataclass(frozen=True, slots=True)
class Caller:
    """`author` is the author of the lot; its structure and the one of the VIHF are the same by construction."""

    author: Author
    name_id: str
    subject: str
    structure: str
    sector: str
    roles: tuple[CodedValue, ...]


def caller(delivery: Delivery, settings: DmpSettings) -> Caller | None:
    """`settings` are those of the legal entity that sends. `None` when the message names nobody and no responsible
    person is configured."""
    sender = delivery.sender or Author()
    organization = _structure(sender.organization, delivery.establishment, settings)
    sector = f"{settings.structure.sector}^{_SECTORS}"
    responsible = _responsible(settings)
    named = sender.person is not None and bool(sender.person.identifier)
    device = sender.device if not named and sender.device is not None and sender.device.identifier else None
    if device is not None:
        # A system signs its own lots, and somebody answers for it.
        return Caller(
            author=Author(device=device, organization=organization, role=sender.role, specialty=sender.specialty),
            name_id=responsible.identifier if responsible is not None else device.identifier,
            subject=device.name or device.identifier,
            structure=organization.identifier,
            sector=sector,
            roles=_roles(sender, settings),
        )
    person = sender.person if named else responsible
    if person is None:
        return None
    return Caller(
        author=Author(person=person, organization=organization, role=sender.role, specialty=sender.specialty),
        name_id=person.identifier,
        subject=" ".join(part for part in (person.family, person.given) if part),
        structure=organization.identifier,
        sector=sector,
        roles=_roles(sender, settings),
    )


def _responsible(settings: DmpSettings) -> Person | None:
    known = settings.responsible
    if known is None:
        return None
    national = known.identifier[:1] in ("0", "8")
    return Person(known.identifier, PROFESSIONAL_OID, "IDNPS" if national else "EI", known.family, known.given)


def _structure(organization: Organization | None, place: Establishment, settings: DmpSettings) -> Organization:
    """The sender's structure when it has a national identifier, else the geographic establishment of the message when
    it is known to be the entity's, else the configured one. The VIHF names a geographic establishment: a sender that
    names the legal entity itself has not said which (DMP digest §1.3, EJ/EG doctrine)."""
    if organization is None or not is_national(organization):
        return structure_at(place.eg, settings)
    if settings.legal_entity and plain(organization.identifier) == plain(settings.legal_entity):
        return structure_at(place.eg, settings)
    return Organization(organization.name, organization.identifier, STRUCTURE_OID, "IDNST")


def is_national(organization: Organization) -> bool:
    """Whether it is named by a Struct_IdNat, not by an identifier of the hospital's own."""
    return (
        bool(organization.identifier)
        and organization.identifier_oid in ("", STRUCTURE_OID)
        and organization.identifier_type in ("", "IDNST")
    )


def structure_at(establishment: str, settings: DmpSettings) -> Organization:
    """The geographic establishment of that FINESS when it is one of the entity's, else the configured structure."""
    told = finess(establishment)
    own = bool(told) and told in {plain(name) for name in settings.establishments}
    identifier = f"1{told}" if own else settings.structure.identifier
    return Organization(settings.structure.name, identifier, STRUCTURE_OID, "IDNST")


def _roles(sender: Author, settings: DmpSettings) -> tuple[CodedValue, ...]:
    """Profession, then speciality, when the message gives them as in JDV_J01 (`G15_10/SM26`); else the default role.

    A doctor without speciality would be refused, and a pharmacist's second value (TRE_G05) is not in JDV_J01: the
    default role is safer.
    """
    default = (CodedValue(settings.vihf.role, settings.vihf.role_label, settings.vihf.role_system),)
    if sender.person is None or not sender.person.identifier or sender.specialty is None:
        return default
    code, label, _ = sender.specialty
    found = _AUTHOR_SPECIALITY.match(code)
    if found is None:
        return default
    profession, speciality = found[1], found[2]
    if profession == _PHARMACIST or (profession == _DOCTOR and speciality is None):
        return default
    role = CodedValue(profession, label or profession, _PROFESSIONS)
    if speciality is None:
        return (role,)
    return role, CodedValue(speciality, label or speciality, _SPECIALITIES)
