"""The parts of a started engine, put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pfi.engine.alerts import DischargeLetters
from pfi.engine.certificates import CertificateWatch
from pfi.engine.collection import Collection
from pfi.engine.connector import Connector, Directory, MessageConnector, Verifier
from pfi.engine.context import Context
from pfi.engine.directory import DirectoryStep
from pfi.engine.holds import Holds
from pfi.engine.intake import EngineIntake, Load
from pfi.engine.mailroom.room import MailRoom
from pfi.engine.notifications import Notifications
from pfi.engine.outbox import Outbox
from pfi.engine.patientfile import PatientFile
from pfi.engine.processing import Processing
from pfi.engine.reading import Reader
from pfi.engine.reassessment import Reassessment
from pfi.engine.recovery import Recovery
from pfi.engine.replay import Replay
from pfi.engine.rulewatch import RuleWatch
from pfi.engine.validation import Validation
from pfi.engine.verification import VerificationStep
from pfi.engine.worker import JobWorker
from pfi.store.patients import PatientKeys


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Whoever an engine speaks to: `connectors` by destination, `replies` by sender, `consumers` by their names."""

    connectors: Mapping[str, Connector] = field(default_factory=dict)
    replies: Mapping[str, MessageConnector] = field(default_factory=dict)
    consumers: Mapping[str, MessageConnector] = field(default_factory=dict)
    verifier: Verifier | None = None
    directory: Directory | None = None

    @property
    def every(self) -> tuple[Connector | MessageConnector | Verifier | Directory, ...]:
        services = (each for each in (self.verifier, self.directory) if each is not None)
        return (*self.connectors.values(), *self.replies.values(), *self.consumers.values(), *services)

    @property
    def places(self) -> dict[str, object]:
        """Whoever may hold certificates, by the name that operators know it by."""
        places: dict[str, object] = {f"destination {name}": each for name, each in self.connectors.items()}
        places |= {f"retour {name}": each for name, each in self.replies.items()}
        places |= {f"réception {name}": each for name, each in self.consumers.items()}
        return places if self.verifier is None else {**places, "vérification INSi": self.verifier}


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that works in one process, on one store."""

    context: Context
    reader: Reader
    outbox: Outbox
    processing: Processing
    intake: EngineIntake
    holds: Holds
    notifications: Notifications
    recovery: Recovery
    letters: DischargeLetters
    replay: Replay
    collection: Collection
    mail_room: MailRoom
    rule_watch: RuleWatch
    certificates: CertificateWatch
    worker: JobWorker
    validation: Validation
    verification: VerificationStep | None

    @classmethod
    def build(cls, context: Context, keys: PatientKeys, neighbours: Neighbours) -> "Parts":
        """Puts them together; starts nothing."""
        reader = Reader(context.settings)
        outbox = Outbox(context, neighbours.replies)
        validation = Validation(context.settings)
        file = PatientFile(context, keys)
        reassessment = Reassessment(context, reader, outbox, file)
        wanted, verifier = context.settings.ins.verification, neighbours.verifier
        verification = VerificationStep(context, wanted, verifier) if wanted is not None and verifier else None
        directory = DirectoryStep(context, neighbours.directory)
        processing = Processing(
            context, reader, outbox, neighbours.connectors, validation, reassessment, directory, verification
        )
        load = Load(context.settings.limits.open_deliveries)
        holds = Holds(context, reader, outbox, reassessment)
        notifications = Notifications(context, reader, outbox)
        letters = DischargeLetters(context)
        mail_room = MailRoom.build(context, notifications, neighbours.connectors, neighbours.consumers)
        return cls(
            context,
            reader,
            outbox,
            processing,
            EngineIntake(context, reader, processing, outbox, file, load),
            holds,
            notifications,
            Recovery(context, processing, outbox, load, holds, notifications, letters, mail_room),
            letters,
            Replay(reassessment),
            Collection(context, notifications, neighbours.connectors),
            mail_room,
            RuleWatch(context),
            CertificateWatch(context, neighbours.places),
            JobWorker(context, processing, outbox, reassessment, mail_room.handovers),
            validation,
            verification,
        )
