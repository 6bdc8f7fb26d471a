"""What the engine remembers of verifications, and which identity it asks about."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from pfi.engine import verification as module
from pfi.engine.connector import CheckResult, ConnectorSettings, Surroundings, Verification, VerificationKind
from pfi.engine.settings import VerificationSettings
from pfi.engine.verification import Verifications, asks_before_sending, identity_to_verify
from pfi.model.document import Document
from pfi.model.patient import Identifier, Ins, Patient, Traits
from tests.unit.insi.given import NOW, PATIENT, patient
from tests.unit.xds.documents import document

CONFIRMED = Verification(VerificationKind.CONFIRMED)
CONTRADICTED = Verification(VerificationKind.CONTRADICTED, "INSI_01")
UNAVAILABLE = Verification(VerificationKind.UNAVAILABLE, "insi_102")
DAY = timedelta(hours=24)


class Oracle:
    """Answers in turn, the last one for ever; may be kept waiting."""

    settings_model = ConnectorSettings

    def __init__(self, settings: list[Verification | Exception], surroundings: Surroundings | None = None) -> None:
        self.answers = settings
        self.asked: list[Patient] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> tuple[CheckResult, ...]:
        return ()

    async def verify(self, patient: Patient) -> Verification:
        self.asked.append(patient)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Memory:
    """Verifications over an oracle, with a clock in hand."""

    def __init__(self, *answers: Verification | Exception, longest: timedelta = DAY) -> None:
        self.now = NOW
        self.oracle = Oracle(list(answers))
        self.verifications = Verifications(self.oracle, lambda: self.now, longest)

    async def asks(self, of: Patient = PATIENT, after: timedelta = timedelta(0)) -> Verification:
        self.now += after
        return await self.verifications.ask(of)


async def test_a_confirmation_holds_until_it_is_too_old() -> None:
    memory = Memory(CONFIRMED)
    assert await memory.asks() == CONFIRMED
    assert await memory.asks(after=timedelta(hours=23)) == CONFIRMED
    assert len(memory.oracle.asked) == 1
    await memory.asks(after=timedelta(hours=1))
    assert len(memory.oracle.asked) == 2


async def test_a_contradiction_holds_a_minute_so_that_a_correction_is_soon_seen() -> None:
    memory = Memory(CONTRADICTED, CONFIRMED)
    assert await memory.asks() == CONTRADICTED
    assert await memory.asks(after=timedelta(seconds=59)) == CONTRADICTED
    assert await memory.asks(after=timedelta(seconds=1)) == CONFIRMED


async def test_a_service_that_was_away_is_asked_again() -> None:
    memory = Memory(UNAVAILABLE, CONFIRMED)
    assert await memory.asks() == UNAVAILABLE
    assert len(memory.verifications) == 0
    assert await memory.asks() == CONFIRMED


async def test_with_no_age_nothing_is_remembered() -> None:
    memory = Memory(CONFIRMED, longest=timedelta(0))
    await memory.asks()
    await memory.asks()
    assert len(memory.oracle.asked) == 2


@pytest.mark.parametrize(
    "other",
    [
        patient(birth_name="PAT-QUATRE"),
        patient(first_given_name="ROSE"),
        patient(given_names="DOMINIQUE"),
        patient(birth_date="19790329"),
        patient(sex="M"),
        patient(birth_place="63220"),
        replace(PATIENT, ins=None),
        replace(PATIENT, ins=Ins("279035121518989", "1.2.250.1.213.1.4.8")),
    ],
)
async def test_another_ins_or_another_trait_is_another_identity(other: Patient) -> None:
    memory = Memory(CONFIRMED, CONTRADICTED)
    assert await memory.asks() == CONFIRMED
    assert await memory.asks(other) == CONTRADICTED
    assert await memory.asks() == CONFIRMED


async def test_those_who_ask_meanwhile_share_one_answer_and_one_who_gives_up_spoils_nothing() -> None:
    memory = Memory(CONFIRMED)
    memory.oracle.gate.clear()
    asking = [asyncio.create_task(memory.asks()) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    memory.oracle.gate.set()
    assert await asyncio.gather(*asking[1:]) == [CONFIRMED, CONFIRMED]
    assert asking[0].cancelled()
    assert len(memory.oracle.asked) == 1


async def test_memory_is_bounded_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    memory = Memory(CONFIRMED)
    people = [patient(birth_place=f"5121{number}") for number in range(3)]
    for each in people:
        await memory.asks(each)
    assert len(memory.verifications) == 2
    await memory.asks(people[2])
    assert len(memory.oracle.asked) == 3
    await memory.asks(people[0])
    assert len(memory.oracle.asked) == 4


async def test_a_defect_of_a_verifier_says_nothing_of_the_patient() -> None:
    memory = Memory(RuntimeError("PAT-TROIS"), CONFIRMED)
    verification = await memory.asks()
    assert (verification.kind, verification.code) == (VerificationKind.UNAVAILABLE, "BUG")
    assert "PAT-TROIS" not in verification.text
    assert await memory.asks() == CONFIRMED


async def test_closing_ends_what_is_under_way_and_forgets() -> None:
    memory = Memory(CONFIRMED)
    await memory.asks()
    memory.oracle.gate.clear()
    asking = asyncio.create_task(memory.asks(patient(sex="M")))
    await asyncio.sleep(0)
    await memory.verifications.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(memory.verifications) == 0


def test_nothing_in_memory_is_a_trait_or_a_matricule() -> None:
    memory = Memory(CONFIRMED)
    asyncio.run(memory.asks())
    assert "279035121518989" not in repr(vars(memory.verifications)["_known"])
    assert all(len(key) == 16 for key in memory.verifications._known)


def of_document(**traits: str) -> Document:
    found = document()
    header = replace(found.header, patient=replace(PATIENT, traits=replace(PATIENT.traits, **traits)))
    return replace(found, header=header)


def test_the_pid_decides_and_the_cda_completes_it() -> None:
    bare = Patient(ins=PATIENT.ins, traits=Traits(birth_name="PAT-TROIS", birth_date="19790328", sex="F"))
    cda = of_document(birth_name="AUTRE", birth_date="19790328101500+0100")
    assert identity_to_verify(bare, (cda,)).traits == replace(PATIENT.traits, birth_name="PAT-TROIS")
    assert identity_to_verify(Patient(ins=PATIENT.ins), (cda,)).traits.birth_date == "19790328"
    assert identity_to_verify(PATIENT, (of_document(given_names="ROSE", birth_place="63220"),)) == PATIENT


def test_a_list_that_repeats_the_first_given_name_is_completed_by_the_cda() -> None:
    short = patient(given_names="DOMINIQUE")
    assert identity_to_verify(short, (of_document(),)) == PATIENT
    assert identity_to_verify(short, ()) == short


def test_the_cda_of_another_ins_completes_nothing() -> None:
    other = Patient(ins=Ins("290019900400184", "1.2.250.1.213.1.4.10"))
    assert identity_to_verify(other, (of_document(),)).traits == Traits()


def test_local_identifiers_are_no_part_of_what_is_asked() -> None:
    local = replace(PATIENT, identifiers=(Identifier("IPP-1", "1.2.3"),))
    assert identity_to_verify(local, ()) == PATIENT


def test_nobody_is_asked_unless_the_site_says_so() -> None:
    assert not asks_before_sending(None)
    assert not asks_before_sending(VerificationSettings())
    assert asks_before_sending(VerificationSettings(when="before_sending"))
