"""The journal tells everything about a message; a replay repeats nothing that was done."""

from dataclasses import replace

from pfi.engine.configuration import Configuration
from pfi.engine.desk import open_desk
from pfi.engine.journal import MessageFilter
from pfi.model.delivery import Outcome, OutcomeKind
from samples.generator import adt, world
from samples.generator.catalogue import discharge
from samples.generator.request import Flags, encode, write_request
from tests.integration.engine.fakes import NOT_DELIVERED, REFUSED, UNKNOWN, House, house, letter
from tests.integration.engine.test_holds import provisional


async def test_one_message_shows_all_that_hangs_on_it(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(letter())
        await home.accept(letter())
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        await home.told(3)
        view = await home.engine.journal.message(1)
        assert view is not None
        assert view.message["ack_code"] == "AA"
        assert [row["type_code"] for row in view.documents] == ["11490-0"]
        assert {row["channel"]: row["action"] for row in view.decisions} == dict.fromkeys(("DMP", "PRO", "CIT"), "send")
        assert all(row["because"] and row["rules_digest"] for row in view.decisions)
        assert len(view.deliveries) == 3
        assert len(view.attempts) == 4
        assert len(view.recipients) == 2
        assert len(view.acks) == 3
        assert [row["kind"] for row in view.events] == ["duplicate"]
        assert await home.engine.journal.message(2) is None
        assert await home.engine.journal.counts() == {
            ("delivered", "CIT"): 1,
            ("delivered", "DMP"): 1,
            ("delivered", "PRO"): 1,
        }


async def test_messages_are_listed_newest_first_and_filtered(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [REFUSED]
        await home.accept(letter("A"))
        await home.until(DMP="refused")
        await home.accept(letter("B"))
        await home.accept(b"noise")
        await home.until(DMP2="delivered")
        journal = home.engine.journal
        assert [line.id for line in await journal.messages()] == [3, 2, 1]
        assert [line.id for line in await journal.messages(MessageFilter(state="refused"))] == [1]
        assert [line.id for line in await journal.messages(MessageFilter(kind="unreadable"))] == [3]
        assert [line.id for line in await journal.messages(MessageFilter(sender="dpi", before=2))] == [1]
        assert [line.id for line in await journal.messages(MessageFilter(control_id="B", limit=1))] == [2]
        (line,) = await journal.messages(MessageFilter(control_id="A"))
        assert ("DMP", "refused", "DMPClosed") in line.deliveries


async def test_a_replay_tries_again_only_what_did_not_succeed(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [REFUSED]
        await home.accept(letter())
        await home.until(DMP="refused", PRO="delivered", CIT="delivered")
        report = await home.engine.replay.replay(1)
        assert (report.done, report.run, len(report.reopened), report.released, report.created) == (True, 2, 1, (), ())
        await home.until(DMP="delivered")
        assert (len(home.dmp.sent), len(home.mail.sent)) == (2, 2)
        assert home.dmp.sent[0].ids == home.dmp.sent[1].ids
        view = await home.engine.journal.message(1)
        assert view is not None
        assert {row["run"] for row in view.decisions} == {1, 2}


async def test_a_replay_resolves_first_what_may_have_left(store_url: str) -> None:
    async with house(store_url, retry={"max_attempts": 2}) as home:
        home.dmp.answers = [UNKNOWN]
        home.dmp.resolutions = [UNKNOWN]
        await home.accept(letter(flags=Flags(dest_mss_ps=False, dest_mss_pat=False)))
        await home.until(DMP="failed")
        await home.engine.replay.replay(1)
        await home.until(DMP="delivered")
        assert (len(home.dmp.sent), len(home.dmp.resolved)) == (1, 2)


async def test_a_replay_serves_only_the_recipients_that_did_not_get_the_mail(store_url: str) -> None:
    async with house(store_url) as home:
        home.mail.answers = [Outcome(OutcomeKind.REFUSED, "550")]
        await home.accept(letter(flags=Flags(dest_dmp=False, dest_mss_pat=False)))
        await home.until(PRO="refused")
        await home.engine.replay.replay(1)
        await home.until(PRO="delivered")
        assert [len(mail.recipients) for mail in home.mail.sent] == [1, 1]


async def test_a_replay_releases_and_reports_again(store_url: str) -> None:
    async with house(store_url, destinations=False, reply=False) as home:
        await home.accept(letter())
    async with house(store_url) as home:
        report = await home.engine.replay.replay(1)
        assert len(report.released) == 3
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        assert len(await home.told(3)) == 3


async def test_a_replay_sends_no_report_twice_but_those_that_had_no_address(store_url: str) -> None:
    async with house(store_url, reply=False) as home:
        await home.accept(letter())
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
    async with house(store_url) as home:
        assert (await home.engine.replay.replay(1)).acks == 3
        await home.told(3)
        assert (await home.engine.replay.replay(1)).acks == 0
        assert home.dmp.sent == []


async def test_a_replay_makes_the_delivery_of_a_channel_that_is_allowed_now(store_url: str) -> None:
    opposition = next(event for event in adt.EVENTS if event.file == "a31-opposition")
    consent = replace(
        opposition, control_id="GAM-0009", occurred_at="20260302100000", zfa=adt.Zfa("ACTIF", "INO", "IC")
    )
    async with house(store_url) as home:
        await home.accept(encode(adt.segments(opposition)))
        await home.accept(write_request(discharge("D1", patient=world.OPPOSED)))
        await home.until(PRO="delivered", CIT="delivered")
        await home.accept(encode(adt.segments(consent)))
        report = await home.engine.replay.replay(2)
        assert len(report.created) == 1
        await home.until(DMP="delivered")
        assert len(home.mail.sent) == 2


async def test_a_held_delivery_stays_held_when_nothing_changed(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(provisional())
        await home.until(DMP="held", PRO="delivered")
        report = await home.engine.replay.replay(1)
        assert (report.released, report.reopened, report.created) == ((), (), ())
        assert (await home.states())["DMP"] == "held"


async def test_what_cannot_be_replayed_says_why(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter().replace(b"|2.6|", b"|2.9|"))
        await home.accept(letter())
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        await home.fetch("DELETE FROM bodies RETURNING message_id")
        replay = home.engine.replay
        assert [(await replay.replay(number)).done for number in (1, 2, 99)] == [False, False, False]


async def test_an_operator_works_without_running_an_engine(store_url: str) -> None:
    home = House(store_url)
    await home.engine.start()
    home.dmp.answers = [REFUSED]
    await home.accept(letter())
    await home.until(DMP="refused")
    await home.engine.stop()
    settings = home.settings.model_copy(update={"database": home.settings.database.model_validate({"url": store_url})})
    async with open_desk(Configuration(settings)) as desk:
        assert len(await desk.journal.messages()) == 1
        assert (await desk.replay.replay(1)).done
    async with house(store_url) as heir:
        await heir.until(DMP="delivered")
