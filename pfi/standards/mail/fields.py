"""Header fields as they come (RFC 5322 §2.2), however broken. Bounded work; no value ever holds a line end."""

import re
from dataclasses import dataclass
from typing import Final

from pfi.standards.mail.address import normalize
from pfi.standards.mail.charsets import decode, decode_words, guess
from pfi.standards.mail.headers import clean

MAX_BLOCK: Final = 256 * 1024
"""Bytes of one block of fields; what follows is no longer read as fields."""
MAX_FIELDS: Final = 1000
MAX_VALUE: Final = 16 * 1024
"""Bytes kept of one value."""
_MAX_ADDRESSES: Final = 500

_FIELD: Final = re.compile(rb"([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_MESSAGE_ID: Final = re.compile(r"<([^<>]{1,998})>")
_PARAMETER: Final = re.compile(r';\s*([^\s=;"]{1,100})\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*))', re.DOTALL)
_EXTENDED: Final = re.compile(r"(.*?)(?:\*(\d{1,3}))?(\*)?\Z", re.DOTALL)
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields in their order: names in lower case, values unfolded, not decoded."""

    items: tuple[tuple[str, str], ...]

    def get(self, *names: str) -> str:
        """The first value of the first name that is there; empty when none is."""
        return next((values[0] for name in names if (values := self.all(name))), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return tuple(value for each, value in self.items if each == name)

    def __contains__(self, name: str) -> bool:
        return any(each == name for each, _ in self.items)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`address` is normalised, empty when it is none that could be written to; `label` decoded, on one line."""

    address: str
    label: str


def read_fields(raw: bytes, start: int = 0, end: int | None = None) -> tuple[Fields, int, bool]:
    """The fields from `start`, where the body begins, and whether the block ended as it should (a blank line, the end).

    A line that is no field ends the block: it is the first of the body. Some mails have no blank line (digest §8.4).
    """
    stop = len(raw) if end is None else end
    limit = min(stop, start + MAX_BLOCK)
    items: list[tuple[str, bytearray]] = []
    at = start
    while at < limit:
        line_end = raw.find(b"\n", at, limit)
        following = limit if line_end < 0 else line_end + 1
        line = raw[at:following].rstrip(b"\r\n")
        if not line:
            return _finished(items), following, True
        if line[:1] in b" \t":
            if items and len(items[-1][1]) < MAX_VALUE:
                items[-1][1].extend(b" " + line.strip()[:MAX_VALUE])
        elif found := _FIELD.match(line):
            if len(items) >= MAX_FIELDS:
                return _finished(items), at, False
            items.append((found[1].decode("ascii").lower(), bytearray(found[2].strip()[:MAX_VALUE])))
        elif not (at == start and line.startswith((b"From ", b">From "))):  # the separator of an mbox file
            return _finished(items), at, False
        at = following
    return _finished(items), at, at >= stop


def _finished(items: list[tuple[str, bytearray]]) -> Fields:
    return Fields(tuple((name, guess(bytes(value)).replace("\r", " ").replace("\n", " ")) for name, value in items))


def decoded(value: str) -> str:
    """Free text: encoded words decoded, control characters gone, on one line."""
    return clean(decode_words(value))


def message_ids(value: str) -> tuple[str, ...]:
    """Message identifiers with their angle brackets, blanks inside removed, in order, each once."""
    found = ("".join(each.split()) for each in _MESSAGE_ID.findall(value))
    return tuple(dict.fromkeys(f"<{clean(each)}>" for each in found if clean(each)))


def message_id(value: str) -> str:
    """The one identifier of a field, brackets added when they are missing; empty when there is none."""
    several = message_ids(value)
    if several:
        return several[0]
    bare = clean(value).strip("<> ")
    return f"<{bare}>" if bare and " " not in bare and len(bare) <= 998 else ""


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """`type/subtype; name=value` as the lower-case left side and its parameters, RFC 2231 and encoded words decoded."""
    main, _, rest = value.partition(";")
    plain: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for name, quoted, bare in _PARAMETER.findall(";" + rest):
        given = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip()
        shape = _EXTENDED.match(name.lower())
        if shape is not None and (shape[2] or shape[3]):
            pieces.setdefault(shape[1], []).append((int(shape[2] or 0), bool(shape[3]), given))
        else:
            plain.setdefault(name.lower(), decode_words(given))
    for name, several in pieces.items():
        plain[name] = _joined(sorted(several))
    return clean(main).lower().replace(" ", ""), plain


def _joined(pieces: list[tuple[int, bool, str]]) -> str:
    content = b""
    charset = ""
    for number, (_, extended, piece) in enumerate(pieces):
        text = piece
        if extended and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        raw = text.encode("utf-8", "replace")
        content += _PERCENT.sub(lambda found: bytes((int(found[1], 16),)), raw) if extended else raw
    return decode(content, charset)[0] if charset else guess(content)


def mailboxes(value: str) -> tuple[Mailbox, ...]:
    """The mailboxes of an address field: quoted labels, comments, groups and bare addresses; at most 500."""
    found: list[Mailbox] = []
    label: list[str] = []
    address: list[str] = []
    comment: list[str] = []
    quoted = angle = False
    depth = 0
    escaped = False

    def flush() -> None:
        words = "".join(label).strip()
        written = "".join(address).strip()
        if written or words:
            normalized = normalize(written or words) or ""
            shown = words if written or not normalized else "".join(comment)
            found.append(Mailbox(normalized, decoded(shown.strip())))
        label.clear()
        address.clear()
        comment.clear()

    for character in value:
        if escaped:
            (comment if depth else label).append(character)
            escaped = False
        elif character == "\\" and (quoted or depth):
            escaped = True
        elif depth:
            depth += (character == "(") - (character == ")")
            if depth:
                comment.append(character)
        elif character == '"' and not angle:
            quoted = not quoted
        elif quoted:
            label.append(character)
        elif character == "(":
            depth = 1
        elif character == "<":
            angle = True
        elif character == ">":
            angle = False
        elif angle:
            address.append(character)
        elif character == ":" and "@" not in label[-80:]:
            label.clear()  # the name of a group
        elif character in ",;":
            flush()
            if len(found) >= _MAX_ADDRESSES:
                return tuple(found)
        else:
            label.append(character)
    flush()
    return tuple(found)
