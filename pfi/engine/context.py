"""What every part of a running engine shares."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from pfi.engine.rulebooks import Rulebooks
from pfi.engine.settings import Settings
from pfi.model.clock import Clock, IdSource
from pfi.routing.rules import RuleBook
from pfi.store.database import Database


@dataclass(frozen=True, slots=True)
class Timings:
    """Internal delays, in seconds. Not configuration: nothing here changes what the engine does, only how soon."""

    lease: float = 20.0
    """A process silent for that long has lost what it had claimed."""
    beat: float = 5.0
    """Between two signs of life; also between two rounds of recovery."""
    linger: float = 0.1
    """First attempts of a document that end within that time are written by one commit."""
    attempt: float = 300.0
    """No attempt lasts longer: then its outcome is unknown."""
    forgotten: float = 60.0
    """What should have been tried that long ago and has no job gets one."""
    upkeep: float = 3600.0
    """Between two rounds of partition creation and purges."""
    poll: float = 30.0
    """Longest sleep of the job worker when no notification wakes it."""
    collect: float = 2.0
    """Between two readings of the operator's notifications."""
    store_retry: float = 1.0
    """Between two tries to write a result while the store is away."""


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    database: Database
    rulebooks: Rulebooks
    clock: Clock
    ids: IdSource
    worker: uuid.UUID
    """This process, as owner of what it claims."""
    timings: Timings = field(default_factory=Timings)
    random: Random = field(default_factory=Random)

    @property
    def rules(self) -> RuleBook:
        """The rules in force at this moment."""
        return self.rulebooks.book

    def after(self, seconds: float) -> datetime:
        """The moment that many seconds from now."""
        return self.clock() + timedelta(seconds=seconds)
