"""Base64 in OBX-5: documents and mail bodies (hl7v2 digest §1.8 and §2.1)."""

import binascii
from dataclasses import dataclass, field
from typing import Final

import pybase64

from pfi.standards.hl7v2.tokenizer import Repetition

_WHITE_SPACE: Final = b" \t\r\n\x0b\x0c"


@dataclass(frozen=True, slots=True)
class Decoded:
    """`truncated`: one character is left over (length 1 mod 4), the sender cut the text; it was dropped."""

    content: bytes = field(repr=False)
    truncated: bool = False


def decode(ed: Repetition) -> Decoded | None:
    """ED-5, or `None` when it is no base64. Missing padding is accepted, white space and HL7 escapes are undone.

    The usual case, clean base64, is decoded straight from the bytes of the message, without any copy of it as text.
    """
    raw = ed.component_raw(5)
    if len(raw) % 4 != 1:
        content = _decode(raw)
        if content is not None:
            return Decoded(content)
    cleaned = ed.component(5).encode("utf-8").translate(None, _WHITE_SPACE).rstrip(b"=")
    surplus = len(cleaned) % 4
    content = _decode(cleaned[:-1] if surplus == 1 else cleaned)
    return None if content is None else Decoded(content, truncated=surplus == 1)


def _decode(raw: bytes) -> bytes | None:
    try:
        return pybase64.b64decode(raw + b"=" * (-len(raw) % 4) if len(raw) % 4 else raw, validate=True)
    except (binascii.Error, ValueError):
        return None
