"""The sandbox's DMP as an HTTPS server with mutual authentication (DMP digest §1.1 and §2.1)."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography import x509

from connectors.sandbox.certificates import Certificates, Usage, allows
from connectors.sandbox.connection import client_certificate, cut
from connectors.sandbox.dmp import existence, feed, queries, retrieval
from connectors.sandbox.dmp.breakage import ordered_warning, spoilt_envelope, spoilt_exchange, spoilt_package
from connectors.sandbox.dmp.metadata import Parameters
from connectors.sandbox.dmp.mtom import MalformedPackageError, Part, media_type, read_package, write_package
from connectors.sandbox.dmp.patients import DmpState, PatientDirectory
from connectors.sandbox.dmp.registry import Registry, StoredDocument
from connectors.sandbox.dmp.rights import Transaction, check_call
from connectors.sandbox.dmp.schema import SchemaCheck
from connectors.sandbox.dmp.soap import (
    Envelope,
    SoapFaultError,
    message_id_of,
    read_envelope,
    write_answer,
    write_fault,
)
from connectors.sandbox.dmp.stored_query import StoredQuery, read_query
from connectors.sandbox.dmp.verdict import RefusedError, RegistryError, write_response
from connectors.sandbox.dmp.vihf import Vihf, VihfJudge
from connectors.sandbox.faults import Facts, Fault, FaultBook, FaultKind, Service

BASE: Final = "/si-dmp-server/v2/services"
_SOAP_TYPE: Final = "application/soap+xml"
_MAX_BODY: Final = 64 * 1024 * 1024
_TRANSACTIONS: Final = {
    existence.ACTION: "TD0.2",
    feed.ACTION: "TD2.1",
    queries.QUERY_ACTION: "TD3.1b",
    queries.UPDATE_ACTION: "TD3.3c",
    retrieval.ACTION: "TD3.2",
}
"""Transaction of each action; a stored query is TD3.1a or TD3.1b by what it asks."""
_ANSWERS: Final = {
    existence.ACTION: existence.ANSWER_ACTION,
    feed.ACTION: feed.ANSWER_ACTION,
    queries.QUERY_ACTION: queries.QUERY_ANSWER,
    queries.UPDATE_ACTION: queries.UPDATE_ANSWER,
    retrieval.ACTION: retrieval.ANSWER_ACTION,
}
_MATRICULE: Final = re.compile(rb"(\d{6}[0-9AB]\d{8})\^\^\^&amp;|extension=[\"'](\d{6}[0-9AB]\d{8})[\"']")
_OID: Final = re.compile(rb"value=[\"']([0-2](?:\.\d+)+)[\"']|&apos;([0-2](?:\.\d+)+)&apos;|'([0-2](?:\.\d+)+)'")


@dataclass(frozen=True, slots=True)
class DmpCall:
    """One request that was judged, for tests and the demo: its transaction and how it ended (`Success`, an error code,
    `fault`). `patient` is the matricule of its VIHF."""

    transaction: str
    verdict: str
    patient: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """Body of an answer, the verdict to remember, and the documents beside it."""

    body: str
    verdict: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class _Written:
    """An answer before it is packed: SOAP envelope, action and MessageID of the request, status, documents."""

    envelope: bytes
    action: str
    relates_to: str
    status: int
    parts: tuple[Part, ...] = ()


class DmpServer:
    """Serves `/patients`, `/repository` and `/registry` on loopback. `port` is known after `start`.

    `homologation` is the only LPS_ID_HOMOLOGATION_DMP accepted (`None` = any); `pack` the folder of a validation pack,
    whose XML schema every CDA must then follow; `keep` takes up the documents of an earlier server in this folder.
    """

    def __init__(
        self,
        directory: Path,
        certificates: Certificates,
        faults: FaultBook,
        *,
        clock: Callable[[], datetime],
        homologation: str | None = None,
        pack: Path | None = None,
        keep: bool = False,
    ) -> None:
        self.patients = PatientDirectory()
        self.calls: list[DmpCall] = []
        self.port = 0
        self._registry = Registry(directory, keep=keep)
        self._certificates = certificates
        self._faults = faults
        self._clock = clock
        authority = certificates.authority_certificate()
        self._judge = VihfJudge(authority, clock, homologation)
        self._judge.is_revoked = certificates.is_revoked
        self._feed = feed.Feed(self._registry, self.patients, authority, clock)
        if pack is not None:
            self._feed.schema = SchemaCheck(pack)
        self._runner: web.AppRunner | None = None

    def set_parameters(self, parameters: Parameters) -> None:
        """Changes what the national service may change from one day to the next."""
        self._feed.parameters = parameters

    def documents(self, patient: str | None = None) -> tuple[StoredDocument, ...]:
        """Documents taken so far, replaced and deleted ones included."""
        return self._registry.documents(patient)

    def put_patient(self, matricule: str, state: DmpState) -> None:
        """Opens, closes... the DMP of a matricule INS."""
        self.patients.put(matricule, state)

    def attach(self, entity: str, *structures: str) -> None:
        """Says which geographic entities a legal entity answers for (Struct_IdNat); from then on others are refused."""
        self._judge.structures[entity] = frozenset(structures)

    @property
    def url(self) -> str:
        """Base URL, to which `/patients`, `/repository` or `/registry` is added."""
        return f"https://localhost:{self.port}{BASE}"

    async def start(self, port: int = 0) -> None:
        application = web.Application(client_max_size=_MAX_BODY)
        for suffix in ("patients", "repository", "registry"):
            application.router.add_post(f"{BASE}/{suffix}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        context = self._certificates.server_context(self._certificates.dmp_server)
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        suffix = request.path.rpartition("/")[2]
        body = await self._received(request, suffix)
        if body is None:
            return cut(request)
        facts = _facts(suffix, body) if self._faults else {}
        await self._faults.delay(Service.DMP, facts)
        fault = self._faults.take(Service.DMP, facts) if self._faults else None
        client = client_certificate(request)
        if client is None or not allows(client, Usage.AUTH_CLI):
            return web.Response(status=403, text="certificat ORG_AUTH_CLI attendu")
        content_type = request.headers.get("Content-Type", "")
        if fault is None or fault.carried_out:
            written = self._answer(suffix, content_type, body, client, fault)
        else:
            written = _claimed(suffix, content_type, body)
        if fault is None:
            return _response(suffix, written)
        if fault.kind is FaultKind.SOAP_FAULT:
            written = replace(written, status=500, parts=())
        written = replace(written, envelope=spoilt_envelope(fault, written.envelope, written.relates_to))
        return await spoilt_exchange(request, fault, _response(suffix, written, fault))

    async def _received(self, request: web.Request, suffix: str) -> bytes | None:
        """The body of a request; `None` when it must be cut while it arrives."""
        if not any(fault.kind is FaultKind.CUT_IN_REQUEST for fault in self._faults.pending()):
            return await request.read()
        received = bytearray()
        async for chunk in request.content.iter_any():
            received += chunk
            if self._faults.take(Service.DMP, _facts(suffix, bytes(received)), (FaultKind.CUT_IN_REQUEST,)):
                return None
        return bytes(received)

    def _answer(
        self, suffix: str, content_type: str, body: bytes, client: x509.Certificate, fault: Fault | None
    ) -> _Written:
        """Judges and carries out a request."""
        content = body
        action = _DEFAULT_ACTION[suffix]
        transaction = _TRANSACTIONS[action]
        parts: tuple[Part, ...] = ()
        relates_to = ""
        try:
            content, received = _opened(suffix, content_type, body)
            envelope = read_envelope(content, _ACTIONS[suffix])
            action, relates_to = envelope.action, envelope.message_id
            transaction = _TRANSACTIONS[action]
            _check_action_parameter(content_type, action)
            transaction, written = self._process(envelope, received, client, fault)
            parts, verdict = written.parts, written.verdict
            answer, status = write_answer(written.body, action=_ANSWERS[action], relates_to=relates_to), 200
        except MalformedPackageError as malformed:
            fault_error = SoapFaultError("", str(malformed))
            answer, verdict, status = write_fault(fault_error, relates_to=""), "fault", 500
        except SoapFaultError as refused:
            answer = write_fault(refused, relates_to=message_id_of(content))
            verdict, status = refused.subcode or "fault", 500
        self.calls.append(DmpCall(transaction, verdict, next(iter(_groups(_MATRICULE, content)), "")))
        return _Written(answer, action, relates_to, status, parts)

    def _process(
        self, envelope: Envelope, parts: dict[str, Part], client: x509.Certificate, fault: Fault | None
    ) -> tuple[str, _Answer]:
        """The transaction that a request is, and its answer."""
        vihf = self._judge.check(envelope.assertion, client)
        ordered = _ordered_refusal(fault, envelope.action)
        if envelope.action == existence.ACTION:
            return Transaction.EXISTENCE, self._exists(envelope, vihf, ordered)
        query: StoredQuery | None = None
        transaction = Transaction(_TRANSACTIONS[envelope.action])
        try:
            if envelope.action == queries.QUERY_ACTION:
                query = read_query(envelope.body)
                transaction = queries.transaction_of(query)
            check_call(transaction, vihf, self.patients)
            if ordered is not None:
                raise RefusedError([ordered])  # noqa: TRY301 - an ordered refusal is answered like any other
            return transaction, self._carry_out(transaction, envelope, parts, vihf, query, ordered_warning(fault))
        except RefusedError as refused:
            return transaction, _refusal(transaction, refused)

    def _exists(self, envelope: Envelope, vihf: Vihf, ordered: RegistryError | None) -> _Answer:
        if ordered is not None:
            raise SoapFaultError("", f"{ordered.code} : {ordered.context}")
        query = existence.read_query(envelope.body)
        if vihf.resource_id != f"{query.matricule}^^^&{query.oid}&ISO^NH":
            raise SoapFaultError("InvalidSecurityToken", "VIHF : resource-id différent du patient demandé")
        state = self.patients.state(query.matricule)
        blocked = self.patients.blocks(query.matricule, vihf.structure, vihf.person)
        return _Answer(existence.write_answer(query, state, blocked=blocked), state)

    def _carry_out(
        self,
        transaction: Transaction,
        envelope: Envelope,
        parts: dict[str, Part],
        vihf: Vihf,
        query: StoredQuery | None,
        warnings: tuple[RegistryError, ...],
    ) -> _Answer:
        if query is not None:
            return _Answer(queries.answer_query(query, self._registry, vihf), _SUCCESS)
        if transaction is Transaction.RETRIEVE:
            body, documents = retrieval.retrieve(envelope.body, self._registry, vihf)
            return _Answer(body, _SUCCESS, documents)
        if transaction is Transaction.FEED:
            return _Answer(write_response((*self._feed.take(envelope.body, parts, vihf), *warnings)), _SUCCESS)
        queries.delete(envelope.body, self._registry, vihf, self.patients, self._clock)
        return _Answer(write_response(warnings), _SUCCESS)


def _opened(suffix: str, content_type: str, body: bytes) -> tuple[bytes, dict[str, Part]]:
    """The envelope of a request and its documents. Raises MalformedPackageError, SoapFaultError."""
    if suffix == "repository":
        package = read_package(content_type, body)
        return package.root.content, package.parts
    _check_content_type(content_type)
    return body, {}


def _claimed(suffix: str, content_type: str, body: bytes) -> _Written:
    """A success of which nothing is true, for an ordered fault to spoil."""
    try:
        relates_to = message_id_of(_opened(suffix, content_type, body)[0])
    except (MalformedPackageError, SoapFaultError):
        relates_to = ""
    action = _DEFAULT_ACTION[suffix]
    envelope = write_answer(write_response(), action=_ANSWERS[action], relates_to=relates_to)
    return _Written(envelope, action, relates_to, 200)


def _response(suffix: str, written: _Written, fault: Fault | None = None) -> web.Response:
    """MTOM on the repository, plain SOAP elsewhere (DMP digest §2.1)."""
    content_type, content = f"{_SOAP_TYPE}; charset=UTF-8", written.envelope
    if suffix == "repository":
        action = _ANSWERS[written.action]
        content_type, content = write_package(written.envelope, action, identity=uuid.uuid4().hex, parts=written.parts)
    if fault is not None:
        content_type, content = spoilt_package(fault, content_type, content)
    return web.Response(body=content, status=written.status, headers={"Content-Type": content_type})


def _refusal(transaction: Transaction, refused: RefusedError) -> _Answer:
    code = refused.errors[0].code
    if transaction in (Transaction.FIND, Transaction.REFERENCE):
        return _Answer(queries.write_query_refusal(refused), code)
    if transaction is Transaction.RETRIEVE:
        return _Answer(retrieval.write_refusal(refused.errors), code)
    return _Answer(write_response(refused.errors), code)


_SUCCESS: Final = "Success"
_DEFAULT_ACTION: Final = {
    "patients": existence.ACTION,
    "repository": feed.ACTION,
    "registry": queries.QUERY_ACTION,
}
"""What a request that cannot be read is counted as."""
_ACTIONS: Final = {
    "patients": frozenset({existence.ACTION}),
    "repository": frozenset({feed.ACTION, retrieval.ACTION}),
    "registry": frozenset({queries.QUERY_ACTION, queries.UPDATE_ACTION}),
}


def _ordered_refusal(fault: Fault | None, action: str) -> RegistryError | None:
    if fault is None or fault.kind not in (FaultKind.REFUSE, FaultKind.TEMPORARY):
        return None
    repository = action in (feed.ACTION, retrieval.ACTION)
    if fault.kind is FaultKind.TEMPORARY:
        usual = "XDSRepositoryBusy" if repository else "XDSRegistryBusy"
    else:
        usual = "XDSRepositoryError" if repository else "XDSRegistryError"
    return RegistryError(fault.code or usual, fault.text or "panne commandée")


def _check_content_type(content_type: str) -> None:
    kind, parameters = media_type(content_type)
    if kind != _SOAP_TYPE or parameters.get("charset", "utf-8").lower() != "utf-8":
        raise SoapFaultError("", "Content-Type application/soap+xml en UTF-8 attendu")


def _check_action_parameter(content_type: str, action: str) -> None:
    if media_type(content_type)[1].get("action", action) != action:
        raise SoapFaultError("ActionMismatch", "paramètre action du Content-Type différent de wsa:Action")


def _facts(suffix: str, body: bytes) -> Facts:
    """What an ordered fault can be matched with; read roughly, before any check."""
    actions = {transaction for action, transaction in _TRANSACTIONS.items() if action.encode() in body}
    return {
        "service": frozenset({suffix}),
        "transaction": frozenset(actions),
        "patient": frozenset(_groups(_MATRICULE, body)),
        "unique_id": frozenset(_groups(_OID, body)),
    }


def _groups(pattern: re.Pattern[bytes], body: bytes) -> set[str]:
    return {group.decode() for match in pattern.finditer(body) for group in match.groups() if group}
