"""Takes the rules that are put in force while this engine runs."""

import asyncio
import contextlib
import socket

from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.rulebooks import TAKEN, UNREADABLE, load_set
from pfi.model.errors import ConfigurationError
from pfi.store import messages, rulesets
from pfi.store.database import STORE_ERRORS
from pfi.store.rulesets import Activation, Bell

_LOG = get_logger("rules")


class RuleWatch:
    """Woken by the store at each activation; looks by itself every `timings.poll` seconds, should it not be."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen = context.rulebooks.activation
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Looks until stopped. Never raises: what fails is tried again."""
        while not self._stopping.is_set():
            try:
                async with rulesets.listening(self._context.database) as bell:
                    await self._listen(bell)
            except STORE_ERRORS as error:
                _LOG.warning("store_away", step="rules", error=type(error).__name__)
            except Exception as error:
                _LOG.error("rules_bug", error=type(error).__name__)
            await self._sleep(self._stopping, self._context.timings.store_retry)

    async def look(self) -> bool:
        """Takes the rules in force unless this process has them; says whether it took any.

        A set that this version cannot read changes nothing and is told once.
        """
        async with self._context.database.connection() as connection:
            active = await rulesets.newest(connection)
            if active is None or active.id == self._seen:
                return False
            (stored,) = await rulesets.find(connection, active.digest)
        try:
            # Some tenths of a second of parsing: not on the event loop.
            book = await asyncio.to_thread(load_set, stored)
        except ConfigurationError as error:
            _LOG.error(UNREADABLE, digest=active.digest[:12], code=error.code)
            await self._tell(UNREADABLE, active, {"code": error.code})
            self._seen = active.id
            return False
        self._context.rulebooks.book = book
        self._context.rulebooks.activation = active.id
        _LOG.info(TAKEN, digest=active.digest[:12], activation=active.id)
        await self._tell(TAKEN, active, {})
        self._seen = active.id
        return True

    async def _listen(self, bell: Bell) -> None:
        """Until stopped, or until the connection that listens must be opened again."""
        while not (self._stopping.is_set() or bell.lost):
            bell.rung.clear()
            await self.look()
            rung = asyncio.create_task(bell.rung.wait())
            stopped = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait(
                    (rung, stopped), timeout=self._context.timings.poll, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                rung.cancel()
                stopped.cancel()

    async def _tell(self, kind: str, active: Activation, more: dict[str, str]) -> None:
        detail = {
            "activation": active.id,
            "digest": active.digest,
            "worker": str(self._context.worker),
            "host": socket.gethostname(),
            **more,
        }
        async with self._context.database.connection() as connection:
            await messages.add_event(connection, kind, self._context.clock(), detail=detail)

    @staticmethod
    async def _sleep(event: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
