"""The DMP connector: existence test, feed, replacement, deletion, and what to do after a doubt (DMP digest §1, §2)."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import ClassVar, Final

from connectors.dmp.answers import read_registry_response, read_reply
from connectors.dmp.caller import Caller, caller
from connectors.dmp.checks import check_patient, refused
from connectors.dmp.entities import Entities, Entity, Tools
from connectors.dmp.existence import ExistenceAnswer, existence_request, read_existence, told_as_blocked
from connectors.dmp.existence_memory import ExistenceMemory, Question
from connectors.dmp.feed import Lot, describe, feed_request, lot_metadata
from connectors.dmp.lineage import (
    TARGET_MOVED,
    deleted_entries,
    may_be_there,
    one_by_one,
    refusal_of,
    replaced_entries,
    reused_id,
    shown_against,
)
from connectors.dmp.preview import as_http, throw_away_tools
from connectors.dmp.queries import delete_request, find_request, read_references
from connectors.dmp.redaction import People
from connectors.dmp.settings import DmpSettings
from connectors.dmp.transport import host_of
from connectors.dmp.wire import WireRequest
from pfi.engine.connector import CertificateState, CheckResult, ConnectorSettings, Preview, Surroundings
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError, SenderDataError
from pfi.model.patient import Ins
from pfi.model.submission import Request
from pfi.standards.x509.secret import read_secret
from pfi.standards.xds.mapping import patient_id

_SOON: Final = timedelta(days=30)
_THREAD_FROM: Final = 65_536
_OF_EVERYBODY: Final = frozenset({"DMP_SERVER_CERTIFICATE"})
"""Refusals that do not depend on who we are."""
_UNRESOLVED: Final = "urn:uuid:00000000-0000-0000-0000-000000000000"
"""Stands for an entryUUID of the registry in previews."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What every request of one delivery shares: the same entity, with the same key, from the first to the last."""

    entity: Entity
    tools: Tools
    caller: Caller
    ins: Ins
    resource_id: str
    secret: bool
    people: People

    @property
    def settings(self) -> DmpSettings:
        """Those of the entity."""
        return self.entity.settings


