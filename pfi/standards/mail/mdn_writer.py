"""Disposition notifications written for the documents received (RFC 8098; MSSanté digest §8.3, §8.4)."""

from enum import StrEnum

from pfi.standards.mail.answers import (
    Answer,
    IntegrationError,
    boundary_of,
    distinct,
    document_subject,
    error_subject,
    explanation,
    returned_part,
    start_of,
)
from pfi.standards.mail.headers import clean
from pfi.standards.mail.inbound import InboundMail, as_mail
from pfi.standards.mail.letters import without_accents
from pfi.standards.mail.message import text_part

_PROCESSED = "automatic-action/MDN-sent-automatically; processed"


class MdnForm(StrEnum):
    """Where the error stands (`mss.mdn_form`): in a field of its own, or in the disposition as up to volet 1.1.2."""

    RFC8098_ERROR_FIELD = "rfc8098_error_field"
    VOLET_1_1_2 = "volet_1_1_2"


def write_mdn(
    answer: Answer,
    original: bytes | InboundMail,
    *,
    form: MdnForm = MdnForm.RFC8098_ERROR_FIELD,
    reporting_ua: str = "PFI",
    original_recipient: str = "",
    final_recipient: str = "",
) -> bytes:
    """The exact bytes of a `multipart/report`: French text, disposition fields, the original complete and byte exact.

    `final_recipient` is `answer.sender` by default; `original_recipient` the field of that name in the original, else
    the final recipient. Same arguments, same bytes. Raises BugError when an address or id of the answer is malformed.
    Whether an MDN may be sent at all (who asked, loops) is the caller's business (MSSanté digest §8.3).
    """
    mail = as_mail(original)
    final = final_recipient or answer.sender
    subject = error_subject(answer.errors, mail.subject) if answer.errors else document_subject(mail.subject)
    boundary = boundary_of(answer, mail.raw)
    delimiter = f"\r\n--{boundary}\r\n".encode("ascii")
    fields = (
        _field("Reporting-UA", reporting_ua),
        _field("Original-Recipient", f"rfc822;{original_recipient or mail.original_recipient or final}"),
        _field("Final-Recipient", f"rfc822;{final}"),
        _field("Original-Message-ID", mail.message_id),
        *_outcome(distinct(answer.errors), form),
    )
    content_type = (
        "Content-Type: multipart/report; report-type=disposition-notification;\r\n"
        f' boundary="{boundary}"\r\n'
    )  # fmt: skip
    return b"".join(
        (
            *start_of(answer, mail, subject),
            content_type.encode("ascii"),
            delimiter,
            text_part(explanation(answer.errors)),
            delimiter,
            b"Content-Type: message/disposition-notification\r\n\r\n",
            *fields,
            delimiter,
            returned_part(mail.raw),
            f"\r\n--{boundary}--\r\n".encode("ascii"),
        )
    )


def _outcome(errors: tuple[IntegrationError, ...], form: MdnForm) -> tuple[bytes, ...]:
    if not errors:
        return (_field("Disposition", _PROCESSED),)
    if form is MdnForm.VOLET_1_1_2:
        return (_field("Disposition", f"{_PROCESSED}/Error: {_coded(errors[0], 'messageErrorCondition')}"),)
    told = (_field("Error", _coded(error, "applicationErrorCondition")) for error in errors)
    return (_field("Disposition", f"{_PROCESSED}/error"), *told)


def _coded(error: IntegrationError, table: str) -> str:
    return f"{error.code}^{error.words}^{table}| E^Error^errorSeverity"


def _field(name: str, value: str) -> bytes:
    """A field of the disposition part: ASCII on one line (RFC 8098 §3.1). Without value, no field."""
    text = without_accents(clean(value)).encode("ascii", "replace").decode("ascii")[:900].rstrip()
    return f"{name}: {text}\r\n".encode("ascii") if text else b""
