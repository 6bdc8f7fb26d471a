"""A validation pack of the ANS in a folder: where things are, which schematron a document calls for, what is wrong with
the pack (DMP digest §6).

Layout, as `TestContenuCDA` publishes it: `infrastructure/cda/CDA_extended.xsd`, `schematrons/CI-SIS_*.sch` (one for
each volet and version), `schematrons/profils/structurationMinimale/` (the common structure), `jeuxDeValeurs/`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from pfi.model.errors import ConfigurationError
from pfi.standards.cda.schema import SCHEMA, CdaSchema
from pfi.standards.cda.schematron import find_file, read_schematron
from pfi.standards.cda.schematron_texts import french_text, rule_id
from pfi.standards.cda.schematron_xslt import Compiled, compile_schematron
from pfi.standards.cda.valuesets import FOLDER as VALUE_SETS
from pfi.standards.cda.valuesets import Gathered, ValueSets
from pfi.standards.cda.volets import Volet, schematron_volet

SCHEMATRONS: Final = "schematrons"
PARTS: Final = ("infrastructure", VALUE_SETS, SCHEMATRONS)
"""Folders that make a pack; the rest of what the ANS publishes (examples, style sheets, tools) is not needed."""
COMMON: Final = Path(SCHEMATRONS, "profils", "structurationMinimale", "ASIP-STRUCT-MIN-StrucMin.sch")
"""Schematron of the common structure, which every document must respect."""


class FaultKind(StrEnum):
    """`REPAIRED`: worked around at each use, or without effect. `INCOMPLETE`: a schematron lacks a file: what it lets
    through is not validated. `UNUSABLE`: a schematron cannot be compiled."""

    REPAIRED = "repaired"
    INCOMPLETE = "incomplete"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the pack. `subject` is the file; `text` is French."""

    kind: FaultKind
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A compiled schematron and its value sets. `faults`: the pack's, about this schematron."""

    name: str
    compiled: Compiled
    texts: tuple[str, ...]
    rules: tuple[str, ...]
    value_sets: bytes
    faults: tuple[Fault, ...]


class ValidationPack:
    """The pack in `folder`. Raises ConfigurationError (`CDA_SCHEMA_UNUSABLE`) when it is not one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if find_file(folder / SCHEMA) is None:
            raise ConfigurationError(
                "CDA_SCHEMA_UNUSABLE",
                f"{folder} n'est pas un pack de validation : {SCHEMA.as_posix()} est absent.",
                "Indiquer le dossier qui contient infrastructure, jeuxDeValeurs et schematrons.",
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the names and contents of every file that counts."""
        digest = hashlib.sha256()
        for path in self._files():
            name = path.relative_to(self.folder).as_posix().encode()
            content = path.read_bytes()
            digest.update(b"%d %s %d\n" % (len(name), name, len(content)))
            digest.update(content)
        return digest.hexdigest()

    @cached_property
    def value_sets(self) -> ValueSets:
        """Its value sets."""
        return ValueSets(self.folder)

    @cached_property
    def volets(self) -> dict[Volet, Path]:
        """Schematrons of documents, by volet and version."""
        found = ((schematron_volet(path.stem), path) for path in sorted((self.folder / SCHEMATRONS).glob("*.sch")))
        return {volet: path for volet, path in found if volet is not None}

    @cached_property
    def common(self) -> Path | None:
        """Schematron of the common structure; None when the pack has none."""
        return find_file(self.folder / COMMON)

    def schema(self) -> CdaSchema:
        """The XML schema of CDA documents. Raises ConfigurationError."""
        return CdaSchema(self.folder)

    def prepare(self, path: Path) -> Prepared:
        """Compiles one of its schematrons: 0.05 to 1 s. Raises SchematronUnusableError."""
        schematron = read_schematron(path, self.folder)
        compiled = compile_schematron(schematron)
        gathered = self.value_sets.gather(compiled.value_sets, path.parent)
        subject = path.relative_to(self.folder).as_posix()
        return Prepared(
            schematron.name,
            compiled,
            tuple(french_text(each, schematron) for each in compiled.assertions),
            tuple(rule_id(schematron.name, each) for each in compiled.assertions),
            gathered.document,
            tuple(_faults(subject, schematron.missing, schematron.misnamed, gathered)),
        )

    def faults(self) -> tuple[Fault, ...]:
        """Everything that is wrong with the schematrons that documents are validated with, and with the value sets."""
        found: list[Fault] = []
        if self.common is None:
            text = "Le schematron de la structuration minimale est absent : aucun document ne peut être validé."
            found.append(Fault(FaultKind.UNUSABLE, COMMON.as_posix(), text))
        for path in (*((self.common,) if self.common else ()), *self.volets.values()):
            try:
                found += self.prepare(path).faults
            except ConfigurationError as error:
                found.append(Fault(FaultKind.UNUSABLE, path.relative_to(self.folder).as_posix(), error.text))
        for path in self._profiles():
            found += _of_profile(path, self.folder)
        for name in self.value_sets.unreadable():
            text = "Jeu de valeurs vide ou illisible ; sans effet tant qu'aucun schematron ne l'emploie."
            found.append(Fault(FaultKind.REPAIRED, f"{VALUE_SETS}/{name}", text))
        return tuple(found)

    def _profiles(self) -> list[Path]:
        """Schematrons of content models and terminologies: the regulation asks for none of them (EX_2.1-1071)."""
        folder = self.folder / SCHEMATRONS / "profils"
        return sorted((*folder.glob("*.sch"), *folder.glob("terminologies/*/*.sch")))

    def _files(self) -> list[Path]:
        return sorted(path for part in PARTS for path in (self.folder / part).rglob("*") if path.is_file())


def _of_profile(path: Path, folder: Path) -> Iterator[Fault]:
    """Faults of a schematron that is not applied: told, without effect."""
    subject = path.relative_to(folder).as_posix()
    try:
        schematron = read_schematron(path, folder)
    except ConfigurationError as error:
        yield Fault(FaultKind.REPAIRED, subject, f"{error.text} Il n'est pas appliqué.")
        return
    for name in schematron.missing:
        yield Fault(FaultKind.REPAIRED, subject, f"Fichier inclus absent du pack : {name}. Schematron non appliqué.")
    yield from _faults(subject, (), schematron.misnamed, Gathered(b"", (), ()))


def _faults(subject: str, missing: tuple[str, ...], misnamed: tuple[str, ...], sets: Gathered) -> Iterator[Fault]:
    for name in missing:
        yield Fault(FaultKind.INCOMPLETE, subject, f"Fichier inclus absent du pack : {name}.")
    for name in sets.missing:
        yield Fault(FaultKind.INCOMPLETE, subject, f"Jeu de valeurs absent du pack : {name}.")
    for name in misnamed:
        yield Fault(FaultKind.REPAIRED, subject, f"Fichier inclus sous un nom d'une autre casse : {name}.")
    if sets.rebuilt:
        text = (
            f"{len(sets.rebuilt)} vocabulaires absents du pack (voc-…-DYNAMIC.xml), reconstruits des jeux de valeurs."
        )
        yield Fault(FaultKind.REPAIRED, subject, text)
