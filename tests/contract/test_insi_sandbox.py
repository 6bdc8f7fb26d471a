"""The connector and the strict sandbox INSi, written apart from the same contract, understand each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.insi.settings import InsiSettings
from connectors.insi.verifier import InsiVerifier
from connectors.sandbox.certificates import Certificates, Flaw, Usage
from connectors.sandbox.faults import Fault, FaultBook, FaultKind, Service
from connectors.sandbox.insi_register import Identity
from connectors.sandbox.insi_server import InsiServer
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import Surroundings, Verification, VerificationKind
from pfi.model.clock import IdSource, system_clock
from pfi.model.patient import Ins, Patient, Traits
from tests.contract.dmp_peer import settled
from tests.unit.insi.given import PATIENT, TEST_NIR, patient

CAMILLE = Patient(
    ins=Ins("290019900400184", TEST_NIR),
    traits=Traits("ESSAI-JUMEAU", "CAMILLE", "CAMILLE ROSE", "19900112", "F", "99004"),
)
ALIX = Patient(
    ins=Ins("185079900600127", TEST_NIR), traits=Traits("ESSAI-CHANGE", "ALIX", "ALIX", "19850703", "M", "99006")
)
OPERATIONS = pytest.mark.parametrize("operation", ["search", "verify"])


class Pair:
    """The sandbox's INSi, and a way to ask it."""

    def __init__(self, server: InsiServer, certificates: Certificates, faults: FaultBook) -> None:
        self.server = server
        self.certificates = certificates
        self.faults = faults

    def settings(self, **changes: Any) -> InsiSettings:
        files = self.certificates.insi
        values: dict[str, Any] = {
            "url": self.server.url,
            "tls": {"certificate": files.certificate, "key": files.key, "ca": self.certificates.ca},
            "issuer": "1990000025",
            "software": {"idam": "BAC-A-SABLE", "instance": "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026"},
            "environment": "test",
        }
        return InsiSettings.model_validate({**values, **changes})

    async def verified(self, of: Patient = PATIENT, operation: str = "search", **changes: Any) -> Verification:
        asked = self.settings(operation=operation, **changes)
        verifier = InsiVerifier(asked, Surroundings(system_clock, IdSource(), "PFI", "1.0"))
        await verifier.open()
        try:
            return await verifier.verify(of)
        finally:
            await verifier.close()
            await settled()

    @property
    def verdicts(self) -> list[str]:
        return [call.verdict for call in self.server.calls]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("sandbox"))


@asynccontextmanager
async def serving(certificates: Certificates) -> AsyncIterator[Pair]:
    faults = FaultBook()
    server = InsiServer(certificates, faults, clock=system_clock)
    await server.start()
    try:
        yield Pair(server, certificates, faults)
    finally:
        await server.stop()
        await settled()


@pytest.fixture
async def pair(certificates: Certificates) -> AsyncIterator[Pair]:
    async with serving(certificates) as both:
        yield both


@OPERATIONS
async def test_a_known_identity_is_confirmed(pair: Pair, operation: str) -> None:
    verification = await pair.verified(operation=operation)
    assert verification.kind is VerificationKind.CONFIRMED
    assert pair.verdicts == ["00"]


@OPERATIONS
async def test_an_unknown_identity_is_contradicted_after_each_given_name(pair: Pair, operation: str) -> None:
    verification = await pair.verified(patient(birth_name="PAT-QUATRE"), operation)
    assert (verification.kind, verification.code) == (VerificationKind.CONTRADICTED, "INSI_01")
    assert pair.verdicts == ["01", "01"]


async def test_a_namesake_is_told_apart_by_the_second_given_name(pair: Pair) -> None:
    assert (await pair.verified(CAMILLE)).kind is VerificationKind.CONFIRMED
    assert pair.verdicts == ["02", "00"]


async def test_a_namesake_is_told_apart_by_the_birth_place(pair: Pair) -> None:
    alone = replace(CAMILLE, traits=replace(CAMILLE.traits, given_names="CAMILLE"))
    assert (await pair.verified(alone)).kind is VerificationKind.CONFIRMED
    assert pair.verdicts == ["02", "00"]


async def test_nobody_chooses_among_several(pair: Pair) -> None:
    vague = replace(CAMILLE, traits=replace(CAMILLE.traits, given_names="CAMILLE", birth_place=""))
    verification = await pair.verified(vague)
    assert (verification.kind, verification.code) == (VerificationKind.UNDECIDED, "INSI_02")


@pytest.mark.parametrize(("operation", "code"), [("search", "INSI_INS_REPLACED"), ("verify", "INSI_01")])
async def test_a_former_ins_is_contradicted(pair: Pair, operation: str, code: str) -> None:
    before = replace(ALIX, ins=Ins("285079900600174", TEST_NIR))
    assert (await pair.verified(before, operation)).code == code
    assert (await pair.verified(ALIX, operation)).kind is VerificationKind.CONFIRMED


async def test_the_ins_of_somebody_else_is_contradicted(pair: Pair) -> None:
    stolen = replace(PATIENT, ins=CAMILLE.ins)
    assert (await pair.verified(stolen)).code == "INSI_OTHER_INS"
    assert (await pair.verified(stolen, "verify")).code == "INSI_01"


