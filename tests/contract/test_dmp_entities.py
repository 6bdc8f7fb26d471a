"""Several legal entities in one DMP destination: each with its own certificates, never those of another."""

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from connectors.dmp.consultation import Consultation, Found
from connectors.dmp.settings import DmpSettings
from connectors.sandbox.certificates import Flaw, Usage, entity_of
from connectors.sandbox.faults import Fault, FaultKind, Service
from connectors.sandbox.sandbox import Sandbox
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.document import Document
from pfi.model.errors import ConfigurationError
from pfi.model.submission import Request
from tests.certificates import certificates_in
from tests.contract.dmp_peer import settled
from tests.contract.test_dmp_consultation import DOCTOR, INS, numbered, surroundings
from tests.contract.test_tls_attacks import connector_of, files, fresh
from tests.unit.dmp.given import SENDER
from tests.unit.xds.documents import MATRICULE, replacing

FIRST = "1990000017"
SECOND = "1750000000"


def theirs(sandbox: Sandbox, document: Document, **changes: Any) -> Delivery:
    """A delivery of the second entity."""
    return replace(fresh(sandbox), sender=SENDER, documents=(document,), **changes)


def two_entities(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    other = sandbox.certificates.entity(SECOND)
    return {
        "legal_entity": FIRST,
        "entities": [
            {
                "legal_entity": SECOND,
                "establishments": ["750000001"],
                "tls": files(other.auth_cli),
                "signing": files(other.sign),
                "structure": {"identifier": "1750000001", "name": "CH de test"},
                **changes,
            }
        ],
    }


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    certificates_in(tmp_path / "certificates")
    made = Sandbox(tmp_path)
    made.dmp.attach(FIRST, "1990000025")
    made.dmp.attach(SECOND, "1750000001")
    async with made:
        yield made
        await settled()
    await settled()


async def test_each_document_leaves_with_the_certificates_of_its_own_entity(sandbox: Sandbox) -> None:
    connector = connector_of(sandbox, **two_entities(sandbox))
    await connector.open()
    own = fresh(sandbox)
    # The sandbox refuses a structure under another entity's certificate: both must be right.
    outcomes = [await connector.send(each) for each in (own, replace(fresh(sandbox), sender=SENDER))]
    assert [(outcome.kind, outcome.evidence["entity"]) for outcome in outcomes] == [
        (OutcomeKind.DELIVERED, FIRST),
        (OutcomeKind.DELIVERED, SECOND),
    ]
    await connector.close()


async def test_every_transaction_of_a_document_is_that_of_its_own_entity(sandbox: Sandbox) -> None:
    """The sandbox refuses any other certificate, and tells an entity of its own documents only."""
    connector = connector_of(sandbox, **two_entities(sandbox))
    await connector.open()
    first = theirs(sandbox, numbered(9001))
    sandbox.faults.order(Fault(Service.DMP, FaultKind.CLOSE_AFTER_BODY, match={"transaction": "TD2.1"}))
    assert (await connector.send(first)).kind is OutcomeKind.UNKNOWN
    second = numbered(9002, version=2, of=9001, related=replacing(first.documents[0].unique_id))
    outcomes = [
        await connector.look(first),
        await connector.resolve(first),
        await connector.send(theirs(sandbox, second, request=Request.REPLACE)),
        await connector.send(theirs(sandbox, second, request=Request.DELETE)),
    ]
    assert [(outcome.kind, outcome.evidence["entity"]) for outcome in outcomes] == [(OutcomeKind.DELIVERED, SECOND)] * 4
    asked = [call.transaction for call in sandbox.dmp.calls]
    assert asked == ["TD0.2", "TD2.1", "TD3.1b", "TD3.1b", "TD3.1b", "TD2.1", "TD3.1b", "TD3.3c"]
    assert {call.verdict for call in sandbox.dmp.calls} == {"active", "Success"}
    await connector.close()


async def test_a_preview_is_signed_by_its_own_entity(sandbox: Sandbox) -> None:
    connector = connector_of(sandbox, **two_entities(sandbox))
    await connector.open()
    for delivery, entity in ((fresh(sandbox), FIRST), (theirs(sandbox, numbered(9003)), SECOND)):
        signers = re.findall(rb"X509Certificate>([^<]+)<", connector.preview(delivery).content)
        assert len(signers) == 2  # the VIHF and the lot
        found = {entity_of(x509.load_der_x509_certificate(base64.b64decode(each))) for each in signers}
        assert found == {entity}
    await connector.close()


async def test_a_professional_consults_in_the_name_of_their_own_establishment(sandbox: Sandbox) -> None:
    sandbox.dmp.attach(SECOND, "1750000001", "1750000019")
    sandbox.dmp.patients.block(MATRICULE, "1750000019")
    both = two_entities(sandbox, establishments=["750000001", "750000019", "CH-NORD"])
    settings = DmpSettings.model_validate({**sandbox.configuration()["dmp"], **both, "consultation": "air"})
    with pytest.raises(ConfigurationError, match="DMP_ENTITY_MISSING"):
        Consultation(settings, surroundings())
    answers = []
    for establishment in ("CH-NORD", "750000019"):
        reader = Consultation(settings, surroundings(), establishment)
        await reader.open()
        answers.append(await reader.find(DOCTOR, INS))
        await reader.close()
    assert isinstance(answers[0], Found)
    assert isinstance(answers[1], Outcome)  # the one that the patient has blocked


async def test_a_document_of_an_unknown_entity_is_refused_without_any_network(sandbox: Sandbox) -> None:
    connector = connector_of(sandbox, **two_entities(sandbox))
    await connector.open()
    assert SENDER.organization is not None
    stranger = replace(SENDER, organization=replace(SENDER.organization, identifier="1330000001"))
    for attempt, kind in ((connector.send, OutcomeKind.REFUSED), (connector.resolve, OutcomeKind.UNKNOWN)):
        outcome = await attempt(replace(fresh(sandbox), sender=stranger))
        assert (outcome.kind, outcome.code) == (kind, "DMP_ENTITY_UNKNOWN")
    assert sandbox.dmp.calls == []
    await connector.close()


async def test_what_befalls_one_entity_does_not_stop_the_others(sandbox: Sandbox) -> None:
    bad = sandbox.certificates.flawed(Flaw.EXPIRED, Usage.SIGN)
    sandbox.certificates.renew(bad, Usage.SIGN, days=-1, entity=SECOND)
    connector = connector_of(sandbox, **two_entities(sandbox, signing=files(bad)))
    await connector.open()
    theirs = await connector.send(replace(fresh(sandbox), sender=SENDER))
    assert (theirs.kind, theirs.code) == (OutcomeKind.NOT_DELIVERED, "CERTIFICATE_EXPIRED")
    assert not theirs.stop_destination
    assert theirs.retry_after is not None
    assert not theirs.counts
    doubt = await connector.resolve(replace(fresh(sandbox), sender=SENDER))
    assert replace(doubt, kind=theirs.kind) == theirs
    assert doubt.kind is OutcomeKind.UNKNOWN
    assert (await connector.send(fresh(sandbox))).kind is OutcomeKind.DELIVERED
    results = {result.subject: result.ok for result in await connector.check()}
    assert results[f"certificat de signature (ORG_SIGN) de l'entité {SECOND}"] is False
    sandbox.certificates.renew(bad, Usage.SIGN, entity=SECOND)
    await connector.certificates()
    assert (await connector.send(replace(fresh(sandbox), sender=SENDER))).kind is OutcomeKind.DELIVERED
    await connector.close()


async def test_a_refusal_of_one_entity_by_the_dmp_does_not_stop_the_others(sandbox: Sandbox) -> None:
    connector = connector_of(sandbox, **two_entities(sandbox))
    await connector.open()
    sandbox.certificates.revoke(sandbox.certificates.entity(SECOND).sign)
    theirs = await connector.send(replace(fresh(sandbox), sender=SENDER))
    assert (theirs.kind, theirs.code) == (OutcomeKind.NOT_DELIVERED, "DMPInvalidCertificate")
    assert not theirs.stop_destination
    assert (await connector.send(fresh(sandbox))).kind is OutcomeKind.DELIVERED
    await connector.close()


async def test_an_entity_is_not_given_the_certificates_of_another(sandbox: Sandbox) -> None:
    first = sandbox.certificates
    for wrong in ({"tls": files(first.auth_cli)}, {"signing": files(first.sign)}):
        connector = connector_of(sandbox, **two_entities(sandbox, **wrong))
        with pytest.raises(ConfigurationError, match="DMP_CERTIFICATE_OF_ANOTHER_ENTITY"):
            await connector.open()
        await connector.close()
    assert entity_of(x509.load_pem_x509_certificate(first.sign.certificate.read_bytes())) == FIRST
