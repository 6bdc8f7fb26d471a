"""The seam between the engine and its neighbours.

A connector carries deliveries to one kind of destination; a source receives messages. Both live in `connectors/`, are
declared as entry points (`pfi.connectors`, `pfi.sources`) and know nothing of the store.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from pfi.model.clock import Clock, IdSource
from pfi.model.delivery import Delivery, Outcome
from pfi.model.finding import Finding
from pfi.model.patient import Patient
from pfi.model.submission import Standard


class ConnectorSettings(BaseModel):
    """Base of every settings model: unknown keys are refused, values do not change after start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of `pfi check`. `text` is French and names the next step when `ok` is false."""

    subject: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Bytes that would leave, for `pfi explain --out`. `extension` without dot: `http`, `eml`, `hl7`."""

    extension: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the engine lends to a connector: time, ids, product identity. Injected so that tests replay."""

    clock: Clock
    ids: IdSource
    product_name: str = "PFI"
    product_version: str = ""


@runtime_checkable
class Connector(Protocol):
    """Carries documents. One instance per configured destination; must be safe for concurrent `send` calls.

    Constructor: `Connector(settings: <its settings model>, surroundings: Surroundings)`; it does no I/O.
    """

    settings_model: type[ConnectorSettings]

    def __init__(self, settings: Any, surroundings: Surroundings) -> None: ...

    async def open(self) -> None:
        """Loads certificates and opens pools. Raises ConfigurationError; never contacts the peer."""

    async def close(self) -> None:
        """Ends connections cleanly."""

    async def check(self) -> tuple[CheckResult, ...]:
        """Reaches and authenticates; sends nothing of a patient."""

    async def send(self, delivery: Delivery) -> Outcome:
        """One attempt. Never raises for what the peer or the network does: it is an Outcome."""

    async def resolve(self, delivery: Delivery) -> Outcome:
        """After `UNKNOWN`: finds out whether the delivery arrived, or finishes it in a way that cannot double it."""

    def preview(self, delivery: Delivery) -> Preview:
        """The bytes of `send`, without network."""


@runtime_checkable
class Looker(Protocol):
    """A connector that can look without sending. `Connector.resolve` may finish a delivery by sending it again; what
    was decided otherwise since must not leave any more."""

    async def look(self, delivery: Delivery) -> Outcome:
        """After `UNKNOWN`: `DELIVERED` when it arrived, `NOT_DELIVERED` when it surely did not. Sends nothing."""


@dataclass(frozen=True, slots=True)
class CertificateState:
    """One certificate that a connector holds, or should. `slot` is its stable name inside the connector; `subject` says
    in French what it is for; `name` is its distinguished name and `fingerprint` its SHA-256, both empty when no
    certificate could be read. `fault` is the code of what is wrong with it or with the files that should replace it,
    `fault_text` the French sentence; `in_use` is false when nothing can be sent with it."""

    slot: str
    subject: str
    name: str = ""
    fingerprint: str = ""
    not_after: datetime | None = None
    in_use: bool = True
    fault: str = ""
    fault_text: str = ""


@runtime_checkable
class CertificateHolder(Protocol):
    """A connector that holds certificates. The engine asks from time to time."""

    async def certificates(self) -> tuple[CertificateState, ...]:
        """Looks at the files again and takes a renewed pair into use; contacts nobody. Works before `open` too, for a
        mere look. Never raises for what the files contain."""


@dataclass(frozen=True, slots=True)
class OutboundMail:
    """A complete mail (RFC 5322) to submit from one of our mailboxes to one address: exact bytes, stored before."""

    mailbox: str
    recipient: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What every mail of an account carries: the product reference of ANS (X-MSS-NIL), the name beside the address."""

    nil: str
    label: str = ""


@runtime_checkable
class MailCarrier(Protocol):
    """A connector that submits complete mails: answers to what our mailboxes received."""

    @property
    def letterhead(self) -> Letterhead:
        """Of the mails that it submits."""

    async def send_mail(self, mail: OutboundMail) -> Outcome:
        """One attempt. A mail keeps its Message-ID over retries, so sending again after `UNKNOWN` doubles nothing that
        the reader could not recognise."""


class Filing(StrEnum):
    """Where a mail that was taken goes in its mailbox."""

    DOCUMENTS = "documents"
    REPORTS = "reports"
    ATTENTION = "attention"
    """A person should look at it."""


@dataclass(frozen=True, slots=True)
class FoundMail:
    """A mail as it lies in a mailbox, byte for byte, lines in CRLF. Not `whole`: it is larger than the connector may
    read, and `content` is its header, or the start of it."""

    content: bytes
    whole: bool = True


@runtime_checkable
class MailReceiver(Protocol):
    """A connector with mailboxes to read (mssante digest §9)."""

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Addresses of those it was configured to read."""

    def trusts(self, address: str) -> bool:
        """Whether a correspondent belongs to the trust space (white list)."""

    async def receive(self, mailbox: str, take: Callable[[FoundMail], Awaitable[Filing]]) -> None:
        """Gives each mail of one mailbox to `take`, in order of arrival, and moves it where `take` says, until
        cancelled. A mail stays where it is when `take` raises, and `take` may be given it again. Raises PfiError when
        it cannot go on; the engine calls again after a pause."""


@dataclass(frozen=True, slots=True)
class MailReport:
    """What a delivery status notification says of one recipient. `envelope` is the ENVID of our mail; `action` that of
    RFC 3464 (`delivered`, `failed`...); `code` an SMTPERRORCODE when it failed; `text` French, may be empty."""

    envelope: str
    address: str
    action: str
    code: str = ""
    text: str = ""


@runtime_checkable
class ReportCollector(Protocol):
    """A connector that also learns, later, what became of what it sent. The engine calls it from time to time."""

    async def collect_reports(self, take: Callable[[MailReport], Awaitable[bool]]) -> int:
        """Gives new reports to `take` (true = it concerned a mail of ours); returns how many mails were read."""


class VerificationKind(StrEnum):
    """What a verification of an INS says. None of them ever qualifies an identity."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    """Several people, or an identity that cannot be asked about."""
    UNAVAILABLE = "unavailable"
    """No answer for now: it says nothing of the patient."""


@dataclass(frozen=True, slots=True)
class Verification:
    """`code` is the service's own or the connector's; `text` is French, free of traits. `retry_after` in seconds, for
    `UNAVAILABLE`; `None` = the engine's own schedule."""

    kind: VerificationKind
    code: str = ""
    text: str = ""
    retry_after: float | None = None


