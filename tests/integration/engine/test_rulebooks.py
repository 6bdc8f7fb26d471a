"""The store says which rules are in force, remembers which were, and a host cannot roll them back by restarting."""

import asyncio
import os
import pwd
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from pfi.engine.rulebooks import (
    ACTIVATED,
    STALE,
    Candidate,
    Standing,
    TestsFailedError,
    account,
    load_set,
    read_rules,
)
from pfi.model.errors import ConfigurationError
from tests.integration.engine.rule_files import (
    FAILING_TEST,
    NO_MAIL_TO_PATIENTS,
    NO_MAIL_TO_PROFESSIONALS,
    OF_THE_FUTURE,
    candidate,
    events,
    open_store,
    put_in_force,
)


async def test_files_never_in_force_are_stored_and_put_in_force_at_start(store_url: str, tmp_path: Path) -> None:
    files = candidate(tmp_path, NO_MAIL_TO_PATIENTS)

    async with open_store(store_url) as (database, register):
        settled = await register.settle(files)
        (activation,) = await register.history(10)
        stored = await register.find(files.book.digest)
        (event,) = await events(database, ACTIVATED)

    assert settled.standing is Standing.NEW
    assert settled.activation == activation
    assert (activation.digest, activation.reason) == (files.book.digest, "démarrage")
    assert (activation.author, activation.host) == (account(), socket.gethostname())
    assert [file.name for file in stored.files] == ["regles-site.yaml", "l1111-15.yaml", "exceptions.yaml"]
    assert stored.files[0].text == NO_MAIL_TO_PATIENTS
    assert load_set(stored).digest == files.book.digest
    assert (event["digest"], event["author"], event["tests_failed"]) == (activation.digest, activation.author, 0)


@pytest.mark.parametrize("text", [NO_MAIL_TO_PATIENTS, "# Un commentaire de plus.\n" + NO_MAIL_TO_PATIENTS])
async def test_a_restart_with_the_rules_in_force_changes_nothing(store_url: str, tmp_path: Path, text: str) -> None:
    async with open_store(store_url) as (_, register):
        first = await register.settle(candidate(tmp_path, NO_MAIL_TO_PATIENTS))
        again = await register.settle(candidate(tmp_path, text))
        history = await register.history(10)

    assert again.standing is Standing.CURRENT
    assert history == (first.activation,)


async def test_many_hosts_that_start_at_once_put_the_rules_in_force_once(store_url: str, tmp_path: Path) -> None:
    files = candidate(tmp_path, NO_MAIL_TO_PATIENTS)

    async with open_store(store_url) as (_, register):
        settled = await asyncio.gather(*(register.settle(files) for _ in range(4)))
        history = await register.history(10)

    assert len(history) == 1
    assert sorted(each.standing for each in settled) == ["current", "current", "current", "new"]


async def test_files_that_were_superseded_roll_nothing_back(store_url: str, tmp_path: Path) -> None:
    old, new = candidate(tmp_path, NO_MAIL_TO_PATIENTS), candidate(tmp_path, NO_MAIL_TO_PROFESSIONALS)

    async with open_store(store_url) as (database, register):
        await register.settle(old)
        applied = await register.apply(new, "réunion du lundi")
        restarted = await register.settle(old)
        newest = (await register.history(10))[0]
        (event,) = await events(database, STALE)

    assert restarted.standing is Standing.STALE
    assert restarted.book.digest == new.book.digest
    assert restarted.book.tags == new.book.tags
    assert newest == applied.activation
    assert (event["digest"], event["in_force"]) == (old.book.digest, new.book.digest)


async def test_the_same_texts_under_the_digest_of_another_version_are_the_rules_in_force(
    store_url: str, tmp_path: Path
) -> None:
    files = candidate(tmp_path, NO_MAIL_TO_PATIENTS)

    async with open_store(store_url) as (database, register):
        await put_in_force(database, replace(files.rule_set, digest="a" * 64))
        settled = await register.settle(files)

    assert settled.standing is Standing.CURRENT
    assert settled.book.digest == "a" * 64


async def test_new_rules_whose_tests_fail_are_told_at_start_but_do_not_stop_an_engine(
    store_url: str, tmp_path: Path
) -> None:
    async with open_store(store_url) as (database, register):
        settled = await register.settle(candidate(tmp_path, FAILING_TEST))
        (event,) = await events(database, ACTIVATED)

    assert settled.standing is Standing.NEW
    assert event["tests_failed"] == 1


async def test_an_engine_does_not_start_without_being_able_to_read_the_rules_in_force(
    store_url: str, tmp_path: Path
) -> None:
    files = candidate(tmp_path, NO_MAIL_TO_PATIENTS)

    async with open_store(store_url) as (database, register):
        await register.settle(files)
        await put_in_force(database, OF_THE_FUTURE)
        with pytest.raises(ConfigurationError, match="RULES_IN_FORCE_UNREADABLE") as refused:
            await register.settle(files)
        with pytest.raises(ConfigurationError, match="RULES_IN_FORCE_UNREADABLE"):
            await register.in_force()
        # The way out works: other rules are put in force.
        assert (await register.apply(files, "retour")).changed

    assert "teleportation" in refused.value.text


