"""Delivery notifications read from whatever mail systems send (RFC 3461-3464, RFC 6522; MSSanté digest §7).

Never raises: a broken notification gives what can be read of it, `None` only when the mail is no notification.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pfi.standards.mail.bounces import is_bounce, read_prose
from pfi.standards.mail.charsets import guess
from pfi.standards.mail.fields import message_ids
from pfi.standards.mail.inbound import InboundMail, as_mail, read_date, returned_fields
from pfi.standards.mail.report import DeliveryReport, DsnAction, RecipientReport
from pfi.standards.mail.smtp_codes import code_by_wording, reply_code
from pfi.standards.mail.status_fields import StatusFields, has_status_fields, read_status_fields
from pfi.standards.mail.structure import Part

__all__ = ["MAX_BYTES", "DeliveryReport", "DsnAction", "RecipientReport", "is_dsn", "read_dsn"]

MAX_BYTES: Final = 2 * 1024 * 1024
"""Enough of a notification: its fields stand before the returned content."""

_STATUS_TYPES: Final = ("message/delivery-status", "message/global-delivery-status")
_MAX_FIELDS: Final = 1024 * 1024
_MAX_IDS: Final = 50
_VAGUE: Final = frozenset({"451", "554"})

_ENVELOPE: Final = re.compile(r"(?:original-envelope-id|\benvid)[ \t]*[:=][ \t]*([!-~]{1,100})", re.IGNORECASE)
_QUOTED_ID: Final = re.compile(
    r"(?:message[- ]?id(?:entifier)?|identifiant (?:du|de) (?:message|courriel))"
    r"[^<\n]{0,20}\n?[ \t]*(<[^<>\n]{1,250}>)",
    re.IGNORECASE,
)
# Our own identifiers are UUID: known wherever they stand, with or without brackets.
_OUR_ID: Final = re.compile(r"\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}@[A-Za-z0-9.-]{1,253})", re.IGNORECASE)


def is_dsn(mail: InboundMail) -> bool:
    """True when the mail has a status part of its own (not one of a mail returned in it)."""
    return next(mail.parts_of(*_STATUS_TYPES), None) is not None


def read_dsn(mail: bytes | InboundMail) -> DeliveryReport | None:
    """Reads a mail as a delivery notification or as a bounce in prose; `None` when it is neither.

    A bounce of which nothing can be matched (no envelope, no identifier, no recipient) gives `None` too.
    """
    mail = as_mail(mail)
    structured = is_dsn(mail)
    if not structured and not is_bounce(mail):
        return None
    status = _status(mail, structured=structured)
    ids = tuple(dict.fromkeys(_message_ids(mail)))[:_MAX_IDS]
    told = status.recipients
    recipients = _explained(told, mail.text) if told else read_prose(mail, frozenset(ids))
    envelope = status.envelope or _quoted_envelope(mail)
    if not recipients and not envelope and not ids:
        return None
    arrival = read_date(status.message.get("arrival-date", ""))
    mta = status.message.get("reporting-mta", "").rpartition(";")[2].strip()
    return DeliveryReport(envelope, ids, recipients, structured, arrival, mta)


def _status(mail: InboundMail, *, structured: bool) -> StatusFields:
    if not structured:
        return read_status_fields(mail.text if has_status_fields(mail.text) else "")
    texts = (_fields_of(part) for part in mail.parts_of(*_STATUS_TYPES))
    return read_status_fields("\n\n".join(texts))


def _fields_of(part: Part) -> str:
    """The text of a status part. Without a blank line its fields are among those of the part (MSSanté digest §8.4)."""
    text = guess(part.content()[:_MAX_FIELDS])
    misplaced = "final-recipient" in part.fields or "original-recipient" in part.fields
    return guess(part.whole[:_MAX_FIELDS]) if misplaced else text


def _explained(recipients: tuple[RecipientReport, ...], text: str) -> tuple[RecipientReport, ...]:
    """Some systems say why in their text only (MES): it completes the one failure whose fields say nothing."""
    failed = [each for each in recipients if each.action is DsnAction.FAILED]
    if len(failed) != 1 or failed[0].code not in _VAGUE or failed[0].status not in ("", "5.0.0", "4.0.0"):
        return recipients
    code = "" if reply_code(failed[0].diagnostic) else code_by_wording(text)
    if not code:
        return recipients
    return tuple(replace(each, code=code) if each is failed[0] else each for each in recipients)


def _quoted_envelope(mail: InboundMail) -> str:
    found = _ENVELOPE.search(mail.text)
    return found[1] if found else ""


def _message_ids(mail: InboundMail) -> Iterator[str]:
    for fields in returned_fields(mail):
        yield from message_ids(fields.get("message-id"))
    yield from mail.in_reply_to
    yield from reversed(mail.references)
    yield from message_ids(mail.fields.get("x-failed-message-id"))
    own = mail.message_id
    for found in _QUOTED_ID.finditer(mail.text):
        yield from (each for each in message_ids(found[1]) if each != own)
    for found in _OUR_ID.finditer(mail.text):
        yield f"<{found[1]}>"
