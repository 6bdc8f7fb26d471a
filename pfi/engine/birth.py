"""How a decided delivery begins its life in the store: to be sent, or held, with its moment and its reason."""

from datetime import datetime, timedelta

from pfi.engine.plan import Planned
from pfi.engine.senders import HoldSettings
from pfi.engine.settings import Settings
from pfi.model.decision import Action, Trigger
from pfi.store.messages import NewDelivery
from pfi.store.states import DeliveryState

NO_DESTINATION = "NO_DESTINATION"
_NO_DESTINATION = "Aucune destination n'est configurée pour ce canal et cet établissement (destinations)."
SCHEDULED = "SCHEDULED"
_SCHEDULED = "L'envoi attend l'heure d'ouverture fixée par une règle du site."


def newborn(planned: Planned, lineage: str, settings: Settings, hold: HoldSettings, now: datetime) -> NewDelivery:
    """The row of a planned delivery: `QUEUED` when it is to be sent, `HELD` when it waits for an event, or because
    nothing carries its channel yet."""
    delivery, decision = planned.delivery, planned.decision
    destination = settings.destination_of(delivery.channel, delivery.establishment)
    if decision.action is Action.HOLD or destination is None:
        code, text, until = NO_DESTINATION, _NO_DESTINATION, Trigger.HUMAN_RELEASE
        if decision.action is Action.HOLD:
            code, text = decision.code, decision.because[0].text if decision.because else ""
            until = decision.until or Trigger.HUMAN_RELEASE
        return NewDelivery(
            delivery,
            destination or "",
            lineage,
            DeliveryState.HELD,
            hold_until=now + timedelta(days=decision.expiry_days or hold.expiry_days),
            code=code,
            text=text,
            until=until,
            priority=decision.priority,
            not_before=decision.not_before,
        )
    later = decision.not_before is not None and decision.not_before > now
    return NewDelivery(
        delivery,
        destination,
        lineage,
        DeliveryState.QUEUED,
        next_try=max(now, decision.not_before or now),
        code=SCHEDULED if later else "",
        text=_SCHEDULED if later else "",
        priority=decision.priority,
        not_before=decision.not_before,
    )
