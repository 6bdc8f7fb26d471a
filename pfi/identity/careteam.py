"""Who follows the patient, as ROL and PV1-8 tell it (obligations digest §7)."""

from collections.abc import Iterable, Sequence
from typing import Final

from pfi.model.adt import PatientEvent
from pfi.model.parties import Author, Person
from pfi.model.patient import Follower

_OF_THE_PERSON: Final = "ODRP"
"""The declared physician is the patient's; the other roles are those of one stay."""


def tell_care_team(
    person: Sequence[PatientEvent], stay: Sequence[PatientEvent], known: tuple[Follower, ...]
) -> tuple[Follower, ...]:
    """The people whom the newest statement of each role names. `person` are all statements that count, `stay` what
    stands of the newest stay, `known` the care team before these events."""
    declared, members = _told(person), _told(stay)
    team = dict.fromkeys(follower.role for follower in known)
    team.update(dict.fromkeys(role for role in declared if role == _OF_THE_PERSON))
    team.update(dict.fromkeys(role for role in members if role != _OF_THE_PERSON))
    followers: list[Follower] = []
    for role in sorted(team):
        told = (declared if role == _OF_THE_PERSON else members).get(role)
        followers.extend(told if told is not None else (each for each in known if each.role == role))
    return tuple(followers)


def _told(events: Iterable[PatientEvent]) -> dict[str, tuple[Follower, ...]]:
    """By role: those whom the newest statement of it names, without those who left it since."""
    roles: dict[str, tuple[Follower, ...]] = {}
    for event in events:
        for author in event.ended_roles:
            left = _follower(author)
            roles[author.role] = tuple(each for each in roles.get(author.role, ()) if not _same(each, left))
        named: dict[str, tuple[Follower, ...]] = {}
        for author in event.referring_professionals:
            named[author.role] = (*named.get(author.role, ()), _follower(author))
        roles.update(named)
    return roles


def _follower(author: Author) -> Follower:
    person = author.person or Person()
    return Follower(author.role, person.identifier, person.family, person.given)


def _same(one: Follower, other: Follower) -> bool:
    if one.identifier or other.identifier:
        return one.identifier == other.identifier
    return (one.family, one.given) == (other.family, other.given)
