"""A connector and the scripted operator that it submits mails to, over TLS with client certificates."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.mssante.connector import MssanteConnector
from connectors.mssante.settings import MssanteSettings
from pfi.standards.x509.authority import TestAuthority
from tests.contract.smtp_server import Script, ScriptedServer
from tests.unit.mssante.material import SURROUNDINGS

DOCTOR = "dr.essai@medecin.mssante.fr"
OFFICE = "secretariat@ch-voisin.mssante.fr"


def real_now() -> datetime:
    return datetime.now(UTC)


class Files:
    """Certificates of one test session, on disk as an integrator would put them."""

    def __init__(self, folder: Path) -> None:
        authority = TestAuthority("AC de test", real_now)
        server = authority.issue("localhost", server_names=("127.0.0.1", "localhost"), key_usage="server")
        client = authority.issue("pfi.app", organization="CH", identifier="1990000001", key_usage="auth_cli")
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(authority.ca_pem)
        self.server = folder / "server.pem"
        self.server.write_bytes(server.cert_pem + server.key_pem)
        self.client = folder / "client.pem"
        self.client.write_bytes(client.cert_pem)
        self.client_key = folder / "client.key"
        self.client_key.write_bytes(client.key_pem)
        stranger = TestAuthority("AC inconnue", real_now).issue("x", key_usage="auth_cli")
        self.stranger = folder / "stranger.pem"
        self.stranger.write_bytes(stranger.cert_pem + stranger.key_pem)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def settings(self, port: int, **changes: Any) -> MssanteSettings:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "ca_bundle": self.ca,
            "client_cert": self.client,
            "client_key": self.client_key,
            "mailbox": "pfi.app@ch-exemple.mssante.fr",
            "mailbox_label": "CH d'Exemple",
            "nil": "9999",
            "source_oid": "1.2.250.1.999.1",
            "timeouts": {"connect": 5, "command": 5, "content": 5},
        }
        return MssanteSettings.model_validate({**values, **changes})


@asynccontextmanager
async def operator(
    files: Files, script: Script | None = None, *, implicit: bool = False, **changes: Any
) -> AsyncIterator[tuple[MssanteConnector, ScriptedServer]]:
    async with ScriptedServer(script or Script(), files.server_context(), implicit=implicit) as server:
        if implicit:
            changes["tls"] = "implicit"
        surroundings = replace(SURROUNDINGS, clock=real_now)
        connector = MssanteConnector(files.settings(server.port, **changes), surroundings)
        await connector.open()
        try:
            yield connector, server
        finally:
            await connector.close()
