"""Ordered faults: what each service then does, by the Python API and by the control endpoint."""

import time
from typing import Any

import aiosmtplib
import httpx
import pytest

from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.faults import Fault, FaultBook, FaultKind, Service
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import CDA_ID, MATRICULE
from tests.integration.sandbox.dmp_assertion import Signer
from tests.integration.sandbox.dmp_client import DmpClient
from tests.integration.sandbox.dmp_request import Feed
from tests.integration.sandbox.mail_sample import DOCTOR, SENDER, Mail
from tests.integration.sandbox.test_dpi import Z01, exchange
from tests.integration.sandbox.test_operator import session, submit


async def test_the_dmp_is_late(dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.DMP, FaultKind.LATENCY, seconds=0.3))
    start = time.monotonic()
    again = await dmp.feed()
    assert again.success, again.errors
    assert time.monotonic() - start >= 0.3
    assert sandbox.faults.pending() == ()


@pytest.mark.parametrize(("kind", "taken"), [(FaultKind.CLOSE_AFTER_BODY, 1), (FaultKind.CLOSE_BEFORE_ANSWER, 0)])
async def test_the_dmp_cuts_the_connection(kind: FaultKind, taken: int, dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.DMP, kind))
    with pytest.raises(httpx.TransportError):
        await dmp.feed()
    assert len(sandbox.dmp.documents()) == taken


@pytest.mark.parametrize(("kind", "status"), [(FaultKind.HTTP_500, 500), (FaultKind.HTTP_503, 503)])
async def test_the_dmp_answers_http_errors(
    kind: FaultKind, status: int, dmp: DmpClient, sandbox: Sandbox, signer: Signer
) -> None:
    sandbox.faults.order(Fault(Service.DMP, kind))
    headers, body = Feed().write(signer)
    response = await dmp.http.post(f"{sandbox.dmp.url}/repository", content=body, headers=headers)
    assert (response.status_code, response.content, sandbox.dmp.documents()) == (status, b"", ())


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(Service.DMP, FaultKind.REFUSE), "XDSRepositoryError"),
        (Fault(Service.DMP, FaultKind.TEMPORARY), "XDSRepositoryBusy"),
        (Fault(Service.DMP, FaultKind.REFUSE, code="InvalidDocumentContent"), "InvalidDocumentContent"),
    ],
)
async def test_the_dmp_refuses_on_order(fault: Fault, code: str, dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.faults.order(fault)
    assert set((await dmp.feed()).errors) == {code}
    again = await dmp.feed()
    assert again.success, again.errors


async def test_the_existence_test_fails_on_order(dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.DMP, FaultKind.REFUSE, match={"transaction": "TD0.2"}))
    again = await dmp.feed()
    assert again.success, again.errors
    assert (await dmp.exists()).fault == "Sender"


async def test_the_dmp_answers_another_request(dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.DMP, FaultKind.WRONG_ANSWER))
    assert (await dmp.feed()).relates_to.startswith("urn:uuid:f")
    assert len(sandbox.dmp.documents()) == 1


async def test_a_fault_hits_only_what_it_matches(dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.DMP, FaultKind.REFUSE, match={"patient": "277076322082910"}))
    sandbox.faults.order(Fault(Service.DMP, FaultKind.REFUSE, match={"unique_id": "1.2.3"}))
    again = await dmp.feed()
    assert again.success, again.errors
    sandbox.faults.order(Fault(Service.DMP, FaultKind.REFUSE, match={"patient": MATRICULE, "unique_id": CDA_ID}))
    assert (await dmp.feed()).errors
    assert len(sandbox.faults.pending()) == 2


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(Service.SMTP, FaultKind.REFUSE), (550, "5.7.1")),
        (Fault(Service.SMTP, FaultKind.TEMPORARY, match={"recipient": DOCTOR}), (451, "4.3.0")),
        (Fault(Service.SMTP, FaultKind.REFUSE, code="552 5.2.2", text="plein"), (552, "5.2.2")),
    ],
)
async def test_the_operator_refuses_on_order(fault: Fault, expected: tuple[int, str], sandbox: Sandbox) -> None:
    sandbox.faults.order(fault)
    code, message = await submit(sandbox, Mail())
    assert (code, message.split()[0]) == expected
    assert (await submit(sandbox, Mail()))[0] == 250


@pytest.mark.parametrize(("kind", "taken"), [(FaultKind.CLOSE_AFTER_BODY, 1), (FaultKind.CLOSE_BEFORE_ANSWER, 0)])
async def test_the_operator_cuts_the_connection(kind: FaultKind, taken: int, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.SMTP, kind, match={"sender": SENDER}))
    async with session(sandbox) as client:
        await client.ehlo()
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await client.sendmail(SENDER, DOCTOR, Mail().write())
    assert len(sandbox.operator.mailboxes.messages(DOCTOR)) == taken


