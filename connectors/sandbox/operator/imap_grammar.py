"""What the sandbox reads of IMAP4rev1 (RFC 3501 §9): the commands of a client of application mailboxes, no literals."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(r"^(?P<tag>[A-Za-z0-9.]{1,32}) (?P<verb>(?:UID )?[A-Za-z]{2,16})(?: (?P<rest>.*))?$", re.I)
_TOKEN: Final = re.compile(r'\(|\)|"(?:[^"\\\x00-\x1f]|\\["\\])*"|[^\x00-\x20\x7f()"{}]+')
_SECTION: Final = re.compile(
    r"^BODY(?P<peek>\.PEEK)?\[(?P<part>|HEADER)\](?:<(?P<start>\d{1,10})\.(?P<count>\d{1,10})>)?$", re.I
)
_RANGE: Final = re.compile(r"^(\d{1,10}|\*)(?::(\d{1,10}|\*))?$")


class GrammarError(ValueError):
    """The text is what the server answers after BAD."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command line. `arguments` without quotes; parentheses stay as arguments of their own."""

    tag: str
    verb: str
    arguments: tuple[str, ...]

    def only(self, count: int) -> tuple[str, ...]:
        """The arguments when there are that many. Raises GrammarError."""
        if len(self.arguments) != count:
            raise GrammarError(f"{count} argument(s) expected")
        return self.arguments


@dataclass(frozen=True, slots=True)
class Section:
    """A `BODY[…]` to fetch. `count` `None` = to the end."""

    header: bool
    start: int
    count: int | None
    peek: bool

    def of(self, mail: bytes) -> bytes:
        if self.header:
            head, separator, _body = mail.partition(b"\r\n\r\n")
            mail = head + separator
        return mail[self.start :] if self.count is None else mail[self.start : self.start + self.count]

    @property
    def name(self) -> str:
        """As the answer names it."""
        origin = "" if self.count is None else f"<{self.start}>"
        return f"BODY[{'HEADER' if self.header else ''}]{origin}"


def read_command(line: bytes) -> Command:
    """Raises GrammarError."""
    try:
        found = _LINE.match(line.decode("ascii").rstrip("\r\n"))
    except UnicodeDecodeError:
        raise GrammarError("ASCII expected") from None
    if found is None:
        raise GrammarError("tag and command expected")
    return Command(found["tag"], found["verb"].upper(), tuple(_tokens(found["rest"] or "")))


def read_section(text: str) -> Section:
    """Raises GrammarError."""
    found = _SECTION.match(text)
    if found is None:
        raise GrammarError("unknown FETCH item")
    count = int(found["count"]) if found["count"] is not None else None
    return Section(found["part"] != "", int(found["start"] or 0), count, found["peek"] is not None)


def chosen(text: str, uids: tuple[int, ...]) -> tuple[int, ...]:
    """Those of `uids` (ascending) that a sequence set names. Raises GrammarError."""
    last = uids[-1] if uids else 0
    wanted: set[int] = set()
    for item in text.split(","):
        found = _RANGE.match(item)
        if found is None:
            raise GrammarError("sequence set expected")
        ends = sorted(last if each == "*" else int(each) for each in (found[1], found[2] or found[1]))
        wanted.update(uid for uid in uids if ends[0] <= uid <= ends[1])
    return tuple(uid for uid in uids if uid in wanted)


def items(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The members of a parenthesized list, or the one argument. Raises GrammarError."""
    if len(arguments) == 1:
        return arguments
    if len(arguments) < 3 or (arguments[0], arguments[-1]) != ("(", ")") or {"(", ")"} & set(arguments[1:-1]):
        raise GrammarError("list expected")
    return arguments[1:-1]


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        if text[position] == " ":
            position += 1
            continue
        found = _TOKEN.match(text, position)
        if found is None:
            raise GrammarError("argument not understood; literals are not taken here")
        position = found.end()
        token = found[0]
        yield re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token
