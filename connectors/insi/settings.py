"""Settings of the INSi connector. What public texts leave open is a switch here (INS digest §7.2)."""

import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field

from pfi.engine.connector import ConnectorSettings
from pfi.model.profile import Environment
from pfi.standards.x509.secret import Secret

_ACTION: Final = "urn:ServiceIdentiteCertifiee:1.0.0:"
_XML_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*$"


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("une adresse https:// est attendue")
    return url


Url = Annotated[str, AfterValidator(_https)]


class Operation(StrEnum):
    """What is asked. `verify` is the operation meant for software that does not own identities; `search` belongs to
    the identity repository (INS digest §7.1)."""

    VERIFY = "verify"
    SEARCH = "search"


class _Block(ConnectorSettings):
    model_config = ConfigDict(use_attribute_docstrings=True)


class TlsSettings(_Block):
    """Mutual TLS with the organisation certificate dedicated to INSi."""

    certificate: Path
    """INSI_AUTO certificate (or INSI_MANU, with an operator), PEM, followed by its issuers."""
    key: Path
    """Its private key, PEM."""
    key_password: Secret | None = None
    """Password of the key, when it has one."""
    ca: Path
    """Trusted roots for the server's certificate, PEM. The system's own roots are not used."""


class SoftwareSettings(_Block):
    """The authorised software, as the context of every call names it (ContexteLPS)."""

    idam: str = Field(min_length=1, max_length=64)
    """IDAM: identifier of the software, given by the CNDA."""
    instance: uuid.UUID
    """Identifier of this installation, made once."""
    name: str = ""
    """Name of the software; empty = the product's own name."""
    version: str = ""
    """Its version; empty = the product's own version."""


class SearchContract(_Block):
    """`rechercherInsAvecTraitsIdentite`."""

    action: str = f"{_ACTION}rechercherInsAvecTraitsIdentite"
    """SOAP action."""


class VerifyContract(_Block):
    """The verification operation. No public text gives its contract: check these names in the integration guide."""

    action: str = f"{_ACTION}verifierInsAvecTraitsIdentite"
    """SOAP action."""
    namespace: str = "http://www.cnamts.fr/INSiLot2/REQUnitaire"
    """Namespace of the request."""
    element: str = Field(default="IndividuVerifie", pattern=_XML_NAME)
    """Element that holds `INSFourni` and `TraitsIdentiteIndividu`."""
    wrapper: str = Field(default="", pattern=f"{_XML_NAME}|^$")
    """Element around it, when there is one."""
    answer_namespace: str = "http://www.cnamts.fr/INSiLot2/REPUnitaire"
    """Namespace of the answer."""


class TimeoutSettings(_Block):
    """In seconds."""

    connect: float = Field(default=5.0, gt=0)
    """Connection and TLS handshake."""
    read: float = Field(default=15.0, gt=0)
    """Silence while a request is sent or an answer awaited."""
    total: float = Field(default=45.0, gt=0, le=240)
    """The whole verification of one patient, all its calls together."""


class InsiSettings(ConnectorSettings):
    """The teleservice INSi, in the authentication of an organisation (certificate, no card)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    url: Url
    """Address of the service, test or production."""
    tls: TlsSettings
    """Client certificate."""
    issuer: str = Field(min_length=1, max_length=64)
    """`Emetteur` of the contexts: number of the establishment for the Assurance Maladie."""
    software: SoftwareSettings
    """Authorised software."""
    operation: Operation = Operation.VERIFY
    """`verify` (software that does not own identities) or `search` (by traits, for an identity repository)."""
    search: SearchContract = SearchContract()
    """Contract of the search."""
    verify: VerifyContract = VerifyContract()
    """Contract of the verification."""
    environment: Environment = Environment.PRODUCTION
    """Which INS OIDs may be asked about: `production` (NIR, NIA) or `test`."""
    max_calls: int = Field(default=6, ge=1, le=12)
    """Most calls for one patient: one by given name, then with the birth place."""
    pause_seconds: float = Field(default=15.0, ge=0, le=600)
    """Nobody asks for that long after the service could not be reached."""
    timeouts: TimeoutSettings = TimeoutSettings()
    """Time limits."""
    connections: int = Field(default=4, ge=1, le=50)
    """Largest number of connections."""
    proxy: str | None = None
    """HTTP proxy on the way to INSi; the environment's proxies are never used."""
