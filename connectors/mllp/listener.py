"""The MLLP source: a server for the hospital's applications."""

import asyncio
from collections import Counter
from typing import Any

import structlog

from connectors.mllp.session import Session
from connectors.mllp.settings import MllpListenerSettings
from pfi.engine.connector import ConnectorSettings, Intake
from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.x509.contexts import listener_context

_BACKLOG = 256
_LAST_SECOND = 1.0

_log = structlog.get_logger(room="mllp")


class MllpListener:
    """`pfi.engine.connector.Source` over MLLP (hl7v2 digest §7.1): plain TCP or TLS, with or without certificates.

    Every connection is served in order: message, answer, next message. Nothing is read ahead but one message.
    """

    settings_model: type[ConnectorSettings] = MllpListenerSettings

    def __init__(self, name: str, settings: Any, intake: Intake) -> None:
        self.name = name
        self.intake = intake
        self._settings: MllpListenerSettings = settings
        self.limits = self._settings.limits
        self._server: asyncio.Server | None = None
        self._port: int = self._settings.port
        self._sessions: dict[Session, str] = {}
        self._addresses: Counter[str] = Counter()

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._port

    async def start(self) -> None:
        """Binds and serves. Raises ConfigurationError: `MLLP_BIND`, `MLLP_TLS_CERTIFICATE`, `MLLP_TLS_CA`."""
        settings = self._settings
        context = listener_context(settings.tls, "MLLP") if settings.tls is not None else None
        loop = asyncio.get_running_loop()
        handshake = self.limits.handshake_seconds if context is not None else None
        try:
            self._server = await loop.create_server(
                lambda: Session(self),
                settings.host,
                settings.port,
                ssl=context,
                ssl_handshake_timeout=handshake,
                backlog=_BACKLOG,
            )
        except OSError as error:
            raise ConfigurationError(
                "MLLP_BIND",
                f"Impossible d'écouter sur {settings.host}:{settings.port} ({system_reason(error)}).",
                "Vérifier qu'aucun autre programme n'occupe ce port, et que l'adresse est bien celle de ce serveur.",
            ) from None
        self._port = self._server.sockets[0].getsockname()[1]
        _log.info("mllp_listening", listener=self.name, host=settings.host, port=self._port, tls=context is not None)

    async def stop(self, grace: float) -> None:
        """Stops accepting, lets messages under way be answered for `grace` seconds, closes."""
        if self._server is not None:
            self._server.close()
            self._server = None
        sessions = tuple(self._sessions)
        for session in sessions:
            session.finish()
        if await self._ended(sessions, grace):
            return
        for session in tuple(self._sessions):
            session.abort()
        await self._ended(sessions, _LAST_SECOND)
        for session in tuple(self._sessions):
            if session.task is not None:
                session.task.cancel()
        await self._ended(sessions, _LAST_SECOND)

    @staticmethod
    async def _ended(sessions: tuple[Session, ...], seconds: float) -> bool:
        tasks = [session.task for session in sessions if session.task is not None and not session.task.done()]
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=seconds)
            return not unfinished
        return True

    # What sessions ask (connectors.mllp.session.Hub) ----------------------------------------------------------------

    def admit(self, session: Session, host: str) -> bool:
        """Counts a session, unless there are too many, in all or from this address, or we are stopping."""
        limits = self.limits
        full = len(self._sessions) >= limits.connections or self._addresses[host] >= limits.connections_per_address
        if full or self._server is None:
            return False
        self._sessions[session] = host
        self._addresses[host] += 1
        return True

    def forget(self, session: Session) -> None:
        """The session is over: frees its place."""
        host = self._sessions.pop(session, None)
        if host is not None:
            self._addresses[host] -= 1
            if not self._addresses[host]:
                del self._addresses[host]
