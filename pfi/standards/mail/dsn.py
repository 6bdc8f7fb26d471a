"""Delivery status notifications read from whatever mail systems send (RFC 3461-3464, RFC 6522; MSSanté digest §7).

Never raises: a broken notification gives what can be read of it, `None` only when nothing ties it to a mail of ours.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser
from enum import StrEnum
from typing import Final

from pfi.standards.mail.smtp_codes import code_of, enhanced_status

MAX_BYTES: Final = 2 * 1024 * 1024
"""What is read of a notification: the fields stand before the returned content."""

_FIELD: Final = re.compile(r"^([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:[ \t]*(.*)$")
_STATUS_PART: Final = re.compile(
    rb"^content-type:[ \t]*message/(?:global-)?delivery-status", re.IGNORECASE | re.MULTILINE
)
_MESSAGE_ID: Final = re.compile(r"<[^<>\s@]{1,250}@[^<>\s@]{1,250}>")
_HEX_PAIR: Final = re.compile(r"\+([0-9A-F]{2})")


class DsnAction(StrEnum):
    """RFC 3464 §2.3.3."""

    DELIVERED = "delivered"
    EXPANDED = "expanded"
    RELAYED = "relayed"
    DELAYED = "delayed"
    FAILED = "failed"


_ACTIONS: Final = {action.value: action for action in DsnAction}
_ACKNOWLEDGED: Final[dict[DsnAction, bool | None]] = {
    DsnAction.DELIVERED: True,
    DsnAction.EXPANDED: True,
    DsnAction.RELAYED: True,
    DsnAction.DELAYED: None,
    DsnAction.FAILED: False,
}


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of one recipient. Addresses without their `rfc822;` prefix, in the case of the notification.

    `code` is an SMTPERRORCODE: empty when delivered, `251` when relayed beyond the last system that reports.
    """

    address: str
    original_address: str
    action: DsnAction
    status: str = ""
    diagnostic: str = ""
    code: str = ""

    @property
    def acknowledged(self) -> bool | None:
        """The answer of a ZAM^Z02: yes, no, or nothing yet."""
        return _ACKNOWLEDGED[self.action]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A notification. `envelope` is the ENVID that we gave; `message_ids` the candidates for the Message-ID of our
    mail, the most certain first (returned headers, then In-Reply-To, References, quoted text).

    `recipients` is empty when the notification is in prose only: a person must read it.
    """

    envelope: str
    message_ids: tuple[str, ...]
    recipients: tuple[RecipientReport, ...]


def read_dsn(raw: bytes) -> DeliveryReport | None:
    """Reads a mail as a delivery status notification."""
    raw = raw[:MAX_BYTES]
    mail = BytesParser(policy=policy.compat32).parsebytes(raw)
    fields_text = _status_text(mail) or _status_text_by_hand(raw)
    blocks = [block for block in _blocks(fields_text) if block]
    per_message = next((block for block in blocks if not _is_recipient(block)), {})
    reports = (_recipient(block) for block in blocks if _is_recipient(block))
    recipients = tuple(report for report in reports if report is not None)
    envelope = _xtext(per_message.get("original-envelope-id", ""))
    message_ids = tuple(dict.fromkeys(_message_ids(mail, raw)))
    if not recipients and not envelope and not (message_ids and _bounces(mail)):
        return None
    return DeliveryReport(envelope, message_ids, recipients)


def _bounces(mail: Message) -> bool:
    """A report without fields, or a notification in prose: from nobody, or from the mail system itself."""
    sender = str(mail.get("From", "")).lower()
    return (
        mail.get_content_type() == "multipart/report"
        or str(mail.get("Return-Path", "")).strip() == "<>"
        or "mailer-daemon" in sender
        or "postmaster" in sender
    )


def _status_text(mail: Message) -> str:
    for part in mail.walk():
        if part.get_content_type() not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        payload = part.get_payload()
        if not isinstance(payload, list):
            return _decoded(part)
        # The standard parser makes one sub-message of each group of fields; what it took for a body (the whole part
        # when it is transfer-encoded, the rest of a broken group) is decoded and read too.
        texts = []
        for group in payload:
            if isinstance(group, Message):
                texts.append("\n".join(f"{name}: {value}" for name, value in group.items()))
                texts.append(_decoded(group, part.get("Content-Transfer-Encoding", "")))
        return "\n\n".join(texts)
    return ""


def _decoded(part: Message, encoding: object = "") -> str:
    if encoding and "Content-Transfer-Encoding" not in part:
        part["Content-Transfer-Encoding"] = str(encoding)
    decoded = part.get_payload(decode=True)
    return decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else ""


def _status_text_by_hand(raw: bytes) -> str:
    """The status part of a mail whose MIME structure is broken: from its Content-Type to the next boundary."""
    start = _STATUS_PART.search(raw)
    if start is None:
        return ""
    text = raw[start.end() :].decode("utf-8", "replace").replace("\r\n", "\n")
    _, _, text = text.partition("\n\n")
    return re.split(r"^--", text, maxsplit=1, flags=re.MULTILINE)[0]


def _blocks(text: str) -> Iterator[dict[str, str]]:
    """Groups of fields, split on blank lines; names in lower case; the first occurrence of a field counts."""
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        fields: dict[str, str] = {}
        current = ""
        for line in block.split("\n"):
            if line[:1] in (" ", "\t") and current:
                fields[current] += " " + line.strip()
                continue
            found = _FIELD.match(line)
            current = ""
            if found and found[1].lower() not in fields:
                current = found[1].lower()
                fields[current] = found[2].strip()
        yield fields


def _is_recipient(fields: dict[str, str]) -> bool:
    return "action" in fields or "final-recipient" in fields


def _recipient(fields: dict[str, str]) -> RecipientReport | None:
    final = _typed(fields.get("final-recipient", ""))
    original = _xtext(_typed(fields.get("original-recipient", "")))
    diagnostic = fields.get("diagnostic-code", "")
    diagnostic_text = diagnostic.partition(";")[2].strip() if ";" in diagnostic else diagnostic
    status = enhanced_status(fields.get("status", "")) or enhanced_status(diagnostic_text)
    action = _action(fields.get("action", ""), status)
    if action is None or not (final or original):
        return None
    code = ""
    if action is DsnAction.FAILED:
        code = code_of(status, diagnostic_text)
    elif action is DsnAction.RELAYED:
        code = "251"
    return RecipientReport(final or original, original, action, status, diagnostic_text, code)


def _action(value: str, status: str) -> DsnAction | None:
    """The action as written; else what the class of the status says (RFC 3463 §2)."""
    word = value.strip().lower().partition(" ")[0].strip("()")
    if word in _ACTIONS:
        return _ACTIONS[word]
    return {"2": DsnAction.DELIVERED, "4": DsnAction.DELAYED, "5": DsnAction.FAILED}.get(status[:1])


def _typed(value: str) -> str:
    """The address of `rfc822; someone@somewhere`, with or without its type, angle brackets or comment."""
    address = value.partition(";")[2] if ";" in value else value
    return address.strip().strip("<>").strip()


def _xtext(value: str) -> str:
    """RFC 3461 §4: `+2B` is a plus sign."""
    return _HEX_PAIR.sub(lambda found: chr(int(found[1], 16)), value.strip())


def _message_ids(mail: Message, raw: bytes) -> Iterator[str]:
    for part in mail.walk():
        if part.get_content_type() in ("message/rfc822", "message/global"):
            payload = part.get_payload()
            if isinstance(payload, list) and payload and isinstance(payload[0], Message):
                yield from _MESSAGE_ID.findall(str(payload[0].get("Message-ID", "")))
        elif part.get_content_type() in ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
            found = re.search(r"(?im)^message-id[ \t]*:\s*(\S+)", _decoded(part))
            if found:
                yield from _MESSAGE_ID.findall(found[1])
    for name in ("In-Reply-To", "References", "X-Failed-Message-ID"):
        yield from _MESSAGE_ID.findall(str(mail.get(name, "")))
    own = str(mail.get("Message-ID", "")).strip()
    quoted = re.findall(r"message-id[ \t]*:\s*(<[^<>\s]+>)", raw.decode("utf-8", "replace"), re.IGNORECASE)
    yield from (each for each in quoted if each != own)
