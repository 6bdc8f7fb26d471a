"""A message on its way through intake: what came, from whom, and what was read of it."""

from dataclasses import dataclass, replace
from datetime import datetime

from pfi.engine.conclusion import Conclusion, acknowledgment
from pfi.engine.connector import Peer
from pfi.engine.interpretation import Interpretation, Kind
from pfi.engine.logs import get_logger
from pfi.model.acknowledgment import AckCode
from pfi.model.clock import IdSource
from pfi.model.errors import SenderDataError
from pfi.model.submission import MessageHeader, Standard, Submission
from pfi.standards.hl7v2.header import read_header
from pfi.standards.hl7v2.tokenizer import parse
from pfi.store.messages import NewDocument, NewMessage

_LOG = get_logger("intake")
_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message on its way through intake."""

    raw: bytes
    digest: bytes
    peer: Peer
    received_at: datetime
    interpretation: Interpretation

    @property
    def header(self) -> MessageHeader | None:
        return self.interpretation.header

    @property
    def sender_key(self) -> str:
        """First part of the deduplication key: the listener and who the message says it is from."""
        if self.header is None:
            return self.peer.listener
        return "|".join((self.peer.listener, self.header.sending_application, self.header.sending_facility))

    def stored(self, conclusion: Conclusion, ids: IdSource) -> NewMessage:
        """The row of the message, with its answer."""
        interpretation, header = self.interpretation, self.header
        ack = acknowledgment(interpretation, conclusion, control_id=ids.control_id(), now=self.received_at)
        kind = interpretation.kind
        if header is not None and conclusion.ack.code is not AckCode.AA:
            kind = Kind.REFUSED
        return NewMessage(
            received_at=self.received_at,
            listener=self.peer.listener,
            peer=self.peer.address,
            certificate=self.peer.certificate,
            sender=interpretation.profile.name,
            sender_key=self.sender_key,
            control_id=header.control_id if header else "",
            message_type=f"{header.message_code}^{header.trigger_event}" if header else "",
            body=self.raw,
            digest=self.digest,
            kind=kind,
            ack_code=conclusion.ack.code if ack is not None else "",
            ack=ack,
        )


def new_documents(submission: Submission, lineage: str) -> list[NewDocument]:
    """All renditions of a message share the lineage of the first one."""
    return [NewDocument(document, submission.request, lineage) for document in submission.documents]


def same_request(one: Submission, other: Submission) -> bool:
    """Whether two messages ask for the very same, whatever the moment at which they were written and received."""
    written = replace(one.message, sent_at=other.message.sent_at)
    return replace(one, message=written, received_at=other.received_at) == other


def header_of(raw: bytes, peer: Peer) -> MessageHeader | None:
    """The MSH of a message that will not be read further; FHIR has none."""
    if peer.standard is Standard.FHIR:
        return None
    try:
        return read_header(parse(raw[:_HEAD_BYTES]))
    except SenderDataError:
        return None
    except Exception as error:
        _LOG.error("reading_bug", step="header", error=type(error).__name__)
        return None
