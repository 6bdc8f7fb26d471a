"""ROL and PV1-8: the professionals who follow the patient (hl7v2 digest §6, obligations digest §7)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pfi.model.parties import Author
from pfi.standards.hl7v2.participants import read_person
from pfi.standards.hl7v2.tokenizer import Message, Repetition

ROLES: Final = frozenset({"ODRP", "RP", "RT", "SUBS"})
"""ROL-3 of the people who follow the patient: declared physician, referring, care team, substitute."""
_REFERRING: Final = "RP"
_ENDED: Final = "DE"


@dataclass(frozen=True, slots=True)
class CareTeam:
    """Those whom the message names, and those of whom it says that they no longer have that role (ROL-2 = `DE`)."""

    named: tuple[Author, ...] = ()
    ended: tuple[Author, ...] = ()


def read_care_team(message: Message) -> CareTeam:
    """ROL in order, then the referring physician of PV1-8; the same person in the same role once."""
    named: list[tuple[Repetition, str]] = []
    ended: list[tuple[Repetition, str]] = []
    for rol in message.all("ROL"):
        role = rol.component(3).upper()
        if role in ROLES:
            (ended if rol.component(2).upper() == _ENDED else named).append((rol.first(4), role))
    pv1 = message.first("PV1")
    if pv1 is not None:
        named.extend((xcn, _REFERRING) for xcn in pv1.repetitions(8))
    return CareTeam(tuple(_people(named)), tuple(_people(ended)))


def _people(candidates: Iterable[tuple[Repetition, str]]) -> Iterator[Author]:
    seen = set()
    for xcn, role in candidates:
        person = read_person(xcn)
        if person is None:
            continue
        who = (person.identifier or f"{person.family} {person.given}", role)
        if who in seen:
            continue
        seen.add(who)
        yield Author(person=person, role=role)
