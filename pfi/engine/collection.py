"""Asks, from time to time, the connectors that learn later what became of what they sent (DSN of mails)."""

import asyncio
import contextlib
from collections.abc import Mapping

from pfi.engine.connector import Connector, MailReport, ReportCollector
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.notifications import Notifications
from pfi.model.errors import PfiError
from pfi.standards.mail.dsn import DsnAction
from pfi.store.database import STORE_ERRORS

_LOG = get_logger("collection")


class Collection:
    """One round after the other until stopped. A failing mailbox never stops the others (ECO.1.2.3)."""

    def __init__(self, context: Context, notifications: Notifications, connectors: Mapping[str, Connector]) -> None:
        self._context = context
        self._notifications = notifications
        self._collectors: dict[str, ReportCollector] = {
            name: connector for name, connector in connectors.items() if isinstance(connector, ReportCollector)
        }
        self._failing: set[str] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends `run` after the round under way."""
        self._stopping.set()

    async def run(self) -> None:
        """Rounds every `timings.collect` seconds, until stopped."""
        while self._collectors and not self._stopping.is_set():
            for name in self._collectors:
                await self.round(name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._context.timings.collect)

    async def round(self, name: str) -> None:
        """Reads what one destination has received. Never raises; a fault is logged once, until it is over."""
        try:
            await self._collectors[name].collect_reports(self._take)
        except PfiError as error:
            self._failed(name, error.code)
        except STORE_ERRORS as error:
            _LOG.warning("store_away", step="reports", error=type(error).__name__)
        except Exception as error:
            # A defect of ours: its text may quote a mail and stays out of the log.
            self._failed(name, type(error).__name__)
        else:
            self._failing.discard(name)

    def _failed(self, name: str, code: str) -> None:
        if name not in self._failing:
            self._failing.add(name)
            _LOG.warning("reports_unreadable", destination=name, code=code)

    async def _take(self, report: MailReport) -> bool:
        return await self._notifications.dsn_received(
            report.envelope, report.address, DsnAction(report.action), report.code, report.text
        )
