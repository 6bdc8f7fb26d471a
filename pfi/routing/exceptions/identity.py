"""E01 to E04 and E25: what may not leave because of the identity (obligations digest §5, INS digest §3, §8)."""

from typing import Final

from pfi.model.patient import IdentityStatus, Ins, Patient
from pfi.model.profile import Environment
from pfi.routing.exceptions.situation import INS_NIA, INS_OIDS, Situation
from pfi.routing.rulefile import Tag

DOUBTFUL: Final = frozenset({"DOUT", "FICT", "USUR", "COLP", "COLV", "DOUA", "INVA"})
"""PID-32 attributes that a human must look at (table HL70445, French values)."""
ANONYMOUS: Final = frozenset({"ANOM", "CACH"})


def ins_oid_not_allowed(s: Situation) -> bool:
    """An INS of the message or of a document has an OID that may not leave in this environment."""
    allowed = INS_OIDS[s.profile.environment]
    if any(ins.oid not in allowed for ins in s.cda_ins):
        return True
    nir_given = s.submission.patient.ins is not None and s.submission.patient.ins.oid != INS_NIA
    aside = INS_NIA if nir_given else ""  # the NIR wins: the NIA beside it never leaves (hl7v2 digest §1.4)
    return any(ins.oid not in allowed and ins.oid != aside for ins in s.message_ins)


def ins_retired(s: Situation) -> bool:
    """E02: what would leave carries an INS that ADT has withdrawn or replaced (A47, A40; INS digest §3.4).

    An INS of PID-3 does not leave while the identity is not qualified, so that only the document counts then.
    """
    if not s.state.ins_withdrawn and not s.state.retired_ins:
        return False
    carried = s.cda_ins if s.identity is IdentityStatus.NOT_QUALIFIED else (*s.message_ins, *s.cda_ins)
    return any(_is_retired(ins, s) for ins in carried)


def _is_retired(ins: Ins, s: Situation) -> bool:
    """One that was given back to the patient is no longer retired."""
    return s.state.ins_withdrawn or (ins in s.state.retired_ins and ins != s.state.identity.ins)


def ins_in_cda_not_qualified(s: Situation) -> bool:
    """The document carries a matricule that nobody may transmit (INS/va1.53); the PFI may not alter the document."""
    return s.identity is IdentityStatus.NOT_QUALIFIED and _document_carries_ins(s)


def ins_not_in_document(s: Situation) -> bool:
    """The identity was qualified after the message was written, and neither the message nor the document carries the
    INS: the PFI may not write it into the document, the creator must send it again (INS digest §6)."""
    return s.identity_code == "INS_NOT_IN_DOCUMENT"


def ins_absent_not_qualified(s: Situation) -> bool:
    """E01: not qualified, no INS in PID-3, none in the document."""
    return _plainly_not_qualified(s) and s.submission.patient.ins is None


def ins_not_validated(s: Situation) -> bool:
    """E02: an INS in PID-3 without `VALI`, or withdrawn since: the receiver drops it (PAM.FR)."""
    return _plainly_not_qualified(s) and s.submission.patient.ins is not None


def ins_impossible(s: Situation) -> bool:
    """E25: this patient will never have an INS, says the local register or the site."""
    return s.identity is IdentityStatus.NOT_QUALIFIED and _without_ins_for_ever(s)


def _plainly_not_qualified(s: Situation) -> bool:
    return s.identity is IdentityStatus.NOT_QUALIFIED and not _document_carries_ins(s) and not _without_ins_for_ever(s)


def _without_ins_for_ever(s: Situation) -> bool:
    return s.state.ins_impossible or Tag.INS_IMPOSSIBLE in s.tags


def _document_carries_ins(s: Situation) -> bool:
    return bool(s.cda_ins) or s.identity_code == "INS_IN_CDA_NOT_QUALIFIED"


def identity_doubtful(s: Situation) -> bool:
    """E03: identity on hold, or an attribute of PID-32 that makes it doubtful."""
    return s.identity is IdentityStatus.HOLD or not s.reliability.isdisjoint(DOUBTFUL)


def identity_fictitious_in_production(s: Situation) -> bool:
    """E03, `FICT` outside a test environment."""
    return "FICT" in s.reliability and s.profile.environment is Environment.PRODUCTION


def identity_anonymous(s: Situation) -> bool:
    """E04: anonymity or secrecy of the stay (PID-32 `ANOM`, `CACH`)."""
    return not s.reliability.isdisjoint(ANONYMOUS)


def ins_incomplete(s: Situation) -> bool:
    """The message or a document carries an INS without all the strict traits (INS digest §4, §8.1)."""
    return s.identity_code == "INS_INCOMPLETE" or any(
        document.header.patient.ins is not None and not _strict_traits(document.header.patient)
        for document in s.submission.documents
    )


def _strict_traits(patient: Patient) -> bool:
    traits = patient.traits
    return bool(
        traits.birth_name
        and traits.first_given_name
        and traits.given_names
        and len(traits.birth_date) >= 8
        and traits.sex in ("M", "F")
        and traits.birth_place
    )
