"""The MLLP message connector: carries ZAM and MDM messages to the hospital's applications."""

import asyncio
import ssl
from typing import Any, Final

from connectors.mllp.client import MllpClient, UnansweredError, UnreachableError
from connectors.mllp.settings import MllpSettings
from connectors.mllp.tls import client_context
from pfi.engine.connector import CheckResult, ConnectorSettings, OutboundMessage, Surroundings
from pfi.model.acknowledgment import AckCode, AckError
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.errors import SenderDataError
from pfi.standards.hl7v2.ack import AckReading, read_ack
from pfi.standards.hl7v2.consumer_ack import judge

_APPLICATION_ERROR: Final = "207"


class MllpConnector:
    """`pfi.engine.connector.MessageConnector` over MLLP: one kept connection, message, answer, next message.

    An answer counts only when MSA-2 is MSH-10 of the message: a late answer to an earlier one is never taken for it.
    """

    settings_model: type[ConnectorSettings] = MllpSettings

    def __init__(self, settings: Any, surroundings: Surroundings) -> None:
        self._settings: MllpSettings = settings
        self._client: MllpClient | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Loads certificates. Raises ConfigurationError (`MLLP_TLS_CERTIFICATE`, `MLLP_TLS_CA`)."""
        self._client = self._new_client()

    async def close(self) -> None:
        """Ends the connection."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def check(self) -> tuple[CheckResult, ...]:
        """Connects (and authenticates, with TLS); sends nothing."""
        settings = self._settings
        subject = f"MLLP {settings.host}:{settings.port}"
        async with self._new_client() as client:
            try:
                await client.connect()
            except UnreachableError as error:
                return (CheckResult(subject, ok=False, text=f"{error.text} {error.next_step}"),)
        return (CheckResult(subject, ok=True, text="Connexion établie."),)

    async def send_message(self, message: OutboundMessage) -> Outcome:
        """AA (CA) = delivered; AE (CE) = refused; AR (CR), unreachable = not delivered; no answer = unknown."""
        async with self._turn:
            if self._client is None:
                self._client = self._new_client()
            try:
                raw = await self._client.exchange(
                    message.content, is_answer=lambda raw: _acknowledges(raw, message.control_id)
                )
            except UnreachableError as error:
                return Outcome(OutcomeKind.NOT_DELIVERED, error.code, error.text)
            except UnansweredError as error:
                return Outcome(OutcomeKind.UNKNOWN, error.code, error.text)
        return _outcome(read_ack(raw))

    def _new_client(self) -> MllpClient:
        settings = self._settings
        context: ssl.SSLContext | None = client_context(settings.tls) if settings.tls is not None else None
        return MllpClient(
            settings.host,
            settings.port,
            ssl_context=context,
            server_name=settings.tls.server_name if settings.tls is not None else "",
            timeout=settings.timeouts.answer,
            connect_timeout=settings.timeouts.connect,
            max_answer=settings.max_answer_bytes,
        )


def _acknowledges(raw: bytes, control_id: str) -> bool:
    try:
        return read_ack(raw).acknowledged_control_id == control_id
    except SenderDataError:
        return False


def _outcome(reading: AckReading) -> Outcome:
    match reading.code:
        case AckCode.AA:
            return Outcome(OutcomeKind.DELIVERED)
        case AckCode.AE:
            error = judge(reading).error or AckError("")
            code = error.err5 if error.err3 == _APPLICATION_ERROR and error.err5 else error.err3
            evidence = {"ERR-2": error.location, "ERR-3": error.err3, "ERR-5": error.err5}
            return Outcome(
                OutcomeKind.REFUSED,
                code or AckCode.AE.value,
                f"Le logiciel destinataire a refusé le message ({code or 'sans code d’erreur'}).",
                evidence={name: value for name, value in evidence.items() if value},
            )
        case AckCode.AR:
            return Outcome(
                OutcomeKind.NOT_DELIVERED,
                AckCode.AR.value,
                "Le logiciel destinataire demande de représenter le message plus tard.",
            )
