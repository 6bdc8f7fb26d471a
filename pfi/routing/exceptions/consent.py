"""E05 to E09: objection, information, existence of the DMP, as told by ADT (obligations digest §5).

E10, the patient having blocked the structure or the professional (`DMP_BLOCKED`), is only known by the DMP's answer to
the sending: the delivery is then refused for good, with the DMP's own error code.
"""

from pfi.model.patient import DmpStatus, Feeding
from pfi.model.profile import InformationMissing, NoDmp, Opposed
from pfi.routing.exceptions.situation import Situation


def feeding_opposed(s: Situation) -> bool:
    """E05: ZFA-9 = IO, and the document is not sent."""
    return s.state.feeding is Feeding.OPPOSED and s.profile.opposed is Opposed.DENY


def feeding_opposed_held(s: Situation) -> bool:
    """E05: ZFA-9 = IO, and the site waits in case the objection is lifted."""
    return s.state.feeding is Feeding.OPPOSED and s.profile.opposed is Opposed.HOLD


def feeding_not_opposed(s: Situation) -> bool:
    """E06: ZFA-9 = INO."""
    return s.state.feeding is Feeding.NOT_OPPOSED


def information_missing(s: Situation) -> bool:
    """E07, the site feeds: ZFA-9 = NA or never told."""
    return _not_informed(s) and s.profile.information_missing is InformationMissing.SEND


def information_missing_held(s: Situation) -> bool:
    """E07, the site waits."""
    return _not_informed(s) and s.profile.information_missing is InformationMissing.HOLD


def _not_informed(s: Situation) -> bool:
    return s.state.feeding is None or s.state.feeding is Feeding.NOT_COLLECTED


def consultation_refused(s: Situation) -> bool:
    """E08: ZFA-11 = INC."""
    return s.state.consultation == "INC"


def dmp_closed(s: Situation) -> bool:
    """E09: ZFA-1 = FERME, or the last answer of TD0.2; the duty is void."""
    return s.state.dmp_status is DmpStatus.CLOSED and s.profile.no_dmp is NoDmp.VOID


def dmp_closed_held(s: Situation) -> bool:
    """E09, the site waits in case the DMP is opened again."""
    return s.state.dmp_status is DmpStatus.CLOSED and s.profile.no_dmp is NoDmp.HOLD


def dmp_absent(s: Situation) -> bool:
    """E09: ZFA-1 = INEXISTANT, or the last answer of TD0.2; the duty is void."""
    return s.state.dmp_status is DmpStatus.ABSENT and s.profile.no_dmp is NoDmp.VOID


def dmp_absent_held(s: Situation) -> bool:
    """E09, the site waits in case the DMP is created."""
    return s.state.dmp_status is DmpStatus.ABSENT and s.profile.no_dmp is NoDmp.HOLD
