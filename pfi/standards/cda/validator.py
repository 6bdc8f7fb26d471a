"""Validation of one document as an EAI must do it before it feeds the DMP (EX_2.1-1071, EX_2.1-1090): XML schema, then
the schematron of its volet, then that of the common structure, then what none of them sees (DMP digest §6)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lxml import etree

from pfi.model.document import CdaHeader
from pfi.model.errors import ConfigurationError
from pfi.model.finding import Finding, Severity, refuses
from pfi.standards.cda.checks import check_header
from pfi.standards.cda.header import read_header
from pfi.standards.cda.oids import INS_ARC, INS_OIDS, MATRICULE, OBSOLETE_INS_OIDS
from pfi.standards.cda.pack import Fault, FaultKind, ValidationPack
from pfi.standards.cda.schematron_run import SchematronRunError, Schematrons
from pfi.standards.cda.tree import CdaUnreadableError, clinical_document, parse_cda
from pfi.standards.cda.volets import candidates, volet_of

_OWN_DEFECTS: Final = frozenset(
    {"CDA_LANGUAGE", "CDA_INS_MALFORMED", "CDA_EFFECTIVE_TIME_NO_OFFSET", "CDA_ID_EXTENSION"}
)
"""Defects that the official checks let through and that the DMP refuses or that would make it wrong (DMP digest §6).
Elsewhere they are warnings, for mail may still leave; here they are errors. The fifth is `CDA_INS_OID_UNKNOWN`."""


@dataclass(frozen=True, slots=True)
class Validated:
    """`findings`: errors refuse the document. `applied`: names of the checks that were made, in order."""

    findings: tuple[Finding, ...]
    applied: tuple[str, ...]


class DocumentValidator:
    """Validates documents with one pack. Made and used in one thread.

    `accept_incomplete`: what the pack lacks (a version, an included file, a value set) is a warning instead of an
    error. Raises ConfigurationError when the pack cannot be used.
    """

    def __init__(self, pack: Path, cache: Path, *, accept_incomplete: bool = False) -> None:
        self._pack = ValidationPack(pack)
        self._schema = self._pack.schema()
        self._lacking = Severity.WARNING if accept_incomplete else Severity.ERROR
        self._schematrons = Schematrons(self._pack, cache)

    def warm_up(self) -> None:
        """Compiles the common structure, so that the first document does not wait for it."""
        if self._pack.common is not None:
            self._schematrons.faults(self._pack.common)

    def validate(self, content: bytes) -> Validated:
        """Everything there is to say about a document. Each step is made only when the one before found no error."""
        try:
            root = parse_cda(content)
            document = clinical_document(root)
            header = read_header(content, root)
        except CdaUnreadableError as error:
            finding = Finding(error.code, Severity.ERROR, "ClinicalDocument", error.text, "", "207", "906")
            return Validated((finding,), ())
        applied = ["CDA_extended.xsd"]
        findings = list(self._schema.validate(content, root))
        if findings:
            return Validated(tuple(findings), tuple(applied))
        tree = self._schematrons.read(etree.tostring(document, encoding="unicode", with_tail=False))
        findings += self._volet(document, tree, applied)
        if self._pack.common is not None:
            findings += self._apply(self._pack.common, tree, applied)
        else:
            findings.append(self._not_validated("le pack n'a pas de schematron de la structuration minimale"))
        applied.append("PFI")
        findings += (
            replace(each, severity=Severity.ERROR, err3="207", err5="906")
            for each in check_header(header)
            if each.code in _OWN_DEFECTS
        )
        findings += _unknown_ins_oid(header)
        return Validated(tuple(findings), tuple(applied))

    def _volet(self, document: etree._Element, tree: Any, applied: list[str]) -> tuple[Finding, ...]:
        """By the version that the document announces; without one, by the newest that it respects."""
        volet = volet_of(document)
        installed = self._pack.volets
        if volet is None or not any(each.name.casefold() == volet.name.casefold() for each in installed):
            return ()  # a document without schematron of its own (EX_2.1-1071)
        possible = candidates(volet, installed)
        if not possible:
            return (self._not_validated(f"le pack n'a pas la version {volet.version} du volet {volet.name}"),)
        refused: list[tuple[Finding, ...]] = []
        for each in possible:
            findings = self._apply(installed[each], tree, [])
            if not refuses(findings):
                applied.append(installed[each].stem)
                return findings
            refused.append(findings)
        applied.append(installed[possible[0]].stem)
        return refused[0]

    def _apply(self, path: Path, tree: Any, applied: list[str]) -> tuple[Finding, ...]:
        applied.append(path.stem)
        try:
            faults = self._schematrons.faults(path)
            findings = self._schematrons.findings(path, tree)
        except ConfigurationError as error:
            return (self._not_validated(error.text.rstrip(".")),)
        except SchematronRunError:
            return (self._not_validated(f"le schematron {path.stem} n'a pas pu être appliqué à ce document"),)
        return (*findings, *self._incomplete(path, faults))

    def _incomplete(self, path: Path, faults: tuple[Fault, ...]) -> tuple[Finding, ...]:
        lacking = [each for each in faults if each.kind is FaultKind.INCOMPLETE]
        if not lacking:
            return ()
        reason = f"le pack est incomplet pour le schematron {path.stem} ({len(lacking)} fichier(s) absent(s))"
        return (self._not_validated(reason),)

    def _not_validated(self, reason: str) -> Finding:
        """A missing resource: the document is not validated, and must not be fed unless an administrator says so."""
        text = f"Document non validé : {reason}."
        return Finding("CDA_NOT_VALIDATED", self._lacking, "ClinicalDocument", text, "EX_2.1-1090", "207", "906")


def _unknown_ins_oid(header: CdaHeader) -> Iterator[Finding]:
    """A document without INS but with an identifier that is one in everything but its OID. Beside an INS, the same
    number may be a social security number: allowed."""
    if header.patient.ins is not None:
        return
    for each in header.patient.identifiers:
        oid = each.authority_oid
        if oid in INS_OIDS | OBSOLETE_INS_OIDS:
            continue
        if oid.startswith(INS_ARC) or MATRICULE.fullmatch(each.value):
            text = "Un identifiant du patient a la forme d'une INS mais son OID n'est pas un OID d'INS connu."
            where = "recordTarget/patientRole/id"
            yield Finding("CDA_INS_OID_UNKNOWN", Severity.ERROR, where, text, "INS digest §1.3", "207", "906")
