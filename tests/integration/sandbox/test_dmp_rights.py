"""The sandbox's DMP enforces the rights matrix: mode x transaction, then who may touch which document."""

import pytest
from lxml import etree

from connectors.sandbox.dmp.metadata import Parameters
from connectors.sandbox.dmp.patients import DmpState, PatientDirectory
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import CDA_ID, INS_OID, MATRICULE, write_cda
from tests.integration.sandbox.dmp_assertion import Assertion, professional
from tests.integration.sandbox.dmp_client import DmpClient, Reply
from tests.integration.sandbox.dmp_edits import Edit, swap
from tests.integration.sandbox.dmp_request import Feed
from tests.integration.sandbox.test_dmp_queries import QUERY, RIM, UPDATE, deletion, query, references

FIND_DOCUMENTS = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
REPOSITORY = "1.2.250.1.213.4.1.1.1.2"
RESOURCE = f"{MATRICULE}^^^&amp;{INS_OID}&amp;ISO^NH"
MASK: Edit = lambda text: text.replace(  # noqa: E731
    '<rim:Classification id="Document01-2"',
    '<rim:Classification id="masked" classificationScheme="urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f" '
    'classifiedObject="Document01" nodeRepresentation="MASQUE_PS"><rim:Slot name="codingScheme"><rim:ValueList>'
    "<rim:Value>1.2.250.1.213.1.1.4.13</rim:Value></rim:ValueList></rim:Slot><rim:Name><rim:LocalizedString "
    'value="Masqué"/></rim:Name></rim:Classification><rim:Classification id="Document01-2"',
)


def search(kind: str = "LeafClass", **slots: str) -> str:
    """TD3.1a; `slots` change or remove (empty) parameters, without their common prefix."""
    given = {"PatientId": f"'{RESOURCE}'", "Status": f"('{APPROVED}')", **slots}
    written = "".join(
        f'<rim:Slot name="$XDSDocumentEntry{name}"><rim:ValueList><rim:Value>{value}</rim:Value></rim:ValueList>'
        "</rim:Slot>"
        for name, value in given.items()
        if value
    )
    return (
        '<query:AdhocQueryRequest xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" '
        f'xmlns:rim="{RIM}"><query:ResponseOption returnType="{kind}"/><rim:AdhocQuery id="{FIND_DOCUMENTS}">'
        f"{written}</rim:AdhocQuery></query:AdhocQueryRequest>"
    )


def retrieval(unique_id: str = CDA_ID, repository: str = REPOSITORY) -> str:
    return (
        '<x:RetrieveDocumentSetRequest xmlns:x="urn:ihe:iti:xds-b:2007"><x:DocumentRequest>'
        f"<x:RepositoryUniqueId>{repository}</x:RepositoryUniqueId>"
        f"<x:DocumentUniqueId>{unique_id}</x:DocumentUniqueId></x:DocumentRequest></x:RetrieveDocumentSetRequest>"
    )


def listed(reply: Reply) -> list[str]:
    """entryUUIDs of a LeafClass answer."""
    assert reply.success, reply.errors
    return [one.get("id", "") for one in reply.envelope.iter(f"{{{RIM}}}ExtrinsicObject")]


async def test_plain_indirect_authentication_may_not_consult(dmp: DmpClient) -> None:
    await dmp.feed()
    found = await dmp.ask_registry(search(), QUERY)
    assert "INDIRECTE" in found.errors["XDSRegistryError"]
    described = await dmp.ask_registry(query(edit=swap("ObjectRef", "LeafClass")), QUERY)
    assert set(described.errors) == {"XDSRegistryError"}
    retrieved = await dmp.retrieve(retrieval(), Assertion())
    assert set(retrieved.errors) == {"XDSRepositoryError"}


async def test_air_may_consult_and_feed(dmp: DmpClient, sandbox: Sandbox) -> None:
    assert (await dmp.feed(Feed(assertion=professional()))).success
    (document,) = sandbox.dmp.documents()
    reply = await dmp.ask_registry(search(), QUERY, professional())
    assert listed(reply) == [document.entry_uuid]
    (entry,) = reply.envelope.iter(f"{{{RIM}}}ExtrinsicObject")
    assert (entry.get("status"), entry.get("lid")) == (APPROVED, document.logical_id)
    owners = {one.get("registryObject") or one.get("classifiedObject") for one in entry if one.get("id")}
    assert owners == {document.entry_uuid}
    tags = [one.tag.rpartition("}")[2] for one in entry]
    order = ["Slot", "Name", "VersionInfo", "Classification", "ExternalIdentifier"]
    assert list(dict.fromkeys(tags)) == order
    assert references(await dmp.ask_registry(search("ObjectRef"), QUERY, professional())) == [document.entry_uuid]
    assert (await dmp.exists(professional())).fault == ""


