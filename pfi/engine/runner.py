"""The life of an engine process: store, connectors, workers, and listeners last; in reverse order to stop."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pfi import __version__
from pfi.engine.alerts import DischargeLetters
from pfi.engine.certificates import CertificateWatch
from pfi.engine.collection import Collection
from pfi.engine.comparison import Comparison
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Connector, MessageConnector, Source, Surroundings, Verifier
from pfi.engine.context import Context, Timings
from pfi.engine.holds import Holds
from pfi.engine.intake import EngineIntake, Load
from pfi.engine.journal import Journal
from pfi.engine.logs import get_logger
from pfi.engine.notifications import Notifications
from pfi.engine.outbox import Outbox
from pfi.engine.patientfile import PatientFile
from pfi.engine.processing import Processing
from pfi.engine.reading import Reader
from pfi.engine.reassessment import Reassessment
from pfi.engine.recovery import Recovery
from pfi.engine.register import LocalRegister
from pfi.engine.replay import Replay
from pfi.engine.rulebooks import Rulebooks, RuleRegister, read_rules
from pfi.engine.rulewatch import RuleWatch
from pfi.engine.settings import DATABASE_VARIABLE, Settings
from pfi.engine.validation import Validation
from pfi.engine.verification import VerificationStep, asks_before_sending, build_verifier
from pfi.engine.worker import JobWorker
from pfi.model.clock import Clock, IdSource, system_clock
from pfi.routing.rules import RuleBook
from pfi.store import messages, workers
from pfi.store.database import STORE_ERRORS, Database, open_database
from pfi.store.patients import PatientKeys
from pfi.store.schema import migrate

_LOG = get_logger("runner")
_LAST_ROUND_SECONDS = 5.0


def database_url(settings: Settings, environment: Mapping[str, str] = os.environ) -> str | None:
    """URL of the store: the environment first, then the configuration; `None` = the embedded server."""
    if url := environment.get(DATABASE_VARIABLE, "").strip():
        return url
    return settings.database.url.get_secret_value() if settings.database.url else None


@dataclass(frozen=True, slots=True)
class Desk:
    """What an operator does without running an engine: read the journal, replay, release. Work that follows is done
    by the running engines."""

    journal: Journal
    replay: Replay
    holds: Holds
    notifications: Notifications
    register: LocalRegister
    comparison: Comparison
    rules: RuleBook
    """Those in force."""
    database: Database


@asynccontextmanager
async def open_desk(configuration: Configuration) -> AsyncIterator[Desk]:
    """Opens the store of a configuration, migrates it if needed, and closes it. Raises ConfigurationError."""
    settings = configuration.settings
    database = await open_database(database_url(settings), settings.data_dir, pool=4)
    reader = Reader(settings)
    try:
        await migrate(database)
        context = Context(
            settings=settings,
            database=database,
            rulebooks=await _rules_in_force(RuleRegister(database, system_clock), settings),
            clock=system_clock,
            ids=IdSource(oid_root=settings.site.oid_root),
            worker=uuid.uuid4(),
        )
        async with database.connection() as connection:
            keys = await PatientKeys.load(connection)
        outbox = Outbox(context, {})
        file = PatientFile(context, keys)
        reassessment = Reassessment(context, reader, outbox, file)
        holds = Holds(context, reader, outbox, reassessment)
        yield Desk(
            Journal(database),
            Replay(reassessment),
            holds,
            Notifications(context, reader, outbox),
            LocalRegister(context, file),
            Comparison(context, reader, file),
            context.rules,
            database,
        )
    finally:
        reader.close()
        await database.close()


@asynccontextmanager
async def open_rule_register(configuration: Configuration) -> AsyncIterator[RuleRegister]:
    """Opens the store of a configuration for its rules only: works even when those in force cannot be read by this
    version. Raises ConfigurationError."""
    settings = configuration.settings
    database = await open_database(database_url(settings), settings.data_dir, pool=2)
    try:
        await migrate(database)
        yield RuleRegister(database, system_clock)
    finally:
        await database.close()


async def _rules_in_force(register: RuleRegister, settings: Settings) -> Rulebooks:
    """Those of the store; those of the configuration when no engine ever started on it."""
    active = await register.in_force()
    if active is not None:
        return Rulebooks(active[1], active[0].id)
    return Rulebooks(read_rules(settings.rules).book)


class Engine:
    """One engine process. Several may share one database; each does its part of the work."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        clock: Clock = system_clock,
        ids: IdSource | None = None,
        rules: RuleBook | None = None,
        timings: Timings | None = None,
        url: str | None = None,
        connectors: Mapping[str, Connector] | None = None,
        replies: Mapping[str, MessageConnector] | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        """`url` replaces the configured store. `connectors` (by destination), `replies` (by sender) and `verifier`
        replace those that the configuration names: the seam for tests."""
        self._configuration = configuration
        self._settings = configuration.settings
        self._clock = clock
        self._ids = ids or IdSource(oid_root=self._settings.site.oid_root)
        self._rules = rules
        self._timings = timings or Timings()
        self._url = url or database_url(self._settings)
        self._connectors: Mapping[str, Connector] = connectors if connectors is not None else {}
        self._replies: Mapping[str, MessageConnector] = replies if replies is not None else {}
        self._given = (connectors is not None, replies is not None)
        self._verifier = verifier
        self._sources: dict[str, Source] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._opened: list[Connector | MessageConnector | Verifier] = []
        self._database: Database | None = None
        self._running: _Running | None = None

    @property
    def ports(self) -> dict[str, int]:
        """TCP port of each listener, known after `start`."""
        return {name: source.port for name, source in self._sources.items()}

    @property
    def intake(self) -> EngineIntake:
        return self._parts.intake

    @property
    def journal(self) -> Journal:
        return Journal(self._parts.context.database)

    @property
    def holds(self) -> Holds:
        return self._parts.holds

    @property
    def notifications(self) -> Notifications:
        return self._parts.notifications

    @property
    def replay(self) -> Replay:
        return self._parts.replay

    @property
    def recovery(self) -> Recovery:
        return self._parts.recovery

    @property
    def letters(self) -> DischargeLetters:
        return self._parts.letters

    @property
    def rules(self) -> RuleBook:
        """Those that this process decides with at this moment."""
        return self._parts.context.rules

    @property
    def rule_register(self) -> RuleRegister:
        return RuleRegister(self.database, self._clock)

    @property
    def database(self) -> Database:
        return self._parts.context.database

    async def start(self) -> None:
        """Starts everything, listeners last. Raises ConfigurationError; what was started is stopped again."""
        try:
            await self._start()
        except BaseException:
            await self.stop(grace=0)
            raise

    async def stop(self, grace: float = 30.0) -> None:
        """Stops listeners, lets the work under way end for `grace` seconds, gives the rest back, closes the store."""
        await asyncio.gather(*(source.stop(grace) for source in self._sources.values()), return_exceptions=True)
        self._sources.clear()
        running, self._running = self._running, None
        if running is not None:
            await self._stop_work(running, grace)
        if running is not None:
            running.recovery.stop()
            running.collection.stop()
            running.rule_watch.stop()
            running.certificates.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_LAST_ROUND_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._tasks.clear()
        if running is not None:
            try:
                async with running.context.database.connection() as connection:
                    await workers.leave(connection, running.context.worker)
            except STORE_ERRORS as error:
                _LOG.warning("store_away", step="leave", error=type(error).__name__)
            running.reader.close()
            running.validation.close()
            if running.verification is not None:
                await running.verification.close()
        for connector in self._opened:
            await connector.close()
        self._opened.clear()
        if self._database is not None:
            await self._database.close()
            self._database = None
            _LOG.info("stopped")

    async def _start(self) -> None:
        settings = self._settings
        rules = self._rules or read_rules(settings.rules)
        self._build_connectors()
        connectors: list[Connector | MessageConnector | Verifier] = [
            *self._connectors.values(),
            *self._replies.values(),
        ]
        if self._verifier is not None:
            connectors.append(self._verifier)
        for connector in connectors:
            await connector.open()
            self._opened.append(connector)
        self._database = await open_database(self._url, settings.data_dir, pool=settings.database.pool)
        applied = await migrate(self._database)
        if isinstance(rules, RuleBook):
            rulebooks = Rulebooks(rules)
        else:
            settled = await RuleRegister(self._database, self._clock).settle(rules)
            rulebooks = Rulebooks(settled.book, settled.activation.id)
        context = Context(
            settings=settings,
            database=self._database,
            rulebooks=rulebooks,
            clock=self._clock,
            ids=self._ids,
            worker=uuid.uuid4(),
            timings=self._timings,
        )
        async with self._database.connection() as connection:
            keys = await PatientKeys.load(connection)
            await messages.ensure_partitions(connection, self._clock().date())
        running = _Running.build(context, keys, self._connectors, self._replies, self._verifier)
        self._running = running
        # Before anything is claimed: a process that nobody has seen has lost its claims.
        await running.recovery.beat()
        self._tasks = [
            asyncio.create_task(running.worker.run(), name="pfi-jobs"),
            asyncio.create_task(running.recovery.run(), name="pfi-recovery"),
            asyncio.create_task(running.collection.run(), name="pfi-collection"),
            asyncio.create_task(running.certificates.run(), name="pfi-certificates"),
        ]
        if self._rules is None:
            self._tasks.append(asyncio.create_task(running.rule_watch.run(), name="pfi-rules"))
        for index, listener in enumerate(settings.listeners):
            source_class, source_settings = self._configuration.source(
                listener.source, listener.settings, ("listeners", index)
            )
            source: Source = source_class(listener.name, source_settings, running.intake)
            await source.start()
            self._sources[listener.name] = source
        _LOG.info(
            "started",
            worker=str(context.worker),
            embedded=self._database.embedded,
            migrations=applied,
            rules=context.rules.digest[:12],
            listeners=self.ports,
        )

    async def _stop_work(self, running: "_Running", grace: float) -> None:
        running.worker.stop()
        jobs = [task for task in self._tasks if task.get_name() == "pfi-jobs"]
        try:
            if jobs:
                await asyncio.wait(jobs, timeout=grace)
            await running.processing.stop(grace)
            await running.outbox.stop(grace)
        except STORE_ERRORS as error:
            # What could not be given back is recovered by whoever starts next.
            _LOG.warning("store_away", step="stop", error=type(error).__name__)

    def _build_connectors(self) -> None:
        given_connectors, given_replies = self._given
        surroundings = Surroundings(self._clock, self._ids, product_version=__version__)
        if not given_connectors:
            self._connectors = {
                name: self._connector(destination.connector, destination.settings, ("destinations", name), surroundings)
                for name, destination in self._settings.destinations.items()
            }
        if not given_replies:
            self._replies = {
                sender.name: self._connector(
                    sender.reply.connector, sender.reply.settings, ("senders", index, "reply"), surroundings
                )
                for index, sender in enumerate(self._settings.senders)
                if sender.reply is not None
            }
        if self._verifier is None and asks_before_sending(self._settings.ins.verification):
            self._verifier = build_verifier(self._configuration, surroundings)

    def _connector(
        self, name: str, settings: dict[str, object], location: tuple[str | int, ...], surroundings: Surroundings
    ) -> Any:
        """A Connector or a MessageConnector, as its entry point says."""
        connector_class, checked = self._configuration.neighbour(name, settings, location)
        return connector_class(checked, surroundings)

    @property
    def _parts(self) -> "_Running":
        if self._running is None:
            raise RuntimeError("the engine is not running")
        return self._running


