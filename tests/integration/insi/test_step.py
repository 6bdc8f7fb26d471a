"""A verification confirms or stops: what it does to each channel, and what it never does."""

import json
import subprocess
import sys
from typing import Any

import pytest

from pfi.engine.configuration import Configuration
from pfi.engine.runner import Engine
from pfi.model.decision import Channel
from pfi.model.errors import ConfigurationError
from samples.generator.request import Flags, Kind
from tests.integration.engine.fakes import FAST, UNKNOWN, House, eventually, house, letter
from tests.integration.insi.homes import CONFIRMED, CONTRADICTED, UNAVAILABLE, UNDECIDED, VerifyingHouse, verifying

ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)


def detail(row: dict[str, Any]) -> dict[str, Any]:
    found = row["detail"]
    value: dict[str, Any] = json.loads(found) if isinstance(found, str) else found
    return value


async def test_a_confirmed_identity_leaves_and_is_asked_about_once(store_url: str) -> None:
    async with verifying(store_url, CONFIRMED) as home:
        assert await home.code(letter("M1")) == "AA"
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        assert await home.code(letter("M2", flags=ONLY_DMP)) == "AA"
        await home.until(DMP2="delivered")
        assert len(home.oracle.asked) == 1
        assert home.oracle.asked[0].traits.birth_name == "PAT-TROIS"
        assert home.oracle.asked[0].identifiers == ()
        assert await home.events("ins_contradicted", "ins_undecided") == []


@pytest.mark.parametrize(
    ("answer", "code", "event"),
    [(CONTRADICTED, "INS_CONTRADICTED", "ins_contradicted"), (UNDECIDED, "INS_UNDECIDED", "ins_undecided")],
)
async def test_an_identity_that_is_not_confirmed_leaves_neither_to_the_dmp_nor_to_the_citizen(
    store_url: str, answer: Any, code: str, event: str
) -> None:
    async with verifying(store_url, answer) as home:
        assert await home.code(letter()) == "AA"
        await home.until(DMP="refused", PRO="delivered", CIT="refused")
        assert home.dmp.sent == []
        assert [delivery.channel for delivery in home.mail.sent] == [Channel.PRO]
        told = await home.told(3)
        assert ("Z01", False, "", code) in told
        assert ("Z02", False, "279035121518989@patient.mssante.fr", "510") in told
        rows = await home.fetch("SELECT code, text FROM deliveries WHERE channel = 'DMP'")
        assert rows[0]["code"] == code
        assert "identitovigilance" in rows[0]["text"]
        events = await home.events(event)
        assert sorted(detail(row)["channel"] for row in events) == ["CIT", "DMP"]
        assert {detail(row)["code"] for row in events} == {answer.code}
        assert all(row["message_id"] is not None and row["delivery_id"] is not None for row in events)
        assert "PAT-TROIS" not in str(events)
        assert len(home.oracle.asked) == 1


async def test_when_the_service_is_away_the_delivery_waits_and_the_destination_stays_open(store_url: str) -> None:
    async with verifying(store_url, UNAVAILABLE, UNAVAILABLE, CONFIRMED) as home:
        assert await home.code(letter(flags=ONLY_DMP)) == "AA"
        await home.until(DMP="delivered")
        outcomes = await home.fetch("SELECT outcome, code FROM attempts ORDER BY started_at")
        assert [(row["outcome"], row["code"]) for row in outcomes] == [
            ("not_delivered", "INS_UNVERIFIED"),
            ("not_delivered", "INS_UNVERIFIED"),
            ("delivered", ""),
        ]
        assert len(home.dmp.sent) == 1
        assert await home.events("destination_stopped") == []


async def test_a_service_that_stays_away_ends_the_delivery_with_its_reason(store_url: str) -> None:
    async with verifying(store_url, UNAVAILABLE, retry={"max_attempts": 2}) as home:
        assert await home.code(letter(flags=ONLY_DMP)) == "AA"
        await home.until(DMP="failed")
        assert home.dmp.sent == []
        assert await home.told(1) == [("Z01", False, "", "INS_UNVERIFIED")]


async def test_a_site_may_send_without_an_answer_but_never_against_one(store_url: str) -> None:
    async with verifying(store_url, UNAVAILABLE, CONTRADICTED, verification={"unavailable": "send"}) as home:
        assert await home.code(letter("M1", flags=ONLY_DMP)) == "AA"
        await home.until(DMP="delivered")
        assert await home.code(letter("M2", flags=ONLY_DMP)) == "AA"
        await home.until(DMP2="refused")
        assert len(home.dmp.sent) == 1


async def test_a_sender_may_be_spared(store_url: str) -> None:
    async with verifying(store_url, CONTRADICTED, sender={"ins": {"verify": False}}) as home:
        assert await home.code(letter()) == "AA"
        await home.until(DMP="delivered", CIT="delivered")
        assert home.oracle.asked == []


