"""Settings of the DMP connector. What the public texts leave open is a switch here (DMP digest §8)."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, field_validator

from pfi.engine.connector import ConnectorSettings
from pfi.model.errors import ConfigurationError, system_reason
from pfi.model.profile import Environment
from pfi.standards import nomenclature
from pfi.standards.xmlsign.algorithms import Digest

OID_PATTERN: Final = r"^[0-2](\.(0|[1-9]\d*))+$"


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("une adresse https:// est attendue")
    return url


Url = Annotated[str, AfterValidator(_https)]
Oid = Annotated[str, Field(pattern=OID_PATTERN, max_length=64)]


class _Block(ConnectorSettings):
    model_config = ConfigDict(use_attribute_docstrings=True)


class DmpUrls(_Block):
    """One URL per service: test hosts are assigned by CNDA and differ from the production ones."""

    repository: Url
    """TD2.1, feeding (ITI-41): `…/services/repository`."""
    registry: Url
    """TD3.1b and TD3.3c, reference search and deletion (ITI-18, ITI-57): `…/services/registry`."""
    patients: Url
    """TD0.2, existence test: `…/services/patients`."""


class TlsSettings(_Block):
    """Mutual TLS with the ORG_AUTH_CLI certificate of the legal entity."""

    certificate: Path
    """ORG_AUTH_CLI certificate, PEM, followed by its issuers."""
    key: Path
    """Its private key, PEM."""
    key_password: SecretStr | None = None
    """Password of the key, when it has one."""
    ca: Path
    """Trusted roots for the server's certificate (IGC Santé), PEM. The system's own roots are not used."""


class SigningSettings(_Block):
    """The ORG_SIGN certificate, which signs the VIHF and the lots."""

    certificate: Path
    """ORG_SIGN certificate, PEM, followed by its issuers."""
    key: Path
    """Its private key, PEM."""
    key_password: SecretStr | None = None
    """Password of the key, when it has one."""
    vihf_digest: Digest = Digest.SHA256
    """Algorithm of the VIHF signature."""
    lot_digest: Digest = Digest.SHA256
    """Algorithm of the XAdES signature of the lot; `sha1` is what old public samples use."""
    lot_chain: bool = False
    """List the issuers' certificates in the XAdES signature too, not only the signer's."""


class StructureSettings(_Block):
    """Used when a message does not say which structure sends (PRT SB, PRT-8)."""

    identifier: str = Field(pattern=r"^\d[0-9A-Za-z]{8,19}$")
    """Struct_IdNat: `1` followed by the FINESS géographique."""
    name: str
    """Name of the structure."""
    sector: str = Field(default="SA01", pattern=r"^SA\d\d$")
    """Activity sector (`Secteur_Activite` of the VIHF), in JDV_J61."""


class ResponsibleSettings(_Block):
    """Who is responsible for the automated flow, when a message names nobody (PRT SB, PRT-5)."""

    identifier: str
    """PSIdNat (`8` + RPPS), or an internal identifier of the structure (`3` + FINESS + `/` + identifier)."""
    family: str
    """Family name."""
    given: str = ""
    """Given name."""


class VihfSettings(_Block):
    """What the texts leave open in the VIHF."""

    version: str = Field(default="3.0", pattern=r"^[1-9]\.\d$")
    """`VIHF_Version`: `3.0` (every public sample) or `4.0` (table of the volet)."""
    mode_attribute: str = "Authentification_Mode"
    """Name of the attribute that carries `INDIRECTE`; some samples write `Authentification_mode`."""
    authentication_class: str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
    """SAML class of the user's local authentication."""
    role: str = "AUTOMATE"
    """Role when the message does not give the sender's profession (TRE_A00)."""
    role_label: str = "Automate"
    """Its label."""
    role_system: Oid = "1.2.250.1.213.1.1.4.6"
    """Its code system."""
    secret_connection_code: str = "INVISIBLE_REPRESENTANTS_LEGAUX"  # noqa: S105 - a public code
    """Value that marks a « connexion secrète » (OBX CONNEXION_SECRETE = Y)."""
    lifetime_seconds: float | None = Field(default=None, gt=0, le=3600)
    """Validity written in the assertion; none by default."""

    @property
    def lifetime(self) -> timedelta | None:
        return None if self.lifetime_seconds is None else timedelta(seconds=self.lifetime_seconds)


