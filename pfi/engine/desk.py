"""What an operator does without running an engine."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pfi import __version__
from pfi.engine.comparison import Comparison
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Surroundings
from pfi.engine.context import Context
from pfi.engine.holds import Holds
from pfi.engine.journal import Journal
from pfi.engine.mailroom.decisions import MailDecisions
from pfi.engine.mailroom.room import MailRoom
from pfi.engine.notifications import Notifications
from pfi.engine.outbox import Outbox
from pfi.engine.patientfile import PatientFile
from pfi.engine.reading import Reader
from pfi.engine.reassessment import Reassessment
from pfi.engine.register import LocalRegister
from pfi.engine.replay import Replay
from pfi.engine.rulebooks import Rulebooks, RuleRegister, read_rules
from pfi.engine.settings import Settings
from pfi.engine.storage import database_url
from pfi.model.clock import IdSource, system_clock
from pfi.routing.rules import RuleBook
from pfi.store.database import Database, open_database
from pfi.store.patients import PatientKeys
from pfi.store.schema import migrate


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
    _context: Context
    _configuration: Configuration

    def mail_decisions(self) -> MailDecisions:
        """What a person decides about received mails. Builds the connectors, whose letterhead the answers carry, and
        opens none. Raises ConfigurationError."""
        settings = self._configuration.settings
        surroundings = Surroundings(self._context.clock, self._context.ids, product_version=__version__)
        connectors = {}
        for name, destination in settings.destinations.items():
            connector_class, checked = self._configuration.neighbour(
                destination.connector, destination.settings, ("destinations", name)
            )
            connectors[name] = connector_class(checked, surroundings)
        return MailRoom.build(self._context, self.notifications, connectors, {}).decisions


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
            context,
            configuration,
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
