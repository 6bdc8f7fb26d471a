"""One application mailbox, read as long as wanted: its own thread, its own session, opened again when it is lost."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

import structlog

from connectors.mssante.imap.arrival import Arrival, MailKey
from connectors.mssante.imap.faults import fault_of
from connectors.mssante.imap.inbox import Inbox
from connectors.mssante.imap.line import Line
from connectors.mssante.tls import ClientTls
from pfi.engine.connector import Filing, Surroundings
from pfi.model.errors import PfiError, TransportError

_log = structlog.get_logger(room="mssante")

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 15.0
_GOODBYE: Final = 2.0
"""Seconds given to a server to answer LOGOUT."""
_Result = TypeVar("_Result")


class Mailbox:
    """`async with Mailbox(inbox, surroundings) as box: async for mail in box.arrivals(): ...`

    Several nodes may read one mailbox: whoever takes a mail decides, the others find it gone.
    """

    def __init__(self, inbox: Inbox, surroundings: Surroundings) -> None:
        self.inbox = inbox
        self._clock = surroundings.clock
        self._tls = ClientTls(inbox.account)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imap")
        self._opening = asyncio.Lock()
        self._line: Line | None = None
        self._waiting = False
        self._given: dict[MailKey, float] = {}
        self._broken: set[MailKey] = set()
        self._lost_since: float | None = None
        self._pause = _FIRST_PAUSE

    async def __aenter__(self) -> Self:
        """Loads the certificates. Raises ConfigurationError; contacts nobody."""
        try:
            self._tls.open(self._clock())
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Says LOGOUT when the session is at rest, cuts it otherwise."""
        line, self._line = self._line, None
        if line is not None:
            line.wake()
            loop = asyncio.get_running_loop()
            ending = loop.run_in_executor(self._thread, lambda: line.close(politely=True))
            done, _pending = await asyncio.wait({ending}, timeout=_GOODBYE)
            if not done:
                line.interrupt()
                await asyncio.wait({ending}, timeout=_GOODBYE)
        self._thread.shutdown(wait=False)

    async def check(self) -> str:
        """Opens the session, looks, and says in a sentence what was found. Raises PfiError."""
        line = await self._opened()
        waiting = len(await self._run(line, line.keys, self._command_seconds))
        means = "prévenue de chaque arrivée (IDLE)" if line.idles else "regardée de temps en temps (pas d'IDLE)"
        return f"Boîte ouverte ({line.tls_version}), {means}, {waiting} courriel(s) en attente."

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """Each mail of the folder in order of arrival, then those that come. Never ends by itself.

        A mail that is still in the folder `retry_seconds` after it was given is given again. A lost session is opened
        again; raises TransportError when that failed for `patience_seconds`, ConfigurationError at once.
        """
        while True:
            try:
                keys = await self._due()
            except TransportError as error:
                await self._rest(error)
                continue
            for key in keys:
                try:
                    mail = await self._fetch(key)
                except TransportError as error:
                    await self._rest(error)
                    break
                if mail is not None:
                    yield mail
            else:
                if not keys:
                    await self._wait()

    async def file(self, key: MailKey, filing: Filing) -> bool:
        """Moves a mail to its folder; false when it is not there any more (another node, another UIDVALIDITY). Raises
        PfiError when it stays where it is, or when nobody can tell."""
        line = await self._opened()
        folder = self.inbox.folder_for(filing)
        if self._waiting:
            line.wake()
        moved = await self._run(line, lambda: line.move(key, folder), self._command_seconds)
        self._given.pop(key, None)
        return moved

    @property
    def _command_seconds(self) -> float:
        # A few commands make one step, and the thread may have to come back from IDLE first.
        return 4 * self.inbox.account.timeouts.command

    async def _due(self) -> tuple[MailKey, ...]:
        """Mails of the folder that were not given, or too long ago."""
        line = await self._opened()
        there = await self._run(line, line.keys, self._command_seconds)
        self._lost_since, self._pause = None, _FIRST_PAUSE
        present = set(there)
        self._given = {key: moment for key, moment in self._given.items() if key in present}
        self._broken &= present
        latest = self._now() - self.inbox.imap.retry_seconds
        return tuple(key for key in there if self._given.get(key, latest) <= latest)

    async def _fetch(self, key: MailKey) -> Arrival | None:
        line = await self._opened()
        if key.validity != line.validity:
            return None
        try:
            mail = await self._run(line, lambda: line.fetch(key), self.inbox.account.timeouts.content)
        except TransportError:
            # Tried again at once, and the second time after the others: one mail never blocks a mailbox.
            if key in self._broken:
                self._given[key] = self._now()
            self._broken.add(key)
            raise
        self._broken.discard(key)
        self._given[key] = self._now()
        return mail

    async def _wait(self) -> None:
        """Until something may have changed; a lost session is for the next look to find."""
        imap = self.inbox.imap
        again = min((moment + imap.retry_seconds for moment in self._given.values()), default=float("inf"))
        seconds = max(0.0, min(imap.idle_seconds, again - self._now()))
        try:
            line = await self._opened()
            self._waiting = True
            await self._run(line, lambda: line.wait(seconds), seconds + self._command_seconds)
        except TransportError as error:
            await self._rest(error)
        finally:
            self._waiting = False

    async def _opened(self) -> Line:
        """The session, opened when there is none. Raises PfiError."""
        async with self._opening:
            if self._line is None:
                await asyncio.to_thread(self._tls.refresh, self._clock())
                context = self._tls.context
                timeouts = self.inbox.account.timeouts
                opening = asyncio.get_running_loop().run_in_executor(
                    self._thread, lambda: Line.open(self.inbox, context)
                )
                limit = timeouts.connect + self._command_seconds
                try:
                    done, _pending = await asyncio.wait({opening}, timeout=limit)
                except asyncio.CancelledError:
                    opening.add_done_callback(_dropped)
                    raise
                if not done:
                    opening.add_done_callback(_dropped)
                    raise fault_of(TimeoutError(), self.inbox)
                self._line = opening.result()
                _log.info("imap_opened", mailbox=self.inbox.address)
            return self._line

    async def _run(self, line: Line, work: Callable[[], _Result], seconds: float) -> _Result:
        """Runs commands in the thread, within a time; a line that fails is dropped. Cancelled, the command ends by
        itself: what follows waits for it."""
        doing = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            done, _pending = await asyncio.wait({doing}, timeout=seconds)
        except asyncio.CancelledError:
            doing.cancel()
            line.wake()
            raise
        if not done:
            line.interrupt()
            await asyncio.wait({doing}, timeout=_GOODBYE)
            doing.add_done_callback(_forgotten)
            self._drop(line)
            raise fault_of(TimeoutError(), self.inbox)
        try:
            return doing.result()
        except PfiError:
            self._drop(line)
            raise

    def _drop(self, line: Line) -> None:
        if self._line is line:
            self._line = None
            line.interrupt()
            asyncio.get_running_loop().run_in_executor(self._thread, line.close)

    async def _rest(self, error: TransportError) -> None:
        """A growing pause before the session is opened again. Raises the error when it has lasted too long."""
        now = self._now()
        self._lost_since = now if self._lost_since is None else self._lost_since
        if now - self._lost_since >= self.inbox.imap.patience_seconds:
            self._lost_since = None
            raise error
        _log.warning("imap_lost", mailbox=self.inbox.address, code=error.code)
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        await asyncio.sleep(pause)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _dropped(opening: asyncio.Future[Line]) -> None:
    """A session that nobody waits for any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _forgotten(doing: asyncio.Future[_Result]) -> None:
    with contextlib.suppress(BaseException):
        doing.result()
