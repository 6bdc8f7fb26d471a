"""Documents that go to nobody but whom the sender named (obligations digest §5, §7)."""

from pfi.routing.exceptions.document import confidentiality_reinforced
from pfi.routing.exceptions.identity import identity_anonymous
from pfi.routing.exceptions.sensitive import SENSITIVE
from pfi.routing.exceptions.situation import Situation


def explicit_recipients_only(situation: Situation) -> bool:
    """True when no recipient may be added to those that the sender named, neither derived from the traffic nor by a
    site rule: E04 (anonymity), E12 (masked), E13 (genetics), E15 (secrecy of a minor), E18 to E21 (sensitive care), E22
    (reinforced confidentiality) and the free choice of the patient (rows X*)."""
    orders = situation.orders
    return (
        situation.free_choice
        or situation.genetics
        or orders.connexion_secrete is True
        or orders.masque_ps is True
        or (orders.invisible_rep_legaux is True and situation.minor is not False)
        or not SENSITIVE.isdisjoint(situation.tags)
        or identity_anonymous(situation)
        or confidentiality_reinforced(situation)
    )
