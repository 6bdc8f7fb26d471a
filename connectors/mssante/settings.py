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
    crl: Path | None = None
    """PEM revocation list of the operator's authority; without it revocation is not checked."""
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
    ehlo_name: str = "pfi.localdomain"
    """Host name that we give to the operator (EHLO)."""
    connections: int = Field(default=4, ge=1, le=50)
    """Connections to the operator at once."""
    keep_seconds: float = Field(default=30.0, ge=0)
    """How long an idle connection is kept for the next mail; 0 = closed at once."""
    timeouts: Timeouts = Timeouts()
    """Longest waits."""

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
