"""Processing a stored message again: after a correction of the configuration, or of the world.

What was delivered stays delivered and what is under way stays under way. What was refused or given up gets a new
attempt, with the identifiers it has; what may have left is resolved first. What is held and may now go is released, and
a channel that is now decided gets its delivery.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta

from pfi.engine.context import Context
from pfi.engine.delivery import lineage_of
from pfi.engine.holds import Holds
from pfi.engine.interpretation import Conclusion, Planned, conclude, patient_keys, plan
from pfi.engine.logs import get_logger
from pfi.engine.reading import Reader
from pfi.model.acknowledgment import AckCode
from pfi.model.decision import Action, Channel
from pfi.store import acks, deliveries, journal, messages, queue
from pfi.store.database import Connection
from pfi.store.deliveries import Runnable
from pfi.store.messages import NewDelivery
from pfi.store.patients import PatientKeys
from pfi.store.states import DeliveryState

_LOG = get_logger("replay")
_REOPENABLE = (DeliveryState.REFUSED, DeliveryState.FAILED)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did. `done` false: nothing, for the reason in `text` (French)."""

    done: bool
    text: str
    run: int = 0
    reopened: tuple[uuid.UUID, ...] = ()
    released: tuple[uuid.UUID, ...] = ()
    created: tuple[uuid.UUID, ...] = ()
    untouched: tuple[uuid.UUID, ...] = ()
    acks: int = 0


class Replay:
    def __init__(self, context: Context, reader: Reader, holds: Holds, keys: PatientKeys) -> None:
        self._context = context
        self._reader = reader
        self._holds = holds
        self._keys = keys

    async def replay(self, message_id: int) -> ReplayReport:
        """Processes a message again. Only an accepted one: the sender of a refused message will send it again."""
        async with self._context.database.connection() as connection:
            row = await journal.message(connection, message_id)
            body = await messages.body(connection, message_id)
        if row is None:
            return ReplayReport(False, "Message inconnu.")
        if row["ack_code"] != AckCode.AA:
            return ReplayReport(False, "Message refusé à la réception : l'émetteur doit le renvoyer corrigé.")
        if body is None:
            return ReplayReport(False, "Le contenu du message a été purgé.")
        interpretation, digest = await self._reader.read(body, row["listener"], row["received_at"])
        submission = interpretation.submission
        keys = self._keys.opaque(patient_keys(submission.patient)) if submission else ()
        async with self._context.database.connection() as connection:
            known = await messages.look_up(connection, row["sender_key"], row["control_id"], digest, keys)
        now = self._context.clock()
        conclusion = conclude(interpretation, known.state, self._context.rules, now)
        planned = plan(conclusion, self._context.ids, now)
        async with self._context.database.transaction() as connection:
            report = await self._write(connection, message_id, row["sender"], conclusion, planned)
        released = tuple([each for each in report.released if await self._holds.release(each)])
        _LOG.info(
            "replayed",
            message=message_id,
            run=report.run,
            reopened=len(report.reopened),
            released=len(released),
            created=len(report.created),
        )
        return replace(report, released=released)

    async def _write(
        self,
        connection: Connection,
        message_id: int,
        sender: str,
        conclusion: Conclusion,
        planned: tuple[Planned, ...],
    ) -> ReplayReport:
        now = self._context.clock()
        run = await journal.add_run(connection, message_id, conclusion.findings, conclusion.decisions)
        existing = await deliveries.of_message(connection, message_id)
        runnables: list[Runnable] = []
        reopened, released, new = [], [], []
        for each in planned:
            channel = each.delivery.channel
            if channel not in existing:
                new.append(self._new(each, conclusion))
                continue
            delivery_id, state = existing[channel]
            if each.decision.action is not Action.SEND:
                continue
            if state is DeliveryState.HELD:
                released.append(delivery_id)
            elif state in _REOPENABLE:
                runnable = await self._reopen(connection, delivery_id, each)
                if runnable is not None:
                    reopened.append(delivery_id)
                    runnables.append(runnable)
        if new:
            runnables += await deliveries.add(connection, message_id, new)
        acks_again = await acks.reopen(connection, message_id, sender, now)
        await queue.enqueue(
            connection,
            [*(queue.Job.deliver(each) for each in runnables), *(queue.Job.report(each) for each in acks_again)],
        )
        await messages.add_event(connection, "replayed", now, message_id=message_id, detail={"run": run})
        touched = {*reopened, *released}
        return ReplayReport(
            True,
            "Message rejoué." if conclusion.ack.code is AckCode.AA else "Relu, le message serait refusé.",
            run,
            tuple(reopened),
            tuple(released),
            tuple(each.delivery.id for each in new),
            tuple(delivery_id for delivery_id, _ in existing.values() if delivery_id not in touched),
            len(acks_again),
        )

    async def _reopen(self, connection: Connection, delivery_id: uuid.UUID, planned: Planned) -> Runnable | None:
        recipients = None
        if planned.delivery.channel is not Channel.DMP and planned.delivery.recipients:
            served = await deliveries.served_recipients(connection, delivery_id)
            recipients = tuple(each for each in planned.delivery.recipients if each.address.lower() not in served)
        return await deliveries.reopen(connection, delivery_id, self._context.clock(), recipients)

    def _new(self, planned: Planned, conclusion: Conclusion) -> NewDelivery:
        now = self._context.clock()
        destination = self._context.settings.destination_of(planned.delivery.channel)
        submission = conclusion.submission
        first = planned.delivery.documents[0]
        lineage = lineage_of(first, planned.delivery.request)
        if planned.decision.action is Action.SEND and destination is not None:
            return NewDelivery(planned.delivery, destination, lineage, DeliveryState.QUEUED, next_try=now)
        sender = self._context.settings.sender_of(submission.message) if submission else None
        days = sender.hold.expiry_days if sender else 30
        because = planned.decision.because
        return NewDelivery(
            planned.delivery,
            destination or "",
            lineage,
            DeliveryState.HELD,
            hold_until=now + timedelta(days=days),
            code=planned.decision.code or "NO_DESTINATION",
            text=because[0].text if because else "",
        )