@pytest.mark.parametrize(
    "assertion",
    [
        Assertion(attributes={"Authentification_Mode": "INDIRECTE_RENFORCEE"}),
        Assertion(edit=professional().edit),
        Assertion(attributes={"Authentification_Mode": "AUTRE"}),
        professional("DIRECTE"),
    ],
)
async def test_a_mode_is_proven(assertion: Assertion, dmp: DmpClient) -> None:
    assert (await dmp.feed(Feed(assertion=assertion))).fault == "InvalidSecurityToken"


async def test_an_automaton_does_not_consult(dmp: DmpClient) -> None:
    attributes = {"Authentification_Mode": "INDIRECTE_RENFORCEE"}
    automaton = Assertion(attributes=attributes, edit=professional().edit)
    assert "professionnel" in (await dmp.ask_registry(search(), QUERY, automaton)).errors["XDSRegistryError"]
    unknown = professional(name_id="3990000025/1")
    assert set((await dmp.ask_registry(search(), QUERY, unknown)).errors) == {"XDSRegistryError"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (search(PatientId=""), "XDSStoredQueryMissingParam"),
        (search(Status=""), "XDSStoredQueryMissingParam"),
        (search(PatientId=f"('{RESOURCE}')"), "XDSStoredQueryParamNumber"),
        (search(Status=f"'{APPROVED}'"), "XDSStoredQueryParamNumber"),
        (search(PatientId=f"'{RESOURCE.replace('279', '277')}'"), "XDSPatientIdDoesNotMatch"),
        (search(Couleur="'bleu'"), "XDSRegistryError"),
    ],
)
async def test_a_search_follows_its_form(body: str, code: str, dmp: DmpClient) -> None:
    assert set((await dmp.ask_registry(body, QUERY, professional())).errors) == {code}


