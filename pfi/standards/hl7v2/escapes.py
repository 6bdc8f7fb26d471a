"""Escape sequences of HL7 v2 (hl7v2 digest §7.3): undone only after splitting, done in everything that we write."""

import re
from typing import Final

_KNOWN: Final = r"([FSTRE]|X(?:[0-9A-Fa-f]{2})+|\.br)"

_CONTROLS: Final = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"}
"""Control characters: they have no meaning in a text and must reach neither XML, nor a mail header, nor a frame."""

_TO_WRITE: Final = str.maketrans(
    {"|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\\": "\\E\\", "\r": " ", "\n": " ", "\t": " "} | _CONTROLS
)


class Unescaper:
    """Undoes the escapes of one message. An unknown or unterminated escape stays as it is."""

    __slots__ = ("_character", "_codec", "_marks", "_pattern")

    def __init__(self, *, field: str, component: str, repetition: str, escape: str, subcomponent: str, codec: str):
        self._character = escape
        self._codec = codec
        self._marks = {"F": field, "S": component, "T": subcomponent, "R": repetition, "E": escape, ".br": "\n"}
        quoted = re.escape(escape)
        self._pattern = re.compile(quoted + _KNOWN + quoted) if escape else None

    def undo(self, text: str) -> str:
        """The text that the sender meant, without control characters other than tab and line ends."""
        if self._pattern is not None and self._character in text:
            text = self._pattern.sub(self._replace, text)
        return without_controls(text)

    def _replace(self, found: re.Match[str]) -> str:
        name = found.group(1)
        if name[0] == "X":
            return bytes.fromhex(name[1:]).decode(self._codec, errors="replace")
        return self._marks[name]


def without_controls(text: str) -> str:
    """The text without control characters other than tab and line ends."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def escape(text: str) -> str:
    """`text` as it must be written in a component, with the delimiters `|^~\\&`. Line ends become blanks."""
    return text.translate(_TO_WRITE)
