"""Deciding again: when something was told of a patient, when an operator lets go or replays, when rules changed.

What was delivered stays delivered. What is held goes, or ends, as it is decided now; what waits or is queued is
stopped when it may no longer leave; a refusal that an event has cured gets its delivery. What is in flight cannot be
stopped: it is reported, and decided again before any other try. Everything of one message is one transaction, made with
what is known of the patient at that very moment: a delivery is released once and only once.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pfi.engine import reporting
from pfi.engine.birth import NO_DESTINATION, newborn
from pfi.engine.changes import PENDING, Cause, Change, change_of
from pfi.engine.conclusion import Conclusion, conclude
from pfi.engine.context import Context
from pfi.engine.interpretation import Interpretation
from pfi.engine.lineage import named_by, with_family
from pfi.engine.logs import get_logger
from pfi.engine.outbox import Outbox
from pfi.engine.patientfile import PatientFile, state_of
from pfi.engine.plan import Planned, plan
from pfi.engine.reading import Reader
from pfi.engine.senders import HoldSettings
from pfi.model.acknowledgment import AckCode
from pfi.model.decision import Action, Channel, Decision
from pfi.model.submission import Submission
from pfi.store import acks, deliveries, journal, lineages, messages, patients, queue
from pfi.store.database import Connection
from pfi.store.deliveries import Existing, Runnable
from pfi.store.messages import Known, NewDelivery
from pfi.store.states import DeliveryState

_LOG = get_logger("reassessment")

_STOPPED = "STOPPED"
_STOPPED_TEXT = "La décision a changé : cet envoi n'a plus lieu d'être."


@dataclass(frozen=True, slots=True)
class Reassessed:
    """What deciding a message again did. `done` false: nothing, for the reason in `text` (French)."""

    done: bool
    text: str = ""
    run: int = 0
    changes: Mapping[Channel, tuple[Change, uuid.UUID]] = field(default_factory=dict)
    """By channel, with the delivery concerned; channels that nothing happens to are left out."""
    decisions: tuple[Decision, ...] = ()
    acks: int = 0

    def of(self, change: Change) -> tuple[uuid.UUID, ...]:
        """The deliveries to which that happened."""
        return tuple(delivery for kind, delivery in self.changes.values() if kind is change)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A stored message, read again."""

    id: int
    sender: str
    sender_key: str
    control_id: str
    digest: bytes
    interpretation: Interpretation
    submission: Submission
    lineage: str
    hold: HoldSettings


