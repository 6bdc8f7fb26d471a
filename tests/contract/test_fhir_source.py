"""The FHIR listener over real sockets: what a sender may do to it, and what it answers."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.fhir.listener import FhirListener
from connectors.fhir.settings import FhirListenerSettings
from pfi.engine.connector import Answer, Intake, Peer, Source
from pfi.model.errors import ConfigurationError
from pfi.model.finding import Finding
from pfi.model.submission import Standard
from pfi.standards.fhir.answer import COME_AGAIN, write_refusal
from pfi.standards.fhir.outline import NO_OUTLINE
from tests.contract.mllp_peers import TlsFiles, tls_files

LOT = b'{"resourceType":"Bundle","type":"transaction"}'
HEADERS = {"Content-Type": "application/fhir+json"}
ACCEPTED = b'{"resourceType":"Bundle","type":"transaction-response"}'


@dataclass
class RecordingIntake:
    """Accepts everything and remembers it. `gate` holds lots back; `answer` replaces the acceptance."""

    accepted: list[bytes] = field(default_factory=list)
    refused: list[tuple[bytes, Finding]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    gate: asyncio.Event | None = None
    answer: Answer | Exception = field(default_factory=lambda: Answer(ACCEPTED))
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    store_away: bool = False

    async def accept(self, raw: bytes, peer: Peer) -> Answer:
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        self.accepted.append(raw)
        self.peers.append(peer)
        return self.answer

    async def refuse(self, head: bytes, peer: Peer, finding: Finding) -> Answer:
        self.refused.append((head, finding))
        return Answer(write_refusal((COME_AGAIN if self.store_away else finding,), NO_OUTLINE))

    @property
    def codes(self) -> list[str]:
        return [finding.code for _, finding in self.refused]


@asynccontextmanager
async def listening(intake: Intake, **settings: Any) -> AsyncIterator[FhirListener]:
    listener = FhirListener("porte", FhirListenerSettings.model_validate({"port": 0, **settings}), intake)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop(grace=1)


def client(listener: FhirListener, **options: Any) -> httpx.AsyncClient:
    scheme = "https" if "verify" in options else "http"
    return httpx.AsyncClient(base_url=f"{scheme}://localhost:{listener.port}", trust_env=False, **options)


async def raw_exchange(listener: FhirListener, *parts: bytes, pause: float = 0.0) -> bytes:
    """Writes bytes as they are, and reads until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def head(length: int | str = len(LOT), *more: str) -> bytes:
    lines = ["POST /fhir HTTP/1.1", "Host: localhost", "Content-Type: application/fhir+json"]
    return "\r\n".join([*lines, f"Content-Length: {length}", *more, "", ""]).encode()


def issue_of(response: httpx.Response) -> Any:
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    return outcome["issue"][0]["details"]["coding"][0]["code"]


def test_the_listener_is_a_source() -> None:
    listener: Source = FhirListener("porte", FhirListenerSettings(), RecordingIntake())
    assert isinstance(listener, Source)


async def test_a_lot_reaches_the_intake_exactly_as_sent() -> None:
    intake = RecordingIntake()
    async with listening(intake) as listener, client(listener) as http:
        for _ in range(2):  # on the same connection
            response = await http.post("/fhir", content=LOT, headers=HEADERS)
            assert response.status_code == 200
            assert response.content == ACCEPTED
            assert response.headers["content-type"] == "application/fhir+json; charset=utf-8"
            assert response.headers["cache-control"] == "no-store"
    assert intake.accepted == [LOT, LOT]
    assert len({peer.address for peer in intake.peers}) == 1
    assert (intake.peers[0].listener, intake.peers[0].standard) == ("porte", Standard.FHIR)


async def test_a_lot_in_chunks_is_put_together() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for byte in LOT:
            yield bytes([byte])

    intake = RecordingIntake()
    async with listening(intake) as listener, client(listener) as http:
        assert (await http.post("/fhir", content=chunks(), headers=HEADERS)).status_code == 200
    assert intake.accepted == [LOT]