class ProductSettings(_Block):
    """Product data of the DMP homologation."""

    name: str = ""
    """`LPS_Nom`, as homologated; empty = the product's own name."""
    version: str = ""
    """`LPS_Version`, as homologated; empty = the product's own version."""
    identifier: str = ""
    """`LPS_ID`, optional."""
    homologation: SecretStr | None = None
    """Homologation number: a secret. Prefer one of the two keys below."""
    homologation_file: Path | None = None
    """File that holds it."""
    homologation_env: str = "PFI_DMP_HOMOLOGATION"
    """Environment variable that holds it."""

    def homologation_number(self) -> str:
        """The number, from the key, the file or the environment, in this order. Raises ConfigurationError."""
        if self.homologation is not None:
            return self.homologation.get_secret_value()
        if self.homologation_file is not None:
            try:
                return self.homologation_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigurationError(
                    "DMP_HOMOLOGATION_UNREADABLE",
                    f"Fichier du numéro d'homologation DMP illisible ({system_reason(error)}).",
                    "Vérifier product.homologation_file.",
                ) from None
        return os.environ.get(self.homologation_env, "")


class ExistenceSettings(_Block):
    """TD0.2 before a feed."""

    enabled: bool = True
    """Ask whether the patient has an active DMP before feeding it."""
    cache_seconds: float = Field(default=300.0, ge=0, le=86_400)
    """How long an answer is remembered for one INS."""
    cache_size: int = Field(default=10_000, ge=1)
    """Largest number of answers remembered."""


class TimeoutSettings(_Block):
    """In seconds."""

    connect: float = Field(default=10.0, gt=0)
    """Connection and TLS handshake."""
    write: float = Field(default=60.0, gt=0)
    """Silence while the request is being sent."""
    read: float = Field(default=60.0, gt=0)
    """Silence while the answer is awaited."""


class DmpSettings(ConnectorSettings):
    """The DMP, in indirect authentication with the certificates of the establishment."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    urls: DmpUrls
    """Services."""
    tls: TlsSettings
    """Client certificate."""
    signing: SigningSettings
    """Signature certificate."""
    structure: StructureSettings
    """Default structure."""
    source_oid: Oid
    """OID of the sending system (`sourceId` of the lot)."""
    responsible: ResponsibleSettings | None = None
    """Responsible for the automated flow."""
    product: ProductSettings = ProductSettings()
    """Homologated product."""
    vihf: VihfSettings = VihfSettings()
    """VIHF switches."""
    existence: ExistenceSettings = ExistenceSettings()
    """Existence test."""
    timeouts: TimeoutSettings = TimeoutSettings()
    """Time limits."""
    environment: Environment = Environment.PRODUCTION
    """Which INS OIDs may leave: `production` (NIR, NIA) or `test`."""
    accept_nia: bool = True
    """Accept an NIA as patient key; the official texts disagree on it."""
    default_content_type: str = "97"
    """contentTypeCode (JDV_J59) when PV1-2 proposes none."""
    class_codes: dict[str, str] = Field(default_factory=dict)
    """classCode of types that have none in the official table, such as `101881-1`."""
    allow_masked_and_invisible: bool = False
    """The DMP accepts MASQUE_PS and INVISIBLE_PATIENT on one document (its parameter
    `cumul-invisible_patient-masque_ps`)."""
    max_document_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Larger documents are refused before sending; the DMP publishes no limit. The default lets a CDA around a PDF of
    20 MB pass."""
    connections: int = Field(default=16, ge=1, le=200)
    """Largest number of connections."""
    proxy: str | None = None
    """HTTP proxy on the way to the DMP; the environment's proxies are never used."""

    @field_validator("default_content_type")
    @classmethod
    def _known_content_type(cls, value: str) -> str:
        if nomenclature.content_type_code(value) is None:
            raise ValueError("code absent du jeu de valeurs JDV_J59")
        return value
