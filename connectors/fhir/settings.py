"""Settings of the FHIR listener; a field's description is its documentation."""

from pydantic import ConfigDict, Field

from pfi.engine.connector import ConnectorSettings
from pfi.standards.x509.contexts import ListenerTlsSettings


class _Block(ConnectorSettings):
    model_config = ConfigDict(use_attribute_docstrings=True)


class ListenerLimits(_Block):
    """Nothing that a sender does may grow without bound."""

    max_body_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=1024 * 1024 * 1024)
    """Largest Bundle. A bigger one is refused (413)."""
    max_head_bytes: int = Field(default=16 * 1024, ge=1024, le=1024 * 1024)
    """Largest request line and headers together (431)."""
    head_seconds: float = Field(default=10.0, gt=0)
    """Longest time for the headers of a request to arrive once they have begun."""
    body_seconds: float = Field(default=60.0, gt=0)
    """Longest time for a Bundle to arrive once its headers have (408)."""
    idle_seconds: float = Field(default=60.0, gt=0)
    """Longest silence before a request on an open connection."""
    send_seconds: float = Field(default=30.0, gt=0)
    """Longest time for a sender to take the answer."""
    handshake_seconds: float = Field(default=10.0, gt=0)
    """Longest TLS handshake."""
    connections: int = Field(default=200, ge=1, le=10_000)
    """Connections at once, in total (503 above)."""
    connections_per_address: int = Field(default=50, ge=1, le=10_000)
    """Connections at once from one IP address (503 above)."""
    bundles: int = Field(default=16, ge=1, le=1000)
    """Bundles being received or taken at once: with `max_body_bytes`, what bounds memory (503 above)."""
    retry_after_seconds: int = Field(default=10, ge=1, le=3600)
    """`Retry-After` of a 503."""


class FhirListenerSettings(ConnectorSettings):
    """Where senders post their lots."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; `0.0.0.0` or `::` for every interface."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port; 0 = any free one."""
    path: str = Field(default="/fhir", pattern=r"^(/[A-Za-z0-9._~-]+)+$")
    """Base of the FHIR server: lots are posted there, the CapabilityStatement is at `<path>/metadata`."""
    tls: ListenerTlsSettings | None = None
    """Encryption; none = plain HTTP, for a network that is protected otherwise."""
    limits: ListenerLimits = ListenerLimits()
    """Bounds."""
