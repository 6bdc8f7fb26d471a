"""The TLS context of the listener."""

import ssl
from typing import Final

from connectors.fhir.settings import ClientCertificates, ListenerTlsSettings
from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.x509.secret import read_secret

_VERIFICATION: Final = {
    ClientCertificates.NONE: ssl.CERT_NONE,
    ClientCertificates.OPTIONAL: ssl.CERT_OPTIONAL,
    ClientCertificates.REQUIRED: ssl.CERT_REQUIRED,
}


def listener_context(settings: ListenerTlsSettings) -> ssl.SSLContext:
    """Raises ConfigurationError (`FHIR_TLS_CERTIFICATE`, `FHIR_TLS_CA`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    password = read_secret(settings.key_password, "key_password")
    try:
        # An empty password, and not none: OpenSSL must never ask for it on the terminal.
        context.load_cert_chain(settings.certificate, settings.key, password)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "FHIR_TLS_CERTIFICATE",
            f"Certificat FHIR {settings.certificate} ou sa clé inutilisable ({_reason(error)}).",
            "Vérifier « certificate », « key » (PEM, même paire) et « key_password ».",
        ) from None
    if settings.ca is not None:
        try:
            context.load_verify_locations(cafile=settings.ca)
        except OSError as error:
            raise ConfigurationError(
                "FHIR_TLS_CA",
                f"« ca » : {settings.ca} inutilisable ({_reason(error)}).",
                "Donner un fichier PEM d'autorités.",
            ) from None
    context.verify_mode = _VERIFICATION[settings.client_certificates]
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "erreur TLS"
    if isinstance(error, OSError):
        return system_reason(error)
    return "format non reconnu"