async def test_the_operator_answers_nonsense(sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.SMTP, FaultKind.WRONG_ANSWER))
    async with session(sandbox) as client:
        await client.ehlo()
        with pytest.raises(aiosmtplib.SMTPResponseException):
            await client.sendmail(SENDER, DOCTOR, Mail().write())


@pytest.mark.parametrize(
    ("kind", "answer", "kept"),
    [
        (FaultKind.REFUSE, "MSA|AE|P1", 0),
        (FaultKind.TEMPORARY, "MSA|AR|P1", 0),
        (FaultKind.WRONG_ANSWER, "MSA|AA|AUTRE", 1),
        (FaultKind.CLOSE_BEFORE_ANSWER, "", 0),
        (FaultKind.CLOSE_AFTER_BODY, "", 1),
    ],
)
async def test_the_dpi_fails_on_order(kind: FaultKind, answer: str, kept: int, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.DPI, kind, match={"event": "Z01", "request": "M42"}))
    (received,) = await exchange(sandbox, Z01)
    assert answer in received
    assert bool(received) is bool(answer)
    assert len(sandbox.dpi.zams) == kept


def test_faults_are_taken_in_order_as_often_as_ordered() -> None:
    book = FaultBook()
    book.order(Fault(Service.DMP, FaultKind.REFUSE, times=2))
    book.order(Fault(Service.DMP, FaultKind.HTTP_500, times=None))
    taken = [book.take(Service.DMP, {}) for _ in range(4)]
    assert [fault.kind for fault in taken if fault] == [FaultKind.REFUSE, FaultKind.REFUSE, *[FaultKind.HTTP_500] * 2]
    assert book.take(Service.SMTP, {}) is None
    book.clear(Service.SMTP)
    assert book
    book.clear()
    assert not book


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"service": "dmp"},
        {"service": "fax", "kind": "refuse"},
        {"service": "dmp", "kind": "panne"},
        {"service": "smtp", "kind": "http_500"},
        {"service": "dmp", "kind": "refuse", "times": 0},
        {"service": "dmp", "kind": "refuse", "times": "deux"},
        {"service": "dmp", "kind": "refuse", "match": "tout"},
        {"service": "dmp", "kind": "latency", "seconds": 1e9},
        {"service": "dmp", "kind": "refuse", "autre": 1},
        [],
    ],
)
async def test_a_wrong_order_is_refused(order: Any, sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.control.url, trust_env=False) as http:
        response = await http.post("/faults", json=order)
    assert (response.status_code, "error" in response.json()) == (400, True)
    assert sandbox.faults.pending() == ()


async def test_another_process_orders_faults_and_looks(dmp: DmpClient, sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.control.url, trust_env=False) as http:
        order = {"service": "dmp", "kind": "refuse", "times": 1, "match": {"transaction": "TD2.1"}}
        assert (await http.post("/faults", json=order)).status_code == 201
        assert [fault["kind"] for fault in (await http.get("/faults")).json()] == ["refuse"]
        assert (await dmp.feed()).errors
        again = await dmp.feed()
        assert again.success, again.errors
        await submit(sandbox, Mail())
        await exchange(sandbox, Z01)
        await http.post("/faults", json=order)
        assert (await http.delete("/faults", params={"service": "dmp"})).status_code == 204
        assert (await http.delete("/faults", params={"service": "fax"})).status_code == 400
        state = (await http.get("/state")).json()
    assert [document["unique_id"] for document in state["documents"]] == [CDA_ID]
    assert [call["verdict"] for call in state["dmp_calls"]] == ["XDSRepositoryError", "Success"]
    assert [mail["recipients"] for mail in state["mails"]] == [[DOCTOR]]
    assert [zam["request"] for zam in state["zams"]] == ["M42"]
    assert state["mailboxes"][DOCTOR] == 1
    assert sandbox.faults.pending() == ()


async def test_another_process_changes_patients_and_mailboxes(sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.control.url, trust_env=False) as http:
        assert (await http.put("/patients/1", json={"state": "closed"})).status_code == 204
        assert (await http.put("/mailboxes/a@b.mssante.fr", json={"state": "full"})).status_code == 204
        assert (await http.put("/patients/1", json={"state": "mort"})).status_code == 400
        assert (await http.put("/mailboxes/x", json={"state": "open"})).status_code == 400
        assert (await http.put("/patients/1", content=b"bonjour")).status_code == 400
    assert sandbox.dmp.patients.state("1") is DmpState.CLOSED
    assert sandbox.operator.mailboxes.state("a@b.mssante.fr") == "full"
