"""What the answers to a received document mail have in common: MDN and error mail (MSSanté digest §8.3, §8.5)."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from pfi.model.errors import BugError
from pfi.standards.hl7v2.codes import APPLICATION_ERRORS
from pfi.standards.mail import headers
from pfi.standards.mail.inbound import InboundMail

KO: Final = "[KO Intégration système !]"

_XDM: Final = re.compile(r"XDM/1\.0/DDM", re.IGNORECASE)
_WRITABLE_ID: Final = re.compile(r"<[!-;=?-~]{1,900}>\Z")
_LABEL_NOISE: Final = re.compile(r"[\^|~&\\]+")


@dataclass(frozen=True, slots=True)
class IntegrationError:
    """An error of the final consumer: `code` is one of 900 to 906, `label` what the consumer said (ERR-5), ours when
    it said nothing."""

    code: str
    label: str = ""

    @property
    def words(self) -> str:
        """The label on one line, without the separators of HL7."""
        return headers.clean(_LABEL_NOISE.sub(" ", self.label))[:200].strip() or APPLICATION_ERRORS[self.code]


@dataclass(frozen=True, slots=True)
class Answer:
    """The facts of an answer. `sender` is the APP mailbox that received, `to` where the answer goes: both checked and
    normalised. `message_id` is that of the answer, with its angle brackets. `date` has a zone. No error: success.

    The envelope sender of an answer is the null path `<>` (RFC 8098 §3): the caller sees to it. Lines of the original
    may start with a dot: transparency (RFC 5321 §4.5.2) is the business of whoever speaks SMTP.
    """

    sender: str
    to: str
    date: datetime
    message_id: str
    nil: str
    errors: tuple[IntegrationError, ...] = ()
    sender_label: str = ""

    def __post_init__(self) -> None:
        if any(error.code not in APPLICATION_ERRORS for error in self.errors):
            raise BugError("MAIL_ANSWER", "Le code d'une erreur d'intégration n'est pas dans la table 900 à 906.")


def distinct(errors: tuple[IntegrationError, ...]) -> tuple[IntegrationError, ...]:
    """The errors in their order, each code and label once."""
    return tuple({(error.code, error.words): error for error in errors}.values())


def document_subject(subject: str) -> str:
    """The subject of the original from its XDM prefix on; whole when it has none."""
    found = _XDM.search(subject)
    return subject[found.start() :] if found else subject


def error_subject(errors: tuple[IntegrationError, ...], subject: str) -> str:
    """`[KO Intégration système !][902] XDM/1.0/DDM+...`: the code of the first error."""
    return f"{KO}[{errors[0].code}] {document_subject(subject)}".rstrip()


def explanation(errors: tuple[IntegrationError, ...]) -> str:
    """The text for people."""
    if not errors:
        return (
            "Bonjour,\n\nLe courriel ci-dessous a été traité automatiquement : son contenu a été intégré dans le "
            "logiciel du destinataire.\n"
        )
    reasons = "".join(f"- {error.code} : {error.words}\n" for error in distinct(errors))
    return (
        "Bonjour,\n\nLe courriel ci-dessous n'a pas pu être intégré automatiquement dans le logiciel du destinataire, "
        f"pour la raison suivante :\n{reasons}\n"
        "Après correction, vous pouvez envoyer le document à nouveau.\n"
    )


def boundary_of(answer: Answer, original: bytes) -> str:
    """A boundary that is always the same for the same answer, and that the original does not contain."""
    seed = answer.message_id.encode("utf-8", "replace")
    while True:
        seed = hashlib.sha256(seed).hexdigest()[:32].encode("ascii")
        if seed not in original:
            return "=_" + seed.decode("ascii")


def start_of(answer: Answer, original: InboundMail, subject: str) -> tuple[bytes, ...]:
    """The header fields of an answer, up to `Content-Type`."""
    threading: tuple[bytes, ...] = ()
    if _WRITABLE_ID.match(original.message_id):
        threading = tuple(headers.token(name, original.message_id) for name in ("In-Reply-To", "References"))
    transfer = () if original.raw.isascii() else (b"Content-Transfer-Encoding: 8bit\r\n",)
    return (
        headers.mailbox("From", answer.sender, answer.sender_label),
        headers.addresses("To", (answer.to,)),
        headers.text("Subject", subject),
        headers.token("Date", format_datetime(answer.date)),
        headers.token("Message-ID", answer.message_id),
        *threading,
        headers.token("X-MSS-NIL", answer.nil),
        b"Auto-Submitted: auto-replied\r\n",
        b"MIME-Version: 1.0\r\n",
        *transfer,
    )


def returned_part(original: bytes, file_name: str = "") -> bytes:
    """The original, every byte of it, as `message/rfc822`; fields included, without delimiter."""
    disposition = f"Content-Disposition: attachment; {headers.file_name_parameter('filename', file_name)}\r\n"
    return b"".join(
        (
            b"Content-Type: message/rfc822\r\n",
            b"" if original.isascii() else b"Content-Transfer-Encoding: 8bit\r\n",
            disposition.encode("ascii") if file_name else b"",
            b"\r\n",
            original,
        )
    )
