"""The sandbox's DMP as an HTTPS server with mutual authentication (DMP digest §1.1 and §2.1)."""

import re
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography import x509

from connectors.sandbox.certificates import Certificates, Usage, allows
from connectors.sandbox.dmp import existence, feed, queries
from connectors.sandbox.dmp.mtom import MalformedPackageError, Part, media_type, read_package, write_package
from connectors.sandbox.dmp.patients import DmpState, PatientDirectory
from connectors.sandbox.dmp.registry import Registry, StoredDocument
from connectors.sandbox.dmp.soap import (
    Envelope,
    SoapFaultError,
    message_id_of,
    read_envelope,
    write_answer,
    write_fault,
)
from connectors.sandbox.dmp.verdict import RefusedError, RegistryError, write_response
from connectors.sandbox.dmp.vihf import VihfJudge
from connectors.sandbox.faults import Facts, Fault, FaultBook, FaultKind, Service

BASE: Final = "/si-dmp-server/v2/services"
_SOAP_TYPE: Final = "application/soap+xml"
_MAX_BODY: Final = 64 * 1024 * 1024
_TRANSACTIONS: Final = {
    existence.ACTION: "TD0.2",
    feed.ACTION: "TD2.1",
    queries.QUERY_ACTION: "TD3.1b",
    queries.UPDATE_ACTION: "TD3.3c",
}
_ANSWERS: Final = {
    existence.ACTION: existence.ANSWER_ACTION,
    feed.ACTION: feed.ANSWER_ACTION,
    queries.QUERY_ACTION: queries.QUERY_ANSWER,
    queries.UPDATE_ACTION: queries.UPDATE_ANSWER,
}
_MATRICULE: Final = re.compile(rb"(\d{6}[0-9AB]\d{8})\^\^\^&amp;|extension=[\"'](\d{6}[0-9AB]\d{8})[\"']")
_OID: Final = re.compile(rb"value=[\"']([0-2](?:\.\d+)+)[\"']|&apos;([0-2](?:\.\d+)+)&apos;|'([0-2](?:\.\d+)+)'")


@dataclass(frozen=True, slots=True)
class DmpCall:
    """One request, for tests and the demo: its transaction and how it ended (`Success`, an error code, `fault`)."""

    transaction: str
    verdict: str


