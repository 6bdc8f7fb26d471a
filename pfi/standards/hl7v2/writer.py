"""Writes segments: escaping, MSH, final bytes (hl7v2 digest §4.1, 7.2, 7.3)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pfi.model.submission import MessageHeader
from pfi.standards.hl7v2.charset import answer_charset, encode_answer
from pfi.standards.hl7v2.escapes import escape
from pfi.standards.hl7v2.timestamp import write_timestamp

TERMINATOR: Final = "\r"


def components(*values: str) -> str:
    """A field of several components, each escaped."""
    return "^".join(escape(value) for value in values).rstrip("^")


def segment(name: str, fields: dict[int, str]) -> str:
    """A segment from its numbered fields, which are already escaped. Empty last fields are left out."""
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def answer_header(
    request: MessageHeader,
    message_type: tuple[str, ...],
    *,
    version: str,
    control_id: str,
    now: datetime,
    profile: tuple[str, ...] = (),
) -> str:
    """MSH of what answers or reports on a message: sender and receiver change places."""
    fields = {
        2: escape(request.receiving_application),
        3: escape(request.receiving_facility),
        4: escape(request.sending_application),
        5: escape(request.sending_facility),
        6: write_timestamp(now),
        8: components(*message_type),
        9: escape(control_id),
        10: escape(request.processing_id),
        11: escape(version),
        16: "FRA",
        17: answer_charset(request.charset),
        20: components(*profile),
    }
    return segment("MSH", {1: "^~\\&", **fields})


def message(segments: Sequence[str], charset: str) -> bytes:
    """The bytes of a message, in the charset that answers `charset`; CR ends every segment, the last one included."""
    return encode_answer("".join(line + TERMINATOR for line in segments), charset)
