"""What the models of rule files cannot see: one entry against another, names that must exist."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pfi.model.parties import rpps
from pfi.routing.exceptions import SITUATIONS
from pfi.routing.rulefile import ExceptionsFile, Expect, RuleFile, SiteFile, TableFile
from pfi.standards.nomenclature.tables import document_types
from pfi.standards.yaml import Fault, Location, YamlFile, closest

RESERVED: Final = frozenset(
    {
        "ADDRESS_LOOKED_UP",
        "CIT_OPPOSED",
        "DATE_UNKNOWN",
        "DESTDMP",
        "DESTMSSANTEPAT",
        "DESTMSSANTEPS",
        "EXPLICIT_RECIPIENTS",
        "FREE_CHOICE_NO_RECIPIENT",
        "GENETICS",
        "NOTHING_ORDERED",
        "NO_MSS_ADDRESS",
        "NO_RECIPIENT",
        "OBLIGATION_GAP",
        "ORDER_NO",
        "PATIENT_ADDRESS_COMPUTED",
        "PATIENT_ADDRESS_MALFORMED",
        "POLICY_COMPLETE",
        "RECIPIENT_ADDED",
        "RECIPIENT_NOT_SERVED",
        "RELEASED",
        "SCHEDULED",
        "SCHEDULE_AFTER_DEADLINE",
        "SETTING_UNKNOWN",
    }
)
"""Names that explanations give to what no rule says: no rule of a site may bear one of them."""


class RuleKind(StrEnum):
    """Where a rule stands in its file."""

    ROW = "row"
    EXCEPTION = "exception"
    TAG = "tag"
    SITE = "site"


_OWNERS: Final = {
    RuleKind.ROW: "une ligne de la table",
    RuleKind.EXCEPTION: "une exception",
    RuleKind.TAG: "une étiquette",
    RuleKind.SITE: "une règle du site",
}


@dataclass(frozen=True, slots=True)
class RuleOrigin:
    """Where a rule is written, and what it is in French. Exceptions that share a name count as one rule."""

    kind: RuleKind
    file: str
    line: int
    label: str

    def __str__(self) -> str:
        return f"{_OWNERS[self.kind]} ({self.file}, ligne {self.line})"


@dataclass(slots=True)
class Census:
    """All the rules met so far, by name; the addresses of the directories, by identifier."""

    rules: dict[str, RuleOrigin] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    tags: int = 0

    def take(self, source: YamlFile, content: RuleFile) -> tuple[Fault, ...]:
        """Adds a file and tells its faults. The law comes first: a site's rule must not bear the name of one of its."""
        if isinstance(content, TableFile):
            return tuple(self._rows(source, content))
        if isinstance(content, ExceptionsFile):
            return tuple(self._exceptions(source, content))
        return (*self._tags(source, content), *self._directory(content), *self._rules(source, content))

    def tests(self, content: RuleFile) -> Iterator[Fault]:
        """Faults of the tests of a file, once all files are taken."""
        for index, vector in enumerate(content.tests):
            yield from self._expected(("tests", index, "expect"), vector.expect)
            for step, then in enumerate(vector.then):
                yield from self._expected(("tests", index, "then", step, "expect"), then.expect)

    def _add(self, source: YamlFile, name: str, kind: RuleKind, place: Location, label: str) -> None:
        self.rules.setdefault(name, RuleOrigin(kind, source.path.name, source.mark(place).line, label))

    def _rows(self, source: YamlFile, table: TableFile) -> Iterator[Fault]:
        for index, row in enumerate(table.rows):
            if row.id in self.rules:
                yield Fault(("rows", index, "id"), f"la ligne « {row.id} » existe déjà")
            if row.from_ is not None and row.until is not None and row.until < row.from_:
                yield Fault(("rows", index, "until"), "« until » précède « from »")
            self._add(source, row.id, RuleKind.ROW, ("rows", index), row.label)

    def _exceptions(self, source: YamlFile, content: ExceptionsFile) -> Iterator[Fault]:
        seen: set[str] = set()
        for index, rule in enumerate(content.exceptions):
            place = ("exceptions", index, "when")
            if rule.when not in SITUATIONS:
                yield Fault(place, f"situation inconnue « {rule.when} »", closest(rule.when, SITUATIONS))
            elif rule.when in seen:
                yield Fault(place, f"la situation « {rule.when} » est déjà traitée plus haut")
            seen.add(rule.when)
            self._add(source, rule.id, RuleKind.EXCEPTION, ("exceptions", index), rule.text)

    def _tags(self, source: YamlFile, site: SiteFile) -> Iterator[Fault]:
        for index, tag in enumerate(site.tags):
            self.tags += 1
            place: Location = ("tags", index)
            yield from _types(tag.types, (*place, "types"))
            name = tag.id or default_tag_id(self.tags)
            yield from self._taken(name, (*place, "id"))
            label = f"Étiquettes ajoutées : {', '.join(sorted(tag.add))}"
            self._add(source, name, RuleKind.TAG, place, label)

    def _directory(self, site: SiteFile) -> Iterator[Fault]:
        for index, entry in enumerate(site.directory):
            known = self.addresses.setdefault(rpps(entry.identifier), entry.address)
            if known != entry.address:
                text = f"« {entry.identifier} » a déjà une autre adresse : {known}"
                yield Fault(("directory", index, "address"), text, "Ne garder qu'une adresse par identifiant.")

    def _rules(self, source: YamlFile, site: SiteFile) -> Iterator[Fault]:
        for index, rule in enumerate(site.rules):
            place: Location = ("rules", index)
            yield from self._taken(rule.id, (*place, "id"))
            yield from _types(rule.when.types or (), (*place, "when", "types"))
            self._add(source, rule.id, RuleKind.SITE, place, rule.text)

    def _taken(self, name: str, place: Location) -> Iterator[Fault]:
        if name in self.rules:
            yield Fault(place, f"le nom « {name} » est déjà celui d'{self.rules[name]}", "Choisir un autre nom.")
        elif name in RESERVED:
            yield Fault(place, f"le nom « {name} » est réservé aux explications de la PFI", "Choisir un autre nom.")

    def _expected(self, place: Location, expect: Expect) -> Iterator[Fault]:
        rows = [name for name, origin in self.rules.items() if origin.kind is RuleKind.ROW]
        yield from _unknown(expect.rows or (), rows, (*place, "rows"), "ligne inconnue")
        for key, names in (("because", expect.because), ("not_because", expect.not_because)):
            yield from _unknown(names or (), [*self.rules, *RESERVED], (*place, key), "règle inconnue")


def default_tag_id(number: int) -> str:
    """The name of a tag rule that has none: its number among all the tag rules, from 1."""
    return f"TAG_{number}"


def _unknown(names: Sequence[str], known: Sequence[str], place: Location, what: str) -> Iterator[Fault]:
    for position, name in enumerate(names):
        if name not in known:
            yield Fault((*place, position), f"{what} « {name} »", closest(name, known))


def _types(codes: frozenset[str] | tuple[str, ...], place: Location) -> Iterator[Fault]:
    known = document_types()
    for code in sorted(codes):
        if code not in known:
            text = f"type de document inconnu « {code} » (JDV_J07-XdsTypeCode-CISIS)"
            stem = f"{code.partition('-')[0]}-"
            siblings = [each for each in known if stem[:1].isdigit() and each.startswith(stem)]  # a wrong check digit
            yield Fault(place, text, closest(code, siblings or known))
