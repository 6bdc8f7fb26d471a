"""Mailboxes, identifiers and references of the directory's resources (directory digest §2.3, §2.4)."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from connectors.annuaire.identifiers import (
    FINESS_SYSTEM,
    PERSON_SYSTEM,
    RPPS_SYSTEM,
    STRUCTURE_SYSTEM,
    Professional,
    Structure,
)
from pfi.engine.connector import Mailbox
from pfi.standards.fhir.element import Element
from pfi.standards.mail import address

Admits = Callable[[str], bool]
"""Whether the domain of an address is in the white list."""

_EMAIL_TYPE: Final = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type"
_METADATA: Final = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata"
_MSSANTE: Final = "MSSANTE"
_ENDED: Final = "old"
_DATE: Final = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", re.ASCII)


def is_active(resource: Element) -> bool:
    """FHIR takes what does not say as active; anything said but `true` is not."""
    return resource.content.get("active", True) is True


def professionals(resource: Element) -> Iterator[Professional]:
    """The national identifiers of a Practitioner."""
    for identifier in resource.all("identifier"):
        if identifier.text("system") in (PERSON_SYSTEM, RPPS_SYSTEM):
            read = Professional.read(identifier.text("value"))
            if read is not None:
                yield read


def structures(resource: Element) -> Iterator[Structure]:
    """The FINESS of an Organization."""
    for identifier in resource.all("identifier"):
        if identifier.text("system") in (FINESS_SYSTEM, STRUCTURE_SYSTEM):
            read = Structure.read(identifier.text("value"))
            if read is not None:
                yield read


def target(reference: Element, kind: str) -> str:
    """Logical id that a Reference names, empty when it is not to this kind of resource."""
    *_, found, identity = ("", "", *reference.text("reference").split("/"))
    return identity if found == kind else ""


def mailboxes(
    resource: Element, admits: Admits, today: date, *, structure: str = "", label: str = "", place: str = ""
) -> Iterator[Mailbox]:
    """The MSSanté mailboxes of a resource that are in use: e-mails typed `MSSANTE`, and those without any type whose
    domain is in the white list. Never a patient's."""
    for telecom in resource.all("telecom"):
        if telecom.text("system") != "email" or telecom.text("use") == _ENDED or _is_over(telecom, today):
            continue
        written = address.normalize(telecom.text("value"))
        if written is None or address.is_patient(written):
            continue
        declared = [each.one("valueCoding").text("code") for each in telecom.extensions(_EMAIL_TYPE)]
        if _MSSANTE in declared or (not declared and admits(written)):
            described = telecom.extension(_METADATA)
            yield Mailbox(written, _kind(described), structure, _service(described) or label, place)


def place_of(organization: Element) -> str:
    """Postal code and city, for a person to choose."""
    where = organization.one("address")
    return " ".join(part for part in (where.text("postalCode"), where.text("city")) if part)


def _kind(metadata: Element) -> str:
    return next((coding.text("code") for each in metadata.extensions("type") for coding in _codings(each)), "")


def _codings(extension: Element) -> Iterator[Element]:
    yield from extension.codes("valueCodeableConcept")
    yield from extension.all("valueCoding")


def _service(metadata: Element) -> str:
    return next((each.text("valueString") for each in metadata.extensions("service")), "")


def _is_over(telecom: Element, today: date) -> bool:
    """Whether a mailbox is past its period. A date that cannot be read ends it: nothing is sent on a doubt."""
    end = telecom.one("period").text("end")
    # FHIR dates may stop at the month or the year: compared as far as they go.
    return bool(end) and (not _DATE.match(end) or end[:10] < today.isoformat()[: len(end)])
