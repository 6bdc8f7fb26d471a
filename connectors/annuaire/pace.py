"""Requests spread over time, so that a quota a second is never passed."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_SHARED: Final[dict[str, "Pace"]] = {}


class Pace:
    """Gives turns, `rate` a second, evenly. Bound to no event loop."""

    def __init__(self, rate: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._next = 0.0

    @classmethod
    def shared(cls, service: str, rate: float) -> "Pace":
        """The pace of this process towards a service; the slowest that anybody asked for."""
        pace = _SHARED.setdefault(service, cls(rate))
        pace._rate = min(pace._rate, rate)
        return pace

    def reserve(self) -> float:
        """Takes a turn; seconds until it comes."""
        now = self._monotonic()
        turn = max(now, self._next)
        self._next = turn + 1 / self._rate
        return turn - now

    async def turn(self) -> None:
        """Waits for a turn."""
        if (wait := self.reserve()) > 0:
            await asyncio.sleep(wait)
