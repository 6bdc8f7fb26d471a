"""The DMP connector: existence test, feed, replacement, deletion, and what to do after a doubt (DMP digest §1, §2)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

from connectors.dmp.answers import read_registry_response, read_reply
from connectors.dmp.caller import Caller, caller
from connectors.dmp.checks import check_id, check_patient, refused
from connectors.dmp.existence import ExistenceAnswer, ExistenceCache, existence_request, read_existence
from connectors.dmp.feed import Lot, describe, feed_request, lot_metadata
from connectors.dmp.queries import delete_request, find_request, read_references
from connectors.dmp.settings import DmpSettings
from connectors.dmp.transport import Transport, host_of
from connectors.dmp.wire import Wire, WireRequest
from pfi.engine.connector import CheckResult, ConnectorSettings, Preview, Surroundings
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError, SenderDataError
from pfi.model.patient import Ins
from pfi.model.submission import Request
from pfi.standards.x509.authority import TestAuthority
from pfi.standards.x509.identity import CertifiedKey, from_pem, load
from pfi.standards.xds.mapping import patient_id

_SIGN: Final = "certificat de signature (ORG_SIGN)"
_TLS: Final = "certificat d'authentification (ORG_AUTH_CLI)"
_SOON: Final = timedelta(days=30)
_THREAD_FROM: Final = 65_536
_UNRESOLVED: Final = "urn:uuid:00000000-0000-0000-0000-000000000000"
"""Stands for an entryUUID of the registry in previews."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What every request of one delivery shares."""

    caller: Caller
    ins: Ins
    resource_id: str
    secret: bool


