"""The whole sandbox: starts and stops every service together."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from connectors.sandbox.annuaire import KEY, AnnuaireServer
from connectors.sandbox.certificates import LEGAL_ENTITY, Certificates
from connectors.sandbox.control import ControlServer
from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.dmp.server import BASE, DmpServer
from connectors.sandbox.dpi import DpiServer
from connectors.sandbox.faults import FaultBook
from connectors.sandbox.insi_server import InsiServer
from connectors.sandbox.light import DmpSink, SmtpSink
from connectors.sandbox.operator.answers import Answer
from connectors.sandbox.operator.mailboxes import APPLICATION_MAILBOX, MailboxState
from connectors.sandbox.operator.server import OperatorServer
from pfi.model.clock import Clock, system_clock

STRUCTURE: Final = "1990000025"
"""Struct_IdNat of the invented geographic entity: `1` and a FINESS."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports to listen on; 0 = any free one."""

    dmp: int = 0
    smtp: int = 0
    dpi: int = 0
    dpi_tls: int = 0
    control: int = 0
    insi: int = 0
    imap: int = 0
    annuaire: int = 0


class Sandbox:
    """All mock services and their control endpoint on loopback; `async with Sandbox(directory) as sandbox`.

    Everything it writes is under `directory` (certificates, documents, mailboxes). `light=True` replaces the DMP and
    the operator by sinks that accept everything, for benchmarks; `dmp` and `operator` then stay idle. `homologation` is
    the only LPS_ID_HOMOLOGATION_DMP accepted (`None` = any), `pack` the folder of a validation pack: the DMP then
    applies its XML schema. `keep`: the DMP takes up the documents that an earlier sandbox left in the folder.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ports: Ports = Ports(),
        light: bool = False,
        clock: Clock = system_clock,
        homologation: str | None = None,
        pack: Path | None = None,
        keep: bool = False,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory.resolve()
        self.light = light
        self.faults = FaultBook()
        self.certificates = Certificates(self.directory / "certificates", clock=clock)
        self.dmp = DmpServer(
            self.directory / "dmp",
            self.certificates,
            self.faults,
            clock=clock,
            homologation=homologation,
            pack=pack,
            keep=keep,
        )
        self.operator = OperatorServer(self.directory / "mailboxes", self.certificates, self.faults, clock=clock)
        self.dpi = DpiServer(self.certificates, self.faults, clock=clock)
        self.insi = InsiServer(self.certificates, self.faults, clock=clock)
        self.annuaire = AnnuaireServer(self.certificates, lambda: self.operator.mailboxes.white_list)
        self.control = ControlServer(self.faults, self.state, self._put_patient, self._put_mailbox, self._answer)
        self.dmp_sink = DmpSink()
        self.smtp_sink = SmtpSink()
        self._ports = ports

    async def start(self) -> None:
        """Binds everything; raises OSError when a port is taken."""
        if self.light:
            await self.dmp_sink.start(self.certificates, self._ports.dmp)
            await self.smtp_sink.start(self.certificates, self._ports.smtp)
        else:
            await self.dmp.start(self._ports.dmp)
            await self.operator.start(self._ports.smtp, self._ports.imap)
            await self.insi.start(self._ports.insi)
            await self.annuaire.start(self._ports.annuaire)
        await self.dpi.start(self._ports.dpi, self._ports.dpi_tls)
        await self.control.start(self._ports.control)

    async def stop(self) -> None:
        services = (self.control, self.annuaire, self.insi, self.dpi, self.operator, self.dmp)
        for service in (*services, self.smtp_sink, self.dmp_sink):
            await service.stop()

    async def __aenter__(self) -> "Sandbox":
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def dmp_port(self) -> int:
        return self.dmp_sink.port if self.light else self.dmp.port

    @property
    def smtp_port(self) -> int:
        return self.smtp_sink.port if self.light else self.operator.port

    def configuration(self) -> dict[str, Any]:
        """Settings by which an engine reaches this sandbox: one block a service, plain values only."""
        base = f"https://localhost:{self.dmp_port}{BASE}"
        files = self.certificates
        ca = str(files.ca)
        return {
            "dmp": {
                "urls": {name: f"{base}/{name}" for name in ("repository", "registry", "patients")},
                "tls": {"certificate": str(files.auth_cli.certificate), "key": str(files.auth_cli.key), "ca": ca},
                "signing": {"certificate": str(files.sign.certificate), "key": str(files.sign.key)},
                "structure": {"identifier": STRUCTURE, "name": "CH DU BAC A SABLE", "sector": "SA01"},
                "source_oid": "1.2.250.1.999.7",
                "responsible": {"identifier": f"3{STRUCTURE[1:]}/PFI", "family": "PFI", "given": "Automate"},
                "product": {"homologation": "BAC-A-SABLE"},
                "environment": "test",
            },
            "mssante": {
                "host": "localhost",
                "port": self.smtp_port,
                "tls": "starttls",
                "ca_bundle": ca,
                "client_cert": str(files.mssante.certificate),
                "client_key": str(files.mssante.key),
                "mailbox": APPLICATION_MAILBOX,
                "nil": "BAC-A-SABLE",
                "reports_folder": str(self.operator.mailboxes.folder(APPLICATION_MAILBOX)),
                "source_oid": "1.2.250.1.999.7",
            },
            "imap": {"port": self.operator.imap.port},
            "dpi": {
                "host": "127.0.0.1",
                "port": self.dpi.port,
                "tls_port": self.dpi.tls_port,
                "ca": ca,
                "client_certificate": str(files.auth_cli.certificate),
                "client_key": str(files.auth_cli.key),
            },
            "insi": {
                "url": self.insi.url,
                "tls": {"certificate": str(files.insi.certificate), "key": str(files.insi.key), "ca": ca},
                "issuer": STRUCTURE,
                "software": {"idam": "BAC-A-SABLE", "instance": "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026"},
                "environment": "test",
            },
            "annuaire": {"url": self.annuaire.url, "key": KEY, "ca": ca},
            "white_list": {
                "url": self.annuaire.white_list_url,
                "ca": ca,
                "file": str(self.directory / "white-list.xml"),
            },
            "control": {"url": self.control.url},
            "legal_entity": LEGAL_ENTITY,
        }

    def state(self) -> dict[str, Any]:
        """What arrived so far, without any content."""
        if self.light:
            return {
                "light": True,
                "dmp_requests": self.dmp_sink.taken,
                "mails": self.smtp_sink.taken,
                "zams": len(self.dpi.zams),
            }
        return {
            "light": False,
            "documents": [document.summary() for document in self.dmp.documents()],
            "dmp_calls": [{"transaction": call.transaction, "verdict": call.verdict} for call in self.dmp.calls],
            "insi_calls": [{"operation": call.operation, "verdict": call.verdict} for call in self.insi.calls],
            "mails": [mail.summary() for mail in self.operator.mails],
            "mail_refusals": list(self.operator.refusals),
            "mailboxes": {
                address: len(self.operator.mailboxes.messages(address))
                for address in self.operator.mailboxes.addresses()
            },
            "zams": [zam.summary() for zam in self.dpi.zams],
            "filed": [document.summary() for document in self.dpi.filed],
            "zam_refusals": list(self.dpi.refusals),
        }

    def _put_patient(self, matricule: str, state: str) -> None:
        self.dmp.put_patient(matricule, DmpState(state))

    def _answer(self, recipient: str, kind: str, code: str, message_id: str) -> None:
        self.operator.answer(recipient, Answer(kind), code=code, message_id=message_id)

    def _put_mailbox(self, address: str, state: str) -> None:
        self.operator.mailboxes.create(address, MailboxState(state))
