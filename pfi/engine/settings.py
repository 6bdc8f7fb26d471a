"""The configuration of an engine: one YAML file, checked before anything starts.

`docs/configuration.md` and `schemas/config.schema.json` are generated from these models (`pfi config reference`,
`pfi config schema`): a field's description is its documentation.
"""

from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pfi.engine.mailroom.settings import ReceptionSettings
from pfi.engine.senders import SenderSettings
from pfi.model.decision import Channel
from pfi.model.parties import NOWHERE, Establishment
from pfi.model.profile import Environment, SenderProfile
from pfi.model.submission import MessageHeader

DATABASE_VARIABLE = "PFI_DATABASE_URL"
"""Environment variable that holds the URL of the hospital's own PostgreSQL; it wins over the file."""


class _Model(BaseModel):
    """Unknown keys are refused: a misspelt switch must never be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SiteSettings(_Model):
    oid_root: str = "2.25"
    """Root OID of the establishment, under which identifiers are created. Default: the UUID arc, no registration."""


class DatabaseSettings(_Model):
    url: SecretStr | None = None
    """PostgreSQL URL of the hospital's own server. `PFI_DATABASE_URL` wins over it. None = embedded server."""
    pool: int = Field(default=12, ge=2, le=200)
    """Largest number of connections of one engine process."""


class VerificationSettings(_Model):
    connector: str = "insi"
    """Entry point of the verifier (`pfi.verifiers`)."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of that verifier."""
    when: Literal["never", "before_sending"] = "never"
    """`before_sending`: the INS and its traits are verified before each delivery to the DMP or to the citizen. A
    verification confirms or stops; it never qualifies. `never`: only `pfi insi verify` asks."""
    unavailable: Literal["wait", "send"] = "wait"
    """When the service cannot answer: the delivery waits for its next try, or leaves unverified."""
    max_age_hours: float = Field(default=24.0, ge=0, le=168)
    """How long a confirmation holds for the same INS and traits, in the memory of one process."""


class DirectorySettings(_Model):
    connector: str = "annuaire"
    """Entry point of the directory (`pfi.directories`)."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of that directory."""


class InsSettings(_Model):
    environment: Environment = Environment.PRODUCTION
    """Which INS OIDs may leave: `production` (NIR, NIA) or `test` (test and demonstration OIDs)."""
    verification: VerificationSettings | None = None
    """Verification of identities by the national teleservice INSi. None (the default) = nobody is asked."""


class ListenerSettings(_Model):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Stable name, part of the deduplication key of its messages."""
    source: str = "mllp"
    """Entry point of the source (`pfi.sources`)."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of that source (`docs/configuration.md`, section of the source)."""


class RetrySettings(_Model):
    first_seconds: float = Field(default=30.0, gt=0)
    """Wait before the second attempt."""
    factor: float = Field(default=2.0, ge=1)
    """Each later wait is this many times the one before (with up to 20 % of jitter)."""
    longest_seconds: float = Field(default=3600.0, gt=0)
    """No wait is longer."""
    max_attempts: int = Field(default=40, ge=1)
    """Then the delivery is given up, with its last reason."""


class DestinationSettings(_Model):
    connector: str
    """Entry point of the connector (`pfi.connectors`)."""
    channels: frozenset[Channel]
    """Channels that this destination carries. A channel has one destination for each establishment."""
    establishments: tuple[str, ...] = ()
    """Geographic establishments (EG) or legal entities (EJ) whose documents leave by this destination, as messages name
    them (FINESS, OID or name); the geographic one wins. Empty = every establishment that no other destination of the
    channel names."""
    concurrency: int = Field(default=8, ge=1, le=200)
    """Attempts under way at once: first ones and retries together in each process, retries over the whole cluster."""
    slow_start: int = Field(default=2, ge=1, le=200)
    """Attempts under way at once when the engine starts, and after a stop. They double as they end well, up to
    `concurrency`; they are halved when the destination says that it is busy, or cannot be reached."""
    retry: RetrySettings = RetrySettings()
    """Schedule of retries."""
    pause_seconds: float = Field(default=300.0, gt=0)
    """How long the circuit breaker keeps the destination closed before it probes it. A destination that is only busy or
    away, even for one attempt at a time, is closed for `retry.first_seconds`, then twice as long each time, at most for
    this long."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of that connector."""

    @field_validator("establishments")
    @classmethod
    def _establishments_have_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in value):
            raise ValueError("un établissement sans nom")
        return value


