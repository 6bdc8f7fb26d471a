"""Settings of the MSSanté connector; a field's description is its documentation."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pfi.engine.connector import ConnectorSettings
from pfi.model.errors import ConfigurationError
from pfi.standards.mail import address
from pfi.standards.x509.secret import Secret


class Tls(StrEnum):
    """How the connection is encrypted; there is no way to send in clear."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Sasl(StrEnum):
    """What is said after TLS (MSSanté digest §3.2): the operator decides."""

    NONE = "none"
    EXTERNAL = "external"
    PLAIN = "plain"
    LOGIN = "login"


class Reports(StrEnum):
    """When reports of success are asked for; failures and delays always are, when the operator can report."""

    ON_REQUEST = "on_request"
    ALWAYS = "always"


class PatientAddress(StrEnum):
    """Where the patient's address may come from."""

    COMPUTE = "compute"
    REQUIRE_PRT = "require_prt"


class Timeouts(BaseModel):
    """Longest waits, in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    connect: float = Field(default=15.0, gt=0)
    """TCP connection, greeting and TLS handshake."""
    command: float = Field(default=60.0, gt=0)
    """Answer to one command."""
    content: float = Field(default=300.0, gt=0)
    """Transfer of a mail and the operator's final answer; then its fate is unknown."""


class WhiteListSettings(BaseModel):
    """The trust space: who may be written to, and whose mails are taken (MSSanté digest §11)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    file: Path
    """Where the last good list is kept. A list put there by hand serves without `url`."""
    url: str | None = Field(default=None, pattern=r"^https://[^/\s]+/\S*$")
    """Where the list is published; none = only the file."""
    ca: Path | None = None
    """PEM certificates that the source's own must chain to (IGC Santé); obligatory with `url`."""
    hours: float = Field(default=24.0, gt=0)
    """Time between two downloads."""
    domains: tuple[str, ...] = ()
    """Domains admitted besides those of the list."""
    proxy: str | None = None
    """HTTP proxy on the way to the source; the environment's proxies are never used."""

    @model_validator(mode="after")
    def _authorities_with_url(self) -> Self:
        if self.url is not None and self.ca is None:
            raise ValueError("« ca » est obligatoire avec « url »")
        return self


class ImapSasl(StrEnum):
    """How an IMAP session is opened after TLS (MSSanté digest §3.2): the operator decides."""

    NONE = "none"
    """Nothing is said: the server knows us by the certificate as soon as TLS is there (PREAUTH)."""
    EXTERNAL = "external"
    PLAIN = "plain"
    LOGIN = "login"
    XOAUTH2 = "xoauth2"


class ImapFolders(BaseModel):
    """Folders of a mailbox where mails go once they are taken; created when they are not there."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    documents: str = Field(default="Traités", min_length=1)
    """Mails whose documents were filed."""
    reports: str = Field(default="Accusés", min_length=1)
    """Notifications (DSN, MDN) that were understood."""
    attention: str = Field(default="À voir", min_length=1)
    """Mails that a person should look at."""


class InboxAccount(BaseModel):
    """What one mailbox has of its own; what is not given is that of the connector."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    username: str = ""
    """User name; by default the address of the mailbox."""
    password: Secret | None = None
    """Password (`plain`, `login`) or access token (`xoauth2`): `{file: …}` or `{env: …}`, read at each connection."""
    client_cert: Path | None = None
    """PEM certificate (and chain) of this mailbox."""
    client_key: Path | None = None
    """PEM private key of that certificate; by default in the same file."""
    key_password: Secret | None = None
    """Password of the private key: `{file: …}` or `{env: …}`."""


