"""The resources of a Bundle and what points to what: contained, by `fullUrl`, by type and id."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pfi.standards.fhir.element import Element
from pfi.standards.fhir.vocabulary import LIST_TYPES

SUBMISSION_SET: Final = "submissionset"
_LOGICAL: Final = "?identifier="


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its resource, and what is asked of it (`POST List`)."""

    resource: Element
    full_url: str
    method: str
    url: str


@dataclass(frozen=True, slots=True)
class Resources:
    """The entries of a Bundle, in order."""

    bundle: Element
    entries: tuple[Entry, ...]
    _by_url: dict[str, Element] = field(repr=False)

    def of(self, kind: str) -> tuple[Element, ...]:
        """The resources of a type."""
        return tuple(entry.resource for entry in self.entries if entry.resource.kind == kind)

    @property
    def submission_sets(self) -> tuple[Element, ...]:
        """The Lists that are lots; a List without a known code counts, a folder does not."""
        lists = self.of("List")
        coded = tuple(each for each in lists if SUBMISSION_SET in _list_types(each))
        return coded or tuple(each for each in lists if not _list_types(each))

    def resolve(self, reference: Element, holder: Element) -> Element:
        """The resource that a Reference points to, contained in `holder` or in the Bundle; empty when it is elsewhere.

        A reference that only names an identifier (`Patient?identifier=system|value`, or `Reference.identifier`) gives
        a resource that has nothing but it.
        """
        target = reference.text("reference")
        if target.startswith("#"):
            found = (each for each in holder.all("contained") if each.text("id") == target[1:])
            return next(found, Element({}, reference.where))
        if target in self._by_url:
            return self._by_url[target]
        kind, mark, logical = target.partition(_LOGICAL)
        if mark and "|" in logical:
            system, _, value = logical.partition("|")
            identifier = {"system": system, "value": value}
            return Element({"resourceType": kind, "identifier": [identifier]}, reference.where)
        if not target and reference.one("identifier"):
            identified = {"resourceType": reference.text("type"), "identifier": [reference.one("identifier").content]}
            return Element(identified, reference.where)
        return Element({}, reference.where)


def read_resources(bundle: Element) -> Resources:
    """The entries of a parsed Bundle."""
    entries = tuple(_entries(bundle))
    by_url: dict[str, Element] = {}
    for entry in entries:
        identifier = entry.resource.text("id")
        for url in (entry.full_url, f"{entry.resource.kind}/{identifier}" if identifier else ""):
            if url:
                by_url.setdefault(url, entry.resource)
    return Resources(bundle, entries, by_url)


def _entries(bundle: Element) -> Iterator[Entry]:
    for entry in bundle.all("entry"):
        request = entry.one("request")
        yield Entry(entry.one("resource"), entry.text("fullUrl"), request.text("method").upper(), request.text("url"))


def _list_types(each: Element) -> frozenset[str]:
    return frozenset(coding.text("code") for coding in each.codes("code") if coding.text("system") == LIST_TYPES)
