"""What is answered to the sender: technical (ACK) and business (ZAM) acknowledgments."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AckCode(StrEnum):
    """MSA-1, original mode. In these volets `AE` = error in the message, `AR` = come again later."""

    AA = "AA"
    AE = "AE"
    AR = "AR"


@dataclass(frozen=True, slots=True)
class AckError:
    """One ERR segment: `location` ERR-2 (`PID^1^3`), `err3` HL70357, `severity` ERR-4 (`E`, or `W` for a hint beside an
    acceptance), `err5` HL70533 (with 207 only), `text` ERR-8."""

    err3: str
    location: str = ""
    err5: str = ""
    text: str = ""
    severity: str = "E"


@dataclass(frozen=True, slots=True)
class TechnicalAck:
    code: AckCode
    errors: tuple[AckError, ...] = ()


class BusinessEvent(StrEnum):
    """ZAM trigger events (`spec/hl7v2.md` section 4.2)."""

    DMP_RECEPTION = "Z01"
    MSS_RECEPTION = "Z02"
    MSS_READING = "Z03"


@dataclass(frozen=True, slots=True)
class BusinessAck:
    """One ZAM. `error_code` and `error_text` are required when `success` is false.

    `mailbox` and `party_id` are for Z02 and Z03. `request_control_id` is MSH-10 of the ORU or MDM.
    """

    event: BusinessEvent
    request_control_id: str
    success: bool
    occurred_at: datetime
    mailbox: str = ""
    party_id: str = ""
    error_code: str = ""
    error_text: str = ""
    error_severity: str = "E"