class ImapSettings(BaseModel):
    """Reading of the PFI's mailboxes (MSSanté digest §9)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: str = ""
    """IMAP server of the operator; by default the submission server."""
    port: int = Field(default=143, ge=1, le=65535)
    """Port of the IMAP server."""
    tls: Tls = Tls.STARTTLS
    """`starttls`, what the référentiel asks for, or `implicit` for operators that listen on 993."""
    sasl: ImapSasl | None = None
    """Authentication after TLS; by default the connector's, and `external` where that is `none`."""
    mailboxes: dict[str, InboxAccount] = Field(default_factory=dict)
    """Mailboxes to read, by address; by default the connector's own, opened as for sending."""
    folder: str = Field(default="INBOX", min_length=1)
    """Folder where mails arrive."""
    folders: ImapFolders = ImapFolders()
    """Where they go once taken."""
    max_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    """Largest mail that is read; of a larger one the header only, and a person must look."""
    idle_seconds: float = Field(default=300.0, gt=0, le=1740)
    """How long the server is waited on (IDLE) before the waiting is renewed; less than 29 minutes (RFC 2177)."""
    poll_seconds: float = Field(default=60.0, gt=0)
    """Pause between two looks at servers that do not offer IDLE."""
    retry_seconds: float = Field(default=300.0, gt=0)
    """A mail that could not be taken is taken up again after this time."""
    patience_seconds: float = Field(default=60.0, ge=0)
    """A session that is lost is opened again, with growing pauses, for this long before the failure is told."""

    @field_validator("mailboxes")
    @classmethod
    def _addresses(cls, value: dict[str, InboxAccount]) -> dict[str, InboxAccount]:
        known = {address.normalize(written): account for written, account in value.items()}
        if None in known:
            raise ValueError("adresse de messagerie attendue pour chaque boîte")
        if len({name.lower() for name in known if name is not None}) != len(value):
            raise ValueError("une boîte est nommée deux fois")
        return {name: account for name, account in known.items() if name is not None}