async def test_what_the_national_base_corrects_is_seen(pair: Pair) -> None:
    corrected = Identity("279035121518989", "PAT-TROIS", ("DOMINIQUE", "ROSE"), "F", "1979-03-28", "51215")
    pair.server.people.put(corrected)
    verification = await pair.verified()
    assert verification.code == "INSI_TRAITS_DIFFER"
    assert "liste des prénoms" in verification.text
    pair.server.people.remove("279035121518989")
    assert (await pair.verified()).code == "INSI_01"


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(Service.INSI, FaultKind.REFUSE, code="01", times=None), VerificationKind.CONTRADICTED, "INSI_01"),
        (Fault(Service.INSI, FaultKind.REFUSE, code="02", times=None), VerificationKind.UNDECIDED, "INSI_02"),
        (Fault(Service.INSI, FaultKind.REFUSE, code="77"), VerificationKind.UNAVAILABLE, "INSI_77"),
        (Fault(Service.INSI, FaultKind.REFUSE), VerificationKind.UNAVAILABLE, "sandbox_refused"),
        (Fault(Service.INSI, FaultKind.TEMPORARY), VerificationKind.UNAVAILABLE, "insi_102"),
        (Fault(Service.INSI, FaultKind.TEMPORARY, code="insi_101"), VerificationKind.UNAVAILABLE, "insi_101"),
        (Fault(Service.INSI, FaultKind.HTTP_500), VerificationKind.UNAVAILABLE, "HTTP_500"),
        (Fault(Service.INSI, FaultKind.HTTP_503), VerificationKind.UNAVAILABLE, "HTTP_503"),
        (Fault(Service.INSI, FaultKind.CLOSE_BEFORE_ANSWER), VerificationKind.UNAVAILABLE, "INSI_CONNECTION_LOST"),
        (Fault(Service.INSI, FaultKind.CLOSE_AFTER_BODY), VerificationKind.UNAVAILABLE, "INSI_CONNECTION_LOST"),
        (Fault(Service.INSI, FaultKind.WRONG_ANSWER), VerificationKind.UNAVAILABLE, "INSI_ANSWER_UNREADABLE"),
    ],
)
async def test_ordered_answers_are_understood(pair: Pair, fault: Fault, kind: VerificationKind, code: str) -> None:
    pair.faults.order(fault)
    verification = await pair.verified()
    assert (verification.kind, verification.code) == (kind, code)


async def test_an_ordered_latency_is_a_timeout(pair: Pair) -> None:
    pair.faults.order(Fault(Service.INSI, FaultKind.LATENCY, seconds=5))
    assert (await pair.verified(timeouts={"read": 0.2})).code == "INSI_TIMEOUT"


@pytest.mark.parametrize(
    ("match", "operation", "hit"),
    [
        ({"operation": "rechercherInsAvecTraitsIdentite"}, "search", True),
        ({"operation": "rechercherInsAvecTraitsIdentite"}, "verify", False),
        ({"given": "DOMINIQUE"}, "search", True),
        ({"given": "AUTRE"}, "search", False),
        ({"patient": "279035121518989"}, "verify", True),
    ],
)
async def test_a_fault_may_hit_some_requests_only(pair: Pair, match: dict[str, str], operation: str, hit: bool) -> None:
    pair.faults.order(Fault(Service.INSI, FaultKind.TEMPORARY, match=match))
    verification = await pair.verified(operation=operation)
    assert (verification.code == "insi_102") is hit


async def test_the_certificate_of_the_dmp_does_not_open_insi(pair: Pair) -> None:
    files = pair.certificates.auth_cli
    tls = {"certificate": files.certificate, "key": files.key, "ca": pair.certificates.ca}
    assert (await pair.verified(tls=tls)).code == "HTTP_403"
    assert pair.verdicts == []


@pytest.mark.parametrize("flaw", [Flaw.OTHER_AUTHORITY])
async def test_a_certificate_of_another_authority_is_refused(pair: Pair, flaw: Flaw) -> None:
    files = pair.certificates.flawed(flaw, Usage.AUTH_CLI)
    tls = {"certificate": files.certificate, "key": files.key, "ca": pair.certificates.ca}
    assert (await pair.verified(tls=tls)).kind is VerificationKind.UNAVAILABLE


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"verify": {"action": "urn:ServiceIdentiteCertifiee:1.0.0:autre"}}, "sandbox_action"),
        ({"verify": {"element": "Individu"}}, "sandbox_body"),
        ({"verify": {"wrapper": "Requete"}}, "sandbox_body"),
        (
            {"software": {"idam": "X", "instance": "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026", "name": "A:B"}},
            "sandbox_context",
        ),
    ],
)
async def test_a_contract_that_is_not_the_service_s_is_seen_at_once(
    pair: Pair, changes: dict[str, Any], verdict: str
) -> None:
    verification = await pair.verified(operation="verify", **changes)
    assert (verification.kind, verification.code) == (VerificationKind.UNAVAILABLE, verdict)
    assert "vérifier" in verification.text
    assert pair.verdicts == [verdict]


async def test_the_whole_sandbox_serves_insi_and_says_how_to_reach_it(tmp_path: Path) -> None:
    async with Sandbox(tmp_path) as sandbox:
        found = InsiSettings.model_validate(sandbox.configuration()["insi"])
        verifier = InsiVerifier(found, Surroundings(system_clock, IdSource(), "PFI", "1.0"))
        await verifier.open()
        assert [each.ok for each in await verifier.check()] == [True, True]
        assert (await verifier.verify(PATIENT)).kind is VerificationKind.CONFIRMED
        await verifier.close()
        assert sandbox.state()["insi_calls"] == [{"operation": "verifierInsAvecTraitsIdentite", "verdict": "00"}]
        await settled()
    await settled()
