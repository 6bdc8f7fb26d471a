"""What a check has to say about a message."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`ERROR` refuses the message; `WARNING` and `INFO` are recorded and shown."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation made by a check.

    `code` is stable and upper case (`INS_IN_CDA_NOT_QUALIFIED`). `where` is an HL7 v2 location in the form of ERR-2
    (`PID^1^3`, `OBX^7^5`) or, for CDA content, a path (`recordTarget/patientRole/id`). `text` is a French sentence
    without any identity trait or clinical content. `rule` cites the source (document, section). `err3` and `err5` are
    the HL7 codes sent back when the finding refuses the message (tables HL70357 and HL70533).
    """

    code: str
    severity: Severity
    where: str
    text: str
    rule: str = ""
    err3: str = ""
    err5: str = ""


def refuses(findings: tuple[Finding, ...]) -> bool:
    """True when at least one finding refuses the message."""
    return any(finding.severity is Severity.ERROR for finding in findings)
