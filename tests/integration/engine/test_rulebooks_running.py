"""Running engines take the rules that are put in force, each decision being made wholly with one set."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pfi.engine.configuration import Configuration
from pfi.engine.context import Timings
from pfi.engine.rulebooks import ACTIVATED, STALE, TAKEN, UNREADABLE, load_set
from pfi.engine.runner import Engine
from pfi.routing.rules import RuleBook
from pfi.store import rulesets
from tests.integration.engine.fakes import FAST, House, eventually, letter
from tests.integration.engine.rule_files import (
    NO_MAIL_TO_PATIENTS,
    NO_MAIL_TO_PROFESSIONALS,
    OF_THE_FUTURE,
    candidate,
    events,
    put_in_force,
)

ONLY_WOKEN = replace(FAST, poll=600.0)
"""Nothing is looked for: what happens was told by the store."""
_LISTENERS = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE application_name = 'pfi rules' AND query LIKE 'LISTEN%' AND datname = current_database()"
)


@asynccontextmanager
async def engines(url: str, count: int, timings: Timings = ONLY_WOKEN) -> AsyncIterator[tuple[House, ...]]:
    houses = tuple(House(url, timings=timings) for _ in range(count))
    try:
        for each in houses:
            await each.engine.start()
        yield houses
    finally:
        await asyncio.gather(*(each.engine.stop(grace=2) for each in houses))


def digest(home: House) -> str:
    return home.engine.rules.digest


async def listening(home: House, count: int) -> None:
    """Waits until that many engines listen."""

    async def enough() -> bool:
        return len(await home.fetch(_LISTENERS)) >= count

    await eventually(enough)


async def has(home: House, wanted: str) -> None:
    async def true() -> bool:
        return digest(home) == wanted

    await eventually(true)


async def test_two_engines_of_one_store_both_switch_without_restart(store_url: str, tmp_path: Path) -> None:
    new = candidate(tmp_path, NO_MAIL_TO_PATIENTS)
    async with engines(store_url, 2) as (one, other):
        await listening(one, 2)
        old = digest(one)
        assert digest(other) == old
        await one.accept(letter("M1"))

        applied = await other.engine.rule_register.apply(new, "réunion du lundi")
        await has(one, new.book.digest)
        await has(other, new.book.digest)

        async def both_told() -> bool:
            return await other.engine.rule_register.taken(applied.activation, 20.0) == (2, 2)

        await eventually(both_told)
        await one.accept(letter("M2"))
        await other.accept(letter("M3"))
        decisions = await one.fetch(
            "SELECT control_id, action, rules_digest FROM decisions JOIN messages ON messages.id = message_id "
            "WHERE channel = 'CIT' ORDER BY control_id"
        )
        activated = await events(one.engine.database, ACTIVATED)
        taken = await events(one.engine.database, TAKEN)

    assert [tuple(row.values()) for row in decisions] == [
        ("M1", "send", old),
        ("M2", "deny", new.book.digest),
        ("M3", "deny", new.book.digest),
    ]
    assert [event["digest"] for event in activated] == [old, new.book.digest]
    assert activated[1]["author"] == applied.activation.author
    assert len({event["worker"] for event in taken}) == 2


async def test_an_engine_that_is_not_woken_looks_by_itself(store_url: str, tmp_path: Path) -> None:
    new = candidate(tmp_path, NO_MAIL_TO_PATIENTS)
    async with engines(store_url, 1, FAST) as (home,):
        await listening(home, 1)
        async with home.engine.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO rule_sets VALUES ($1, $2, now())",
                new.book.digest,
                [{"name": file.name, "text": file.text} for file in new.rule_set.files],
            )
            await connection.execute(
                "INSERT INTO rule_activations (digest, at, author, host, reason) VALUES ($1, now(), '', '', '')",
                new.book.digest,
            )
        await has(home, new.book.digest)


async def test_an_engine_listens_again_when_its_connection_was_cut(store_url: str, tmp_path: Path) -> None:
    new = candidate(tmp_path, NO_MAIL_TO_PATIENTS)
    async with engines(store_url, 1) as (home,):
        await listening(home, 1)
        (cut,) = await home.fetch(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'pfi rules' AND datname = current_database()"
        )

        async def another() -> bool:
            return any(row["pid"] != cut["pid"] for row in await home.fetch(_LISTENERS))

        await eventually(another)
        await home.engine.rule_register.apply(new, "")
        await has(home, new.book.digest)


async def test_a_set_that_an_engine_cannot_read_leaves_its_rules_in_force_and_is_told_once(
    store_url: str, tmp_path: Path
) -> None:
    async with engines(store_url, 1, FAST) as (home,):
        old = digest(home)
        await put_in_force(home.engine.database, OF_THE_FUTURE)

        async def told() -> bool:
            return bool(await events(home.engine.database, UNREADABLE))

        await eventually(told)
        await asyncio.sleep(3 * FAST.poll)
        (event,) = await events(home.engine.database, UNREADABLE)
        assert digest(home) == old
        assert await home.code(letter("M1")) == "AA"
        (decided,) = await home.fetch("SELECT DISTINCT rules_digest FROM decisions")
        # A set that it can read is taken again.
        new = candidate(tmp_path, NO_MAIL_TO_PATIENTS)
        await home.engine.rule_register.apply(new, "")
        await has(home, new.book.digest)

    assert (event["digest"], event["code"]) == (OF_THE_FUTURE.digest, "RULES_INVALID")
    assert decided["rules_digest"] == old


async def test_a_decision_in_progress_is_made_with_one_set(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules change again and again while messages come: no message has decisions of two sets, and each decision is
    the one of its set."""
    patients, professionals = (candidate(tmp_path, text) for text in (NO_MAIL_TO_PATIENTS, NO_MAIL_TO_PROFESSIONALS))
    async with engines(store_url, 1) as (home,):
        await listening(home, 1)
        shipped = digest(home)

        async def change() -> None:
            for _ in range(4):
                for each in (patients, professionals):
                    await home.engine.rule_register.apply(each, "")
                    await has(home, each.book.digest)

        async def receive() -> None:
            for number in range(40):
                await home.accept(letter(f"M{number}"))

        await asyncio.gather(change(), receive())
        rows = await home.fetch(
            "SELECT message_id, rules_digest, json_object_agg(channel, action) AS actions FROM decisions "
            "WHERE run = 1 GROUP BY message_id, rules_digest"
        )

    closed = {shipped: None, patients.book.digest: "CIT", professionals.book.digest: "PRO"}
    assert len({row["message_id"] for row in rows}) == len(rows) == 40
    assert len({row["rules_digest"] for row in rows}) >= 2
    for row in rows:
        denied = {channel for channel, action in row["actions"].items() if action == "deny"}
        assert denied == ({closed[row["rules_digest"]]} - {None})


