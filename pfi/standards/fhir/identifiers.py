"""Identifiers of people, structures and documents in FHIR, in the forms of the model."""

from collections.abc import Iterator
from typing import Final

from pfi.model.document import DocumentId
from pfi.model.patient import Identifier
from pfi.standards.fhir.element import Element
from pfi.standards.fhir.vocabulary import without_urn
from pfi.standards.hl7v2.identifiers import INS_OIDS

URIS: Final = "urn:ietf:rfc:3986"
_OID: Final = "urn:oid:"


def types_of(identifier: Element) -> frozenset[str]:
    """Codes of `Identifier.type` (`INS-NIR`, `PI`, `RPPS`...), in upper case."""
    return frozenset(code.upper() for coding in identifier.codes("type") if (code := coding.text("code")))


def in_use(holder: Element) -> Iterator[Element]:
    """The identifiers that have a value and are not said to be old."""
    return (each for each in holder.all("identifier") if each.text("value") and each.text("use") != "old")


def is_ins(identifier: Element) -> bool:
    """An INS has the OID of one, and no type that says something else: the billing NIR shares the OID."""
    types = types_of(identifier)
    ins_type = not types or any(each.startswith("INS") for each in types)
    return ins_type and without_urn(identifier.text("system")) in INS_OIDS


def read_identifier(identifier: Element, type_code: str = "") -> Identifier:
    """A CX. The authority is the structure that assigned it (`assigner`), else the system."""
    assigner = identifier.one("assigner")
    return Identifier(
        identifier.text("value"),
        assigner.one("identifier").text("value") or without_urn(identifier.text("system")),
        assigner.text("display"),
        type_code or next(iter(sorted(types_of(identifier))), ""),
    )


def read_document_id(identifier: Element) -> DocumentId | None:
    """`masterIdentifier`: `urn:oid:…` or `urn:uuid:…`, with `^extension` or not, or an OID in `system`."""
    value, system = identifier.text("value"), identifier.text("system")
    if not value:
        return None
    if system.lower().startswith(_OID):
        return DocumentId(without_urn(system), value)
    root, _, extension = without_urn(value).partition("^")
    return DocumentId(root, extension)
