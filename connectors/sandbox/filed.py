"""A document that the sandbox's DPI files: MDM^T02, T10 or T04 of a mail that was received (hl7v2 digest §5.2)."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from pfi.standards.hl7v2.tokenizer import Message, Segment

_ACTIONS: Final = {"T02": ("NW", "F"), "T10": ("RO", "C"), "T04": ("CA", "D")}
"""ORC-1 and OBX-11 of the document, by event."""
_FLAGS: Final = ("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "MODIF_CONF_CODE")
_FIRST_FLAG: Final = 3
_HEAD: Final = ("MSH", "EVN", "PID", "PV1", "ORC", "OBR", "TXA", "OBX")


@dataclass(frozen=True, slots=True)
class FiledDocument:
    """One MDM that was acknowledged AA. `document` are the bytes of the CDA; `mail_id` the Message-ID of the mail."""

    event: str
    control_id: str
    unique_id: str
    replaced_id: str
    type_code: str
    mail_id: str
    sender: str
    service: str
    """Unit of the addressee (PRT-8.10)."""
    flags: tuple[str, ...]
    """Those that are `Y`."""
    document: bytes = field(repr=False)

    def summary(self) -> dict[str, object]:
        return {
            "event": self.event,
            "control_id": self.control_id,
            "unique_id": self.unique_id,
            "replaced_id": self.replaced_id,
            "type_code": self.type_code,
            "service": self.service,
            "size": len(self.document),
        }


class WrongMdmError(ValueError):
    """The MDM breaks its profile: HL70357 code, ERR-2 location, French sentence."""

    def __init__(self, code: str, location: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.location = location


def read_mdm(message: Message) -> FiledDocument:
    """Checks an MDM against its profile. Raises WrongMdmError."""
    # One after the other: what comes later relies on what came before.
    for wrong in chain(_header(message), _order(message)):
        raise wrong
    event = message.msh.component(9, 2)
    observations = message.all("OBX")
    document, origin, *flags = observations
    for wrong in _document(document, event):
        raise wrong
    try:
        content = base64.b64decode(document.component(5, 5), validate=True)
    except binascii.Error:
        raise WrongMdmError("102", "OBX^1^5", "le document n'est pas en base64") from None
    for wrong in chain(_parties(message), _flags(flags)):
        raise wrong
    txa = message.all("TXA")[0]
    recipients = _participants(message, "RCT")
    return FiledDocument(
        event=event,
        control_id=message.msh.text(10),
        unique_id=_identifier(txa, 12),
        replaced_id=_identifier(txa, 13),
        type_code=txa.component(2),
        mail_id=origin.component(3),
        sender=_participants(message, "SB")[0].component(15, 4),
        service=recipients[0].component(8, 10) if recipients else "",
        flags=tuple(each.component(3) for each in flags if each.component(5) == "Y"),
        document=content,
    )


def _header(message: Message) -> Iterator[WrongMdmError]:
    msh = message.msh
    if msh.component(9, 2) not in _ACTIONS or msh.component(9, 3) != "MDM_T02":
        yield WrongMdmError("201", "MSH^1^9", "MDM^T02, T10 ou T04, de structure MDM_T02, attendu")
    if msh.text(12) != "2.6" or (msh.component(21), msh.component(21, 2)) != ("1.1", "CISIS_CDA_HL7_LPS"):
        yield WrongMdmError("203", "MSH^1^21", "version 2.6 et profil 1.1^CISIS_CDA_HL7_LPS attendus")
    if not msh.text(10) or msh.text(17) != "FRA" or msh.text(18) != "UNICODE UTF-8":
        yield WrongMdmError("101", "MSH^1^10", "MSH-10, MSH-17 FRA et MSH-18 UNICODE UTF-8 attendus")


def _order(message: Message) -> Iterator[WrongMdmError]:
    """The segments and what they say of the request."""
    names = tuple(segment.name for segment in message)
    if names[: len(_HEAD)] != _HEAD or len(message.all("OBX")) != _FIRST_FLAG - 1 + len(_FLAGS):
        yield WrongMdmError("100", "", f"segments attendus : {', '.join(_HEAD)}, puis six OBX en tout")
        return
    event = message.msh.component(9, 2)
    if message.all("ORC")[0].component(1) != _ACTIONS[event][0]:
        yield WrongMdmError("103", "ORC^1^1", f"ORC-1 {_ACTIONS[event][0]} attendu")
    if message.all("PV1")[0].component(2) != "N":
        yield WrongMdmError("103", "PV1^1^2", "PV1-2 : N attendu, un courriel n'a pas de séjour")
    pid = message.all("PID")[0]
    if not pid.text(3) or not pid.text(5):
        yield WrongMdmError("101", "PID^1^3", "identifiants et nom du patient attendus")
    txa = message.all("TXA")[0]
    if not _identifier(txa, 12) or (event == "T10") != bool(_identifier(txa, 13)):
        yield WrongMdmError("101", "TXA^1^12", "identifiant du document, et du document remplacé pour T10, attendus")


def _document(obx: Segment, event: str) -> Iterator[WrongMdmError]:
    if (obx.text(1), obx.text(2), obx.text(11)) != ("1", "ED", _ACTIONS[event][1]):
        yield WrongMdmError("103", "OBX^1^11", f"premier OBX : 1, ED et {_ACTIONS[event][1]} attendus")
    if [obx.component(5, number) for number in (2, 3, 4)] != ["text", "XML", "Base64"]:
        yield WrongMdmError("103", "OBX^1^5", "OBX-5 : ^text^XML^Base64^ attendu")


def _parties(message: Message) -> Iterator[WrongMdmError]:
    senders = _participants(message, "SB")
    if len(senders) != 1 or "@" not in senders[0].component(15, 4) or senders[0].component(15, 3) != "X.400":
        yield WrongMdmError("101", "PRT^1^15", "adresse de l'expéditeur (PRT SB) attendue")
    if any("@" not in each.component(15, 4) for each in _participants(message, "RCT")):
        yield WrongMdmError("101", "PRT^2^15", "adresse du destinataire (PRT RCT) attendue")


def _flags(observations: list[Segment]) -> Iterator[WrongMdmError]:
    for number, (obx, name) in enumerate(zip(observations, _FLAGS, strict=True), _FIRST_FLAG):
        if (obx.text(1), obx.text(2), obx.component(3)) != (str(number), "CWE", name):
            yield WrongMdmError("103", f"OBX^{number}^3", f"{name} attendu")
        if obx.component(5) not in ("Y", "N"):
            yield WrongMdmError("103", f"OBX^{number}^5", "Y ou N attendu")


def _participants(message: Message, role: str) -> list[Segment]:
    return [each for each in message.all("PRT") if each.component(4) == role]


def _identifier(txa: Segment, number: int) -> str:
    """uniqueId as XDS writes it: `root` or `root^extension`."""
    root = txa.component(number, 3)
    return f"{root}^{txa.component(number)}" if root else txa.component(number)
