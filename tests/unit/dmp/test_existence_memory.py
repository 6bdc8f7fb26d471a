"""What is remembered of TD0.2, and what is not (DMP digest §1.4)."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.dmp.existence import Existence, ExistenceAnswer
from connectors.dmp.existence_memory import Answer, ExistenceMemory, Question
from connectors.dmp.settings import ExistenceSettings
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.patient import Ins, Patient
from tests.unit.dmp.given import NOW, PATIENT, SENDER, delivery, known_caller
from tests.unit.xds.documents import INS_OID, MATRICULE

INS = Ins(MATRICULE, INS_OID)
ACTIVE = ExistenceAnswer(Existence.ACTIVE, "DMPFound")
CLOSED = ExistenceAnswer(Existence.CLOSED, "DMPClosed")
ABSENT = ExistenceAnswer(Existence.ABSENT, "")
LOST = Outcome(OutcomeKind.NOT_DELIVERED, "DMP_TIMEOUT", "Le DMP n'a pas répondu.")


def question(ins: Ins = INS, patient: Patient = PATIENT, **sender: Any) -> Question:
    assert SENDER.person is not None
    who = replace(SENDER, person=replace(SENDER.person, **sender)) if sender else SENDER
    return Question.of(ins, patient, known_caller(delivery(sender=who)))


class Asking:
    """A memory whose time passes at will, before a DMP that gives `answers` in turn, the last one for ever."""

    def __init__(self, *answers: Answer, **settings: Any) -> None:
        self.now: datetime = NOW
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self._answers = list(answers)
        self.memory = ExistenceMemory(ExistenceSettings(**settings), lambda: self.now)

    async def __call__(self, about: Question | None = None) -> Answer:
        return await self.memory.answer(about or question(), self._ask)

    async def _ask(self) -> Answer:
        self.asked += 1
        await self.open.wait()
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.mark.parametrize(("answer", "seconds"), [(ACTIVE, 300), (CLOSED, 30), (ABSENT, 30)])
async def test_an_answer_is_remembered_for_a_while_and_a_refusal_for_less(
    answer: ExistenceAnswer, seconds: float
) -> None:
    ask = Asking(answer)
    assert await ask() == answer
    ask.later(seconds - 1)
    assert await ask() == answer
    assert ask.asked == 1
    ask.later(1)
    assert await ask() == answer
    assert ask.asked == 2


@pytest.mark.parametrize("existence", [Existence.OTHER_PERSON, Existence.BLOCKED])
async def test_what_depends_on_the_message_is_never_remembered(existence: Existence) -> None:
    ask = Asking(ExistenceAnswer(existence, ""), ACTIVE)
    assert await ask() == ExistenceAnswer(existence, "")
    assert await ask() == ACTIVE


@pytest.mark.parametrize(
    "other",
    [
        question(patient=replace(PATIENT, traits=replace(PATIENT.traits, birth_name="AUTRE"))),
        question(patient=replace(PATIENT, traits=replace(PATIENT.traits, birth_date="19800101"))),
        question(identifier="899900000014"),
        question(ins=Ins(MATRICULE, "1.2.250.1.213.1.4.8")),
    ],
    ids=["name", "birth date", "sender", "authority"],
)
async def test_a_dmp_open_to_one_message_says_nothing_of_another_one(other: Question) -> None:
    alert = ExistenceAnswer(Existence.OTHER_PERSON, "DMPFound")
    ask = Asking(ACTIVE, alert)
    assert await ask() == ACTIVE
    assert await ask(other) == alert


async def test_nothing_is_remembered_where_the_site_does_not_want_it() -> None:
    ask = Asking(ACTIVE, CLOSED, ACTIVE, cache_seconds=0, negative_cache_seconds=0)
    assert [await ask() for _ in range(3)] == [ACTIVE, CLOSED, ACTIVE]


async def test_a_failure_is_not_remembered() -> None:
    ask = Asking(LOST, ACTIVE)
    assert [await ask(), await ask()] == [LOST, ACTIVE]


async def test_a_refusal_that_contradicts_makes_every_question_about_the_patient_new() -> None:
    ask = Asking(ACTIVE)
    mine, other, somebody = question(), question(identifier="899900000014"), question(ins=Ins("2", INS_OID))
    for each in (mine, other, somebody):
        await ask(each)
    ask.memory.forget(INS)
    for each in (mine, other, somebody):
        await ask(each)
    assert ask.asked == 5


async def test_the_memory_is_bounded() -> None:
    ask = Asking(ACTIVE, cache_size=2)
    for number in ("1", "2", "3", "2", "3"):
        await ask(question(ins=Ins(number, INS_OID)))
    assert ask.asked == 3
    await ask(question(ins=Ins("1", INS_OID)))
    assert ask.asked == 4


@pytest.mark.parametrize("answer", [ACTIVE, LOST, ExistenceAnswer(Existence.BLOCKED, "")], ids=["open", "lost", "shut"])
async def test_the_same_question_is_asked_once_at_a_time(answer: Answer) -> None:
    ask = Asking(answer)
    ask.open.clear()
    waiting = [asyncio.create_task(ask()) for _ in range(8)]
    other = asyncio.create_task(ask(question(identifier="899900000014")))
    await asyncio.sleep(0.01)
    assert ask.asked == 2
    ask.open.set()
    assert await asyncio.gather(*waiting, other) == [answer] * 9
    assert ask.asked == 2


async def test_one_who_gives_up_does_not_take_the_others_along() -> None:
    ask = Asking(ACTIVE)
    ask.open.clear()
    first, second, third = (asyncio.create_task(ask()) for _ in range(3))
    await asyncio.sleep(0.01)
    second.cancel()
    first.cancel()
    await asyncio.sleep(0.01)
    assert ask.asked == 2
    ask.open.set()
    assert await third == ACTIVE
    assert first.cancelled()
    assert second.cancelled()


async def test_a_question_shows_no_trait() -> None:
    shown = repr(question())
    assert MATRICULE not in shown
    assert "PAT-TROIS" not in shown
    assert "1979" not in shown
