"""Settings of the MLLP listener and of the MLLP connector; a field's description is its documentation."""

from pathlib import Path
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from pfi.engine.connector import ConnectorSettings
from pfi.standards.x509.contexts import ListenerTlsSettings
from pfi.standards.x509.secret import Secret


class _Block(ConnectorSettings):
    model_config = ConfigDict(use_attribute_docstrings=True)


class ListenerLimits(_Block):
    """Nothing that a sender does may grow without bound."""

    max_frame_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=1024 * 1024 * 1024)
    """Largest message. A bigger one is refused and its connection closed."""
    frame_seconds: float = Field(default=60.0, gt=0)
    """Longest time for the whole of a message to arrive once it has begun."""
    idle_seconds: float = Field(default=0.0, ge=0)
    """Longest silence between two messages; 0 = no limit (senders keep their connections open for days)."""
    send_seconds: float = Field(default=30.0, gt=0)
    """Longest time for a sender to take the acknowledgment."""
    handshake_seconds: float = Field(default=10.0, gt=0)
    """Longest TLS handshake."""
    connections: int = Field(default=500, ge=1, le=10_000)
    """Connections at once, in total."""
    connections_per_address: int = Field(default=100, ge=1, le=10_000)
    """Connections at once from one IP address."""


class MllpListenerSettings(ConnectorSettings):
    """Where senders (DPI, SGL, RIS, identity repository) connect."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; `0.0.0.0` or `::` for every interface."""
    port: int = Field(default=2575, ge=0, le=65535)
    """Port; 0 = any free one."""
    tls: ListenerTlsSettings | None = None
    """Encryption; none = plain TCP, for a network that is protected otherwise."""
    limits: ListenerLimits = ListenerLimits()
    """Bounds."""


class ClientTlsSettings(_Block):
    """TLS toward a neighbour, TLS 1.2 at least."""

    ca: Path
    """Authorities that the neighbour's certificate must chain to, PEM. The system's own roots are never used."""
    certificate: Path | None = None
    """Our certificate, PEM, when the neighbour asks for one."""
    key: Path | None = None
    """Its private key, PEM; by default in the same file."""
    key_password: Secret | None = None
    """Password of the key, when it has one."""
    server_name: str = ""
    """Name to find in the neighbour's certificate; by default `host`."""

    @model_validator(mode="after")
    def _key_with_certificate(self) -> Self:
        if self.certificate is None and (self.key is not None or self.key_password is not None):
            raise ValueError("« key » et « key_password » n'ont pas de sens sans « certificate »")
        return self


class ConnectorTimeouts(_Block):
    """Longest waits, in seconds."""

    connect: float = Field(default=10.0, gt=0)
    """TCP connection and TLS handshake."""
    answer: float = Field(default=30.0, gt=0)
    """From the first byte of a message to its acknowledgment; then its fate is unknown."""


class MllpSettings(ConnectorSettings):
    """Where a neighbour (DPI, SGL, RIS) listens for ZAM and MDM messages."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    host: str = Field(min_length=1)
    """Name or address of the neighbour."""
    port: int = Field(ge=1, le=65535)
    """Its port."""
    tls: ClientTlsSettings | None = None
    """Encryption; none = plain TCP."""
    timeouts: ConnectorTimeouts = ConnectorTimeouts()
    """Longest waits."""
    max_answer_bytes: int = Field(default=1024 * 1024, ge=1024)
    """Largest acknowledgment read."""
