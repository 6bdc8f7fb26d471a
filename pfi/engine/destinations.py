"""Where documents go: the seats for attempts, what slows or stops a destination, and who may come in meanwhile."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pfi.engine.breaker import Breaker
from pfi.engine.connector import Connector
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.pace import Pace
from pfi.engine.settings import DestinationSettings
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.store import messages
from pfi.store.database import STORE_ERRORS

_LOG = get_logger("destinations")
_BACKLOG_PER_SEAT = 8
"""Documents kept in memory for each seat of a destination; above, deliveries are born queued."""


@dataclass(slots=True)
class Destination:
    """One destination: its connector, the seats for attempts, and whether it is stopped."""

    name: str
    settings: DestinationSettings
    connector: Connector
    breaker: Breaker
    seats: Pace
    slow: bool = False
    backlog: int = 0

    @property
    def busy(self) -> bool:
        return self.backlog >= self.settings.concurrency

    @property
    def full(self) -> bool:
        return self.backlog >= self.settings.concurrency * _BACKLOG_PER_SEAT


class Destinations:
    """Every destination of this process, by name."""

    def __init__(self, context: Context, connectors: Mapping[str, Connector]) -> None:
        self._context = context
        self._every = {
            name: Destination(
                name,
                settings,
                connectors[name],
                Breaker(
                    settings.pause_seconds,
                    context.clock,
                    context.random,
                    first_seconds=settings.retry.first_seconds,
                ),
                Pace(settings.concurrency, settings.slow_start),
            )
            for name, settings in context.settings.destinations.items()
        }
        self._room = asyncio.Event()

    def __getitem__(self, name: str) -> Destination:
        return self._every[name]

    def __iter__(self) -> Iterator[Destination]:
        return iter(self._every.values())

    def left(self, place: Destination) -> None:
        """A document taken in hand needs its destination no more."""
        place.backlog -= 1
        self._room.set()

    async def room(self, longest: float) -> None:
        """Waits, at most `longest` seconds, until this process can take one more document in hand.

        Pacing: a delivery born queued costs a second reading of its message, three times the work. A sender that waits
        a little for its acknowledgment costs nothing. Stopped destinations do not make anybody wait.
        """
        if not self._crowded:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                while self._crowded:
                    self._room.clear()
                    await self._room.wait()

    @property
    def _crowded(self) -> bool:
        return any(place.full and place.breaker.open_until is None for place in self._every.values())

    async def watch(self, place: Destination, outcome: Outcome) -> bool:
        """What an attempt says of its destination: it goes faster, slower, is stopped or comes back. One event for each
        change, not one for each document. Returns whether it was stopped already."""
        was_stopped = place.breaker.open_until is not None
        kind = _heard(place, outcome)
        if kind is None:
            return was_stopped
        _LOG.warning(kind, destination=place.name, code=outcome.code, seats=place.seats.seats)
        try:
            async with self._context.database.connection() as connection:
                detail = {"destination": place.name, "code": outcome.code, "text": outcome.text}
                await messages.add_event(connection, kind, self._context.clock(), detail=detail)
        except STORE_ERRORS as error:
            _LOG.warning("store_away", step="event", error=type(error).__name__)
        return was_stopped


def _heard(place: Destination, outcome: Outcome) -> str | None:
    """Moves the breaker and the pace; the event to tell, if there is one."""
    if outcome.stop_destination or outcome.busy:
        if not outcome.stop_destination and place.breaker.open_until is not None and not place.breaker.probes:
            return None  # begun before the stop
        # Nobody else goes on when the probe finds it busy, nor when one attempt at a time is too much.
        stops = outcome.stop_destination or place.breaker.probes or not place.seats.slowed()
        if stops:
            place.slow = False
            place.seats.stopped()
            return "destination_stopped" if place.breaker.failed(away=not outcome.stop_destination) else None
        news, place.slow = not place.slow, True
        return "destination_slowed" if news else None
    if outcome.kind is not OutcomeKind.UNKNOWN:
        place.seats.passed()
    if place.breaker.passed():
        return "destination_resumed"
    if place.slow and place.seats.full:
        place.slow = False
        return "destination_at_pace"
    return None