@runtime_checkable
class Verifier(Protocol):
    """Asks a national service whether an INS and its traits belong together (INS digest §7). Entry point group
    `pfi.verifiers`; must be safe for concurrent calls.

    Constructor: `Verifier(settings: <its settings model>, surroundings: Surroundings)`; it does no I/O.
    """

    settings_model: type[ConnectorSettings]

    def __init__(self, settings: Any, surroundings: Surroundings) -> None: ...

    async def open(self) -> None:
        """Loads certificates. Raises ConfigurationError; never contacts the peer."""

    async def close(self) -> None:
        """Ends connections cleanly."""

    async def check(self) -> tuple[CheckResult, ...]:
        """Reaches and authenticates; sends nothing of a patient."""

    async def verify(self, patient: Patient) -> Verification:
        """About one patient, within a bounded time. Never raises for what the peer or the network does."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A published MSSanté mailbox. `kind` is its type (TRE_R257: PER, ORG, APP, CAB), empty when it is not told;
    `structure` the FINESS that it goes with; `label` and `place` help a person to choose (never a name of a person)."""

    address: str
    kind: str = ""
    structure: str = ""
    label: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The one mailbox."""

    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Mailboxes among which only a person may choose."""

    mailboxes: tuple[Mailbox, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The directory publishes no mailbox for this identifier."""


@dataclass(frozen=True, slots=True)
class Away:
    """No answer for now: it says nothing of the recipient. `text` is French; `retry_after` in seconds."""

    code: str
    text: str
    retry_after: float | None = None


Lookup = Found | Ambiguous | Nothing | Away


@runtime_checkable
class Directory(Protocol):
    """Finds the MSSanté mailbox of a professional or of a structure (directory digest §1). Entry point group
    `pfi.directories`; must be safe for concurrent calls.

    Constructor: `Directory(settings: <its settings model>, surroundings: Surroundings)`; it does no I/O.
    """

    settings_model: type[ConnectorSettings]

    def __init__(self, settings: Any, surroundings: Surroundings) -> None: ...

    async def open(self) -> None:
        """Loads secrets and certificates. Raises ConfigurationError; never contacts the peer."""

    async def close(self) -> None:
        """Ends connections cleanly."""

    async def check(self) -> tuple[CheckResult, ...]:
        """Reaches and authenticates; asks about nobody."""

    async def resolve(self, professional: str = "", structure: str = "") -> Lookup:
        """The mailbox of a professional (RPPS or national identifier), at a structure (FINESS) when it is given; that
        of the structure when no professional is. Never chooses among several, never raises for what the peer does."""


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """An HL7 v2 message (ZAM, MDM) to hand to a neighbour: exact bytes without framing, and its MSH-10."""

    control_id: str
    content: bytes


@runtime_checkable
class MessageConnector(Protocol):
    """Carries HL7 v2 messages and waits for their acknowledgment. HL7 messages keep their MSH-10 over retries, so
    sending again after `UNKNOWN` is the protocol's own way to resolve."""

    settings_model: type[ConnectorSettings]

    def __init__(self, settings: Any, surroundings: Surroundings) -> None: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> tuple[CheckResult, ...]: ...

    async def send_message(self, message: OutboundMessage) -> Outcome:
        """AA (CA) = delivered; AE = refused; AR, no connection = not delivered; no answer in time = unknown."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a message came from. `listener` is its configured name; `address` host:port; `certificate` the subject of
    the client certificate (RFC 4514), empty without TLS client authentication; `standard` what the source speaks."""

    listener: str
    address: str = ""
    certificate: str = ""
    standard: Standard = Standard.HL7V2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source gives back to its peer: `content` without framing (`None` = nothing), then close or not."""

    content: bytes | None
    close: bool = False


class Intake(Protocol):
    """The engine's side of a source. Both methods return only after the durable commit."""

    async def accept(self, raw: bytes, peer: Peer) -> Answer:
        """Takes one complete message."""

    async def refuse(self, head: bytes, peer: Peer, finding: Finding) -> Answer:
        """Records what could not be taken as a message: `head` is what is known of it (first kilobytes)."""


@runtime_checkable
class Source(Protocol):
    """Receives messages. Constructor: `Source(name, settings, intake)`; `port` is known after `start` (0 = any)."""

    settings_model: type[ConnectorSettings]

    def __init__(self, name: str, settings: Any, intake: Intake) -> None: ...

    @property
    def port(self) -> int: ...

    async def start(self) -> None:
        """Binds and serves. Raises ConfigurationError when it cannot bind."""

    async def stop(self, grace: float) -> None:
        """Stops accepting, lets messages under way be answered for `grace` seconds, closes."""
