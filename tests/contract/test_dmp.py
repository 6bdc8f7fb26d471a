"""The DMP connector against small servers: the transactions, and every moment at which a call can die."""

import asyncio
import socket
import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from pfi.engine.connector import Connector
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError, SenderDataError
from pfi.model.parties import Author
from pfi.model.submission import Request
from tests.contract.dmp_exchanges import (
    CREATED,
    DELETION,
    REPLACEMENT,
    Dmp,
    Say,
    cuts,
    found,
    hangs,
    opened,
    says,
    says_status,
    sent,
)
from tests.contract.dmp_peer import Call, Peer, refusing_certificates, serving
from tests.unit.dmp.given import NOW, PATIENT, delivery, settings, surroundings
from tests.unit.dmp.test_answers import envelope, response
from tests.unit.dmp.test_existence import answer as existence_answer
from tests.unit.dmp.test_soap import fault
from tests.unit.xds.documents import MATRICULE, document


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
