"""Lots through a real engine: decided and delivered as by HL7 v2, answered the same twice, refusals kept."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.mllp.client import MllpClient
from pfi.engine.settings import Settings
from pfi.model.delivery import Delivery, DeliveryIds
from pfi.model.submission import MessageHeader
from pfi.standards.hl7v2.ack import read_ack
from samples.generator import bundle, documents, world
from samples.generator.catalogue import biology, discharge
from samples.generator.request import Flags, Kind, Request, write_request
from tests.contract.mllp_peers import tls_files
from tests.contract.test_fhir_source import context
from tests.integration.engine.fakes import House, eventually
from tests.integration.engine.patients import adt

HEADERS = {"Content-Type": "application/fhir+json"}
SENDER = {"match": {"application": bundle.SOURCE_ID}}


@asynccontextmanager
async def door(url: str, tls: dict[str, Any] | None = None, **changes: Any) -> AsyncIterator[House]:
    """An engine behind an MLLP listener and a FHIR one."""
    home = House(url, **changes)
    fhir: dict[str, Any] = {"port": 0, **({"tls": tls} if tls else {})}
    listeners = [
        {"name": "mllp", "settings": {"port": 0}},
        {"name": "fhir", "source": "fhir", "settings": fhir},
    ]
    home.settings = Settings.model_validate({**home.settings.model_dump(), "listeners": listeners})
    home.engine = home.new_engine()
    await home.engine.start()
    try:
        yield home
    finally:
        await home.engine.stop(grace=2)


def client(home: House, **options: Any) -> httpx.AsyncClient:
    scheme = "https" if "verify" in options else "http"
    return httpx.AsyncClient(base_url=f"{scheme}://localhost:{home.engine.ports['fhir']}", trust_env=False, **options)


async def post(home: House, content: bytes | dict[str, Any]) -> httpx.Response:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    async with client(home) as http:
        return await http.post("/fhir", content=raw, headers=HEADERS)


async def send_hl7(home: House, request: Request) -> str:
    async with MllpClient("127.0.0.1", home.engine.ports["mllp"]) as http:
        return read_ack(await http.exchange(write_request(request))).code


async def decisions(home: House) -> list[dict[str, Any]]:
    return await home.fetch(
        "SELECT message_id, channel, action, code, due, gap, recipients FROM decisions ORDER BY message_id, channel"
    )


NO_IDS = DeliveryIds(submission_set="", signature="", message_id="", envelope="", control_id="")
NO_HEADER = MessageHeader("", "", "", "", "", "", "", "", "", "", "")


def comparable(delivery: Delivery) -> Delivery:
    """A delivery without what is proper to one sending: identifiers, moment, header, times without offset, and what
    became of the one before."""
    return replace(
        delivery,
        id=world.identifier("any"),
        ids=NO_IDS,
        message=NO_HEADER,
        stay=replace(delivery.stay, admitted_at="", discharged_at=""),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        versions=(),
    )


REQUESTS = {
    "letter": discharge("PAIRE"),
    "two forms": biology("PAIRE-BIO", documents.biology_level_1("p1"), documents.biology_report("p3")),
    "hidden": discharge("PAIRE-INV").but(flags=Flags(invisible_patient=True, dest_mss_pat=False)),
    "masked": discharge("PAIRE-MAS").but(flags=Flags(masque_ps=True, dest_mss_ps=False)),
    "held": discharge("PAIRE-PROV", patient=world.PROVISIONAL, with_matricule=False).but(
        pid_with_ins=False, reliability="PROV", flags=Flags(dest_mss_pat=False)
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_same_document_is_decided_and_delivered_the_same_by_mllp_and_by_fhir(
    store_url: str, name: str
) -> None:
    request = REQUESTS[name]
    async with door(store_url) as home:
        assert await send_hl7(home, request) == "AA"
        response = await post(home, bundle.write_bundle(request))
        assert response.status_code == 200, response.text

        async def all_ended() -> bool:
            return not {"in_flight", "queued", "waiting"} & {
                row["state"] for row in await home.fetch("SELECT state FROM deliveries")
            }

        await eventually(all_ended)
        told = await decisions(home)
        states = await home.fetch("SELECT message_id, channel, state FROM deliveries ORDER BY message_id, channel")
        sent = [comparable(each) for each in (*home.dmp.sent, *home.mail.sent)]
    by_hl7, by_fhir = ([{**row, "message_id": 0} for row in told if row["message_id"] == n] for n in (1, 2))
    assert by_hl7 == by_fhir != []
    assert [row["state"] for row in states if row["message_id"] == 1] == [
        row["state"] for row in states if row["message_id"] == 2
    ]
    for channel in {each.channel for each in sent}:
        first, second = [each for each in sent if each.channel is channel]
        assert first == second


async def test_the_same_lot_again_has_the_same_answer_and_is_not_sent_again(store_url: str) -> None:
    raw = bundle.write_bundle(discharge("DOUBLE"))
    async with door(store_url) as home:
        first, second = await post(home, raw), await post(home, raw)
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        events = await home.fetch("SELECT kind FROM events WHERE kind = 'duplicate'")
        assert await home.engine.journal.body(1) == raw
        assert len(home.dmp.sent) == 1
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.json()["type"] == "transaction-response"
    assert len(events) == 1


async def test_the_same_lot_written_otherwise_leaves_no_second_time_on_any_channel(store_url: str) -> None:
    raw = bundle.write_bundle(discharge("DOUBLE"))
    again = json.dumps(json.loads(raw), indent=3, sort_keys=True).encode()
    assert again != raw
    async with door(store_url) as home:
        first, second = await post(home, raw), await post(home, again)
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        rows = await home.fetch("SELECT id FROM messages")
        events = await home.fetch("SELECT message_id FROM events WHERE kind = 'duplicate'")
        assert (len(home.dmp.sent), len(home.mail.sent)) == (1, 2)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert (len(rows), [event["message_id"] for event in events]) == (1, [rows[0]["id"]])


async def test_a_refused_lot_is_kept_with_its_reasons_and_the_outcome_tells_them(store_url: str) -> None:
    content = bundle.bundle(discharge("REFUS"))
    content["entry"][1]["resource"]["content"][0]["attachment"]["size"] = 3
    async with door(store_url) as home:
        response = await post(home, content)
        rows = await home.fetch("SELECT kind, ack_code, message_type, sender FROM messages")
        findings = await home.fetch("SELECT code, location FROM findings WHERE severity = 'error'")
        assert await home.states() == {}
    assert response.status_code == 422
    issue = response.json()["issue"][0]
    assert issue["details"]["coding"][0]["code"] == "CONTENT_SIZE_MISMATCH"
    assert issue["expression"] == ["Bundle.entry[1].resource.content[0].attachment.size"]
    assert rows == [{"kind": "refused", "ack_code": "AE", "message_type": "FHIR^ITI-65", "sender": "default"}]
    assert findings == [{"code": "CONTENT_SIZE_MISMATCH", "location": issue["expression"][0]}]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "JSON_UNREADABLE"),
        (b"\xff{}", "JSON_NOT_UTF8"),
        (b"MSH|^~\\&|DPI|CH-EXEMPLE\r", "JSON_UNREADABLE"),
        (b'{"resourceType":"Bundle","type":"batch"}', "BUNDLE_TYPE"),
        (b'{"a":' * 90 + b"1" + b"}" * 90, "JSON_TOO_DEEP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_lot_leaves_a_row_and_an_answer(store_url: str, raw: bytes, code: str) -> None:
    async with door(store_url) as home:
        response = await post(home, raw)
        rows = await home.fetch("SELECT kind, listener FROM messages")
        assert await home.engine.journal.body(1) == raw
    assert response.status_code == 400
    assert response.json()["issue"][0]["details"]["coding"][0]["code"] == code
    assert rows == [{"kind": "unreadable", "listener": "fhir"}]


async def test_a_request_that_is_no_lot_leaves_a_row_without_its_headers(store_url: str) -> None:
    async with door(store_url) as home, client(home) as http:
        response = await http.post(
            "/fhir",
            content=b"<Bundle/>",
            headers={"Content-Type": "application/fhir+xml", "Authorization": "Bearer s3"},
        )
        assert await home.engine.journal.body(1) == b"POST /fhir"
        findings = await home.fetch("SELECT code FROM findings")
    assert response.status_code == 415
    assert findings == [{"code": "HTTP_MEDIA_TYPE"}]


async def test_a_lot_that_comes_by_mllp_is_not_taken(store_url: str) -> None:
    async with door(store_url) as home:
        answer = await home.accept(bundle.write_bundle(discharge("MLLP")))
        rows = await home.fetch("SELECT kind FROM messages")
    assert answer.content is None
    assert rows == [{"kind": "unreadable"}]


async def test_a_known_source_gets_its_business_acknowledgments_by_its_return_address(store_url: str) -> None:
    async with door(store_url, sender=SENDER) as home:
        assert (await post(home, bundle.write_bundle(discharge("ZAM")))).status_code == 200
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        told = await home.told(3)
        content = home.reply.received[0].content.decode()
    assert [(event, success) for event, success, _, _ in told] == [("Z01", True), ("Z02", True), ("Z02", True)]
    assert f"|{world.oid('ZAM')}|" in content


async def test_an_unknown_source_is_refused_where_senders_must_be_known(store_url: str) -> None:
    async with door(store_url) as home:
        home.settings = home.settings.model_copy(update={"unknown_senders": "refuse"})
        await home.engine.stop(grace=1)
        home.engine = home.new_engine()
        await home.engine.start()
        response = await post(home, bundle.write_bundle(discharge("INCONNU")))
    assert response.status_code == 403
    assert response.json()["issue"][0]["details"]["coding"][0]["code"] == "UNKNOWN_SENDER"


async def test_the_same_identifier_for_another_lot_is_told(store_url: str) -> None:
    other = bundle.bundle(discharge("AUTRE"))
    other["entry"][0]["resource"]["identifier"][0]["value"] = f"urn:oid:{world.oid('PREMIER')}"
    async with door(store_url, sender={**SENDER, "intake": {"same_control_id": "refuse"}}) as home:
        assert (await post(home, bundle.write_bundle(discharge("PREMIER")))).status_code == 200
        response = await post(home, other)
    assert response.status_code == 409
    assert response.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource.identifier"]


async def test_back_pressure_is_answered_503(store_url: str) -> None:
    async with door(store_url, limits={"open_deliveries": 1}) as home:
        held = REQUESTS["held"]
        assert (await post(home, bundle.write_bundle(held))).status_code == 200
        response = await post(home, bundle.write_bundle(discharge("TROP")))
        rows = await home.fetch("SELECT FROM messages")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert len(rows) == 1


async def test_a_lot_whose_identity_is_qualified_later_is_read_again_and_leaves_once(store_url: str) -> None:
    patient = world.PROVISIONAL
    request = discharge("REVEIL", patient=patient).but(reliability="PROV", flags=Flags(dest_mss_pat=False))
    async with door(store_url) as home:
        assert (await post(home, bundle.write_bundle(request))).status_code == 200
        await home.until(DMP="held", PRO="held")
        assert await home.code(adt("A31", patient)) == "AA"
        await home.until(DMP="delivered", PRO="delivered")
        assert len(home.dmp.sent) == 1
        assert home.dmp.sent[0].qualified


async def test_a_replacement_by_fhir_follows_its_document_sent_by_mllp(store_url: str) -> None:
    request = discharge("VERSION")
    document = replace(request.documents[0], version=2, replaces_version=1)
    replacement = request.but(control_id="VERSION-2", documents=(document,), kind=Kind.REPLACE)
    async with door(store_url) as home:
        assert await send_hl7(home, request) == "AA"
        assert (await post(home, bundle.write_bundle(replacement))).status_code == 200
        await home.until(DMP="delivered", DMP2="delivered")
        lineages = await home.fetch("SELECT DISTINCT lineage FROM documents")
    assert [each.request.value for each in home.dmp.sent] == ["F", "C"]
    assert len(lineages) == 1


async def test_the_door_is_closed_to_those_who_show_no_certificate(store_url: str, tmp_path: Path) -> None:
    files = tls_files(tmp_path)
    tls = {"certificate": str(files.server), "key": str(files.server_key), "ca": str(files.ca)}
    async with door(store_url, tls) as home:
        async with client(home, verify=context(files, files.client, files.client_key)) as http:
            raw = bundle.write_bundle(discharge("TLS"))
            assert (await http.post("/fhir", content=raw, headers=HEADERS)).status_code == 200
        async with client(home, verify=context(files)) as http:
            with pytest.raises(httpx.TransportError):
                await http.get("/fhir/metadata")
        rows = await home.fetch("SELECT certificate FROM messages")
    assert rows == [{"certificate": "CN=sgl,O=Labo,C=FR"}]
