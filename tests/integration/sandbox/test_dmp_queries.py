"""TD3.1b and TD3.3c of the sandbox: finding one's own document again, and deleting it."""

import pytest

from connectors.sandbox.dmp.registry import EntryStatus
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import CDA_ID, INS_OID
from tests.integration.sandbox.dmp_assertion import Assertion
from tests.integration.sandbox.dmp_client import DmpClient, Reply
from tests.integration.sandbox.dmp_edits import Edit, drop, same, swap
from tests.integration.sandbox.dmp_request import Feed, new_oid

QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"
UPDATE = "urn:ihe:iti:2010:UpdateDocumentSet"
GET_DOCUMENTS = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"


def query(unique_id: str = CDA_ID, edit: Edit = same) -> str:
    return edit(
        '<query:AdhocQueryRequest xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" '
        f'xmlns:rim="{RIM}"><query:ResponseOption returnComposedObjects="true" returnType="ObjectRef"/>'
        f'<rim:AdhocQuery id="{GET_DOCUMENTS}"><rim:Slot name="$XDSDocumentEntryUniqueId"><rim:ValueList>'
        f"<rim:Value>('{unique_id}')</rim:Value></rim:ValueList></rim:Slot></rim:AdhocQuery>"
        "</query:AdhocQueryRequest>"
    )


def references(reply: Reply) -> list[str]:
    return [one.get("id", "") for one in reply.envelope.iter(f"{{{RIM}}}ObjectRef")]


async def test_the_entry_of_a_document_is_found_by_its_uniqueid(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    reply = await dmp.ask_registry(query(), QUERY)
    assert reply.success
    assert references(reply) == [sandbox.dmp.documents()[0].entry_uuid]


async def test_an_unknown_document_gives_an_empty_answer(dmp: DmpClient) -> None:
    reply = await dmp.ask_registry(query("1.2.3"), QUERY)
    assert (reply.success, references(reply)) == (True, [])


@pytest.mark.parametrize(
    "assertion",
    [
        Assertion(structure="1990000033"),
        Assertion(resource=f"277076322082910^^^&{INS_OID}&ISO^NH"),
    ],
)
async def test_a_document_is_found_only_by_its_structure_and_for_its_patient(
    assertion: Assertion, dmp: DmpClient
) -> None:
    await dmp.feed()
    assert references(await dmp.ask_registry(query(), QUERY, assertion)) == []


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (swap(GET_DOCUMENTS, "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"), "XDSUnknownStoredQuery"),
        (swap(GET_DOCUMENTS, "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"), "XDSRegistryError"),
        (swap("ObjectRef", "LeafClass"), "XDSRegistryError"),
        (swap("ObjectRef", "RegistryObject"), "XDSRegistryError"),
        (swap("$XDSDocumentEntryUniqueId", "$XDSFolderUniqueId"), "XDSRegistryError"),
        (drop(r"<rim:Slot name=.*?</rim:Slot>"), "XDSStoredQueryMissingParam"),
        (swap(f"('{CDA_ID}')", CDA_ID), "XDSStoredQueryParamNumber"),
        (lambda t: t.replace("AdhocQueryRequest", "AdhocQuery"), "XDSRegistryError"),
    ],
)
async def test_other_queries_are_refused(edit: Edit, code: str, dmp: DmpClient) -> None:
    assert set((await dmp.ask_registry(query(edit=edit), QUERY)).errors) == {code}


def deletion(entry: str, edit: Edit = same, submission: str = "") -> str:
    request = Feed(submission_id=submission or new_oid())
    package = request._package()
    return edit(
        '<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" '
        f'xmlns:rim="{RIM}"><rim:RegistryObjectList>{package}<rim:Association id="Delete" '
        'associationType="urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus" '
        'objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association" '
        f'sourceObject="SubmissionSet01" targetObject="{entry}"><rim:Slot name="OriginalStatus"><rim:ValueList>'
        "<rim:Value>urn:oasis:names:tc:ebxml-regrep:StatusType:Approved</rim:Value></rim:ValueList></rim:Slot>"
        '<rim:Slot name="NewStatus"><rim:ValueList><rim:Value>urn:asip:ci-sis:2010:StatusType:Deleted</rim:Value>'
        "</rim:ValueList></rim:Slot></rim:Association></rim:RegistryObjectList></lcm:SubmitObjectsRequest>"
    )


async def test_a_deleted_document_is_found_no_more(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    entry = sandbox.dmp.documents()[0].entry_uuid
    assert (await dmp.ask_registry(deletion(entry), UPDATE)).success
    assert sandbox.dmp.documents()[0].status is EntryStatus.DELETED
    assert references(await dmp.ask_registry(query(), QUERY)) == []
    again = await dmp.ask_registry(deletion(entry), UPDATE)
    assert set(again.errors) == {"UnresolvedReferenceException"}


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (swap("2010:StatusType:Deleted", "2010:StatusType:Archived"), "XDSMetadataUpdateOperationError"),
        (swap("StatusType:Approved", "StatusType:Deprecated"), "XDSMetadataUpdateError"),
        (swap('targetObject="urn:uuid:', 'targetObject="urn:uuid:f'), "UnresolvedReferenceException"),
        (swap('sourceObject="SubmissionSet01"', 'sourceObject="Autre"'), "XDSMetadataUpdateError"),
        (drop(r"<rim:Association .*</rim:Association>"), "XDSMetadataUpdateError"),
        (drop(r'<rim:Slot name="submissionTime">.*?</rim:Slot>'), "XDSRegistryMetadataError"),
        (lambda t: t.replace("SubmitObjectsRequest", "RemoveObjectsRequest"), "XDSRegistryMetadataError"),
    ],
)
async def test_malformed_deletions_are_refused(edit: Edit, code: str, dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    entry = sandbox.dmp.documents()[0].entry_uuid
    assert set((await dmp.ask_registry(deletion(entry, edit), UPDATE)).errors) == {code}
    assert sandbox.dmp.documents()[0].status is EntryStatus.APPROVED


async def test_a_deletion_needs_a_submission_set_of_its_own(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    document = sandbox.dmp.documents()[0]
    request = deletion(document.entry_uuid, submission=document.submission_set)
    assert set((await dmp.ask_registry(request, UPDATE)).errors) == {"XDSDuplicateUniqueIdInRegistry"}


async def test_only_the_author_structure_deletes(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    entry = sandbox.dmp.documents()[0].entry_uuid
    other = swap("^^^1990000025", "^^^1990000033")
    reply = await dmp.ask_registry(deletion(entry, other), UPDATE, Assertion(structure="1990000033"))
    assert set(reply.errors) == {"XDSRegistryError"}
    assert sandbox.dmp.documents()[0].status is EntryStatus.APPROVED


async def test_a_deletion_names_the_patient_of_the_document(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    entry = sandbox.dmp.documents()[0].entry_uuid
    other = f"277076322082910^^^&{INS_OID}&ISO^NH"
    edit = lambda text: text.replace("279035121518989", "277076322082910")  # noqa: E731
    reply = await dmp.ask_registry(deletion(entry, edit), UPDATE, Assertion(resource=other))
    assert set(reply.errors) == {"XDSPatientIdDoesNotMatch"}
