"""What `pfi explain --out` needs to show a request without network, nor certificates of its own."""

from urllib.parse import urlsplit

from connectors.dmp.entities import SIGN, Entity, Tools
from connectors.dmp.wire import Wire, WireRequest
from pfi.engine.connector import Surroundings
from pfi.standards.x509.authority import TestAuthority
from pfi.standards.x509.identity import from_pem


def throw_away_tools(entity: Entity, surroundings: Surroundings) -> Tools:
    """Tools of an entity whose certificates are not loaded: a key made for the occasion, a homologation number of
    zeros."""
    structure = entity.settings.structure
    throw_away = TestAuthority("AC jetable de prévisualisation", surroundings.clock).issue(
        "PFI", organization=structure.name, identifier=structure.identifier, key_usage="sign"
    )
    key = from_pem(throw_away.cert_pem, throw_away.key_pem, subject=SIGN, purpose="sign", now=surroundings.clock())
    return Tools(Wire(entity.settings, surroundings, key, "0000000000"), key)


def as_http(request: WireRequest) -> bytes:
    """A request as it would be written on the connection."""
    url = urlsplit(request.url)
    head = (
        f"POST {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: {request.content_type}\r\n"
        f"Content-Length: {len(request.body)}\r\n\r\n"
    )
    return head.encode() + request.body
