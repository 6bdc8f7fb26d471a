"""Disposition notifications read (RFC 8098; MSSanté digest §8.2, §8.4): both forms of the volet, and broken ones.

Up to version 1.1.2 of the volet the error stands in the disposition itself, which RFC 8098 does not know; from 1.1.3 on
in a field of its own. Both are read, in any case and with any blanks.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pfi.standards.hl7v2.codes import APPLICATION_ERRORS, OTHER_APPLICATION_ERROR
from pfi.standards.mail.fields import Fields, decoded, mailboxes, message_id, read_fields
from pfi.standards.mail.inbound import InboundMail, as_mail, returned_fields
from pfi.standards.mail.structure import Part

_TYPES: Final = ("message/disposition-notification", "message/global-disposition-notification")
_MAX_FIELDS: Final = 64 * 1024
_MAX_ITEMS: Final = 200
_MAX_IDS: Final = 50

_DISPOSITION: Final = re.compile(
    r"\s*(?:(manual|automatic)-action\s*/\s*mdn-sent-(manually|automatically)\s*;)?\s*([a-z-]+)\s*(?:/(.*))?\Z",
    re.IGNORECASE | re.DOTALL,
)
_FLATTENED: Final = re.compile(r"^disposition[ \t]*:[ \t]*(?:manual|automatic)-action", re.IGNORECASE | re.MULTILINE)
_CODE: Final = re.compile(r"(?<!\d)(90[0-6])(?!\d)")
_BRACKETED_CODE: Final = re.compile(r"\[(90[0-6])\]")
_SPOKEN_CODE: Final = re.compile(r"erreur[^\n\d]{0,30}(90[0-6])(?!\d)", re.IGNORECASE)
_ERROR: Final = re.compile(r"\b(?:error|failed|failure)\b", re.IGNORECASE)
_TAIL: Final = re.compile(r"\s*\^\s*(?:applicationError|messageError)\w*.*", re.IGNORECASE | re.DOTALL)

DELETED_UNREAD: Final = "Courriel supprimé sans avoir été lu"
NOTICE_DENIED: Final = "Accusé de lecture refusé par le destinataire"


class Disposition(StrEnum):
    """What became of a mail (RFC 8098 §3.2.6.2; `denied` and `failed` are those of RFC 2298)."""

    DISPLAYED = "displayed"
    DISPATCHED = "dispatched"
    PROCESSED = "processed"
    DELETED = "deleted"
    DENIED = "denied"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """None of these words: a person must read the mail."""


_READ: Final = frozenset({Disposition.DISPLAYED, Disposition.DISPATCHED, Disposition.PROCESSED})


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What a notification says of a mail of ours.

    `message_ids` are the candidates for its Message-ID, the most certain first: Original-Message-ID, In-Reply-To,
    References, the returned mail (MSSanté digest §6). `success` is the answer of a ZAM^Z03, `None` when the mail does
    not say. `code` is one of 900 to 906 when `success` is false, else empty; `label` is our French label of that code
    (ERR-5.2); `said` the words of the sender, on one line: they may quote what they speak of and stay out of logs.
    `reader` is the mailbox that answers (Final-Recipient), `addressee` the one that was written to. `manual_action`
    and `sent_manually` are `None` when the disposition does not tell.
    """

    message_ids: tuple[str, ...]
    reader: str
    addressee: str
    disposition: Disposition
    success: bool | None
    code: str = ""
    label: str = ""
    said: str = ""
    manual_action: bool | None = None
    sent_manually: bool | None = None
    date: datetime | None = None

    @property
    def original_message_id(self) -> str:
        """The most certain candidate, empty when there is none."""
        return self.message_ids[0] if self.message_ids else ""


def is_mdn(mail: InboundMail) -> bool:
    """True when the mail has a disposition part of its own, or its fields in the middle of its text."""
    return next(mail.parts_of(*_TYPES), None) is not None or _FLATTENED.search(mail.text) is not None