async def test_rules_are_applied_with_author_host_and_reason(store_url: str, tmp_path: Path) -> None:
    async with open_store(store_url) as (_, register):
        await register.settle(read_rules())
        applied = await register.apply(candidate(tmp_path, NO_MAIL_TO_PATIENTS), "réunion du lundi")
        history = await register.history(10)
        in_force = await register.in_force()

    assert applied.changed
    assert [each.reason for each in history] == ["réunion du lundi", "démarrage"]
    assert history[0] == applied.activation
    assert history[0].author == account()
    assert in_force is not None
    assert in_force[0] == applied.activation
    assert in_force[1].digest == applied.activation.digest


async def test_rules_that_are_in_force_are_not_applied_twice(store_url: str, tmp_path: Path) -> None:
    files = candidate(tmp_path, NO_MAIL_TO_PATIENTS)

    async with open_store(store_url) as (_, register):
        first = await register.apply(files, "")
        second = await register.apply(files, "")
        history = await register.history(10)

    assert (first.changed, second.changed) == (True, False)
    assert history == (first.activation,)


async def test_rules_whose_tests_fail_are_not_applied(store_url: str, tmp_path: Path) -> None:
    async with open_store(store_url) as (_, register):
        await register.settle(read_rules())
        with pytest.raises(TestsFailedError) as refused:
            await register.apply(candidate(tmp_path, FAILING_TEST), "")
        assert len(await register.history(10)) == 1

    assert [each.name for each in refused.value.report.failures] == ["faux"]


async def test_wrong_files_change_nothing(store_url: str, tmp_path: Path) -> None:
    async with open_store(store_url) as (_, register):
        await register.settle(read_rules())
        with pytest.raises(ConfigurationError, match=r"regles-site\.yaml:2:1"):
            await register.apply(candidate(tmp_path, "kind: site\ntagz: []\n"), "")
        assert len(await register.history(10)) == 1


async def test_earlier_rules_are_put_back_in_force(store_url: str, tmp_path: Path) -> None:
    old, new = candidate(tmp_path, NO_MAIL_TO_PATIENTS), candidate(tmp_path, NO_MAIL_TO_PROFESSIONALS)

    async with open_store(store_url) as (_, register):
        await register.settle(old)
        await register.apply(new, "")
        before = await register.before()
        await register.apply(Candidate(load_set(before), before), "retour")
        history = await register.history(10)

    assert [each.digest for each in history] == [old.book.digest, new.book.digest, old.book.digest]


async def test_a_set_is_found_by_the_beginning_of_its_digest(store_url: str, tmp_path: Path) -> None:
    files = candidate(tmp_path, NO_MAIL_TO_PATIENTS)

    async with open_store(store_url) as (database, register):
        await register.settle(files)
        assert (await register.find(files.book.digest[:8].upper())).digest == files.book.digest
        for beginning, code in (("0" * 12, "RULE_SET_UNKNOWN"), ("abc", "RULE_SET_AMBIGUOUS")):
            with pytest.raises(ConfigurationError, match=code):
                await register.find(beginning)
        await put_in_force(database, replace(OF_THE_FUTURE, digest="f" * 63 + "0"))
        await put_in_force(database, OF_THE_FUTURE)
        with pytest.raises(ConfigurationError, match="RULE_SET_AMBIGUOUS"):
            await register.find("f" * 10)


async def test_a_store_without_any_engine_has_no_rules_in_force(store_url: str) -> None:
    async with open_store(store_url) as (_, register):
        assert await register.in_force() is None
        with pytest.raises(ConfigurationError, match="RULE_SET_UNKNOWN"):
            await register.before()


def test_files_of_the_same_name_keep_both_texts(tmp_path: Path) -> None:
    for name, text in (("nord", NO_MAIL_TO_PATIENTS), ("sud", NO_MAIL_TO_PROFESSIONALS)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "site.yaml").write_text(text, encoding="utf-8")

    files = read_rules([tmp_path / "nord" / "site.yaml", tmp_path / "sud" / "site.yaml"]).rule_set.files

    assert [file.name for file in files[:2]] == ["1-site.yaml", "2-site.yaml"]
    assert [file.text for file in files[:2]] == [NO_MAIL_TO_PATIENTS, NO_MAIL_TO_PROFESSIONALS]


@pytest.mark.parametrize(("content", "said"), [(None, "FILE_UNREADABLE"), (b"kind: site # \xe9\n", "FILE_ENCODING")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "site.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=said) as refused:
        read_rules([path])

    assert str(path) in refused.value.text


def test_the_author_is_the_account_and_the_person_behind_sudo() -> None:
    name = pwd.getpwuid(os.getuid()).pw_name

    assert account({}) == name
    assert account({"SUDO_USER": name}) == name
    assert account({"SUDO_USER": "alice"}) == f"{name} (sudo alice)"
