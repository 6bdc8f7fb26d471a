"""The sandbox's teleservice INSi: HTTPS with the certificate of an organisation, strict reading, answers on demand
(INS digest §7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from connectors.sandbox.certificates import Certificates, Usage, allows
from connectors.sandbox.connection import client_certificate, cut
from connectors.sandbox.faults import Facts, Fault, FaultBook, FaultKind, Service
from connectors.sandbox.insi_register import FOUND, NOBODY, SEVERAL, Found, Identity, Inquiry, NationalBase
from connectors.sandbox.insi_request import SEARCH, VERIFY, InsiFaultError, RequestJudge

PATH: Final = "/lps"
_ENV: Final = "http://www.w3.org/2003/05/soap-envelope"
_ANSWERS: Final = {
    SEARCH: "http://www.cnamts.fr/INSiResultat",
    VERIFY: "http://www.cnamts.fr/INSiLot2/REPUnitaire",
}
_LABELS: Final = {FOUND: "OK", NOBODY: "Aucune identite trouvee", SEVERAL: "Plusieurs identites trouvees"}
_HOLDERS: Final = frozenset({"INSI_AUTO", "INSI_MANU"})
_GIVEN: Final = re.compile(rb"Prenom>([^<]+)<")
_NUMBER: Final = re.compile(rb"NumIdentifiant>([^<]+)<[^>]*>\s*<[^>]*Cle>(\d\d)<")


@dataclass(frozen=True, slots=True)
class InsiCall:
    """One request, for tests: its operation and how it ended (CodeCR, or the code of a fault)."""

    operation: str
    verdict: str


class InsiServer:
    """Serves `/lps` on loopback. `port` is known after `start`; `people` is the national base.

    Ordered faults: `TEMPORARY` answers insi_102 (or `code`); `REFUSE` answers the CodeCR that `code` gives (`01`,
    `02`), else a fault of that code. They can be matched by `operation`, `given` and `patient`.
    """

    def __init__(self, certificates: Certificates, faults: FaultBook, *, clock: Callable[[], datetime]) -> None:
        self.people = NationalBase()
        self.calls: list[InsiCall] = []
        self.port = 0
        self._certificates = certificates
        self._faults = faults
        self._clock = clock
        self._judge = RequestJudge()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}{PATH}"

    async def start(self, port: int = 0) -> None:
        application = web.Application(client_max_size=64 * 1024)
        application.router.add_post(PATH, self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        context = self._certificates.server_context(self._certificates.dmp_server)
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        facts = _facts(content) if self._faults else {}
        await self._faults.delay(Service.INSI, facts)
        fault = self._faults.take(Service.INSI, facts) if self._faults else None
        if fault is not None and fault.kind is FaultKind.CLOSE_BEFORE_ANSWER:
            return cut(request)
        if fault is not None and fault.kind is FaultKind.HTTP_500:
            return web.Response(status=500)
        if fault is not None and fault.kind is FaultKind.HTTP_503:
            return web.Response(status=503, headers={"Retry-After": "1"})
        if not _is_ours(client_certificate(request)):
            return web.Response(status=403, text="certificat INSI_AUTO ou INSI_MANU attendu")
        answer, status = self._answer(content, request.headers.get("Content-Type", ""), fault)
        if fault is not None and fault.kind is FaultKind.CLOSE_AFTER_BODY:
            return cut(request)
        if fault is not None and fault.kind is FaultKind.WRONG_ANSWER:
            answer = answer.replace("CodeCR>", "Code>")
        return web.Response(
            body=answer.encode(), status=status, headers={"Content-Type": "application/soap+xml; charset=UTF-8"}
        )

    def _answer(self, content: bytes, content_type: str, ordered: Fault | None) -> tuple[str, int]:
        operation = ""
        try:
            inquiry = self._judge.read(content, content_type, self._clock())
            operation = inquiry.operation
            found = self._find(inquiry, ordered)
        except InsiFaultError as refused:
            self.calls.append(InsiCall(operation, refused.code))
            return _write_fault(refused), 500
        self.calls.append(InsiCall(operation, found.code))
        return _write_result(operation, found), 200

    def _find(self, inquiry: Inquiry, ordered: Fault | None) -> Found:
        if ordered is not None and ordered.kind is FaultKind.TEMPORARY:
            raise InsiFaultError(ordered.code or "insi_102", ordered.text or "panne commandée", sender=False)
        if ordered is not None and ordered.kind is FaultKind.REFUSE:
            if re.fullmatch(r"\d\d", ordered.code):
                return Found(ordered.code)
            raise InsiFaultError(ordered.code or "sandbox_refused", ordered.text or "refus commandé")
        return self.people.search(inquiry) if inquiry.operation == SEARCH else self.people.verify(inquiry)


def _write_result(operation: str, found: Found) -> str:
    label = _LABELS.get(found.code, "Code commande")
    return _envelope(
        f'<RESULTAT xmlns="{_ANSWERS[operation]}"><CR><CodeCR>{found.code}</CodeCR><LibelleCR>{label}</LibelleCR></CR>'
        f"{'' if found.identity is None else _write_identity(found.identity)}</RESULTAT>"
    )


def _write_identity(identity: Identity) -> str:
    histories = "".join(_write_ins("INSHISTO", former, identity.oid) for former in identity.former)
    return (
        f"<INDIVIDU>{_write_ins('INSACTIF', identity.matricule, identity.oid)}{histories}"
        f"<TIQ><NomNaissance>{escape(identity.name)}</NomNaissance>"
        f"<ListePrenom>{escape(' '.join(identity.given))}</ListePrenom><Sexe>{identity.sex}</Sexe>"
        f"<DateNaissance>{identity.born}</DateNaissance><LieuNaissance>{identity.place}</LieuNaissance></TIQ></INDIVIDU>"
    )


def _write_ins(name: str, matricule: str, oid: str) -> str:
    return (
        f"<{name}><IdIndividu><NumIdentifiant>{matricule[:13]}</NumIdentifiant><Cle>{matricule[13:]}</Cle></IdIndividu>"
        f"<OID>{oid}</OID></{name}>"
    )


def _write_fault(fault: InsiFaultError) -> str:
    side = "Sender" if fault.sender else "Receiver"
    return _envelope(
        f"<S:Fault><S:Code><S:Value>S:{side}</S:Value><S:Subcode><S:Value>S:siram_40</S:Value></S:Subcode></S:Code>"
        f'<S:Reason><S:Text xml:lang="fr">{escape(fault.text)}</S:Text></S:Reason>'
        f'<S:Detail><siram:Erreur xmlns:siram="urn:siram" severite="fatal" code="{escape(fault.code)}">'
        f"{escape(fault.text)}</siram:Erreur></S:Detail></S:Fault>"
    )


def _envelope(body: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="{_ENV}"><S:Body>{body}</S:Body></S:Envelope>'


def _is_ours(certificate: x509.Certificate | None) -> bool:
    """A certificate for clients, made for INSi: that of the DMP is another one (INS digest §7.2)."""
    if certificate is None or not allows(certificate, Usage.AUTH_CLI):
        return False
    names = {str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    return bool(names & _HOLDERS)


def _facts(content: bytes) -> Facts:
    """What an ordered fault can be matched with; read roughly, before any check."""
    return {
        "operation": frozenset(name for name in (SEARCH, VERIFY) if name.encode() in content),
        "given": frozenset(found.decode() for found in _GIVEN.findall(content)),
        "patient": frozenset((number + key).decode() for number, key in _NUMBER.findall(content)),
    }