class Reassessment:
    def __init__(self, context: Context, reader: Reader, outbox: Outbox, file: PatientFile) -> None:
        self._context = context
        self._reader = reader
        self._outbox = outbox
        self._file = file

    async def patient(self, patient: uuid.UUID) -> int:
        """Decides again the documents that depend on a record of which something was told; returns how many."""
        since = self._context.clock() - timedelta(days=self._longest_hold())
        async with self._context.database.connection() as connection:
            stale = await patients.stale(connection, patient, since)
        for message_id in stale:
            await self.message(message_id, Cause.PATIENT)
        return len(stale)

    async def message(
        self,
        message_id: int,
        cause: Cause,
        *,
        reopen: bool = False,
        released: frozenset[Channel] = frozenset(),
    ) -> Reassessed:
        """Decides one stored message again, with what is now known and the rules now in force."""
        stored = await self._read(message_id)
        if isinstance(stored, str):
            return Reassessed(False, stored)
        while True:
            async with self._context.database.connection() as connection:
                known = await self._file.look_up(
                    connection, stored.sender_key, stored.control_id, stored.digest, stored.submission
                )
            async with self._context.database.transaction() as connection:
                done = await self._decide(connection, stored, known, cause, reopen, released)
            if done is not None:
                break
        _LOG.info(
            "decided_again",
            message=message_id,
            cause=cause.value,
            run=done.run,
            changes={channel.value: change.value for channel, (change, _) in done.changes.items()},
        )
        return done

    async def _read(self, message_id: int) -> _Stored | str:
        async with self._context.database.connection() as connection:
            row = await journal.message(connection, message_id)
            body = await messages.body(connection, message_id)
            documents = await journal.part(connection, "documents", message_id)
        if row is None:
            return "Message inconnu."
        if row["ack_code"] != AckCode.AA:
            return "Message refusé à la réception : l'émetteur doit le renvoyer corrigé."
        if body is None:
            return "Le contenu du message a été purgé."
        interpretation, digest = await self._reader.read(body, row["listener"], row["received_at"])
        if interpretation.submission is None or interpretation.header is None or not documents:
            return "Le message ne porte pas de document."
        sender = self._context.settings.sender_of(interpretation.header, row["listener"])
        return _Stored(
            message_id,
            row["sender"],
            row["sender_key"],
            row["control_id"],
            digest,
            interpretation,
            interpretation.submission,
            documents[0]["lineage"],
            sender.hold if sender else HoldSettings(),
        )

    async def _decide(
        self,
        connection: Connection,
        stored: _Stored,
        known: Known,
        cause: Cause,
        reopen: bool,
        released: frozenset[Channel],
    ) -> Reassessed | None:
        """One try; `None` when something was told of the patient since `known` was read."""
        versions = await self._file.link(connection, known)
        if versions is None:
            return None
        # A record that absorbed one of ours answers to the same keys; what no longer answers is decided all the same.
        versions |= {
            patient: version
            for patient, version in (await patients.versions_of(connection, stored.id)).items()
            if patient not in versions
        }
        existing = await deliveries.of_message(connection, stored.id)
        let_go = released | {channel for channel, each in existing.items() if each.released}
        now = self._context.clock()
        conclusion = conclude(
            stored.interpretation, state_of(known), self._context.rules, now, released=frozenset(let_go)
        )
        others = await lineages.relatives(connection, stored.lineage, named_by(stored.submission), stored.id)
        conclusion = with_family(conclusion, others, stored.id)
        before = await journal.last_decisions(connection, stored.id)
        done = await self._apply(connection, stored, conclusion, existing, before, reopen, released)
        await patients.depend(connection, stored.id, versions)
        received_at = stored.submission.received_at or now
        await self._file.record_letter(connection, stored.id, conclusion, known, stored.lineage, received_at)
        run = 0
        if done.changes or cause is not Cause.PATIENT or _differ(before, conclusion.decisions):
            run = await journal.add_run(connection, stored.id, conclusion.findings, conclusion.decisions)
            detail = {
                "run": run,
                "changes": {channel.value: change.value for channel, (change, _) in done.changes.items()},
            }
            await messages.add_event(connection, cause, now, message_id=stored.id, detail=detail)
        return Reassessed(
            True,
            "Message rejoué." if conclusion.ack.code is AckCode.AA else "Relu, le message serait refusé.",
            run,
            done.changes,
            conclusion.decisions,
            done.acks,
        )

    async def _apply(
        self,
        connection: Connection,
        stored: _Stored,
        conclusion: Conclusion,
        existing: Mapping[Channel, Existing],
        before: Mapping[Channel, journal.LastDecision],
        reopen: bool,
        released: frozenset[Channel],
    ) -> Reassessed:
        now = self._context.clock()
        planned = {each.delivery.channel: each for each in plan(conclusion, self._context.ids, now)}
        decided = {each.channel: each for each in reversed(conclusion.decisions)}
        step = _Step(self._context, self._outbox, connection, stored, now)
        changes: dict[Channel, tuple[Change, uuid.UUID]] = {}
        births: list[NewDelivery] = []
        for channel in Channel:
            mine, decision = existing.get(channel), decided.get(channel)
            last = before.get(channel)
            cured = last is not None and last.cured_by != "" and last.action in (Action.DENY, Action.VOID)
            change = change_of(mine, decision, reopen=reopen, cured=cured)
            new = step.newborn(planned[channel]) if channel in planned else None
            if change is Change.LET_GO and new is not None and new.state is DeliveryState.HELD:
                change = Change.HOLD  # still no destination
            if change is Change.BIRTH:
                born = await step.unserved(new) if new is not None else None
                if born is not None:
                    births.append(born)
                    changes[channel] = (change, born.delivery.id)
                    await step.tell_held(born, decision)
            elif mine is not None and await step.apply(change, mine, new, decision, channel in released):
                changes[channel] = (change, mine.id)
        if births:
            step.runnables += await deliveries.add(connection, stored.id, births)
        again = await acks.reopen(connection, stored.id, stored.sender, now) if reopen else ()
        await queue.enqueue(
            connection,
            [
                # A job of the same attempt may exist already, for a later moment.
                *(queue.Job.deliver(each, step.waits.get(each.id, timedelta(0)), str(now)) for each in step.runnables),
                *(queue.Job.report(each) for each in again),
                *step.jobs,
            ],
        )
        return Reassessed(True, changes=changes, acks=len(again))

    def _longest_hold(self) -> int:
        return max((sender.hold.expiry_days for sender in self._context.settings.senders), default=30)