class LimitSettings(_Model):
    open_deliveries: int = Field(default=50_000, ge=1)
    """Back-pressure: above this number of unfinished deliveries, intake answers AR (come again)."""
    pace_seconds: float = Field(default=3.0, ge=0)
    """How long an acknowledgment may be kept back while this process has more documents in hand than it can deliver."""
    dsn_hours: float = Field(default=72.0, gt=0)
    """A mail for which no DSN came within this time is reported Z02 = N, code 420."""
    body_days: int = Field(default=30, ge=1)
    """Retention of message bodies, in days, once everything about them is finished."""


class LogSettings(_Model):
    format: Literal["console", "json"] = "console"
    """`json`: one object a line."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe event written."""


class ValidationSettings(_Model):
    pack: Path | None = None
    """Folder of an official validation pack (ANS `TestContenuCDA`). Default: the one that `pfi validation-pack import`
    has installed under `data_dir`; without any, nothing is validated."""
    incomplete: Literal["refuse", "accept"] = "refuse"
    """What the pack lacks (a file, a value set, the version of a volet) leaves documents not validated: they are not
    fed to the DMP, or they are, with a warning."""
    workers: int = Field(default=1, ge=1, le=32)
    """Validation processes; each validates 50 to 100 documents a second."""
    seconds_per_document: float = Field(default=30.0, gt=0, le=120)
    """A process that takes longer over one document is replaced."""


class AlertSettings(_Model):
    discharge_letter: Literal["received", "every_stay", "off"] = "received"
    """Discharge letters not delivered to the médecin traitant on the day of discharge (CSP R. 1112-1-2): those that
    reached the PFI (`received`), also stays of class I discharged without any letter (`every_stay`), or no alert."""
    timezone: str = "Europe/Paris"
    """IANA time zone of the hospital, in which a day ends."""
    late_grace_minutes: float = Field(default=15.0, ge=0)
    """A letter received after the day of discharge raises an alert unless it is delivered within this time."""
    oldest_days: int | None = Field(default=None, ge=1)
    """Older discharges raise no new alert (loading of old documents). None = no limit; 14 days for stays without
    letter."""
    check_seconds: float = Field(default=30.0, ge=0)
    """Time between two checks."""

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"fuseau horaire inconnu « {name} » (exemple : Europe/Paris)") from error
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.timezone)


class CrlSettings(_Model):
    url: str = Field(pattern=r"^https?://[^/\s]+/\S*$")
    """Where the authority publishes its revocation list."""
    file: Path
    """File that receives it, for the `crl` of connectors. Kept as it is when a newer list cannot be fetched."""
    authorities: Path
    """Certificates of the authorities that may sign it, PEM: any other list is refused."""


class CertificateSettings(_Model):
    warn_days: tuple[int, ...] = (60, 30, 7)
    """Days before the end of a certificate at which an alert says so."""
    check_seconds: float = Field(default=60.0, gt=0)
    """Time between two looks at the files: a renewed certificate is in use after that time, without restart."""
    crl: tuple[CrlSettings, ...] = ()
    """Revocation lists to fetch. Empty = nothing is fetched."""
    crl_hours: float = Field(default=6.0, gt=0)
    """Time between two fetches."""
    crl_proxy: str | None = None
    """HTTP proxy on the way to the lists; the environment's proxies are never used."""