class MssanteSettings(ConnectorSettings):
    """One mailbox of the PFI (BAL applicative) and the operator that relays its mails."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    host: str = Field(min_length=1)
    """Submission server of the operator."""
    port: int = Field(default=587, ge=1, le=65535)
    """Port of the submission server."""
    tls: Tls = Tls.STARTTLS
    """`starttls`, what the référentiel asks for, or `implicit` for operators that listen on 465."""
    ca_bundle: Path
    """PEM certificates of IGC Santé that the operator's certificate must chain to. The system's store is never used."""
    crl: tuple[Path, ...] = ()
    """Revocation lists of IGC Santé, PEM or DER, read again when they change; one file or several. Empty = revocation
    is not checked."""
    crl_required: bool = False
    """Refuse a certificate, ours or the operator's, of which no current list tells whether it is revoked."""
    authorities: Path | None = None
    """PEM certificates that our own must chain to; without them its chain is left to the operator."""
    client_cert: Path | None = None
    """PEM certificate (and chain) of the mailbox, usage AUTH_CLI."""
    client_key: Path | None = None
    """PEM private key of that certificate; by default in the same file."""
    key_password: Secret | None = None
    """Password of the private key: `{file: …}` or `{env: …}`."""
    sasl: Sasl = Sasl.NONE
    """Authentication after TLS."""
    username: str = ""
    """User name of the mailbox; by default its address."""
    password: Secret | None = None
    """Password, for `plain` and `login`: `{file: …}` or `{env: …}`."""

    mailbox: str
    """Address of the PFI's own mailbox: `From` of every mail, and where notifications come back."""
    mailbox_label: str = ""
    """Name shown beside the address."""
    mailboxes: dict[str, str] = Field(default_factory=dict)
    """Further mailboxes of the same account, name to address: a rule of the site chooses one by its name. Their
    notifications must reach the same `reports_folder`."""
    nil: str = Field(min_length=1)
    """Product reference given by ANS (NIL), sent as X-MSS-NIL on every mail."""
    source_oid: str = Field(pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$")
    """OID of the establishment: sourceId of the archives."""
    establishment: str = ""
    """Name of the establishment, for the texts of mails and archives; by default the custodian of the document."""
    establishment_id: str = ""
    """Its national identifier (`1` + FINESS), for README.TXT."""
    establishment_address: str = ""
    """Its postal address, for README.TXT."""
    establishment_phone: str = ""
    """Its telephone number, for README.TXT."""
    publisher: str = ""
    """Publisher of this software, for README.TXT."""

    replacement_in_subject: bool = False
    """Put « [Annule et remplace] » before the Subject of a replacement: a habit of some software, not normative."""
    patient_address: PatientAddress = PatientAddress.COMPUTE
    """`compute` a patient's address from the qualified INS when no PRT gives it, or refuse (`require_prt`)."""
    reports: Reports = Reports.ON_REQUEST
    """Ask for reports of success only when the sender asks (ACK_RECEPTION = Y), or always."""
    reports_folder: Path | None = None
    """Folder where the operator's notifications (DSN) for this mailbox arrive, one `.eml` file each. With it, Z02 waits
    for the notification; without it, Z02 tells the operator's own answer."""
    max_bytes: int | None = Field(default=None, gt=0)
    """Largest mail to professionals, encoded; the operator's own SIZE applies in any case."""
    max_bytes_patient: int | None = Field(default=25_000_000, gt=0)
    """Largest mail to a patient, encoded: Mon espace santé refuses more than 25 MB."""
    white_list: WhiteListSettings | None = None
    """White list of the trust space; none = the operator's own check is trusted."""
    ehlo_name: str = "pfi.localdomain"
    """Host name that we give to the operator (EHLO)."""
    connections: int = Field(default=4, ge=1, le=50)
    """Connections to the operator at once."""
    keep_seconds: float = Field(default=30.0, ge=0)
    """How long an idle connection is kept for the next mail; 0 = closed at once."""
    pipelining: bool = True
    """Send MAIL, RCPT and DATA together when the operator announces PIPELINING (RFC 2920)."""
    timeouts: Timeouts = Timeouts()
    """Longest waits."""
    imap: ImapSettings | None = None
    """Reading of mailboxes over IMAP; without it nothing is read."""

    @field_validator("crl", mode="before")
    @classmethod
    def _one_list_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str | Path) else value

    @field_validator("mailbox")
    @classmethod
    def _mailbox_is_an_address(cls, value: str) -> str:
        normalized = address.normalize(value)
        if normalized is None:
            raise ValueError("adresse de messagerie attendue")
        return normalized

    @field_validator("mailboxes")
    @classmethod
    def _mailboxes_are_addresses(cls, value: dict[str, str]) -> dict[str, str]:
        normalized = {name: address.normalize(written) for name, written in value.items()}
        wrong = [name for name, known in normalized.items() if known is None or not name.strip()]
        if wrong:
            raise ValueError(f"un nom et une adresse de messagerie attendus pour « {wrong[0]} »")
        return {name: known for name, known in normalized.items() if known is not None}

    @field_validator("nil", "ehlo_name")
    @classmethod
    def _one_word(cls, value: str) -> str:
        if not re.fullmatch(r"[\x21-\x7e]{1,200}", value):
            raise ValueError("un mot en ASCII attendu, sans espace")
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.sasl in (Sasl.PLAIN, Sasl.LOGIN) and self.password is None:
            raise ValueError(f"« password » est obligatoire avec « sasl: {self.sasl} »")
        if self.sasl in (Sasl.NONE, Sasl.EXTERNAL) and self.client_cert is None:
            raise ValueError(f"« client_cert » est obligatoire avec « sasl: {self.sasl} »")
        if self.client_cert is None and (self.client_key or self.key_password):
            raise ValueError("« client_key » et « key_password » n'ont pas de sens sans « client_cert »")
        return self

    def sender(self, mailbox: str) -> str:
        """Address of a mailbox by its name, the usual one when empty. Raises ConfigurationError for an unknown name."""
        if not mailbox:
            return self.mailbox
        if mailbox not in self.mailboxes:
            raise ConfigurationError(
                "MSS_MAILBOX_UNKNOWN",
                f"Une règle du site envoie par la boîte « {mailbox} », que la configuration ne connaît pas : rien ne "
                "part.",
                "Ajouter cette boîte aux réglages du connecteur MSSanté (« mailboxes »), ou corriger la règle.",
            )
        return self.mailboxes[mailbox]

    @property
    def user(self) -> str:
        """User name for SASL."""
        return self.username or self.mailbox
