"""PRT: who sends, who receives, where to answer (hl7v2 digest §1.9).

PRT is pre-adopted from HL7 v2.9. Only PRT-4.1 tells the role: labels and coding systems vary between senders.
"""

from dataclasses import dataclass, field
from typing import Final

from pfi.model.parties import Author, Device, Organization, Person, Recipient, RecipientKind
from pfi.model.patient import Patient
from pfi.model.profile import SenderProfile
from pfi.model.submission import Orders
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.identifiers import (
    INS_OIDS,
    find_oid,
    known,
    national_person,
    national_structure,
)
from pfi.standards.hl7v2.tokenizer import Message, Repetition, Segment

PATIENT_DOMAIN: Final = "@patient.mssante.fr"
_RULE: Final = "hl7v2 digest §1.9"
_ROLES: Final = ("SB", "RCT", "REPLY")


@dataclass(frozen=True, slots=True)
class Participants:
    """The PRT segments of a message. `places` gives the ERR-2 location of each recipient."""

    sender: Author | None = None
    recipients: tuple[Recipient, ...] = ()
    places: tuple[str, ...] = field(default=(), compare=False)
    reply_to: str = ""


def read_person(xcn: Repetition) -> Person | None:
    """An XCN, its national identifier normalised; `None` when it names nobody."""
    value, family, given = known(xcn.component(1)), known(xcn.subcomponent(2, 1)), known(xcn.component(3))
    if not (value or family or given):
        return None
    identifier, kind = national_person(value, xcn.component(13))
    return Person(identifier, find_oid(xcn.subcomponents(9)), kind if value else "", family, given)


def read_organization(xon: Repetition) -> Organization | None:
    """An XON, its national identifier normalised; `None` when it names nothing."""
    name, value = known(xon.component(1)), known(xon.component(10)) or known(xon.component(3))
    if not (name or value):
        return None
    identifier, kind = national_structure(value, xon.component(7))
    authority = xon.subcomponents(6)
    return Organization(name, identifier, find_oid(authority) or next(iter(authority), ""), kind)


def read_device(ei: Repetition) -> Device | None:
    """An EI that identifies software."""
    value = known(ei.component(1))
    if not value:
        return None
    return Device(value, ei.component(3), ei.component(2))


def read_address(prt: Segment) -> str:
    """PRT-15.4 of the first telecom that has one, as given."""
    return next((address for xtn in prt.repetitions(15) if (address := known(xtn.component(4)))), "")


def read_participants(message: Message, deviations: Deviations) -> Participants:
    """All PRT of the message."""
    by_role: dict[str, list[Segment]] = {role: [] for role in _ROLES}
    latest = 0
    for prt in message.all("PRT"):
        role = prt.component(4).upper()
        if role not in by_role:
            deviations.inform(
                "PARTICIPATION_IGNORED", prt.where(4), "Ce rôle de participant n'est pas exploité.", _RULE
            )
            continue
        if _ROLES.index(role) < latest:
            deviations.strictly(
                "PARTICIPATION_ORDER",
                prt.where(),
                "Les segments PRT doivent suivre l'ordre SB, RCT, REPLY.",
                "100",
                _RULE,
            )
        latest = max(latest, _ROLES.index(role))
        if prt.component(2).upper() != "UC":
            deviations.strictly("PARTICIPATION_ACTION", prt.where(2), "PRT-2 doit valoir UC.", "103", _RULE)
        by_role[role].append(prt)
    for role in ("SB", "REPLY"):
        for extra in by_role[role][1:]:
            deviations.deviate(
                "PARTICIPATION_REPEATED",
                extra.where(),
                f"Le rôle {role} est donné plusieurs fois : seul le premier est lu.",
                "198",
                _RULE,
            )
    _check_position(message, deviations)
    recipients, places = _read_recipients(by_role["RCT"], deviations)
    return Participants(
        sender=_read_sender(by_role["SB"]),
        recipients=recipients,
        places=places,
        reply_to=_read_reply(by_role["REPLY"], deviations),
    )


def _check_position(message: Message, deviations: Deviations) -> None:
    """The PRT block follows the first OBX."""
    seen = 0
    for segment in message:
        seen += segment.name == "OBX"
        if segment.name == "PRT" and seen != 1:
            deviations.strictly(
                "PARTICIPATION_POSITION",
                segment.where(),
                "Les segments PRT doivent suivre l'OBX du premier document.",
                "100",
                _RULE,
            )


def _read_sender(segments: list[Segment]) -> Author | None:
    if not segments:
        return None
    prt = segments[0]
    author = Author(read_person(prt.first(5)), read_organization(prt.first(8)), read_device(prt.first(10)))
    return author if author.person or author.organization or author.device else None


def _read_reply(segments: list[Segment], deviations: Deviations) -> str:
    if not segments:
        return ""
    address = read_address(segments[0])
    if not address:
        deviations.deviate(
            "ADDRESS_MISSING", segments[0].where(15), "L'adresse de réponse (PRT-15.4) est vide.", "101", _RULE
        )
    check_address(address, segments[0].where(15), deviations)
    return address


def _read_recipients(segments: list[Segment], deviations: Deviations) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
    """The recipients and their places."""
    recipients: list[Recipient] = []
    places: list[str] = []
    for prt in segments:
        recipient = _read_recipient(prt)
        if recipient is None:
            deviations.deviate(
                "RECIPIENT_EMPTY", prt.where(), "Ce destinataire n'a ni identité ni adresse : ignoré.", "101", _RULE
            )
            continue
        recipients.append(recipient)
        places.append(prt.where())
    return tuple(recipients), tuple(places)


