"""Rounds of reading notifications: one failing mailbox stops nobody, and is told once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from structlog.testing import capture_logs

from pfi.engine.collection import Collection
from pfi.engine.connector import MailReport
from pfi.engine.context import Context, Timings
from pfi.engine.notifications import Notifications
from pfi.model.errors import TransportError
from pfi.standards.mail.dsn import DsnAction
from tests.integration.engine.fakes import FakeConnector

UNREADABLE = TransportError("MSS_REPORTS_UNREADABLE", "Dossier illisible.", "Vérifier.")


class Mailbox(FakeConnector):
    """A connector with reports to give, or a fault to raise."""

    def __init__(self, *reports: MailReport) -> None:
        super().__init__()
        self.reports = list(reports)
        self.faults: list[Exception] = []
        self.rounds = 0
        self.third = asyncio.Event()
        self.first = asyncio.Event()
        self.answers_of_take: list[bool] = []

    async def collect_reports(self, take: Callable[[MailReport], Awaitable[bool]]) -> int:
        self.rounds += 1
        self.first.set()
        if self.rounds == 3:
            self.third.set()
        if self.faults:
            raise self.faults.pop(0)
        for report in self.reports:
            self.answers_of_take.append(await take(report))
        return len(self.reports)


class Told:
    """The engine's side: remembers what it was told."""

    def __init__(self, answer: bool = True) -> None:
        self.received: list[tuple[Any, ...]] = []
        self.answer = answer

    async def dsn_received(self, *report: object) -> bool:
        self.received.append(report)
        return self.answer


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def collection(told: Told, **connectors: FakeConnector) -> Collection:
    context = cast(Context, SimpleNamespace(timings=Timings(collect=0.01)))
    return Collection(context, cast(Notifications, told), connectors)


async def test_what_a_mailbox_reports_is_given_to_the_engine() -> None:
    told = Told()
    mailbox = Mailbox(MailReport("envelope", "a@x.fr", "failed", "550", "Boîte inconnue."))
    await collection(told, mssante=mailbox).round("mssante")
    assert told.received == [("envelope", "a@x.fr", DsnAction.FAILED, "550", "Boîte inconnue.")]
    assert mailbox.answers_of_take == [True]


async def test_the_mailbox_learns_that_nobody_awaits_a_report() -> None:
    mailbox = Mailbox(MailReport("envelope", "a@x.fr", "delivered"))
    await collection(Told(answer=False), mssante=mailbox).round("mssante")
    assert mailbox.answers_of_take == [False]


@pytest.mark.parametrize("fault", [UNREADABLE, ValueError("279035121518989"), RuntimeError()])
async def test_a_fault_is_told_once_until_it_is_over_and_quotes_no_mail(fault: Exception) -> None:
    mailbox = Mailbox()
    mailbox.faults = [fault, fault]
    rounds = collection(Told(), mssante=mailbox)
    with capture_logs() as logs:
        for _ in range(3):
            await rounds.round("mssante")
        mailbox.faults = [fault]
        await rounds.round("mssante")
    assert [each["event"] for each in logs] == ["reports_unreadable", "reports_unreadable"]
    assert "279035121518989" not in str(logs)


async def test_an_absent_store_is_told_and_the_next_round_comes() -> None:
    mailbox = Mailbox(MailReport("envelope", "a@x.fr", "delivered"))
    mailbox.faults = [ConnectionRefusedError()]
    told = Told()
    rounds = collection(told, mssante=mailbox)
    with capture_logs() as logs:
        await rounds.round("mssante")
        await rounds.round("mssante")
    assert [each["event"] for each in logs] == ["store_away"]
    assert len(told.received) == 1


async def test_a_failing_mailbox_does_not_stop_another_one() -> None:
    failing, sound = Mailbox(), Mailbox(MailReport("envelope", "a@x.fr", "delivered"))
    failing.faults = [UNREADABLE] * 1000
    told = Told()
    rounds = collection(told, failing=failing, sound=sound)
    with capture_logs():
        task = asyncio.create_task(rounds.run())
        await asyncio.wait_for(sound.third.wait(), 5)
        rounds.stop()
        await asyncio.wait_for(task, 5)
    assert failing.rounds >= 3
    assert len(told.received) >= 3


async def test_without_any_mailbox_there_is_nothing_to_run() -> None:
    await asyncio.wait_for(collection(Told(), dmp=FakeConnector()).run(), 1)


async def test_stopping_does_not_wait_for_the_next_round() -> None:
    context = cast(Context, SimpleNamespace(timings=Timings(collect=3600)))
    mailbox = Mailbox()
    rounds = Collection(context, cast(Notifications, Told()), {"mssante": mailbox})
    task = asyncio.create_task(rounds.run())
    await asyncio.wait_for(mailbox.first.wait(), 5)
    rounds.stop()
    await asyncio.wait_for(task, 1)
    assert mailbox.rounds == 1
