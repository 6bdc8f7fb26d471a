"""Certificates of a running engine: renewed without restart, watched until they are, revocation lists kept current.

One alert a certificate, at 60, 30 and 7 days before its end, closed by its renewal; one alert while files cannot take
the place of what is in use, or while a certificate cannot be used.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pfi.engine.alerts import CERTIFICATE_EXPIRES, CERTIFICATE_FAULT, Alerts
from pfi.engine.configuration import Configuration
from pfi.engine.connector import CertificateHolder, CertificateState, Surroundings
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.settings import CrlSettings
from pfi.engine.verification import build_verifier
from pfi.model.clock import IdSource, system_clock
from pfi.model.errors import ConfigurationError, PfiError
from pfi.store import messages
from pfi.store.alerts import Alert
from pfi.store.database import STORE_ERRORS

if TYPE_CHECKING:
    from pfi.engine.revocation import RevocationList

_LOG = get_logger("certificates")
CERTIFICATE_RENEWED: Final = "certificate_renewed"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and where it serves: `destination dmp`, `retour dpi`, `vérification INSi`."""

    place: str
    state: CertificateState


async def list_certificates(configuration: Configuration) -> tuple[Certificate, ...]:
    """Every certificate that the configuration names, read without opening anything. A neighbour whose settings are
    wrong has one line, with the fault."""
    settings = configuration.settings
    surroundings = Surroundings(system_clock, IdSource(oid_root=settings.site.oid_root))
    wanted: list[tuple[str, str, dict[str, Any], tuple[int | str, ...]]] = [
        (f"destination {name}", destination.connector, destination.settings, ("destinations", name))
        for name, destination in settings.destinations.items()
    ]
    wanted += [
        (f"retour {sender.name}", sender.reply.connector, sender.reply.settings, ("senders", index, "reply"))
        for index, sender in enumerate(settings.senders)
        if sender.reply is not None
    ]
    holders: dict[str, object] = {}
    found: list[Certificate] = []
    for place, connector, given, location in wanted:
        try:
            connector_class, checked = configuration.neighbour(connector, given, location)
            holders[place] = connector_class(checked, surroundings)
        except PfiError as error:
            found.append(_unusable(place, error))
    try:
        holders["vérification INSi"] = build_verifier(configuration, surroundings)
    except PfiError as error:
        found.append(_unusable("vérification INSi", error))
    for place, holder in holders.items():
        if isinstance(holder, CertificateHolder):
            found += [Certificate(place, state) for state in await holder.certificates()]
    return tuple(found)


def _unusable(place: str, error: PfiError) -> Certificate:
    text = f"{error.text} {error.next_step}".strip()
    return Certificate(place, CertificateState("settings", "réglages", in_use=False, fault=error.code, fault_text=text))


def nearest(not_after: datetime, now: datetime, days: tuple[int, ...]) -> int | None:
    """The smallest of `days` that is not less than the time left; `None` when more is left than any of them."""
    return min((each for each in days if not_after - now <= timedelta(days=each)), default=None)


def _fetched(wanted: tuple[CrlSettings, ...]) -> "tuple[RevocationList, ...]":
    """Nothing is loaded for a site that fetches nothing."""
    if not wanted:
        return ()
    from pfi.engine.revocation import RevocationList

    return tuple(RevocationList(each) for each in wanted)


