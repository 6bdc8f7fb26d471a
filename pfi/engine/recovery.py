"""Signs of life, and taking over what dead processes had claimed.

A claim is lost when its process has been silent for a lease, or has stopped, or when the process itself does not work
on it (it was killed between its commit and its first attempt). A lost delivery may have left: it is resolved by a job,
never sent again blindly.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from pfi.engine.alerts import DischargeLetters
from pfi.engine.context import Context
from pfi.engine.holds import Holds
from pfi.engine.intake import Load
from pfi.engine.logs import get_logger
from pfi.engine.mailroom.room import MailRoom
from pfi.engine.notifications import Notifications
from pfi.engine.outbox import Outbox
from pfi.engine.processing import Processing
from pfi.store import acks, attempts, deliveries, messages, patients, queue, workers
from pfi.store.database import STORE_ERRORS

_LOG = get_logger("recovery")
_UNSETTLED = timedelta(days=1)
"""How far back the documents of a changed patient are looked for that were not decided again."""
_QUEUE_LOG_DAYS = 7
_PURGE_QUEUE_LOG = "DELETE FROM pgqueuer_log WHERE created < now() - make_interval(days => $1)"
_PURGE_LOCK = 0x0050_4649_0002  # "PFI", upkeep


class Recovery:
    def __init__(
        self,
        context: Context,
        processing: Processing,
        outbox: Outbox,
        load: Load,
        holds: Holds,
        notifications: Notifications,
        letters: DischargeLetters,
        mail_room: MailRoom,
    ) -> None:
        self._context = context
        self._processing = processing
        self._outbox = outbox
        self._load = load
        self._holds = holds
        self._notifications = notifications
        self._letters = letters
        self._mail_room = mail_room
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends `run` after the round under way."""
        self._stopping.set()

    async def run(self) -> None:
        """Beats and sweeps until stopped."""
        timings = self._context.timings
        next_upkeep = 0.0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            await self._guard("beat", self.beat)
            await self._guard("sweep", self.sweep)
            await self._guard("deadlines", self._letters.round)
            if loop.time() >= next_upkeep and await self._guard("upkeep", self.upkeep):
                next_upkeep = loop.time() + timings.upkeep
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timings.beat)

    async def beat(self) -> None:
        """Says that this process lives, and counts the unfinished deliveries for back-pressure."""
        async with self._context.database.connection() as connection:
            await workers.beat(connection, self._context.worker)
            await self._load.count(connection)

    async def sweep(self) -> int:
        """One round of recovery; returns how much was taken over."""
        now = self._context.clock()
        timings = self._context.timings
        lease = timedelta(seconds=timings.lease)
        stray_since = now - lease
        async with self._context.database.transaction() as connection:
            lost = await attempts.recover(
                connection,
                worker=self._context.worker,
                active=self._processing.active,
                lease=lease,
                stray_since=stray_since,
                now=now,
            )
            lost_acks = await acks.recover(
                connection,
                worker=self._context.worker,
                active=self._outbox.active,
                lease=lease,
                stray_since=stray_since,
                now=now,
            )
            await queue.enqueue(
                connection,
                [*(queue.Job.deliver(each) for each in lost), *(queue.Job.report(each) for each in lost_acks)],
            )
            await workers.forget_dead(connection, lease * 10)
        async with self._context.database.transaction() as connection:
            before = now - timedelta(seconds=timings.forgotten)
            late = await deliveries.forgotten(connection, before)
            late_acks = await acks.forgotten(connection, before)
            await queue.enqueue(
                connection,
                [*(queue.Job.deliver(each) for each in late), *(queue.Job.report(each) for each in late_acks)],
            )
            handed = await self._mail_room.recover(connection, lease, now)
            unsettled = await patients.unsettled(connection, now - _UNSETTLED, before)
            # One key for each period: a job that was lost is made again, one that waits is not doubled.
            period = str(int(now.timestamp() // timings.forgotten))
            await queue.enqueue(connection, [queue.Job.reassess(each, period) for each in unsettled])
        if lost or lost_acks:
            _LOG.warning("recovered", deliveries=len(lost), acks=len(lost_acks))
        if handed:
            _LOG.warning("handovers_recovered", handovers=handed)
        if late or late_acks:
            _LOG.warning("jobs_made_again", deliveries=len(late), acks=len(late_acks))
        await self._holds.expire()
        await self._notifications.expire()
        return len(lost) + len(lost_acks) + handed

    async def upkeep(self) -> None:
        """Makes the coming body partitions, drops those whose time is over, and trims PgQueuer's log. One process at a
        time."""
        today = self._context.clock().date()
        async with self._context.database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _PURGE_LOCK):
                return
            await messages.ensure_partitions(connection, today)
            oldest = today - timedelta(days=self._context.settings.limits.body_days)
            dropped = await messages.drop_partitions(connection, oldest)
            await connection.execute(_PURGE_QUEUE_LOG, _QUEUE_LOG_DAYS)
        if dropped:
            _LOG.info("bodies_purged", days=len(dropped))

    async def _guard(self, step: str, act: Callable[[], Awaitable[object]]) -> bool:
        try:
            await act()
        except STORE_ERRORS as error:
            _LOG.warning("store_away", step=step, error=type(error).__name__)
            return False
        except Exception as error:
            _LOG.error("recovery_bug", step=step, error=type(error).__name__)
            return False
        return True
