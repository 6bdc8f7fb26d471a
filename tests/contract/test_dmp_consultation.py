"""Consultation (TD3.1a, TD3.2) over real TLS: the connector's half and the sandbox's half, written apart."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.dmp.connector import DmpConnector
from connectors.dmp.consultation import OFF, Consultation, Found, Professional, Trace
from connectors.dmp.consultation_query import Availability, DocumentQuery
from connectors.dmp.consultation_retrieval import RetrievedDocument
from connectors.dmp.settings import DmpSettings
from connectors.sandbox.certificates import Usage
from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.faults import Fault, FaultKind, Service
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, DeliveryIds, Outcome, OutcomeKind
from pfi.model.document import CodedValue, Document
from pfi.model.errors import ConfigurationError
from pfi.model.patient import Ins
from pfi.model.submission import Orders, Request
from tests.contract.dmp_peer import settled
from tests.unit.dmp.given import SENDER, delivery
from tests.unit.xds.documents import INS_OID, MATRICULE, cda, document, replacing

INS = Ins(MATRICULE, INS_OID)
DOCTOR = Professional("801234567897", "HODA", "Adam", "10", "SM26")
OTHER_DOCTOR = Professional("899900000014", "AUTRE", "Zoé", "10", "SM26")
CONSULTATION = CodedValue("11488-4", "", "2.16.840.1.113883.6.1")
DISCHARGE = CodedValue("11490-0", "", "2.16.840.1.113883.6.1")


@dataclass
class Ward:
    """A sandbox DMP that is fed and read."""

    sandbox: Sandbox
    feeder: DmpConnector
    opened: list[Consultation] = field(default_factory=list)

    def settings(self, **changes: Any) -> DmpSettings:
        return DmpSettings.model_validate({**self.sandbox.configuration()["dmp"], **changes})

    async def reader(self, consultation: Any = "air", **changes: Any) -> Consultation:
        reader = Consultation(self.settings(consultation=consultation, **changes), surroundings())
        await reader.open()
        self.opened.append(reader)
        return reader

    async def feed(self, fed: Document, structure: str = "", **changes: Any) -> None:
        outcome = await self.feeder.send(self.delivery(fed, structure, **changes))
        assert outcome.kind is OutcomeKind.DELIVERED, outcome

    def delivery(self, fed: Document, structure: str = "", **changes: Any) -> Delivery:
        own = structure or self.sandbox.configuration()["dmp"]["structure"]["identifier"]
        assert SENDER.organization is not None
        ids = IdSource()
        return delivery(
            **{
                "documents": (fed,),
                "sender": replace(SENDER, organization=replace(SENDER.organization, identifier=own)),
                "ids": DeliveryIds(ids.oid(), ids.oid(), "m", "e", "c"),
                "created_at": system_clock(),
                **changes,
            }
        )


def surroundings() -> Surroundings:
    return Surroundings(system_clock, IdSource(), "PFI", "1.0")


def numbered(number: int, *, version: int = 1, of: int = 0, **changes: str) -> Document:
    """A document with an id and a set of its own, or the next version of `of`."""
    content = cda(document_id=f'<id root="1.2.250.1.999.3.{number}"/>', **changes)
    content = content.replace(b'"1.2.250.1.999.1.1.7000"', f'"1.2.250.1.999.4.{of or number}"'.encode())
    return document(content.replace(b'<versionNumber value="1"/>', f'<versionNumber value="{version}"/>'.encode()))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates are made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
async def ward(directory: Path) -> AsyncIterator[Ward]:
    async with Sandbox(directory) as sandbox:
        feeder = DmpConnector(DmpSettings.model_validate(sandbox.configuration()["dmp"]), surroundings())
        await feeder.open()
        ward = Ward(sandbox, feeder)
        yield ward
        await feeder.close()
        for reader in ward.opened:
            await reader.close()
        await settled()
    await settled()


async def found(reader: Consultation, query: DocumentQuery | None = None, who: Professional = DOCTOR) -> list[str]:
    """Last arcs of the uniqueIds that a search gives."""
    answer = await reader.find(who, INS, query or DocumentQuery())
    assert isinstance(answer, Found), answer
    return [each.unique_id.rpartition(".")[2] for each in answer.documents]


async def refusal(answer: object) -> tuple[OutcomeKind, str]:
    assert isinstance(answer, Outcome), answer
    return answer.kind, answer.code


async def test_plain_indirect_authentication_reads_nothing_and_asks_nothing(ward: Ward) -> None:
    reader = await ward.reader("off")
    assert await reader.find(DOCTOR, INS) == OFF
    assert await reader.get(DOCTOR, INS, "1.2.3") == OFF
    assert "authentification indirecte simple" in OFF.text
    assert ward.sandbox.dmp.calls == []


async def test_a_fed_document_is_found_and_comes_back_byte_for_byte(ward: Ward) -> None:
    fed = numbered(1)
    await ward.feed(fed, orders=Orders(invisible_patient=True))
    reader = await ward.reader()
    traces: list[Trace] = []
    listed = await reader.find(DOCTOR, INS, traces=traces)
    assert isinstance(listed, Found)
    (entry,) = listed.documents
    assert entry.unique_id == fed.unique_id
    assert entry.entry_uuid.startswith("urn:uuid:")
    assert entry.repository == "1.2.250.1.213.4.1.1.1.2"
    assert entry.state == Availability.APPROVED
    assert entry.type_code is not None
    assert (entry.type_code.code, entry.type_code.system) == ("11488-4", "2.16.840.1.113883.6.1")
    assert entry.creation_time == datetime(2024, 1, 2, 9, 15, tzinfo=UTC)
    assert entry.confidentiality == ("N", "INVISIBLE_PATIENT")
    assert (entry.size, entry.mime_type, entry.language) == (fed.size, "text/xml", "fr-FR")
    assert entry.title == "CR de consultation"
    assert entry.authors[0].startswith("801234567897^HODA^Adam")

    got = await reader.get(DOCTOR, INS, fed.unique_id, traces)
    assert isinstance(got, RetrievedDocument)
    assert got.content == fed.content
    assert got.warnings == ()
    assert [call.transaction for call in ward.sandbox.dmp.calls[-3:]] == ["TD3.1a", "TD3.1a", "TD3.2"]
    assert [trace.transaction for trace in traces] == ["TD3.1a", "TD3.1a", "TD3.2"]
    assert len({trace.assertion_id for trace in traces} - {""}) == 3


async def test_the_professional_may_authenticate_directly(ward: Ward) -> None:
    cards = ward.sandbox.certificates
    files = {
        name: {"certificate": str(card.certificate), "key": str(card.key)}
        for name, usage in (("tls", Usage.AUTH_CLI), ("signing", Usage.SIGN))
        for card in (cards.card(DOCTOR.identifier, usage),)
    }
    await ward.feed(numbered(2))
    reader = await ward.reader({"mode": "direct", **files})
    assert await found(reader) == ["2"]
    answer = await reader.find(OTHER_DOCTOR, INS)
    assert await refusal(answer) == (OutcomeKind.NOT_DELIVERED, "InvalidSecurityToken")


async def test_direct_authentication_needs_the_professionals_certificates(ward: Ward) -> None:
    with pytest.raises(ValueError, match="certificats du professionnel"):
        ward.settings(consultation="direct")


async def test_a_search_follows_its_criteria(ward: Ward) -> None:
    await ward.feed(numbered(11))
    await ward.feed(numbered(12, type_code="11490-0", effective_time="20250601080000+0200"))
    reader = await ward.reader()
    day = datetime(2025, 1, 1, tzinfo=UTC)
    assert await found(reader, DocumentQuery(types=(DISCHARGE,))) == ["12"]
    assert await found(reader, DocumentQuery(types=(DISCHARGE, CONSULTATION))) == ["11", "12"]
    assert await found(reader, DocumentQuery(created_from=day)) == ["12"]
    assert await found(reader, DocumentQuery(created_to=day)) == ["11"]
    exact = datetime(2025, 6, 1, 6, 0, tzinfo=UTC)
    assert await found(reader, DocumentQuery(created_from=exact, created_to=exact + timedelta(seconds=1))) == ["12"]
    assert await found(reader, DocumentQuery(created_to=exact)) == ["11"]
    assert await found(reader, DocumentQuery(service_from=day)) == []
    assert await found(reader, DocumentQuery(service_to=day)) == ["11", "12"]


async def test_versions_are_read_by_their_state_and_deleted_ones_never(ward: Ward) -> None:
    first = numbered(21)
    second = numbered(22, version=2, of=21, related=replacing(first.unique_id))
    await ward.feed(first)
    await ward.feed(second, request=Request.REPLACE)
    reader = await ward.reader()
    both = DocumentQuery(states=(Availability.APPROVED, Availability.DEPRECATED))
    assert await found(reader) == ["22"]
    assert await found(reader, DocumentQuery(states=(Availability.DEPRECATED,))) == ["21"]
    assert isinstance(await reader.get(DOCTOR, INS, first.unique_id), RetrievedDocument)
    await ward.feed(second, request=Request.DELETE)
    assert await found(reader, both) == ["21"]
    answer = await reader.get(DOCTOR, INS, second.unique_id)
    assert await refusal(answer) == (OutcomeKind.REFUSED, "DMP_DOCUMENT_NOT_FOUND")


async def test_a_masked_document_is_for_its_authors(ward: Ward) -> None:
    masked = numbered(31)
    await ward.feed(masked, structure="1990000033", orders=Orders(masque_ps=True))
    reader = await ward.reader()
    assert await found(reader) == ["31"]
    assert await found(reader, who=OTHER_DOCTOR) == []
    answer = await reader.get(OTHER_DOCTOR, INS, masked.unique_id)
    assert await refusal(answer) == (OutcomeKind.REFUSED, "DMP_DOCUMENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("state", "code"),
    [(DmpState.CLOSED, "DMPClosed"), (DmpState.ABSENT, "XDSUnknownPatientId")],
)
async def test_a_patient_without_an_open_dmp_has_nothing_to_read(ward: Ward, state: DmpState, code: str) -> None:
    ward.sandbox.dmp.put_patient(MATRICULE, state)
    reader = await ward.reader()
    assert await refusal(await reader.find(DOCTOR, INS)) == (OutcomeKind.REFUSED, code)


async def test_a_blocked_professional_reads_nothing(ward: Ward) -> None:
    ward.sandbox.dmp.patients.block(MATRICULE, OTHER_DOCTOR.identifier)
    reader = await ward.reader()
    assert await found(reader) == []
    answer = await reader.find(OTHER_DOCTOR, INS)
    assert isinstance(answer, Outcome)
    assert answer.code == "XDSRegistryError"
    assert "bloqué" not in answer.text  # the peer's own words are not repeated


@pytest.mark.parametrize("who", [replace(DOCTOR, identifier="3990000025/1"), replace(DOCTOR, profession="")])
async def test_only_an_identified_professional_asks(ward: Ward, who: Professional) -> None:
    reader = await ward.reader()
    assert await refusal(await reader.find(who, INS)) == (OutcomeKind.REFUSED, "DMP_PROFESSIONAL_MISSING")
    no_speciality = replace(DOCTOR, speciality="")
    assert await refusal(await reader.get(no_speciality, INS, "1.2.3")) == (
        OutcomeKind.REFUSED,
        "DMP_SPECIALITY_MISSING",
    )
    assert ward.sandbox.dmp.calls == []


@pytest.mark.parametrize(
    ("ins", "code"),
    [
        (Ins(MATRICULE, "1.2.250.1.213.1.4.8"), "DMP_INS_ENVIRONMENT"),
        (Ins(MATRICULE, "1.2.250.1.213.1.4.2"), "DMP_INS_OID"),
        (Ins("2790351215189", INS_OID), "DMP_INS_OID"),
    ],
)
async def test_only_an_ins_of_the_environment_leaves(ward: Ward, ins: Ins, code: str) -> None:
    reader = await ward.reader()
    assert await refusal(await reader.find(DOCTOR, ins)) == (OutcomeKind.REFUSED, code)
    assert ward.sandbox.dmp.calls == []


async def test_a_document_is_asked_for_by_its_own_id(ward: Ward) -> None:
    reader = await ward.reader()
    for wrong in ("urn:uuid:0f1a1c2e-0000-4000-8000-000000000000", "1." + "2" * 64):
        assert await refusal(await reader.get(DOCTOR, INS, wrong)) == (OutcomeKind.REFUSED, "DMP_ID_NOT_OID")
    answer = await reader.get(DOCTOR, INS, "1.2.250.1.999.3.404")
    assert await refusal(answer) == (OutcomeKind.REFUSED, "DMP_DOCUMENT_NOT_FOUND")


async def test_a_document_over_the_limit_is_not_asked_for(ward: Ward) -> None:
    fed = numbered(41)
    await ward.feed(fed)
    reader = await ward.reader(max_document_bytes=1024)
    answer = await reader.get(DOCTOR, INS, fed.unique_id)
    assert await refusal(answer) == (OutcomeKind.REFUSED, "DMP_DOCUMENT_TOO_LARGE")
    assert ward.sandbox.dmp.calls[-1].transaction == "TD3.1a"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.CLOSE_AFTER_BODY, OutcomeKind.NOT_DELIVERED),
        (FaultKind.CLOSE_BEFORE_ANSWER, OutcomeKind.NOT_DELIVERED),
        (FaultKind.WRONG_ANSWER, OutcomeKind.NOT_DELIVERED),
        (FaultKind.HTTP_500, OutcomeKind.NOT_DELIVERED),
        (FaultKind.HTTP_503, OutcomeKind.NOT_DELIVERED),
        (FaultKind.TEMPORARY, OutcomeKind.NOT_DELIVERED),
        (FaultKind.REFUSE, OutcomeKind.NOT_DELIVERED),
    ],
)
@pytest.mark.parametrize("transaction", ["TD3.1b", "TD3.2"])
async def test_a_question_that_gets_no_answer_may_be_asked_again(
    ward: Ward, transaction: str, kind: FaultKind, expected: OutcomeKind
) -> None:
    fed = numbered(51)
    await ward.feed(fed)
    ward.sandbox.faults.order(Fault(Service.DMP, kind, match={"transaction": transaction}))
    reader = await ward.reader()
    answer = await reader.get(DOCTOR, INS, fed.unique_id)
    assert isinstance(answer, Outcome)
    assert answer.kind is expected
    assert answer.text
    assert "document" not in answer.text or "DMP n'a pas dit" not in answer.text
    assert isinstance(await reader.get(DOCTOR, INS, fed.unique_id), RetrievedDocument)


async def test_an_establishment_of_nobody_does_not_consult(ward: Ward) -> None:
    with pytest.raises(ConfigurationError, match="DMP_ENTITY_UNKNOWN"):
        Consultation(ward.settings(consultation="air"), surroundings(), "1750000001")
    own = ward.sandbox.configuration()["dmp"]["structure"]["identifier"]
    assert Consultation(ward.settings(consultation="air"), surroundings(), own).mode == "air"


@pytest.mark.parametrize("mode", ["INDIRECTE", "INDIRECTE_RENFORCEE"])
async def test_a_document_is_fed_and_deleted_in_either_indirect_mode(ward: Ward, mode: str) -> None:
    """The mode of feeding is a setting of its own, and opens nothing to read."""
    settings = ward.settings(vihf={"mode": mode, "declaration": "CONF_EXI_PGSSIS"})
    feeder = DmpConnector(settings, surroundings())
    await feeder.open()
    feed, deletion = ward.delivery(numbered(51)), ward.delivery(numbered(51), request=Request.DELETE)
    outcomes = [await feeder.send(each) for each in (feed, deletion)]
    await feeder.close()
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.DELIVERED] * 2, outcomes
    assert await Consultation(settings, surroundings()).find(DOCTOR, INS) == OFF
