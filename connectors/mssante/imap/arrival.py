"""A mail as it was found in a mailbox."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, order=True)
class MailKey:
    """Names one mail of a folder for as long as the folder keeps its UIDVALIDITY (RFC 3501 §2.3.1.1)."""

    validity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """`content` is the mail byte for byte, lines in CRLF; only its header (or the start of it) when it is not `whole`,
    because it is larger than allowed. `size` in bytes is that of the whole mail, `received` the server's own date."""

    mailbox: str
    key: MailKey
    size: int
    received: datetime | None
    whole: bool
    content: bytes = field(repr=False)
