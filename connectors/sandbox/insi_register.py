"""The national base of the sandbox's INSi: invented people, found by traits or by INS (INS digest §7.3)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

TEST_NIR: Final = "1.2.250.1.213.1.4.10"
FOUND: Final = "00"
NOBODY: Final = "01"
SEVERAL: Final = "02"


@dataclass(frozen=True, slots=True)
class Identity:
    """One person. `matricule` has 15 characters, `born` is `AAAA-MM-JJ`, `place` a COG; `former` are matricules that
    were theirs."""

    matricule: str
    name: str
    given: tuple[str, ...]
    sex: str
    born: str
    place: str
    oid: str = TEST_NIR
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a request asks, once it is found well formed. `matricule` and `oid` are empty for a search by traits."""

    operation: str
    message_id: str
    name: str
    given: tuple[str, ...]
    sex: str
    born: str
    place: str = ""
    matricule: str = ""
    oid: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """CodeCR, and whom to describe when there is exactly one person."""

    code: str
    identity: Identity | None = field(default=None)


PEOPLE: Final = (
    Identity("279035121518989", "PAT-TROIS", ("DOMINIQUE", "MARIE-LOUISE"), "F", "1979-03-28", "51215"),
    Identity("290019900400184", "ESSAI-JUMEAU", ("CAMILLE", "ROSE"), "F", "1990-01-12", "99004"),
    Identity("290019900500253", "ESSAI-JUMEAU", ("CAMILLE", "IRIS"), "F", "1990-01-12", "99005"),
    Identity("185079900600127", "ESSAI-CHANGE", ("ALIX",), "M", "1985-07-03", "99006", former=("285079900600174",)),
)
"""People at start. The two of the same name are told apart by their second given name or their birth place."""


class NationalBase:
    """The people that INSi knows."""

    def __init__(self, people: Iterable[Identity] = PEOPLE) -> None:
        self._people: dict[str, Identity] = {each.matricule: each for each in people}

    def put(self, identity: Identity) -> None:
        """Adds somebody, or replaces whoever has that matricule."""
        self._people[identity.matricule] = identity

    def remove(self, matricule: str) -> None:
        self._people.pop(matricule, None)

    def search(self, inquiry: Inquiry) -> Found:
        """By traits: any of a person's given names will do, the birth place only when asked."""
        found = [each for each in self._people.values() if _fits(each, inquiry)]
        if len(found) == 1:
            return Found(FOUND, found[0])
        return Found(SEVERAL if found else NOBODY)

    def verify(self, inquiry: Inquiry) -> Found:
        """By INS and traits: the INS must be the active one of somebody who has these traits."""
        identity = self._people.get(inquiry.matricule)
        right = identity is not None and identity.oid == inquiry.oid and _fits(identity, inquiry)
        return Found(FOUND if right else NOBODY)


def _fits(identity: Identity, inquiry: Inquiry) -> bool:
    return (
        (identity.name, identity.sex, identity.born) == (inquiry.name, inquiry.sex, inquiry.born)
        and set(inquiry.given) <= set(identity.given)
        and inquiry.place in ("", identity.place)
    )
