"""The existence test (TD0.2) around feeding: asked once at a time, remembered no longer than it holds."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from connectors.dmp.connector import DmpConnector
from pfi.model.delivery import OutcomeKind
from tests.contract.dmp_exchanges import CREATED, Dmp, Say, active, opened, says
from tests.contract.dmp_peer import Call, Peer
from tests.unit.dmp.given import NOW, PATIENT, delivery, settings, surroundings
from tests.unit.dmp.test_answers import response
from tests.unit.dmp.test_existence import answer


def says_existence(detail: str) -> Say:
    async def handler(call: Call) -> None:
        await call.answer(answer("AE", detail).replace(b"urn:uuid:1<", f"{call.message_id}<".encode()))

    return handler


async def test_documents_that_leave_together_ask_once(folder: Path) -> None:
    async def slow(call: Call) -> None:
        await asyncio.sleep(0.05)
        await active(call)

    async with opened(folder, Dmp(patients=slow)) as (connector, peer):
        outcomes = await asyncio.gather(*(connector.send(delivery()) for _ in range(8)))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.DELIVERED}
        assert (peer.paths.count("/patients"), peer.paths.count("/repository")) == (1, 8)


async def test_an_open_dmp_is_not_taken_for_granted_under_other_traits(folder: Path) -> None:
    """The DMP answers with the traits that it knows: they are compared with those of each message."""
    stranger = replace(PATIENT, traits=replace(PATIENT.traits, birth_name="AUTRE", used_name=""))
    async with opened(folder, Dmp()) as (connector, peer):
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        refused = await connector.send(delivery(patient=stranger))
        assert (refused.kind, refused.code) == (OutcomeKind.REFUSED, "DMP_TRAITS_MISMATCH")
        assert "identitovigilance" in refused.text
        assert peer.paths == ["/patients", "/repository", "/patients"]


async def test_a_dmp_that_opens_is_fed_soon_after_a_refusal(folder: Path) -> None:
    dmp, now = Dmp(), [NOW]
    dmp.scripts["/patients"] = [says_existence("DMPClosed"), active]
    async with Peer(folder, dmp) as peer:
        connector = DmpConnector(settings(folder, peer.url), surroundings(lambda: now[0]))
        await connector.open()
        for _ in range(2):
            assert (await connector.send(delivery())).code == "DMPClosed"
        assert peer.paths == ["/patients"]
        now[0] += timedelta(seconds=30)
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        await connector.close()


async def test_a_refusal_that_contradicts_is_believed(folder: Path) -> None:
    closed = says(response("Failure", ("DMPClosed", "Error")))
    async with opened(folder, Dmp([closed, says(CREATED)])) as (connector, peer):
        assert (await connector.send(delivery())).code == "DMPClosed"
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert peer.paths == ["/patients", "/repository", "/patients", "/repository"]
