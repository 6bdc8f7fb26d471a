"""TLS contexts of both sides, and the keep-alive of their sockets."""

import socket
import ssl
from pathlib import Path
from typing import Final

from connectors.mllp.settings import ClientCertificates, ClientTlsSettings, ListenerTlsSettings
from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.x509.secret import read_secret

_VERIFICATION: Final = {
    ClientCertificates.NONE: ssl.CERT_NONE,
    ClientCertificates.OPTIONAL: ssl.CERT_OPTIONAL,
    ClientCertificates.REQUIRED: ssl.CERT_REQUIRED,
}

_KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""A dead peer is noticed after two minutes of silence, where the system lets us say so."""


def listener_context(settings: ListenerTlsSettings) -> ssl.SSLContext:
    """The server side. Raises ConfigurationError (`MLLP_TLS_CERTIFICATE`, `MLLP_TLS_CA`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    password = read_secret(settings.key_password, "key_password")
    _load_key(context, settings.certificate, settings.key, password)
    if settings.ca is not None:
        _load_authorities(context, settings.ca)
    context.verify_mode = _VERIFICATION[settings.client_certificates]
    return context


def client_context(settings: ClientTlsSettings) -> ssl.SSLContext:
    """The client side. Raises ConfigurationError (`MLLP_TLS_CERTIFICATE`, `MLLP_TLS_CA`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_authorities(context, settings.ca)
    if settings.certificate is not None:
        password = read_secret(settings.key_password, "key_password")
        _load_key(context, settings.certificate, settings.key, password)
    return context


def _load_key(context: ssl.SSLContext, certificate: Path, key: Path | None, password: str) -> None:
    try:
        # An empty password, and not none: OpenSSL must never ask for it on the terminal.
        context.load_cert_chain(certificate, key, password)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "MLLP_TLS_CERTIFICATE",
            f"Certificat MLLP {certificate} ou sa clé inutilisable ({_reason(error)}).",
            "Vérifier « certificate », « key » (PEM, même paire) et « key_password ».",
        ) from None


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        raise ConfigurationError(
            "MLLP_TLS_CA", f"« ca » : {path} inutilisable ({_reason(error)}).", "Donner un fichier PEM d'autorités."
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "erreur TLS"
    if isinstance(error, OSError):
        return system_reason(error)
    return "format non reconnu"


def keep_alive(sock: socket.socket) -> None:
    """Asks the system to notice peers that died without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
