"""The DMP connector against small servers: the transactions, and every moment at which a call can die."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from pfi.engine.connector import Connector, Looker
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError, SenderDataError
from pfi.model.parties import Author
from pfi.model.submission import Request
from pfi.standards.x509.authority import TestAuthority
from tests.contract.dmp_peer import Call, Handler, Peer, refusing_certificates, serving
from tests.unit.dmp.given import NOW, PATIENT, certificates, delivery, settings, surroundings
from tests.unit.dmp.test_answers import RS, envelope, response
from tests.unit.dmp.test_existence import answer as existence_answer
from tests.unit.dmp.test_existence import person
from tests.unit.dmp.test_soap import fault
from tests.unit.xds.documents import MATRICULE, N3_BODY, document, replacing

QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
DOCUMENT_ID = "1.2.250.1.999.1.1.7001"
PARENT_ID = "1.2.250.1.999.1.1.6000"
CREATED = response("Success")
DUPLICATE = response("Failure", ("XDSDuplicateUniqueIdInRegistry", "Error"))

Say = Callable[[Call], Awaitable[None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("certificates")
    certificates().write(where)
    stranger = TestAuthority("AC inconnue", lambda: NOW)
    (where / "stranger.pem").write_bytes(stranger.ca_pem)
    return where


def found(*references: str) -> str:
    objects = "".join(f'<m:ObjectRef id="{reference}"/>' for reference in references)
    return (
        f'<q:AdhocQueryResponse xmlns:q="{QUERY}" xmlns:m="{RIM}" status="{SUCCESS}"><m:RegistryObjectList>{objects}'
        "</m:RegistryObjectList></q:AdhocQueryResponse>"
    )


def says(body: str) -> Say:
    async def handler(call: Call) -> None:
        await call.answer(envelope(body, call.message_id))

    return handler


def says_status(status: int, content: bytes = b"") -> Say:
    async def handler(call: Call) -> None:
        await call.answer(content, status)

    return handler


async def cuts(call: Call) -> None:
    call.cut()


async def hangs(call: Call) -> None:
    await asyncio.sleep(60)


def active(call: Call) -> Awaitable[None]:
    return call.answer(
        existence_answer("AA", "DMPFound", person()).replace(b"urn:uuid:1<", f"{call.message_id}<".encode())
    )


class Dmp:
    """A DMP by paths; each path has a list of things to do in turn, the last one for ever."""

    def __init__(self, repository: list[Say] | None = None, registry: list[Say] | None = None, patients: Say = active):
        self.scripts: dict[str, list[Say]] = {
            "/repository": repository or [says(CREATED)],
            "/registry": registry or [says(found())],
            "/patients": [patients],
        }

    async def __call__(self, call: Call) -> None:
        script = self.scripts[call.path]
        await (script.pop(0) if len(script) > 1 else script[0])(call)


@asynccontextmanager
async def opened(folder: Path, handler: Handler, **changes: Any) -> AsyncIterator[tuple[DmpConnector, Peer]]:
    async with Peer(folder, handler) as peer:
        connector = DmpConnector(settings(folder, peer.url, **changes), surroundings())
        await connector.open()
        try:
            yield connector, peer
        finally:
            await connector.close()


async def sent(folder: Path, handler: Handler, of: Delivery | None = None, **changes: Any) -> tuple[Outcome, Peer]:
    async with opened(folder, handler, **changes) as (connector, peer):
        return await connector.send(of or delivery()), peer


async def resolved(folder: Path, handler: Handler, of: Delivery | None = None) -> tuple[Outcome, Peer]:
    async with opened(folder, handler) as (connector, peer):
        return await connector.resolve(of or delivery()), peer


def test_the_class_is_a_connector(folder: Path) -> None:
    assert isinstance(DmpConnector(settings(folder), surroundings()), Connector)
    assert DmpConnector.settings_model is DmpSettings


# --- feeding ---


async def test_a_document_is_fed_after_the_existence_test(folder: Path) -> None:
    outcome, peer = await sent(folder, Dmp())
    assert outcome.kind is OutcomeKind.DELIVERED
    assert peer.paths == ["/patients", "/repository"]
    assert outcome.evidence["submission_set"] == "1.2.250.1.999.1.10"
    assert document().content in peer.calls[1].body


async def test_the_existence_answer_is_remembered(folder: Path) -> None:
    async with opened(folder, Dmp()) as (connector, peer):
        for _ in range(3):
            assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert peer.paths.count("/patients") == 1
        assert len({call.message_id for call in peer.calls}) == 4


async def test_many_deliveries_at_once_are_kept_apart(folder: Path) -> None:
    async with opened(folder, Dmp()) as (connector, _):
        outcomes = await asyncio.gather(*(connector.send(delivery()) for _ in range(8)))
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.DELIVERED}


async def test_the_existence_test_can_be_switched_off(folder: Path) -> None:
    _, peer = await sent(folder, Dmp(), existence={"enabled": False})
    assert peer.paths == ["/repository"]


async def test_a_large_document_is_fed(folder: Path) -> None:
    body = f'<nonXMLBody><text mediaType="application/pdf" representation="B64">{"QUJD" * 60_000}</text></nonXMLBody>'
    large = document(body=body)
    outcome, peer = await sent(folder, Dmp(), delivery(documents=(large,)))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert large.content in peer.calls[1].body


async def test_a_closed_dmp_is_refused_without_feeding(folder: Path) -> None:
    async def closed(call: Call) -> None:
        await call.answer(existence_answer("AE", "DMPClosed").replace(b"urn:uuid:1<", f"{call.message_id}<".encode()))

    outcome, peer = await sent(folder, Dmp(patients=closed))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "DMPClosed")
    assert peer.paths == ["/patients"]


async def test_warnings_of_the_metadata_are_kept_with_those_of_the_dmp(folder: Path) -> None:
    undated = document(effective_time="20240102101500")
    told = response("Success", ("XDSExtraMetadataNotSaved", "Warning"))
    outcome, _ = await sent(folder, Dmp([says(told)]), delivery(documents=(undated,)))
    assert outcome.warnings == ("XDS_OFFSET_MISSING", "XDSExtraMetadataNotSaved")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"qualified": False}, "DMP_INS_NOT_QUALIFIED"),
        ({"sender": None}, "DMP_SENDER_MISSING"),
        ({"sender": Author()}, "DMP_SENDER_MISSING"),
        ({"documents": (document(title=""),)}, "XDS_TITLE_MISSING"),
        ({"request": Request.REPLACE}, "DMP_REPLACED_ID_MISSING"),
    ],
)
async def test_what_the_dmp_would_refuse_never_reaches_the_network(
    folder: Path, changes: dict[str, Any], code: str
) -> None:
    outcome, peer = await sent(folder, Dmp(), delivery(**changes))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, code)
    assert peer.calls == []


async def test_an_outcome_never_shows_a_trait(folder: Path) -> None:
    told = response("Failure", ("XDSRegistryError", "Error"), context=f"INS {MATRICULE} de PAT-TROIS")
    outcome, _ = await sent(folder, Dmp([says(told)]))
    assert outcome.code == "XDSRegistryError"
    assert MATRICULE not in repr(outcome)
    assert "PAT-TROIS" not in repr(outcome)


@pytest.mark.parametrize("transaction", ["feed", "deletion"])
async def test_an_outcome_never_shows_a_trait_of_the_document_either(folder: Path, transaction: str) -> None:
    """The message names the patient otherwise than the document does."""
    married = replace(PATIENT, traits=replace(PATIENT.traits, birth_name="DURAND", given_names="ZOE"))
    told = response("Failure", ("XDSRegistryError", "Error"), context="PAT-TROIS ou DURAND")
    request = Request.DELETE if transaction == "deletion" else Request.INITIAL
    registry = [says(found("urn:uuid:9")), says(told)]
    dmp = Dmp([says(told)], registry)
    outcome, _ = await sent(folder, dmp, delivery(patient=married, request=request), existence={"enabled": False})
    assert outcome.evidence["context"] == "*** ou ***"


# --- moments of death ---


def refused_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"https://localhost:{probe.getsockname()[1]}"


async def attempt_at(folder: Path, url: str, **changes: Any) -> Outcome:
    connector = DmpConnector(settings(folder, url, existence={"enabled": False}, **changes), surroundings())
    await connector.open()
    try:
        return await connector.send(delivery())
    finally:
        await connector.close()


async def test_a_refused_connection_delivers_nothing(folder: Path) -> None:
    outcome = await attempt_at(folder, refused_port())
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "DMP_UNREACHABLE")
    assert not outcome.stop_destination


async def test_a_handshake_that_never_ends_delivers_nothing(folder: Path) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(mute) as url:
        outcome = await attempt_at(folder, url, timeouts={"connect": 0.3, "write": 1, "read": 1})
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "DMP_CONNECT_TIMEOUT")


async def test_a_server_that_does_not_speak_tls_delivers_nothing(folder: Path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with serving(plain) as url:
        outcome = await attempt_at(folder, url)
    assert outcome.kind is OutcomeKind.NOT_DELIVERED


async def test_an_untrusted_server_stops_the_destination(folder: Path) -> None:
    async with Peer(folder, Dmp()) as peer:
        tls = {"certificate": folder / "client.pem", "key": folder / "client.key", "ca": folder / "stranger.pem"}
        ours = {"authorities": folder / "ca.pem"}
        outcome = await attempt_at(folder, peer.url, tls=tls, certificates=ours)
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "DMP_SERVER_CERTIFICATE")
    assert outcome.stop_destination


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_client_certificate_stops_the_destination(folder: Path, version: ssl.TLSVersion) -> None:
    with refusing_certificates(folder, version) as url:
        outcome = await attempt_at(folder, url)
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "DMP_TLS_REFUSED")
    assert outcome.stop_destination


async def test_a_connection_cut_after_the_request_is_a_doubt(folder: Path) -> None:
    outcome, _ = await sent(folder, Dmp([cuts]))
    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "DMP_CONNECTION_LOST")


async def test_a_connection_cut_in_the_answer_is_a_doubt(folder: Path) -> None:
    async def half(call: Call) -> None:
        call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<s:Env")
        await call.writer.drain()
        call.cut()

    outcome, _ = await sent(folder, Dmp([half]))
    assert outcome.kind is OutcomeKind.UNKNOWN


async def test_a_silence_after_the_request_is_a_doubt(folder: Path) -> None:
    outcome, _ = await sent(folder, Dmp([hangs]), timeouts={"connect": 2, "write": 2, "read": 0.3})
    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, "DMP_TIMEOUT")


async def test_a_peer_that_stops_reading_the_body_is_a_doubt(folder: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)

    body = (
        f'<nonXMLBody><text mediaType="application/pdf" representation="B64">{"QUJD" * 1_000_000}</text></nonXMLBody>'
    )
    async with serving(half, context) as url:
        connector = DmpConnector(settings(folder, url, existence={"enabled": False}), surroundings())
        await connector.open()
        outcome = await connector.send(delivery(documents=(document(body=body),)))
        await connector.close()
    assert outcome.kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("patients", [cuts, says_status(500), says("<x/>")])
async def test_a_doubt_in_the_existence_test_is_no_doubt_about_the_document(folder: Path, patients: Say) -> None:
    outcome, peer = await sent(folder, Dmp(patients=patients))
    assert outcome.kind is OutcomeKind.NOT_DELIVERED
    assert "/repository" not in peer.paths


@pytest.mark.parametrize(
    ("say", "kind", "stop"),
    [
        (says_status(500), OutcomeKind.UNKNOWN, False),
        (says_status(503), OutcomeKind.NOT_DELIVERED, False),
        (says_status(403), OutcomeKind.NOT_DELIVERED, True),
        (says_status(500, fault("Sender", "DMPInvalidCertificate")), OutcomeKind.NOT_DELIVERED, True),
        (says(response("Failure", ("XDSUnknownPatientId", "Error"))), OutcomeKind.REFUSED, False),
    ],
)
async def test_answers_are_judged_by_the_error_table(folder: Path, say: Say, kind: OutcomeKind, stop: bool) -> None:
    outcome, _ = await sent(folder, Dmp([say]))
    assert (outcome.kind, outcome.stop_destination) == (kind, stop)


async def test_a_multipart_answer_is_read(folder: Path) -> None:
    async def multipart(call: Call) -> None:
        inner = envelope(CREATED, call.message_id)
        body = b"--b\r\nContent-Type: application/xop+xml\r\nContent-ID: <r>\r\n\r\n" + inner + b"\r\n--b--\r\n"
        await call.answer(body, 200, 'multipart/related; type="application/xop+xml"; start="<r>"; boundary=b')

    outcome, _ = await sent(folder, Dmp([multipart]))
    assert outcome.kind is OutcomeKind.DELIVERED


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

REPLACEMENT = delivery(request=Request.REPLACE, documents=(document(related=replacing(PARENT_ID)),))
DELETION = delivery(request=Request.DELETE)


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


# --- check, open, preview ---


async def test_check_reaches_every_host_and_tells_the_dates(folder: Path) -> None:
    async def anything(call: Call) -> None:
        await call.answer(b"", 405)

    async with opened(folder, anything) as (connector, peer):
        results = await connector.check()
    assert [result.ok for result in results] == [True, True, True]  # one host serves the three URLs here
    assert "Valable jusqu'au" in results[0].text
    assert MATRICULE.encode() not in b"".join(call.body for call in peer.calls)


async def test_check_says_what_to_do_when_a_host_is_out_of_reach(folder: Path) -> None:
    connector = DmpConnector(settings(folder, refused_port()), surroundings(lambda: NOW + timedelta(days=350)))
    await connector.open()
    results = await connector.check()
    await connector.close()
    assert [result.ok for result in results] == [False, False, False]
    assert "le renouveler" in results[0].text
    assert "pare-feu" in results[2].text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tls": {"certificate": "absent.pem", "key": "absent.key", "ca": "ca.pem"}}, "CERTIFICATE_UNREADABLE"),
        ({"tls": {"certificate": "client.pem", "key": "client.key", "ca": "absent.pem"}}, "AUTHORITIES_UNREADABLE"),
        ({"signing": {"certificate": "client.pem", "key": "client.key"}}, "CERTIFICATE_WRONG_PURPOSE"),
        ({"product": {"homologation": {"env": "PFI_TEST_NOT_SET"}}}, "SECRET_MISSING"),
        ({"product": {"homologation": {"file": "/absent"}}}, "SECRET_UNREADABLE"),
    ],
)
async def test_a_wrong_configuration_is_told_at_start(folder: Path, changes: dict[str, Any], code: str) -> None:
    for block in changes.values():
        for name, value in block.items():
            if name in ("certificate", "key", "ca"):
                block[name] = folder / value
    connector = DmpConnector(settings(folder, **changes), surroundings())
    with pytest.raises(ConfigurationError) as raised:
        await connector.open()
    assert raised.value.code == code
    await connector.close()


async def test_the_homologation_number_may_come_from_a_file_or_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "homologation").write_text("77-file\n")
    monkeypatch.setenv("PFI_TEST_HOMOLOGATION", "88-env")
    for product, number in (
        ({"homologation": {"file": folder / "homologation"}}, b"77-file"),
        ({"homologation": {"env": "PFI_TEST_HOMOLOGATION"}}, b"88-env"),
    ):
        connector = DmpConnector(settings(folder, product=product), surroundings())
        await connector.open()
        assert number in connector.preview(delivery()).content
        await connector.close()


def test_the_homologation_number_is_not_shown_by_repr(folder: Path) -> None:
    assert "4242" not in repr(settings(folder))


async def test_nothing_is_sent_by_a_connector_that_is_not_open(folder: Path) -> None:
    with pytest.raises(ConfigurationError):
        await DmpConnector(settings(folder), surroundings()).send(delivery())


@pytest.mark.parametrize("of", [delivery(), REPLACEMENT, DELETION], ids=["initial", "replace", "delete"])
def test_a_preview_is_an_http_request_made_without_certificates(of: Delivery) -> None:
    preview = DmpConnector(settings(), surroundings()).preview(of)
    head, _, body = preview.content.partition(b"\r\n\r\n")
    assert preview.extension == "http"
    path = b"/registry" if of.request is Request.DELETE else b"/repository"
    assert head.startswith(b"POST " + path + b" HTTP/1.1\r\nHost: dmp.invalid\r\n")
    assert f"Content-Length: {len(body)}".encode() in head


def test_the_preview_of_what_would_be_refused_says_why() -> None:
    connector = DmpConnector(settings(), surroundings())
    for of in (delivery(qualified=False), delivery(documents=(document(title=""),))):
        with pytest.raises(SenderDataError):
            connector.preview(of)