class _Step:
    """The changes of one message, inside its transaction."""

    def __init__(
        self, context: Context, outbox: Outbox, connection: Connection, stored: _Stored, now: datetime
    ) -> None:
        self._context = context
        self._outbox = outbox
        self._connection = connection
        self._stored = stored
        self._now = now
        self.runnables: list[Runnable] = []
        self.waits: dict[uuid.UUID, timedelta] = {}
        self.jobs: list[queue.Job] = []

    def newborn(self, planned: Planned) -> NewDelivery:
        return newborn(planned, self._stored.lineage, self._context.settings, self._stored.hold, self._now)

    async def apply(
        self, change: Change, mine: Existing, new: NewDelivery | None, decision: Decision | None, released: bool
    ) -> bool:
        """Carries out a change of an existing delivery; False when there was nothing to change."""
        match change:
            case Change.LET_GO if new is not None:
                left = await self._left(new, mine)
                if left is None:
                    await self._stop(mine, None)
                    return True
                runnable = await deliveries.let_go(self._connection, mine.id, left, self._now, by_operator=released)
                self._queue(runnable, left)
                await self._event("released", mine, decision)
            case Change.HOLD if new is not None:
                if mine.state is DeliveryState.HELD and (mine.code, mine.until) == (new.code, new.until):
                    return False
                await deliveries.hold(self._connection, mine.id, new)
                await self._event("held", mine, decision)
                if mine.state is not DeliveryState.HELD:
                    await self.tell_held(new, decision)
            case Change.CONFIRM if new is not None:
                left = await self._left(new, mine)
                if left is None and mine.state in PENDING:
                    await self._stop(mine, None)
                    return True
                recipients = left.delivery.recipients if left is not None else None
                await deliveries.confirm(self._connection, mine.id, new.delivery.qualified, recipients)
                return False
            case Change.REVISE if new is not None:
                left = await self._left(new, mine)
                wanted = {each.key for each in left.delivery.recipients} if left else set()
                if (new.delivery.qualified, wanted) != (mine.qualified, set(mine.left)):
                    await deliveries.revise(self._connection, mine.id)
                return False
            case Change.STOP:
                await self._stop(mine, decision)
            case Change.TOO_LATE:
                await deliveries.recheck(self._connection, mine.id)
                await self._event("stop_too_late", mine, decision)
            case Change.REOPEN if new is not None:
                await self._reopen(mine, new)
            case _:
                return False
        return True

    async def unserved(self, new: NewDelivery) -> NewDelivery | None:
        """A new delivery without the mailboxes that former ones served; `None` when nobody is left."""
        channel = new.delivery.channel
        return self._without(new, await deliveries.served_recipients(self._connection, self._stored.id, channel))

    async def _left(self, new: NewDelivery, mine: Existing) -> NewDelivery | None:
        """What remains to be sent of a delivery that may have been tried: without the mailboxes that were served, by
        whichever delivery, and without those that refused; `None` when nobody is left. An address that was looked up
        before a try stays."""
        served = await deliveries.served_recipients(self._connection, self._stored.id, mine.channel)
        left = self._without(new, served | mine.settled)
        if left is None:
            return None
        known = {key: each for key, each in mine.left.items() if each.looked_up}
        recipients = tuple(known.get(each.key, each) for each in left.delivery.recipients)
        return replace(left, delivery=replace(left.delivery, recipients=recipients))

    @staticmethod
    def _without(new: NewDelivery, over: frozenset[str]) -> NewDelivery | None:
        named = new.delivery.recipients
        left = tuple(each for each in named if each.key not in over)
        return None if named and not left else replace(new, delivery=replace(new.delivery, recipients=left))

    async def tell_held(self, new: NewDelivery, decision: Decision | None) -> None:
        """A business acknowledgment that says what the delivery waits for (`hold.notify: at_once`)."""
        if new.state is DeliveryState.HELD and self._stored.hold.notify == "at_once" and new.code != NO_DESTINATION:
            await self._tell(new.delivery.channel, decision, new.code, new.text)

    async def _stop(self, mine: Existing, decision: Decision | None) -> None:
        code = decision.code if decision is not None and decision.code else _STOPPED
        text = decision.because[0].text if decision is not None and decision.because else _STOPPED_TEXT
        leaving = (DeliveryState.HELD, *PENDING)
        closed, freed = await deliveries.close(
            self._connection, mine.id, DeliveryState.CANCELLED, self._now, leaving, code=code, text=text
        )
        if closed:
            self.runnables += freed
            await self._event("stopped", mine, decision)
            await self._tell(mine.channel, decision, code, text)

    async def _reopen(self, mine: Existing, new: NewDelivery) -> None:
        recipients = None
        if mine.channel is not Channel.DMP and new.delivery.recipients:
            served = await deliveries.served_recipients(self._connection, self._stored.id, mine.channel)
            recipients = tuple(each for each in new.delivery.recipients if each.key not in served)
        runnable = await deliveries.reopen(self._connection, mine.id, self._now, recipients)
        if runnable is not None:
            self.runnables.append(runnable)

    def _queue(self, runnable: Runnable | None, new: NewDelivery) -> None:
        if runnable is None:
            return
        self.runnables.append(runnable)
        if new.not_before is not None:
            self.waits[runnable.id] = max(new.not_before - self._now, timedelta(0))

    async def _event(self, kind: str, mine: Existing, decision: Decision | None) -> None:
        detail = {"code": decision.code if decision else "", "state": mine.state.value, "was": mine.code}
        await messages.add_event(
            self._connection, kind, self._now, message_id=self._stored.id, delivery_id=mine.id, detail=detail
        )

    async def _tell(self, channel: Channel, decision: Decision | None, code: str, text: str) -> None:
        """N to the sender, but for what was already answered."""
        told = await acks.told(self._connection, self._stored.id, reporting.event_of(channel))
        submission = self._stored.submission
        recipients = decision.recipients if decision is not None else ()
        reports = reporting.refusal(submission, channel, recipients, code, text, self._now)
        unsaid = reporting.unsaid(reports, channel, told)
        written = self._outbox.write(submission.message, self._stored.sender, unsaid, claim=False)
        if written:
            await acks.add(self._connection, self._stored.id, written)
            self.jobs += self._outbox.jobs(written)


def _differ(before: Mapping[Channel, journal.LastDecision], decisions: tuple[Decision, ...]) -> bool:
    return any(
        (last := before.get(each.channel)) is None or (last.action, last.code) != (each.action, each.code)
        for each in decisions
    )
