"""The TLS context toward a neighbour, and the keep-alive of sockets."""

import socket
import ssl
from typing import Final

from connectors.mllp.settings import ClientTlsSettings
from pfi.standards.x509.contexts import load_authorities, load_pair
from pfi.standards.x509.secret import read_secret

_KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""A dead peer is noticed after two minutes of silence, where the system lets us say so."""


def client_context(settings: ClientTlsSettings) -> ssl.SSLContext:
    """Raises ConfigurationError (`MLLP_TLS_CERTIFICATE`, `MLLP_TLS_CA`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_authorities(context, settings.ca, code="MLLP_TLS_CA", service="MLLP")
    if settings.certificate is not None:
        password = read_secret(settings.key_password, "key_password")
        load_pair(context, settings.certificate, settings.key, password, code="MLLP_TLS_CERTIFICATE", service="MLLP")
    return context


def keep_alive(sock: socket.socket) -> None:
    """Asks the system to notice peers that died without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
