"""The circuit breaker of one destination: when trying other documents would fail alike, nobody tries for a while."""

import asyncio
import random
from datetime import datetime, timedelta

from pfi.model.clock import Clock


class Breaker:
    """Closed, open until a moment, or probing: after the pause one attempt goes, and its end decides for the others.

    The attempt that probes is known by its task: the end of another one, begun before the stop, decides nothing.
    """

    def __init__(
        self, pause_seconds: float, clock: Clock, source: random.Random, *, first_seconds: float | None = None
    ) -> None:
        """`pause_seconds` is the longest pause. Pauses of a destination that is only busy or away begin with
        `first_seconds` and double."""
        self._pause = timedelta(seconds=pause_seconds)
        self._first = min(self._pause, timedelta(seconds=first_seconds or pause_seconds))
        self._next = self._first
        self._current = self._pause
        self._clock = clock
        self._random = source
        self._open_until: datetime | None = None
        self._probing = False
        self._prober: asyncio.Task[object] | None = None

    @property
    def open_until(self) -> datetime | None:
        """End of the pause; `None` when the destination is open to all."""
        return self._open_until

    def admit(self) -> timedelta | None:
        """`None`: go (this attempt may be the probe). Else how long to stay away, spread so that not all come back at
        once."""
        if self._open_until is None:
            return None
        now = self._clock()
        if now >= self._open_until and not self._probing:
            self._probing, self._prober = True, _task()
            return None
        left = max(self._open_until - now, self._current / 10)
        return left * (1 + 0.2 * self._random.random())

    @property
    def pause_left(self) -> timedelta:
        """How long the destination stays closed; zero when it is open."""
        if self._open_until is None:
            return timedelta(0)
        return max(self._open_until - self._clock(), timedelta(0))

    @property
    def probes(self) -> bool:
        """Whether the attempt of this task is the probe."""
        return self._probing and self._prober is _task()

    def abandoned(self) -> None:
        """The attempt of this task ended, or was not made: if it was the probe, another one may be."""
        if self.probes:
            self._probing = False

    def failed(self, *, away: bool = False) -> bool:
        """An attempt asked to stop the destination, for long; or, when it is `away`, found it so once more. True when
        this is news."""
        news = self._open_until is None
        self._current = self._next if away else self._pause
        self._next = min(2 * self._current, self._pause)
        self._open_until = self._clock() + self._current
        self._probing = False
        return news

    def passed(self) -> bool:
        """An attempt ended without asking to stop. True when this is news: it was the probe, the destination is
        back."""
        if not self.probes:
            return False
        self._open_until = None
        self._next = self._first
        self._probing = False
        return True


def _task() -> "asyncio.Task[object] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop
        return None
