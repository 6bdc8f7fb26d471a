"""What comes back for a mail, on demand: MDN of both versions of the volet, late and negative DSN, bounces in prose
(mssante digest §7 and §8)."""

import uuid
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime
from enum import StrEnum
from typing import Final

from connectors.sandbox.operator.reports import POSTMASTER, REPORTER, RecipientReport, write_dsn

_LABELS: Final = {
    "900": "Version du document erronée",
    "901": "Auteur non autorisé",
    "902": "Identifiant de patient inconnu",
    "903": "INS absente du document",
    "904": "INS non strictement identique",
    "905": "INS incomplète",
    "906": "Autre erreur",
}


class Answer(StrEnum):
    """What can be ordered."""

    MDN = "mdn"
    """Processed, as 1.1.3 of the volet writes it."""
    MDN_ERROR = "mdn_error"
    """Not processed: `Error` is a field of its own (1.1.3)."""
    MDN_ERROR_112 = "mdn_error_1.1.2"
    """Not processed: the error stands in the disposition (1.1.2)."""
    MDN_READ = "mdn_read"
    """Displayed, by a person."""
    MDN_DELETED = "mdn_deleted"
    """Deleted without being read."""
    DSN_DELIVERED = "dsn_delivered"
    DSN_DELAYED = "dsn_delayed"
    DSN_RELAYED = "dsn_relayed"
    DSN_FAILED = "dsn_failed"
    BOUNCE = "bounce"
    """A text, without any field that a machine could read (mssante digest §6)."""


_DISPOSITIONS: Final = {
    Answer.MDN: "automatic-action/MDN-sent-automatically; processed",
    Answer.MDN_ERROR: "automatic-action/MDN-sent-automatically; processed/error",
    Answer.MDN_ERROR_112: "automatic-action/MDN-sent-automatically; processed/Error: ",
    Answer.MDN_READ: "manual-action/MDN-sent-manually; displayed",
    Answer.MDN_DELETED: "manual-action/MDN-sent-manually; deleted",
}
_DSN: Final = {
    Answer.DSN_DELIVERED: ("delivered", "2.0.0"),
    Answer.DSN_DELAYED: ("delayed", "4.4.1"),
    Answer.DSN_RELAYED: ("relayed", "2.0.0"),
    Answer.DSN_FAILED: ("failed", "5.2.1"),
}


def write_answer(kind: Answer, mail: bytes, recipient: str, envelope_id: str, code: str, moment: datetime) -> bytes:
    """The answer of `recipient` to `mail`. Raises ValueError when the mail did not ask for an MDN, or for an unknown
    code."""
    original = BytesParser(policy=policy.SMTP).parsebytes(mail, headersonly=True)
    if kind in _DISPOSITIONS:
        return _mdn(kind, original, mail, recipient, code or "902", moment)
    sender = str(original["From"].addresses[0].addr_spec)
    if kind is Answer.BOUNCE:
        return _bounce(original, sender, recipient, moment)
    action, status = _DSN[kind]
    status = code or status
    report = RecipientReport(
        recipient, f"rfc822;{recipient}", action == "delivered", status, f"{status[0]}50 {status} on demand", action
    )
    return write_dsn(report, sender=sender, envelope_id=envelope_id, full=False, message=mail, arrived=moment)


def _mdn(kind: Answer, original: EmailMessage, mail: bytes, recipient: str, code: str, moment: datetime) -> bytes:
    asked = original.get("Disposition-Notification-To")
    if asked is None:
        raise ValueError("ce courriel ne demande pas d'accusé de lecture")
    failed = kind in (Answer.MDN_ERROR, Answer.MDN_ERROR_112)
    if failed and code not in _LABELS:
        raise ValueError("code d'erreur inconnu")
    subject = " ".join(str(original["Subject"]).split())
    disposition = _DISPOSITIONS[kind]
    error = f"{code}^{_LABELS.get(code, '')}^%s| E^Error^errorSeverity"
    fields = [
        "Reporting-UA: dpi.sandbox; Bac a sable",
        f"Original-Recipient: rfc822;{recipient}",
        f"Final-Recipient: rfc822;{recipient}",
        f"Original-Message-ID: {str(original['Message-ID']).strip()}",
    ]
    if kind is Answer.MDN_ERROR_112:
        disposition += error % "messageErrorCondition"
    fields.append(f"Disposition: {disposition}")
    if kind is Answer.MDN_ERROR:
        fields.append(f"Error: {error % 'applicationErrorCondition'}")
    head = _head(recipient, str(asked), f"[KO Intégration système !][{code}] {subject}" if failed else subject, moment)
    text = f"Erreur {code} : {_LABELS[code]}." if failed else "Le courriel a été pris en compte."
    boundary = f"mdn-{uuid.uuid4().hex}"
    lines = (
        f'Content-Type: multipart/report; report-type=disposition-notification; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        text,
        f"--{boundary}",
        "Content-Type: message/disposition-notification",
        "Content-Transfer-Encoding: 8bit",
        "",
        *fields,
        "",
        f"--{boundary}",
        "Content-Type: message/rfc822",
        "",
        "",
    )
    return head + "\r\n".join(lines).encode() + mail + f"\r\n--{boundary}--\r\n".encode()


def _bounce(original: EmailMessage, sender: str, recipient: str, moment: datetime) -> bytes:
    """The prose of the citizens' messaging: closed by its owner."""
    head = _head(POSTMASTER, sender, "Message non distribué", moment)
    lines = (
        f"In-Reply-To: {str(original['Message-ID']).strip()}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        f"Votre message à {recipient} n'a pas pu être distribué.",
        "Motif : l'usager a fermé sa messagerie.",
        "",
    )
    return head + "\r\n".join(lines).encode()


def _head(sender: str, recipient: str, subject: str, moment: datetime) -> bytes:
    """The headers that all answers have, subject encoded where it must be."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, subject
    mail["Date"] = format_datetime(moment)
    mail["Message-ID"] = f"<{uuid.uuid4()}@{REPORTER}>"
    mail["Auto-Submitted"] = "auto-replied"
    mail["MIME-Version"] = "1.0"
    return mail.as_bytes().partition(b"\r\n\r\n")[0] + b"\r\n"
