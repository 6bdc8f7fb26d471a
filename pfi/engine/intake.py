"""Taking messages: read, conclude, store everything in one durable transaction, and only then answer.

Acknowledged means stored: the answer is made of the bytes that the transaction committed. What cannot be read is stored
too, with its reason; what cannot be stored is answered AR, "come again" (hl7v2 digest §4.1).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pfi.engine import reporting
from pfi.engine.arrival import Arrival, header_of, new_documents, same_request
from pfi.engine.birth import newborn
from pfi.engine.conclusion import Conclusion, conclude
from pfi.engine.connector import Answer, Peer
from pfi.engine.context import Context
from pfi.engine.delivery import Claim
from pfi.engine.families import Families
from pfi.engine.interpretation import Interpretation, Kind
from pfi.engine.lineage import among, aware, with_family
from pfi.engine.logs import get_logger
from pfi.engine.outbox import Outbox
from pfi.engine.patientfile import PatientFile, state_of
from pfi.engine.plan import Planned, plan
from pfi.engine.processing import Processing
from pfi.engine.reading import Reader
from pfi.engine.senders import HoldSettings
from pfi.model.acknowledgment import AckCode, AckError, TechnicalAck
from pfi.model.adt import PatientEvent
from pfi.model.finding import Finding, Severity
from pfi.model.profile import SameControlId, SenderProfile
from pfi.model.submission import MessageHeader, Request, Standard, Submission
from pfi.standards.fhir.answer import COME_AGAIN, write_refusal
from pfi.standards.fhir.outline import NO_OUTLINE
from pfi.standards.hl7v2.ack import write_ack
from pfi.store import messages, queue
from pfi.store.database import POISON_ERRORS, STORE_ERRORS, Connection
from pfi.store.deliveries import Runnable
from pfi.store.lineages import Family
from pfi.store.messages import Accepted, Earlier, Known, NewDelivery, NewMessage
from pfi.store.states import DeliveryState

_LOG = get_logger("intake")
_HEAD_BYTES = 4096
_COME_AGAIN = "Message non enregistré : réessayez plus tard."

_REUSED = Finding(
    "CONTROL_ID_REUSED",
    Severity.WARNING,
    "MSH^1^10",
    "Cet identifiant de message (MSH-10) a déjà servi pour un autre contenu ; le message est traité comme nouveau.",
    "hl7v2 digest §4.1",
)
_REUSED_REFUSED = replace(
    _REUSED,
    severity=Severity.ERROR,
    text="Cet identifiant de message (MSH-10) a déjà servi pour un autre contenu.",
    err3="207",
    err5="906",
)
_INTERNAL = Finding(
    "INTERNAL_ERROR",
    Severity.ERROR,
    "MSH",
    "Défaut interne de la plateforme pendant la lecture ; le message est conservé pour analyse.",
    err3="207",
    err5="906",
)


class _ToldMeanwhileError(Exception):
    """Something was told of the patient, or of the document's lineage, while the document was being concluded."""


