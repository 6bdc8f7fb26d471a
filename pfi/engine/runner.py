"""The life of an engine process: store, connectors, workers, and listeners last; in reverse order to stop."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from pfi import __version__
from pfi.engine.alerts import DischargeLetters
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Connector, Directory, MessageConnector, Source, Surroundings, Verifier
from pfi.engine.context import Context, Timings
from pfi.engine.directory import build_directory
from pfi.engine.holds import Holds
from pfi.engine.intake import EngineIntake
from pfi.engine.journal import Journal
from pfi.engine.logs import get_logger
from pfi.engine.mailroom.room import MailRoom
from pfi.engine.notifications import Notifications
from pfi.engine.parts import Neighbours, Parts
from pfi.engine.recovery import Recovery
from pfi.engine.replay import Replay
from pfi.engine.rulebooks import Rulebooks, RuleRegister, read_rules
from pfi.engine.storage import database_url
from pfi.engine.verification import asks_before_sending, build_verifier
from pfi.model.clock import Clock, IdSource, system_clock
from pfi.routing.rules import RuleBook
from pfi.store import messages, workers
from pfi.store.database import STORE_ERRORS, Database, open_database
from pfi.store.patients import PatientKeys
from pfi.store.schema import migrate

_LOG = get_logger("runner")
_LAST_ROUND_SECONDS = 5.0


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
        consumers: Mapping[str, MessageConnector] | None = None,
        verifier: Verifier | None = None,
        directory: Directory | None = None,
    ) -> None:
        """`url` replaces the configured store. `connectors` (by destination), `replies` (by sender), `consumers`,
        `verifier` and `directory` replace those that the configuration names: the seam for tests."""
        self._configuration = configuration
        self._settings = configuration.settings
        self._clock = clock
        self._ids = ids or IdSource(oid_root=self._settings.site.oid_root)
        self._rules = rules
        self._timings = timings or Timings()
        self._url = url or database_url(self._settings)
        self._given = (connectors, replies, consumers)
        self._neighbours = Neighbours(verifier=verifier, directory=directory)
        self._sources: dict[str, Source] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._opened: list[Connector | MessageConnector | Verifier | Directory] = []
        self._database: Database | None = None
        self._running: Parts | None = None

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
    def mail_room(self) -> MailRoom:
        return self._parts.mail_room

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
            running.mail_room.watch.stop()
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
        self._neighbours = self._build_neighbours()
        for connector in self._neighbours.every:
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
        running = Parts.build(context, keys, self._neighbours)
        self._running = running
        # Before anything is claimed: a process that nobody has seen has lost its claims.
        await running.recovery.beat()
        self._tasks = [
            asyncio.create_task(running.worker.run(), name="pfi-jobs"),
            asyncio.create_task(running.recovery.run(), name="pfi-recovery"),
            asyncio.create_task(running.collection.run(), name="pfi-collection"),
            asyncio.create_task(running.certificates.run(), name="pfi-certificates"),
            asyncio.create_task(running.mail_room.watch.run(), name="pfi-mailboxes"),
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

    async def _stop_work(self, running: Parts, grace: float) -> None:
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

    def _build_neighbours(self) -> Neighbours:
        settings = self._settings
        surroundings = Surroundings(self._clock, self._ids, product_version=__version__)
        connectors, replies, consumers = self._given
        if connectors is None:
            connectors = {
                name: self._connector(destination.connector, destination.settings, ("destinations", name), surroundings)
                for name, destination in settings.destinations.items()
            }
        if replies is None:
            replies = {
                sender.name: self._connector(
                    sender.reply.connector, sender.reply.settings, ("senders", index, "reply"), surroundings
                )
                for index, sender in enumerate(settings.senders)
                if sender.reply is not None
            }
        if consumers is None:
            consumers = {
                consumer.name: self._connector(
                    consumer.connector, consumer.settings, ("reception", "consumers", index), surroundings
                )
                for index, consumer in enumerate(settings.reception.consumers)
            }
        verifier = self._neighbours.verifier
        if verifier is None and asks_before_sending(settings.ins.verification):
            verifier = build_verifier(self._configuration, surroundings)
        directory = self._neighbours.directory or build_directory(self._configuration, surroundings)
        return Neighbours(connectors, replies, consumers, verifier, directory)

    def _connector(
        self, name: str, settings: dict[str, object], location: tuple[str | int, ...], surroundings: Surroundings
    ) -> Any:
        """A Connector or a MessageConnector, as its entry point says."""
        connector_class, checked = self._configuration.neighbour(name, settings, location)
        return connector_class(checked, surroundings)

    @property
    def _parts(self) -> Parts:
        if self._running is None:
            raise RuntimeError("the engine is not running")
        return self._running
