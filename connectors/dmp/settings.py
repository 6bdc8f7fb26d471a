"""Settings of the DMP connector. What the public texts leave open is a switch here (DMP digest §8)."""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from pfi.engine.connector import ConnectorSettings
from pfi.model.profile import Environment
from pfi.standards import nomenclature
from pfi.standards.saml.vihf import Mode
from pfi.standards.x509.secret import Secret
from pfi.standards.xmlsign.algorithms import Digest

STRUCTURE_PATTERN: Final = r"^\d[0-9A-Za-z]{8,19}$"
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


class KeyFiles(_Block):
    """A certificate of a legal entity and its private key."""

    certificate: Path
    """Certificate, PEM, followed by its issuers."""
    key: Path
    """Its private key, PEM."""
    key_password: Secret | None = None
    """Password of the key, when it has one: `{file: …}` or `{env: …}`."""


class TlsSettings(KeyFiles):
    """Mutual TLS with the ORG_AUTH_CLI certificate of the legal entity."""

    ca: Path
    """Trusted roots for the server's certificate (IGC Santé), PEM. The system's own roots are not used."""


class SigningSettings(KeyFiles):
    """The ORG_SIGN certificate, which signs the VIHF and the lots."""

    vihf_digest: Digest = Digest.SHA256
    """Algorithm of the VIHF signature."""
    lot_digest: Digest = Digest.SHA256
    """Algorithm of the XAdES signature of the lot; `sha1` is what old public samples use."""
    lot_chain: bool = False
    """List the issuers' certificates in the XAdES signature too, not only the signer's."""


class StructureSettings(_Block):
    """Used when a message does not say which structure sends (PRT SB, PRT-8)."""

    identifier: str = Field(pattern=STRUCTURE_PATTERN)
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
    mode: Literal[Mode.INDIRECT, Mode.REINFORCED] = Mode.INDIRECT
    """`INDIRECTE`: the establishment answers for its automated flows. `INDIRECTE_RENFORCEE` (AIR): it also declares how
    its users authenticate."""
    declaration: str = Field(default="APP_BROWSER_AUTH", pattern=r"^[A-Z][A-Z0-9_]{1,63}$")
    """Local authentication declared in AIR (`AuthnContextDecl`); simplified AIR takes `CONF_EXI_PGSSIS` only."""
    mode_attribute: str = "Authentification_Mode"
    """Name of the attribute that carries the mode; some samples write `Authentification_mode`."""
    authentication_class: str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
    """SAML class of the user's local authentication (`…:Password`, `…:SmartcardPKI`, `…:unspecified`)."""
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
    homologation: Secret = Secret(env="PFI_DMP_HOMOLOGATION")
    """Homologation number, a secret: `{file: …}` or `{env: …}`; by default the variable `PFI_DMP_HOMOLOGATION`."""


class CertificateSettings(_Block):
    """How certificates are checked, ours and the server's."""

    authorities: Path | None = None
    """Authorities that issued our own certificates, PEM; by default those of `tls.ca`."""
    crl: tuple[Path, ...] = ()
    """Revocation lists of IGC Santé, PEM or DER, read again when they change. Empty = revocation is not checked."""
    crl_required: bool = False
    """Refuse a certificate, ours or the server's, of which no current list tells whether it is revoked."""


class EntitySettings(_Block):
    """A further legal entity that sends through this destination, with certificates of its own."""

    legal_entity: str = Field(pattern=STRUCTURE_PATTERN)
    """Struct_IdNat of the legal entity (`1` + FINESS EJ), as its certificates name it."""
    establishments: tuple[str, ...] = ()
    """Its geographic establishments (FINESS, with or without the leading `1`), and the names or OIDs that messages use
    for it and for them."""
    tls: KeyFiles
    """Its ORG_AUTH_CLI certificate."""
    signing: KeyFiles
    """Its ORG_SIGN certificate."""
    structure: StructureSettings
    """Its default structure."""
    responsible: ResponsibleSettings | None = None
    """Responsible for its automated flow."""


class ExistenceSettings(_Block):
    """TD0.2 before a feed."""

    enabled: bool = True
    """Ask whether the patient has an active DMP before feeding it."""
    cache_seconds: float = Field(default=300.0, ge=0, le=86_400)
    """How long an active DMP is remembered, for one patient, the same traits and the same sender."""
    negative_cache_seconds: float = Field(default=30.0, ge=0, le=86_400)
    """The same for a closed or absent DMP: shorter, for a document is then refused for good, and a DMP may open."""
    cache_size: int = Field(default=10_000, ge=1)
    """Largest number of answers remembered."""
    blocked_values: tuple[str, ...] = ("INTERDITE",)
    """Values of AUTORISATION by which the DMP says that the patient has blocked the professional or the structure. The
    list of its values is in the integration guide, which is not public."""


class TimeoutSettings(_Block):
    """In seconds."""

    connect: float = Field(default=10.0, gt=0)
    """Connection and TLS handshake."""
    write: float = Field(default=60.0, gt=0)
    """Silence while the request is being sent."""
    read: float = Field(default=60.0, gt=0)
    """Silence while the answer is awaited."""


