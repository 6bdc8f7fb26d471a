"""Alerts of a running engine: opened and closed once over all engines, each time with one log line and one event."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pfi.engine import deadlines
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.model.clock import Clock, system_clock
from pfi.store import alerts, letters
from pfi.store.alerts import Alert
from pfi.store.database import Connection, Database
from pfi.store.letters import Change

_LOG = get_logger("alerts")
_CHECK_LOCK = 0x0050_4649_0004  # "PFI", deadlines
_OPENED_AT_ONCE = 500
"""Alerts opened by one check: the next one goes on, and no transaction lasts."""

DISCHARGE_LETTER_LATE = "discharge_letter_late"
CERTIFICATE_EXPIRES = "certificate_expires"
CERTIFICATE_FAULT = "certificate_fault"


class Alerts:
    """What operators must know of. Needs a store only: works beside a running engine, or without one."""

    def __init__(self, database: Database, clock: Clock = system_clock) -> None:
        self._database = database
        self._clock = clock

    async def open(self, kind: str, subject: str, text: str, detail: Mapping[str, Any]) -> bool:
        """Opens an alert in a transaction of its own. False when it is open already."""
        async with self._database.transaction() as connection:
            done = await alerts.open(connection, kind, subject, text, detail, self._clock())
        if done:
            _LOG.warning("alert_opened", kind=kind, subject=subject)
        return done

    async def close(self, kind: str, subject: str, ending: str = "") -> bool:
        """Closes an alert in a transaction of its own. False when none is open."""
        async with self._database.transaction() as connection:
            done = await alerts.close(connection, kind, subject, self._clock(), ending=ending)
        if done:
            _LOG.info("alert_closed", kind=kind, subject=subject, ending=ending)
        return done

    async def current(self) -> tuple[Alert, ...]:
        """Open alerts, oldest first."""
        async with self._database.connection() as connection:
            return await alerts.current(connection)

    async def history(self, limit: int = 200) -> tuple[Alert, ...]:
        """Open and closed alerts, newest first."""
        async with self._database.connection() as connection:
            return await alerts.history(connection, limit)


@dataclass(slots=True)
class _Told:
    """What a check did: (subject, code) of each."""

    opened: list[tuple[str, str]] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)


class DischargeLetters:
    """Watches the deadline of discharge letters (CSP R. 1112-1-2)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings.alerts
        self._next_round = 0.0

    async def round(self) -> None:
        """One check when the last one is long enough ago."""
        now = asyncio.get_running_loop().time()
        if now >= self._next_round:
            await self.check()
            self._next_round = now + self._settings.check_seconds

    async def check(self) -> int:
        """Opens and closes what must be; returns how many alerts changed. Nothing while another engine checks."""
        told = _Told()
        async with self._context.database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _CHECK_LOCK):
                return 0
            if self._settings.discharge_letter == "off":
                await self._close_all(connection, told)
            else:
                await self._check(connection, told)
        for subject, code in told.opened:
            _LOG.warning("alert_opened", kind=DISCHARGE_LETTER_LATE, subject=subject, code=code)
        for subject, ending in told.closed:
            _LOG.info("alert_closed", kind=DISCHARGE_LETTER_LATE, subject=subject, ending=ending)
        return len(told.opened) + len(told.closed)

    async def _check(self, connection: Connection, told: _Told) -> None:
        terms = deadlines.terms(self._context.clock(), self._settings)
        changes = await letters.check(connection, DISCHARGE_LETTER_LATE, terms)
        for how in ("delivered", "expired"):
            await letters.settle(connection, [each.subject for each in changes if each.settles == how], how)
        for change in changes:
            if change.closes and await alerts.close(
                connection,
                DISCHARGE_LETTER_LATE,
                change.subject,
                terms.now,
                ending=change.ending,
                message_id=change.message_id,
            ):
                told.closed.append((change.subject, change.ending))
        for change in [each for each in changes if each.opens][:_OPENED_AT_ONCE]:
            await self._open(connection, change, told)

    async def _open(self, connection: Connection, change: Change, told: _Told) -> None:
        message_id = change.message_id
        blocked = None if message_id is None else await letters.blocked(connection, message_id)
        code, why = deadlines.cause(blocked)
        detail = {
            "message": message_id,
            "discharged_on": change.day,
            "cause": code,
            "delivery": blocked and blocked.state,
            "referring_known": blocked and blocked.referring_known,
        }
        if await alerts.open(
            connection,
            DISCHARGE_LETTER_LATE,
            change.subject,
            deadlines.alert_text(message_id, why),
            detail,
            self._context.clock(),
            message_id=message_id,
        ):
            told.opened.append((change.subject, code))

    async def _close_all(self, connection: Connection, told: _Told) -> None:
        """The site no longer wants these alerts."""
        now = self._context.clock()
        for alert in await alerts.current(connection):
            if alert.kind == DISCHARGE_LETTER_LATE and await alerts.close(
                connection, alert.kind, alert.subject, now, ending="off"
            ):
                told.closed.append((alert.subject, "off"))