@dataclass(frozen=True, slots=True)
class _Running:
    """The parts of a started engine."""

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
    rule_watch: RuleWatch
    certificates: CertificateWatch
    worker: JobWorker
    validation: Validation
    verification: VerificationStep | None

    @classmethod
    def build(
        cls,
        context: Context,
        keys: PatientKeys,
        connectors: Mapping[str, Connector],
        replies: Mapping[str, MessageConnector],
        verifier: Verifier | None,
    ) -> "_Running":
        reader = Reader(context.settings)
        outbox = Outbox(context, replies)
        validation = Validation(context.settings)
        file = PatientFile(context, keys)
        reassessment = Reassessment(context, reader, outbox, file)
        wanted = context.settings.ins.verification
        verification = VerificationStep(context, wanted, verifier) if wanted is not None and verifier else None
        processing = Processing(context, reader, outbox, connectors, validation, reassessment, verification)
        load = Load(context.settings.limits.open_deliveries)
        holds = Holds(context, reader, outbox, reassessment)
        notifications = Notifications(context, reader, outbox)
        letters = DischargeLetters(context)
        return cls(
            context,
            reader,
            outbox,
            processing,
            EngineIntake(context, reader, processing, outbox, file, load),
            holds,
            notifications,
            Recovery(context, processing, outbox, load, holds, notifications, letters),
            letters,
            Replay(reassessment),
            Collection(context, notifications, connectors),
            RuleWatch(context),
            CertificateWatch(context, _places(connectors, replies, verifier)),
            JobWorker(context, processing, outbox, reassessment),
            validation,
            verification,
        )


def _places(
    connectors: Mapping[str, Connector], replies: Mapping[str, MessageConnector], verifier: Verifier | None
) -> dict[str, object]:
    """Whoever may hold certificates, by the name that operators know it by."""
    places: dict[str, object] = {f"destination {name}": each for name, each in connectors.items()}
    places |= {f"retour {name}": each for name, each in replies.items()}
    return places if verifier is None else {**places, "vérification INSi": verifier}