async def test_a_document_is_taken_back_from_the_dmp_whatever_its_identity_has_become(store_url: str) -> None:
    async with verifying(store_url, CONFIRMED, CONTRADICTED, verification={"max_age_hours": 0}) as home:
        assert await home.code(letter("M1", key="same", flags=ONLY_DMP)) == "AA"
        await home.until(DMP="delivered")
        assert await home.code(letter("M2", key="same", kind=Kind.DELETE, flags=ONLY_DMP)) == "AA"
        await home.until(DMP2="delivered")
        assert len(home.oracle.asked) == 1


async def test_what_may_have_left_is_not_sent_again_under_a_contradicted_ins(store_url: str) -> None:
    async with verifying(store_url, CONFIRMED, CONTRADICTED, verification={"max_age_hours": 0}) as home:
        home.dmp.answers = [UNKNOWN]
        assert await home.code(letter(flags=ONLY_DMP)) == "AA"
        await home.until(DMP="failed")
        assert len(home.dmp.sent) == 1
        assert home.dmp.resolved == []
        rows = await home.fetch("SELECT code, text FROM deliveries")
        assert rows[0]["code"] == "INS_CONTRADICTED"
        assert "a pu partir" in rows[0]["text"]
        assert await home.told(1) == [("Z01", False, "", "INS_CONTRADICTED")]


async def test_what_may_have_left_is_resolved_once_the_service_answers(store_url: str) -> None:
    async with verifying(store_url, CONFIRMED, UNAVAILABLE, CONFIRMED, verification={"max_age_hours": 0}) as home:
        home.dmp.answers = [UNKNOWN]
        assert await home.code(letter(flags=ONLY_DMP)) == "AA"
        await home.until(DMP="delivered")
        assert (len(home.dmp.sent), len(home.dmp.resolved)) == (1, 1)


async def test_a_slow_service_holds_neither_the_acknowledgment_nor_the_professionals(store_url: str) -> None:
    async with verifying(store_url, CONFIRMED) as home:
        home.oracle.gate.clear()
        assert await home.code(letter()) == "AA"
        await home.until(PRO="delivered")
        assert home.dmp.sent == []
        home.oracle.gate.set()
        await home.until(DMP="delivered", CIT="delivered")


async def test_an_engine_stops_while_the_service_keeps_it_waiting(store_url: str) -> None:
    home = VerifyingHouse(store_url, CONFIRMED, verification={})
    await home.engine.start()
    home.oracle.gate.clear()
    assert await home.code(letter(flags=ONLY_DMP)) == "AA"

    async def asked() -> bool:
        return bool(home.oracle.asked)

    await eventually(asked)
    await home.engine.stop(grace=0.1)
    assert home.dmp.sent == []


# off by default


async def test_without_the_setting_nobody_is_asked(store_url: str) -> None:
    async with house(store_url) as home:
        assert await home.code(letter()) == "AA"
        await home.until(DMP="delivered", CIT="delivered")
        assert home.engine._neighbours.verifier is None
        assert home.engine._parts.verification is None


@pytest.mark.parametrize("verification", [None, {"when": "never", "connector": "insi", "settings": {"url": "faux"}}])
def test_an_engine_that_does_not_verify_builds_and_imports_nothing(verification: dict[str, Any] | None) -> None:
    settings = {"ins": {"environment": "test", "verification": verification}}
    code = (
        "import json, sys\n"
        "from pfi.engine.configuration import Configuration\n"
        "from pfi.engine.runner import Engine\n"
        "from pfi.engine.settings import Settings\n"
        "import pfi.cli.run\n"
        f"engine = Engine(Configuration(Settings.model_validate(json.loads({json.dumps(settings)!r}))))\n"
        "engine._neighbours = engine._build_neighbours()\n"
        "assert engine._neighbours.verifier is None\n"
        "assert not [name for name in sys.modules if name.startswith(('connectors.insi', 'httpx'))], 'imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, "CONFIGURATION_INVALID"),
        ({"connector": "autre"}, "CONNECTOR_UNKNOWN"),
    ],
)
async def test_a_verification_that_cannot_work_stops_the_engine_from_starting(
    store_url: str, settings: dict[str, Any], code: str
) -> None:
    home = House(store_url)
    wanted = {"environment": "test", "verification": {"when": "before_sending", **settings}}
    changed = type(home.settings).model_validate({**home.settings.model_dump(), "ins": wanted})
    engine = Engine(Configuration(changed), timings=FAST, url=store_url, connectors={}, replies={})
    with pytest.raises(ConfigurationError) as caught:
        await engine.start()
    assert caught.value.code == code


def test_a_verifier_of_another_environment_is_refused() -> None:
    home = House("")
    values = {
        "url": "https://insi.invalid/lps",
        "tls": {"certificate": "c", "key": "k", "ca": "a"},
        "issuer": "1",
        "software": {"idam": "X", "instance": "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026"},
    }
    with pytest.raises(ConfigurationError) as caught:
        Configuration(home.settings).verifier("insi", values, ("ins", "verification"))
    assert caught.value.code == "ENVIRONMENT_MISMATCH"
