"""What the hospital's own software answers to a document that came by mail (hl7v2 digest §5.2 and §5.3)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pfi.model.acknowledgment import AckCode, AckError
from pfi.standards.hl7v2.ack import AckReading, read_ack
from pfi.standards.hl7v2.codes import APPLICATION_ERROR, APPLICATION_ERRORS, OTHER_APPLICATION_ERROR

_REAL: Final = frozenset({"E", "F"})


class Integration(StrEnum):
    """What became of the document."""

    INTEGRATED = "integrated"
    REFUSED = "refused"
    """Functional: the patient, the author or the version; the sender of the mail is told (MDN)."""
    FAULTY = "faulty"
    """Technical: the message itself; for the teams of the PFI and of the software. An MDN says 906."""
    LATER = "later"
    """The software cannot now: the same message is to be sent again."""


@dataclass(frozen=True, slots=True)
class ConsumerAnswer:
    """`error_code` is one of 900 to 906 and `error_label` its French label, for the MDN (table
    applicationErrorCondition); both empty for INTEGRATED and LATER. `error` is the ERR that decided, if any."""

    integration: Integration
    error_code: str = ""
    error_label: str = ""
    error: AckError | None = None


def read_consumer_ack(raw: bytes) -> ConsumerAnswer:
    """Reads the answer to an MDM. Raises UnreadableMessageError when the bytes are no acknowledgment."""
    return judge(read_ack(raw))


def judge(reading: AckReading) -> ConsumerAnswer:
    """AA integrated, AR later; AE with 207 functional (a code outside 900 to 906 counts as 906), any other AE
    technical."""
    match reading.code:
        case AckCode.AA:
            return ConsumerAnswer(Integration.INTEGRATED)
        case AckCode.AR:
            return ConsumerAnswer(Integration.LATER, error=next(iter(reading.errors), None))
        case AckCode.AE:
            return _judge_errors(reading.errors)


def _judge_errors(errors: tuple[AckError, ...]) -> ConsumerAnswer:
    # Warnings beside an error do not decide; an AE that has only them is decided by them.
    real = tuple(error for error in errors if error.severity.upper() in _REAL) or errors
    functional = next((error for error in real if error.err3 == APPLICATION_ERROR), None)
    if functional is None:
        return _answer(Integration.FAULTY, OTHER_APPLICATION_ERROR, next(iter(real), None))
    code = functional.err5 if functional.err5 in APPLICATION_ERRORS else OTHER_APPLICATION_ERROR
    return _answer(Integration.REFUSED, code, functional)


def _answer(integration: Integration, code: str, error: AckError | None) -> ConsumerAnswer:
    return ConsumerAnswer(integration, code, APPLICATION_ERRORS[code], error)
