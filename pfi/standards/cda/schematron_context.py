"""Contexts of Schematron rules (XSLT match patterns), taken apart so that one walk of a document finds every node.

`cda:author[cda:time]/cda:assignedAuthor` becomes two steps; from them come the path of names under which the node
lives, when the context says it whole, and the XPath test that the node itself must pass.
"""

import re
from dataclasses import dataclass
from typing import Final

_NODE_TEST: Final = re.compile(r"(?:child::)?((?:(?:[\w.-]+|\*):)?(?:[\w.-]+|\*))")
_POSITIONAL: Final = re.compile(r"^\s*\d+\s*$|\b(?:position|last)\s*\(")


class UnreadableContextError(ValueError):
    """The context is not a plain path of elements."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the name test (`cda:id`, `*`), its predicates with their brackets, and whether any depth may lie
    between the step before it (or the root) and this one."""

    name: str
    predicates: str
    any_depth: bool
    positional: bool


@dataclass(frozen=True, slots=True)
class Context:
    """One alternative of a match pattern. `absolute`: it starts at the document node. Without steps: that node."""

    steps: tuple[Step, ...]
    absolute: bool

    @property
    def rooted(self) -> tuple[str, ...] | None:
        """Names from the root element down, when the context says them all: it starts at the root element of a CDA
        document, which lies nowhere else, and no step is of any depth. None = the node may be anywhere."""
        if not self.steps:
            return ()
        first, *rest = self.steps
        if first.name.rpartition(":")[2] != "ClinicalDocument" or any(step.any_depth for step in rest):
            return None
        return tuple(step.name for step in self.steps)

    def test(self) -> str:
        """XPath whose effective boolean value, at a node, says whether the context designates it."""
        parts: list[str] = []
        axis = "self"
        for step in reversed(self.steps):
            if step.positional:  # counted among the children of its parent
                chosen = f"../{step.name}{step.predicates}"
                parts.append(f"{axis}::{step.name}[exists(. intersect {chosen})]")
            else:
                parts.append(f"{axis}::{step.name}{step.predicates}")
            axis = "ancestor" if step.any_depth else "parent"
        if self.absolute and self.steps and not self.steps[0].any_depth:
            parts.append("parent::document-node()")
        return "/".join(parts) or "self::document-node()"


def read_contexts(pattern: str) -> tuple[Context, ...]:
    """The alternatives of a match pattern. Raises UnreadableContextError."""
    return tuple(_context(each.strip()) for each in _split(pattern, "|"))


def _context(path: str) -> Context:
    if path == "/":
        return Context((), True)
    absolute = path.startswith("/")
    steps: list[Step] = []
    any_depth = not absolute
    for index, piece in enumerate(_split(path.removeprefix("/") if absolute else path, "/")):
        piece = piece.strip()
        if not piece:  # between the two strokes of `//`, or `//` at the start
            if index and any_depth:
                raise UnreadableContextError(path)
            any_depth = True
            continue
        if piece == "." and not steps:
            continue
        steps.append(_step(piece, any_depth if index or absolute else False))
        any_depth = False
    if not steps or any_depth:
        raise UnreadableContextError(path)
    return Context(tuple(steps), absolute)


def _step(piece: str, any_depth: bool) -> Step:
    match = _NODE_TEST.match(piece)
    if match is None:
        raise UnreadableContextError(piece)
    predicates = piece[match.end() :].strip()
    contents = _predicates(predicates)
    return Step(match[1], predicates, any_depth, any(_POSITIONAL.search(_without_nested(each)) for each in contents))


def _predicates(text: str) -> list[str]:
    contents: list[str] = []
    rest = text
    while rest:
        end = _closing(rest) if rest.startswith("[") else -1
        if end < 0:
            raise UnreadableContextError(text)
        contents.append(rest[1:end])
        rest = rest[end + 1 :].strip()
    return contents


def _without_nested(predicate: str) -> str:
    """The predicate without the predicates inside it: their positions are those of other nodes."""
    kept = ""
    rest = predicate
    while rest:
        if rest[0] == "[":
            end = _closing(rest)
            rest = rest[end + 1 :] if end >= 0 else ""
            continue
        kept += rest[0]
        rest = rest[1:]
    return kept


def _closing(text: str) -> int:
    """Place of the bracket that closes the one at the start; -1 without it."""
    depth = 0
    quote = ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
            if depth == 0:
                return place
    return -1


def _split(text: str, separator: str) -> list[str]:
    """Pieces between separators that are in no bracket and no quoted string."""
    pieces = [""]
    depth = 0
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == separator and depth == 0:
            pieces.append("")
            continue
        pieces[-1] += character
    return pieces
