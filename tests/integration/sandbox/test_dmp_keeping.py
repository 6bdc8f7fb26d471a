"""The sandbox's DMP keeps documents and versions on disk, and judges their content by schema and by lineage."""

from pathlib import Path

import httpx
import pytest

from connectors.sandbox.dmp.registry import EntryStatus, Registry
from connectors.sandbox.dmp.schema import SchemaCheck
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import CDA_ID, MATRICULE, write_cda
from tests.integration.sandbox.conftest import client_context
from tests.integration.sandbox.dmp_assertion import Signer
from tests.integration.sandbox.dmp_client import DmpClient
from tests.integration.sandbox.dmp_edits import Edit, swap
from tests.integration.sandbox.dmp_request import Feed
from tests.integration.sandbox.test_dmp_feed import CONTENT, METADATA
from tests.integration.sandbox.test_dmp_queries import UPDATE, deletion
from tests.official import ANS_DIR, needs_official_samples

SECOND = "1.2.250.1.999.1.1.7899"


def second(target: str, **changes: object) -> Feed:
    cda = write_cda(identity=SECOND, replaces=CDA_ID, **changes)  # type: ignore[arg-type] # fields of the sample
    return Feed(cda=cda, unique_id=SECOND, replaces_entry=target)


async def test_a_folder_that_is_kept_is_known_again(dmp: DmpClient, sandbox: Sandbox) -> None:
    first = Feed()
    await dmp.feed(first)
    await dmp.feed(second(sandbox.dmp.documents()[0].entry_uuid))
    entry = sandbox.dmp.documents()[1].entry_uuid
    await dmp.ask_registry(deletion(entry), UPDATE)

    again = Registry(sandbox.directory / "dmp", keep=True)
    assert again.documents() == sandbox.dmp.documents()
    assert [one.status for one in again.documents()] == [EntryStatus.DEPRECATED, EntryStatus.DELETED]
    assert [one.version for one in again.versions(MATRICULE, f"{CDA_ID}.1")] == [1, 2]
    assert again.documents()[0].content == first.cda
    assert again.is_used(first.submission_id)
    assert again.is_used(first.signature_id)


async def test_a_folder_that_is_not_kept_is_erased(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    again = Registry(sandbox.directory / "dmp")
    assert again.documents() == ()
    assert list((sandbox.directory / "dmp").iterdir()) == []


def test_a_folder_that_is_not_a_registry_is_told(tmp_path: Path) -> None:
    (tmp_path / "1.2.3.json").write_text('{"unique_id": "1.2.3"}')
    with pytest.raises(ValueError, match=r"1\.2\.3\.json"):
        Registry(tmp_path, keep=True)


@pytest.mark.parametrize(
    ("set_id", "version", "context"),
    [
        ("", 1, "déjà portés"),
        ("1.2.250.1.999.88", 2, "setId différent"),
    ],
)
async def test_a_version_follows_the_one_that_it_replaces(
    set_id: str, version: int, context: str, dmp: DmpClient, sandbox: Sandbox
) -> None:
    await dmp.feed()
    entry = sandbox.dmp.documents()[0].entry_uuid
    reply = await dmp.feed(second(entry, set_id=set_id, version=version))
    assert context in reply.errors[CONTENT]
    assert [one.status for one in sandbox.dmp.documents()] == [EntryStatus.APPROVED]


async def test_a_version_is_higher_than_the_one_that_it_replaces(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed(Feed(cda=write_cda(version=3)))
    entry = sandbox.dmp.documents()[0].entry_uuid
    assert "ne dépasse pas" in (await dmp.feed(second(entry, version=2))).errors[CONTENT]
    assert (await dmp.feed(second(entry, version=4))).success


async def test_one_version_has_one_id_even_without_a_replacement(dmp: DmpClient) -> None:
    await dmp.feed()
    other = Feed(cda=write_cda(identity=SECOND, set_id=f"{CDA_ID}.1"), unique_id=SECOND)
    assert "déjà portés" in (await dmp.feed(other)).errors[CONTENT]


FOREIGN: dict[str, Edit] = {
    "name of the author": swap("801234567897^ESSAI^Anne", "801234567897^AUTRE^Anne"),
    "act of nobody": swap(
        '<rim:Classification id="Document01-5"',
        '<rim:Classification id="event" classificationScheme="urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4" '
        'classifiedObject="Document01" nodeRepresentation="ZZZZ001"><rim:Slot name="codingScheme"><rim:ValueList>'
        "<rim:Value>1.2.250.1.213.2.5</rim:Value></rim:ValueList></rim:Slot><rim:Name><rim:LocalizedString "
        'value="Acte"/></rim:Name></rim:Classification><rim:Classification id="Document01-5"',
    ),
    "reference of nobody": swap(
        '<rim:Slot name="size">',
        '<rim:Slot name="urn:ihe:iti:xds:2013:referenceIdList"><rim:ValueList><rim:Value>'
        "A1^^^&amp;1.2.3&amp;ISO^urn:ihe:iti:xds:2013:accession</rim:Value></rim:ValueList></rim:Slot>"
        '<rim:Slot name="size">',
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_metadata_say_nothing_that_the_document_does_not_say(name: str, dmp: DmpClient) -> None:
    edit = FOREIGN[name]
    once: Edit = lambda text: text.replace('<rim:Slot name="size">', "@@", 1).replace(  # noqa: E731
        '<rim:Slot name="size">', "%%"
    )
    restored: Edit = lambda text: edit(once(text).replace("@@", '<rim:Slot name="size">')).replace(  # noqa: E731
        "%%", '<rim:Slot name="size">'
    )
    assert METADATA in (await dmp.feed(Feed(registry_edit=restored))).errors


async def test_an_unknown_metadata_is_a_warning_with_a_success(dmp: DmpClient) -> None:
    extra = '<rim:Slot name="urn:test:couleur"><rim:ValueList><rim:Value>bleu</rim:Value></rim:ValueList></rim:Slot>'
    slot = '<rim:Slot name="creationTime">'
    reply = await dmp.feed(Feed(registry_edit=lambda text: text.replace(slot, extra + slot, 1)))
    assert reply.success
    (warning,) = (one for one in reply.envelope.iter() if str(one.tag).endswith("}RegistryError"))
    assert warning.get("errorCode") == "XDSExtraMetadataNotSaved"
    assert warning.get("severity", "").endswith(":Warning")
    assert "urn:test:couleur" in warning.get("codeContext", "")


@needs_official_samples
async def test_with_a_pack_the_dmp_checks_the_schema(directory: Path) -> None:
    good = write_cda()
    bad = good.replace(b"<custodian>", b"<custodian><autre/>")
    async with Sandbox(directory, pack=ANS_DIR / "validation-pack") as sandbox:
        context = client_context(sandbox.certificates.ca, sandbox.certificates.auth_cli)
        async with httpx.AsyncClient(verify=context, trust_env=False) as http:
            dmp = DmpClient(http, sandbox, Signer.load(sandbox.certificates.sign))
            assert "CDA_extended.xsd, ligne" in (await dmp.feed(Feed(cda=bad))).errors[CONTENT]
            assert (await dmp.feed(Feed(cda=good))).success


def test_a_pack_without_schema_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent ou inutilisable"):
        SchemaCheck(tmp_path)
