"""The TLS side of a connection to the operator (MSSanté digest §3.1)."""

import ssl
from datetime import datetime
from pathlib import Path
from typing import Final

from connectors.mssante.settings import MssanteSettings
from pfi.model.errors import BugError, ConfigurationError, system_reason
from pfi.standards.x509 import identity

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2; the suites of TLS 1.3 are all sound."""


def client_context(settings: MssanteSettings, now: datetime) -> ssl.SSLContext:
    """TLS 1.2 at least, the given authorities only, our certificate. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    _load_authorities(context, settings.ca_bundle, "ca_bundle")
    if settings.crl is not None:
        _load_authorities(context, settings.crl, "crl")
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    if settings.client_cert is not None:
        certificate_end(settings, now)
        # An empty password, and not none: OpenSSL must never ask for it on the terminal.
        context.load_cert_chain(settings.client_cert, settings.client_key, _key_password(settings))
    return context


def certificate_end(settings: MssanteSettings, now: datetime) -> datetime:
    """When our certificate stops being valid. Raises ConfigurationError when it cannot be used at `now`."""
    if settings.client_cert is None:
        raise BugError("MSS_NO_CERTIFICATE", "Pas de certificat client configuré.")
    loaded = identity.load(
        settings.client_cert,
        settings.client_key or settings.client_cert,
        subject="certificat client MSSanté",
        purpose="auth_cli",
        now=now,
        password=_key_password(settings),
    )
    return loaded.certificate.not_valid_after_utc


def _key_password(settings: MssanteSettings) -> str:
    return settings.key_password.read("key_password") if settings.key_password is not None else ""


def _load_authorities(context: ssl.SSLContext, path: Path, what: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "MSS_CA_BUNDLE",
            f"« {what} » : {path} inutilisable ({_reason(error)}).",
            "Donner un fichier PEM de l'IGC Santé.",
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "format non reconnu"
    return system_reason(error) if isinstance(error, OSError) else "fichier illisible"
