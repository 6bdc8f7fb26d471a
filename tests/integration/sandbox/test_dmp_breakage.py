"""Ordered faults of the DMP alone: what the caller sees of them, and whether the request was carried out."""

from typing import Any

import httpx
import pytest

from connectors.sandbox.faults import Fault, FaultKind, Service
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import CDA_ID, MATRICULE
from tests.integration.sandbox.dmp_assertion import Signer
from tests.integration.sandbox.dmp_client import DmpClient
from tests.integration.sandbox.dmp_request import Feed


def fault(kind: FaultKind, **changes: Any) -> Fault:
    return Fault(Service.DMP, kind, **changes)


async def posted(dmp: DmpClient, signer: Signer) -> httpx.Response:
    headers, body = Feed().write(signer)
    return await dmp.http.post(f"{dmp.sandbox.dmp.url}/repository", content=body, headers=headers)


@pytest.mark.parametrize("done", [None, False, True])
@pytest.mark.parametrize(
    ("kind", "usual"),
    [
        (FaultKind.CUT_IN_REQUEST, 0),
        (FaultKind.HEADERS_ONLY, 1),
        (FaultKind.HALF_ANSWER, 1),
    ],
)
async def test_the_connection_is_cut(
    kind: FaultKind, usual: int, done: bool | None, dmp: DmpClient, sandbox: Sandbox, signer: Signer
) -> None:
    sandbox.faults.order(fault(kind, done=done))
    with pytest.raises(httpx.TransportError):
        await posted(dmp, signer)
    expected = usual if done is None or kind is FaultKind.CUT_IN_REQUEST else int(done)
    assert len(sandbox.dmp.documents()) == expected


async def test_a_fault_that_cuts_a_request_hits_only_what_it_matches(dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.faults.order(fault(FaultKind.CUT_IN_REQUEST, match={"patient": "277076322082910"}))
    assert (await dmp.feed()).success
    assert len(sandbox.faults.pending()) == 1


@pytest.mark.parametrize(("done", "held"), [(None, 0), (True, 1)])
async def test_silence_lasts_as_long_as_ordered_or_as_the_caller_waits(
    done: bool | None, held: int, dmp: DmpClient, sandbox: Sandbox, signer: Signer
) -> None:
    dmp.http.timeout = httpx.Timeout(5, read=0.2)
    sandbox.faults.order(fault(FaultKind.SILENCE, done=done))
    with pytest.raises(httpx.ReadTimeout):
        await posted(dmp, signer)
    assert len(sandbox.dmp.documents()) == held
    dmp.http.timeout = httpx.Timeout(5)
    sandbox.faults.order(fault(FaultKind.SILENCE, seconds=0.1))
    with pytest.raises(httpx.RemoteProtocolError):
        await posted(dmp, signer)


@pytest.mark.parametrize(("done", "held"), [(None, 0), (True, 1)])
async def test_any_http_error_can_be_ordered(
    done: bool | None, held: int, dmp: DmpClient, sandbox: Sandbox, signer: Signer
) -> None:
    sandbox.faults.order(fault(FaultKind.HTTP_ERROR, code="504", done=done))
    response = await posted(dmp, signer)
    assert (response.status_code, response.content, len(sandbox.dmp.documents())) == (504, b"", held)


@pytest.mark.parametrize(
    ("code", "written", "seen"),
    [
        ("", b"env:Receiver<", "Sender"),
        ("Sender", b"env:Sender<", "Sender"),
        ("Sender/DMPInvalidCertificate", b"dmp:DMPInvalidCertificate<", "DMPInvalidCertificate"),
    ],
)
async def test_any_soap_fault_can_be_ordered(
    code: str, written: bytes, seen: str, dmp: DmpClient, sandbox: Sandbox, signer: Signer
) -> None:
    sandbox.faults.order(fault(FaultKind.SOAP_FAULT, code=code, times=2))
    assert (await dmp.feed()).fault == seen
    response = await posted(dmp, signer)
    assert (response.status_code, sandbox.dmp.documents()) == (500, ())
    assert written in response.content


async def test_a_partial_success_and_a_warning_can_be_ordered(dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.faults.order(fault(FaultKind.PARTIAL_SUCCESS, done=False))
    partial = await dmp.feed()
    assert (partial.success, partial.relates_to != "", sandbox.dmp.documents()) == (False, True, ())
    sandbox.faults.order(fault(FaultKind.WARN))
    warned = await dmp.feed()
    assert (warned.success, set(warned.errors)) == (True, {"XDSExtraMetadataNotSaved"})
    assert [document.unique_id for document in sandbox.dmp.documents()] == [CDA_ID]


@pytest.mark.parametrize(
    ("kind", "content_type", "has", "lacks"),
    [
        (FaultKind.UNRELATED_ANSWER, "boundary=", b":Success", b"RelatesTo"),
        (FaultKind.OTHER_ROOT, "boundary=", b"urn:other", b":Success"),
        (FaultKind.NOT_XML, "text/plain", b"", b"<"),
        (FaultKind.NO_BOUNDARY, "multipart/related", b":Success", b"\0"),
        (FaultKind.NO_ROOT_PART, "start=", b"rien", b"env:Envelope"),
        (FaultKind.TRUNCATED, "boundary=", b"env:Envelope", b"</env:Envelope>"),
    ],
)
async def test_the_answer_is_spoilt(
    kind: FaultKind, content_type: str, has: bytes, lacks: bytes, dmp: DmpClient, sandbox: Sandbox, signer: Signer
) -> None:
    sandbox.faults.order(fault(kind))
    response = await posted(dmp, signer)
    assert (response.status_code, len(sandbox.dmp.documents())) == (200, 1)
    assert content_type in response.headers["Content-Type"]
    assert has in response.content
    assert lacks not in response.content
    unbounded = kind in (FaultKind.NO_BOUNDARY, FaultKind.NOT_XML)
    assert ("boundary" not in response.headers["Content-Type"]) is unbounded


async def test_the_connection_may_end_after_a_whole_answer(dmp: DmpClient, sandbox: Sandbox, signer: Signer) -> None:
    sandbox.faults.order(fault(FaultKind.CLOSE_AFTER_ANSWER))
    response = await posted(dmp, signer)
    assert (response.status_code, response.headers["Connection"]) == (200, "close")


async def test_calls_tell_whose_they_are(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    assert [(call.transaction, call.verdict, call.patient) for call in sandbox.dmp.calls] == [
        ("TD2.1", "Success", MATRICULE)
    ]


@pytest.mark.parametrize(
    "order",
    [
        {"service": "smtp", "kind": "silence"},
        {"service": "insi", "kind": "http_error", "code": "400"},
        {"service": "dpi", "kind": "truncated"},
        {"service": "dmp", "kind": "http_error"},
        {"service": "dmp", "kind": "http_error", "code": "200"},
        {"service": "dmp", "kind": "http_error", "code": "beaucoup"},
        {"service": "dmp", "kind": "http_500", "done": "oui"},
    ],
)
def test_an_order_without_sense_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"sens|code|done"):
        Fault.from_json(order)


@pytest.mark.parametrize("done", [None, True, False])
def test_an_order_is_written_and_read_back(done: bool | None) -> None:
    given = fault(FaultKind.HTTP_ERROR, code="502", done=done, match={"patient": "1"}, text="panne")
    assert Fault.from_json(given.to_json()) == given
    assert given.carried_out is bool(done)