class DmpConnector:
    """Carries deliveries to the DMP in indirect authentication. Safe for concurrent use."""

    settings_model: ClassVar[type[ConnectorSettings]] = DmpSettings

    def __init__(self, settings: DmpSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._entities = Entities(settings, surroundings)
        self._existence = ExistenceMemory(settings.existence, surroundings.clock)
        self._is_open = False
        self._looking = asyncio.Lock()

    async def open(self) -> None:
        """Loads the certificates of every entity and the homologation number. Raises ConfigurationError."""
        await asyncio.to_thread(self._load)
        self._is_open = True

    def _load(self) -> None:
        self._entities.open(read_secret(self._settings.product.homologation, "numéro d'homologation DMP"))

    async def certificates(self) -> tuple[CertificateState, ...]:
        """Looks at the files again; renewed certificates serve new connections and new signatures."""
        async with self._looking:
            renewed = await asyncio.to_thread(self._look)
            for entity, context in renewed:
                if self._is_open:
                    await entity.transport.renew(context)
            return self._entities.states()

    def _look(self) -> tuple[tuple[Entity, ssl.SSLContext], ...]:
        return self._entities.refresh()

    async def close(self) -> None:
        """Ends connections."""
        self._is_open = False
        for entity in self._entities.every:
            await entity.transport.close()

    async def check(self) -> tuple[CheckResult, ...]:
        """Certificates, then one TLS handshake per entity and host. Sends nothing of a patient."""
        results = [self._told(state) for state in await self.certificates()]
        urls = self._settings.urls
        for entity in self._entities.every:
            if not entity.is_loaded:
                continue
            for host, url in {host_of(url): url for url in (urls.repository, urls.registry, urls.patients)}.items():
                subject = f"DMP {host}" if entity.alone else f"DMP {host}, entité {entity.name}"
                failure = await entity.transport.reach(url)
                if failure is None:
                    results.append(CheckResult(subject, True, "Connexion TLS mutuelle établie."))
                else:
                    text = f"{failure.text} Vérifier l'adresse, le pare-feu et les certificats."
                    results.append(CheckResult(subject, False, text))
        return tuple(results)

    def _told(self, state: CertificateState) -> CheckResult:
        if state.fault or state.not_after is None:
            return CheckResult(state.subject, False, state.fault_text or "Certificat non chargé.")
        if state.not_after < self._surroundings.clock() + _SOON:
            return CheckResult(
                state.subject, False, f"Expire le {state.not_after:%d/%m/%Y} : le renouveler dès maintenant."
            )
        return CheckResult(state.subject, True, f"Valable jusqu'au {state.not_after:%d/%m/%Y}.")

    async def send(self, delivery: Delivery) -> Outcome:
        """One attempt: checks, existence test, references of replaced documents, then the transaction."""
        call = self._ready(delivery)
        return call if isinstance(call, Outcome) else _contained(await self._send(delivery, call), call.entity)

    async def _send(self, delivery: Delivery, call: _Call) -> Outcome:
        outcome = await (self._delete if delivery.request is Request.DELETE else self._offer)(delivery, call)
        if not delivery.may_have_left or outcome.code not in TARGET_MOVED:
            return outcome
        # The earlier attempt may have been carried out since we looked: its own doing is no refusal.
        seen = await self._looked_for(delivery, call)
        return outcome if seen.kind is OutcomeKind.NOT_DELIVERED else seen

    async def _offer(self, delivery: Delivery, call: _Call) -> Outcome:
        # A first description refuses what can be refused before any network.
        lot = refusal_of(delivery) or self._describe(delivery, call, {})
        if isinstance(lot, Outcome):
            return lot
        if self._settings.existence.enabled:
            refusal = await self._existence_refusal(delivery, call)
            if refusal is not None:
                return refusal
        find = partial(self._find, call)
        refusal = await shown_against(delivery, find)
        if refusal is not None:
            return _nothing_sent(refusal)
        if delivery.request is Request.REPLACE:
            replaced = await replaced_entries(delivery, find)
            if isinstance(replaced, Outcome):
                return _nothing_sent(replaced)
            lot = self._describe(delivery, call, replaced.entries)
            if isinstance(lot, Outcome):
                return lot
            lot = replace(lot, warnings=(*replaced.warnings, *lot.warnings))
        return await self._feed(lot, delivery, call)

    async def resolve(self, delivery: Delivery) -> Outcome:
        """Asks for our documents by uniqueId; absent, sends again with the same identifiers, so that "already there"
        can only mean that it had arrived."""
        delivery = replace(delivery, may_have_left=True)
        call = self._ready(delivery)
        if isinstance(call, Outcome):
            return _still_in_doubt(call)
        seen = await self._looked_for(delivery, call)
        if seen.kind is OutcomeKind.NOT_DELIVERED:
            seen = await self._send(delivery, call)
        return _contained(seen, call.entity)

    async def look(self, delivery: Delivery) -> Outcome:
        """Asks for our documents by uniqueId, and sends nothing whatever the answer: for what may no longer leave."""
        delivery = replace(delivery, may_have_left=True)
        call = self._ready(delivery)
        if isinstance(call, Outcome):
            return _still_in_doubt(call)
        return _contained(await self._looked_for(delivery, call), call.entity)

    async def _looked_for(self, delivery: Delivery, call: _Call) -> Outcome:
        """A lot is accepted or refused whole: all its documents are there, or its deletion left none."""
        find = partial(self._find, call)
        if delivery.request is Request.DELETE:
            targets = await deleted_entries(delivery, find)
            if isinstance(targets, Outcome):
                return _still_in_doubt(targets)
            done = not targets.entries
        else:
            # It was never sent: the content sent before under the same id may be what the DMP shows.
            refusal = reused_id(delivery)
            if refusal is not None:
                return refusal
            found = [await find(document.unique_id) for document in delivery.documents]
            for answer in found:
                if isinstance(answer, Outcome):
                    return _still_in_doubt(answer)
            done = all(found)
        if done:
            return Outcome(OutcomeKind.DELIVERED, evidence={"resolved_by": "TD3.1b"})
        return Outcome(
            OutcomeKind.NOT_DELIVERED, "DMP_NOT_THERE", "Le DMP ne montre pas le résultat de l'envoi précédent."
        )

    def preview(self, delivery: Delivery) -> Preview:
        """The feeding request as HTTP. Before `open`, throw-away certificates sign it; entryUUIDs that only the
        registry knows are zero. Raises SenderDataError with the code of a refusal."""
        call = self._preview_call(delivery)
        if isinstance(call, Outcome):
            raise SenderDataError(call.code, call.text)
        if delivery.request is Request.DELETE:
            requests = (self._delete_request(each, _UNRESOLVED, call) for each in one_by_one(delivery))
            return Preview("http", b"\r\n".join(map(as_http, requests)))
        replacing = delivery.request is Request.REPLACE
        lot = self._describe(delivery, call, {each.unique_id: _UNRESOLVED for each in delivery.documents if replacing})
        if isinstance(lot, Outcome):
            raise SenderDataError(lot.code, lot.text)
        return Preview("http", as_http(self._feed_request(lot, delivery, call)))

    # --- steps ---

    def _ready(self, delivery: Delivery) -> _Call | Outcome:
        """The call of a delivery that may leave now, with the tools of its entity."""
        if not self._is_open:
            raise ConfigurationError("DMP_NOT_OPEN", "Le connecteur DMP n'est pas ouvert.")
        entity = self._entities.of(delivery)
        if isinstance(entity, Outcome):
            return entity
        return entity.refusal() or self._call(delivery, entity, entity.tools())

    def _call(self, delivery: Delivery, entity: Entity, tools: Tools) -> _Call | Outcome:
        ins = check_patient(delivery, entity.settings)
        if isinstance(ins, Outcome):
            return ins
        who = caller(delivery, entity.settings)
        if who is None:
            return refused(
                "DMP_SENDER_MISSING",
                "Le message ne nomme pas l'expéditeur (PRT SB) et aucun responsable n'est configuré (responsible).",
            )
        secret = bool(delivery.orders.connexion_secrete)
        people = (delivery.patient, *(document.header.patient for document in delivery.documents))
        return _Call(entity, tools, who, ins, patient_id(delivery.patient, True), secret, people)

    def _describe(self, delivery: Delivery, call: _Call, replaced: Mapping[str, str]) -> Lot | Outcome:
        if delivery.request is Request.REPLACE and any(
            document.header.replaced is None for document in delivery.documents
        ):
            return refused(
                "DMP_REPLACED_ID_MISSING",
                "Le document de remplacement ne dit pas quel document il remplace (relatedDocument RPLC).",
            )
        return describe(delivery, call.caller, call.settings, resource_id=call.resource_id, replaced=replaced)

    async def _existence_refusal(self, delivery: Delivery, call: _Call) -> Outcome | None:
        question = Question.of(call.ins, delivery.patient, call.caller)
        answer = await self._existence.answer(question, lambda: self._ask_existence(delivery, call))
        return _nothing_sent(answer) if isinstance(answer, Outcome) else answer.refusal()

    async def _ask_existence(self, delivery: Delivery, call: _Call) -> ExistenceAnswer | Outcome:
        request = existence_request(
            call.ins,
            call.caller,
            call.resource_id,
            call.settings,
            call.tools.wire,
            now=self._surroundings.clock(),
            query_id=str(self._surroundings.ids.uuid4()),
            secret=call.secret,
        )
        reply = await call.entity.transport.post(request)
        if isinstance(reply, Outcome):
            return reply
        blocked = call.settings.existence.blocked_values
        return read_existence(reply, request.message_id, delivery.patient, blocked, others=call.people)

    async def _find(self, call: _Call, unique_id: str) -> tuple[str, ...] | Outcome:
        """entryUUIDs are resolved at the last moment, for they change (DMP digest §1.5)."""
        request = find_request(
            unique_id, call.caller, call.resource_id, call.settings, call.tools.wire, secret=call.secret
        )
        reply = await call.entity.transport.post(request)
        if isinstance(reply, Outcome):
            return reply
        return read_references(reply, request.message_id, call.people)

    async def _feed(self, lot: Lot, delivery: Delivery, call: _Call) -> Outcome:
        try:
            request = await self._feed_bytes(lot, delivery, call)
        except SenderDataError as error:
            return refused(error.code, error.text)
        outcome = await self._exchange(request, delivery, call)
        if outcome.kind is OutcomeKind.REFUSED:
            self._existence.forget(call.ins)
        return replace(outcome, warnings=(*lot.warnings, *outcome.warnings))

    async def _delete(self, delivery: Delivery, call: _Call) -> Outcome:
        targets = await deleted_entries(delivery, partial(self._find, call))
        if isinstance(targets, Outcome):
            return _nothing_sent(targets)
        if not targets.entries:
            if delivery.may_have_left or targets.warnings:
                evidence = {"resolved_by": "TD3.1b"}
                return Outcome(OutcomeKind.DELIVERED, warnings=targets.warnings, evidence=evidence)
            return refused(
                "DMP_DOCUMENT_NOT_FOUND",
                "Le document à supprimer n'est pas dans le DMP, ou n'y a pas été déposé par la structure.",
            )
        outcomes: list[Outcome] = []
        for alone in one_by_one(delivery):
            reference = targets.entries.get(alone.documents[0].unique_id)
            if reference is None:
                continue
            outcomes.append(await self._exchange(self._delete_request(alone, reference, call), alone, call))
            if outcomes[-1].kind is not OutcomeKind.DELIVERED:
                break
        warnings = dict.fromkeys(warning for each in outcomes for warning in each.warnings)
        return replace(outcomes[-1], warnings=(*targets.warnings, *warnings), evidence=_together(outcomes))

    def _delete_request(self, alone: Delivery, reference: str, call: _Call) -> WireRequest:
        lot = lot_metadata(alone, call.caller, call.settings, resource_id=call.resource_id)
        return delete_request(lot, reference, call.caller, call.settings, call.tools.wire, secret=call.secret)

    async def _exchange(self, request: WireRequest, delivery: Delivery, call: _Call) -> Outcome:
        reply = await call.entity.transport.post(request)
        answer = reply if isinstance(reply, Outcome) else read_reply(reply, request.message_id, call.people)
        if isinstance(answer, Outcome):
            outcome = answer
        else:
            outcome = read_registry_response(answer, call.people, sent_before=may_be_there(delivery))
            outcome = told_as_blocked(outcome, call.settings.blocked_codes)
        evidence = {
            "submission_set": delivery.ids.submission_set,
            "soap_message_id": request.message_id,
            "vihf_id": request.assertion_id,
        }
        return replace(outcome, evidence={**evidence, **outcome.evidence})

    async def _feed_bytes(self, lot: Lot, delivery: Delivery, call: _Call) -> WireRequest:
        """Canonicalising and signing a large document takes milliseconds of C code that release the GIL."""
        if sum(document.size for document in lot.documents) < _THREAD_FROM:
            return self._feed_request(lot, delivery, call)
        return await asyncio.to_thread(self._feed_request, lot, delivery, call)

    def _feed_request(self, lot: Lot, delivery: Delivery, call: _Call) -> WireRequest:
        return feed_request(
            lot,
            delivery,
            call.caller,
            call.settings,
            wire=call.tools.wire,
            key=call.tools.key,
            now=self._surroundings.clock(),
        )

    def _preview_call(self, delivery: Delivery) -> _Call | Outcome:
        entity = self._entities.of(delivery)
        if isinstance(entity, Outcome):
            return entity
        if self._is_open and entity.is_loaded:
            return self._call(delivery, entity, entity.tools())
        return self._call(delivery, entity, throw_away_tools(entity, self._surroundings))


def _contained(outcome: Outcome, entity: Entity) -> Outcome:
    """What the DMP refuses because of one entity's certificates does not stop the others."""
    if entity.alone:
        return outcome
    evidence = {"entity": entity.name, **outcome.evidence}
    if not outcome.stop_destination or outcome.code in _OF_EVERYBODY:
        return replace(outcome, evidence=evidence)
    return replace(outcome, stop_destination=False, evidence=evidence)


def _still_in_doubt(outcome: Outcome) -> Outcome:
    """Nothing was looked at, or nothing was answered: whatever the reason, the first doubt remains."""
    return replace(outcome, kind=OutcomeKind.UNKNOWN)


def _together(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """The evidence of several transactions, in order."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        for name, value in outcome.evidence.items():
            found.setdefault(name, []).append(value)
    return {name: " ".join(values) for name, values in found.items()}


def _nothing_sent(outcome: Outcome) -> Outcome:
    """A failure before the transaction itself: whatever was lost, no document left."""
    return replace(outcome, kind=OutcomeKind.NOT_DELIVERED) if outcome.kind is OutcomeKind.UNKNOWN else outcome