class Settings(_Model):
    """The whole configuration file."""

    data_dir: Path = Path("data")
    """Where the embedded PostgreSQL and working files live."""
    site: SiteSettings = SiteSettings()
    """Who we are."""
    ins: InsSettings = InsSettings()
    """National identity."""
    database: DatabaseSettings = DatabaseSettings()
    """The store."""
    nomenclature: Path | None = None
    """Folder of code tables that replace those shipped with the PFI (`pfi nomenclature refresh`); a table that it does
    not have stays the shipped one."""
    rules: tuple[Path, ...] = ()
    """Rule files. Empty = the ones shipped with the PFI (`routing_rules/`)."""
    listeners: tuple[ListenerSettings, ...] = ()
    """Where messages come in."""
    senders: tuple[SenderSettings, ...] = ()
    """Known senders."""
    unknown_senders: Literal["accept", "refuse"] = "accept"
    """A message of no configured sender: read with the defaults, or AE."""
    destinations: dict[str, DestinationSettings] = Field(default_factory=dict)
    """Where documents go, by name."""
    limits: LimitSettings = LimitSettings()
    """Bounds."""
    logs: LogSettings = LogSettings()
    """Logs."""
    validation: ValidationSettings = ValidationSettings()
    """Official validation pack."""
    alerts: AlertSettings = AlertSettings()
    """What operators are told of."""
    certificates: CertificateSettings = CertificateSettings()
    """Watch over certificates."""
    reception: ReceptionSettings = ReceptionSettings()
    """What is done with received mails."""
    directory: DirectorySettings | None = None
    """Directory of MSSanté mailboxes, for the rules of the site that leave an address to it (`annuaire: true`) and for
    `pfi annuaire`. None (the default) = nobody is asked."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Settings":
        for what, names in (
            ("listeners", [listener.name for listener in self.listeners]),
            ("senders", [sender.name for sender in self.senders]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} : le nom « {twice[0]} » est utilisé deux fois")
        carried: dict[tuple[Channel, str], str] = {}
        for name, destination in self.destinations.items():
            for channel in destination.channels:
                for place in map(_as_compared, destination.establishments or ("",)):
                    other = carried.setdefault((channel, place), name)
                    if other != name:
                        told = f" pour l'établissement « {place} »" if place else ""
                        raise ValueError(
                            f"destinations : le canal {channel} est porté par « {other} » et par « {name} »{told}"
                        )
        return self

    def destination_of(self, channel: Channel, establishment: Establishment = NOWHERE) -> str | None:
        """Name of the destination that carries a channel for an establishment. Never that of another establishment:
        `None` when no destination names this one and none serves whoever is not named."""
        carriers = [(name, each) for name, each in self.destinations.items() if channel in each.channels]
        for place in filter(None, map(_as_compared, (establishment.eg, establishment.ej))):
            for name, destination in carriers:
                if place in map(_as_compared, destination.establishments):
                    return name
        return next((name for name, destination in carriers if not destination.establishments), None)

    def carries(self, channel: Channel) -> bool:
        """Whether a channel has any destination."""
        return any(channel in destination.channels for destination in self.destinations.values())

    def sender_of(self, header: MessageHeader, listener: str = "") -> SenderSettings | None:
        """The configured sender of a message, the most precise match first."""
        found = [sender for sender in self.senders if sender.matches(header, listener)]
        found.sort(key=lambda sender: (sender.match.facility == "", sender.match.listener == ""))
        return found[0] if found else None

    def profile_of(self, header: MessageHeader, listener: str = "") -> SenderProfile:
        """The switches that apply to a message."""
        sender = self.sender_of(header, listener)
        environment = self.ins.environment
        return sender.profile(environment) if sender else SenderProfile(environment=environment)


def _as_compared(establishment: str) -> str:
    """Establishments are compared as written, but for case and blanks around."""
    return establishment.strip().casefold()
