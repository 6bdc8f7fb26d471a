"""E13 and E18 to E21: results and care that the law or the site protects (obligations digest §5).

The PFI infers no secret from a content: tags and types tell. Nothing may be presumed of such a document: it leaves only
as the sender expressly said.
"""

from typing import Final

from pfi.routing.exceptions.situation import Situation
from pfi.routing.rulefile import Tag

SENSITIVE: Final = frozenset({Tag.IVG, Tag.PSYCHIATRY, Tag.ADMISSION_WITHOUT_CONSENT, Tag.SENSITIVE_CARE})
"""Tags of E18 to E21."""


def constitutional_genetics(s: Situation) -> bool:
    """E13."""
    return s.genetics


def constitutional_genetics_not_ordered(s: Situation) -> bool:
    """E13 without an explicit order for the DMP."""
    return s.genetics and s.orders.dest_dmp is not True


def ivg_without_flags(s: Situation) -> bool:
    """E18."""
    return Tag.IVG in s.tags and _flags_missing(s)


def psychiatry_without_flags(s: Situation) -> bool:
    """E19."""
    return Tag.PSYCHIATRY in s.tags and _flags_missing(s)


def admission_without_consent(s: Situation) -> bool:
    """E20: certificate of admission without consent (L. 3213-1)."""
    return Tag.ADMISSION_WITHOUT_CONSENT in s.tags


def admission_without_consent_without_flags(s: Situation) -> bool:
    """E20: same, and the sender did not say everything."""
    return Tag.ADMISSION_WITHOUT_CONSENT in s.tags and _flags_missing(s)


def sensitive_care_without_flags(s: Situation) -> bool:
    """E21: CeGIDD, addictology, prison, child protection, and so on."""
    return Tag.SENSITIVE_CARE in s.tags and _flags_missing(s)


def _flags_missing(s: Situation) -> bool:
    """A flag on a destination or on visibility is not in the message; one that a reader presumes is missing too."""
    orders = s.orders
    return None in (
        orders.masque_ps,
        orders.invisible_patient,
        orders.invisible_rep_legaux,
        orders.connexion_secrete,
        orders.dest_dmp,
        orders.dest_mss_ps,
        orders.dest_mss_pat,
    )
