"""What is in flight when the decision changes, and would still be sent: to others, or in another order."""

import asyncio
from pathlib import Path

from samples.generator import world
from samples.generator.request import Flags
from tests.integration.engine.fakes import NOT_DELIVERED, House, eventually, house
from tests.integration.engine.patients import adt, letter_of
from tests.integration.engine.rule_files import site

COLLEAGUE = "consoeur@medecin-exemple.mssante.fr"
NO_CITIZEN = Flags(dest_mss_pat=False)


async def test_a_mail_that_comes_back_goes_to_those_decided_meanwhile(store_url: str, tmp_path: Path) -> None:
    """And the other channel of the document, that waits for its next try, is not decided again without end."""
    async with house(store_url, retry={"first_seconds": 0.3, "longest_seconds": 0.3}) as home:
        home.mail.gate = asyncio.Event()
        home.mail.answers = [NOT_DELIVERED]
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(letter_of(world.DOMINIQUE, flags=NO_CITIZEN))
        await home.mail.entered.wait()
        await home.until(DMP="queued", PRO="in_flight")
        then = f'add_recipients: [{{address: "{COLLEAGUE}", kind: professional}}]'
        home.engine._parts.context.rulebooks.book = site(tmp_path, then)
        await home.accept(adt("A31", world.DOMINIQUE, feeding="INO"))
        await home.until(DMP="delivered", PRO="in_flight")
        (row,) = await home.fetch("SELECT count(*) FROM events WHERE kind = 'patient_changed'")
        assert row["count"] <= 3
        home.mail.gate.set()
        await home.until(PRO="delivered")
        first, second = home.mail.sent
        assert COLLEAGUE not in [each.address for each in first.recipients]
        assert COLLEAGUE in [each.address for each in second.recipients]


async def test_a_mail_in_flight_that_nothing_changed_for_is_not_decided_again(store_url: str) -> None:
    async with house(store_url) as home:
        home.mail.gate = asyncio.Event()
        await home.accept(letter_of(world.DOMINIQUE, flags=Flags(dest_dmp=False, dest_mss_pat=False)))
        await home.mail.entered.wait()
        await home.accept(adt("A31", world.DOMINIQUE, feeding="INO"))
        await _settled(home)
        assert await home.fetch("SELECT revise, recheck FROM deliveries") == [{"revise": False, "recheck": False}]
        home.mail.gate.set()
        await home.until(PRO="delivered")


async def test_a_retry_keeps_the_priority_that_a_rule_gave(store_url: str, tmp_path: Path) -> None:
    async with house(store_url, retry={"first_seconds": 30, "longest_seconds": 30}) as home:
        home.engine._parts.context.rulebooks.book = site(tmp_path, "priority: high")
        home.mail.answers = [NOT_DELIVERED]
        await home.accept(letter_of(world.DOMINIQUE, flags=Flags(dest_dmp=False, dest_mss_pat=False)))
        await home.until(PRO="queued")
        jobs = await home.fetch("SELECT priority FROM pgqueuer WHERE entrypoint = 'deliver.mssante'")
        assert [job["priority"] for job in jobs] == [1]


async def _settled(home: House) -> None:
    async def nothing_stale() -> bool:
        return not await home.fetch(
            "SELECT FROM message_patients AS link JOIN patients ON patients.id = link.patient"
            " WHERE link.version <> patients.version"
        )

    await eventually(nothing_stale)