async def test_an_engine_that_restarts_with_stale_files_decides_with_the_rules_in_force(
    store_url: str, tmp_path: Path
) -> None:
    new = candidate(tmp_path, NO_MAIL_TO_PATIENTS)
    async with engines(store_url, 1) as (home,):
        await home.engine.rule_register.apply(new, "")
    async with engines(store_url, 1) as (home,):
        assert digest(home) == new.book.digest
        assert len(await events(home.engine.database, STALE)) == 1
        await home.accept(letter("M1"))
        (row,) = await home.fetch("SELECT action FROM decisions WHERE channel = 'CIT'")

    assert row["action"] == "deny"


async def test_an_engine_that_was_given_its_book_keeps_it(store_url: str, tmp_path: Path) -> None:
    book: RuleBook = candidate(tmp_path, NO_MAIL_TO_PATIENTS).book
    home = House(store_url)
    home.engine = Engine(
        Configuration(home.settings),
        rules=book,
        timings=FAST,
        url=store_url,
        connectors={"dmp": home.dmp, "mssante": home.mail},
        replies={"dpi": home.reply},
    )
    await home.engine.start()
    try:
        await put_in_force(home.engine.database, OF_THE_FUTURE)
        await asyncio.sleep(2 * FAST.poll)
        assert digest(home) == book.digest
        assert await events(home.engine.database, UNREADABLE) == []
    finally:
        await home.engine.stop(grace=2)


async def test_a_defect_while_looking_is_logged_and_the_engine_looks_again(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = candidate(tmp_path, NO_MAIL_TO_PATIENTS)
    failures = iter([ZeroDivisionError()])

    def failing_once(rule_set: rulesets.RuleSet) -> RuleBook:
        for failure in failures:
            raise failure
        return load_set(rule_set)

    monkeypatch.setattr("pfi.engine.rulewatch.load_set", failing_once)
    async with engines(store_url, 1) as (home,):
        await listening(home, 1)
        await home.engine.rule_register.apply(new, "")
        await has(home, new.book.digest)
