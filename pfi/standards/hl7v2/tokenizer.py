"""Splits an HL7 v2 message in ER7 form, without any grammar (hl7v2 digest §7 and §8).

Everything is cut as bytes and decoded at the leaf, so that a document of many megabytes in one field is never decoded
as text. Fields, components and sub-components are numbered from 1, as the standard does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pfi.model.errors import SenderDataError
from pfi.model.finding import Finding, Severity
from pfi.standards.hl7v2.charset import LATIN_1, UTF_8, CharsetChoice, choose_codec
from pfi.standards.hl7v2.escapes import Unescaper

NULL: Final = '""'
"""A field that holds `""` asks to delete the value; an empty field says nothing."""

_BOM: Final = b"\xef\xbb\xbf"
_USUAL: Final = "^~\\&"
_SMALL_TILDE: Final = "\u02dc"


class UnreadableMessageError(SenderDataError):
    """The bytes are not an HL7 v2 message: there is no MSH to answer to."""


@dataclass(frozen=True, slots=True)
class Separators:
    """The delimiters of one message, as bytes (the repetition separator may take two)."""

    field: bytes = b"|"
    component: bytes = b"^"
    repetition: bytes = b"~"
    escape: bytes = b"\\"
    subcomponent: bytes = b"&"


class _Reading:
    """What every leaf of a message needs: how to cut, decode and unescape."""

    __slots__ = ("codec", "separators", "unescaper")

    def __init__(self, separators: Separators, codec: str) -> None:
        self.separators = separators
        self.codec = codec
        self.unescaper = Unescaper(
            field=separators.field.decode(LATIN_1),
            component=separators.component.decode(LATIN_1),
            repetition="~" if len(separators.repetition) > 1 else separators.repetition.decode(LATIN_1),
            escape=separators.escape.decode(LATIN_1),
            subcomponent=separators.subcomponent.decode(LATIN_1),
            codec=codec,
        )

    def text(self, raw: bytes) -> str:
        """Decoded, unescaped, trimmed of Unicode white space (no-break spaces are met in identifiers)."""
        if not raw:
            return ""
        return self.unescaper.undo(raw.decode(self.codec, errors="replace")).strip()


def _split(raw: bytes, separator: bytes) -> list[bytes]:
    """`raw.split(separator)`, three times faster on the long fields of documents, where separators are far apart."""
    if len(raw) < 4096:
        return raw.split(separator)
    pieces = []
    start, width = 0, len(separator)
    while (end := raw.find(separator, start)) >= 0:
        pieces.append(raw[start:end])
        start = end + width
    pieces.append(raw[start:])
    return pieces


class Repetition:
    """One occurrence of a field. Absent components read as empty strings."""

    __slots__ = ("_components", "_raw", "_reading")

    def __init__(self, raw: bytes, reading: _Reading) -> None:
        self._raw = raw
        self._reading = reading
        self._components: list[bytes] | None = None

    @property
    def raw(self) -> bytes:
        return self._raw

    @property
    def text(self) -> str:
        """The whole occurrence as text, separators included."""
        return self._reading.text(self._raw)

    def component_raw(self, number: int) -> bytes:
        """Bytes of a component, escapes not undone."""
        if self._components is None:
            self._components = _split(self._raw, self._reading.separators.component)
        return self._components[number - 1] if number <= len(self._components) else b""

    def component(self, number: int) -> str:
        """Text of a component; a component made of sub-components comes with its separators."""
        return self._reading.text(self.component_raw(number))

    def subcomponents(self, number: int) -> tuple[str, ...]:
        """Texts of all sub-components of a component."""
        parts = self.component_raw(number).split(self._reading.separators.subcomponent)
        return tuple(self._reading.text(part) for part in parts)

    def subcomponent(self, number: int, part: int) -> str:
        """Text of one sub-component."""
        parts = self.component_raw(number).split(self._reading.separators.subcomponent)
        return self._reading.text(parts[part - 1]) if part <= len(parts) else ""


class Segment:
    """One segment. `ordinal` counts the segments of that name from 1, as ERR-2 does."""

    __slots__ = ("_fields", "_first", "_line", "_reading", "_whole", "name", "ordinal")

    def __init__(self, name: str, ordinal: int, line: bytes, reading: _Reading) -> None:
        self.name = name
        self.ordinal = ordinal
        self._line = line
        self._reading = reading
        self._fields: list[bytes] | None = None
        self._first: dict[int, Repetition] = {}
        self._whole: dict[int, Repetition] = {}

    def raw(self, number: int) -> bytes:
        """Bytes of a field, empty when absent. MSH-1 is the field separator itself."""
        if self._fields is None:
            self._fields = _split(self._line, self._reading.separators.field)
            if self.name == "MSH":
                self._fields.insert(1, self._reading.separators.field)
        return self._fields[number] if number < len(self._fields) else b""

    @property
    def field_count(self) -> int:
        """Number of the last field present."""
        self.raw(0)
        return len(self._fields or ()) - 1

    def text(self, number: int) -> str:
        """A whole field as text, separators included."""
        return self._reading.text(self.raw(number))

    def repetitions(self, number: int) -> tuple[Repetition, ...]:
        """The non-empty occurrences of a field."""
        raw = self.raw(number)
        if not raw:
            return ()
        pieces = raw.split(self._reading.separators.repetition)
        return tuple(Repetition(piece, self._reading) for piece in pieces if piece)

    def first(self, number: int) -> Repetition:
        """The first occurrence of a field, an empty one when the field is."""
        if number not in self._first:
            raw = self.raw(number).split(self._reading.separators.repetition, 1)[0]
            self._first[number] = Repetition(raw, self._reading)
        return self._first[number]

    def whole(self, number: int) -> Repetition:
        """A field that cannot repeat (OBX-5 of a document): the repetition separator is not looked for."""
        if number not in self._whole:
            self._whole[number] = Repetition(self.raw(number), self._reading)
        return self._whole[number]

    def component(self, number: int, component: int = 1) -> str:
        """A component of the first occurrence of a field."""
        return self.first(number).component(component)

    def where(self, field: int | None = None) -> str:
        """Location in the form of ERR-2: `PID^1^3`."""
        return f"{self.name}^{self.ordinal}" + ("" if field is None else f"^{field}")


class Message:
    """A tokenised message: its segments in order, and what reading its bytes revealed.

    `findings` (charset, delimiters, wrapped lines) are warnings here; a reader in strict mode makes errors of them.
    """

    __slots__ = ("_by_name", "codec", "findings", "segments", "separators")

    def __init__(
        self, segments: tuple[Segment, ...], separators: Separators, codec: str, findings: tuple[Finding, ...]
    ) -> None:
        self.segments = segments
        self.separators = separators
        self.codec = codec
        self.findings = findings
        self._by_name: dict[str, list[Segment]] = {}
        for segment in segments:
            self._by_name.setdefault(segment.name, []).append(segment)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    @property
    def msh(self) -> Segment:
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        """The first segment of that name."""
        found = self._by_name.get(name)
        return found[0] if found else None

    def all(self, name: str) -> tuple[Segment, ...]:
        """All segments of that name, in order."""
        return tuple(self._by_name.get(name, ()))


def parse(raw: bytes) -> Message:
    """Tokenises one message. Raises UnreadableMessageError when it does not begin with a readable MSH."""
    lines = _lines(raw)
    separator = _field_separator(lines)
    glued = _glue(lines, separator)
    fields = glued[0].split(separator)
    choice = choose_codec(_declared_charset(fields), glued)
    separators, usual = _read_separators(separator, fields[1] if len(fields) > 1 else b"", choice.codec)
    reading = _Reading(separators, choice.codec)
    ordinals: dict[str, int] = {}
    segments: list[Segment] = []
    for line in glued:
        name = line[:3].decode(LATIN_1)
        ordinals[name] = ordinals.get(name, 0) + 1
        segments.append(Segment(name, ordinals[name], line, reading))
    findings = [*_charset_findings(choice), *_separator_findings(separators, usual)]
    if len(glued) < len(lines):
        findings.append(_wrapped())
    return Message(tuple(segments), separators, choice.codec, tuple(findings))


def _lines(raw: bytes) -> list[bytes]:
    """The non-blank lines, whatever ends them (CR, LF or CRLF)."""
    if raw.startswith(_BOM):
        raw = raw[len(_BOM) :]
    if b"\r" not in raw:
        lines = _split(raw, b"\n")
    elif b"\n" not in raw:
        lines = _split(raw, b"\r")
    else:
        lines = [line for piece in _split(raw, b"\r") for line in _split(piece, b"\n")]
    return [line for line in lines if line and not line.isspace()]


def _field_separator(lines: list[bytes]) -> bytes:
    if not lines:
        raise UnreadableMessageError("HL7_EMPTY", "Le message reçu est vide.")
    first = lines[0]
    if first.startswith(b"<"):
        raise UnreadableMessageError(
            "HL7_XML",
            "Le message reçu est en XML : seule la forme ER7 de HL7 v2 est prise en charge.",
            "Configurer l'émetteur pour qu'il envoie ses messages au format ER7.",
        )
    separator = first[3:4]
    if not first.startswith(b"MSH") or not _is_mark(separator):
        raise UnreadableMessageError(
            "HL7_NO_MSH",
            "Le contenu reçu ne commence pas par un segment MSH lisible.",
            "Vérifier que l'émetteur envoie bien du HL7 v2 sur ce point d'entrée.",
        )
    return separator


def _is_mark(character: bytes) -> bool:
    """True for a byte that can delimit: visible ASCII, neither a letter nor a digit."""
    return b"\x20" < character < b"\x7f" and not character.isalnum()


def _glue(lines: list[bytes], separator: bytes) -> list[bytes]:
    """Joins to its segment every line that does not begin a segment (wrapped base64)."""
    mark = separator[0]
    glued: list[bytes] = []
    tail: list[bytes] = []
    for line in lines:
        if len(line) > 3 and line[3] == mark and line[:3].isalnum() and line[:3].isupper() and not line[:1].isdigit():
            if tail:
                glued[-1] = b"".join((glued[-1], *tail))
                tail = []
            glued.append(line)
        else:
            tail.append(line)
    if tail:
        glued[-1] = b"".join((glued[-1], *tail))
    return glued


def _declared_charset(fields: list[bytes]) -> str:
    """MSH-18, first repetition. Its values are ASCII, so the codec needs not be known yet."""
    if len(fields) <= 17:
        return ""
    return fields[17].split(b"~", 1)[0].decode(LATIN_1).strip()


def _read_separators(field: bytes, marks: bytes, codec: str) -> tuple[Separators, bool]:
    """The delimiters of MSH-2, and whether they are the usual ones. Unusable ones give way to `^~\\&`.

    Read after decoding: some senders write the small tilde U+02DC (two bytes in UTF-8) for the repetition separator.
    """
    for attempt in (codec, UTF_8):
        try:
            text = marks.decode(attempt)
        except UnicodeDecodeError:
            continue
        if len(text) in (4, 5) and len(set(text)) == len(text):
            parts = [character.encode(attempt) for character in text[:4]]
            if all(_is_mark(part) and part != field for part in parts[::2] + parts[3:]) and (
                _is_mark(parts[1]) or text[1] == _SMALL_TILDE
            ):
                separators = Separators(field, *parts)
                return separators, text[:4] == _USUAL
    return Separators(field), False


def _charset_findings(choice: CharsetChoice) -> Iterator[Finding]:
    if not choice.honest:
        yield Finding(
            "CHARSET_MISMATCH",
            Severity.WARNING,
            "MSH^1^18",
            "Le message se déclare en UTF-8 mais n'en est pas : il a été lu en ISO 8859-15.",
            "hl7v2 digest §7.2",
            err3="102",
        )
    if not choice.known:
        used = "UTF-8" if choice.codec == UTF_8 else "ISO 8859-15"
        yield Finding(
            "CHARSET_UNKNOWN",
            Severity.WARNING,
            "MSH^1^18",
            f"Le jeu de caractères déclaré en MSH-18 n'est pas pris en charge : le message a été lu en {used}.",
            "hl7v2 digest §7.2",
            err3="103",
        )


def _separator_findings(separators: Separators, usual: bool) -> Iterator[Finding]:
    if usual:
        return
    if len(separators.repetition) > 1:
        text = "MSH-2 emploie « ˜ » (U+02DC) au lieu de « ~ » comme séparateur de répétition."
    else:
        text = "MSH-2 n'annonce pas les délimiteurs attendus « ^~\\& »."
    yield Finding("ENCODING_CHARACTERS", Severity.WARNING, "MSH^1^2", text, "hl7v2 digest §1.3 et §8.1", err3="102")


def _wrapped() -> Finding:
    return Finding(
        "LINE_WRAPPED",
        Severity.WARNING,
        "MSH^1",
        "Des lignes ne commencent pas par un nom de segment : elles ont été rattachées au segment précédent.",
        "hl7v2 digest §7.2",
        err3="199",
    )
