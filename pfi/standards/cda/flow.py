"""The running text of a piece of narrative: one string, line breaks as `\\n`, white space as a reader sees it."""

from collections.abc import Iterable, Iterator
from typing import Final

from lxml import etree

from pfi.standards.cda.tree import N

_BREAK: Final = "\n"
_CELL_BREAK: Final = " | "
_BULLET: Final = "• "
_INDENT: Final = "  "

_LINES: Final = frozenset({"br", "paragraph", "item", "tr", "caption", "list", "table"})
"""Elements that start and end on a line of their own."""
_INLINE: Final = frozenset({"br", "linkHtml", "footnoteRef"})
"""Elements that mean something by themselves, even when they are all that is asked for."""
_SKIPPED: Final = frozenset({"caption"})
"""Read apart by the list or the table they belong to."""
_RAISED: Final = {
    "sup": (str.maketrans("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ"), "^"),
    "sub": (str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎"), "_"),
}
"""10<sup>9</sup> must never read as 109."""


def flow(parts: Iterable[etree._Element | str]) -> str:
    """The text of the parts, in order. Nested items are marked by bullets, cells of a nested table by bars."""
    pieces: list[str] = []
    for part in parts:
        if isinstance(part, str):
            pieces.append(_collapse(part))
        else:
            pieces.extend(_pieces(part))
    lines = ("".join(pieces)).split(_BREAK)
    return _BREAK.join(_tidy(lines))


def is_strong(element: etree._Element) -> bool:
    """True when all the text of the element is in bold, by itself or by its `content`."""
    if _bold(element):
        return True
    if (element.text or "").strip():
        return False
    children = [child for child in element.iterchildren(etree.Element) if _has_text(child)]
    return bool(children) and all(_bold(child) and not (child.tail or "").strip() for child in children)


def _bold(element: etree._Element) -> bool:
    return any(style.lower().startswith("bold") for style in element.get("styleCode", "").split())


def _has_text(element: etree._Element) -> bool:
    return any(str(part).strip() for part in element.itertext(etree.Element))


def _pieces(element: etree._Element) -> Iterator[str]:
    """Walks without recursion: the depth of a document must not be the depth of our stack."""
    skipping: etree._Element | None = None
    raised: list[str] = []
    for event, node in etree.iterwalk(element, events=("start", "end")):
        name = str(node.tag).removeprefix(N)
        inside = node is not element
        if event == "start" and skipping is None:
            if inside and name in _SKIPPED:
                skipping = node
                continue
            if inside or name in _INLINE:
                yield from _opening(name, node, element)
            if name in _RAISED:
                raised.append(name)
            if node.text:
                yield _words(node.text, raised)
        elif event == "end" and skipping in (None, node):
            if skipping is None:
                if name in _RAISED:
                    raised.pop()
                if inside or name in _INLINE:
                    yield from _closing(name, node)
            skipping = None
            if inside and node.tail:
                yield _words(node.tail, raised)


def _words(words: str, raised: list[str]) -> str:
    """Text with its white space reduced; in a `sup` or `sub` with raised or lowered characters, never flat ones."""
    if not raised or not words.strip():
        return _collapse(words)
    table, mark = _RAISED[raised[-1]]
    plain = words.strip()
    if all(ord(character) in table for character in plain):
        return plain.translate(table)
    return f"{mark}{plain}" if len(plain) == 1 else f"{mark}({_collapse(plain)})"


def _opening(name: str, node: etree._Element, top: etree._Element) -> Iterator[str]:
    if name in _LINES:
        yield _BREAK
    if name == "item":
        depth = 0
        for ancestor in node.iterancestors():
            if ancestor is top:
                break
            depth += ancestor.tag == f"{N}item"
        yield _INDENT * depth + _BULLET
    elif name in ("td", "th") and node.getprevious() is not None:
        yield _CELL_BREAK
    elif name == "footnoteRef":
        yield _footnote(node)


def _closing(name: str, node: etree._Element) -> Iterator[str]:
    if name in _LINES and name != "br":
        yield _BREAK
    if name == "linkHtml":
        address = node.get("href", "").strip()
        if address and not address.startswith("#") and address not in "".join(str(t) for t in node.itertext()):
            yield f" ({address})"


def _footnote(node: etree._Element) -> str:
    """The text of the footnote that a `footnoteRef` names, in brackets."""
    wanted = node.get("IDREF", "")
    for note in node.getroottree().getroot().iter(f"{N}footnote") if wanted else ():
        if note.get("ID") == wanted:
            return f" [{' '.join(''.join(str(part) for part in note.itertext(etree.Element)).split())}]"
    return ""


def _collapse(words: str) -> str:
    """White space as in a browser: any run of it is one blank (no-break spaces stay)."""
    collapsed = " ".join(piece for piece in words.replace("\u00a0", "\ue000").split())
    collapsed = collapsed.replace("\ue000", "\u00a0")
    before = " " if words[:1].isspace() and words[:1] != "\u00a0" else ""
    after = " " if collapsed and words[-1:].isspace() and words[-1:] != "\u00a0" else ""
    return f"{before}{collapsed}{after}"


def _tidy(lines: list[str]) -> Iterator[str]:
    """Trims lines, drops empty ones, reduces the blanks that two neighbours left."""
    for line in lines:
        indent = line[: len(line) - len(line.lstrip(" "))] if line.lstrip(" ").startswith(_BULLET) else ""
        words = line.strip(" ")
        while "  " in words:
            words = words.replace("  ", " ")
        if words and words != _BULLET.strip():
            yield f"{indent}{words}"
