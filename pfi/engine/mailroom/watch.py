"""Reading the mailboxes: one task each, in one process at a time; a failing one never stops the others (ECO.1.2.3)."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pfi.engine.connector import Filing, FoundMail, MailReceiver
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.mailroom.reception import Mailbox, Reception
from pfi.model.errors import PfiError, TransportError
from pfi.store import mailroom
from pfi.store.database import STORE_ERRORS

_LOG = get_logger("mailroom")
_LONGEST: Final = 300.0


class MailWatch:
    """`receivers` by destination."""

    def __init__(self, context: Context, reception: Reception, receivers: Mapping[str, MailReceiver]) -> None:
        self._context = context
        self._reception = reception
        self._receivers = receivers
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        return tuple(
            Mailbox(address, destination)
            for destination, receiver in self._receivers.items()
            for address in receiver.mailboxes
        )

    def stop(self) -> None:
        """Ends `run`: the mail being taken is stored or stays where it is."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()

    async def run(self) -> None:
        """Reads every mailbox until stopped."""
        if self._stopping.is_set():
            return
        self._tasks = [
            asyncio.create_task(self._watch(mailbox), name=f"pfi-mailbox-{mailbox.address}")
            for mailbox in self.mailboxes
        ]
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, mailbox: Mailbox) -> None:
        wait = self._context.timings.collect
        failing = ""
        while not self._stopping.is_set():
            code = await self._turn(mailbox)
            if code and code != failing:
                _LOG.warning("mailbox_unreadable", destination=mailbox.destination, code=code)
            wait = min(wait * 2, _LONGEST) if code else self._context.timings.collect
            failing = code
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _turn(self, mailbox: Mailbox) -> str:
        """Reads while the mailbox is ours; returns the code of what stopped it, empty when nothing failed. A mailbox
        that this process cannot read is left to others, who may."""
        code = ""
        try:
            if await self._ours(mailbox):
                await self._read(mailbox)
        except PfiError as error:
            code = error.code
        except STORE_ERRORS as error:
            _LOG.warning("store_away", step="mailbox", error=type(error).__name__)
            code = "STORE_AWAY"
        except Exception as error:
            # A defect of ours: its text may quote a mail and stays out of the log.
            _LOG.error("mailbox_bug", destination=mailbox.destination, error=type(error).__name__)
            code = "BUG"
        finally:
            if code or self._stopping.is_set():
                await self._leave(mailbox)
        return code

    async def _read(self, mailbox: Mailbox) -> None:
        receiver = self._receivers[mailbox.destination]

        taking: set[asyncio.Task[Filing]] = set()

        async def take(found: FoundMail) -> Filing:
            if not await self._ours(mailbox):
                raise _taken_over()
            # Not cut short: what is being stored is stored.
            task = asyncio.create_task(self._reception.take(mailbox, found, trusts=receiver.trusts))
            taking.add(task)
            task.add_done_callback(taking.discard)
            return await asyncio.shield(task)

        reading = asyncio.create_task(receiver.receive(mailbox.address, take))
        keeping = asyncio.create_task(self._keep(mailbox))
        try:
            await asyncio.wait({reading, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            keeping.cancel()
            reading.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await asyncio.gather(*taking, return_exceptions=True)
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _keep(self, mailbox: Mailbox) -> None:
        """Returns when another process has taken the mailbox over: this one was silent for too long."""
        while True:
            await asyncio.sleep(self._context.timings.lease / 2)
            if not await self._ours(mailbox):
                return

    async def _ours(self, mailbox: Mailbox) -> bool:
        """Claims the mailbox, or finds that it still is ours."""
        lease = timedelta(seconds=self._context.timings.lease)
        async with self._context.database.connection() as connection:
            return await mailroom.claim_mailbox(connection, mailbox.address, self._context.worker, lease)

    async def _leave(self, mailbox: Mailbox) -> None:
        with contextlib.suppress(*STORE_ERRORS):
            async with self._context.database.connection() as connection:
                await mailroom.leave_mailbox(connection, mailbox.address, self._context.worker)


def _taken_over() -> PfiError:
    return TransportError("MAILBOX_TAKEN_OVER", "Un autre processus de la plateforme lit maintenant cette boîte.")
