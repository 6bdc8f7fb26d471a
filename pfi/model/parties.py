"""People, organizations and software named by a message: senders and recipients."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Person:
    """A professional. `identifier` is PSIdNat when `identifier_type` is `IDNPS` (`8` + RPPS, `0` + ADELI)."""

    identifier: str = ""
    identifier_oid: str = ""
    identifier_type: str = ""
    family: str = ""
    given: str = ""


@dataclass(frozen=True, slots=True)
class Organization:
    """A structure. `identifier` is Struct_IdNat when national (`1` + FINESS, `3` + SIRET)."""

    name: str = ""
    identifier: str = ""
    identifier_oid: str = ""
    identifier_type: str = ""


@dataclass(frozen=True, slots=True)
class Establishment:
    """Where in the hospital a message comes from. Empty = not told.

    `ej` is the legal entity: the authority that assigned the IPP (CX-4.2, else CX-4.1), else MSH-4; `eg` the geographic
    establishment: PV1-3.4; `unit` the UF: ZBE-7, else PV1-3.1. FINESS numbers as a rule, but real traffic also carries
    OIDs and local names: they are compared as written.
    """

    ej: str = ""
    eg: str = ""
    unit: str = ""


NOWHERE = Establishment()
"""No establishment is told."""


@dataclass(frozen=True, slots=True)
class Device:
    """Software that authors or receives: identifier, its OID, model and software name."""

    identifier: str = ""
    identifier_oid: str = ""
    name: str = ""
    """Model and software name together, as people read them."""
    model: str = ""
    """`manufacturerModelName` of a CDA, empty when the two are not told apart."""
    software: str = ""
    """`softwareName` of a CDA."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who sends or wrote: PRT with PRT-4.1 = `SB`, or a CDA author.

    `role` is `functionCode/@displayName`; `specialty` is (code, label, code system OID) from `assignedAuthor/code`.
    """

    person: Person | None = None
    organization: Organization | None = None
    device: Device | None = None
    role: str = ""
    specialty: tuple[str, str, str] | None = None


def rpps(identifier: str) -> str:
    """A national identifier without the `8` that announces an RPPS; any other identifier as it is."""
    identifier = identifier.strip()
    return identifier[1:] if len(identifier) == 12 and identifier.startswith("8") else identifier


class RecipientKind(StrEnum):
    """Who a PRT `RCT` names. Only `PATIENT` is served by the citizen channel."""

    PROFESSIONAL = "professional"
    ORGANIZATION = "organization"
    APPLICATION = "application"
    PATIENT = "patient"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One PRT `RCT`: `address` is PRT-15.4 (MSSanté mailbox), empty when not given."""

    kind: RecipientKind
    address: str
    person: Person | None = None
    organization: Organization | None = None
    device: Device | None = None
    identifier: str = ""
    """PRT-5.1, sent back in ZAM^Z02 OBX-4 (`spec/hl7v2.md` section 4.2)."""
    looked_up: bool = False
    """The address is the one that the Annuaire Santé gave, neither the sender's nor the site's."""

    @property
    def national_ids(self) -> tuple[str, str]:
        """Identifiers of the professional and of the structure by which a directory may be asked, as they were
        written; both empty for patients and software, which no directory lists."""
        structure = self.organization.identifier.strip() if self.organization is not None else ""
        if self.kind is RecipientKind.PROFESSIONAL:
            professional = (self.person.identifier if self.person is not None else self.identifier).strip()
            return (professional, structure) if professional else ("", "")
        return ("", structure) if self.kind is RecipientKind.ORGANIZATION else ("", "")

    @property
    def key(self) -> str:
        """What makes two recipients the same one: the address (lower case); for whoever is looked up, who they are,
        for the address is only known on the way and may change. Empty for a patient without address."""
        address = self.address.strip().lower()
        if self.kind is RecipientKind.PATIENT or (address and not self.looked_up):
            return address
        return "/".join(rpps(each) for each in self.national_ids if each) or self.identifier
