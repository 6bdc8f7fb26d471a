"""Other rules are compared with those in force on what was really received: exactly the changed decisions come out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from pfi.engine.comparison import Change, ChangeKind, Skipped, Tally
from pfi.engine.conclusion import conclude
from pfi.engine.configuration import Configuration
from pfi.engine.desk import Desk, open_desk
from pfi.engine.settings import DatabaseSettings
from pfi.model.clock import system_clock
from pfi.model.decision import Action, Channel
from pfi.routing.rules import RuleBook
from samples.generator.request import Flags
from tests.integration.engine.fakes import House, house, letter
from tests.integration.engine.rule_files import NO_MAIL_TO_PATIENTS, candidate

A_WEEK_AGO = timedelta(days=7)


@asynccontextmanager
async def desk_of(home: House) -> AsyncIterator[Desk]:
    database = DatabaseSettings(url=SecretStr(home.url))
    async with open_desk(Configuration(home.settings.model_copy(update={"database": database}))) as desk:
        yield desk


async def compared(home: House, new: RuleBook, tally: Tally) -> list[Change]:
    async with desk_of(home) as desk:
        return [change async for change in desk.comparison.journal(new, system_clock() - A_WEEK_AGO, tally)]


@pytest.fixture
def no_mail_to_patients(tmp_path: Path) -> RuleBook:
    return candidate(tmp_path, NO_MAIL_TO_PATIENTS).book


async def test_exactly_the_changed_decisions_come_out(store_url: str, no_mail_to_patients: RuleBook) -> None:
    tally = Tally()
    async with house(store_url) as home:
        assert await home.code(letter("M1")) == "AA"
        assert await home.code(letter("M2", flags=Flags(dest_mss_pat=False))) == "AA"
        first, second = [row["id"] for row in await home.fetch("SELECT id FROM messages ORDER BY id")]
        changes = await compared(home, no_mail_to_patients, tally)

    closed, recoded = changes
    assert (closed.message, closed.channel, closed.kind) == (str(first), Channel.CIT, ChangeKind.ACTION)
    assert (closed.before.action, closed.before.recipients) == (Action.SEND, 1)
    assert (closed.after.action, closed.after.code, closed.after.recipients) == (Action.DENY, "CIT_OPPOSED", 0)
    assert closed.type_code == "11490-0"
    assert closed.type_label
    assert "E23" in closed.rules
    assert (recoded.message, recoded.channel, recoded.kind) == (str(second), Channel.CIT, ChangeKind.CODE)
    assert (recoded.before.code, recoded.after.code) == ("ORDER_NO", "CIT_OPPOSED")
    assert (tally.messages, tally.decisions, tally.changes) == (2, 6, 2)
    assert tally.by_change == {(Channel.CIT, "send>deny"): 1, (Channel.CIT, "code"): 1}
    assert not tally.skipped


async def test_the_same_rules_change_nothing(store_url: str) -> None:
    tally = Tally()
    async with house(store_url) as home:
        await home.accept(letter("M1"))
        async with desk_of(home) as desk:
            found = [each async for each in desk.comparison.journal(desk.rules, system_clock() - A_WEEK_AGO, tally)]

    assert found == []
    assert (tally.messages, tally.changes) == (1, 0)


async def test_what_is_compared_with_is_what_is_in_force_in_the_store(
    store_url: str, tmp_path: Path, no_mail_to_patients: RuleBook
) -> None:
    async with house(store_url) as home:
        await home.accept(letter("M1"))
        await home.engine.rule_register.apply(candidate(tmp_path, NO_MAIL_TO_PATIENTS), "")
        assert await compared(home, no_mail_to_patients, Tally()) == []


async def test_a_message_whose_content_is_purged_is_counted(store_url: str, no_mail_to_patients: RuleBook) -> None:
    tally = Tally()
    async with house(store_url) as home:
        await home.accept(letter("M1"))
        await home.accept(letter("M2"))
        await home.fetch("DELETE FROM bodies WHERE message_id = (SELECT min(id) FROM messages)")
        changes = await compared(home, no_mail_to_patients, tally)

    assert len(changes) == 1
    assert tally.messages == 1
    assert tally.skipped == {Skipped.PURGED: 1}


async def test_older_messages_and_refused_ones_are_not_compared(store_url: str, no_mail_to_patients: RuleBook) -> None:
    tally = Tally()
    async with house(store_url) as home:
        await home.accept(letter("M1"))
        await home.accept(b"MSH|^~\\&|DPI||PFI||20260101||ORU^R01^ORU_R01|M2|P|2.5\r")
        await home.accept(letter("M3"))
        await home.fetch(
            "UPDATE messages SET received_at = now() - interval '8 days' WHERE id = (SELECT min(id) FROM messages)"
        )
        changes = await compared(home, no_mail_to_patients, tally)

    assert len(changes) == 1
    assert (tally.messages, sum(tally.skipped.values())) == (1, 0)


async def test_a_long_journal_is_read_page_after_page(
    store_url: str, no_mail_to_patients: RuleBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pfi.engine.comparison._PAGE", 2)
    tally = Tally()
    async with house(store_url) as home:
        for number in range(5):
            await home.accept(letter(f"M{number}"))
        changes = await compared(home, no_mail_to_patients, tally)

    numbers = [int(change.message) for change in changes]
    assert numbers == sorted(set(numbers))
    assert (len(numbers), tally.messages) == (5, 5)


async def test_a_message_that_makes_us_fail_is_counted_and_the_others_are_compared(
    store_url: str, no_mail_to_patients: RuleBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def failing_first(*arguments: object) -> object:
        seen.append(arguments)
        if len(seen) == 1:
            raise LookupError("PAT-TROIS")
        return conclude(*arguments)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr("pfi.engine.comparison.conclude", failing_first)
    tally = Tally()
    async with house(store_url) as home:
        await home.accept(letter("M1"))
        await home.accept(letter("M2"))
        changes = await compared(home, no_mail_to_patients, tally)

    assert [change.channel for change in changes] == [Channel.CIT]
    assert tally.skipped == {Skipped.FAULT: 1}
