"""The Annuaire Santé as a directory: extraction of the day, then API, with a memory of answers."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.annuaire.api import Api
from connectors.annuaire.client import Client, host_of
from connectors.annuaire.domains import Domains
from connectors.annuaire.errors import AnnuaireAwayError, AnnuaireRefusedError
from connectors.annuaire.extract import Extract, ExtractError
from connectors.annuaire.identifiers import Professional, Structure
from connectors.annuaire.settings import AnnuaireSettings
from pfi.engine.connector import Away, CheckResult, Found, Lookup, Nothing, Surroundings
from pfi.model.errors import PfiError
from pfi.standards.x509.secret import read_secret

_SUBJECT: Final = "Annuaire Santé"
_EXTRACT: Final = "Annuaire Santé, extraction du jour"


@dataclass(frozen=True, slots=True)
class _Known:
    lookup: Lookup
    until: datetime


class AnnuaireDirectory:
    """`pfi.engine.connector.Directory`. Those who ask the same thing at once share one answer."""

    settings_model = AnnuaireSettings

    def __init__(self, settings: AnnuaireSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._clock = surroundings.clock
        self._client = Client(settings, surroundings.clock) if settings.key is not None else None
        self._api: Api | None = None
        self._domains = Domains(settings.white_list)
        self._extract = Extract(settings.extract) if settings.extract is not None else None
        self._known: dict[tuple[str, str], _Known] = {}
        self._pending: dict[tuple[str, str], asyncio.Task[Lookup]] = {}
        self._away: Away | None = None
        self._away_until: datetime | None = None

    async def open(self) -> None:
        """Reads the key, the authorities and the white list. Raises ConfigurationError."""
        await asyncio.to_thread(self._domains.refresh)
        if self._client is not None:
            self._client.open(read_secret(self._settings.key, "key"))
            self._api = Api(self._client, self._domains.admits)

    async def close(self) -> None:
        """Ends what is under way and forgets everything."""
        pending = tuple(self._pending.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._known.clear()
        if self._client is not None:
            await self._client.close()

    async def check(self) -> tuple[CheckResult, ...]:
        """Reads the service's own description with the key, and looks at the date of the extraction."""
        results = []
        if self._client is not None:
            results.append(await self._reached(self._client))
        if self._extract is not None:
            results.append(await asyncio.to_thread(self._dated, self._extract))
        if self._domains.unreadable:
            text = f"Fichier illisible : {self._settings.white_list}. Vérifier « white_list » et ses droits."
            results.append(CheckResult("Annuaire Santé, liste blanche", False, text))
        return tuple(results)

    async def resolve(self, professional: str = "", structure: str = "") -> Lookup:
        """See `Directory`. What is not a national identifier is not asked about: it is unknown."""
        who = Professional.read(professional)
        where = Structure.read(structure)
        if who is None and (professional.strip() or where is None):
            return Nothing()
        asked = (who.national if who else "", where.finess if where else "")
        known = self._known.get(asked)
        if known is not None and known.until > self._clock():
            return known.lookup
        task = self._pending.get(asked)
        if task is None:
            task = asyncio.create_task(self._ask(asked, who, where))
            self._pending[asked] = task
            task.add_done_callback(lambda _: self._pending.pop(asked, None))
        # One who gives up does not take the answer away from the others.
        return await asyncio.shield(task)

    async def _ask(self, asked: tuple[str, str], who: Professional | None, where: Structure | None) -> Lookup:
        told: Lookup | None = None
        if who is not None or self._api is None:
            # Structures have applicative mailboxes, which the extraction lacks: what seems the only one may not be.
            told = await self._extracted(who, where)
        if self._api is not None and (told is None or isinstance(told, Nothing)):
            told = await self._live(self._api, who, where)
        answer = told or Away("ANNUAIRE_NOT_OPEN", "L'Annuaire Santé n'a pas été ouvert.")
        self._remember(asked, answer)
        return answer

    async def _extracted(self, who: Professional | None, where: Structure | None) -> Lookup | None:
        """What the extraction says; `None` when it does not count, because the API knows better."""
        if self._extract is None:
            return None
        try:
            return await asyncio.to_thread(self._read, self._extract, who, where)
        except ExtractError as error:
            return None if self._api is not None else Away(error.code, error.text)

    def _read(self, extract: Extract, who: Professional | None, where: Structure | None) -> Lookup | None:
        if self._api is not None and not extract.is_fresh(self._clock()):
            return None
        if who is not None:
            return extract.of_professional(who, where.finess if where else "")
        return extract.of_structure(where) if where is not None else None

    async def _live(self, api: Api, who: Professional | None, where: Structure | None) -> Lookup | None:
        if self._away is not None and self._away_until is not None:
            left = (self._away_until - self._clock()).total_seconds()
            if left > 0:
                return Away(self._away.code, self._away.text, left)
        today = self._clock().date()
        await asyncio.to_thread(self._domains.refresh)
        try:
            async with asyncio.timeout(self._settings.timeouts.total):
                if who is not None:
                    told: Lookup = await api.of_professional(who, where.finess if where else "", today)
                elif where is not None:
                    told = await api.of_structure(where, today)
                else:
                    return None
        except AnnuaireAwayError as error:
            return self._gone(Away(error.code, error.text, error.retry_after), down=error.down)
        except AnnuaireRefusedError as error:
            return self._gone(Away(error.code, error.text), down=error.code == "ANNUAIRE_KEY_REFUSED")
        except TimeoutError:
            text = "L'Annuaire Santé n'a pas répondu dans le délai."
            return self._gone(Away("ANNUAIRE_TIMEOUT", text), down=True)
        self._away = None
        return told

    def _gone(self, away: Away, *, down: bool) -> Away:
        """Nobody waits for a service that was just found away: the failure is told again for a while."""
        if down:
            self._away = away
            self._away_until = self._clock() + timedelta(seconds=self._settings.pause_seconds)
        return away

    def _remember(self, asked: tuple[str, str], lookup: Lookup) -> None:
        if isinstance(lookup, Away):
            return
        cache = self._settings.cache
        hours = cache.found_hours if isinstance(lookup, Found) else cache.nothing_hours
        self._known.pop(asked, None)
        while len(self._known) >= cache.entries:
            del self._known[next(iter(self._known))]
        self._known[asked] = _Known(lookup, self._clock() + timedelta(hours=hours))

    async def _reached(self, client: Client) -> CheckResult:
        subject = f"{_SUBJECT} {host_of(self._settings.url)}"
        try:
            async with asyncio.timeout(self._settings.timeouts.total):
                answer = await client.read(f"{self._settings.url}/metadata")
        except TimeoutError:
            return CheckResult(subject, False, "L'Annuaire Santé n'a pas répondu dans le délai. Vérifier le pare-feu.")
        except PfiError as error:
            return CheckResult(subject, False, f"{error.text} {error.next_step}".strip())
        if answer.kind != "CapabilityStatement":
            return CheckResult(subject, False, "Ce n'est pas l'API de l'Annuaire Santé. Vérifier « url ».")
        return CheckResult(subject, True, "API jointe, clé acceptée.")

    def _dated(self, extract: Extract) -> CheckResult:
        try:
            edition = extract.edition()
            fresh = extract.is_fresh(self._clock())
        except ExtractError as error:
            return CheckResult(_EXTRACT, False, f"{error.text} {error.next_step}")
        told = f"{edition.rows} boîtes, du {edition.made_at:%d/%m/%Y}."
        if fresh:
            return CheckResult(_EXTRACT, True, told)
        return CheckResult(_EXTRACT, False, f"{told} Trop ancienne : relancer « pfi annuaire import ».")
