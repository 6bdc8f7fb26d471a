"""TLS contexts of the connectors: what every one of them loads, and the server side of those that listen."""

import ssl
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, model_validator

from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.x509.secret import Secret, read_secret


class ClientCertificates(StrEnum):
    """What a listener asks of the senders during the TLS handshake."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


_VERIFICATION: Final = {
    ClientCertificates.NONE: ssl.CERT_NONE,
    ClientCertificates.OPTIONAL: ssl.CERT_OPTIONAL,
    ClientCertificates.REQUIRED: ssl.CERT_REQUIRED,
}


class ListenerTlsSettings(BaseModel):
    """TLS 1.2 at least; without this block the listener speaks in clear."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    certificate: Path
    """Certificate of this server, PEM, followed by its issuers."""
    key: Path
    """Its private key, PEM."""
    key_password: Secret | None = None
    """Password of the key, when it has one."""
    ca: Path | None = None
    """Authorities of the senders' certificates, PEM. The system's own roots are never used."""
    client_certificates: ClientCertificates = ClientCertificates.REQUIRED
    """Whether senders must show a certificate of `ca`: `none`, `optional` or `required`."""

    @model_validator(mode="after")
    def _authorities_given(self) -> Self:
        if self.client_certificates is not ClientCertificates.NONE and self.ca is None:
            raise ValueError(f"« ca » est obligatoire avec « client_certificates: {self.client_certificates} »")
        return self


def listener_context(settings: ListenerTlsSettings, service: str) -> ssl.SSLContext:
    """The server side of a listener. Raises ConfigurationError (`<service>_TLS_CERTIFICATE`, `<service>_TLS_CA`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    password = read_secret(settings.key_password, "key_password")
    load_pair(context, settings.certificate, settings.key, password, code=f"{service}_TLS_CERTIFICATE", service=service)
    if settings.ca is not None:
        load_authorities(context, settings.ca, code=f"{service}_TLS_CA", service=service)
    context.verify_mode = _VERIFICATION[settings.client_certificates]
    return context


def load_pair(
    context: ssl.SSLContext, certificate: Path, key: Path | None, password: str, *, code: str, service: str
) -> None:
    """Our certificate and its key (`None`: in the same file). Raises ConfigurationError of that code."""
    try:
        # A callable, so that OpenSSL never asks for a password on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: password)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            code,
            f"Certificat {service} {certificate} ou sa clé inutilisable ({_reason(error)}).",
            "Vérifier les deux fichiers (PEM), leurs droits et le mot de passe de la clé.",
        ) from None


def load_authorities(context: ssl.SSLContext, path: Path, *, code: str, service: str) -> None:
    """Authorities, or revocation lists, to trust; never the system's own. Raises ConfigurationError of that code."""
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ConfigurationError(
            code,
            f"Autorités de certification {service} illisibles : {path} ({_reason(error)}).",
            "Donner un fichier PEM d'autorités.",
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "erreur TLS"
    if isinstance(error, OSError):
        return system_reason(error)
    return "format non reconnu"
