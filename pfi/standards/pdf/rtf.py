"""The text of an RTF document: N1 bodies may be RTF, and what matters of them is their words."""

import codecs
import re
from dataclasses import dataclass, replace
from typing import Final

MAX_GROUPS: Final = 200
"""Deepest nesting of groups that is followed."""

_TOKEN: Final = re.compile(
    r"\\([a-z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9a-f]{2})|\\([^a-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.IGNORECASE
)
_DESTINATIONS: Final = frozenset(
    {"fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "headerl", "headerr", "headerf", "footer"}
    | {"footerl", "footerr", "footerf", "themedata", "colorschememapping", "latentstyles", "datastore", "xmlnstbl"}
    | {"listtable", "listoverridetable", "rsidtbl", "generator", "fldinst", "bkmkstart", "bkmkend", "filetbl", "revtbl"}
)
"""Groups that carry no words of the document."""
_WORDS: Final = {
    "par": "\n\n",
    "sect": "\n\n",
    "page": "\n\n",
    "line": "\n",
    "row": "\n",
    "cell": "\t",
    "tab": "\t",
    "emdash": "—",
    "endash": "–",
    "emspace": " ",
    "enspace": " ",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
}
_SYMBOLS: Final = {"~": "\u00a0", "_": "\u2011", "-": "", "\n": "\n\n", "\r": "\n\n"}


@dataclass(frozen=True, slots=True)
class _Group:
    skipped: bool = False
    replaced: int = 1
    """How many characters stand for a `\\u` one (`\\uc`)."""


def paragraphs(content: bytes) -> tuple[str, ...]:
    """The paragraphs of an RTF file, without formatting; empty when it is not RTF."""
    source = content.decode("latin-1")
    if not source.lstrip().startswith("{\\rtf"):
        return ()
    page = re.search(r"\\ansicpg(\d{3,5})", source[:400])
    codec = f"cp{page[1]}" if page and _known(f"cp{page[1]}") else "cp1252"
    pieces: list[str] = []
    pending = bytearray()
    groups = [_Group()]
    skip = 0
    for token in _TOKEN.finditer(source):
        word, number, code, symbol, brace, plain = token.groups()
        group = groups[-1]
        if code is not None:
            if skip:
                skip -= 1
            elif not group.skipped:
                pending.append(int(code, 16))
            continue
        if pending:
            pieces.append(pending.decode(codec, "replace"))
            pending.clear()
        if brace == "{":
            if len(groups) < MAX_GROUPS:
                groups.append(group)
        elif brace == "}":
            skip = 0
            if len(groups) > 1:
                groups.pop()
        elif word == "bin":
            continue
        elif symbol == "*" or (word is not None and word.lower() in _DESTINATIONS):
            groups[-1] = replace(group, skipped=True)
        elif word == "uc":
            groups[-1] = replace(group, replaced=max(0, min(int(number or 1), 10)))
        elif group.skipped:
            continue
        elif word == "u" and number is not None:
            pieces.append(_character(int(number)))
            skip = group.replaced
        elif word is not None:
            pieces.append(_WORDS.get(word, ""))
        elif symbol is not None:
            pieces.append(_SYMBOLS.get(symbol, symbol))
        elif plain is not None:
            pieces.append(plain[skip:])
            skip = max(0, skip - len(plain))
    if pending:
        pieces.append(pending.decode(codec, "replace"))
    words = "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return tuple(cleaned for part in words.split("\n\n") if (cleaned := _lines(part)))


def _lines(part: str) -> str:
    """Cells of a row are parted by a bar, as in the narrative of a CDA."""
    lines = ("  |  ".join(cell.strip() for cell in line.strip("\t ").split("\t")) for line in part.split("\n"))
    return "\n".join(line for line in lines if line.strip(" |"))


def _character(number: int) -> str:
    """A signed 16-bit UTF-16 unit."""
    return chr(number & 0xFFFF)


def _known(codec: str) -> bool:
    try:
        codecs.lookup(codec)
    except LookupError:
        return False
    return True