def read_mdn(mail: bytes | InboundMail, *, deleted_is_read: bool = False) -> ReadReport | None:
    """Reads a mail as a disposition notification; `None` when it is none. Never raises.

    `deleted` without error is a negative answer, code 906, unless `deleted_is_read`: the two readings of the volets
    differ (MSSanté digest §8.2 says N, hl7v2 digest §5.5 says Y with a note); the one written for MSSanté is the
    default. A `displayed` seen before counts more than a later `deleted`: the caller knows it.
    """
    mail = as_mail(mail)
    if not is_mdn(mail):
        return None
    fields = _fields(mail)
    written = decoded(fields.get("disposition"))
    manual, sent, disposition, modifier = _disposition(written)
    errors = [each for each in map(decoded, fields.all("error")) if each]
    failures = [each for each in map(decoded, fields.all("failure")) if each]
    in_disposition = modifier if _ERROR.search(modifier) else ""
    failed = bool(errors or failures or in_disposition) or disposition is Disposition.FAILED
    success: bool | None
    code = label = ""
    if failed:
        success = False
        code = error_code(mail, *errors, in_disposition, *failures)
        label = APPLICATION_ERRORS[code]
    elif disposition in _READ or (disposition is Disposition.DELETED and deleted_is_read):
        success = True
    elif disposition is Disposition.UNKNOWN:
        success = None
    else:
        success, code = False, OTHER_APPLICATION_ERROR
        label = DELETED_UNREAD if disposition is Disposition.DELETED else NOTICE_DENIED
    said = next(filter(None, (_words(each) for each in (*errors, in_disposition, *failures))), "")
    return ReadReport(
        message_ids=candidate_ids(mail, message_id(fields.get("original-message-id"))),
        reader=_address(fields.get("final-recipient")) or mail.sender,
        addressee=_address(fields.get("original-recipient")),
        disposition=disposition,
        success=success,
        code=code,
        label=label,
        said=said,
        manual_action=manual,
        sent_manually=sent,
        date=mail.date,
    )


def _fields(mail: InboundMail) -> Fields:
    """The fields of the disposition part, of its own header too: some mails have no blank line between them. Blank
    lines in the middle do not end them."""
    part = next(mail.parts_of(*_TYPES), None)
    if part is None:
        found = _FLATTENED.search(mail.text)
        start = mail.text.rfind("\n\n", 0, found.start()) + 1 if found else 0
        raw = mail.text[max(0, start) :][:_MAX_FIELDS].encode("utf-8", "replace")
        return Fields(tuple(_all_fields(raw)))
    return Fields((*_all_fields(part.content()[:_MAX_FIELDS]), *_own(part)))


def _own(part: Part) -> tuple[tuple[str, str], ...]:
    return tuple(each for each in part.fields.items if not each[0].startswith("content-"))


def _all_fields(raw: bytes) -> list[tuple[str, str]]:
    items: list[tuple[str, str]] = []
    at = 0
    while at < len(raw) and len(items) < _MAX_ITEMS:
        fields, after, _ = read_fields(raw, at)
        items += fields.items
        if after <= at:  # a line that is no field
            line_end = raw.find(b"\n", at)
            after = len(raw) if line_end < 0 else line_end + 1
        at = after
    return items


def _disposition(written: str) -> tuple[bool | None, bool | None, Disposition, str]:
    """Manual action, sent manually, type, modifier."""
    found = _DISPOSITION.match(written)
    if found is None:
        words = [word for word in re.findall(r"[a-z]+", written.lower()) if word in set(Disposition)]
        kind = Disposition(words[0]) if words else Disposition.UNKNOWN
        return None, None, kind, written if _ERROR.search(written) else ""
    kind = Disposition(found[3].lower()) if found[3].lower() in set(Disposition) else Disposition.UNKNOWN
    manual = None if found[1] is None else found[1].lower() == "manual"
    sent = None if found[2] is None else found[2].lower() == "manually"
    return manual, sent, kind, (found[4] or "").strip()


def error_code(mail: InboundMail, *said: str) -> str:
    """The application error code of a mail: in the given texts, else in its subject, else in its text; else 906."""
    for text in said:
        if found := _CODE.search(text):
            return found[1]
    bracketed = _BRACKETED_CODE.search(mail.subject)
    spoken = bracketed or _SPOKEN_CODE.search(mail.text[:_MAX_FIELDS])
    return spoken[1] if spoken else OTHER_APPLICATION_ERROR


def _words(said: str) -> str:
    """What an error says besides its code: `Error: 902^Identifiant inconnu^table` gives `Identifiant inconnu`."""
    text = re.sub(r"\A\s*(?:error|failed|failure)\b\s*:?\s*", "", said, flags=re.IGNORECASE)
    text = re.sub(r"\A\s*\d{3}\s*(?:\^|[:-]|\Z)\s*", "", text)
    return _TAIL.sub("", text).strip(" ^|")[:500].rstrip()


def _address(value: str) -> str:
    """The address of `rfc822;someone@somewhere`."""
    boxes = mailboxes(value.rpartition(";")[2])
    return boxes[0].address if boxes else ""


def candidate_ids(mail: InboundMail, certain: str = "") -> tuple[str, ...]:
    """The identifiers of the mails that a mail answers, the most certain first."""
    returned = [message_id(fields.get("message-id")) for fields in returned_fields(mail)]
    candidates = (certain, *mail.in_reply_to, *reversed(mail.references), *returned)
    return tuple(dict.fromkeys(each for each in candidates if each))[:_MAX_IDS]