async def test_a_sender_that_waits_for_100_continue_is_told_to_go_on() -> None:
    intake = RecordingIntake()
    async with listening(intake) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(head(len(LOT), "Expect: 100-continue"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(LOT)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
    assert intake.accepted == [LOT]


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    intake = RecordingIntake()
    async with listening(intake) as listener:
        answers = await raw_exchange(listener, head() + LOT + head() + LOT + b"GET /fhir/metadata HTTP/1.0\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200") == 3
    assert len(intake.accepted) == 2


async def test_the_capability_statement_is_served() -> None:
    async with listening(RecordingIntake(), path="/pfi/fhir") as listener, client(listener) as http:
        response = await http.get("/pfi/fhir/metadata", headers={"Accept": "application/fhir+json"})
        assert response.json()["resourceType"] == "CapabilityStatement"
        assert (await http.get("/fhir/metadata")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("POST", "/fhir", {"Content-Type": "application/fhir+xml"}, 415, "HTTP_MEDIA_TYPE"),
        ("POST", "/fhir", {"Content-Type": "application/fhir+json; charset=latin1"}, 415, "HTTP_MEDIA_TYPE"),
        ("POST", "/fhir", {**HEADERS, "Content-Encoding": "gzip"}, 415, "HTTP_ENCODING"),
        ("POST", "/fhir", {**HEADERS, "Accept": "application/fhir+xml"}, 406, "HTTP_NOT_ACCEPTABLE"),
        ("PUT", "/fhir", HEADERS, 405, "HTTP_METHOD"),
        ("DELETE", "/fhir/metadata", {}, 405, "HTTP_METHOD"),
        ("POST", "/fhir/List", HEADERS, 404, "HTTP_NOT_FOUND"),
    ],
)
async def test_what_is_not_a_lot_is_refused_in_french(
    method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    intake = RecordingIntake()
    async with listening(intake) as listener, client(listener) as http:
        response = await http.request(method, path, content=LOT, headers=headers)
        assert response.status_code == status
        assert issue_of(response) == code
        assert response.json()["issue"][0]["diagnostics"].endswith(".")
        assert (await http.post("/fhir", content=LOT, headers=HEADERS)).status_code == 200
    assert intake.codes == ([code] if status in (406, 415) else [])
    assert all(kept == b"POST /fhir" for kept, _ in intake.refused)


async def test_a_head_request_is_answered_without_body() -> None:
    async with listening(RecordingIntake()) as listener, client(listener) as http:
        response = await http.head("/fhir/metadata")
        assert (response.status_code, response.content) == (405, b"")


async def test_a_lot_announced_too_large_is_refused_before_it_comes() -> None:
    intake = RecordingIntake()
    async with listening(intake, limits={"max_body_bytes": 1024}) as listener:
        answer = await raw_exchange(listener, head(1025))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
    assert intake.codes == ["HTTP_TOO_LARGE"]


async def test_a_lot_too_large_in_chunks_is_cut() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1024

    intake = RecordingIntake()
    async with listening(intake, limits={"max_body_bytes": 2048}) as listener, client(listener) as http:
        with contextlib.suppress(httpx.TransportError):  # unless the answer was read before the cut
            assert (await http.post("/fhir", content=endless(), headers=HEADERS)).status_code == 413
    assert intake.codes == ["HTTP_TOO_LARGE"]
    assert intake.accepted == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"MSH|^~\\&|DPI|CH\rPID|1\r\n\r\n", b"400"),
        (b"POST /fhir HTTP/1.1\r\n\r\n", b"400"),
        (b"POST /fhir HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"POST /fhir HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
        (head("3\r\nContent-Length: 5") + LOT, b"400"),
        (head(3, "Transfer-Encoding: gzip") + LOT, b"501"),
    ],
    ids=["tls", "hl7", "no host", "negative", "headers", "two lengths", "encoding"],
)
async def test_what_is_no_http_is_answered_and_closed(sent: bytes, status: bytes) -> None:
    intake = RecordingIntake()
    async with listening(intake) as listener:
        answer = await raw_exchange(listener, sent)
    assert answer.split(b" ")[1] == status
    assert intake.codes == ["HTTP_MALFORMED"]
    assert intake.accepted == []


