"""Reads ebRIM 3.0 registry objects, for the DMP (ITI-41) and for METADATA.XML (ITI-32). Reads; judges form only."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from pfi.standards.xml import parse

RIM: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
LCM: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
_NS: Final = {"rim": RIM, "lcm": LCM}
_ORDER: Final = ("Slot", "Name", "Description", "VersionInfo", "Classification", "ExternalIdentifier")


class MalformedRegistryError(ValueError):
    """The registry objects break the ebRIM schema: French sentence."""


@dataclass(frozen=True, slots=True)
class Classification:
    scheme: str
    node: str
    classified: str
    representation: str
    label: str
    slots: dict[str, tuple[str, ...]]

    @property
    def coding_scheme(self) -> str:
        return next(iter(self.slots.get("codingScheme", ())), "")


@dataclass(frozen=True, slots=True)
class ExternalIdentifier:
    scheme: str
    value: str
    registry_object: str
    name: str


@dataclass(frozen=True, slots=True)
class RegistryObject:
    """A RegistryPackage or an ExtrinsicObject."""

    id: str
    attributes: dict[str, str]
    slots: dict[str, tuple[str, ...]]
    title: str
    classifications: tuple[Classification, ...]
    identifiers: tuple[ExternalIdentifier, ...]

    def slot(self, name: str) -> str:
        """First value of a slot, empty when it is absent."""
        return next(iter(self.slots.get(name, ())), "")

    def classified(self, scheme: str) -> tuple[Classification, ...]:
        return tuple(one for one in self.classifications if one.scheme == scheme)

    def identifier(self, scheme: str) -> str:
        """Value of the only identifier of a scheme; raises MalformedRegistryError when there is none or several."""
        found = [one for one in self.identifiers if one.scheme == scheme]
        if len(found) != 1:
            raise MalformedRegistryError(f"{len(found)} ExternalIdentifier de schéma {scheme}, un seul attendu")
        return found[0].value


@dataclass(frozen=True, slots=True)
class Association:
    type: str
    source: str
    target: str
    object_type: str
    slots: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Registry:
    """Content of one RegistryObjectList. `nodes` are the free Classification elements: (classifiedObject, node)."""

    packages: tuple[RegistryObject, ...]
    documents: tuple[RegistryObject, ...]
    associations: tuple[Association, ...]
    nodes: tuple[tuple[str, str], ...]


def read_submit_objects(request: etree._Element) -> Registry:
    """Reads a `lcm:SubmitObjectsRequest`. Raises MalformedRegistryError."""
    if request.tag != f"{{{LCM}}}SubmitObjectsRequest":
        raise MalformedRegistryError("la racine n'est pas lcm:SubmitObjectsRequest")
    lists = request.findall("rim:RegistryObjectList", _NS)
    if len(lists) != 1:
        raise MalformedRegistryError("il faut exactement un RegistryObjectList")
    packages: list[RegistryObject] = []
    documents: list[RegistryObject] = []
    associations: list[Association] = []
    nodes: list[tuple[str, str]] = []
    seen: set[str] = set()
    for child in _elements(lists[0]):
        name = _local(child)
        identity = child.get("id", "")
        if not identity and name != "Classification":
            raise MalformedRegistryError(f"{name} sans attribut id")
        if identity and identity in seen:
            raise MalformedRegistryError("deux objets portent le même id")
        seen.add(identity)
        if name == "RegistryPackage":
            packages.append(_registry_object(child))
        elif name == "ExtrinsicObject":
            documents.append(_registry_object(child))
        elif name == "Association":
            associations.append(
                Association(
                    child.get("associationType", ""),
                    child.get("sourceObject", ""),
                    child.get("targetObject", ""),
                    child.get("objectType", ""),
                    _slots(child),
                )
            )
        elif name == "Classification":
            nodes.append((child.get("classifiedObject", ""), child.get("classificationNode", "")))
        else:
            raise MalformedRegistryError(f"élément {name} inattendu")
    return Registry(tuple(packages), tuple(documents), tuple(associations), tuple(nodes))


def read_extrinsic_object(content: bytes) -> RegistryObject:
    """Reads one ExtrinsicObject that stands alone. Raises MalformedRegistryError."""
    return _registry_object(parse(content))


def _registry_object(element: etree._Element) -> RegistryObject:
    identity = element.get("id", "")
    names = [_local(child) for child in _elements(element)]
    if unknown := [name for name in names if name not in _ORDER]:
        raise MalformedRegistryError(f"élément {unknown[0]} inattendu")
    ranks = [_ORDER.index(name) for name in names]
    if ranks != sorted(ranks):
        raise MalformedRegistryError("ordre des éléments : Slot, Name, Description, Classification, ExternalIdentifier")
    classifications = tuple(_classification(one) for one in element.findall("rim:Classification", _NS))
    identifiers = tuple(
        ExternalIdentifier(
            one.get("identificationScheme", ""),
            one.get("value", ""),
            one.get("registryObject", ""),
            _text(one, "rim:Name"),
        )
        for one in element.findall("rim:ExternalIdentifier", _NS)
    )
    if any(one.classified != identity for one in classifications):
        raise MalformedRegistryError("une Classification porte un classifiedObject qui n'est pas son objet")
    if any(one.registry_object != identity for one in identifiers):
        raise MalformedRegistryError("un ExternalIdentifier porte un registryObject qui n'est pas son objet")
    return RegistryObject(
        identity,
        {str(key): str(value) for key, value in element.attrib.items()},
        _slots(element),
        _text(element, "rim:Name"),
        classifications,
        identifiers,
    )


def _classification(element: etree._Element) -> Classification:
    if not element.get("id"):
        raise MalformedRegistryError("Classification sans attribut id")
    return Classification(
        element.get("classificationScheme", ""),
        element.get("classificationNode", ""),
        element.get("classifiedObject", ""),
        element.get("nodeRepresentation", ""),
        _text(element, "rim:Name"),
        _slots(element),
    )


def _slots(element: etree._Element) -> dict[str, tuple[str, ...]]:
    slots: dict[str, tuple[str, ...]] = {}
    for slot in element.findall("rim:Slot", _NS):
        name = slot.get("name", "")
        values = tuple(value.text or "" for value in slot.findall("rim:ValueList/rim:Value", _NS))
        if not name or name in slots or not values:
            raise MalformedRegistryError("Slot sans nom, sans valeur ou répété")
        slots[name] = values
    return slots


def _text(element: etree._Element, path: str) -> str:
    found = element.find(f"{path}/rim:LocalizedString", _NS)
    return found.get("value", "") if found is not None else ""


def _elements(element: etree._Element) -> Iterator[etree._Element]:
    return element.iterchildren("{*}*")


def _local(element: etree._Element) -> str:
    name = etree.QName(element)
    if name.namespace != RIM:
        raise MalformedRegistryError(f"élément {name.localname} hors de l'espace de noms ebRIM")
    return name.localname
