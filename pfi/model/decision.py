"""What the engine decided for one document and one channel, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pfi.model.parties import Recipient


class Channel(StrEnum):
    """`DMP`, MSSanté to professionals (`PRO`), MSSanté to the citizen (`CIT`)."""

    DMP = "DMP"
    PRO = "PRO"
    CIT = "CIT"


class Action(StrEnum):
    """`VOID`: the destination does not exist, so there is no duty (distinct from a refusal or a failure)."""

    SEND = "send"
    HOLD = "hold"
    DENY = "deny"
    VOID = "void"


class Trigger(StrEnum):
    """What makes the engine decide again: the event that a held document, or a refusal that may be cured, waits for."""

    IDENTITY_QUALIFIED = "identity_qualified"
    """ADT gives the identity its INS and `VALI`."""
    OBJECTION_LIFTED = "objection_lifted"
    """ZFA-9 was `IO` and no longer is."""
    INFORMATION_COLLECTED = "information_collected"
    """ZFA-9 is told at last."""
    DMP_ACTIVE = "dmp_active"
    """ZFA-1 or TD0.2 says that the DMP exists and is open."""
    HUMAN_RELEASE = "human_release"
    """Nobody but an operator."""


class Priority(StrEnum):
    """Who goes first when several deliveries wait for the same destination."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: `rule` names a row (`R06`), an exception (`E01`), a finding or a flag; `text` is French."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Stored with the document and shown by the console and `pfi explain`.

    `code` is the reason code of `spec/obligations.md` section 4 when the action is not `SEND` (`INS_NOT_QUALIFIED`,
    `ORDER_NO`...). `due` says that the legal table asked for this channel. `gap` says that it was due and is not sent;
    `legal_gap` that an exception of the law explains it. `until` is what would make the engine decide again, `None` =
    nothing. `expiry_days` is how long a hold lasts when a rule says so, `None` = the sender's setting.
    """

    document: str
    """uniqueId of the document."""
    channel: Channel
    action: Action
    because: tuple[Reason, ...]
    recipients: tuple[Recipient, ...] = ()
    code: str = ""
    due: bool = False
    gap: bool = False
    legal_gap: bool = False
    rules_digest: str = ""
    until: Trigger | None = None
    expiry_days: int | None = None
    not_before: datetime | None = None
    """A site's schedule: the sending is decided, but not earlier than that moment."""
    priority: Priority = Priority.NORMAL
    mailbox: str = ""
    """Name of the mailbox that sends, as in the connector's settings; empty = its only one."""