class DmpServer:
    """Serves `/patients`, `/repository` and `/registry` on loopback. `port` is known after `start`.

    `homologation` is the only LPS_ID_HOMOLOGATION_DMP accepted (`None` = any).
    """

    def __init__(
        self,
        directory: Path,
        certificates: Certificates,
        faults: FaultBook,
        *,
        clock: Callable[[], datetime],
        homologation: str | None = None,
    ) -> None:
        self.patients = PatientDirectory()
        self.calls: list[DmpCall] = []
        self.port = 0
        self._registry = Registry(directory)
        self._certificates = certificates
        self._faults = faults
        self._clock = clock
        authority = certificates.authority_certificate()
        self._judge = VihfJudge(authority, clock, homologation)
        self._feed = feed.Feed(self._registry, self.patients, authority, clock)
        self._runner: web.AppRunner | None = None

    def documents(self, patient: str | None = None) -> tuple[StoredDocument, ...]:
        """Documents taken so far, replaced and deleted ones included."""
        return self._registry.documents(patient)

    def put_patient(self, matricule: str, state: DmpState) -> None:
        """Opens, closes... the DMP of a matricule INS."""
        self.patients.put(matricule, state)

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
        body = await request.read()
        suffix = request.path.rpartition("/")[2]
        facts = _facts(suffix, body) if self._faults else {}
        await self._faults.delay(Service.DMP, facts)
        fault = self._faults.take(Service.DMP, facts) if self._faults else None
        if fault is not None and fault.kind is FaultKind.CLOSE_BEFORE_ANSWER:
            return _cut(request)
        if fault is not None and fault.kind is FaultKind.HTTP_500:
            return web.Response(status=500)
        if fault is not None and fault.kind is FaultKind.HTTP_503:
            return web.Response(status=503, headers={"Retry-After": "1"})
        client = _client_certificate(request)
        if client is None or not allows(client, Usage.AUTH_CLI):
            return web.Response(status=403, text="certificat ORG_AUTH_CLI attendu")
        content_type, answer, status = self._answer(
            suffix, request.headers.get("Content-Type", ""), body, client, fault
        )
        if fault is not None and fault.kind is FaultKind.CLOSE_AFTER_BODY:
            return _cut(request)
        if fault is not None and fault.kind is FaultKind.WRONG_ANSWER:
            answer = answer.replace(b"<wsa:RelatesTo>urn:uuid:", b"<wsa:RelatesTo>urn:uuid:f", 1)
        return web.Response(body=answer, status=status, headers={"Content-Type": content_type})

    def _answer(
        self, suffix: str, content_type: str, body: bytes, client: x509.Certificate, fault: Fault | None
    ) -> tuple[str, bytes, int]:
        """Content-Type, body and status of the answer."""
        content = body
        action = feed.ACTION
        try:
            parts: dict[str, Part] = {}
            if suffix == "repository":
                package = read_package(content_type, body, feed.ACTION)
                content, parts = package.root.content, package.parts
            else:
                _check_content_type(content_type)
            envelope = read_envelope(content, _ACTIONS[suffix])
            action = envelope.action
            _check_action_parameter(content_type, action)
            written, verdict = self._process(envelope, parts, client, fault)
            answer, status = write_answer(written, action=_ANSWERS[action], relates_to=envelope.message_id), 200
        except MalformedPackageError as malformed:
            fault_error = SoapFaultError("", str(malformed))
            answer, verdict, status = write_fault(fault_error, relates_to=""), "fault", 500
        except SoapFaultError as refused:
            answer = write_fault(refused, relates_to=message_id_of(content))
            verdict, status = refused.subcode or "fault", 500
        self.calls.append(DmpCall(_TRANSACTIONS[action] if suffix != "patients" else "TD0.2", verdict))
        if suffix == "repository":
            answer_type, packed = write_package(answer, _ANSWERS[feed.ACTION], identity=uuid.uuid4().hex)
            return answer_type, packed, status
        return f"{_SOAP_TYPE}; charset=UTF-8", answer, status

    def _process(
        self, envelope: Envelope, parts: dict[str, Part], client: x509.Certificate, fault: Fault | None
    ) -> tuple[str, str]:
        """The body of the answer, and the verdict to remember."""
        vihf = self._judge.check(envelope.assertion, client)
        ordered = _ordered_refusal(fault, envelope.action)
        if envelope.action == existence.ACTION:
            if ordered is not None:
                raise SoapFaultError("", f"{ordered.code} : {ordered.context}")
            query = existence.read_query(envelope.body)
            if vihf.resource_id != f"{query.matricule}^^^&{query.oid}&ISO^NH":
                raise SoapFaultError("InvalidSecurityToken", "VIHF : resource-id différent du patient demandé")
            state = self.patients.state(query.matricule)
            return existence.write_answer(query, state), state
        try:
            if ordered is not None:
                raise RefusedError([ordered])  # noqa: TRY301 - an ordered refusal is answered like any other
            if envelope.action == feed.ACTION:
                self._feed.take(envelope.body, parts, vihf)
            elif envelope.action == queries.QUERY_ACTION:
                return queries.find_references(envelope.body, self._registry, vihf), "Success"
            else:
                queries.delete(envelope.body, self._registry, vihf, self._clock)
        except RefusedError as refused:
            code = refused.errors[0].code
            if envelope.action == queries.QUERY_ACTION:
                return queries.write_query_refusal(refused), code
            return write_response(refused.errors), code
        return write_response(), "Success"


_ACTIONS: Final = {
    "patients": frozenset({existence.ACTION}),
    "repository": frozenset({feed.ACTION}),
    "registry": frozenset({queries.QUERY_ACTION, queries.UPDATE_ACTION}),
}


def _ordered_refusal(fault: Fault | None, action: str) -> RegistryError | None:
    if fault is None or fault.kind not in (FaultKind.REFUSE, FaultKind.TEMPORARY):
        return None
    repository = action == feed.ACTION
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


def _client_certificate(request: web.Request) -> x509.Certificate | None:
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    der = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
    return x509.load_der_x509_certificate(der) if der else None


def _cut(request: web.Request) -> web.StreamResponse:
    """Cuts the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


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
