"""Text out of bytes that name their character set, rightly or wrongly (RFC 2045, RFC 2047; MSSanté digest §8.4).

Only character sets of mail are known: a name such as `zlib` or `unicode_escape` never reaches a Python codec.
"""

import binascii
import codecs
import re
from typing import Final

_KNOWN: Final = frozenset(
    {
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "cp437",
        "cp850",
        "cp858",
        "mac-roman",
        "koi8-r",
        "koi8-u",
    }
    | {"big5", "gb2312", "gbk", "gb18030", "euc_jp", "euc_kr", "shift_jis", "iso2022_jp"}
    | {f"iso8859-{part}" for part in range(1, 17)}
    | {f"cp125{page}" for page in range(9)}
)
# What announces itself so is most often written on Windows; the printable characters are the same.
_WINDOWS: Final = frozenset({"ascii", "iso8859-1"})
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{1,39}\Z")
_FALLBACK: Final = "cp1252"

_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:*-]{1,60})\?([bBqQ])\?([^?]{0,2000})\?=")
_HEX: Final = re.compile(rb"=([0-9A-Fa-f]{2})")


def decode(content: bytes, charset: str) -> tuple[str, bool]:
    """The text, and whether it is what was announced: an unknown or wrong character set gives a readable guess."""
    codec = _codec(charset)
    if codec:
        try:
            return content.decode(codec), True
        except UnicodeError:
            pass
    return guess(content), False


def guess(content: bytes) -> str:
    """Text without an announced character set: UTF-8 when it is, else Windows-1252. Loses nothing readable."""
    try:
        return content.decode("utf-8")
    except UnicodeError:
        return content.decode(_FALLBACK, "replace")


def decode_words(value: str) -> str:
    """A header value with its encoded words (RFC 2047) decoded. Words that cannot be decoded stay as written.

    Neighbouring words of one character set are joined before decoding: writers cut characters in two.
    """
    if "=?" not in value:
        return value
    result: list[str] = []
    pending: list[bytes] = []
    pending_charset = ""
    end = 0
    for found in _WORD.finditer(value):
        between = value[end : found.start()]
        charset = found[1].partition("*")[0].lower()
        content = _word_bytes(found[2], found[3])
        if pending and (between.strip() or charset != pending_charset):
            result.append(decode(b"".join(pending), pending_charset)[0])
            pending = []
        if between.strip() or end == 0:
            result.append(between)
        end = found.end()
        if content is None:
            if pending:
                result.append(decode(b"".join(pending), pending_charset)[0])
                pending = []
            result.append(found[0])
            continue
        pending.append(content)
        pending_charset = charset
    if pending:
        result.append(decode(b"".join(pending), pending_charset)[0])
    return "".join(result) + value[end:]


def _codec(charset: str) -> str:
    name = charset.strip().strip("\"'")
    if not name:
        return "utf-8"
    if not _NAME.match(name):
        return ""
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return ""
    if codec in _WINDOWS:
        return "ascii" if codec == "ascii" else _FALLBACK
    return codec if codec in _KNOWN else ""


def _word_bytes(encoding: str, text: str) -> bytes | None:
    raw = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return _HEX.sub(lambda found: bytes((int(found[1], 16),)), raw.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(raw.rstrip(b"= ") + b"==")
    except binascii.Error:
        return None
