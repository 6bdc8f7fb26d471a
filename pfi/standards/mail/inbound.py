"""A received mail as one value: headers, text, attachments, and what was wrong with it (MSSanté digest §8.4, §9).

Any bytes give a mail. Nothing raises, no header value holds a line end or a control character, the work is bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from pfi.model.finding import Finding, Severity
from pfi.standards.mail.charsets import decode
from pfi.standards.mail.fields import Fields, Mailbox, decoded, mailboxes, message_id, message_ids, read_fields
from pfi.standards.mail.headers import clean
from pfi.standards.mail.html_text import text_of_html
from pfi.standards.mail.structure import MAX_DEPTH, MAX_PARTS, Defect, Part, read_structure

MAX_BYTES: Final = 64 * 1024 * 1024
"""What is read of a mail; operators stop far below (MSSanté digest §4.6)."""
MAX_TEXT: Final = 1024 * 1024
"""Encoded bytes read of a text body, and characters kept of it."""
MAX_SUBJECT: Final = 1000

_XDM_NAME: Final = re.compile(r"ihe[_ -]?xdm[^/\\]*\.zip\Z", re.IGNORECASE)
_ZIP_TYPES: Final = frozenset({"application/zip", "application/x-zip-compressed", "application/x-zip"})
_COMMENT: Final = re.compile(r"\([^()]*\)")
_ONCE: Final = ("from", "subject", "message-id", "disposition-notification-to", "date")
_RULE: Final = "MSSanté digest §8.4"

_TOO_MANY_PARTS: Final = f"Le courriel a plus de {MAX_PARTS} parties : il n'est pas lu en entier."
_TOO_DEEP: Final = f"Le courriel imbrique plus de {MAX_DEPTH} niveaux : il n'est pas lu en entier."

_DEFECTS: Final = {
    Defect.HEADER: Finding(
        "MAIL_HEADER_BROKEN", Severity.WARNING, "", "Des en-têtes du courriel sont mal séparés de leur contenu.", _RULE
    ),
    Defect.BOUNDARY: Finding(
        "MAIL_STRUCTURE_BROKEN", Severity.WARNING, "", "La structure MIME du courriel est défectueuse.", _RULE
    ),
    Defect.TOO_MANY_PARTS: Finding("MAIL_TOO_MANY_PARTS", Severity.ERROR, "", _TOO_MANY_PARTS),
    Defect.TOO_DEEP: Finding("MAIL_TOO_DEEP", Severity.ERROR, "", _TOO_DEEP),
}


@dataclass(frozen=True, slots=True)
class InboundAttachment:
    """`file_name` is decoded, without folder, empty when the part has none; `content_type` as announced."""

    file_name: str
    content_type: str
    part: Part = field(repr=False)

    def content(self) -> bytes:
        """The decoded bytes, decoded at each call. A damaged encoding gives what can be had."""
        return self.part.content()

    @property
    def is_xdm(self) -> bool:
        """An IHE_XDM archive by its name, in any case; a ZIP without a name may be one (MSSanté digest §4.6)."""
        if self.file_name:
            return _XDM_NAME.match(self.file_name) is not None
        return self.content_type in _ZIP_TYPES


@dataclass(frozen=True, slots=True)
class MssHeaders:
    """The X-MSS-* fields as received (MSSanté digest §4.2). `ins` is `O`, `N` or empty; `mes` is `FIN` or empty."""

    nil: str = ""
    code_cda: tuple[str, ...] = ()
    ins: str = ""
    mes: str = ""


@dataclass(frozen=True, slots=True)
class InboundMail:
    """A received mail.

    Addresses are normalised, empty when the field is absent or holds none that could be written to. Identifiers carry
    their angle brackets. `date` has a zone, UTC when none is written. `return_path` is `None` without the field, empty
    for the null path `<>`. `auto_submitted` is the keyword in lower case (RFC 3834), empty without the field.
    `original_recipient` is the address of the field of that name (RFC 8098 §2.3).

    A finding of severity ERROR says that the mail cannot be trusted to be what it seems (several senders, not read in
    entirety): nothing of it may be filed without a person.
    """

    raw: bytes = field(repr=False)
    root: Part = field(repr=False)
    message_id: str
    date: datetime | None
    sender: str
    sender_label: str
    reply_to: tuple[str, ...]
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    return_path: str | None
    disposition_notification_to: tuple[str, ...]
    original_recipient: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    auto_submitted: str
    mss: MssHeaders
    text: str
    attachments: tuple[InboundAttachment, ...]
    findings: tuple[Finding, ...]

    @property
    def fields(self) -> Fields:
        """The header fields as they came, not decoded."""
        return self.root.fields

    @property
    def xdm(self) -> tuple[InboundAttachment, ...]:
        """The attachments that are, or may be, IHE_XDM archives."""
        return tuple(each for each in self.attachments if each.is_xdm)

    def parts_of(self, *content_types: str) -> Iterator[Part]:
        """The parts of these types, those of a returned mail left out."""
        return (part for part in self.root.walk() if part.content_type in content_types)


def read_mail(raw: bytes) -> InboundMail:
    """Reads any bytes as a mail; `findings` says what is wrong with it."""
    findings: list[Finding] = []
    if len(raw) > MAX_BYTES:
        text = f"Le courriel dépasse {MAX_BYTES // 1024 // 1024} Mo : il n'est pas lu en entier."
        findings.append(Finding("MAIL_TOO_LARGE", Severity.ERROR, "", text))
        raw = raw[:MAX_BYTES]
    structure = read_structure(raw)
    findings += (_DEFECTS[defect] for defect in Defect if defect in structure.defects)
    root = structure.root
    fields = root.fields
    findings += _header_findings(fields)
    texts = list(_texts(root))
    text = _body(texts, findings)
    senders = mailboxes(fields.get("from"))
    first = senders[0] if senders else Mailbox("", "")
    return InboundMail(
        raw=raw,
        root=root,
        message_id=message_id(fields.get("message-id")),
        date=read_date(fields.get("date")),
        sender=first.address,
        sender_label=first.label,
        reply_to=_addresses(fields, "reply-to"),
        to=_addresses(fields, "to"),
        cc=_addresses(fields, "cc"),
        subject=decoded(fields.get("subject"))[:MAX_SUBJECT].rstrip(),
        return_path=_return_path(fields),
        disposition_notification_to=_addresses(fields, "disposition-notification-to"),
        original_recipient=next(iter(_typed(fields.get("original-recipient"))), ""),
        in_reply_to=message_ids(fields.get("in-reply-to")),
        references=message_ids(fields.get("references")),
        auto_submitted=clean(fields.get("auto-submitted")).partition(";")[0].strip().lower(),
        mss=MssHeaders(
            nil=decoded(fields.get("x-mss-nil")),
            code_cda=tuple(filter(None, (each.strip() for each in decoded(fields.get("x-mss-codecda")).split(",")))),
            ins=decoded(fields.get("x-mss-ins")).upper(),
            mes=decoded(fields.get("x-mss-mes")).upper(),
        ),
        text=text,
        attachments=tuple(_attachments(root, texts)),
        findings=tuple(findings),
    )


def as_mail(mail: bytes | InboundMail) -> InboundMail:
    """The mail itself, read when it is bytes."""
    return read_mail(mail) if isinstance(mail, bytes) else mail


def read_date(value: str) -> datetime | None:
    """A date of RFC 5322 with a zone; comments are skipped wherever they stand."""
    try:
        date = parsedate_to_datetime(_COMMENT.sub(" ", clean(value)[:200]))
        date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date


def returned_fields(mail: InboundMail) -> Iterator[Fields]:
    """The header fields of the mails returned in it: whole, or their headers only."""
    for part in mail.parts_of("message/rfc822", "message/global"):
        yield read_fields(part.content()[:MAX_TEXT])[0]
    for part in mail.parts_of("text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
        content = part.content()[:MAX_TEXT].lstrip(b"\r\n")
        yield read_fields(content or part.whole)[0]


def _header_findings(fields: Fields) -> Iterator[Finding]:
    repeated = [name for name in _ONCE if len(fields.all(name)) > 1]
    for name in repeated:
        severity = Severity.ERROR if name == "from" else Severity.WARNING
        yield Finding("MAIL_HEADER_REPEATED", severity, name, "Un en-tête qui doit être unique est répété.", _RULE)
    senders = mailboxes(fields.get("from"))
    if len(senders) > 1:
        text = "Le courriel annonce plusieurs expéditeurs."
        yield Finding("MAIL_SENDER_AMBIGUOUS", Severity.ERROR, "from", text)
    elif not senders or not senders[0].address:
        text = "L'adresse de l'expéditeur est absente ou illisible."
        yield Finding("MAIL_SENDER_UNREADABLE", Severity.WARNING, "from", text)
    if not message_id(fields.get("message-id")):
        yield Finding("MAIL_NO_MESSAGE_ID", Severity.WARNING, "message-id", "Le courriel n'a pas d'identifiant.")
    if read_date(fields.get("date")) is None:
        yield Finding("MAIL_NO_DATE", Severity.WARNING, "date", "La date du courriel est absente ou illisible.")


def _addresses(fields: Fields, name: str) -> tuple[str, ...]:
    several = (box.address for value in fields.all(name) for box in mailboxes(value))
    return tuple(dict.fromkeys(address for address in several if address))


def _typed(value: str) -> Iterator[str]:
    """The address of `rfc822;someone@somewhere`."""
    return (box.address for box in mailboxes(value.rpartition(";")[2]) if box.address)


def _return_path(fields: Fields) -> str | None:
    if "return-path" not in fields:
        return None
    boxes = mailboxes(fields.get("return-path"))
    return boxes[0].address if boxes else ""


def _texts(part: Part) -> Iterator[Part]:
    """The parts that make the text to read: plain rather than HTML, of a report its first part only."""
    if part.content_type == "multipart/alternative" and part.parts:
        choices = [list(_texts(each)) for each in part.parts]
        plain = (each for each in choices if each and all(one.content_type == "text/plain" for one in each))
        yield from next(plain, next((each for each in choices if each), []))
    elif part.content_type == "multipart/report" and part.parts:
        yield from _texts(part.parts[0])
    elif part.parts:
        yield from (text for each in part.parts for text in _texts(each))
    elif _is_text(part):
        yield part


def _is_text(part: Part) -> bool:
    """A text without a name, not sent as an attachment; a multipart whose parts cannot be told from one another."""
    if part.content_type.startswith("multipart/"):
        return True
    plain = part.content_type in ("text/plain", "text/html")
    return plain and not _file_name(part) and part.disposition[0] != "attachment"


def _body(texts: list[Part], findings: list[Finding]) -> str:
    pieces: list[str] = []
    left = MAX_TEXT
    for part in texts:
        if part.end - part.body_start > left:
            text = f"Le texte du courriel dépasse {MAX_TEXT // 1024 // 1024} Mo : la suite n'est pas reprise."
            findings.append(Finding("MAIL_TEXT_CUT", Severity.WARNING, "", text))
            part = replace(part, end=part.body_start + left)
        left -= part.end - part.body_start
        text, announced = decode(part.content(), part.parameters.get("charset", ""))
        if not announced:
            sentence = "Le jeu de caractères annoncé n'est pas celui du texte : lecture au mieux."
            findings.append(Finding("MAIL_CHARSET_WRONG", Severity.WARNING, "", sentence, _RULE))
        plain = text_of_html(text) if part.content_type == "text/html" else text.replace("\r\n", "\n")
        pieces.append(plain.replace("\r", "\n").replace("\x00", ""))
        if left <= 0:
            break
    return "\n\n".join(piece for piece in pieces if piece.strip())


def _attachments(root: Part, texts: list[Part]) -> Iterator[InboundAttachment]:
    body = {id(part) for part in texts}
    for part in root.walk():
        name = _file_name(part)
        if part.parts or id(part) in body or part.content_type.startswith("multipart/"):
            continue
        if name or part.content_type not in ("text/plain", "text/html") or part.disposition[0] == "attachment":
            yield InboundAttachment(name, part.content_type, part)


def _file_name(part: Part) -> str:
    name = clean(part.disposition[1].get("filename", "") or part.parameters.get("name", ""))
    return name.replace("\\", "/").rpartition("/")[2].strip()[:255].rstrip()
