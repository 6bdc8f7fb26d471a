"""Revocation lists are asked about the server whatever drives the connection; asyncio is tried by the connectors."""

import contextlib
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pfi.standards.x509.authority import TestAuthority
from pfi.standards.x509.guard import guarded_context


@pytest.mark.parametrize("reason", ["", "certificate revoked"])
def test_a_blocking_connection_ends_before_its_first_byte_when_the_server_is_refused(
    reason: str, tmp_path: Path
) -> None:
    authority = TestAuthority("AC de test", lambda: datetime.now(UTC))
    made = authority.issue("localhost", server_names=("localhost",), key_usage="server")
    pair = tmp_path / "server.pem"
    pair.write_bytes(made.cert_pem + made.key_pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair)
    context = guarded_context(lambda _certificate: reason)
    context.load_verify_locations(cadata=authority.ca_pem.decode())
    ours, theirs = socket.socketpair()
    received: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError), server.wrap_socket(theirs, server_side=True) as channel:
            received.append(channel.recv(100))

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with context.wrap_socket(ours, server_hostname="localhost") as channel:
            channel.sendall(b"a")
        assert not reason
    except ssl.SSLCertVerificationError as error:
        assert error.args == (reason,)  # noqa: PT017  # the same handshake, refused or not
    finally:
        ours.close()
        serving.join(10)
        theirs.close()
    assert received in ([b"a"],) if not reason else received in ([], [b""])
