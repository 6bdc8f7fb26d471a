"""E15 to E17: the secret that a minor may ask for (obligations digest §5; CSP R. 1111-6, R. 1111-50).

Three DMP parameters matter: `age-majorite` decides who is a minor, `fonctions-gestion-mineurs` whether the DMP knows of
legal representatives at all, `cumul-invisible_patient-masque_ps` belongs to E14. A patient whose age is unknown is
protected like a minor.
"""

from pfi.routing.exceptions.situation import Situation


def secret_without_hidden_document(s: Situation) -> bool:
    """E15: under a secret connection every document must be hidden from representatives (EX_2.1-1050)."""
    return s.orders.connexion_secrete is True and s.orders.invisible_rep_legaux is not True


def secret_minor(s: Situation) -> bool:
    """E15: secret connection, the patient not being known as an adult."""
    return s.orders.connexion_secrete is True and s.minor is not False


def hidden_from_representatives(s: Situation) -> bool:
    """E15: hidden from representatives without a secret connection, the patient not being known as an adult."""
    return s.minor is not False and s.orders.invisible_rep_legaux is True and s.orders.connexion_secrete is not True


def secrecy_not_managed(s: Situation) -> bool:
    """E15: secrecy is asked while the DMP does not manage minors: nothing says that it would hide the document."""
    return (
        not s.parameters.minors_management
        and s.minor is not False
        and (s.orders.connexion_secrete is True or s.orders.invisible_rep_legaux is True)
    )


def minor_visibility_not_stated(s: Situation) -> bool:
    """E16: visible to representatives or not must be stated for a minor."""
    return (
        s.orders.invisible_rep_legaux is None
        and s.minor is True
        and s.parameters.minors_management
        and s.orders.connexion_secrete is not True
    )


def secret_adult(s: Situation) -> bool:
    """E17: secret connection for an adult."""
    return s.minor is False and s.orders.connexion_secrete is True
