"""The pace of one destination: how many attempts it takes at once, from a few at the start to all that it is given."""

import asyncio
from collections import deque
from types import TracebackType


class Pace:
    """Seats for attempts (`async with`), first come first served. As in TCP (RFC 5681), with attempts for segments:

    - it begins with `start` seats; each time as many attempts in a row were answered, the seats double, up to `most`;
    - when the destination is busy the seats are halved, once for all the attempts that were under way, and then grow by
      one instead of doubling;
    - when the destination was stopped, it begins again.

    One process and one event loop: each process has a pace of its own.
    """

    def __init__(self, most: int, start: int) -> None:
        self._most = most
        self._start = min(start, most)
        self._seats = self._start
        self._doubling = True
        self._well = 0
        self._under_way = 0
        self._before = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def seats(self) -> int:
        """Attempts allowed at once, now."""
        return self._seats

    @property
    def full(self) -> bool:
        """Whether every seat that may be given is."""
        return self._seats == self._most

    async def __aenter__(self) -> None:
        if self._under_way < self._seats and not self._waiting:
            self._under_way += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._leave()  # the seat was given just before
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def passed(self) -> None:
        """An attempt under way was answered, well or not: the destination follows."""
        if self._before:
            return
        self._well += 1
        if self._well < self._seats or self.full:
            return
        self._well = 0
        self._seats = min(2 * self._seats if self._doubling else self._seats + 1, self._most)
        self._call()

    def slowed(self) -> bool:
        """An attempt under way met a destination that is busy or away. False when even one at a time is too much."""
        if self._before:
            return True
        alone = self._seats == 1
        self._begin(max(1, self._seats // 2), doubling=False)
        return not alone

    def stopped(self) -> None:
        """The destination was stopped: what is under way says nothing of what comes after."""
        self._begin(self._start, doubling=True)

    def _begin(self, seats: int, *, doubling: bool) -> None:
        self._seats, self._doubling = seats, doubling
        self._well = 0
        self._before = self._under_way

    def _leave(self) -> None:
        self._under_way -= 1
        self._before = max(0, self._before - 1)
        self._call()

    def _call(self) -> None:
        while self._waiting and self._under_way < self._seats:
            turn = self._waiting.popleft()
            if not turn.done():
                self._under_way += 1
                turn.set_result(None)
