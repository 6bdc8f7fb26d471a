"""Technical acknowledgments, original mode: written for what we receive, read for what we send (hl7v2 digest §4.1)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pfi.model.acknowledgment import AckCode, AckError, TechnicalAck
from pfi.model.submission import MessageHeader
from pfi.standards.hl7v2.codes import APPLICATION_ERROR, APPLICATION_ERRORS, MESSAGE_ERRORS
from pfi.standards.hl7v2.escapes import escape
from pfi.standards.hl7v2.tokenizer import Message, Segment, UnreadableMessageError, parse
from pfi.standards.hl7v2.writer import answer_header, components, message, segment

_LONGEST_TEXT: Final = 250
"""ERR-8 is a TX of 250 characters in v2.5."""

_LOCATION: Final = re.compile(r"[A-Z][A-Z0-9]{2}(\^[0-9]+){0,5}")
"""The form of ERR-2; a place inside a CDA document has none."""

_CODES: Final = {
    "AA": AckCode.AA,
    "AE": AckCode.AE,
    "AR": AckCode.AR,
    "CA": AckCode.AA,
    "CE": AckCode.AE,
    "CR": AckCode.AR,
}
"""MSA-1 of a peer; the commit codes of the enhanced mode mean the same to a sender that waits for one answer."""


@dataclass(frozen=True, slots=True)
class AckReading:
    """An acknowledgment received. `acknowledged_control_id` is MSA-2: MSH-10 of the message that it answers."""

    acknowledged_control_id: str
    code: AckCode
    errors: tuple[AckError, ...] = ()


def write_ack(header: MessageHeader, ack: TechnicalAck, *, control_id: str, now: datetime) -> bytes:
    """The answer to a message, in its version and charset. `now` is written with the offset of its own zone."""
    version = header.version or "2.5"
    segments = [
        answer_header(header, ("ACK", header.trigger_event, "ACK"), version=version, control_id=control_id, now=now),
        segment("MSA", {1: ack.code.value, 2: escape(header.control_id)}),
    ]
    # An acceptance carries hints only: an error beside AA would contradict it.
    accepted = ack.code is AckCode.AA
    segments.extend(_error(error) for error in ack.errors if not accepted or error.severity != "E")
    return message(segments, header.charset)


def _error(error: AckError) -> str:
    application = error.err3 == APPLICATION_ERROR and error.err5
    label = APPLICATION_ERRORS.get(error.err5, "")
    return segment(
        "ERR",
        {
            2: components(*error.location.split("^")) if _LOCATION.fullmatch(error.location) else "",
            3: components(error.err3, MESSAGE_ERRORS.get(error.err3, ""), "messageErrorCondition"),
            4: error.severity,
            5: components(error.err5, label, "applicationErrorCode") if application else "",
            8: escape(error.text[:_LONGEST_TEXT]),
        },
    )


def read_ack(raw: bytes) -> AckReading:
    """Reads an acknowledgment. Raises UnreadableMessageError when the bytes are not one."""
    reply = parse(raw)
    msa = reply.first("MSA")
    code = _CODES.get(msa.component(1).upper()) if msa is not None else None
    if msa is None or code is None:
        raise UnreadableMessageError(
            "ACK_UNREADABLE",
            "La réponse reçue n'est pas un accusé de réception lisible : MSA-1 est absent ou inconnu.",
            "Vérifier que le logiciel joint répond bien en HL7 v2 mode original.",
        )
    return AckReading(msa.text(2), code, _read_errors(reply, msa))


def _read_errors(reply: Message, msa: Segment) -> tuple[AckError, ...]:
    errors = tuple(
        AckError(err.component(3), err.first(2).text, err.component(5), err.text(8), err.component(4) or "E")
        for err in reply.all("ERR")
    )
    if errors or not msa.text(3):
        return errors
    return (AckError(msa.component(6), text=msa.text(3)),)
