"""The standard mail that tells an integration error without an MDN (MSSanté digest §8.5, hl7v2 digest §5.4)."""

import re
from typing import Final

from pfi.model.errors import BugError
from pfi.standards.hl7v2.codes import APPLICATION_ERRORS
from pfi.standards.mail.answers import Answer, boundary_of, error_subject, explanation, returned_part, start_of
from pfi.standards.mail.inbound import InboundMail, as_mail
from pfi.standards.mail.mdn import Disposition, ReadReport, candidate_ids, error_code
from pfi.standards.mail.message import Attachment, attachment_part, text_part

_PLAIN_TYPE: Final = re.compile(r"(?:application|image|text|audio|video)/[a-z0-9][a-z0-9.+-]{0,100}\Z")


def write_error_mail(answer: Answer, original: bytes | InboundMail, *, repeat_attachments: bool = True) -> bytes:
    """The exact bytes of a `multipart/mixed`: French text, the original complete and byte exact as `message/rfc822`,
    then its attachments once more (the volet wants them so; `repeat_attachments` leaves them out).

    `answer.to` is the error mailbox of the establishment (configuration); `answer.errors` holds at least one error.
    Same answer and same original, same bytes. Raises BugError when an address or id is malformed.
    """
    if not answer.errors:
        raise BugError("MAIL_ANSWER", "Un courriel d'erreur doit dire au moins une erreur.")
    mail = as_mail(original)
    boundary = boundary_of(answer, mail.raw)
    delimiter = f"\r\n--{boundary}\r\n".encode("ascii")
    parts = [
        *start_of(answer, mail, error_subject(answer.errors, mail.subject)),
        f'Content-Type: multipart/mixed;\r\n boundary="{boundary}"\r\n'.encode("ascii"),
        delimiter,
        text_part(explanation(answer.errors)),
        delimiter,
        returned_part(mail.raw, file_name="message_original.eml"),
    ]
    for each in mail.attachments if repeat_attachments else ():
        if each.content_type.startswith("message/"):
            continue
        name = each.file_name or "piece-jointe"
        parts += (delimiter, attachment_part(Attachment(name, _safe_type(each.content_type), each.content())))
    parts.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return b"".join(parts)


def read_error_mail(mail: bytes | InboundMail) -> ReadReport:
    """Reads a mail of kind ERROR_MAIL: a negative answer, its code from the subject or the text, 906 without one."""
    mail = as_mail(mail)
    code = error_code(mail)
    return ReadReport(
        message_ids=candidate_ids(mail),
        reader=mail.sender,
        addressee="",
        disposition=Disposition.PROCESSED,
        success=False,
        code=code,
        label=APPLICATION_ERRORS[code],
        date=mail.date,
    )


def _safe_type(content_type: str) -> str:
    """A content type that may be written again: an odd one becomes bytes."""
    return content_type if _PLAIN_TYPE.match(content_type) else "application/octet-stream"
