"""People, organizations and devices of a CDA header."""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from pfi.model.document import Participant
from pfi.model.parties import Author, Device, Organization, Person, Recipient, RecipientKind
from pfi.standards.cda.oids import INS_OIDS, PROFESSIONAL_OID, STRUCTURE_OID
from pfi.standards.cda.tree import N, coded, document_id, text

_MSSANTE_DOMAIN: Final = "mssante.fr"

# Type of a PSIdNat by its first character (DMP digest §3.1): RPPS and ADELI numbers are national; the others are
# identifiers given by a structure.
_PSIDNAT_TYPES: Final = {"0": "IDNPS", "8": "IDNPS", "1": "EI", "3": "EI", "4": "EI", "5": "EI", "6": "EI"}


def assigned_author(element: etree._Element) -> Author:
    """An `author`: a person or a device, its organization, `functionCode` and profession."""
    assigned = element.find(f"{N}assignedAuthor")
    return _role(
        assigned,
        role=_display(element.find(f"{N}functionCode")),
        person="assignedPerson",
        organization_name="representedOrganization",
        device="assignedAuthoringDevice",
    )


def assigned_entity(element: etree._Element) -> Author:
    """A `legalAuthenticator` or a `performer`."""
    return _role(
        element.find(f"{N}assignedEntity"),
        role=_display(element.find(f"{N}functionCode")),
        person="assignedPerson",
        organization_name="representedOrganization",
    )


def participant(element: etree._Element) -> Participant:
    """A `participant`: its type, function (`PCP` = médecin traitant) and who it is."""
    function = coded(element.find(f"{N}functionCode"))
    associated = element.find(f"{N}associatedEntity")
    return Participant(
        type_code=element.get("typeCode", ""),
        function_code=function.code if function else "",
        party=None
        if associated is None
        else _role(
            associated,
            role=function.label if function else "",
            person="associatedPerson",
            organization_name="scopingOrganization",
        ),
    )


def custodian(element: etree._Element) -> Organization | None:
    """The organization that keeps the document."""
    return organization(element.find(f"{N}assignedCustodian/{N}representedCustodianOrganization"))


def information_recipient(element: etree._Element) -> Recipient | None:
    """An `informationRecipient`; its address is the MSSanté mailbox among its `mailto:`, else its first one."""
    intended = element.find(f"{N}intendedRecipient")
    if intended is None:
        return None
    received = organization(intended.find(f"{N}receivedOrganization"))
    person_element = intended.find(f"{N}informationRecipient")
    identifier = document_id(intended.find(f"{N}id"))
    person = None if person_element is None else _person(intended, person_element)
    if identifier is not None and identifier.root in INS_OIDS:
        kind = RecipientKind.PATIENT
    elif person is not None or received is None:
        kind = RecipientKind.PROFESSIONAL
    else:
        kind = RecipientKind.ORGANIZATION
    return Recipient(
        kind=kind,
        address=_mailbox(element),
        person=person,
        organization=received,
        identifier=identifier.extension if identifier else "",
    )


def organization(element: etree._Element | None) -> Organization | None:
    """An organization with a name or an identifier."""
    if element is None:
        return None
    identifier = document_id(element.find(f"{N}id"))
    name = text(element.find(f"{N}name"))
    if identifier is None:
        return Organization(name=name) if name else None
    return Organization(
        name=name,
        identifier=identifier.extension,
        identifier_oid=identifier.root,
        identifier_type="IDNST" if identifier.root == STRUCTURE_OID else "",
    )


def _role(
    element: etree._Element | None, *, role: str, person: str, organization_name: str, device: str = ""
) -> Author:
    if element is None:
        return Author(role=role)
    person_element = element.find(N + person)
    device_element = element.find(N + device) if device else None
    profession = coded(element.find(f"{N}code"))
    return Author(
        person=None if person_element is None else _person(element, person_element),
        organization=organization(element.find(N + organization_name)),
        device=None if device_element is None else _device(element, device_element),
        role=role,
        specialty=None if profession is None else (profession.code, profession.label, profession.system),
    )


def _person(role: etree._Element, element: etree._Element) -> Person | None:
    """Identifier of the role, name of the person; None when there is neither."""
    identifier = document_id(role.find(f"{N}id"))
    name = element.find(f"{N}name")
    family = given = ""
    if name is not None:
        family = text(name.find(f"{N}family"))
        given = text(name.find(f"{N}given"))
    if identifier is None:
        return Person(family=family, given=given) if family or given else None
    return Person(
        identifier=identifier.extension,
        identifier_oid=identifier.root,
        identifier_type=_identifier_type(identifier.root, identifier.extension),
        family=family,
        given=given,
    )


def _identifier_type(root: str, extension: str) -> str:
    if root == PROFESSIONAL_OID:
        return _PSIDNAT_TYPES.get(extension[:1], "")
    return "INS" if root in INS_OIDS else ""


def _device(role: etree._Element, element: etree._Element) -> Device:
    identifier = document_id(role.find(f"{N}id"))
    names = (text(element.find(f"{N}manufacturerModelName")), text(element.find(f"{N}softwareName")))
    return Device(
        identifier=identifier.extension if identifier else "",
        identifier_oid=identifier.root if identifier else "",
        name=" ".join(name for name in names if name),
        model=names[0],
        software=names[1],
    )


def _display(element: etree._Element | None) -> str:
    code = coded(element)
    return code.label if code else ""


def _mailbox(element: etree._Element) -> str:
    addresses = list(_mail_addresses(element))
    for address in addresses:
        domain = address.rpartition("@")[2].lower()
        if domain == _MSSANTE_DOMAIN or domain.endswith(f".{_MSSANTE_DOMAIN}"):
            return address
    return addresses[0] if addresses else ""


def _mail_addresses(element: etree._Element) -> Iterator[str]:
    for telecom in element.iter(f"{N}telecom"):
        scheme, _, address = telecom.get("value", "").strip().partition(":")
        if scheme.lower() == "mailto" and "@" in address:
            yield address.strip()