class ConsultationMode(StrEnum):
    """How a professional who consults is authenticated (DMP digest §1.2)."""

    OFF = "off"
    """Plain indirect authentication: the DMP gives nothing to read."""
    AIR = "air"
    """Authentification indirecte renforcée."""
    DIRECT = "direct"
    """The professional's own certificates."""


class ConsultationSettings(_Block):
    """Reading the DMP for a professional (TD3.1a, TD3.2): a mode of its own, with rights of its own."""

    mode: ConsultationMode = ConsultationMode.OFF
    """`off`: refused with the reason. `air`: the establishment vouches for the user's authentication. `direct`: the
    certificates below are the professional's."""
    declaration: str = Field(default="CONF_EXI_PGSSIS", pattern=r"^[A-Z][A-Z0-9_]{1,63}$")
    """AIR: what is declared of the user's authentication; simplified AIR accepts this one value (EX_AIR-050)."""
    authentication_class: str = ""
    """SAML class of the user's authentication; empty = `vihf.authentication_class`."""
    urls: DmpUrls | None = None
    """Services of this mode; absent = the same as for feeding."""
    tls: KeyFiles | None = None
    """Direct: authentication certificate of the professional. AIR: absent = ORG_AUTH_CLI."""
    signing: KeyFiles | None = None
    """Direct: signature certificate of the professional. AIR: absent = ORG_SIGN."""

    @model_validator(mode="before")
    @classmethod
    def _mode_alone(cls, value: Any) -> Any:
        """`consultation: air`; YAML reads a bare `off` as false."""
        if value is False or isinstance(value, str):
            return {"mode": value or "off"}
        if isinstance(value, dict) and value.get("mode") is False:
            return {**value, "mode": "off"}
        return value

    @model_validator(mode="after")
    def _direct_has_certificates(self) -> Self:
        if self.mode is ConsultationMode.DIRECT and (self.tls is None or self.signing is None):
            raise ValueError("le mode direct demande les certificats du professionnel (tls et signing)")
        return self


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
    legal_entity: str = Field(default="", pattern=rf"{STRUCTURE_PATTERN}|^$")
    """Struct_IdNat of the legal entity (`1` + FINESS EJ) that the certificates must name; empty = not checked."""
    establishments: tuple[str, ...] = ()
    """Geographic establishments of this legal entity (FINESS, with or without the leading `1`), and the names or OIDs
    that messages use for it and for them. Empty = whoever sends, unless there are further `entities`."""
    entities: tuple[EntitySettings, ...] = ()
    """Further legal entities. The entity is chosen by the establishment that sends the document; an establishment of
    none of them is refused."""
    certificates: CertificateSettings = CertificateSettings()
    """Checks of certificates."""
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
    consultation: ConsultationSettings = ConsultationSettings()
    """Consultation by a professional (`pfi dmp find`, `pfi dmp get`)."""
    blocked_codes: tuple[str, ...] = ()
    """Error codes by which the DMP says that the patient has blocked the professional or the structure (annex A7-1 of
    the integration guide, which is not public): told to the sender as `DMP_BLOCKED`, never tried again."""
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

    @model_validator(mode="after")
    def _entities_are_apart(self) -> Self:
        if not self.entities:
            return self
        if not self.legal_entity:
            raise ValueError("avec « entities », donner aussi « legal_entity » pour la première entité")
        owners: dict[str, str] = {}
        for entity in self.each_entity():
            for name in entity.known_as:
                if owners.setdefault(name, entity.legal_entity) != entity.legal_entity:
                    raise ValueError(f"l'établissement « {name} » est donné à deux entités juridiques")
        entities = [entity.legal_entity for entity in self.each_entity()]
        twice = sorted({each for each in entities if entities.count(each) > 1})
        if twice:
            raise ValueError(f"l'entité juridique « {twice[0]} » est donnée deux fois")
        return self

    def each_entity(self) -> tuple["DmpSettings", ...]:
        """The settings of each legal entity, as if it were alone: its own certificates, structure and responsible."""
        own = self.model_copy(update={"entities": ()})
        return (
            own,
            *(
                own.model_copy(
                    update={
                        "legal_entity": entity.legal_entity,
                        "establishments": entity.establishments,
                        "tls": self.tls.model_copy(update=dict(entity.tls)),
                        "signing": self.signing.model_copy(update=dict(entity.signing)),
                        "structure": entity.structure,
                        "responsible": entity.responsible,
                    }
                )
                for entity in self.entities
            ),
        )

    @property
    def known_as(self) -> frozenset[str]:
        """Names of this entity and of its establishments, as `plain` writes them."""
        return frozenset(
            plain(name) for name in (self.legal_entity, self.structure.identifier, *self.establishments) if name
        )


_FINESS: Final = re.compile(r"^1?(\d[0-9AB]\d{7})$")


def plain(name: str) -> str:
    """An establishment in one writing: a FINESS without its leading `1`, anything else in lower case."""
    stripped = name.strip()
    found = _FINESS.match(stripped.upper())
    return found[1] if found else stripped.casefold()


def finess(name: str) -> str:
    """The FINESS that a name is, nine characters; empty when it is something else."""
    found = _FINESS.match(name.strip().upper())
    return found[1] if found else ""
