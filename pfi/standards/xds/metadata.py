"""XDS metadata as values, every string in its final XDS form (DMP digest §2.4 and §3.1; IHE ITI TF-3 §4.2)."""

from dataclasses import dataclass
from enum import StrEnum

from pfi.model.document import CodedValue
from pfi.model.finding import Finding


@dataclass(frozen=True, slots=True)
class AuthorEntry:
    """One author: `person` XCN, `institutions` XON, `roles` text, `specialties` `code^label^system`."""

    person: str
    institutions: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """Metadata of one document. Empty string, empty tuple or `None` = left out.

    `entry_id` is the symbolic id inside the request. Times are DTM in UTC. `hash` is SHA-1 in lower-case hexadecimal
    and `size` a number of bytes, both of the exact bytes sent. `uri` and `action` are for XDM only (MSSanté digest
    §5.1 and §5.3). `findings` say what the document lacks; they are not written.
    """

    entry_id: str
    mime_type: str
    unique_id: str
    patient_id: str
    title: str = ""
    comments: str = ""
    authors: tuple[AuthorEntry, ...] = ()
    legal_authenticator: str = ""
    class_code: CodedValue | None = None
    type_code: CodedValue | None = None
    format_code: CodedValue | None = None
    facility_type: CodedValue | None = None
    practice_setting: CodedValue | None = None
    confidentiality_codes: tuple[CodedValue, ...] = ()
    event_codes: tuple[CodedValue, ...] = ()
    creation_time: str = ""
    service_start_time: str = ""
    service_stop_time: str = ""
    language: str = ""
    source_patient_id: str = ""
    source_patient_info: tuple[str, ...] = ()
    reference_ids: tuple[str, ...] = ()
    hash: str = ""
    size: int | None = None
    uri: str = ""
    action: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmissionSet:
    """Metadata of one lot. `unique_id` and `source_id` are OIDs, `submission_time` a DTM in UTC."""

    entry_id: str
    unique_id: str
    source_id: str
    patient_id: str
    submission_time: str
    content_type: CodedValue
    author: AuthorEntry | None = None
    title: str = ""
    comments: str = ""


class AssociationType(StrEnum):
    """Associations that a French document source writes (DMP digest §1.5 and §2.4)."""

    HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
    SIGNS = "urn:ihe:iti:2007:AssociationType:signs"
    REPLACES = "urn:ihe:iti:2007:AssociationType:RPLC"
    UPDATE_STATUS = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"


class DocumentStatus(StrEnum):
    """Availability of an entry; deleted and archived are French (DMP digest §1.5)."""

    APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
    ARCHIVED = "urn:asip:ci-sis:2010:StatusType:Archived"
    DELETED = "urn:asip:ci-sis:2010:StatusType:Deleted"


@dataclass(frozen=True, slots=True)
class Association:
    """`source` and `target` are ids of the request, or an entryUUID of the registry; `slots` are (name, value)."""

    kind: AssociationType
    source: str
    target: str
    slots: tuple[tuple[str, str], ...] = ()