class CertificateWatch:
    """Looks at certificates from time to time while the engine runs."""

    def __init__(self, context: Context, holders: Mapping[str, object]) -> None:
        """`holders`: connectors and verifiers by place; those that hold no certificate are left out."""
        self._context = context
        self._settings = context.settings.certificates
        self._holders = {place: each for place, each in holders.items() if isinstance(each, CertificateHolder)}
        self._alerts = Alerts(context.database, context.clock)
        self._known: dict[str, tuple[str, int | None, str]] = {}
        self._lists = _fetched(self._settings.crl)
        self._next_download = 0.0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Looks until stopped. Never raises: what fails is tried again."""
        if not self._holders:
            return
        while not self._stopping.is_set():
            try:
                await self.download()
                await self.look()
            except STORE_ERRORS as error:
                _LOG.warning("store_away", step="certificates", error=type(error).__name__)
            except Exception as error:
                _LOG.error("certificates_bug", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._settings.check_seconds)

    async def look(self) -> None:
        """One round: what was renewed is taken into use, alerts follow."""
        states = {
            f"{place}/{state.slot}": (place, state)
            for place, holder in self._holders.items()
            for state in await holder.certificates()
        }
        now = self._context.clock()
        standing = {
            subject: (
                state.fingerprint,
                nearest(state.not_after, now, self._settings.warn_days) if state.not_after is not None else None,
                state.fault,
            )
            for subject, (_, state) in states.items()
        }
        # Only what changed since the last round is compared with the store: engines that share it do not undo what
        # each other did.
        changed = {subject for subject in standing if self._known.get(subject) != standing[subject]}
        gone = self._known.keys() - standing.keys()
        if not (changed or gone) and self._known:
            return
        current = {(alert.kind, alert.subject): alert for alert in await self._alerts.current()}
        for subject in changed:
            place, state = states[subject]
            before = self._known.get(subject)
            if before is not None and before[0] != state.fingerprint and state.in_use and not state.fault:
                await self._tell_renewed(subject, state)
            await self._expiry(subject, place, state, standing[subject][1], current.get((CERTIFICATE_EXPIRES, subject)))
            await self._fault(subject, place, state, current.get((CERTIFICATE_FAULT, subject)))
            self._known[subject] = standing[subject]
        orphans = {subject for kind, subject in current if kind in (CERTIFICATE_EXPIRES, CERTIFICATE_FAULT)}
        for subject in gone | (orphans - standing.keys()):
            for kind in (CERTIFICATE_EXPIRES, CERTIFICATE_FAULT):
                await self._alerts.close(kind, subject, "gone")
            self._known.pop(subject, None)

    async def download(self) -> None:
        """Fetches the revocation lists when it is time. What cannot be fetched leaves the list that is there."""
        now = asyncio.get_running_loop().time()
        if not self._lists or now < self._next_download:
            return
        self._next_download = now + self._settings.crl_hours * 3600
        for each in self._lists:
            try:
                taken = await each.download(self._settings.crl_proxy)
            except ConfigurationError as error:
                # Sooner than usual: a list that is missing matters more than the load of its server.
                self._next_download = min(self._next_download, now + max(self._settings.check_seconds, 60.0))
                _LOG.warning("crl_not_fetched", file=each.settings.file.name, code=error.code)
            else:
                _LOG.info("crl_fetched", file=each.settings.file.name, newer=taken)

    async def _expiry(
        self, subject: str, place: str, state: CertificateState, days: int | None, open_now: Alert | None
    ) -> None:
        """One open alert at most: that of the nearest threshold."""
        if open_now is not None:
            same = open_now.detail.get("fingerprint") == state.fingerprint
            if same and open_now.detail.get("days") == days:
                return
            await self._alerts.close(CERTIFICATE_EXPIRES, subject, "nearer" if same and days is not None else "renewed")
        if days is None or state.not_after is None:
            return
        left = max((state.not_after - self._context.clock()).days, 0)
        text = f"{place} : le {state.subject} expire le {state.not_after:%d/%m/%Y} ({left} j). Le renouveler."
        detail = {
            "place": place,
            "slot": state.slot,
            "days": days,
            "not_after": state.not_after.isoformat(),
            "fingerprint": state.fingerprint,
        }
        await self._alerts.open(CERTIFICATE_EXPIRES, subject, text, detail)

    async def _fault(self, subject: str, place: str, state: CertificateState, open_now: Alert | None) -> None:
        if open_now is not None:
            if open_now.detail.get("code") == state.fault:
                return
            await self._alerts.close(CERTIFICATE_FAULT, subject, "other_fault" if state.fault else "repaired")
        if state.fault:
            text = f"{place} : {state.fault_text}"
            detail = {"place": place, "slot": state.slot, "code": state.fault, "in_use": state.in_use}
            await self._alerts.open(CERTIFICATE_FAULT, subject, text, detail)

    async def _tell_renewed(self, subject: str, state: CertificateState) -> None:
        end = state.not_after.isoformat() if state.not_after is not None else ""
        _LOG.info(CERTIFICATE_RENEWED, subject=subject, fingerprint=state.fingerprint[:16], not_after=end)
        detail = {"subject": subject, "fingerprint": state.fingerprint, "not_after": end}
        async with self._context.database.connection() as connection:
            await messages.add_event(connection, CERTIFICATE_RENEWED, self._context.clock(), detail=detail)
