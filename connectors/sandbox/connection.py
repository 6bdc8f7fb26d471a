"""What the mock services look at, and do, below HTTP."""

import ssl

from aiohttp import web
from cryptography import x509


def client_certificate(request: web.Request) -> x509.Certificate | None:
    """The certificate that the caller showed in the TLS handshake; `None` when there is none."""
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    der = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
    return x509.load_der_x509_certificate(der) if der else None


def cut(request: web.Request) -> web.StreamResponse:
    """Cuts the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
