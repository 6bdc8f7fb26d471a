"""Which mailbox is the one, when it can be told without guessing (directory digest §1)."""

from collections.abc import Iterable
from typing import Final

from pfi.engine.connector import Ambiguous, Found, Lookup, Mailbox, Nothing

UNTOLD: Final = "?"
"""In the place of a FINESS: the mailbox goes with a structure, which is not told."""

_OF_PEOPLE: Final = frozenset({"PER", "CAB", ""})
_OF_STRUCTURES: Final = frozenset({"ORG", "APP", ""})


def of_professional(mailboxes: Iterable[Mailbox], structure: str) -> Lookup:
    """The only mailbox that the professional has at `structure` (FINESS, may be empty); else the only one that goes
    with no structure. A mailbox of another structure is shown, never chosen."""
    known = [each for each in mailboxes if each.kind in _OF_PEOPLE]
    if structure and (here := _each_once(each for each in known if each.structure == structure)):
        return _only(here)
    own = _each_once(each for each in known if not each.structure)
    if len(own) == 1:
        return Found(own[0])
    every = _each_once(known)
    return Ambiguous(every) if every else Nothing()


def of_structure(mailboxes: Iterable[Mailbox]) -> Lookup:
    """The only mailbox of a structure, organisational or applicative."""
    return _only(_each_once(each for each in mailboxes if each.kind in _OF_STRUCTURES))


def _only(mailboxes: tuple[Mailbox, ...]) -> Lookup:
    if not mailboxes:
        return Nothing()
    return Found(mailboxes[0]) if len(mailboxes) == 1 else Ambiguous(mailboxes)


def _each_once(mailboxes: Iterable[Mailbox]) -> tuple[Mailbox, ...]:
    """One address is one mailbox, however many places publish it."""
    once: dict[str, Mailbox] = {}
    for mailbox in mailboxes:
        once.setdefault(mailbox.address.lower(), mailbox)
    return tuple(once.values())
