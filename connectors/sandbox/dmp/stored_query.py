"""An ITI-18 request as the registry reads it: the query and its parameters (IHE ITI TF-2a §3.18.4.1.2.3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from connectors.sandbox import ebrim
from connectors.sandbox.dmp.verdict import refuse

QUERY: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
FIND_DOCUMENTS: Final = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"

_NS: Final = {"query": QUERY, "rim": ebrim.RIM}
_SINGLE: Final = re.compile(r"^'((?:[^']|'')*)'$")
_LIST: Final = re.compile(r"^\('(?:[^']|'')+'(?:,'(?:[^']|'')+')*\)$")
_ITEM: Final = re.compile(r"'((?:[^']|'')+)'")


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """`slots` are the values as written, by parameter; `leaf` says whether metadata are asked for, not references."""

    id: str
    leaf: bool
    slots: Mapping[str, tuple[str, ...]]

    def single(self, name: str) -> str:
        """A parameter of one quoted value, empty when absent. Raises RefusedError."""
        values = self.slots.get(name, ())
        if not values:
            return ""
        found = _SINGLE.match(values[0])
        if len(values) != 1 or found is None:
            raise refuse("XDSStoredQueryParamNumber", f"{name} : une seule valeur entre apostrophes attendue")
        return found[1].replace("''", "'")

    def several(self, name: str) -> tuple[str, ...]:
        """A parameter that is a list `('a','b')`, empty when absent. Raises RefusedError."""
        values = self.slots.get(name, ())
        if any(_LIST.match(value) is None for value in values):
            raise refuse("XDSStoredQueryParamNumber", f"{name} : liste ('...') attendue")
        return tuple(item.replace("''", "'") for value in values for item in _ITEM.findall(value))


def read_query(body: etree._Element) -> StoredQuery:
    """Reads an `AdhocQueryRequest`. Raises RefusedError."""
    if body.tag != f"{{{QUERY}}}AdhocQueryRequest":
        raise refuse("XDSRegistryError", "AdhocQueryRequest attendu")
    option = body.find("query:ResponseOption", _NS)
    query = body.find("rim:AdhocQuery", _NS)
    if query is None or query.get("id") not in (GET_DOCUMENTS, FIND_DOCUMENTS):
        raise refuse("XDSUnknownStoredQuery", "requête inconnue : GetDocuments ou FindDocuments attendue")
    kind = option.get("returnType") if option is not None else None
    if kind not in ("ObjectRef", "LeafClass"):
        raise refuse("XDSRegistryError", "returnType ObjectRef ou LeafClass attendu")
    slots: dict[str, tuple[str, ...]] = {}
    for slot in query.findall("rim:Slot", _NS):
        name = slot.get("name", "")
        if name in slots:
            raise refuse("XDSStoredQueryParamNumber", f"{name} répété")
        slots[name] = tuple((value.text or "").strip() for value in slot.findall("rim:ValueList/rim:Value", _NS))
    return StoredQuery(query.get("id", ""), kind == "LeafClass", slots)
