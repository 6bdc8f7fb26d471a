"""MTOM: a SOAP envelope and its documents as `multipart/related` (DMP digest §2.1; RFC 2387, XOP 1.0)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from pfi.standards.soap.envelope import SoapUnreadableError

_ROOT: Final = "root@pfi"
_LINE: Final = b"\r\n"
_HEADERS_END: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """A document that travels beside the envelope, under `cid:<content_id>`."""

    content_id: str
    content: bytes = field(repr=False)
    content_type: str = "text/xml"


def write_mtom(envelope: bytes, parts: Sequence[Part], *, action: str, boundary: str) -> tuple[str, bytes]:
    """The Content-Type of the request and its body. `boundary` must not occur in a part: derive it from a UUID."""
    content_type = (
        f'multipart/related; type="application/xop+xml"; start="<{_ROOT}>"; start-info="application/soap+xml"; '
        f'action="{action}"; boundary="{boundary}"'
    )
    delimiter = f"--{boundary}".encode("ascii")
    pieces = [
        delimiter,
        b'\r\nContent-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
        b"Content-Transfer-Encoding: binary\r\n"
        b"Content-ID: <" + _ROOT.encode("ascii") + b">\r\n\r\n",
        envelope,
    ]
    for part in parts:
        headers = (
            f"\r\nContent-Type: {part.content_type}\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: <{part.content_id}>\r\n\r\n"
        )
        pieces += (_LINE, delimiter, headers.encode("ascii"), part.content)
    pieces += (_LINE, delimiter, b"--\r\n")
    return content_type, b"".join(pieces)


def root_part(content_type: str, body: bytes) -> bytes:
    """The SOAP envelope of an answer, multipart or not. The root is the part named by `start`, else the first one.

    Raises SoapUnreadableError.
    """
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_maintype() != "multipart":
        return body
    boundary = header.get_boundary()
    if not boundary:
        raise SoapUnreadableError
    start = str(header.get_param("start", "")).strip("<> ")
    first: bytes | None = None
    # A delimiter stands at the beginning of a line; the first one may open the body.
    sections = (_LINE + body).split(f"\r\n--{boundary}".encode())
    for section in sections[1:]:
        if section.startswith(b"--"):
            break
        end = _HEADERS_END.search(section)
        if end is None:
            continue
        content = section[end.end() :]
        if start and start.encode() == _content_id(section[: end.start()]):
            return content
        first = content if first is None else first
    if first is None:
        raise SoapUnreadableError
    return first


def attached_parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """Content of each part of an answer by Content-ID, byte for byte; empty when the answer is not multipart.

    Raises SoapUnreadableError: truncated, or two parts under one id.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary() if header.get_content_maintype() == "multipart" else None
    if not boundary:
        return {}
    _, *sections = (_LINE + body).split(f"\r\n--{boundary}".encode())
    parts: dict[str, bytes] = {}
    for section in sections:
        if section.startswith(b"--"):
            return parts
        end = _HEADERS_END.search(section)
        name = b"" if end is None else _content_id(section[: end.start()])
        if end is None or not name or name.decode("latin-1") in parts:
            raise SoapUnreadableError
        parts[name.decode("latin-1")] = section[end.end() :]
    raise SoapUnreadableError


def _content_id(headers: bytes) -> bytes:
    found = re.search(rb"(?im)^content-id:\s*<?([^>\r\n]*)", headers)
    return found[1] if found else b""