async def test_a_search_does_not_list_deleted_nor_other_patients_documents(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    (document,) = sandbox.dmp.documents()
    other = f"277076322082910^^^&{INS_OID}&ISO^NH"
    elsewhere = search(PatientId=f"'{other.replace('&', '&amp;')}'")
    assert listed(await dmp.ask_registry(elsewhere, QUERY, professional(resource=other))) == []
    assert (await dmp.ask_registry(deletion(document.entry_uuid), UPDATE)).success
    assert listed(await dmp.ask_registry(search(), QUERY, professional())) == []
    assert set((await dmp.retrieve(retrieval(), professional())).errors) == {"XDSDocumentUniqueIdError"}


async def test_a_masked_document_shows_itself_to_its_author_only(dmp: DmpClient) -> None:
    assert (await dmp.feed(Feed(registry_edit=MASK))).success
    stranger = {"name_id": "899900000014", "structure": "1990000033"}
    author = {"structure": "1990000033"}
    assert listed(await dmp.ask_registry(search(), QUERY, professional(**stranger))) == []
    assert set((await dmp.retrieve(retrieval(), professional(**stranger))).errors) == {"XDSDocumentUniqueIdError"}
    assert len(listed(await dmp.ask_registry(search(), QUERY, professional(**author)))) == 1
    assert not (await dmp.retrieve(retrieval(), professional(**author))).errors


async def test_a_retrieval_names_a_document_of_this_repository(dmp: DmpClient) -> None:
    await dmp.feed()
    elsewhere = await dmp.retrieve(retrieval(repository="1.2.3"), professional())
    assert set(elsewhere.errors) == {"XDSUnknownRepositoryId"}
    by_entry = retrieval("urn:uuid:11111111-2222-4333-8444-555555555555")
    assert (await dmp.retrieve(by_entry, professional())).fault == "XDSDocumentUniqueIdError"
    nothing = retrieval().replace("DocumentRequest>", "Autre>")
    assert set((await dmp.retrieve(nothing, professional())).errors) == {"XDSRepositoryError"}


async def test_an_author_deletes_what_another_structure_fed_but_not_in_plain_indirect(
    dmp: DmpClient, sandbox: Sandbox
) -> None:
    await dmp.feed()
    entry = sandbox.dmp.documents()[0].entry_uuid
    moved = swap("^^^1990000025", "^^^1990000033")
    stranger = professional(name_id="899900000014", structure="1990000033")
    assert set((await dmp.ask_registry(deletion(entry, moved), UPDATE, stranger)).errors) == {"XDSRegistryError"}
    plain = Assertion(structure="1990000033")
    assert set((await dmp.ask_registry(deletion(entry, moved), UPDATE, plain)).errors) == {"XDSRegistryError"}
    author = professional(structure="1990000033")
    assert (await dmp.ask_registry(deletion(entry, moved), UPDATE, author)).success


@pytest.mark.parametrize(("state", "code"), [(DmpState.CLOSED, "DMPClosed"), (DmpState.ABSENT, "XDSUnknownPatientId")])
async def test_deleting_needs_an_active_dmp(state: DmpState, code: str, dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    entry = sandbox.dmp.documents()[0].entry_uuid
    sandbox.dmp.put_patient(MATRICULE, state)
    assert set((await dmp.ask_registry(deletion(entry), UPDATE)).errors) == {code}


@pytest.mark.parametrize("how", ["state", "structure", "person"])
async def test_a_blocked_caller_may_do_nothing_but_ask_whether_the_dmp_exists(
    how: str, dmp: DmpClient, sandbox: Sandbox
) -> None:
    await dmp.feed()
    entry = sandbox.dmp.documents()[0].entry_uuid
    if how == "state":
        sandbox.dmp.put_patient(MATRICULE, DmpState.BLOCKED)
    else:
        sandbox.dmp.patients.block(MATRICULE, "1990000025" if how == "structure" else "801234567897")
    answered = await dmp.exists()
    assert 'code="INTERDITE"' in _text(answered)
    fed = await dmp.feed(Feed(cda=write_cda(identity="1.2.3.4"), unique_id="1.2.3.4"))
    assert "bloqué" in fed.errors["XDSRepositoryError"]
    for reply in (
        await dmp.ask_registry(query(), QUERY),
        await dmp.ask_registry(deletion(entry), UPDATE),
        await dmp.ask_registry(search(), QUERY, professional()),
    ):
        assert "bloqué" in reply.errors["XDSRegistryError"]
    sandbox.dmp.patients.blocked_code = "CodeDeLAnnexe"
    assert set((await dmp.ask_registry(query(), QUERY)).errors) == {"CodeDeLAnnexe"}


async def test_another_caller_is_not_blocked(dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.dmp.patients.block(MATRICULE, "1990000033")
    assert 'code="VALIDE"' in _text(await dmp.exists())
    assert (await dmp.feed()).success


def test_blocked_callers_are_read_from_a_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("patients") / "patients.yaml"
    path.write_text('default: active\npatients: {"2": blocked}\nblocked: {"1": ["801234567897"]}\n')
    directory = PatientDirectory()
    directory.load(path)
    assert directory.blocks("1", "1990000025", "801234567897")
    assert not directory.blocks("1", "1990000025", "899900000014")
    assert directory.blocks("2", "", "")


def _text(reply: Reply) -> str:
    return etree.tostring(reply.envelope, encoding="unicode")


INVISIBLE: Edit = lambda text: MASK(text).replace("MASQUE_PS", "INVISIBLE_REPRESENTANTS_LEGAUX", 1)  # noqa: E731
BOTH: Edit = lambda text: MASK(  # noqa: E731
    MASK(text).replace('id="masked"', 'id="hidden"').replace("MASQUE_PS", "INVISIBLE_PATIENT", 1)
)
SECRET = {
    "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code": "INVISIBLE_REPRESENTANTS_LEGAUX",
}


async def test_a_secret_connection_feeds_only_what_representatives_may_not_see(dmp: DmpClient) -> None:
    refused = await dmp.feed(Feed(assertion=Assertion(attributes=SECRET)))
    assert "connexion secrète" in refused.errors["XDSRegistryMetadataError"]
    assert (await dmp.feed(Feed(assertion=Assertion(attributes=SECRET), registry_edit=INVISIBLE))).success


@pytest.mark.parametrize("parameters", [Parameters(), Parameters(masked_and_invisible=True)])
async def test_masked_and_invisible_add_up_when_the_dmp_says_so(
    parameters: Parameters, dmp: DmpClient, sandbox: Sandbox
) -> None:
    sandbox.dmp.set_parameters(parameters)
    reply = await dmp.feed(Feed(registry_edit=BOTH))
    assert reply.success is parameters.masked_and_invisible


async def test_without_minors_a_secret_connection_changes_nothing(dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.dmp.set_parameters(Parameters(minors=False))
    assert (await dmp.feed(Feed(assertion=Assertion(attributes=SECRET)))).success
