"""E11, E12 and E14: what the sender hides from the patient and from professionals (obligations digest §5, §6.2)."""

from pfi.routing.exceptions.situation import Situation


def invisible_yet_mailed_to_patient(s: Situation) -> bool:
    """E11: hidden from the patient and mailed to the patient: the order contradicts itself."""
    return s.orders.invisible_patient is True and s.orders.dest_mss_pat is True


def invisible_to_patient(s: Situation) -> bool:
    """E11: consultation d'annonce to come."""
    return s.orders.invisible_patient is True


def masked_to_professionals(s: Situation) -> bool:
    """E12, the site's switch `masked_ps_blocks_pro` being on."""
    return s.orders.masque_ps is True and s.profile.masked_ps_blocks_pro


def masked_on_dmp(s: Situation) -> bool:
    """E12: hidden from professionals on the DMP."""
    return s.orders.masque_ps is True


def invisible_and_masked(s: Situation) -> bool:
    """E14: both, while the DMP parameter `cumul-invisible_patient-masque_ps` forbids it."""
    return (
        s.orders.invisible_patient is True
        and s.orders.masque_ps is True
        and not s.parameters.invisible_and_masked_allowed
    )
