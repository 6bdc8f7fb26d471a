"""E23 and E26: what the local register or the ADT feed says of the patient, or the site by a tag (obligations digest
§5)."""

from pfi.routing.exceptions.situation import Situation
from pfi.routing.rulefile import Tag


def professional_mail_opposed(s: Situation) -> bool:
    """E23: the patient objects to mail to professionals (MSS/va1.22)."""
    return s.state.pro_opposed or Tag.PRO_OPPOSED in s.tags


def citizen_mail_opposed(s: Situation) -> bool:
    """E23: the patient objects to mail (MSS/va1.20)."""
    return s.state.cit_opposed or Tag.CIT_OPPOSED in s.tags


def patient_deceased(s: Situation) -> bool:
    """E26: PID-30 = Y in the message, PID-30 or an exit by death told by ADT, or by tag."""
    return s.submission.patient.deceased or s.state.deceased or Tag.DECEASED in s.tags
