"""Connections to the operator, kept a while between mails: a new one costs two TLS round trips."""

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from connectors.mssante.opening import SessionError
from connectors.mssante.session import Envelope, Session, Transaction


class SessionPool:
    """At most `connections` sessions at once; idle ones are closed after `keep_seconds`. One event loop only."""

    def __init__(self, open_session: Callable[[], Awaitable[Session]], connections: int, keep_seconds: float) -> None:
        self._open_session = open_session
        self._keep = keep_seconds
        self._slots = asyncio.Semaphore(connections)
        self._idle: list[tuple[float, Session]] = []
        self._generation = 0
        self._born: WeakKeyDictionary[Session, int] = WeakKeyDictionary()
        self._sweep: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def submit(self, envelope: Envelope, content: bytes) -> Transaction:
        """One transaction on a kept or a new session. Raises SessionError.

        A kept session that turns out to be dead before the mail began is replaced: nothing was sent.
        """
        async with self._slots:
            while True:
                session = self._kept()
                kept = session is not None
                if session is None:
                    generation = self._generation
                    session = await self._open_session()
                    self._born[session] = generation
                try:
                    transaction = await session.submit(envelope, content)
                except SessionError as error:
                    self._dismiss(session)
                    if error.stale and kept:
                        continue
                    raise
                except BaseException:
                    self._dismiss(session)
                    raise
                self._give_back(session)
                return transaction

    def renew(self) -> None:
        """New mails go by new sessions; those under way end with their mail."""
        self._generation += 1
        for _since, session in self._idle:
            self._dismiss(session)
        self._idle.clear()

    async def close(self) -> None:
        """Says QUIT on every idle session and waits for it."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for _since, session in self._idle:
            self._dismiss(session)
        self._idle.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    def _kept(self) -> Session | None:
        """The most recently used session that is still there."""
        while self._idle:
            since, session = self._idle.pop()
            if session.usable and asyncio.get_running_loop().time() - since <= self._keep:
                return session
            self._dismiss(session)
        return None

    def _give_back(self, session: Session) -> None:
        if not session.usable or self._keep <= 0 or self._born[session] != self._generation:
            self._dismiss(session)
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time(), session))
        if self._sweep is None:
            self._sweep = loop.call_later(self._keep, self._close_idle)

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        limit = loop.time() - self._keep
        late = [session for since, session in self._idle if since <= limit or not session.usable]
        self._idle = [(since, session) for since, session in self._idle if session not in late]
        for session in late:
            self._dismiss(session)
        self._sweep = None
        if self._idle:
            oldest = min(since for since, _session in self._idle)
            self._sweep = loop.call_later(max(0.01, oldest + self._keep - loop.time()), self._close_idle)

    def _dismiss(self, session: Session) -> None:
        task = asyncio.get_running_loop().create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
