"""Lookups in the FHIR API: what is asked, and only what answers it kept (directory digest §2.2).

A server that ignores a criterion would answer with everybody: each resource is checked against what was asked.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from connectors.annuaire import choice
from connectors.annuaire.client import Client
from connectors.annuaire.identifiers import Professional, Structure
from connectors.annuaire.reading import Admits, is_active, mailboxes, place_of, professionals, structures, target
from pfi.engine.connector import Found, Lookup, Mailbox, Nothing
from pfi.standards.fhir.element import Element


class Api:
    """The directory as its API tells it. Raises what `Client.search` raises."""

    def __init__(self, client: Client, admits: Admits) -> None:
        self._client = client
        self._admits = admits

    async def of_professional(self, who: Professional, structure: str, today: date) -> Lookup:
        """One request when the professional's own mailbox is enough, a second one to know which structure is which."""
        answer = await self._client.search(
            "Practitioner", {"identifier": who.token, "_revinclude": "PractitionerRole:practitioner"}
        )
        people = [each for each in _of(answer, "Practitioner") if who in professionals(each) and is_active(each)]
        if not people:
            return Nothing()
        identities = {each.text("id") for each in people} - {""}
        own = [mailbox for each in people for mailbox in mailboxes(each, self._admits, today)]
        roles = list(_roles(answer, identities))
        situated = [
            mailbox for role in roles for mailbox in mailboxes(role, self._admits, today, structure=choice.UNTOLD)
        ]
        known = choice.of_professional([*own, *situated], "")
        if not situated or (not structure and isinstance(known, Found)):
            return known
        return choice.of_professional([*own, *await self._situated(identities, today)], structure)

    async def of_structure(self, which: Structure, today: date) -> Lookup:
        """The mailboxes of the structure itself, not those of its people."""
        answer = await self._client.search("Organization", {"identifier": which.token})
        found = [each for each in _of(answer, "Organization") if which in structures(each) and is_active(each)]
        return choice.of_structure(
            mailbox
            for each in found
            for mailbox in mailboxes(
                each,
                self._admits,
                today,
                structure=which.finess,
                label=each.text("name"),
                place=place_of(each),
            )
        )

    async def _situated(self, identities: Iterable[str], today: date) -> list[Mailbox]:
        """Mailboxes of each place of work, with its FINESS."""
        found: list[Mailbox] = []
        for identity in sorted(identities):
            criteria = {"practitioner": identity, "_include": "PractitionerRole:organization"}
            answer = await self._client.search("PractitionerRole", criteria)
            places = {each.text("id"): each for each in _of(answer, "Organization")}
            for role in _roles(answer, {identity}):
                place = places.get(target(role.one("organization"), "Organization"), Element({}, ""))
                if is_active(place):
                    finess = next((each.finess for each in structures(place)), choice.UNTOLD)
                    found += mailboxes(
                        role,
                        self._admits,
                        today,
                        structure=finess,
                        label=place.text("name"),
                        place=place_of(place),
                    )
        return found


def _of(resources: Iterable[Element], kind: str) -> Iterator[Element]:
    return (each for each in resources if each.kind == kind)


def _roles(resources: Iterable[Element], identities: set[str]) -> Iterator[Element]:
    """Places of work of these people that are in activity."""
    for each in _of(resources, "PractitionerRole"):
        if is_active(each) and target(each.one("practitioner"), "Practitioner") in identities:
            yield each
