"""ZFA: the state of the DMP, the non-opposition to its feeding, the consent to its reading (hl7v2 digest §6.2)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pfi.model.patient import DmpStatus, Feeding
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.timestamp import as_utc, read_timestamp
from pfi.standards.hl7v2.tokenizer import NULL, Segment

_RULE: Final = "hl7v2 digest §6.2"
_CONSULTATION: Final = frozenset({"IC", "INC", "NA"})


@dataclass(frozen=True, slots=True)
class Consent:
    """One ZFA. `None` = not told; `dmp_status_cleared` = ZFA-1 is `""`."""

    dmp_status: DmpStatus | None = None
    dmp_status_at: datetime | None = None
    dmp_status_cleared: bool = False
    feeding: Feeding | None = None
    feeding_at: datetime | None = None
    consultation: str | None = None
    consultation_at: datetime | None = None


def read_consent(zfa: Segment | None, deviations: Deviations) -> Consent:
    """What a ZFA says; without ZFA nothing is said, and nothing that was said before changes."""
    if zfa is None:
        return Consent()
    return Consent(
        dmp_status=_read_dmp_status(zfa, deviations),
        dmp_status_at=_moment(zfa, 2, deviations),
        dmp_status_cleared=zfa.component(1) == NULL,
        feeding=_read_feeding(zfa, deviations),
        feeding_at=_moment(zfa, 10, deviations),
        consultation=_read_consultation(zfa, deviations),
        consultation_at=_moment(zfa, 12, deviations),
    )


def _moment(zfa: Segment, number: int, deviations: Deviations) -> datetime | None:
    text = zfa.component(number)
    moment = read_timestamp(text)
    if moment is None and text not in ("", NULL):
        deviations.deviate(
            "CONSENT_TIME_INVALID", f"ZFA^1^{number}", f"ZFA-{number} n'est pas une date valide.", "102", _RULE
        )
    return as_utc(moment) if moment is not None else None


def _read_dmp_status(zfa: Segment, deviations: Deviations) -> DmpStatus | None:
    text = zfa.component(1).upper()
    if text in ("", NULL):
        return None
    try:
        return DmpStatus(text)
    except ValueError:
        deviations.deviate("DMP_STATUS_UNKNOWN", "ZFA^1^1", "ZFA-1 (état du DMP) est inconnu.", "103", _RULE)
        return None


def _read_feeding(zfa: Segment, deviations: Deviations) -> Feeding | None:
    """ZFA-9. An unknown code refuses the message: it might be an opposition. `""` = no longer known."""
    text = zfa.component(9).upper()
    if not text:
        return None
    if text == NULL:
        return Feeding.NOT_COLLECTED
    try:
        return Feeding(text)
    except ValueError:
        deviations.refuse(
            "FEEDING_UNKNOWN", "ZFA^1^9", "ZFA-9 (alimentation du DMP) doit valoir INO, IO ou NA.", "103", _RULE
        )
        return None


def _read_consultation(zfa: Segment, deviations: Deviations) -> str | None:
    text = zfa.component(11).upper()
    if not text:
        return None
    if text == NULL:
        return "NA"
    if text not in _CONSULTATION:
        deviations.deviate(
            "CONSULTATION_UNKNOWN", "ZFA^1^11", "ZFA-11 (consultation du DMP) est inconnu.", "103", _RULE
        )
        return None
    return text
