"""TD3.1a and TD3.2 as requests: what a professional may ask of a DMP (ITI-18, ITI-43; DMP digest §1.5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from connectors.dmp.queries import GET_DOCUMENTS, one_of, quoted, stored_query
from pfi.model.document import CodedValue
from pfi.standards.xds.ebrim import xml_text

RETRIEVE_ACTION: Final = "urn:ihe:iti:2007:RetrieveDocumentSet"
XDSB: Final = "urn:ihe:iti:xds-b:2007"

FIND_DOCUMENTS: Final = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
_LEAF: Final = "LeafClass"


class Availability(StrEnum):
    """State of a document that may be found; a deleted one never is."""

    APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
    DEPRECATED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
    ARCHIVED = "urn:asip:ci-sis:2010:StatusType:Archived"


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents of a patient. Nothing given = every document in force.

    `types` are typeCodes with their systems, `created_from` and `created_to` bound the creation of the document,
    `service_from` and `service_to` the start of the act; all are timezone-aware. A search that nobody asked for must
    not go further back than two years (DMP digest §1.5).
    """

    types: tuple[CodedValue, ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    service_from: datetime | None = None
    service_to: datetime | None = None
    states: tuple[Availability, ...] = (Availability.APPROVED,)


EVERYTHING: Final = DocumentQuery()
"""Every document in force."""


def find_documents(query: DocumentQuery, resource_id: str) -> bytes:
    """The body of TD3.1a. `resource_id` is the INS as `INS^^^&oid&ISO^NH`."""
    return stored_query(FIND_DOCUMENTS, _LEAF, _criteria(query, resource_id))


def describe_document(unique_id: str) -> bytes:
    """The body of TD3.1a for the metadata of one document: where it is kept, its hash and its size."""
    return stored_query(GET_DOCUMENTS, _LEAF, (("$XDSDocumentEntryUniqueId", one_of((unique_id,))),))


def retrieve_document(unique_id: str, repository: str, community: str = "") -> bytes:
    """The body of TD3.2. `repository` is the repositoryUniqueId of the metadata, `community` their homeCommunityId."""
    home = f"<xdsb:HomeCommunityId>{xml_text(community)}</xdsb:HomeCommunityId>" if community else ""
    return (
        f'<xdsb:RetrieveDocumentSetRequest xmlns:xdsb="{XDSB}"><xdsb:DocumentRequest>{home}'
        f"<xdsb:RepositoryUniqueId>{xml_text(repository)}</xdsb:RepositoryUniqueId>"
        f"<xdsb:DocumentUniqueId>{xml_text(unique_id)}</xdsb:DocumentUniqueId>"
        "</xdsb:DocumentRequest></xdsb:RetrieveDocumentSetRequest>"
    ).encode()


def _criteria(query: DocumentQuery, resource_id: str) -> Iterator[tuple[str, str]]:
    yield "$XDSDocumentEntryPatientId", quoted(resource_id)
    yield "$XDSDocumentEntryStatus", one_of(query.states)
    if query.types:
        yield "$XDSDocumentEntryTypeCode", one_of(f"{each.code}^^{each.system}" for each in query.types)
    for name, moment in (
        ("CreationTimeFrom", query.created_from),
        ("CreationTimeTo", query.created_to),
        ("ServiceStartTimeFrom", query.service_from),
        ("ServiceStartTimeTo", query.service_to),
    ):
        if moment is not None:
            yield f"$XDSDocumentEntry{name}", quoted(moment.astimezone(UTC).strftime("%Y%m%d%H%M%S"))
