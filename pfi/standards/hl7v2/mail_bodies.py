"""CORPSMAIL_PS and CORPSMAIL_PATIENT: the text that the sender wants in the mail (hl7v2 digest §2.1)."""

from dataclasses import dataclass
from typing import Final

from pfi.standards.hl7v2.attachment import decode
from pfi.standards.hl7v2.charset import LATIN_9, UTF_8
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.escapes import without_controls
from pfi.standards.hl7v2.orders import BODY_PATIENT, BODY_PROFESSIONAL, code_of, is_metadata, where
from pfi.standards.hl7v2.tokenizer import Message, Segment

_RULE: Final = "hl7v2 digest §2.1"


@dataclass(frozen=True, slots=True)
class MailBodies:
    """`None` = the sender gave no body: a default one is written."""

    professional: str | None = None
    patient: str | None = None


def read_mail_bodies(message: Message, deviations: Deviations) -> MailBodies:
    """The two bodies of a message."""
    texts: dict[str, str] = {}
    for obx in message.all("OBX"):
        code = code_of(obx)
        if code not in (BODY_PROFESSIONAL, BODY_PATIENT) or not is_metadata(obx):
            continue
        text = _read_text(obx, code, deviations)
        if code in texts:
            deviations.deviate(
                "MAIL_BODY_REPEATED",
                where(obx),
                f"{code} est donné plusieurs fois : les textes sont mis bout à bout.",
                "198",
                _RULE,
            )
            text = f"{texts[code]}\n{text}" if texts[code] else text
        texts[code] = text
    return MailBodies(texts.get(BODY_PROFESSIONAL) or None, texts.get(BODY_PATIENT) or None)


def _read_text(obx: Segment, code: str, deviations: Deviations) -> str:
    encoding = obx.whole(5).component(4)
    if obx.component(2).upper() == "ED" and encoding.upper() == "BASE64":
        return _read_base64(obx, code, deviations)
    deviations.strictly(
        "MAIL_BODY_FORM", where(obx, 5), f"{code} doit être en base64 (OBX-2 = ED, OBX-5.4 = Base64).", "102", _RULE
    )
    if encoding:
        deviations.refuse(
            "MAIL_BODY_ENCODING", where(obx, 5), f"Le codage annoncé de {code} n'est pas pris en charge.", "103", _RULE
        )
        return ""
    bare = obx.whole(5).component(5)
    return bare or "\n".join(repetition.text for repetition in obx.repetitions(5))


def _read_base64(obx: Segment, code: str, deviations: Deviations) -> str:
    decoded = decode(obx.whole(5))
    if decoded is None:
        deviations.refuse("MAIL_BODY_BASE64", where(obx, 5), f"Le base64 de {code} est invalide.", "102", _RULE)
        return ""
    if decoded.truncated:
        deviations.warn(
            "MAIL_BODY_TRUNCATED",
            where(obx, 5),
            f"Le base64 de {code} est tronqué : le texte qui reste est utilisé.",
            f"{_RULE} et §8.1",
            "102",
        )
    return _as_text(decoded.content, decoded.truncated)


def _as_text(content: bytes, truncated: bool) -> str:
    """UTF-8 as in all examples, else ISO 8859-15; a character cut by the truncation is dropped."""
    try:
        text = content.decode(UTF_8)
    except UnicodeDecodeError as error:
        before = content[: error.start]
        cut = error.start >= len(content) - 3 and (truncated or not before.isascii())
        text = before.decode(UTF_8) if cut else content.decode(LATIN_9)
    return without_controls(text.replace("\r\n", "\n").replace("\r", "\n")).strip()
