"""A DocumentEntry as the registry gives it back: as it was fed, with what the registry adds (DMP digest §3.1)."""

from typing import Final

from lxml import etree

from connectors.sandbox import ebrim
from connectors.sandbox.dmp.registry import StoredDocument
from pfi.standards.xml import parse

REPOSITORY: Final = "1.2.250.1.213.4.1.1.1.2"
"""repositoryUniqueId of the sandbox: the one of the public sample."""

_NS: Final = {"rim": ebrim.RIM}
_N: Final = f"{{{ebrim.RIM}}}"


def write_entry(document: StoredDocument) -> str:
    """The ExtrinsicObject of one document: the registry's identifiers replace the symbolic ones of the lot."""
    entry = parse(document.entry)
    for name, value in (
        ("id", document.entry_uuid),
        ("lid", document.logical_id),
        ("status", document.status.value),
    ):
        entry.set(name, value)
    for owned in entry.findall("rim:Classification", _NS):
        owned.set("classifiedObject", document.entry_uuid)
    for owned in entry.findall("rim:ExternalIdentifier", _NS):
        owned.set("registryObject", document.entry_uuid)
    entry.insert(len(entry.findall("rim:Slot", _NS)), _repository())
    version = etree.Element(f"{_N}VersionInfo", versionName="1")
    before = [child for child in entry if child.tag in (f"{_N}Slot", f"{_N}Name", f"{_N}Description")]
    entry.insert(len(before), version)
    return etree.tostring(entry, encoding="unicode", with_tail=False)


def _repository() -> etree._Element:
    slot = etree.Element(f"{_N}Slot", name="repositoryUniqueId")
    values = etree.SubElement(slot, f"{_N}ValueList")
    etree.SubElement(values, f"{_N}Value").text = REPOSITORY
    return slot
