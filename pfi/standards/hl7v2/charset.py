"""MSH-18: which codec reads a message, and which charset answers it (hl7v2 digest §7.2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

UTF_8: Final = "utf-8"
LATIN_9: Final = "iso8859-15"
LATIN_1: Final = "iso8859-1"

_CODECS: Final = {
    "UNICODE UTF-8": UTF_8,
    "UTF-8": UTF_8,
    "8859/15": LATIN_9,
    "ISO-8859-15": LATIN_9,
    "8859/1": LATIN_1,
    "ISO-8859-1": LATIN_1,
}
_UNSPECIFIED: Final = frozenset({"", "ASCII"})
"""Charsets that say nothing of accents: UTF-8 is tried first."""

_TYPOGRAPHY: Final = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u202f": " ", "\u2009": " "}
)


@dataclass(frozen=True, slots=True)
class CharsetChoice:
    """The codec that reads a message. `known`: MSH-18 is one of the table; `honest`: the bytes are in that charset."""

    codec: str
    known: bool = True
    honest: bool = True


def choose_codec(declared: str, lines: Iterable[bytes]) -> CharsetChoice:
    """The codec for a message that declares `declared` in MSH-18. The one returned never fails on these lines."""
    name = " ".join(declared.upper().split())
    codec = _CODECS.get(name)
    if codec is not None and codec != UTF_8:
        return CharsetChoice(codec)
    known = codec is not None or name in _UNSPECIFIED
    if _is_utf_8(lines):
        return CharsetChoice(UTF_8, known=known)
    return CharsetChoice(LATIN_9, known=known, honest=codec is None)


def _is_utf_8(lines: Iterable[bytes]) -> bool:
    try:
        for line in lines:
            if not line.isascii():
                line.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return True


def encode_answer(text: str, declared: str) -> bytes:
    """Bytes of an answer to a message whose MSH-18 is `declared`, in the charset named by `answer_charset`."""
    if answer_charset(declared) == "UNICODE UTF-8":
        return text.encode(UTF_8)
    return text.translate(_TYPOGRAPHY).encode(LATIN_9, errors="replace")


def answer_charset(declared: str) -> str:
    """MSH-18 of an answer: the profile only knows `UNICODE UTF-8` and `8859/15`."""
    codec = _CODECS.get(" ".join(declared.upper().split()), UTF_8)
    return "UNICODE UTF-8" if codec == UTF_8 else "8859/15"
