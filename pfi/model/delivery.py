"""One delivery: what a connector must carry to one destination, and what became of it."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pfi.model.decision import Channel
from pfi.model.document import Document, Level
from pfi.model.parties import NOWHERE, Author, Establishment, Recipient
from pfi.model.patient import Patient
from pfi.model.submission import MessageHeader, Orders, Request, Stay


class OutcomeKind(StrEnum):
    """The four ends of an attempt.

    `NOT_DELIVERED`: surely nothing left, or the peer asks to come back: try again. `UNKNOWN`: it may have left:
    resolve, never resend blindly.
    """

    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """Result for one mailbox. `code` is an SMTPERRORCODE (`spec/hl7v2.md` section 4.3), empty when delivered."""

    address: str
    kind: OutcomeKind
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    `code` is the peer's own code (`XDSDuplicateUniqueIdInRegistry`, `550`) or ours; `text` is French, free of traits.
    `retry_after` in seconds is the peer's or the connector's wish, `None` = the engine's own schedule. `max_attempts`
    bounds the tries of a "generic" failure (`spec/dmp.md` section 2.6). `counts`: the attempt uses up one of the tries
    of the delivery; not when nothing could be tried for a reason that is ours alone (our certificate is out of date).
    `stop_destination` asks for the circuit breaker: trying other documents would fail alike. `busy`: the destination
    cannot be reached, or asks for less at once, whatever the document. `evidence` is what to keep
    for the operator (ids, status; no content, no traits).
    """

    kind: OutcomeKind
    code: str = ""
    text: str = ""
    recipients: tuple[RecipientOutcome, ...] = ()
    retry_after: float | None = None
    max_attempts: int | None = None
    counts: bool = True
    stop_destination: bool = False
    busy: bool = False
    warnings: tuple[str, ...] = ()
    evidence: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeliveryIds:
    """Identifiers created once, stored before the first attempt, reused by every later one.

    `submission_set` and `signature` are OIDs (XDS uniqueId); `message_id` the left part of an RFC 5322 Message-ID (the
    mail connector adds `@` and the domain of its mailbox); `envelope` an ENVID; `control_id` an MSH-10 for what leaves
    by HL7 v2.
    """

    submission_set: str
    signature: str
    message_id: str
    envelope: str
    control_id: str


class Fate(StrEnum):
    """What became of one version of a document on one channel, as far as our own tables know."""

    FED = "fed"
    """The destination took it."""
    DELETED = "deleted"
    """The destination took it, then its deletion."""
    DOUBTFUL = "doubtful"
    """In flight, or it may have left without our knowing."""
    TRIED = "tried"
    """Refused, or given up without doubt."""
    OPEN = "open"
    """Still to be tried."""
    NEVER = "never"
    """Nothing was tried: refused at reception, denied, cancelled, not ordered."""


@dataclass(frozen=True, slots=True)
class Version:
    """Another document of the same lineage that the engine received, in a message of its own.

    `set_id` and `unique_id` are in XDS form, `set_id` empty and `number` (versionNumber) `None` when the document has
    none. `later`: its message came after that of the delivery.
    """

    unique_id: str
    request: Request
    fate: Fate
    later: bool = False
    set_id: str = ""
    number: int | None = None
    level: Level | None = None
    sha1: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """All that a connector needs to carry one submission to one destination.

    `documents` are the one or two renditions of the same document (N1 and N3 travel together). `recipients` are those
    still to be served on this attempt. `qualified` says whether the identity may leave with its INS.
    """

    id: uuid.UUID
    channel: Channel
    request: Request
    documents: tuple[Document, ...]
    patient: Patient
    qualified: bool
    stay: Stay
    orders: Orders
    message: MessageHeader
    sender: Author | None
    recipients: tuple[Recipient, ...]
    reply_to: str
    body: str | None
    ids: DeliveryIds
    created_at: datetime
    """When the delivery was decided: the submission time of the lot and the Date of the mail, stable over retries."""
    attempt: int = 1
    may_have_left: bool = False
    """An earlier attempt may have arrived without our knowing: what is found at the destination may be its doing."""
    previous_message_id: str = ""
    """Message-ID of the mail that carried the replaced or deleted document, when we sent it."""
    addressees: tuple[Recipient, ...] = ()
    """Everybody the decision names, served or not: the `To` of the mail, whose bytes do not change over retries. Empty
    = `recipients` (first attempt)."""
    mailbox: str = ""
    """Name of the mailbox that sends, chosen by a site rule; empty = the connector's default."""
    establishment: Establishment = NOWHERE
    """Where in the hospital the message comes from: chooses the legal entity that sends when the message does not name
    its structure (PRT SB)."""
    versions: tuple[Version, ...] = ()
    """The other documents of the lineage, in the order of their messages, with their fate on this channel."""
