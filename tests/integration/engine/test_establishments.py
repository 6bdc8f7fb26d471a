"""Two establishments, two MSSanté accounts: what one sends never leaves by the account of the other."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pfi.engine.configuration import Configuration
from pfi.engine.runner import Engine
from pfi.engine.settings import Settings
from pfi.model.clock import IdSource, system_clock
from samples.generator import world
from samples.generator.request import Flags
from tests.integration.engine.fakes import FAST, NOT_DELIVERED, FakeConnector, FakeReply, House, eventually, letter

MAIN, ANNEX, OTHER = world.HOSPITAL.finess, "750999047", "750999054"
ONLY_PRO = Flags(dest_dmp=False, dest_mss_pat=False)


def mail_from(finess: str, control_id: str) -> bytes:
    return letter(control_id, flags=ONLY_PRO).replace(MAIN.encode(), finess.encode(), 1)


class Two(House):
    """A house with one account for each of two establishments."""

    def new_engine(self) -> Engine:
        self.annex = FakeConnector()
        given = self.settings.model_dump(mode="json")
        usual = given["destinations"].pop("mssante")
        for name, finess in (("main", MAIN), ("annex", ANNEX)):
            given["destinations"][name] = {**usual, "establishments": [finess]}
        return Engine(
            Configuration(Settings.model_validate(given)),
            clock=system_clock,
            ids=IdSource(),
            timings=self.timings,
            url=self.url,
            connectors={"dmp": self.dmp, "main": self.mail, "annex": self.annex},
            replies={"dpi": FakeReply()},
        )


@pytest.fixture
async def home(store_url: str) -> AsyncIterator[Two]:
    built = Two(store_url, timings=FAST)
    await built.engine.start()
    try:
        yield built
    finally:
        await built.engine.stop(grace=2)


async def test_each_mail_leaves_by_the_account_of_its_establishment(home: Two) -> None:
    for number, finess in enumerate((MAIN, ANNEX, MAIN)):
        assert await home.code(mail_from(finess, f"M{number}")) == "AA"
    await home.until(PRO="delivered", PRO2="delivered", PRO3="delivered")
    assert (len(home.mail.sent), len(home.annex.sent)) == (2, 1)
    assert {sent.establishment.ej for sent in home.annex.sent} == {ANNEX}
    assert {sent.establishment.ej for sent in home.mail.sent} == {MAIN}


async def test_a_retry_goes_by_the_same_account(home: Two) -> None:
    home.annex.answers = [NOT_DELIVERED, NOT_DELIVERED]
    await home.accept(mail_from(ANNEX, "M1"))
    await home.until(PRO="delivered")
    assert len(home.annex.sent) + len(home.annex.resolved) >= 2
    assert (home.mail.sent, home.mail.resolved) == ([], [])


async def test_the_mail_of_an_establishment_without_account_waits_and_says_why(home: Two) -> None:
    await home.accept(mail_from(OTHER, "M1"))
    await home.until(PRO="held")
    (row,) = await home.fetch("SELECT code, text FROM deliveries")
    assert row["code"] == "NO_DESTINATION"
    assert "établissement" in row["text"]
    assert (home.mail.sent, home.annex.sent) == ([], [])


async def test_a_stopped_operator_does_not_stop_the_other(home: Two) -> None:
    gate = home.annex.gate = asyncio.Event()
    await home.accept(mail_from(ANNEX, "M1"))
    await home.accept(mail_from(MAIN, "M2"))
    await home.until(PRO2="delivered")
    gate.set()

    async def served() -> bool:
        return len(home.annex.sent) >= 1

    await eventually(served)
