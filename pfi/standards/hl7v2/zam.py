"""ZAM^Z01, Z02, Z03: business acknowledgments, always in v2.6 (hl7v2 digest §4.2)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pfi.model.acknowledgment import BusinessAck, BusinessEvent
from pfi.model.submission import MessageHeader
from pfi.standards.hl7v2.codes import (
    APPLICATION_ERROR,
    APPLICATION_ERRORS,
    MESSAGE_ERRORS,
    OTHER_APPLICATION_ERROR,
    smtp_code,
    smtp_codes,
)
from pfi.standards.hl7v2.escapes import escape
from pfi.standards.hl7v2.timestamp import as_utc, read_timestamp, write_timestamp
from pfi.standards.hl7v2.tokenizer import Segment, UnreadableMessageError, parse
from pfi.standards.hl7v2.writer import answer_header, components, message, segment

_VERSION: Final = "2.6"
_PROFILE: Final = ("2.1", "CISIS_CDA_HL7_V2")
_TABLE: Final = "AckMetierZAM"
_YES_NO: Final = "expandedYes-NoIndicator"
_SEVERITIES: Final = frozenset("EFWI")
_LONGEST_TEXT: Final = 250


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one event writes: OBX-3 of the status, OBX-3 of the mailbox, the table of ERR-5."""

    status: tuple[str, str]
    mailbox: tuple[str, str] | None
    error_table: str


_KINDS: Final = {
    BusinessEvent.DMP_RECEPTION: _Kind(("ACK_RECEPTION_DMP", "Accusé de réception DMP"), None, "DMP_ERROR_CODE"),
    BusinessEvent.MSS_RECEPTION: _Kind(
        ("ACK_RECEPTION_MSS", "Accusé de réception MSSanté"),
        ("DESTINATAIRE_MSS", "Destinataire MSSanté"),
        "SMTPERRORCODE",
    ),
    BusinessEvent.MSS_READING: _Kind(
        ("ACK_LECTURE_MSS", "Accusé de lecture"),
        ("LECTEUR_MSS", "Lecteur du courriel MSSanté"),
        "applicationErrorCondition",
    ),
}


def write_zam(request_header: MessageHeader, ack: BusinessAck, *, control_id: str, now: datetime) -> bytes:
    """One business acknowledgment for the sender of a request, in the charset of that request.

    Codes outside the tables become the nearest one (SMTP: 451 or 554; reading: 906); `error_text` goes whole to ERR-8.
    """
    kind = _KINDS[ack.event]
    segments = [
        answer_header(
            request_header,
            ("ZAM", ack.event.value, "ZAM_Z01"),
            version=_VERSION,
            control_id=control_id,
            now=now,
            profile=_PROFILE,
        ),
        segment("EVN", {2: write_timestamp(ack.occurred_at)}),
        segment(
            "OBX",
            {
                1: "1",
                2: "CWE",
                3: components(*kind.status, _TABLE),
                4: escape(ack.request_control_id),
                5: components("Y" if ack.success else "N", "", _YES_NO),
                11: "F",
            },
        ),
    ]
    if kind.mailbox is not None:
        segments.append(
            segment(
                "OBX",
                {
                    1: "2",
                    2: "XTN",
                    3: components(*kind.mailbox, _TABLE),
                    4: escape(ack.party_id),
                    5: components("", "", "X.400", ack.mailbox),
                    11: "F",
                },
            )
        )
    if not ack.success:
        segments.append(_error(ack, kind))
    return message(segments, request_header.charset)


def _error(ack: BusinessAck, kind: _Kind) -> str:
    code, label = _coded(ack)
    return segment(
        "ERR",
        {
            3: components(APPLICATION_ERROR, MESSAGE_ERRORS[APPLICATION_ERROR], "messageErrorCondition"),
            4: ack.error_severity if ack.error_severity in _SEVERITIES else "E",
            5: components(code, label, kind.error_table),
            8: escape(ack.error_text[:_LONGEST_TEXT]) if ack.error_text != label else "",
        },
    )


def _coded(ack: BusinessAck) -> tuple[str, str]:
    """ERR-5: code and label. The DMP's own codes have no table here: their text is the label."""
    match ack.event:
        case BusinessEvent.MSS_RECEPTION:
            code = smtp_code(ack.error_code)
            return code, smtp_codes()[code]
        case BusinessEvent.MSS_READING:
            code = ack.error_code if ack.error_code in APPLICATION_ERRORS else OTHER_APPLICATION_ERROR
            return code, APPLICATION_ERRORS[code]
        case BusinessEvent.DMP_RECEPTION:
            return ack.error_code, ack.error_text[:_LONGEST_TEXT]


def read_zam(raw: bytes) -> BusinessAck:
    """Reads a business acknowledgment. Raises UnreadableMessageError when the bytes are not one."""
    received = parse(raw)
    observations = received.all("OBX")
    try:
        event = BusinessEvent(received.msh.component(9, 2).upper())
    except ValueError:
        event = None
    answer = observations[0].component(5).upper() if observations else ""
    if received.msh.component(9).upper() != "ZAM" or event is None or answer not in ("Y", "N"):
        raise UnreadableMessageError(
            "ZAM_UNREADABLE", "Le message reçu n'est pas un accusé de réception métier (ZAM) lisible."
        )
    mailbox = observations[1] if len(observations) > 1 else None
    evn, err = received.first("EVN"), received.first("ERR")
    return BusinessAck(
        event=event,
        request_control_id=observations[0].text(4),
        success=answer == "Y",
        occurred_at=_occurred_at(evn, received.msh),
        mailbox=mailbox.component(5, 4) if mailbox else "",
        party_id=mailbox.text(4) if mailbox else "",
        error_code=err.component(5) if err else "",
        error_text=(err.text(8) or err.component(5, 2)) if err else "",
        error_severity=(err.component(4) or "E") if err else "E",
    )


def _occurred_at(evn: Segment | None, msh: Segment) -> datetime:
    """EVN-2, else MSH-7, else the beginning of time."""
    for text in (evn.component(2) if evn else "", msh.component(7)):
        moment = read_timestamp(text)
        if moment is not None:
            return as_utc(moment)
    return datetime.min.replace(tzinfo=UTC)
