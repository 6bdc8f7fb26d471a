"""What the mock services look at, and do, below HTTP."""

import asyncio
import ssl
from typing import Final

from aiohttp import web
from cryptography import x509

_GLANCE: Final = 0.02
"""Seconds between two looks at whether the caller is still there."""


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


def cut_in_answer(request: web.Request, response: web.Response, kept: int) -> web.StreamResponse:
    """Cuts the connection after the headers of an answer and the first `kept` bytes of its body."""
    body = response.body
    if request.transport is not None and isinstance(body, bytes):
        head = f"HTTP/1.1 {response.status} X\r\nContent-Type: {response.headers['Content-Type']}\r\n"
        request.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:kept])
    return cut(request)


async def silent(request: web.Request, seconds: float) -> web.StreamResponse:
    """Says nothing until the caller has left, or for `seconds` (0 = an hour at most); then cuts."""
    for _ in range(int((seconds or 3600) / _GLANCE)):
        if request.transport is None or request.transport.is_closing():
            break
        await asyncio.sleep(_GLANCE)
    return cut(request)
