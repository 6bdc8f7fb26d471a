"""What a mail system says became of a mail, whatever the form it says it in (RFC 3464; MSSanté digest §7)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class DsnAction(StrEnum):
    """RFC 3464 §2.3.3."""

    DELIVERED = "delivered"
    EXPANDED = "expanded"
    RELAYED = "relayed"
    DELAYED = "delayed"
    FAILED = "failed"


_ACKNOWLEDGED: Final[dict[DsnAction, bool | None]] = {
    DsnAction.DELIVERED: True,
    DsnAction.EXPANDED: True,
    DsnAction.RELAYED: True,
    DsnAction.DELAYED: None,
    DsnAction.FAILED: False,
}


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of one recipient. Addresses without their `rfc822;` prefix, in the case of the notification.

    `address` is empty when a bounce in prose names nobody: it speaks of the only recipient of the mail. `code` is an
    SMTPERRORCODE: empty when delivered, `251` when relayed beyond the last system that reports. `diagnostic` is the
    text of the server, on one line.
    """

    address: str
    original_address: str
    action: DsnAction
    status: str = ""
    diagnostic: str = ""
    code: str = ""
    last_attempt: datetime | None = None

    @property
    def acknowledged(self) -> bool | None:
        """The answer of a ZAM^Z02: yes, no, or nothing yet."""
        return _ACKNOWLEDGED[self.action]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A notification, or a bounce. `envelope` is the ENVID that we gave; `message_ids` the candidates for the
    Message-ID of our mail, the most certain first (returned headers, then In-Reply-To, References, quoted text).

    `recipients` may be empty: a person must read the mail. `structured` is false for a bounce in prose. `arrival` is
    when the reporting system had taken our mail, `reporting_mta` its name.
    """

    envelope: str
    message_ids: tuple[str, ...]
    recipients: tuple[RecipientReport, ...]
    structured: bool = True
    arrival: datetime | None = None
    reporting_mta: str = ""
