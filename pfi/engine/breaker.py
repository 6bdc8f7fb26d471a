"""The circuit breaker of one destination: when trying other documents would fail alike, nobody tries for a while."""

import random
from datetime import datetime, timedelta

from pfi.model.clock import Clock


class Breaker:
    """Closed, open until a moment, or probing: after the pause one attempt goes, and its end decides for the others."""

    def __init__(self, pause_seconds: float, clock: Clock, source: random.Random) -> None:
        self._pause = timedelta(seconds=pause_seconds)
        self._clock = clock
        self._random = source
        self._open_until: datetime | None = None
        self._probing = False

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
            self._probing = True
            return None
        left = max(self._open_until - now, self._pause / 10)
        return left * (1 + 0.2 * self._random.random())

    @property
    def pause_left(self) -> timedelta:
        """How long the destination stays closed; zero when it is open."""
        if self._open_until is None:
            return timedelta(0)
        return max(self._open_until - self._clock(), timedelta(0))

    def abandoned(self) -> None:
        """An attempt that was let go was not made: another one may probe."""
        self._probing = False

    def failed(self) -> bool:
        """An attempt asked to stop the destination. True when this is news."""
        news = self._open_until is None
        self._open_until = self._clock() + self._pause
        self._probing = False
        return news

    def passed(self) -> bool:
        """An attempt ended without asking to stop. True when this is news: the destination is back."""
        news = self._open_until is not None and self._probing
        if news:
            self._open_until = None
        self._probing = False
        return news
