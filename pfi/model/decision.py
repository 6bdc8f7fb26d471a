"""What the engine decided for one document and one channel, and why."""

from dataclasses import dataclass
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
    `legal_gap` that an exception of the law explains it.
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