class Load:
    """How many deliveries are unfinished, known to within one round of counting: what back-pressure looks at."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0

    @property
    def full(self) -> bool:
        return self._open >= self._limit

    def add(self, deliveries: int) -> None:
        self._open += deliveries

    async def count(self, connection: Connection) -> None:
        self._open = await messages.count_open(connection, self._limit)


class EngineIntake:
    """The engine's side of every source (`pfi.engine.connector.Intake`)."""

    def __init__(
        self,
        context: Context,
        reader: Reader,
        processing: Processing,
        outbox: Outbox,
        file: PatientFile,
        load: Load,
    ) -> None:
        self._context = context
        self._reader = reader
        self._processing = processing
        self._outbox = outbox
        self._file = file
        self._load = load
        self._families = Families(context, reader, outbox)

    async def accept(self, raw: bytes, peer: Peer) -> Answer:
        """Takes one complete message. Returns after the durable commit, or with AR when nothing was stored."""
        if self._load.full:
            _LOG.warning("back_pressure", listener=peer.listener)
            return self._come_again(header_of(raw, peer), peer)
        received_at = self._context.clock()
        await self._processing.destinations.room(self._context.settings.limits.pace_seconds)
        arrival = await self._read(raw, peer, received_at)
        try:
            return await self._take(arrival)
        except POISON_ERRORS as error:
            return await self._keep_aside(arrival, error)
        except STORE_ERRORS as error:
            _LOG.error("store_away", step="accept", listener=peer.listener, error=type(error).__name__)
            return self._come_again(arrival.header, peer)
        except Exception as error:
            return await self._keep_aside(arrival, error)

    async def refuse(self, head: bytes, peer: Peer, finding: Finding) -> Answer:
        """Records what could not be taken as a message; answers AE when its MSH can be read. Whether the connection can
        go on is the source's to say: noise harms nobody, a frame too large does."""
        received_at = self._context.clock()
        header = header_of(head, peer)
        finding = replace(finding, severity=Severity.ERROR)
        interpretation = Interpretation(
            Kind.REFUSED if header else Kind.UNREADABLE, header, SenderProfile(), (finding,), standard=peer.standard
        )
        digest = self._reader.digest(head)
        arrival = Arrival(head, digest, peer, received_at, interpretation)
        ack = TechnicalAck(AckCode.AE, (AckError(finding.err3 or "207", text=finding.text),))
        try:
            return replace(await self._store_plain(arrival, Conclusion(ack, (finding,), (), None)), close=False)
        except STORE_ERRORS as error:
            _LOG.error("store_away", step="refuse", listener=peer.listener, error=type(error).__name__)
            return replace(self._come_again(header, peer), close=True)

    async def _read(self, raw: bytes, peer: Peer, received_at: datetime) -> Arrival:
        try:
            interpretation, digest = await self._reader.read(raw, peer.listener, received_at, peer.standard)
        except Exception as error:
            # A defect of ours in the reading: the message is kept, with its reason, and not asked for again and again.
            _LOG.error("reading_bug", listener=peer.listener, error=type(error).__name__)
            header = header_of(raw, peer)
            kind = Kind.REFUSED if header else Kind.UNREADABLE
            interpretation = Interpretation(kind, header, SenderProfile(), (_INTERNAL,), standard=peer.standard)
            digest = self._reader.digest(raw)
        return Arrival(raw, digest, peer, received_at, interpretation)

    async def _take(self, arrival: Arrival) -> Answer:
        interpretation = arrival.interpretation
        header = interpretation.header
        if header is None:
            refusal = TechnicalAck(AckCode.AE)
            return await self._store_plain(arrival, Conclusion(refusal, interpretation.findings, (), None))
        known = await self._look_up(arrival, header)
        same = await self._same_request(arrival, header, known)
        if same is not None:
            return await self._repeat(arrival, same)
        submission = interpretation.submission
        # The first document of a lineage, as nearly all are, costs no look at the others: the store does not take it
        # when there are any.
        look = submission is not None and submission.request is not Request.INITIAL
        family = await self._families.of(submission, look=look) if submission is not None else None
        if known.same_control_id:
            refuse = interpretation.profile.same_control_id is SameControlId.REFUSE
            extra = _REUSED_REFUSED if refuse else _REUSED
            interpretation = replace(interpretation, findings=(*interpretation.findings, extra))
        while True:
            interpretation = among(interpretation, family)
            conclusion = conclude(interpretation, state_of(known), self._context.rules, arrival.received_at)
            if interpretation.event is not None and conclusion.ack.code is AckCode.AA:
                return await self._store_event(arrival, conclusion, interpretation.event)
            submission = conclusion.submission
            if family is None or submission is None or conclusion.ack.code is not AckCode.AA:
                return await self._store_plain(arrival, conclusion)
            conclusion = with_family(conclusion, family.relatives)
            try:
                return await self._store_request(arrival, conclusion, submission, known, family)
            except _ToldMeanwhileError:
                known = await self._look_up(arrival, header)
                same = await self._same_request(arrival, header, known)
                if same is not None:
                    return await self._repeat(arrival, same)
                family = await self._families.of(submission, look=True)

    async def _look_up(self, arrival: Arrival, header: MessageHeader) -> Known:
        submission = arrival.interpretation.submission
        async with self._context.database.connection() as connection:
            return await self._file.look_up(
                connection, arrival.sender_key, header.control_id, arrival.digest, submission
            )

    async def _same_request(self, arrival: Arrival, header: MessageHeader, known: Known) -> Earlier | None:
        """The message that asked for the very same before: the same bytes, or the same request written otherwise under
        the same control id (a lot in JSON set out differently, another MSH-7). Nothing of it may leave twice, mails
        either (EX_GEN-1060). Under a new control id, or when something of it was refused, it is a new request."""
        submission = arrival.interpretation.submission
        if known.same is not None or not known.same_control_id or submission is None:
            return known.same
        async with self._context.database.connection() as connection:
            kept = await messages.with_documents(
                connection, arrival.sender_key, header.control_id, [each.unique_id for each in submission.documents]
            )
        for each in kept:
            interpretation, _ = await self._reader.read(each.body, each.listener, each.received_at)
            if interpretation.submission is not None and same_request(submission, interpretation.submission):
                return each.earlier
        return None

    async def _repeat(self, arrival: Arrival, same: Earlier) -> Answer:
        """The same message again: the same answer, and nothing else (hl7v2 digest §4.1)."""
        async with self._context.database.connection() as connection:
            await messages.add_event(connection, "duplicate", arrival.received_at, message_id=same.id)
        _LOG.info("duplicate", message=same.id, listener=arrival.peer.listener)
        return Answer(same.ack)

    async def _store_plain(self, arrival: Arrival, conclusion: Conclusion) -> Answer:
        """Stores a message that asks for nothing: refused, ignored or unreadable."""
        new = arrival.stored(conclusion, self._context.ids)
        submission = conclusion.submission
        family = await self._families.of(submission, look=False) if submission is not None else None
        async with self._context.database.transaction() as connection:
            accepted = await messages.accept(
                connection,
                new,
                worker=self._context.worker,
                documents=new_documents(submission, family.lineage) if submission and family else (),
                findings=conclusion.findings,
                decisions=conclusion.decisions,
            )
        if accepted is None:
            return await self._raced(arrival)
        self._told(accepted, new, conclusion)
        return Answer(new.ack, close=new.ack is None)

    async def _store_event(self, arrival: Arrival, conclusion: Conclusion, event: PatientEvent) -> Answer:
        """Stores an ADT message and what it changes of what is known of the patient."""
        new = arrival.stored(conclusion, self._context.ids)
        async with self._context.database.transaction() as connection:
            accepted = await messages.accept(connection, new, worker=self._context.worker, findings=conclusion.findings)
            if accepted is not None:
                await self._file.tell(connection, event, accepted.id)
        if accepted is None:
            return await self._raced(arrival)
        self._told(accepted, new, conclusion)
        return Answer(new.ack)

    async def _store_request(
        self, arrival: Arrival, conclusion: Conclusion, submission: Submission, known: Known, family: Family
    ) -> Answer:
        """Stores a request with everything that follows from it, then starts the first attempts.

        Raises _ToldMeanwhileError, having stored nothing, when what is known of the patient, or of the lineage, is no
        longer what was concluded with.
        """
        new = arrival.stored(conclusion, self._context.ids)
        hold = self._hold_settings(arrival)
        planned = plan(conclusion, self._context.ids, arrival.received_at)
        tell_held = hold.notify == "at_once"
        reports = reporting.at_intake(submission, conclusion.decisions, arrival.received_at, tell_held=tell_held)
        acks = self._outbox.write(submission.message, new.sender, reports)
        async with self._context.database.transaction() as connection:
            dependence = await self._file.link(connection, known)
            if dependence is None:
                raise _ToldMeanwhileError
            wishes = [self._birth(each, family.lineage, arrival, hold) for each in planned]
            accepted = await messages.accept(
                connection,
                new,
                worker=self._context.worker,
                documents=new_documents(submission, family.lineage),
                findings=conclusion.findings,
                decisions=conclusion.decisions,
                deliveries=wishes,
                acks=acks,
                dependence=dependence,
                family=family,
            )
            if accepted is None:
                raise _ToldMeanwhileError
            await self._file.record_letter(
                connection, accepted.id, conclusion, known, family.lineage, arrival.received_at
            )
            await queue.enqueue(connection, [*self._jobs(wishes, accepted), *self._outbox.jobs(acks)])
            if submission.request is Request.DELETE:
                await self._families.withdraw(connection, family, accepted.id)
        self._load.add(len(wishes))
        self._told(accepted, new, conclusion)
        self._outbox.start(accepted.id, acks)
        self._processing.start(
            [
                Claim(aware(wish.delivery, family), accepted.id, new.sender, wish.destination, wish.lineage)
                for wish in wishes
                if accepted.states[wish.delivery.id] is DeliveryState.IN_FLIGHT
            ]
        )
        return Answer(new.ack)

    def _birth(self, planned: Planned, lineage: str, arrival: Arrival, hold: HoldSettings) -> NewDelivery:
        """Born claimed by this process when it is to be sent now and there is room for it."""
        born = newborn(planned, lineage, self._context.settings, hold, arrival.received_at)
        if born.state is not DeliveryState.QUEUED or (born.not_before or arrival.received_at) > arrival.received_at:
            return born
        state, due = self._processing.birth(born.destination, born.priority)
        return replace(born, state=state, next_try=due)

    def _jobs(self, wishes: Sequence[NewDelivery], accepted: Accepted) -> list[queue.Job]:
        now = self._context.clock()
        return [
            queue.Job.deliver(
                Runnable(wish.delivery.id, wish.destination, 0, wish.priority),
                max((wish.next_try or now) - now, timedelta(0)),
            )
            for wish in wishes
            if accepted.states[wish.delivery.id] is DeliveryState.QUEUED
        ]

    def _hold_settings(self, arrival: Arrival) -> HoldSettings:
        sender = arrival.header and self._context.settings.sender_of(arrival.header, arrival.peer.listener)
        return sender.hold if sender else HoldSettings()

    async def _raced(self, arrival: Arrival) -> Answer:
        """The same message was committed by another connection between our look-up and our insertion."""
        header = arrival.header
        if header is None:
            return Answer(None, close=True)
        known = await self._look_up(arrival, header)
        if known.same is None:
            return self._come_again(header, arrival.peer)
        return await self._repeat(arrival, known.same)

    async def _keep_aside(self, arrival: Arrival, error: Exception) -> Answer:
        """A defect of ours: the message is stored as refused, so that it neither blocks its sender nor gets lost."""
        _LOG.error("intake_bug", listener=arrival.peer.listener, error=type(error).__name__)
        conclusion = Conclusion(
            TechnicalAck(AckCode.AE, (AckError("207", err5="906", text=_INTERNAL.text),)), (_INTERNAL,), (), None
        )
        try:
            return await self._store_plain(arrival, conclusion)
        except Exception as again:
            _LOG.error("store_away", step="keep_aside", error=type(again).__name__)
            return self._come_again(arrival.header, arrival.peer)

    def _come_again(self, header: MessageHeader | None, peer: Peer) -> Answer:
        if peer.standard is Standard.FHIR:
            return Answer(write_refusal((COME_AGAIN,), NO_OUTLINE))
        if header is None:
            return Answer(None, close=True)
        ack = TechnicalAck(AckCode.AR, (AckError("207", text=_COME_AGAIN),))
        now = self._context.clock()
        return Answer(write_ack(header, ack, control_id=self._context.ids.control_id(), now=now))

    def _told(self, accepted: Accepted, new: NewMessage, conclusion: Conclusion) -> None:
        _LOG.info(
            "accepted",
            message=accepted.id,
            listener=new.listener,
            sender=new.sender,
            kind=str(new.kind),
            ack=str(new.ack_code),
            size=len(new.body),
            findings=len(conclusion.findings),
            deliveries={str(key): state.value for key, state in accepted.states.items()},
        )
