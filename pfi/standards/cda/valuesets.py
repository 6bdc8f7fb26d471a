"""The value sets of a validation pack (`jeuxDeValeurs`, form of IHE SVS), gathered in one document for XSLT.

ART-DECOR schematrons ask for them in files of their own (`voc-<OID>-DYNAMIC.xml`) that the pack does not contain: they
are rebuilt here from the sets of the same OID (DMP digest §6).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from lxml import etree

FOLDER: Final = "jeuxDeValeurs"
_SVS: Final = "{urn:ihe:iti:svs:2008}"
_VOCABULARY: Final = re.compile(r"voc-([\d.]+)-[^/]+\.xml", re.IGNORECASE)
_KEPT: Final = ("code", "codeSystem", "displayName")


@dataclass(frozen=True, slots=True)
class Gathered:
    """`document`: XML, UTF-8: `value-sets/set[@name]`. `rebuilt`, `missing`: file names asked for."""

    document: bytes
    rebuilt: tuple[str, ...]
    missing: tuple[str, ...]


class ValueSets:
    """The value sets of the pack in this folder."""

    def __init__(self, pack: Path) -> None:
        self._pack = pack

    @cached_property
    def _files(self) -> dict[str, Path]:
        return {path.name.lower(): path for path in sorted((self._pack / FOLDER).glob("*.xml"))}

    @cached_property
    def _read(self) -> dict[str, etree._Element | None]:
        return {}

    @cached_property
    def _by_oid(self) -> dict[str, etree._Element]:
        found: dict[str, etree._Element] = {}
        for name in self._files:
            root = self._root(name)
            for each in () if root is None else root.iter(f"{_SVS}ValueSet"):
                found.setdefault(each.get("id", ""), each)
        return found

    def unreadable(self) -> tuple[str, ...]:
        """Files that are empty or not XML."""
        return tuple(path.name for name, path in self._files.items() if self._root(name) is None)

    def gather(self, names: Iterable[str], beside: Path) -> Gathered:
        """The sets of these file names (lower case). `beside`: folder of the schematron, where it may have its own."""
        document = etree.Element("value-sets")
        rebuilt: list[str] = []
        missing: list[str] = []
        for name in names:
            root = self._root(name) if name in self._files else _parse(beside / "include" / name)
            vocabulary = _VOCABULARY.fullmatch(name)
            if root is None and vocabulary is not None:
                root = self._vocabulary(vocabulary[1])
                if root is not None:
                    rebuilt.append(name)
            if root is None:
                missing.append(name)
                continue
            place = etree.SubElement(document, "set", name=name)
            place.append(_trimmed(root))
        return Gathered(etree.tostring(document, encoding="UTF-8"), tuple(rebuilt), tuple(missing))

    def _root(self, name: str) -> etree._Element | None:
        if name not in self._read:
            self._read[name] = _parse(self._files[name])
        return self._read[name]

    def _vocabulary(self, oid: str) -> etree._Element | None:
        """A set in the form of ART-DECOR: `*/valueSet/conceptList/concept`, without namespace."""
        value_set = self._by_oid.get(oid)
        if value_set is None:
            return None
        root = etree.Element("valueSets")
        concepts = etree.SubElement(etree.SubElement(root, "valueSet", id=oid), "conceptList")
        for each in value_set.iter(f"{_SVS}Concept"):
            etree.SubElement(concepts, "concept", _attributes(each))
        return root


def _parse(path: Path) -> etree._Element | None:
    parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False, remove_comments=True)
    try:
        return etree.parse(path, parser).getroot()
    except (OSError, etree.XMLSyntaxError):
        return None


def _attributes(element: etree._Element) -> dict[str, str]:
    return {name: value for name in _KEPT if (value := element.get(name)) is not None}


def _trimmed(element: etree._Element) -> etree._Element:
    """A copy without the dates and texts that no rule looks at."""
    copy = etree.Element(element.tag, _attributes(element))
    if element.get("id") is not None:
        copy.set("id", element.get("id", ""))
    for child in element.iterchildren(etree.Element):
        copy.append(_trimmed(child))
    return copy
