"""How the directory asks its service: seldom, not too fast, again when it is worth it, and every way to fail."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.annuaire import AnnuaireServer, Trouble
from connectors.sandbox.annuaire_register import Box, Professional
from connectors.sandbox.certificates import Certificates
from pfi.engine.connector import Away, Found
from pfi.model.errors import ConfigurationError
from tests.contract.annuaire_pair import NO_MAILBOX, OWN, TWO_PLACES, Pair, address, code, paired


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture
async def pair(certificates: Certificates, tmp_path: Path) -> AsyncIterator[Pair]:
    async with paired(certificates, tmp_path) as both:
        yield both


async def test_an_answer_is_kept_a_day_when_found_and_an_hour_when_not(pair: Pair) -> None:
    async with pair.opened() as directory:
        for who in (OWN, NO_MAILBOX, f"8{OWN}", f"8{NO_MAILBOX}"):
            await directory.resolve(who)
        assert len(pair.server.requests) == 2
        pair.clock.now += timedelta(hours=2)
        for who in (OWN, NO_MAILBOX):
            await directory.resolve(who)
        assert len(pair.server.requests) == 3
        pair.clock.now += timedelta(hours=23)
        await directory.resolve(OWN)
        assert len(pair.server.requests) == 4


async def test_the_memory_is_bounded(pair: Pair) -> None:
    async with pair.opened(cache={"entries": 1}) as directory:
        for who in (OWN, NO_MAILBOX, OWN):
            await directory.resolve(who)
    assert len(pair.server.requests) == 3


async def test_those_who_ask_at_once_share_one_request(pair: Pair) -> None:
    async with pair.opened() as directory:
        told = await asyncio.gather(*(directory.resolve(OWN) for _ in range(20)))
    assert len(pair.server.requests) == 1
    assert {address(each) for each in told} == {"docteur.essai@medecin.mssante.fr"}


async def test_many_questions_at_once_are_spread_over_time(pair: Pair) -> None:
    pair.server.quota = 1000  # what matters here is when we ask, not when a busy machine hears it
    people = [Professional(f"9990001{n:04}", "X", (Box(f"x{n}@medecin.mssante.fr"),)) for n in range(24)]
    pair.server.register.people += people
    started = time.monotonic()
    async with pair.opened() as directory:
        told = await asyncio.gather(*(directory.resolve(each.rpps) for each in people))
    assert all(isinstance(each, Found) for each in told)
    assert time.monotonic() - started > 23 / 17


async def test_a_busy_service_is_asked_again_when_it_says_so(pair: Pair) -> None:
    pair.server.trouble.append(Trouble(429, 2, "0"))
    assert address(await pair.resolved(OWN, attempts=3)) == "docteur.essai@medecin.mssante.fr"
    assert len(pair.server.requests) == 3


async def test_the_retry_after_of_a_date_is_understood(pair: Pair) -> None:
    pair.server.trouble.append(Trouble(503, 1, "Thu, 05 Mar 2026 09:05:00 GMT"))
    told = await pair.resolved(OWN, attempts=3)
    assert isinstance(told, Away)
    assert told.retry_after == 300.0


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_failure_is_tried_again_then_told(pair: Pair, status: int) -> None:
    pair.server.trouble.append(Trouble(status, 1))
    assert isinstance(await pair.resolved(OWN, attempts=2), Found)
    pair.server.trouble.append(Trouble(status, 2))
    assert code(await pair.resolved(OWN, attempts=2)) == "ANNUAIRE_FAILED"


async def test_a_long_wait_is_left_to_the_engine(pair: Pair) -> None:
    pair.server.trouble.append(Trouble(429, 1, "600"))
    told = await pair.resolved(OWN, attempts=3)
    assert told == Away("ANNUAIRE_BUSY", "L'Annuaire Santé demande d'attendre (quota).", 600.0)
    assert len(pair.server.requests) == 1


async def test_nobody_asks_for_a_while_after_a_failure_and_failures_are_not_remembered(pair: Pair) -> None:
    pair.server.trouble.append(Trouble(500))
    async with pair.opened(pause_seconds=30) as directory:
        assert code(await directory.resolve(OWN)) == "ANNUAIRE_FAILED"
        assert code(await directory.resolve(TWO_PLACES)) == "ANNUAIRE_FAILED"
        assert len(pair.server.requests) == 1
        pair.clock.now += timedelta(seconds=31)
        assert isinstance(await directory.resolve(OWN), Found)


async def test_a_service_that_never_answers_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: Any) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(AnnuaireServer, "_answer", hangs)
    assert code(await pair.resolved(OWN, timeouts={"read": 0.2})) == "ANNUAIRE_TIMEOUT"
    assert code(await pair.resolved(OWN, timeouts={"total": 0.3})) == "ANNUAIRE_TIMEOUT"


@pytest.mark.parametrize(("status", "expected"), [(200, "ANNUAIRE_ANSWER_UNREADABLE"), (302, "ANNUAIRE_REFUSED")])
async def test_an_empty_answer_and_a_redirection_are_refused(pair: Pair, status: int, expected: str) -> None:
    pair.server.trouble.append(Trouble(status))
    assert code(await pair.resolved(OWN)) == expected


async def test_a_refused_key_is_told_and_shown_nowhere(pair: Pair) -> None:
    (pair.folder / "key").write_text("wrong-key-4711")
    async with pair.opened() as directory:
        told = await directory.resolve(OWN)
        (result,) = await directory.check()
    assert code(told) == "ANNUAIRE_KEY_REFUSED"
    assert not result.ok
    shown = f"{told} {result} {pair.settings()} {pair.settings().model_dump()}"
    assert "wrong-key-4711" not in shown


@pytest.mark.parametrize("key", ["a\nb", "clé"])
async def test_a_key_that_cannot_be_a_header_is_refused_at_start(pair: Pair, key: str) -> None:
    (pair.folder / "key").write_text(key)
    with pytest.raises(ConfigurationError, match="ANNUAIRE_KEY_UNUSABLE"):
        async with pair.opened():
            pass


async def test_an_operation_outcome_becomes_a_french_sentence_that_quotes_nothing(pair: Pair) -> None:
    pair.server.page = 1
    pair.server.register.structures.clear()
    async with pair.opened(url=f"{pair.server.url.removesuffix('/fhir/v2')}/nowhere/v2") as directory:
        told = await directory.resolve(OWN)
    assert isinstance(told, Away)
    assert told.text == "L'Annuaire Santé a refusé la requête (HTTP 410, recherche non prise en charge)."


async def test_an_unknown_authority_or_a_closed_port_is_away(
    pair: Pair, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Certificates(tmp_path_factory.mktemp("stranger"))
    assert code(await pair.resolved(OWN, ca=stranger.ca)) == "ANNUAIRE_CERTIFICATE"
    assert code(await pair.resolved(OWN, ca=None)) == "ANNUAIRE_CERTIFICATE"
    await pair.server.stop()
    assert code(await pair.resolved(OWN)) == "ANNUAIRE_UNREACHABLE"
