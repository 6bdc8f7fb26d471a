"""The FHIR source: an HTTP server for applications that send documents as PDSm / MHD lots (ITI-65)."""

import asyncio
import ssl
from collections import Counter
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog

from connectors.fhir.session import Session
from connectors.fhir.settings import FhirListenerSettings
from pfi.engine.connector import ConnectorSettings, Intake
from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.fhir.capability import write_capability
from pfi.standards.fhir.parser import load_models
from pfi.standards.x509.contexts import ListenerTlsSettings, listener_context

_BACKLOG = 256
_LAST_SECOND = 1.0

_log = structlog.get_logger(room="fhir")


class FhirListener:
    """`pfi.engine.connector.Source` over HTTP/1.1: plain or TLS, with or without client certificates.

    HTTP is spoken with `h11`, a protocol core without input or output, so that every size and every time is bounded
    here and nothing is answered before the engine has stored it.
    """

    settings_model: type[ConnectorSettings] = FhirListenerSettings

    def __init__(self, name: str, settings: Any, intake: Intake) -> None:
        self.name = name
        self.intake = intake
        self._settings: FhirListenerSettings = settings
        self.limits = self._settings.limits
        self.path = self._settings.path
        self.capability = write_capability(_product_version())
        self._server: asyncio.Server | None = None
        self._port: int = self._settings.port
        self._sessions: dict[Session, asyncio.Task[Any]] = {}
        self._addresses: Counter[str] = Counter()
        self._bundles = 0

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._port

    async def start(self) -> None:
        """Binds and serves. Raises ConfigurationError: `FHIR_BIND`, `FHIR_TLS_CERTIFICATE`, `FHIR_TLS_CA`."""
        settings = self._settings
        context = _tls(settings.tls) if settings.tls is not None else None
        await asyncio.to_thread(load_models)
        try:
            self._server = await asyncio.start_server(
                self._serve,
                settings.host,
                settings.port,
                ssl=context,
                ssl_handshake_timeout=self.limits.handshake_seconds if context is not None else None,
                ssl_shutdown_timeout=_LAST_SECOND if context is not None else None,
                backlog=_BACKLOG,
            )
        except OSError as error:
            raise ConfigurationError(
                "FHIR_BIND",
                f"Impossible d'écouter sur {settings.host}:{settings.port} ({system_reason(error)}).",
                "Vérifier qu'aucun autre programme n'occupe ce port, et que l'adresse est bien celle de ce serveur.",
            ) from None
        self._port = self._server.sockets[0].getsockname()[1]
        _log.info("fhir_listening", listener=self.name, host=settings.host, port=self._port, tls=context is not None)

    async def stop(self, grace: float) -> None:
        """Stops accepting, lets requests under way be answered for `grace` seconds, closes."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for session, task in tuple(self._sessions.items()):
            session.finish()
            if session.idle:
                task.cancel()
        if not await self._ended(grace):
            for task in tuple(self._sessions.values()):
                task.cancel()
            await self._ended(_LAST_SECOND)

    async def _ended(self, seconds: float) -> bool:
        tasks = tuple(self._sessions.values())
        if not tasks:
            return True
        _, unfinished = await asyncio.wait(tasks, timeout=seconds)
        return not unfinished

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        try:
            session = Session(self, reader, writer)
            if task is None or not self._admits(session.host):
                _log.warning("fhir_connection_refused", listener=self.name, address=session.host)
                await session.turn_away()
                return
            self._sessions[session] = task
            self._addresses[session.host] += 1
            try:
                await session.serve()
            finally:
                self._forget(session)
        except asyncio.CancelledError:
            return  # we are stopping: nothing else cancels a session
        except Exception as error:
            # The text of the error stays out of the log: it may quote what was being stored.
            _log.error("fhir_session_failed", listener=self.name, error=type(error).__name__)
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    def _admits(self, host: str) -> bool:
        limits = self.limits
        full = len(self._sessions) >= limits.connections or self._addresses[host] >= limits.connections_per_address
        return not full and self._server is not None

    def _forget(self, session: Session) -> None:
        del self._sessions[session]
        self._addresses[session.host] -= 1
        if not self._addresses[session.host]:
            del self._addresses[session.host]

    # What sessions ask (connectors.fhir.session.Hub) ----------------------------------------------------------------

    def take_place(self) -> bool:
        """Reserves memory for one more Bundle."""
        if self._bundles >= self.limits.bundles:
            return False
        self._bundles += 1
        return True

    def free_place(self) -> None:
        """Gives it back."""
        self._bundles -= 1


def _product_version() -> str:
    try:
        return version("pfi")
    except PackageNotFoundError:
        return ""


def _tls(settings: ListenerTlsSettings) -> ssl.SSLContext:
    context = listener_context(settings, "FHIR")
    context.set_alpn_protocols(["http/1.1"])
    return context
