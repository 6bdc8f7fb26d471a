"""The connector and the strict sandbox DMP, written apart from the same rules, understand each other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from connectors.sandbox.certificates import Flaw, Usage
from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, DeliveryIds, OutcomeKind
from pfi.model.document import Document
from pfi.model.errors import ConfigurationError
from pfi.model.submission import Orders, Request
from pfi.standards.xmlsign.algorithms import Digest
from tests.contract.dmp_peer import settled
from tests.unit.dmp.given import PATIENT, SENDER, delivery
from tests.unit.xds.documents import MATRICULE, N3_BODY, cda, document, replacing


@dataclass
class Pair:
    """A sandbox, and deliveries of its own establishment."""

    sandbox: Sandbox
    ids: IdSource = field(default_factory=IdSource)
    connectors: list[DmpConnector] = field(default_factory=list)

    def delivery(self, **changes: Any) -> Delivery:
        structure = self.sandbox.configuration()["dmp"]["structure"]["identifier"]
        assert SENDER.organization is not None
        sender = replace(SENDER, organization=replace(SENDER.organization, identifier=structure))
        ids = DeliveryIds(self.ids.oid(), self.ids.oid(), "m", "e", "c")
        return delivery(**{"sender": sender, "ids": ids, "created_at": system_clock(), **changes})

    def settings(self, **changes: Any) -> DmpSettings:
        return DmpSettings.model_validate({**self.sandbox.configuration()["dmp"], **changes})

    async def opened(self, **changes: Any) -> DmpConnector:
        connector = DmpConnector(self.settings(**changes), Surroundings(system_clock, self.ids, "PFI", "1.0"))
        await connector.open()
        self.connectors.append(connector)
        return connector


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates are made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
async def pair(directory: Path) -> AsyncIterator[Pair]:
    async with Sandbox(directory) as sandbox:
        both = Pair(sandbox)
        yield both
        for connector in both.connectors:
            await connector.close()
        await settled()
    await settled()


def numbered(number: int, version: int = 1, set_number: int | None = None, **changes: str) -> Document:
    """A document with an id that no other test uses, in a set of its own unless `set_number` names another one."""
    content = cda(document_id=f'<id root="1.2.250.1.999.1.1.{number}"/>', **changes)
    content = content.replace(b'"1.2.250.1.999.1.1.7000"', f'"1.2.250.1.999.1.2.{set_number or number}"'.encode())
    return document(content.replace(b'<versionNumber value="1"/>', f'<versionNumber value="{version}"/>'.encode()))


async def test_a_document_lives_its_whole_life(pair: Pair) -> None:
    connector = await pair.opened()
    first = pair.delivery(documents=(numbered(8001),))
    assert (await connector.send(first)).kind is OutcomeKind.DELIVERED
    assert (await connector.resolve(first)).kind is OutcomeKind.DELIVERED
    assert (await connector.send(first)).code == "XDSDuplicateUniqueIdInRegistry"
    assert (await connector.send(replace(first, may_have_left=True))).kind is OutcomeKind.DELIVERED

    second = pair.delivery(
        request=Request.REPLACE, documents=(numbered(8002, 2, 8001, related=replacing("1.2.250.1.999.1.1.8001")),)
    )
    assert (await connector.send(second)).kind is OutcomeKind.DELIVERED
    deletion = pair.delivery(request=Request.DELETE, documents=second.documents)
    assert (await connector.send(deletion)).kind is OutcomeKind.DELIVERED
    assert (await connector.resolve(deletion)).kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize(
    ("orders", "number"),
    [
        (Orders(masque_ps=True), 8101),
        (Orders(invisible_patient=True), 8102),
        (Orders(connexion_secrete=True, invisible_rep_legaux=True), 8103),
    ],
)
async def test_visibility_orders_are_accepted(pair: Pair, orders: Orders, number: int) -> None:
    connector = await pair.opened()
    outcome = await connector.send(pair.delivery(orders=orders, documents=(numbered(number),)))
    assert outcome.kind is OutcomeKind.DELIVERED


async def test_two_renditions_and_every_form_of_bytes_are_accepted(pair: Pair) -> None:
    connector = await pair.opened()
    structured = numbered(8202, body=N3_BODY, template="1.2.250.1.213.1.1.1.29", type_code="11490-0")
    marked = document(b"\xef\xbb\xbf" + numbered(8203).content)
    returns = document(numbered(8204).content.replace(b"\n", b"\r\n"))
    for documents in ((numbered(8201), structured), (marked,), (returns,)):
        outcome = await connector.send(pair.delivery(documents=documents))
        assert outcome.kind is OutcomeKind.DELIVERED, outcome
    kept = {stored.unique_id: stored for stored in pair.sandbox.dmp.documents()}
    assert "1.2.250.1.999.1.1.8204" in kept


async def test_a_flow_without_a_named_sender_is_accepted(pair: Pair) -> None:
    connector = await pair.opened()
    outcome = await connector.send(pair.delivery(sender=None, documents=(numbered(8301),)))
    assert outcome.kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize(("state", "code"), [(DmpState.CLOSED, "DMPClosed"), (DmpState.ABSENT, "DMP_NOT_FOUND")])
async def test_a_patient_without_an_active_dmp_is_told_before_feeding(pair: Pair, state: DmpState, code: str) -> None:
    pair.sandbox.dmp.put_patient(MATRICULE, state)
    connector = await pair.opened()
    outcome = await connector.send(pair.delivery(documents=(numbered(8401),), patient=PATIENT))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, code)
    assert [call.transaction for call in pair.sandbox.dmp.calls] == ["TD0.2"]


async def test_the_signature_of_another_entity_is_not_used(pair: Pair) -> None:
    bad = pair.sandbox.certificates.flawed(Flaw.OTHER_ENTITY, Usage.SIGN)
    with pytest.raises(ConfigurationError, match="DMP_CERTIFICATES_OF_TWO_ENTITIES"):
        await pair.opened(signing={"certificate": str(bad.certificate), "key": str(bad.key)})


@pytest.mark.parametrize("digest", list(Digest))
async def test_both_algorithms_and_switches_are_accepted(pair: Pair, digest: Digest) -> None:
    signing = pair.sandbox.configuration()["dmp"]["signing"]
    connector = await pair.opened(
        signing={**signing, "vihf_digest": digest, "lot_digest": digest, "lot_chain": True},
        vihf={"version": "4.0", "mode_attribute": "Authentification_mode", "lifetime_seconds": 60},
    )
    number = 8601 + list(Digest).index(digest)
    outcome = await connector.send(pair.delivery(documents=(numbered(number),)))
    assert outcome.kind is OutcomeKind.DELIVERED, outcome
