"""What is remembered of TD0.2: one question at a time, asked again when another answer could come (DMP digest §1.4)."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from connectors.dmp.caller import Caller
from connectors.dmp.existence import Existence, ExistenceAnswer, known_names
from connectors.dmp.settings import ExistenceSettings
from pfi.model.clock import Clock
from pfi.model.delivery import Outcome
from pfi.model.patient import Ins, Patient

Answer = ExistenceAnswer | Outcome

_OF_THE_MESSAGE: Final = frozenset({Existence.OTHER_PERSON, Existence.BLOCKED})
"""An identity alert is about the traits of one message, a blocking about who sends it: never remembered."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that an answer depends on: the patient, the traits that are compared with those of the DMP, and who
    asks. That a DMP is open to one sender says nothing of another one, nor of other traits under the same INS."""

    ins: Ins = field(repr=False)
    birth_date: str = field(repr=False)
    names: frozenset[str] = field(repr=False)
    structure: str
    person: str

    @classmethod
    def of(cls, ins: Ins, patient: Patient, caller: Caller) -> "Question":
        """The question about the patient of a delivery."""
        return cls(ins, patient.traits.birth_date, known_names(patient), caller.structure, caller.name_id)


class ExistenceMemory:
    """Answers remembered for a bounded time and number; safe for concurrent use by the tasks of one event loop.

    An answer by which nothing will leave is final for a document: it is remembered for a shorter time than a good one.
    """

    def __init__(self, settings: ExistenceSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._answers: OrderedDict[Question, tuple[datetime, ExistenceAnswer]] = OrderedDict()
        self._asked: dict[Question, asyncio.Future[Answer | None]] = {}

    async def answer(self, question: Question, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer remembered, else that of `ask`. Those who put the same question meanwhile get the same answer,
        failures included; when the one who asks is interrupted, another one asks."""
        while True:
            known = self._known(question)
            if known is not None:
                return known
            under_way = self._asked.get(question)
            if under_way is None:
                return await self._ask(question, ask)
            answer = await asyncio.shield(under_way)
            if answer is not None:
                return answer

    def forget(self, ins: Ins) -> None:
        """After a refusal that contradicts what is remembered of a patient."""
        for question in [each for each in self._answers if each.ins == ins]:
            del self._answers[question]

    async def _ask(self, question: Question, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        promise: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._asked[question] = promise
        answer: Answer | None = None
        try:
            answer = await ask()
            if isinstance(answer, ExistenceAnswer):
                self._remember(question, answer)
            return answer
        finally:
            del self._asked[question]
            promise.set_result(answer)

    def _known(self, question: Question) -> ExistenceAnswer | None:
        found = self._answers.get(question)
        if found is None:
            return None
        at, answer = found
        return answer if (self._clock() - at).total_seconds() < self._seconds(answer) else None

    def _remember(self, question: Question, answer: ExistenceAnswer) -> None:
        if self._seconds(answer) <= 0:
            return
        self._answers[question] = (self._clock(), answer)
        self._answers.move_to_end(question)
        while len(self._answers) > self._settings.cache_size:
            self._answers.popitem(last=False)

    def _seconds(self, answer: ExistenceAnswer) -> float:
        if answer.existence in _OF_THE_MESSAGE:
            return 0.0
        if answer.existence is Existence.ACTIVE:
            return self._settings.cache_seconds
        return self._settings.negative_cache_seconds
