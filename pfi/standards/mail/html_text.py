"""The text of an HTML mail body, for those who show or forward plain text. Linear in its input; nothing is loaded."""

import html
import re
from typing import Final

_PIECE: Final = re.compile(r"<!--|-->|<(/?)([A-Za-z][A-Za-z0-9]{0,20})[^<>]*>?|<[!?][^<>]*>|[^<]+|<+(?=<)|<")
_SILENT: Final = frozenset({"script", "style", "head", "title", "template", "noscript"})
_BREAKS: Final = frozenset(
    {"br", "p", "div", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "blockquote", "pre"}
)
_CELLS: Final = frozenset({"td", "th"})
_BLANKS: Final = re.compile(r"[ \t\r\n\f\v\xa0]+")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")


def text_of_html(source: str) -> str:
    """Visible text, one line a block; scripts, styles and comments left out."""
    visible: list[str] = []
    silent = ""
    comment = False
    for found in _PIECE.finditer(source):
        piece = found[0]
        if comment:
            _, closed, rest = piece.partition("-->")
            comment = not closed
            visible.append("" if silent else rest)
        elif piece == "<!--":
            comment = True
        elif found[2]:
            name = found[2].lower()
            if silent:
                silent = "" if (name == silent if found[1] else name == "body") else silent
            elif name in _SILENT and not found[1]:
                silent = name
            elif name in _BREAKS:
                visible.append("\n")
            elif name in _CELLS and not found[1]:
                visible.append(" ")
        elif not silent and not piece.startswith(("<!", "<?", "-->")):
            shown = piece.replace("\n", " ").replace("\r", " ")
            visible.append(html.unescape(shown) if "&" in shown else shown)
    lines = (_BLANKS.sub(" ", line).strip() for line in "".join(visible).split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()
