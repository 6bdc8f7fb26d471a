"""TD3.1b, the reference of an own document, and TD3.3c, its deletion (ITI-18, ITI-57; DMP digest §1.5)."""

from collections.abc import Sequence
from typing import Final

from lxml import etree

from connectors.dmp.answers import SUCCESS, read_reply, registry_errors
from connectors.dmp.caller import Caller
from connectors.dmp.settings import DmpSettings
from connectors.dmp.transport import Reply
from connectors.dmp.verdict import error_table
from connectors.dmp.wire import Wire, WireRequest
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.patient import Patient
from pfi.standards.xds.ebrim import RIM, write_submit_objects, xml_text
from pfi.standards.xds.metadata import Association, AssociationType, DocumentStatus, SubmissionSet

FIND_ACTION: Final = "urn:ihe:iti:2007:RegistryStoredQuery"
DELETE_ACTION: Final = "urn:ihe:iti:2010:UpdateDocumentSet"

_QUERY: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
_GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"


def find_request(
    unique_id: str, caller: Caller, resource_id: str, settings: DmpSettings, wire: Wire, *, secret: bool = False
) -> WireRequest:
    """TD3.1b by uniqueId; the answer holds the current entryUUID."""
    body = (
        f'<query:AdhocQueryRequest xmlns:query="{_QUERY}" xmlns:rim="{RIM}">'
        '<query:ResponseOption returnComposedObjects="true" returnType="ObjectRef"/>'
        f'<rim:AdhocQuery id="{_GET_DOCUMENTS}"><rim:Slot name="$XDSDocumentEntryUniqueId"><rim:ValueList>'
        f"<rim:Value>('{xml_text(unique_id)}')</rim:Value>"
        "</rim:ValueList></rim:Slot></rim:AdhocQuery></query:AdhocQueryRequest>"
    )
    return wire.plain(settings.urls.registry, FIND_ACTION, caller, resource_id, body.encode(), secret=secret)


def read_references(reply: Reply, message_id: str, patient: Patient) -> tuple[str, ...] | Outcome:
    """entryUUIDs found, possibly none; an Outcome when the question got no clear answer."""
    answer = read_reply(reply, message_id, patient)
    if isinstance(answer, Outcome):
        return answer
    response = answer.body
    if response is None or response.tag != f"{{{_QUERY}}}AdhocQueryResponse":
        return Outcome(OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE", "La réponse du DMP n'est pas celle attendue.")
    if response.get("status") == SUCCESS:
        return _references(response)
    errors = [error.code for error in registry_errors(response) if not error.is_warning]
    if not errors:
        return Outcome(OutcomeKind.UNKNOWN, "DMP_QUERY_FAILED", "Le DMP n'a pas pu répondre à la recherche.")
    verdict, code = error_table().worst(errors)
    return verdict.outcome(code)


def _references(response: etree._Element) -> tuple[str, ...]:
    objects = response.find(f"{{{RIM}}}RegistryObjectList")
    if objects is None:
        return ()
    return tuple(found for element in objects.iterchildren(f"{{{RIM}}}ObjectRef") if (found := element.get("id")))


def delete_request(
    lot: SubmissionSet,
    entry_uuids: Sequence[str],
    caller: Caller,
    settings: DmpSettings,
    wire: Wire,
    *,
    secret: bool = False,
) -> WireRequest:
    """TD3.3c: the documents' status becomes deleted. No document, no lot signature."""
    slots = (
        ("OriginalStatus", DocumentStatus.APPROVED.value),
        ("NewStatus", DocumentStatus.DELETED.value),
    )
    associations = [
        Association(AssociationType.UPDATE_STATUS, lot.entry_id, entry_uuid, slots) for entry_uuid in entry_uuids
    ]
    body = write_submit_objects(lot, (), associations=associations, marker_inside=True)
    return wire.plain(settings.urls.registry, DELETE_ACTION, caller, lot.patient_id, body, secret=secret)
