"""A mail as bytes: headers and parts joined, base64 everywhere, CRLF everywhere (RFC 5322, RFC 2045).

No line of the result can start with a dot, so SMTP needs no transparency (RFC 5321 §4.5.2): header lines start with
their name or a blank, boundaries with two hyphens, and the base64 alphabet has no dot.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

import pybase64

from pfi.standards.mail import headers

_LINE = 57
"""Bytes encoded on one line of 76 characters (RFC 2045 §6.8)."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """`content_type` without parameters (`application/zip`)."""

    file_name: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """Everything that a document mail says (MSSanté digest §4.2). Addresses are already checked and normalised.

    `message_id` and `references` carry their angle brackets. `code_cda` is one code for each CDA of the archive, in
    its order; `ins_complete` is `X-MSS-INS`. `reading_notice_to` asks for an MDN; `close_exchange` forbids an answer.
    """

    sender: str
    sender_label: str
    to: tuple[str, ...]
    subject: str
    date: datetime
    message_id: str
    nil: str
    body: str
    attachments: tuple[Attachment, ...]
    reply_to: str = ""
    references: str = ""
    code_cda: tuple[str, ...] = ()
    ins_complete: bool = False
    close_exchange: bool = False
    reading_notice_to: str = ""


def write_mail(mail: Mail) -> bytes:
    """The exact bytes of the message: same mail, same bytes. Raises BugError when an address or id is malformed."""
    boundary = "=_" + hashlib.sha256(mail.message_id.encode()).hexdigest()[:32]
    delimiter = f"\r\n--{boundary}\r\n".encode("ascii")
    parts = [*_headers(mail), f'Content-Type: multipart/mixed;\r\n boundary="{boundary}"\r\n'.encode("ascii")]
    parts += (delimiter, text_part(mail.body))
    for attachment in mail.attachments:
        parts += (delimiter, attachment_part(attachment))
    parts.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return b"".join(parts)


def text_part(text: str) -> bytes:
    """A part of plain text with its fields, without delimiter."""
    body = "\r\n".join(text.replace("\x00", "").splitlines()) + "\r\n"
    return (
        b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + _base64(body.encode("utf-8", "replace"))
    )  # fmt: skip


def attachment_part(attachment: Attachment) -> bytes:
    """An attached file with its fields, without delimiter."""
    name = headers.file_name_parameter("name", attachment.file_name)
    file_name = headers.file_name_parameter("filename", attachment.file_name)
    return b"".join(
        (
            f"Content-Type: {attachment.content_type};\r\n {name}\r\n".encode("ascii"),
            b"Content-Transfer-Encoding: base64\r\n",
            f"Content-Disposition: attachment;\r\n {file_name}\r\n\r\n".encode("ascii"),
            _base64(attachment.content),
        )
    )


def encoded_size(size: int) -> int:
    """Bytes that an attachment of `size` bytes takes in a mail, line ends included, without its part headers."""
    characters = (size + 2) // 3 * 4
    lines = (size + _LINE - 1) // _LINE
    return characters + 2 * max(0, lines - 1)


def _headers(mail: Mail) -> list[bytes]:
    fields = [headers.mailbox("From", mail.sender, mail.sender_label)]
    if mail.reply_to:
        fields.append(headers.token("Reply-To", mail.reply_to))
    fields += (
        *([headers.addresses("To", mail.to)] if mail.to else []),
        headers.text("Subject", mail.subject),
        headers.token("Date", format_datetime(mail.date)),
        headers.token("Message-ID", mail.message_id),
    )
    if mail.references:
        fields.append(headers.token("References", mail.references))
    if mail.code_cda:
        fields.append(headers.token("X-MSS-CODECDA", ",".join(mail.code_cda)))
        fields.append(headers.token("X-MSS-INS", "O" if mail.ins_complete else "N"))
    fields.append(headers.token("X-MSS-NIL", mail.nil))
    if mail.close_exchange:
        fields.append(headers.token("X-MSS-MES", "FIN"))
    if mail.reading_notice_to:
        fields.append(headers.token("Disposition-Notification-To", mail.reading_notice_to))
    fields.append(b"MIME-Version: 1.0\r\n")
    return fields


def _base64(content: bytes) -> bytes:
    return pybase64.encodebytes(content).rstrip(b"\n").replace(b"\n", b"\r\n")
