"""MTOM/XOP packages (DMP digest §2.1), read byte by byte: the part of a document is exactly what was sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message as HeaderBlock
from typing import Final

_HEADER: Final = re.compile(rb"^([!-9;-~]+):[ \t]*(.*)$")


class MalformedPackageError(ValueError):
    """The HTTP body is not the MTOM package that it claims to be: French sentence."""


@dataclass(frozen=True, slots=True)
class Part:
    content_type: str
    content_id: str
    """Without angle brackets."""
    transfer_encoding: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Package:
    root: Part
    parts: dict[str, Part]
    """Parts other than the root, by Content-ID."""


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """Splits a Content-Type into its lower-case type and its parameters."""
    block = HeaderBlock()
    block["Content-Type"] = header
    parameters = {name.lower(): value for name, value in (block.get_params(failobj=[]) or [])[1:]}
    return block.get_content_type() if "/" in header else "", parameters


def read_package(content_type: str, body: bytes) -> Package:
    """Reads a `multipart/related` XOP package. Raises MalformedPackageError."""
    kind, parameters = media_type(content_type)
    if kind != "multipart/related":
        raise MalformedPackageError("MTOM est obligatoire : Content-Type multipart/related attendu")
    for name, expected in (("type", "application/xop+xml"), ("start-info", "application/soap+xml")):
        if not parameters.get(name, "").startswith(expected):
            raise MalformedPackageError(f"paramètre {name} du Content-Type : {expected} attendu")
    boundary = parameters.get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        raise MalformedPackageError("paramètre boundary absent ou trop long")
    parts = [_part(raw) for raw in _split(body, boundary.encode("latin-1", "replace"))]
    start = parameters.get("start", "").removeprefix("<").removesuffix(">")
    if not start:
        raise MalformedPackageError("paramètre start du Content-Type absent")
    by_id: dict[str, Part] = {}
    for part in parts:
        if not part.content_id or part.content_id in by_id:
            raise MalformedPackageError("partie sans Content-ID, ou Content-ID répété")
        by_id[part.content_id] = part
    root = by_id.pop(start, None)
    if root is None:
        raise MalformedPackageError("aucune partie ne porte le Content-ID annoncé par start")
    root_kind, root_parameters = media_type(root.content_type)
    if root_kind != "application/xop+xml" or not root_parameters.get("type", "").startswith("application/soap+xml"):
        raise MalformedPackageError('partie racine : application/xop+xml avec type="application/soap+xml" attendu')
    if root_parameters.get("charset", "utf-8").lower() != "utf-8":
        raise MalformedPackageError("partie racine : UTF-8 attendu")
    return Package(root, by_id)


def write_package(envelope: bytes, action: str, *, identity: str, parts: Sequence[Part] = ()) -> tuple[str, bytes]:
    """Content-Type and body of an answer: the envelope, then the documents that it includes."""
    boundary = f"MIMEBoundary_{identity}"
    start = f"0.{identity}@dmp.sandbox"
    content_type = (
        f'multipart/related; boundary="{boundary}"; type="application/xop+xml"; start="<{start}>"; '
        f'start-info="application/soap+xml"; action="{action}"'
    )
    head = (
        f"--{boundary}\r\nContent-Type: application/xop+xml; charset=UTF-8; "
        f'type="application/soap+xml"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{start}>\r\n\r\n'
    )
    pieces = [head.encode(), envelope]
    for part in parts:
        headers = (
            f"\r\n--{boundary}\r\nContent-Type: {part.content_type}\r\n"
            f"Content-Transfer-Encoding: {part.transfer_encoding}\r\nContent-ID: <{part.content_id}>\r\n\r\n"
        )
        pieces += (headers.encode(), part.content)
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return content_type, b"".join(pieces)


def _split(body: bytes, boundary: bytes) -> list[bytes]:
    """The raw parts between delimiter lines (RFC 2046 §5.1.1)."""
    delimiter = b"\r\n--" + boundary
    data = b"\r\n" + body
    start = data.find(delimiter)
    if start < 0:
        raise MalformedPackageError("aucune partie : le délimiteur annoncé est introuvable")
    parts: list[bytes] = []
    while True:
        after = start + len(delimiter)
        if data[after : after + 2] == b"--":
            return parts
        line_end = data.find(b"\r\n", after)
        if line_end < 0 or data[after:line_end].strip(b" \t"):
            raise MalformedPackageError("ligne de délimiteur mal formée")
        following = data.find(delimiter, line_end)
        if following < 0:
            raise MalformedPackageError("délimiteur de fin absent : le corps est tronqué")
        parts.append(data[line_end + 2 : following])
        start = following


def _part(raw: bytes) -> Part:
    head, found, content = raw.partition(b"\r\n\r\n")
    if not found:
        raise MalformedPackageError("partie sans ligne vide après ses en-têtes")
    headers: dict[str, str] = {}
    unfolded = re.sub(rb"\r\n[ \t]+", b" ", head)
    for line in unfolded.split(b"\r\n"):
        match = _HEADER.match(line)
        if match is None:
            raise MalformedPackageError("en-tête de partie mal formé")
        headers[match.group(1).decode().lower()] = match.group(2).decode("latin-1").strip()
    return Part(
        headers.get("content-type", ""),
        headers.get("content-id", "").removeprefix("<").removesuffix(">"),
        headers.get("content-transfer-encoding", "binary").lower(),
        content,
    )