async def test_slow_senders_are_not_waited_for() -> None:
    intake = RecordingIntake()
    limits = {"head_seconds": 0.2, "body_seconds": 0.2, "idle_seconds": 0.2}
    async with listening(intake, limits=limits) as listener:
        slow_head = await raw_exchange(listener, b"POST /fhir HTTP/1.1\r\n", b"Host: a\r\n", pause=0.15)
        slow_body = await raw_exchange(listener, head(), LOT[:5], LOT[5:9], pause=0.15)
        silent = await raw_exchange(listener)
    assert slow_head.startswith(b"HTTP/1.1 408")
    assert slow_body.startswith(b"HTTP/1.1 408")
    assert silent == b""
    assert intake.codes == ["HTTP_TIMEOUT", "HTTP_TIMEOUT"]
    assert intake.refused[1][0] == LOT[:5]


async def test_a_lot_cut_by_the_network_leaves_a_trace() -> None:
    intake = RecordingIntake()
    async with listening(intake) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(head() + LOT[:10])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(5):
            while not intake.refused:
                await asyncio.sleep(0.01)
    assert intake.codes == ["HTTP_TRUNCATED"]
    assert intake.accepted == []


async def test_back_pressure_says_when_to_come_again() -> None:
    intake = RecordingIntake(answer=Answer(write_refusal((COME_AGAIN,), NO_OUTLINE)))
    async with listening(intake, limits={"retry_after_seconds": 7}) as listener, client(listener) as http:
        response = await http.post("/fhir", content=LOT, headers=HEADERS)
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert issue_of(response) == "COME_AGAIN"


async def test_a_refusal_that_cannot_be_stored_is_to_be_sent_again() -> None:
    intake = RecordingIntake(store_away=True)
    async with listening(intake) as listener, client(listener) as http:
        response = await http.post("/fhir", content=LOT, headers={"Content-Type": "text/plain"})
    assert response.status_code == 503


async def test_lots_in_excess_are_turned_away_while_others_are_taken() -> None:
    intake = RecordingIntake(gate=asyncio.Event())
    async with listening(intake, limits={"bundles": 1}) as listener, client(listener) as http:
        first = asyncio.create_task(http.post("/fhir", content=LOT, headers=HEADERS))
        await intake.entered.wait()
        second = await http.post("/fhir", content=LOT, headers=HEADERS)
        assert second.status_code == 503
        assert (await http.get("/fhir/metadata")).status_code == 200
        assert intake.gate is not None
        intake.gate.set()
        assert (await first).status_code == 200
        assert (await http.post("/fhir", content=LOT, headers=HEADERS)).status_code == 200
    assert len(intake.accepted) == 2


@pytest.mark.parametrize("limit", ["connections", "connections_per_address"])
async def test_connections_in_excess_are_answered_503(limit: str) -> None:
    intake = RecordingIntake()
    async with listening(intake, limits={limit: 1}) as listener:
        async with client(listener) as http:
            assert (await http.post("/fhir", content=LOT, headers=HEADERS)).status_code == 200
            assert (await raw_exchange(listener)).startswith(b"HTTP/1.1 503")
        async with client(listener) as http:
            async with asyncio.timeout(5):
                while (await http.get("/fhir/metadata")).status_code != 200:  # the first one may not be forgotten yet
                    await asyncio.sleep(0.02)


async def test_a_failure_of_the_engine_ends_the_connection_and_not_the_listener() -> None:
    intake = RecordingIntake(answer=RuntimeError("stockage"))
    async with listening(intake) as listener, client(listener) as http:
        with pytest.raises(httpx.TransportError):
            await http.post("/fhir", content=LOT, headers=HEADERS)
        intake.answer = Answer(ACCEPTED)
        assert (await http.post("/fhir", content=LOT, headers=HEADERS)).status_code == 200


