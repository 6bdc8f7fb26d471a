"""TD3.1b, the reference of an own document, and TD3.3c, its deletion (ITI-18, ITI-57; DMP digest §1.5).

Also what every stored query shares: TD3.1a (consultation) is written and read with the same two functions.
"""

from collections.abc import Iterable
from typing import Final

from lxml import etree

from connectors.dmp.answers import PARTIAL_SUCCESS, SUCCESS, read_reply, registry_errors, told_code
from connectors.dmp.caller import Caller
from connectors.dmp.redaction import People
from connectors.dmp.settings import DmpSettings
from connectors.dmp.transport import Reply
from connectors.dmp.verdict import error_table
from connectors.dmp.wire import Wire, WireRequest
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.standards.xds.ebrim import RIM, write_submit_objects, xml_text
from pfi.standards.xds.metadata import Association, AssociationType, DocumentStatus, SubmissionSet

FIND_ACTION: Final = "urn:ihe:iti:2007:RegistryStoredQuery"
DELETE_ACTION: Final = "urn:ihe:iti:2010:UpdateDocumentSet"

QUERY: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"


def stored_query(query_id: str, return_type: str, slots: Iterable[tuple[str, str]]) -> bytes:
    """An `AdhocQueryRequest`. `slots` are (name, value), the value quoted as IHE ITI TF-2a §3.18.4.1.2.3.5 asks
    (`one_of`, `quoted`); `return_type` is `ObjectRef` or `LeafClass`."""
    written = "".join(
        f'<rim:Slot name="{name}"><rim:ValueList><rim:Value>{xml_text(value)}</rim:Value></rim:ValueList></rim:Slot>'
        for name, value in slots
    )
    return (
        f'<query:AdhocQueryRequest xmlns:query="{QUERY}" xmlns:rim="{RIM}">'
        f'<query:ResponseOption returnComposedObjects="true" returnType="{return_type}"/>'
        f'<rim:AdhocQuery id="{query_id}">{written}</rim:AdhocQuery></query:AdhocQueryRequest>'
    ).encode()


def quoted(value: str) -> str:
    """A single value of a stored query."""
    return "'" + value.replace("'", "''") + "'"


def one_of(values: Iterable[str]) -> str:
    """A list of values of a stored query: any of them."""
    return f"({','.join(quoted(value) for value in values)})"


def find_request(
    unique_id: str, caller: Caller, resource_id: str, settings: DmpSettings, wire: Wire, *, secret: bool = False
) -> WireRequest:
    """TD3.1b by uniqueId; the answer holds the current entryUUID."""
    body = stored_query(GET_DOCUMENTS, "ObjectRef", (("$XDSDocumentEntryUniqueId", one_of((unique_id,))),))
    return wire.plain(settings.urls.registry, FIND_ACTION, caller, resource_id, body, secret=secret)


def read_references(reply: Reply, message_id: str, people: People) -> tuple[str, ...] | Outcome:
    """entryUUIDs found, possibly none; an Outcome when the question got no clear answer."""
    response = read_query_response(reply, message_id, people)
    return response if isinstance(response, Outcome) else _references(response)


def read_query_response(
    reply: Reply, message_id: str, people: People, *, partial: bool = False
) -> etree._Element | Outcome:
    """The `AdhocQueryResponse` of a query that succeeded; an Outcome when it got no clear answer. `partial`: an answer
    that says it is incomplete is taken too."""
    answer = read_reply(reply, message_id, people)
    if isinstance(answer, Outcome):
        return answer
    response = answer.body
    if response is None or response.tag != f"{{{QUERY}}}AdhocQueryResponse":
        return Outcome(OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE", "La réponse du DMP n'est pas celle attendue.")
    status = response.get("status")
    if status == SUCCESS or (partial and status == PARTIAL_SUCCESS):
        return response
    errors = [error.code for error in registry_errors(response) if not error.is_warning]
    if not errors:
        return Outcome(OutcomeKind.UNKNOWN, "DMP_QUERY_FAILED", "Le DMP n'a pas pu répondre à la recherche.")
    verdict, code = error_table().worst(errors)
    return verdict.outcome(told_code(code, people))


def _references(response: etree._Element) -> tuple[str, ...]:
    objects = response.find(f"{{{RIM}}}RegistryObjectList")
    if objects is None:
        return ()
    return tuple(found for element in objects.iterchildren(f"{{{RIM}}}ObjectRef") if (found := element.get("id")))


def delete_request(
    lot: SubmissionSet,
    entry_uuid: str,
    caller: Caller,
    settings: DmpSettings,
    wire: Wire,
    *,
    secret: bool = False,
) -> WireRequest:
    """TD3.3c: the status of one document becomes deleted. No document travels, no signature of the lot."""
    slots = (
        ("OriginalStatus", DocumentStatus.APPROVED.value),
        ("NewStatus", DocumentStatus.DELETED.value),
    )
    update = Association(AssociationType.UPDATE_STATUS, lot.entry_id, entry_uuid, slots)
    body = write_submit_objects(lot, (), associations=(update,), marker_inside=True)
    return wire.plain(settings.urls.registry, DELETE_ACTION, caller, lot.patient_id, body, secret=secret)
