"""A TLS client that also asks revocation lists about the server, as soon as the handshake has shown its certificate.

OpenSSL's own check refuses every server whose authority has no list; this one leaves that choice to the site.
"""

import ssl
from collections.abc import Callable

from cryptography import x509

Judge = Callable[[x509.Certificate], str]
"""Why a server's certificate is refused, in English for the exception; empty = it may pass."""


class GuardedContext(ssl.SSLContext):
    """A client context whose connections end before their first byte when `judge` refuses the server."""

    judge: Judge | None = None


class GuardedObject(ssl.SSLObject):
    """The connection of a `GuardedContext`, as asyncio and anyio drive it."""

    def do_handshake(self) -> None:
        """Ends the handshake, or raises ssl.SSLCertVerificationError."""
        super().do_handshake()
        _ask(self.context, self.getpeercert(binary_form=True))


class GuardedSocket(ssl.SSLSocket):
    """The connection of a `GuardedContext` on a blocking socket."""

    def do_handshake(self, block: bool = False) -> None:
        """Ends the handshake, or raises ssl.SSLCertVerificationError."""
        super().do_handshake(block)
        _ask(self.context, self.getpeercert(binary_form=True))


def _ask(context: ssl.SSLContext, server: bytes | None) -> None:
    if not isinstance(context, GuardedContext) or context.judge is None or server is None:
        return
    reason = context.judge(x509.load_der_x509_certificate(server))
    if reason:
        raise ssl.SSLCertVerificationError(reason)


def guarded_context(judge: Judge) -> GuardedContext:
    """A client context of TLS 1.2 at least, that trusts nobody yet."""
    context = GuardedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslobject_class = GuardedObject
    context.sslsocket_class = GuardedSocket
    context.judge = judge
    return context