async def test_stopping_answers_what_is_under_way() -> None:
    intake = RecordingIntake(gate=asyncio.Event())
    async with listening(intake) as listener, client(listener) as http:
        pending = asyncio.create_task(http.post("/fhir", content=LOT, headers=HEADERS))
        await intake.entered.wait()
        stopping = asyncio.create_task(listener.stop(grace=5))
        await asyncio.sleep(0.05)
        assert intake.gate is not None
        intake.gate.set()
        response = await pending
        assert response.status_code == 200
        assert response.headers["connection"] == "close"
        await stopping
        with pytest.raises(httpx.ConnectError):
            await http.get("/fhir/metadata")


async def test_stopping_does_not_wait_for_the_idle_nor_for_ever() -> None:
    intake = RecordingIntake(gate=asyncio.Event())
    async with listening(intake) as listener:
        idle = asyncio.create_task(raw_exchange(listener))
        stuck = asyncio.create_task(raw_exchange(listener, head() + LOT))
        await intake.entered.wait()
        async with asyncio.timeout(3):
            await listener.stop(grace=0.1)
            assert await idle == b""
            assert await stuck == b""


# TLS -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return tls_files(tmp_path_factory.mktemp("tls"))


def context(files: TlsFiles, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=files.ca)
    if certificate is not None:
        made.load_cert_chain(certificate, key)
    return made


async def test_a_sender_is_known_by_its_certificate(files: TlsFiles) -> None:
    tls = {"certificate": files.server, "key": files.server_key, "ca": files.ca}
    intake = RecordingIntake()
    async with listening(intake, tls=tls) as listener:
        async with client(listener, verify=context(files, files.client, files.client_key)) as http:
            assert (await http.post("/fhir", content=LOT, headers=HEADERS)).status_code == 200
        for stranger in (context(files), context(files, files.stranger, files.stranger_key)):
            async with client(listener, verify=stranger) as http:
                with pytest.raises(httpx.TransportError):
                    await http.post("/fhir", content=LOT, headers=HEADERS)
        assert await raw_exchange(listener, head() + LOT) == b""  # plain HTTP on the port of TLS
    assert [peer.certificate for peer in intake.peers] == ["CN=sgl,O=Labo,C=FR"]


async def test_a_sender_without_certificate_may_be_admitted(files: TlsFiles) -> None:
    tls = {"certificate": files.server, "key": files.server_key, "client_certificates": "none"}
    intake = RecordingIntake()
    async with listening(intake, tls=tls) as listener, client(listener, verify=context(files)) as http:
        assert (await http.post("/fhir", content=LOT, headers=HEADERS)).status_code == 200
    assert [peer.certificate for peer in intake.peers] == [""]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"certificate": "absent.pem"}, "FHIR_TLS_CERTIFICATE"), ({"ca": "absent.pem"}, "FHIR_TLS_CA")],
)
async def test_files_that_cannot_be_used_stop_the_start(files: TlsFiles, change: dict[str, str], code: str) -> None:
    tls = {"certificate": files.server, "key": files.server_key, "ca": files.ca, **change}
    with pytest.raises(ConfigurationError) as refused:
        async with listening(RecordingIntake(), tls=tls):
            pass
    assert refused.value.code == code


async def test_a_port_in_use_stops_the_start() -> None:
    async with listening(RecordingIntake()) as listener:
        with pytest.raises(ConfigurationError) as refused:
            async with listening(RecordingIntake(), port=listener.port):
                pass
    assert refused.value.code == "FHIR_BIND"


def test_certificates_need_their_authority() -> None:
    with pytest.raises(ValueError, match="« ca » est obligatoire"):
        FhirListenerSettings.model_validate({"tls": {"certificate": "a", "key": "b"}})
    assert json.loads(FhirListenerSettings().model_dump_json())["host"] == "127.0.0.1"
