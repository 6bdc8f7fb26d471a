"""Settings of the Annuaire Santé; a field's description is its documentation."""

from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from pfi.engine.connector import ConnectorSettings
from pfi.standards.x509.secret import Secret

MAX_RATE: Final = 17
"""Requests a second that the service grants to one application (directory digest §2)."""


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("une adresse https:// est attendue")
    return url


def _base(url: str) -> str:
    checked = _https(url).rstrip("/")
    if not checked.endswith("/v2"):
        raise ValueError("l'adresse de l'API finit par /v2 : sans version, le service répond avec une autre")
    return checked


class _Block(ConnectorSettings):
    model_config = ConfigDict(use_attribute_docstrings=True)


class ExtractSettings(_Block):
    """The daily open data file of mailboxes, imported by `pfi annuaire import` (directory digest §3)."""

    file: Path = Path("data/annuaire.sqlite")
    """SQLite file that the import writes, in the data directory of the engine."""
    url: Annotated[str, AfterValidator(_https)] = (
        "https://service.annuaire.sante.fr/annuaire-sante-webservices/V300/services/extraction/"
        "Extraction_Correspondance_MSSante"
    )
    """Where `pfi annuaire import --fetch` downloads the extraction."""
    ca: Path | None = None
    """PEM certificates that the source's own must chain to (IGC Santé); obligatory for `--fetch`."""
    max_age_days: float = Field(default=3.0, gt=0)
    """An older extraction no longer answers before the API, and `pfi check` says so."""


class TimeoutSettings(_Block):
    """In seconds."""

    connect: float = Field(default=10.0, gt=0)
    """Connection and TLS handshake."""
    read: float = Field(default=35.0, gt=0)
    """Silence while an answer is awaited; the service itself gives up after 30."""
    total: float = Field(default=60.0, gt=0, le=240)
    """One lookup, all its requests and tries together."""


class CacheSettings(_Block):
    """What the memory of one process keeps of lookups."""

    found_hours: float = Field(default=24.0, ge=0)
    """How long a mailbox that was found holds."""
    nothing_hours: float = Field(default=1.0, ge=0)
    """How long « unknown » and « several » hold."""
    entries: int = Field(default=10_000, ge=1)
    """Answers kept at once; the oldest go first."""


class AnnuaireSettings(ConnectorSettings):
    """The Annuaire Santé: its FHIR API, the extraction of the day, or both."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    url: Annotated[str, AfterValidator(_base)] = "https://gateway.api.esante.gouv.fr/fhir/v2"
    """FHIR API, version 2."""
    key: Secret | None = None
    """Key of the API (`ESANTE-API-KEY`): `{file: …}` or `{env: …}`. Without it the API is never asked."""
    ca: Path | None = None
    """PEM authorities for the API's certificate. The host is a public one: by default, the public authorities shipped
    with the PFI (certifi). The system's store is never used."""
    extract: ExtractSettings | None = None
    """Extraction of the day, asked before the API."""
    white_list: Path | None = None
    """White list of the trust space (the `white_list.file` of the MSSanté connector): an e-mail that the directory
    publishes without its type is taken when its domain is in the list. Without it, such e-mails are left out."""
    requests_per_second: float = Field(default=10.0, gt=0, le=MAX_RATE)
    """Requests a second, for the whole process; the service grants 17 to one application."""
    attempts: int = Field(default=3, ge=1, le=6)
    """Tries of one request when the service is busy (429), fails (5xx) or cannot be reached."""
    pause_seconds: float = Field(default=30.0, ge=0, le=600)
    """Nobody asks for that long after the service could not be reached."""
    timeouts: TimeoutSettings = TimeoutSettings()
    """Time limits."""
    cache: CacheSettings = CacheSettings()
    """Memory of answers."""
    connections: int = Field(default=4, ge=1, le=20)
    """Largest number of connections."""
    proxy: str | None = None
    """HTTP proxy on the way out; the environment's proxies are never used."""

    @model_validator(mode="after")
    def _something_to_ask(self) -> Self:
        if self.key is None and self.extract is None:
            raise ValueError("donner « key » (API), « extract » (extraction du jour), ou les deux")
        return self