class DmpConnector:
    """Carries deliveries to the DMP in indirect authentication. Safe for concurrent use."""

    settings_model: ClassVar[type[ConnectorSettings]] = DmpSettings

    def __init__(self, settings: DmpSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._transport = Transport(settings)
        self._existence = ExistenceCache(settings.existence.cache_seconds, settings.existence.cache_size)
        self._key: CertifiedKey | None = None
        self._tls_key: CertifiedKey | None = None
        self._wire: Wire | None = None

    async def open(self) -> None:
        """Loads the two certificates and the homologation number. Raises ConfigurationError."""
        await asyncio.to_thread(self._load)
        self._transport.open()

    def _load(self) -> None:
        now = self._surroundings.clock()
        signing, tls = self._settings.signing, self._settings.tls
        homologation = self._settings.product.homologation_number()
        if not homologation:
            raise ConfigurationError(
                "DMP_HOMOLOGATION_MISSING",
                "Le numéro d'homologation DMP n'est pas donné.",
                f"Le fournir par la variable {self._settings.product.homologation_env} ou product.homologation_file.",
            )
        self._key = load(
            signing.certificate,
            signing.key,
            subject=_SIGN,
            purpose="sign",
            now=now,
            password=signing.key_password.get_secret_value() if signing.key_password else "",
        )
        self._tls_key = load(
            tls.certificate,
            tls.key,
            subject=_TLS,
            purpose="auth_cli",
            now=now,
            password=tls.key_password.get_secret_value() if tls.key_password else "",
        )
        if self._key.der == self._tls_key.der:
            raise ConfigurationError(
                "DMP_SAME_CERTIFICATE",
                "Le certificat de signature et celui d'authentification sont le même.",
                "Le DMP exige deux certificats distincts : ORG_AUTH_CLI et ORG_SIGN.",
            )
        self._wire = Wire(self._settings, self._surroundings, self._key, homologation)

    async def close(self) -> None:
        """Ends connections."""
        await self._transport.close()

    async def check(self) -> tuple[CheckResult, ...]:
        """Dates of the certificates, then one TLS handshake per host. Sends nothing of a patient."""
        results = [self._dates(_SIGN, self._key), self._dates(_TLS, self._tls_key)]
        urls = self._settings.urls
        for host, url in {host_of(url): url for url in (urls.repository, urls.registry, urls.patients)}.items():
            failure = await self._transport.reach(url)
            if failure is None:
                results.append(CheckResult(f"DMP {host}", True, "Connexion TLS mutuelle établie."))
            else:
                text = f"{failure.text} Vérifier l'adresse, le pare-feu et les certificats."
                results.append(CheckResult(f"DMP {host}", False, text))
        return tuple(results)

    def _dates(self, subject: str, key: CertifiedKey | None) -> CheckResult:
        if key is None:
            return CheckResult(subject, False, "Certificat non chargé.")
        end = key.certificate.not_valid_after_utc
        if end < self._surroundings.clock() + _SOON:
            return CheckResult(subject, False, f"Expire le {end:%d/%m/%Y} : le renouveler dès maintenant.")
        return CheckResult(subject, True, f"Valable jusqu'au {end:%d/%m/%Y}.")

    async def send(self, delivery: Delivery) -> Outcome:
        """One attempt: checks, existence test, references of replaced documents, then the transaction."""
        wire, key = self._opened()
        call = self._call(delivery)
        if isinstance(call, Outcome):
            return call
        if delivery.request is Request.DELETE:
            return await self._delete(delivery, call, wire, sent_before=delivery.attempt > 1)
        # A first description refuses what can be refused before any network.
        lot = self._describe(delivery, call, {})
        if isinstance(lot, Outcome):
            return lot
        if self._settings.existence.enabled:
            refusal = await self._existence_refusal(delivery, call, wire)
            if refusal is not None:
                return refusal
        if delivery.request is Request.REPLACE:
            replaced = await self._replaced(delivery, call, wire)
            if isinstance(replaced, Outcome):
                return _nothing_sent(replaced)
            lot = self._describe(delivery, call, replaced)
            if isinstance(lot, Outcome):
                return lot
        return await self._feed(lot, delivery, call, wire, key, sent_before=delivery.attempt > 1)

    async def resolve(self, delivery: Delivery) -> Outcome:
        """Asks for our documents by uniqueId; absent, sends again with the same identifiers, so that "already there"
        can only mean that it had arrived."""
        wire, _ = self._opened()
        call = self._call(delivery)
        if isinstance(call, Outcome):
            return call
        found = [await self._find(document.unique_id, delivery, call, wire) for document in delivery.documents]
        for answer in found:
            if isinstance(answer, Outcome):
                # Whatever the reason, the first doubt remains.
                return replace(answer, kind=OutcomeKind.UNKNOWN)
        if delivery.request is Request.DELETE:
            if not any(found):
                return Outcome(OutcomeKind.DELIVERED, evidence={"resolved_by": "TD3.1b"})
            return await self._delete(delivery, call, wire, sent_before=True)
        if all(found):
            return Outcome(OutcomeKind.DELIVERED, evidence={"resolved_by": "TD3.1b"})
        return await self.send(replace(delivery, attempt=max(delivery.attempt, 2)))

    def preview(self, delivery: Delivery) -> Preview:
        """The feeding request as HTTP. Before `open`, throw-away certificates sign it; entryUUIDs that only the
        registry knows are zero. Raises SenderDataError with the code of a refusal."""
        wire, key = self._preview_tools()
        call = self._call(delivery)
        if isinstance(call, Outcome):
            raise SenderDataError(call.code, call.text)
        if delivery.request is Request.DELETE:
            request = delete_request(
                lot_metadata(delivery, call.caller, self._settings, resource_id=call.resource_id),
                [_UNRESOLVED for _ in delivery.documents],
                call.caller,
                self._settings,
                wire,
                secret=call.secret,
            )
        else:
            replaced = (
                {document.unique_id: _UNRESOLVED for document in delivery.documents}
                if delivery.request is Request.REPLACE
                else {}
            )
            lot = self._describe(delivery, call, replaced)
            if isinstance(lot, Outcome):
                raise SenderDataError(lot.code, lot.text)
            request = self._feed_request(lot, delivery, call, wire, key)
        return Preview("http", _http(request))

    # --- steps ---

    def _call(self, delivery: Delivery) -> _Call | Outcome:
        ins = check_patient(delivery, self._settings)
        if isinstance(ins, Outcome):
            return ins
        who = caller(delivery, self._settings)
        if who is None:
            return refused(
                "DMP_SENDER_MISSING",
                "Le message ne nomme pas l'expéditeur (PRT SB) et aucun responsable n'est configuré (responsible).",
            )
        return _Call(who, ins, patient_id(delivery.patient, True), bool(delivery.orders.connexion_secrete))

    def _describe(self, delivery: Delivery, call: _Call, replaced: Mapping[str, str]) -> Lot | Outcome:
        if delivery.request is Request.REPLACE and any(
            document.header.replaced is None for document in delivery.documents
        ):
            return refused(
                "DMP_REPLACED_ID_MISSING",
                "Le document de remplacement ne dit pas quel document il remplace (relatedDocument RPLC).",
            )
        return describe(delivery, call.caller, self._settings, resource_id=call.resource_id, replaced=replaced)

    async def _existence_refusal(self, delivery: Delivery, call: _Call, wire: Wire) -> Outcome | None:
        now = self._surroundings.clock()
        known = self._existence.get(call.ins, now)
        if known is None:
            request = existence_request(
                call.ins,
                call.caller,
                call.resource_id,
                self._settings,
                wire,
                now=now,
                query_id=str(self._surroundings.ids.uuid4()),
                secret=call.secret,
            )
            reply = await self._transport.post(request)
            answer: ExistenceAnswer | Outcome = (
                reply if isinstance(reply, Outcome) else read_existence(reply, request.message_id, delivery.patient)
            )
            if isinstance(answer, Outcome):
                return _nothing_sent(answer)
            self._existence.put(call.ins, answer, now)
            known = answer
        return known.refusal()

    async def _find(self, unique_id: str, delivery: Delivery, call: _Call, wire: Wire) -> tuple[str, ...] | Outcome:
        request = find_request(unique_id, call.caller, call.resource_id, self._settings, wire, secret=call.secret)
        reply = await self._transport.post(request)
        if isinstance(reply, Outcome):
            return reply
        return read_references(reply, request.message_id, delivery.patient)

    async def _replaced(self, delivery: Delivery, call: _Call, wire: Wire) -> dict[str, str] | Outcome:
        """entryUUID of each replaced document: resolved at the last moment, for it changes (DMP digest §1.5)."""
        references: dict[str, str] = {}
        for document in delivery.documents:
            parent = document.header.replaced
            if parent is None:
                continue
            found = await self._find(parent.xds, delivery, call, wire)
            if isinstance(found, Outcome):
                return found
            if not found:
                return refused(
                    "DMP_REPLACED_NOT_FOUND",
                    "Le document à remplacer n'est pas dans le DMP, ou n'y a pas été déposé par la structure.",
                )
            references[document.unique_id] = found[0]
        return references

    async def _feed(
        self, lot: Lot, delivery: Delivery, call: _Call, wire: Wire, key: CertifiedKey, *, sent_before: bool
    ) -> Outcome:
        try:
            request = await self._feed_bytes(lot, delivery, call, wire, key)
        except SenderDataError as error:
            return refused(error.code, error.text)
        outcome = await self._exchange(request, delivery, sent_before=sent_before)
        if outcome.kind is OutcomeKind.REFUSED:
            self._existence.forget(call.ins)
        return replace(
            outcome,
            warnings=(*lot.warnings, *outcome.warnings),
            evidence={**self._evidence(delivery, request), **outcome.evidence},
        )

    async def _delete(self, delivery: Delivery, call: _Call, wire: Wire, *, sent_before: bool) -> Outcome:
        references: list[str] = []
        for document in delivery.documents:
            refusal = check_id(document)
            if refusal is not None:
                return refusal
            found = await self._find(document.unique_id, delivery, call, wire)
            if isinstance(found, Outcome):
                return _nothing_sent(found)
            references += found[:1]
        if not references:
            if sent_before:
                return Outcome(OutcomeKind.DELIVERED, evidence={"resolved_by": "TD3.1b"})
            return refused(
                "DMP_DOCUMENT_NOT_FOUND",
                "Le document à supprimer n'est pas dans le DMP, ou n'y a pas été déposé par la structure.",
            )
        lot = lot_metadata(delivery, call.caller, self._settings, resource_id=call.resource_id)
        request = delete_request(lot, references, call.caller, self._settings, wire, secret=call.secret)
        outcome = await self._exchange(request, delivery, sent_before=sent_before)
        return replace(outcome, evidence={**self._evidence(delivery, request), **outcome.evidence})

    async def _exchange(self, request: WireRequest, delivery: Delivery, *, sent_before: bool) -> Outcome:
        reply = await self._transport.post(request)
        if isinstance(reply, Outcome):
            return reply
        answer = read_reply(reply, request.message_id, delivery.patient)
        if isinstance(answer, Outcome):
            return answer
        return read_registry_response(answer, delivery.patient, sent_before=sent_before)

    async def _feed_bytes(
        self, lot: Lot, delivery: Delivery, call: _Call, wire: Wire, key: CertifiedKey
    ) -> WireRequest:
        """Canonicalising and signing a large document takes milliseconds of C code that release the GIL."""
        if sum(document.size for document in lot.documents) < _THREAD_FROM:
            return self._feed_request(lot, delivery, call, wire, key)
        return await asyncio.to_thread(self._feed_request, lot, delivery, call, wire, key)

    def _feed_request(self, lot: Lot, delivery: Delivery, call: _Call, wire: Wire, key: CertifiedKey) -> WireRequest:
        return feed_request(
            lot, delivery, call.caller, self._settings, wire=wire, key=key, now=self._surroundings.clock()
        )

    def _evidence(self, delivery: Delivery, request: WireRequest) -> dict[str, str]:
        return {"submission_set": delivery.ids.submission_set, "soap_message_id": request.message_id}

    def _opened(self) -> tuple[Wire, CertifiedKey]:
        if self._wire is None or self._key is None:
            raise ConfigurationError("DMP_NOT_OPEN", "Le connecteur DMP n'est pas ouvert.")
        return self._wire, self._key

    def _preview_tools(self) -> tuple[Wire, CertifiedKey]:
        if self._wire is not None and self._key is not None:
            return self._wire, self._key
        clock = self._surroundings.clock
        throw_away = TestAuthority("AC jetable de prévisualisation", clock).issue(
            "PFI",
            organization=self._settings.structure.name,
            identifier=self._settings.structure.identifier,
            key_usage="sign",
        )
        key = from_pem(throw_away.cert_pem, throw_away.key_pem, subject=_SIGN, purpose="sign", now=clock())
        return Wire(self._settings, self._surroundings, key, "0000000000"), key


def _nothing_sent(outcome: Outcome) -> Outcome:
    """A failure before the transaction itself: whatever was lost, no document left."""
    return replace(outcome, kind=OutcomeKind.NOT_DELIVERED) if outcome.kind is OutcomeKind.UNKNOWN else outcome


def _http(request: WireRequest) -> bytes:
    url = urlsplit(request.url)
    head = (
        f"POST {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: {request.content_type}\r\n"
        f"Content-Length: {len(request.body)}\r\n\r\n"
    )
    return head.encode() + request.body
