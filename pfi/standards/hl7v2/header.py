"""MSH: what every answer needs, and the checks of hl7v2 digest §1.1 and §1.3."""

from dataclasses import dataclass
from typing import Final

from pfi.model.profile import SenderProfile
from pfi.model.submission import MessageHeader, Request
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.timestamp import read_timestamp
from pfi.standards.hl7v2.tokenizer import Message

PROFILE: Final = "2.1^CISIS_CDA_HL7_V2"
_RULE: Final = "hl7v2 digest §1.3"


@dataclass(frozen=True, slots=True)
class MessageType:
    """One request type of the profile: its version, structure, coded OBX type and largest number of documents."""

    version: str
    structure: str
    coded_type: str
    max_documents: int
    events: dict[str, Request | None]
    """Trigger events; the request that an MDM event announces, `None` when the event does not tell."""


MESSAGE_TYPES: Final = {
    "ORU": MessageType("2.5", "ORU_R01", "CE", 2, {"R01": None}),
    "MDM": MessageType(
        "2.6", "MDM_T02", "CWE", 1, {"T02": Request.INITIAL, "T10": Request.REPLACE, "T04": Request.DELETE}
    ),
}


def read_header(message: Message) -> MessageHeader:
    """MSH of a message; never fails, absent fields are empty."""
    msh = message.msh
    return MessageHeader(
        sending_application=msh.component(3),
        sending_facility=msh.component(4),
        receiving_application=msh.component(5),
        receiving_facility=msh.component(6),
        message_code=msh.component(9, 1).upper(),
        trigger_event=msh.component(9, 2).upper(),
        structure=msh.component(9, 3).upper(),
        control_id=msh.text(10),
        processing_id=msh.component(11).upper(),
        version=msh.component(12),
        charset=msh.text(18),
        sent_at=msh.component(7),
        profile=_profile(message),
    )


def _profile(message: Message) -> str:
    """MSH-21, without the blanks that the printed volet puts before the namespace."""
    first = message.msh.first(21)
    version, namespace = first.component(1), first.component(2)
    return f"{version}^{namespace}" if namespace else version


def check_request_type(header: MessageHeader, deviations: Deviations) -> MessageType | None:
    """The type of a document request; `None`, with the reason recorded, when it is not one of the profile."""
    message_type = MESSAGE_TYPES.get(header.message_code)
    if message_type is None:
        deviations.refuse(
            "MESSAGE_TYPE_UNSUPPORTED",
            "MSH^1^9",
            "Ce type de message n'est pas pris en charge : seuls ORU^R01, MDM^T02, MDM^T10 et MDM^T04 le sont.",
            "200",
            "hl7v2 digest §1.1",
        )
        return None
    if header.trigger_event not in message_type.events:
        deviations.refuse(
            "EVENT_UNSUPPORTED",
            "MSH^1^9",
            f"Cet événement {header.message_code} n'est pas pris en charge "
            f"(attendu : {', '.join(message_type.events)}).",
            "201",
            "hl7v2 digest §1.1",
        )
        return None
    if header.version != message_type.version:
        deviations.refuse(
            "VERSION_UNSUPPORTED",
            "MSH^1^12",
            f"Un message {header.message_code} doit être en version {message_type.version}.",
            "203",
            "hl7v2 digest §1.1",
        )
    if header.structure != message_type.structure:
        deviations.deviate(
            "STRUCTURE_NAME",
            "MSH^1^9",
            f"MSH-9.3 devrait valoir {message_type.structure}.",
            "200",
            "hl7v2 digest §1.1",
        )
    return message_type


def check_envelope(header: MessageHeader, profile: SenderProfile, deviations: Deviations) -> None:
    """The checks of MSH that hold for every message received."""
    if not header.control_id:
        deviations.refuse("CONTROL_ID_MISSING", "MSH^1^10", "MSH-10 (identifiant du message) est vide.", "101", _RULE)
    if not header.processing_id:
        deviations.refuse("PROCESSING_ID_MISSING", "MSH^1^11", "MSH-11 (mode de traitement) est vide.", "101", _RULE)
    elif header.processing_id not in profile.processing_ids:
        deviations.refuse(
            "PROCESSING_ID_REFUSED",
            "MSH^1^11",
            "Le mode de traitement annoncé en MSH-11 n'est pas admis pour cet émetteur.",
            "202",
            "hl7v2 digest §1.3 et §4.1",
        )
    for number, value in ((3, header.sending_application), (4, header.sending_facility)):
        if not value:
            deviations.deviate("SENDER_MISSING", f"MSH^1^{number}", f"MSH-{number} (émetteur) est vide.", "101", _RULE)
    if not header.sent_at:
        deviations.deviate("MESSAGE_TIME_MISSING", "MSH^1^7", "MSH-7 (date du message) est vide.", "101", _RULE)
    elif read_timestamp(header.sent_at) is None:
        deviations.deviate("MESSAGE_TIME_INVALID", "MSH^1^7", "MSH-7 n'est pas une date valide.", "102", _RULE)


def check_request_header(message: Message, header: MessageHeader, deviations: Deviations) -> None:
    """The checks of MSH that hold for document requests only: country, charset, profile."""
    country = message.msh.component(17)
    if not country:
        deviations.strictly("COUNTRY_MISSING", "MSH^1^17", "MSH-17 (pays) est vide.", "101", _RULE)
    elif country.upper() != "FRA":
        deviations.deviate("COUNTRY_UNEXPECTED", "MSH^1^17", "MSH-17 devrait valoir FRA.", "103", _RULE)
    if not header.charset:
        deviations.strictly("CHARSET_MISSING", "MSH^1^18", "MSH-18 (jeu de caractères) est vide.", "101", _RULE)
    if header.profile == PROFILE:
        return
    if not header.profile:
        deviations.deviate("PROFILE_MISSING", "MSH^1^21", "MSH-21 (profil du volet) est vide.", "101", _RULE)
    elif header.profile.endswith("CISIS_CDA_HL7_LPS"):
        deviations.deviate(
            "PROFILE_OTHER_FLOW",
            "MSH^1^21",
            "MSH-21 annonce le volet « transmission au LPS », destiné aux logiciels consommateurs et non à la PFI.",
            "103",
            "hl7v2 digest §1.3 et §5",
        )
    else:
        deviations.deviate(
            "PROFILE_UNEXPECTED",
            "MSH^1^21",
            f"MSH-21 n'annonce pas le profil {PROFILE} : le message est lu comme s'il le suivait.",
            "103",
            _RULE,
        )
