"""The MIME structure of a mail as parts of its bytes (RFC 2045, RFC 2046), with bounds on depth and number of parts.

Nothing is copied nor decoded before it is asked for. What real mails get wrong is read all the same: a boundary that is
not the announced one, a closing delimiter in the middle, typographic dashes, parts without a blank line (MSSanté digest
§8.4). A returned mail (`message/rfc822`) is one part: what it holds is not taken for the mail's own.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import pybase64

from pfi.standards.mail.fields import Fields, parameters, read_fields

MAX_PARTS: Final = 200
MAX_DEPTH: Final = 16
_MAX_CANDIDATES: Final = 20_000
"""Lines that look like a delimiter of one multipart, before the rest of it is left unread."""

# What follows a boundary on its line: nothing, the closing `--`, or the dashes that word processors make of it.
_AFTER: Final = re.compile(rb"(--|-|\xe2\x80[\x90-\x95]|[\x96\x97])?[ \t]*\r?(?=\n|\Z)")
_GUESS: Final = re.compile(rb"(?:\A|\n)--([^\s][^\r\n]{0,198}?)[ \t]*\r?\n(?=content-|\r?\n)", re.IGNORECASE)
_PART_START: Final = re.compile(rb"\s*content-[a-z-]+[ \t]*:", re.IGNORECASE)
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]+")


class Defect(StrEnum):
    """What is wrong with a structure."""

    HEADER = "header"
    """A block of fields without the blank line that ends it, or too large."""
    BOUNDARY = "boundary"
    """A boundary missing, wrong, or closed too early or never."""
    TOO_MANY_PARTS = "too_many_parts"
    TOO_DEEP = "too_deep"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a mail: `raw[start:end]`, whose body starts at `body_start`. `content_type` has no parameters."""

    raw: bytes = field(repr=False)
    start: int
    body_start: int
    end: int
    fields: Fields = field(repr=False)
    content_type: str
    parameters: dict[str, str] = field(repr=False)
    parts: tuple["Part", ...] = ()

    def walk(self) -> Iterator["Part"]:
        """This part and all those below, in their order."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def whole(self) -> bytes:
        """Fields and body as they are."""
        return self.raw[self.start : self.end]

    @property
    def encoded(self) -> bytes:
        """The body as it is."""
        return self.raw[self.body_start : self.end]

    @property
    def disposition(self) -> tuple[str, dict[str, str]]:
        """`Content-Disposition`: `attachment`, `inline` or empty, and its parameters."""
        return parameters(self.fields.get("content-disposition"))

    def content(self) -> bytes:
        """The body, its transfer encoding undone as far as it goes: a damaged encoding gives what can be had."""
        encoding = self.fields.get("content-transfer-encoding", "content-transfert-encoding").strip().lower()
        if encoding.startswith("base64"):
            return _base64(self.encoded)
        if encoding.startswith("quoted-printable"):
            return binascii.a2b_qp(self.encoded)
        return self.encoded


@dataclass(frozen=True, slots=True)
class Structure:
    """The root part of a mail and what was wrong, each defect once."""

    root: Part
    defects: frozenset[Defect]


def read_structure(raw: bytes) -> Structure:
    """The parts of a mail. Any bytes make a mail: at worst one part of plain text."""
    reader = _Reader(raw)
    return Structure(reader.part(0, len(raw), 0), frozenset(reader.defects))


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._left = MAX_PARTS
        self.defects: set[Defect] = set()

    def part(self, start: int, end: int, depth: int) -> Part:
        self._left -= 1
        fields, body, sound = read_fields(self._raw, start, end)
        if not sound:
            self.defects.add(Defect.HEADER)
        content_type, given = parameters(fields.get("content-type"))
        if "/" not in content_type:
            content_type = "text/plain"
        parts: tuple[Part, ...] = ()
        if content_type.startswith("multipart/"):
            if depth >= MAX_DEPTH:
                self.defects.add(Defect.TOO_DEEP)
            else:
                parts = tuple(self._children(given.get("boundary", ""), body, end, depth))
        return Part(self._raw, start, body, end, fields, content_type, given, parts)

    def _children(self, boundary: str, start: int, end: int, depth: int) -> Iterator[Part]:
        spans = self._spans(boundary.encode("utf-8", "replace")[:250], start, end) if boundary else []
        if not spans:
            self.defects.add(Defect.BOUNDARY)
            guessed = _GUESS.search(self._raw, start, min(end, start + 64 * 1024))
            spans = self._spans(guessed[1], start, end) if guessed else []
        for first, last in spans:
            if self._left <= 0:
                self.defects.add(Defect.TOO_MANY_PARTS)
                return
            yield self.part(first, last, depth + 1)

    def _spans(self, boundary: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Where the parts lie between the delimiters. A delimiter is `--boundary` alone on a line."""
        raw = self._raw
        spans: list[tuple[int, int]] = []
        opened = -1
        after_end = False
        needle = b"--" + boundary
        at = start if raw.startswith(needle, start, end) else raw.find(b"\n" + needle, start, end) + 1
        candidates = 0
        while at > start or (at == start and raw.startswith(needle, start, end)):
            candidates += 1
            if candidates > _MAX_CANDIDATES or len(spans) > self._left:
                self.defects.add(Defect.TOO_MANY_PARTS)
                return spans
            found = _AFTER.match(raw, at + len(needle), end)
            if found is not None:
                self._close(spans, opened, self._before(opened, at), after_end=after_end)
                after_end = found[1] is not None
                opened = min(found.end() + 1, end)
            following = raw.find(b"\n" + needle, at, end)
            if following < 0:
                break
            at = following + 1
        if opened >= 0 and not after_end:
            self.defects.add(Defect.BOUNDARY)  # never closed: the last part goes to the end
            spans.append((opened, end))
        elif opened >= 0:
            self._close(spans, opened, end, after_end=True)
        return spans

    def _before(self, opened: int, delimiter: int) -> int:
        """Where the part before a delimiter ends: the line end before a delimiter belongs to it (RFC 2046 §5.1.1)."""
        if delimiter > opened and self._raw[delimiter - 1 : delimiter] == b"\n":
            delimiter -= 2 if self._raw[delimiter - 2 : delimiter - 1] == b"\r" else 1
        return max(opened, delimiter)

    def _close(self, spans: list[tuple[int, int]], opened: int, last: int, *, after_end: bool) -> None:
        """Adds a part. After a closing delimiter, only what starts as a part does is one."""
        if opened < 0:
            return
        if after_end:
            if not _PART_START.match(self._raw, opened, last):
                return
            self.defects.add(Defect.BOUNDARY)
        spans.append((opened, last))


def _base64(encoded: bytes) -> bytes:
    kept = encoded.translate(None, b" \t\r\n")
    try:
        return pybase64.b64decode(kept, validate=True)
    except (binascii.Error, ValueError):
        kept = _NOT_BASE64.sub(b"", kept.partition(b"=")[0])
        kept = kept[: len(kept) - (len(kept) % 4 == 1)]
        return pybase64.b64decode(kept + b"=" * (-len(kept) % 4))