def _read_recipient(prt: Segment) -> Recipient | None:
    """One RCT, `None` when it names nobody."""
    xcn = prt.first(5)
    address = read_address(prt)
    person, organization, device = read_person(xcn), read_organization(prt.first(8)), read_device(prt.first(10))
    if not (address or person or organization or device):
        return None
    if _is_patient(xcn, address):
        kind = RecipientKind.PATIENT
    elif person is not None:
        kind = RecipientKind.PROFESSIONAL
    elif device is not None:
        kind = RecipientKind.APPLICATION
    elif organization is not None:
        kind = RecipientKind.ORGANIZATION
    else:
        kind = RecipientKind.PROFESSIONAL
    return Recipient(kind, address, person, organization, device, known(xcn.component(1)))


def _is_patient(xcn: Repetition, address: str) -> bool:
    """Any sign of a patient makes it one: a patient must never be served as a professional."""
    return (
        address.lower().endswith(PATIENT_DOMAIN)
        or xcn.component(13).upper() == "INS"
        or any(part in INS_OIDS for part in xcn.subcomponents(9))
    )


def check_address(address: str, where: str, deviations: Deviations) -> None:
    """An address that could break a mail header is refused; one that is no address is only reported."""
    if not address:
        return
    if any(character.isspace() or character in '<>,;"()' for character in address):
        deviations.refuse(
            "ADDRESS_INVALID", where, "L'adresse de messagerie contient un caractère interdit.", "102", _RULE
        )
    elif not address.isascii() or address.count("@") != 1 or address.startswith("@") or address.endswith("@"):
        deviations.deviate("ADDRESS_INVALID", where, "L'adresse de messagerie n'a pas la forme attendue.", "102", _RULE)


def check_participants(
    participants: Participants, orders: Orders, patient: Patient, profile: SenderProfile, deviations: Deviations
) -> None:
    """What the destination flags require of the PRT segments."""
    kinds = [recipient.kind for recipient in participants.recipients]
    professionals = sum(kind is not RecipientKind.PATIENT for kind in kinds)
    patients = len(kinds) - professionals
    if orders.dest_dmp and participants.sender is None:
        deviations.deviate(
            "SENDER_PARTICIPANT_MISSING",
            "PRT^1",
            "DESTDMP = Y demande un participant SB (expéditeur) ; à défaut, l'auteur vient du document.",
            "101",
            _RULE,
        )
    if orders.dest_mss_ps and not professionals:
        deviations.refuse(
            "RECIPIENT_MISSING",
            "PRT^1",
            "DESTMSSANTEPS = Y demande au moins un destinataire RCT professionnel, organisation ou application.",
            "101",
            _RULE,
        )
    if orders.dest_mss_pat and not patients:
        report = deviations.refuse if profile.require_patient_prt else deviations.deviate
        report(
            "PATIENT_RECIPIENT_MISSING",
            "PRT^1",
            "DESTMSSANTEPAT = Y demande un destinataire RCT patient ; à défaut, son adresse est calculée depuis l'INS.",
            "101",
            _RULE,
        )
    for recipient, where in zip(participants.recipients, participants.places, strict=True):
        check_address(recipient.address, f"{where}^15", deviations)
        _check_recipient(recipient, where, orders, patient, deviations)


def _check_recipient(
    recipient: Recipient, where: str, orders: Orders, patient: Patient, deviations: Deviations
) -> None:
    is_patient = recipient.kind is RecipientKind.PATIENT
    ordered = orders.dest_mss_pat if is_patient else orders.dest_mss_ps
    if orders.given and not ordered:
        deviations.inform(
            "RECIPIENT_NOT_ORDERED",
            where,
            "Ce destinataire n'est pas servi : l'indicateur de sa destination vaut N.",
            _RULE,
        )
        return
    if not recipient.address:
        deviations.deviate(
            "ADDRESS_MISSING", f"{where}^15", "L'adresse du destinataire (PRT-15.4) est vide.", "101", _RULE
        )
    if is_patient and patient.ins is not None:
        _check_patient_recipient(recipient, where, patient, deviations)


def _check_patient_recipient(recipient: Recipient, where: str, patient: Patient, deviations: Deviations) -> None:
    matricules = {ins.matricule for ins in (patient.ins, *patient.other_ins) if ins is not None}
    announced = recipient.identifier
    if len(announced) == 15 and announced.isalnum() and announced not in matricules:
        deviations.refuse(
            "PATIENT_RECIPIENT_DIFFERS",
            f"{where}^5",
            "Le destinataire patient porte une autre INS que le patient du message.",
            "207",
            _RULE,
            "904",
        )
    mailbox, _, domain = recipient.address.partition("@")
    if not recipient.address:
        return
    if f"@{domain.lower()}" != PATIENT_DOMAIN:
        deviations.deviate(
            "PATIENT_MAILBOX_DOMAIN",
            f"{where}^15",
            "L'adresse du destinataire patient n'est pas dans le domaine des patients.",
            "102",
            _RULE,
        )
    elif mailbox not in matricules:
        # Not a fault of the message: whether this mailbox may be served is for routing (MSSanté digest §1.2).
        deviations.warn(
            "PATIENT_MAILBOX_DIFFERS",
            f"{where}^15",
            "L'adresse donnée pour le patient n'est pas formée de son INS.",
            f"{_RULE} et §8.1",
        )
