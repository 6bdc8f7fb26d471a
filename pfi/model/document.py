"""A clinical document: its exact bytes and what its CDA header says."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from pfi.model.parties import Author, Organization, Person, Recipient
from pfi.model.patient import Patient


class Level(StrEnum):
    """CDA body: `N1` = `nonXMLBody`, `N3` = `structuredBody`."""

    N1 = "N1"
    N3 = "N3"


@dataclass(frozen=True, slots=True)
class CodedValue:
    """A code, its French label and its system (OID in CDA, `LN`/`TRE_A05` in HL7 v2)."""

    code: str
    label: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True)
class DocumentId:
    """A CDA II: `root` is an OID, `extension` may be empty."""

    root: str
    extension: str = ""

    @property
    def xds(self) -> str:
        """`root`, or `root^extension` (XDS uniqueId form)."""
        return f"{self.root}^{self.extension}" if self.extension else self.root

    def same_as(self, other: "DocumentId") -> bool:
        """Equality that accepts root and extension glued by a dot (`spec/hl7v2.md` section 1.7)."""

        def glued(document_id: "DocumentId") -> str:
            return f"{document_id.root}.{document_id.extension}" if document_id.extension else document_id.root

        return self == other or glued(self) == glued(other)


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """One `documentationOf/serviceEvent`. Times are as written in the CDA (HL7 TS with offset)."""

    codes: tuple[CodedValue, ...] = ()
    """`code` then its `translation`s; entries with a nullFlavor are left out."""
    coded: bool = True
    """False when `code` itself has no code: `codes` are translations only."""
    start: str = ""
    stop: str = ""
    practice_setting: CodedValue | None = None
    """`performer/assignedEntity/representedOrganization/standardIndustryClassCode`."""
    performer: Author | None = None
    ids: tuple[DocumentId, ...] = ()


@dataclass(frozen=True, slots=True)
class Participant:
    """One `participant`: `type_code` (`REF`, `INF`, `REFB`...), `function_code` (`PCP`...)."""

    type_code: str
    function_code: str = ""
    party: Author | None = None


@dataclass(frozen=True, slots=True)
class CdaHeader:
    """Everything the engine reads from a CDA R2 document (`spec/dmp.md` sections 3 and 4).

    Times are strings as written in the document. Empty string, empty tuple or `None` = not there.
    """

    document_id: DocumentId
    code: CodedValue
    title: str
    effective_time: str
    confidentiality: CodedValue
    language: str
    set_id: DocumentId | None
    version_number: int | None
    template_ids: tuple[str, ...]
    patient: Patient
    authors: tuple[Author, ...]
    author_times: tuple[str, ...]
    custodian: Organization | None
    information_recipients: tuple[Recipient, ...]
    legal_authenticator: Author | None
    participants: tuple[Participant, ...]
    order_ids: tuple[DocumentId, ...]
    accession_numbers: tuple[DocumentId, ...]
    service_events: tuple[ServiceEvent, ...]
    replaced: DocumentId | None
    """`relatedDocument[@typeCode='RPLC']/parentDocument/id`."""
    encounter_code: CodedValue | None
    """`componentOf/encompassingEncounter/code` (JDV_J142)."""
    encounter_start: str
    encounter_stop: str
    facility: CodedValue | None
    """`componentOf/encompassingEncounter/location/healthCareFacility/code`."""
    level: Level
    body_media_type: str
    """N1: `nonXMLBody/text/@mediaType`. N3: empty."""
    self_presenting: bool = False
    """The root element is an XSLT stylesheet that carries the document."""
    ins_is_first_id: bool = True
    """False when the patient has an INS that is not the first `patientRole/id`."""

    @property
    def principal_event(self) -> ServiceEvent | None:
        """The serviceEvent that has both a time and a performer (`spec/dmp.md` section 3.1), else the first one."""
        for event in self.service_events:
            if event.start and event.performer is not None:
                return event
        return self.service_events[0] if self.service_events else None


@dataclass(frozen=True, slots=True)
class Document:
    """A document as received: `content` is never altered; every hash and size is computed on these bytes.

    `set_id` is the OBX-1 that carried it (1-based; 0 when it did not come by HL7 v2).
    """

    content: bytes = field(repr=False)
    header: CdaHeader
    obx_set_id: int = 0

    @property
    def unique_id(self) -> str:
        return self.header.document_id.xds

    @property
    def sha1(self) -> str:
        """XDS `hash`: SHA-1 of the exact bytes, lower-case hexadecimal."""
        return hashlib.sha1(self.content, usedforsecurity=False).hexdigest()

    @property
    def size(self) -> int:
        return len(self.content)


__all__ = [
    "Author",
    "CdaHeader",
    "CodedValue",
    "Document",
    "DocumentId",
    "Level",
    "Organization",
    "Participant",
    "Person",
    "ServiceEvent",
]
