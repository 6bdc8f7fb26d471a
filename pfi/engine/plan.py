"""From decisions to deliveries, with the identifiers that they will keep."""

from dataclasses import dataclass, replace
from datetime import datetime

from pfi.engine.conclusion import Conclusion
from pfi.model.acknowledgment import AckCode
from pfi.model.clock import IdSource
from pfi.model.decision import Action, Channel, Decision
from pfi.model.delivery import Delivery, DeliveryIds
from pfi.model.patient import IdentityStatus, Patient


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery and the decision it comes from; `decision.action` is `SEND` or `HOLD`."""

    delivery: Delivery
    decision: Decision


def plan(conclusion: Conclusion, ids: IdSource, now: datetime) -> tuple[Planned, ...]:
    """One delivery per channel that is sent or held; the renditions of a document (N1, N3) travel together."""
    submission = conclusion.submission
    if submission is None or conclusion.identity is None or conclusion.ack.code is not AckCode.AA:
        return ()
    qualified = conclusion.identity.status is IdentityStatus.QUALIFIED
    patient = may_carry(submission.patient, qualified)
    planned = []
    for channel in Channel:
        decision = next((each for each in conclusion.decisions if each.channel is channel), None)
        if decision is None or decision.action not in (Action.SEND, Action.HOLD):
            continue
        delivery = Delivery(
            id=ids.uuid4(),
            channel=channel,
            request=submission.request,
            documents=submission.documents,
            patient=patient,
            qualified=qualified,
            stay=submission.stay,
            orders=submission.orders,
            message=submission.message,
            sender=submission.sender,
            recipients=decision.recipients,
            reply_to=submission.reply_to,
            body=submission.body_patient if channel is Channel.CIT else submission.body_professional,
            ids=_delivery_ids(ids),
            created_at=now,
            mailbox=decision.mailbox,
            establishment=submission.establishment,
        )
        planned.append(Planned(delivery, decision))
    return tuple(planned)


def may_carry(patient: Patient, qualified: bool) -> Patient:
    """The patient as a delivery may name them: without INS when the identity is not qualified (INS/va1.53)."""
    return patient if qualified else replace(patient, ins=None, other_ins=())


def _delivery_ids(ids: IdSource) -> DeliveryIds:
    return DeliveryIds(
        submission_set=ids.oid(),
        signature=ids.oid(),
        message_id=str(ids.uuid4()),
        envelope=ids.uuid4().hex,
        control_id=ids.control_id(),
    )
