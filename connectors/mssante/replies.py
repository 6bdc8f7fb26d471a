"""What an SMTP reply means for a recipient, in our words: a server's own text may quote an address."""

import re
from typing import Final

from aiosmtplib import SMTPResponse

from pfi.model.delivery import OutcomeKind, RecipientOutcome
from pfi.standards.mail.smtp_codes import code_of, enhanced_status, label_of

_ADDRESSES: Final = re.compile(r"<[^>]*>|\S+@\S+|\d[0-9AB ]{11,}\d")
_MAX_REPLY: Final = 200


def refusal(address: str, code: int, message: str) -> RecipientOutcome:
    """The outcome of a recipient after a reply that is not positive: 5xx is final, anything else asks to come back."""
    kind = OutcomeKind.REFUSED if 500 <= code < 600 else OutcomeKind.NOT_DELIVERED
    smtp_code = code_of(enhanced_status(message), f"{code} {message}", temporary=kind is OutcomeKind.NOT_DELIVERED)
    return RecipientOutcome(address, kind, smtp_code, f"{label_of(smtp_code)} ({code}).")


def failed(code: str, address: str = "", *, again: bool = False) -> RecipientOutcome:
    """An outcome that we decide ourselves, by its SMTPERRORCODE; `again` when another attempt may succeed."""
    kind = OutcomeKind.NOT_DELIVERED if again else OutcomeKind.REFUSED
    return RecipientOutcome(address, kind, code, f"{label_of(code)}.")


def scrubbed(response: SMTPResponse) -> str:
    """A reply to keep as evidence: on one line, cut, without anything that looks like an address or a matricule."""
    text = " ".join(response.message.split())
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return f"{response.code} {_ADDRESSES.sub('…', printable)}"[:_MAX_REPLY]
