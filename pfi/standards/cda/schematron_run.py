"""Compiled schematrons, kept on disk and run by Saxon.

Saxon holds the interpreter's lock and belongs to one thread: a `Schematrons` is made and used in one thread of a
process of its own, never in the engine's.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import saxonche

from pfi.model.finding import Finding, Severity
from pfi.standards.cda.pack import Fault, FaultKind, ValidationPack
from pfi.standards.cda.schematron import unusable
from pfi.standards.cda.schematron_xslt import SETS, VERSION, failures

_STYLESHEET: Final = "schematron.xsl"
_VALUE_SETS: Final = "value-sets.xml"
_MANIFEST: Final = "manifest.json"
_MAX_FINDINGS: Final = 50


class SchematronRunError(Exception):
    """Saxon could not apply a schematron to a document. Carries no content."""


@dataclass(frozen=True, slots=True)
class _Sheet:
    executable: Any
    value_sets: Any  # the node must live as long as the executable that looks into it
    rules: tuple[str, ...]
    texts: tuple[str, ...]
    severities: tuple[Severity, ...]
    faults: tuple[Fault, ...]


class Schematrons:
    """The schematrons of a pack, each compiled at its first use and kept under `cache` by the digest of the pack."""

    def __init__(self, pack: ValidationPack, cache: Path) -> None:
        self._pack = pack
        self._cache = cache / f"{pack.digest[:16]}-{VERSION}"
        self._processor = saxonche.PySaxonProcessor(license=False)
        self._sheets: dict[Path, _Sheet] = {}

    def read(self, document: str) -> Any:
        """A document in the form that Saxon works on. `document`: well-formed XML without DOCTYPE."""
        return self._processor.parse_xml(xml_text=document)

    def faults(self, path: Path) -> tuple[Fault, ...]:
        """What the pack lacks for this schematron. Raises SchematronUnusableError."""
        return self._sheet(path).faults

    def findings(self, path: Path, document: Any) -> tuple[Finding, ...]:
        """What a schematron has to say about a document: one finding for each assertion and place, 50 at most, errors
        first. Raises SchematronUnusableError, SchematronRunError."""
        sheet = self._sheet(path)
        try:
            output = sheet.executable.transform_to_string(xdm_node=document)
        except Exception as error:
            raise SchematronRunError(type(error).__name__) from None
        found = dict.fromkeys(failures(output or ""))
        every = sorted(found, key=lambda each: sheet.severities[each[0]] is not Severity.ERROR)
        return tuple(_finding(sheet, index, place) for index, place in every[:_MAX_FINDINGS])

    def _sheet(self, path: Path) -> _Sheet:
        sheet = self._sheets.get(path)
        if sheet is None:
            sheet = self._sheets[path] = self._kept(path)
        return sheet

    def _kept(self, path: Path) -> _Sheet:
        """From the disk; what cannot be kept there is kept in memory, as long as the process lives."""
        folder = self._cache / path.stem
        if (folder / _MANIFEST).is_file():
            return self._load(path, folder)
        files = self._compile(path)
        try:
            _keep(files, folder)
        except OSError:
            with tempfile.TemporaryDirectory(prefix="pfi-schematrons-") as scratch:
                _keep(files, Path(scratch) / path.stem)
                return self._load(path, Path(scratch) / path.stem)
        return self._load(path, folder)

    def _load(self, path: Path, folder: Path) -> _Sheet:
        manifest = orjson.loads((folder / _MANIFEST).read_bytes())
        compiler = self._processor.new_xslt30_processor()
        try:
            executable = compiler.compile_stylesheet(stylesheet_file=str(folder / _STYLESHEET))
        except Exception as error:
            raise unusable(path, f"Saxon le refuse ({type(error).__name__})") from None
        value_sets = self._processor.parse_xml(xml_file_name=str(folder / _VALUE_SETS))
        executable.set_parameter(SETS, value_sets)
        return _Sheet(
            executable,
            value_sets,
            tuple(manifest["rules"]),
            tuple(manifest["texts"]),
            tuple(Severity(each) for each in manifest["severities"]),
            tuple(Fault(FaultKind(kind), subject, text) for kind, subject, text in manifest["faults"]),
        )

    def _compile(self, path: Path) -> Mapping[str, bytes]:
        prepared = self._pack.prepare(path)
        manifest = {
            "rules": prepared.rules,
            "texts": prepared.texts,
            "severities": [str(each.severity) for each in prepared.compiled.assertions],
            "faults": [[str(each.kind), each.subject, each.text] for each in prepared.faults],
        }
        return {
            _STYLESHEET: prepared.compiled.stylesheet,
            _VALUE_SETS: prepared.value_sets,
            _MANIFEST: orjson.dumps(manifest),
        }


def _keep(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes a folder whole or not at all, whoever else does the same at the same time. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    being_made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    for name, content in files.items():
        (being_made / name).write_bytes(content)
    try:
        os.rename(being_made, folder)
    except OSError:  # somebody was faster
        shutil.rmtree(being_made, ignore_errors=True)


def _finding(sheet: _Sheet, index: int, place: str) -> Finding:
    return Finding(
        "CDA_SCHEMATRON",
        sheet.severities[index],
        place or "ClinicalDocument",
        sheet.texts[index],
        sheet.rules[index],
        err3="207",
        err5="906",
    )
