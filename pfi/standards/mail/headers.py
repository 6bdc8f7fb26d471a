"""Header fields of a mail, written so that no value can start another field (RFC 5322, RFC 2047, RFC 2231)."""

import re
from collections.abc import Sequence
from email.header import Header
from email.utils import quote
from typing import Final
from urllib.parse import quote as percent_encode

from pfi.model.errors import BugError
from pfi.standards.mail.letters import without_accents

# Control and format characters that must not travel in a header: C0, DEL, C1, line and paragraph separators, and the
# bidirectional controls that disguise names.
_FORBIDDEN: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]+")
_BLANKS: Final = re.compile(r"[ \t]+")
_TOKEN: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*\Z")
_LONGEST_WORD: Final = 60
"""Characters of a word that stays as it is; a longer one could not be folded."""
_MAX_LINE: Final = 998
"""RFC 5322 §2.1.1, without CRLF."""


def clean(text: str) -> str:
    """Free text on one line: control characters become a blank, blanks are collapsed and trimmed."""
    printable = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be written in UTF-8
    return _BLANKS.sub(" ", _FORBIDDEN.sub(" ", printable)).strip()


def token(name: str, value: str) -> bytes:
    """A field whose value is printable ASCII, written as is. Raises BugError otherwise: the caller has checked."""
    if not _TOKEN.match(value) or len(name) + 2 + len(value) > _MAX_LINE:
        raise BugError("MAIL_HEADER", f"La valeur de l'en-tête {name} n'est pas du texte ASCII sur une ligne.")
    return f"{name}: {value}\r\n".encode("ascii")


def text(name: str, value: str) -> bytes:
    """A field of free text: ASCII as is, RFC 2047 UTF-8 otherwise, folded under 78 characters."""
    return f"{name}: {_encoded(clean(value), len(name) + 2)}\r\n".encode("ascii")


def mailbox(name: str, address: str, label: str) -> bytes:
    """`From`-like field: a checked address with its display label, which may be empty."""
    shown = clean(label)
    if not shown:
        return token(name, address)
    if shown.isascii() and "=?" not in shown and len(shown) <= _LONGEST_WORD:
        phrase = shown if _ATOMS.match(shown) else f'"{quote(shown)}"'
    else:
        phrase = _encoded(shown, len(name) + 2)
    separator = "\r\n " if len(name) + len(phrase.rpartition("\n")[2]) + len(address) > 70 else " "
    line = token(name, f"<{address}>")  # checks the address
    return line.replace(b" ", f" {phrase}{separator}".encode("ascii"), 1)


def addresses(name: str, values: Sequence[str]) -> bytes:
    """`To`-like field: checked addresses, one a line."""
    lines = [token(name, value).split(b" ", 1)[1].rstrip() for value in values]
    return name.encode("ascii") + b": " + b",\r\n ".join(lines) + b"\r\n"


def file_name_parameter(parameter: str, file_name: str) -> str:
    """`filename="ascii"` and, when it says more, `filename*=UTF-8''...` (RFC 2231), ready to follow a semicolon."""
    name = clean(file_name)
    fallback = "".join(character if " " <= character <= "~" else "_" for character in without_accents(name))
    plain = f'{parameter}="{quote(fallback)}"'
    if fallback == name:
        return plain
    return f"{plain};\r\n {parameter}*=UTF-8''{percent_encode(name, safe='')}"


def _stays(word: str) -> bool:
    return word.isascii() and "=?" not in word and len(word) <= _LONGEST_WORD


def _encoded(value: str, taken: int) -> str:
    """Leading ASCII words stay readable (`XDM/1.0/DDM+...` is what filters look for); from the first other word on,
    everything is in encoded words. An ASCII word that looks like one would be decoded by readers: encoded too, and so
    is one that is too long for a line."""
    words = value.split(" ")
    plain = next((at for at, word in enumerate(words) if not _stays(word)), len(words))
    header = Header(" ".join(words[:plain]), "us-ascii", maxlinelen=76, header_name="X" * max(1, taken - 2))
    if plain < len(words):
        header.append(" ".join(words[plain:]), "utf-8")
    folded = header.encode(linesep="\r\n")
    if not folded.isascii() or re.search(r"\r\n(?![ \t])", folded):
        raise BugError("MAIL_HEADER", "Un en-tête de courriel n'a pas pu être encodé.")
    return folded
