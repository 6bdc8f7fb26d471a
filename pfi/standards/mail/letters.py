"""Letters without their accents, as the Subject and ASCII file names want them (MSSanté digest §4.3)."""

import unicodedata
from typing import Final

_WITHOUT_DECOMPOSITION: Final = str.maketrans(
    {"Œ": "OE", "œ": "oe", "Æ": "AE", "æ": "ae", "ß": "ss", "Ø": "O", "ø": "o", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d"}
    | {"Þ": "TH", "þ": "th", "Ð": "D", "ð": "d", "ı": "i", "’": "'", "‘": "'", "‐": "-", "‑": "-", "–": "-"}
)


def without_accents(text: str) -> str:
    """Latin letters without their diacritics; other scripts are left as they are."""
    decomposed = unicodedata.normalize("NFD", text.translate(_WITHOUT_DECOMPOSITION))
    kept = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", kept)
