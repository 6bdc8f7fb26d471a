"""The DMP connector after a doubt, for replacements and deletions too."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.dmp.connector import DmpConnector
from pfi.engine.connector import Looker
from pfi.model.delivery import Delivery, OutcomeKind
from tests.contract.dmp_exchanges import (
    CREATED,
    DELETION,
    DOCUMENT_ID,
    DUPLICATE,
    PARENT_ID,
    REPLACEMENT,
    Dmp,
    Say,
    cuts,
    found,
    opened,
    resolved,
    says,
    says_status,
    sent,
)
from tests.contract.dmp_peer import Peer
from tests.unit.dmp.given import NOW, PATIENT, delivery, settings, surroundings
from tests.unit.dmp.test_answers import RS, response
from tests.unit.xds.documents import N3_BODY, document

# --- after a doubt ---


async def test_a_document_found_in_the_dmp_is_delivered_without_sending_again(folder: Path) -> None:
    outcome, peer = await resolved(folder, Dmp(registry=[says(found("urn:uuid:9"))]))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert peer.paths == ["/registry"]
    assert f"('{DOCUMENT_ID}')".encode() in peer.calls[0].body


async def test_a_document_that_is_absent_is_sent_again_with_the_same_identifiers(folder: Path) -> None:
    outcome, peer = await resolved(folder, Dmp())
    assert outcome.kind is OutcomeKind.DELIVERED
    assert peer.paths == ["/registry", "/patients", "/repository"]
    for identifier in ("1.2.250.1.999.1.10", "1.2.250.1.999.1.11", DOCUMENT_ID):
        assert f'value="{identifier}"'.encode() in peer.calls[2].body


async def test_already_there_settles_the_doubt(folder: Path) -> None:
    outcome, _ = await resolved(folder, Dmp([says(DUPLICATE)]))
    assert (outcome.kind, outcome.warnings) == (OutcomeKind.DELIVERED, ("XDSDuplicateUniqueIdInRegistry",))


async def test_already_there_at_the_first_attempt_is_a_refusal(folder: Path) -> None:
    outcome, _ = await sent(folder, Dmp([says(DUPLICATE)]))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "XDSDuplicateUniqueIdInRegistry")


async def test_already_there_after_a_doubt_is_delivered(folder: Path) -> None:
    outcome, _ = await sent(folder, Dmp([says(DUPLICATE)]), delivery(may_have_left=True))
    assert outcome.kind is OutcomeKind.DELIVERED


async def test_a_doubt_remains_when_nothing_can_be_asked(folder: Path) -> None:
    unasked = delivery(patient=replace(PATIENT, ins=None))
    async with opened(folder, Dmp()) as (connector, peer):
        assert (await connector.send(unasked)).kind is OutcomeKind.REFUSED
        for asked in (connector.resolve, connector.look):
            outcome = await asked(unasked)
            assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "DMP_INS_NOT_QUALIFIED")
    assert peer.calls == []


async def test_a_doubt_remains_while_our_certificate_is_out_of_date(folder: Path) -> None:
    now = [NOW]
    async with Peer(folder, Dmp()) as peer:
        connector = DmpConnector(settings(folder, peer.url), surroundings(lambda: now[0]))
        await connector.open()
        now[0] += timedelta(days=4000)
        for asked, kind in (
            (connector.send, OutcomeKind.NOT_DELIVERED),
            (connector.resolve, OutcomeKind.UNKNOWN),
            (connector.look, OutcomeKind.UNKNOWN),
        ):
            outcome = await asked(delivery())
            assert (outcome.kind, outcome.code) == (kind, "CERTIFICATE_EXPIRED")
            assert outcome.stop_destination
            assert outcome.retry_after
            assert not outcome.counts
        await connector.close()
    assert peer.calls == []


@pytest.mark.parametrize("registry", [cuts, says_status(503), says(response("Success"))])
async def test_the_doubt_remains_when_the_registry_does_not_answer(folder: Path, registry: Say) -> None:
    outcome, peer = await resolved(folder, Dmp(registry=[registry]))
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert "/repository" not in peer.paths


async def test_a_query_error_is_told_by_its_code(folder: Path) -> None:
    failed = found().replace("ResponseStatusType:Success", "ResponseStatusType:Failure")
    error = '<r:RegistryError errorCode="XDSStoredQueryMissingParam" codeContext="" severity="x:Error"/>'
    errors = f'<r:RegistryErrorList xmlns:r="{RS}">{error}</r:RegistryErrorList>'
    told = failed.replace("<m:RegistryObjectList>", f"{errors}<m:RegistryObjectList>")
    outcome, _ = await resolved(folder, Dmp(registry=[says(told)]))
    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "XDSStoredQueryMissingParam")
    outcome, _ = await resolved(folder, Dmp(registry=[says(failed)]))
    assert outcome.code == "DMP_QUERY_FAILED"


# --- replacement and deletion ---


async def test_a_replacement_points_at_the_entry_found_at_that_moment(folder: Path) -> None:
    outcome, peer = await sent(folder, Dmp(registry=[says(found("urn:uuid:9"))]), REPLACEMENT)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert peer.paths == ["/patients", "/registry", "/repository"]
    assert f"('{PARENT_ID}')".encode() in peer.calls[1].body
    assert b'AssociationType:RPLC" sourceObject="Document01" targetObject="urn:uuid:9"' in peer.calls[2].body


async def test_a_replacement_of_an_unknown_document_is_refused(folder: Path) -> None:
    outcome, peer = await sent(folder, Dmp(), REPLACEMENT)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "DMP_REPLACED_NOT_FOUND")
    assert "/repository" not in peer.paths


async def test_a_doubt_on_the_parent_leaves_the_replacement_to_be_tried_again(folder: Path) -> None:
    outcome, _ = await sent(folder, Dmp(registry=[cuts]), REPLACEMENT)
    assert outcome.kind is OutcomeKind.NOT_DELIVERED


async def test_a_deletion_changes_the_status_of_the_entry_without_any_document(folder: Path) -> None:
    outcome, peer = await sent(folder, Dmp(registry=[says(found("urn:uuid:9")), says(CREATED)]), DELETION)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert peer.paths == ["/registry", "/registry"]
    body = peer.calls[1].body
    assert b"urn:ihe:iti:2010:UpdateDocumentSet" in body
    assert b'UpdateAvailabilityStatus" sourceObject="SubmissionSet01" targetObject="urn:uuid:9"' in body
    assert b"urn:asip:ci-sis:2010:StatusType:Deleted" in body
    assert b"ExtrinsicObject" not in body
    assert b"xop:Include" not in body


async def test_a_deletion_of_an_unknown_document_is_refused(folder: Path) -> None:
    outcome, _ = await sent(folder, Dmp(), DELETION)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "DMP_DOCUMENT_NOT_FOUND")


async def test_a_deletion_of_an_id_that_the_dmp_cannot_know_is_refused(folder: Path) -> None:
    extended = document(document_id='<id root="1.2.3" extension="A"/>')
    outcome, _ = await sent(folder, Dmp(), replace(DELETION, documents=(extended,)))
    assert outcome.code == "DMP_ID_EXTENSION"


async def test_a_document_that_is_no_longer_there_was_deleted_by_the_doubtful_attempt(folder: Path) -> None:
    outcome, _ = await resolved(folder, Dmp(), DELETION)
    assert outcome.kind is OutcomeKind.DELIVERED
    outcome, _ = await sent(folder, Dmp(), replace(DELETION, may_have_left=True))
    assert outcome.kind is OutcomeKind.DELIVERED


async def test_a_document_that_is_still_there_is_deleted_again(folder: Path) -> None:
    registry = [says(found("urn:uuid:9")), says(found("urn:uuid:9")), says(CREATED)]
    outcome, peer = await resolved(folder, Dmp(registry=registry), DELETION)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert len(peer.calls) == 3


async def test_only_an_attempt_that_may_have_left_can_have_deleted(folder: Path) -> None:
    outcome, _ = await sent(folder, Dmp(), replace(DELETION, attempt=2))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "DMP_DOCUMENT_NOT_FOUND")


async def test_already_there_after_attempts_that_did_not_leave_is_a_refusal(folder: Path) -> None:
    outcome, _ = await sent(folder, Dmp([says(DUPLICATE)]), delivery(attempt=2))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "XDSDuplicateUniqueIdInRegistry")


# --- two renditions: one TD3.3c each ---

N3 = document(document_id='<id root="1.2.250.1.999.1.1.7003"/>', body=N3_BODY)
BOTH = replace(DELETION, documents=(document(), N3))
ONE, OTHER, GONE, DELETED = says(found("urn:uuid:1")), says(found("urn:uuid:3")), says(found()), says(CREATED)


def deletions(peer: Peer) -> list[str]:
    """entryUUID of each deletion, which names one and is a lot of its own."""
    bodies = [call.body for call in peer.calls if b"UpdateAvailabilityStatus" in call.body]
    lots = {re.findall(rb'value="(1\.2\.250\.1\.999\.1\.1[01])"', body)[0] for body in bodies}
    assert len(lots) == len(bodies)
    return [reference.decode() for body in bodies for reference in re.findall(rb'targetObject="([^"]+)"', body)]


async def test_both_renditions_are_deleted_each_by_a_lot_of_its_own(folder: Path) -> None:
    outcome, peer = await sent(folder, Dmp(registry=[ONE, OTHER, DELETED]), BOTH)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert deletions(peer) == ["urn:uuid:1", "urn:uuid:3"]
    assert outcome.evidence["submission_set"] == "1.2.250.1.999.1.10 1.2.250.1.999.1.11"


async def test_of_two_renditions_only_the_one_still_there_is_deleted_after_a_doubt(folder: Path) -> None:
    outcome, peer = await sent(folder, Dmp(registry=[ONE, OTHER, DELETED, cuts]), BOTH)
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert deletions(peer) == ["urn:uuid:1", "urn:uuid:3"]
    outcome, peer = await resolved(folder, Dmp(registry=[GONE, OTHER, GONE, OTHER, DELETED]), BOTH)
    assert outcome.kind is OutcomeKind.DELIVERED
    assert deletions(peer) == ["urn:uuid:3"]


async def test_the_second_rendition_waits_for_the_end_of_the_first(folder: Path) -> None:
    for say, kind in (
        (cuts, OutcomeKind.UNKNOWN),
        (says(response("Failure", ("XDSRegistryBusy", "Error"))), OutcomeKind.NOT_DELIVERED),
        (says(response("Failure", ("XDSMetadataVersionError", "Error"))), OutcomeKind.REFUSED),
    ):
        outcome, peer = await sent(folder, Dmp(registry=[ONE, OTHER, say]), BOTH)
        assert outcome.kind is kind
        assert deletions(peer) == ["urn:uuid:1"]


def test_the_preview_of_a_deletion_shows_both_requests(folder: Path) -> None:
    shown = DmpConnector(settings(folder), surroundings()).preview(BOTH).content
    assert shown.count(b"POST /registry") == 2
    assert shown.count(b"UpdateAvailabilityStatus") == 2


# --- carried out late, between our look and our second sending ---

PARENT = says(found("urn:uuid:6"))
DEPRECATED = says(response("Failure", ("XDSRegistryDeprecatedDocumentError", "Error")))
UNRESOLVED = says(response("Failure", ("UnresolvedReferenceException", "Error")))


@pytest.mark.parametrize(
    ("of", "repository", "registry", "kind"),
    [
        (REPLACEMENT, [DEPRECATED], [GONE, PARENT, ONE], OutcomeKind.DELIVERED),
        (REPLACEMENT, [DEPRECATED], [GONE, PARENT, GONE], OutcomeKind.REFUSED),
        (REPLACEMENT, [DEPRECATED], [GONE, PARENT, cuts], OutcomeKind.UNKNOWN),
        (REPLACEMENT, [], [GONE, GONE, ONE], OutcomeKind.DELIVERED),
        (DELETION, [], [ONE, ONE, UNRESOLVED, GONE], OutcomeKind.DELIVERED),
        (DELETION, [], [ONE, ONE, UNRESOLVED, ONE], OutcomeKind.REFUSED),
        (DELETION, [], [ONE, ONE, UNRESOLVED, cuts], OutcomeKind.UNKNOWN),
    ],
)
async def test_a_target_that_moved_may_have_been_moved_by_ourselves(
    folder: Path, of: Delivery, repository: list[Say], registry: list[Say], kind: OutcomeKind
) -> None:
    outcome, peer = await resolved(folder, Dmp(repository, list(registry)), of)
    assert outcome.kind is kind
    assert peer.paths.count("/registry") == len(registry)


async def test_without_any_doubt_a_target_that_moved_is_a_refusal(folder: Path) -> None:
    outcome, peer = await sent(folder, Dmp([DEPRECATED], [PARENT]), REPLACEMENT)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "XDSRegistryDeprecatedDocumentError")
    assert peer.paths.count("/registry") == 1


@pytest.mark.parametrize(
    ("of", "registry", "kind"),
    [
        (None, [found("urn:uuid:9")], OutcomeKind.DELIVERED),
        (None, [], OutcomeKind.NOT_DELIVERED),
        (DELETION, [], OutcomeKind.DELIVERED),
        (DELETION, [found("urn:uuid:9")], OutcomeKind.NOT_DELIVERED),
    ],
    ids=["there", "not there", "deleted", "not deleted"],
)
async def test_what_may_no_longer_leave_is_looked_for_and_never_sent(
    folder: Path, of: Delivery | None, registry: list[str], kind: OutcomeKind
) -> None:
    async with opened(folder, Dmp(registry=[says(each) for each in registry])) as (connector, peer):
        assert isinstance(connector, Looker)
        outcome = await connector.look(of or delivery())
    assert outcome.kind is kind
    assert peer.paths == ["/registry"]
