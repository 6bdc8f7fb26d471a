"""What is known of patients, as the engine uses it: looked up for documents, told by ADT and by the local register."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pfi.engine import deadlines
from pfi.engine.conclusion import Conclusion
from pfi.engine.context import Context
from pfi.engine.patientkeys import ins_keys, local_keys
from pfi.identity import history
from pfi.model.adt import PatientEvent
from pfi.model.patient import Ins, Patient, PatientState
from pfi.model.submission import Submission
from pfi.store import letters, messages, patients, queue, stays
from pfi.store.database import Connection
from pfi.store.messages import Known
from pfi.store.patients import Keys, PatientKeys, Telling

_ABSORBING = frozenset({"A40", "A47"})
"""Events whose MRG-1 is the same person under another local identifier. A44 moves an account from one person to
another: it says nothing of who they are."""


_CLOCK_SKEW = timedelta(minutes=10)
"""How far ahead of ours a sender's clock may be."""


def state_of(known: Known) -> PatientState | None:
    """What is known of a document's patient: several records that answer for one INS are combined with caution."""
    states = known.states
    return history.combine(states) if states else None


class PatientFile:
    def __init__(self, context: Context, keys: PatientKeys) -> None:
        self._context = context
        self._keys = keys

    def keys_of(self, patient: Patient) -> Keys:
        """The keys of a patient as one message describes them. Every INS counts: a NIA beside a NIR too."""
        every: Sequence[Ins] = [each for each in (patient.ins, *patient.other_ins) if each is not None]
        return self._keys.keys(local_keys(patient.identifiers), ins_keys(every))

    def keys_of_submission(self, submission: Submission) -> Keys:
        """Those of the message, and the INS that its documents carry: they name the patient too."""
        carried = [ins for each in submission.documents for ins in (each.header.patient.ins,) if ins is not None]
        own = self.keys_of(submission.patient)
        documents = self._keys.keys((), ins_keys(carried))
        return Keys(own.local, tuple(dict.fromkeys((*own.ins, *documents.ins))))

    async def look_up(
        self, connection: Connection, sender_key: str, control_id: str, digest: bytes, submission: Submission | None
    ) -> Known:
        """What the store knows before a message is concluded."""
        keys = self.keys_of_submission(submission) if submission is not None else Keys()
        return await messages.look_up(connection, sender_key, control_id, digest, keys)

    async def link(self, connection: Connection, known: Known) -> dict[uuid.UUID, int] | None:
        """The records that a submission depends on; `None` when something was told since `known` was read."""
        return await patients.link(
            connection, known.keys, known.versions, known.complete, self._context.ids.uuid4, self._context.clock()
        )

    async def record_letter(
        self,
        connection: Connection,
        message_id: int,
        conclusion: Conclusion,
        known: Known,
        lineage: str,
        received_at: datetime,
    ) -> None:
        """Has the deadline of a discharge letter watched; nothing for other documents. A letter decided again is
        recorded again: the day of discharge and the médecin traitant may be known better."""
        submission = conclusion.submission
        if submission is None:
            return
        deadline = deadlines.deadline_of(conclusion.decisions, self._context.rules)
        settings = self._context.settings.alerts
        letter = deadlines.letter_of(
            submission, deadline, state_of(known), lineage=lineage, received_at=received_at, settings=settings
        )
        if letter is not None:
            await letters.record(connection, message_id, letter, self._keys.opaque)

    async def tell(self, connection: Connection, event: PatientEvent, message_id: int | None) -> int:
        """Keeps what an event says, folds it into what is known, and has the documents that depend on it decided
        again. Returns the number of records changed: none when it was told before. Must run inside a transaction."""
        now = self._context.clock()
        own = self.keys_of(event.patient)
        prior_ins = self._keys.keys((), ins_keys(event.prior_ins)).ins
        absorbed = local_keys(event.prior_identifiers) if event.trigger in _ABSORBING else ()
        statement = history.storable(_not_in_the_future(event, now))
        telling = Telling(
            # Documents under the former INS must find that it is retired.
            keys=Keys(own.local, tuple(dict.fromkeys((*own.ins, *prior_ins)))),
            absorbed=self._keys.keys(absorbed, ()).local,
            digest=history.digest(statement),
            content=statement,
            message_id=message_id,
        )
        changed = await patients.tell(connection, telling, _fold, self._context.ids.uuid4, now)
        for patient, state in changed.items():
            await stays.project(connection, patient, state.episodes, self._keys.opaque, now)
        await queue.enqueue(connection, [queue.Job.reassess(patient, telling.digest.hex()[:32]) for patient in changed])
        return len(changed)


def _not_in_the_future(event: PatientEvent, now: datetime) -> PatientEvent:
    """A statement dated later than today would win over every correction to come: it counts from now."""
    if event.told_at <= now + _CLOCK_SKEW and (event.feeding_at is None or event.feeding_at <= now + _CLOCK_SKEW):
        return event
    return replace(
        event,
        recorded_at=min(event.told_at, now),
        feeding_at=min(event.feeding_at, now) if event.feeding_at else None,
    )


def _fold(events: Sequence[PatientEvent], known: Sequence[PatientState]) -> PatientState:
    return history.fold(events, baseline=_together(known) if known else None)


def _together(known: Sequence[PatientState]) -> PatientState:
    """What was known of several records that are one now: the identity of the first, and the most cautious of all that
    was told of consents."""
    first, *others = known
    if not others:
        return first
    together = history.combine(known)
    kept = (first.identity.ins, *first.identity.other_ins)
    gone = [ins for each in others for ins in (each.identity.ins, *each.identity.other_ins) if ins not in kept]
    return replace(
        together,
        retired_ins=tuple(dict.fromkeys((*together.retired_ins, *(ins for ins in gone if ins is not None)))),
        identity=first.identity,
        identity_at=first.identity_at,
        reliability=first.reliability,
        reliability_at=first.reliability_at,
        ins_at=first.ins_at,
        ins_withdrawn=first.ins_withdrawn,
        retired_identifiers=tuple(dict.fromkeys(each for state in known for each in state.retired_identifiers)),
    )
