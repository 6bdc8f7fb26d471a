"""No content and no identity trait in a log line, whatever happens to a message."""

import json
from collections.abc import Iterator

import asyncpg
import pytest
import structlog

from pfi.engine import logs
from pfi.engine.settings import LogSettings
from pfi.model.delivery import OutcomeKind
from pfi.store import messages
from samples.generator import adt, world
from samples.generator.request import encode
from tests.integration.engine.fakes import NOT_DELIVERED, house, letter, to_everybody

SECRETS = (
    world.DOMINIQUE.matricule,
    world.DOMINIQUE.matricule[:13],
    world.DOMINIQUE.family,
    "mssante.fr",
    "thoracique",
    "Antihypertenseur",
)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["json", "console"])
async def test_logs_name_no_patient(store_url: str, capfdbinary: pytest.CaptureFixture[bytes], form: str) -> None:
    logs.configure(LogSettings.model_validate({"format": form, "level": "debug"}))
    async with house(store_url) as home:
        home.dmp.answers = [NOT_DELIVERED, ValueError(world.DOMINIQUE.matricule)]
        home.mail.answers = [to_everybody(OutcomeKind.REFUSED, "550")]
        await home.accept(encode(adt.segments(adt.EVENTS[0])))
        await home.accept(letter())
        await home.accept(letter())
        await home.accept(letter("M2").replace(b"|2.6|", b"|2.9|"))
        await home.accept(b"PID|1||" + world.DOMINIQUE.matricule.encode())
        await home.until(DMP="delivered")
    out, written = capfdbinary.readouterr()
    text = (out + written).decode()
    assert "attempt_ended" in text
    for secret in SECRETS:
        assert secret not in text
    if form == "json":
        events = [json.loads(line) for line in written.splitlines() if line.startswith(b"{")]
        assert {"accepted", "attempt_ended", "duplicate", "connector_bug"} <= {event["event"] for event in events}
        assert all(event["timestamp"] and event["level"] and event["room"] for event in events)


async def test_an_error_of_the_store_quotes_no_value(
    store_url: str, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise asyncpg.ConnectionDoesNotExistError(f"lost while writing {world.DOMINIQUE.matricule}")

    logs.configure(LogSettings.model_validate({"format": "json"}))
    async with house(store_url) as home:
        monkeypatch.setattr(messages, "accept", away)
        await home.accept(letter())
    _, written = capfdbinary.readouterr()
    assert b"store_away" in written
    assert world.DOMINIQUE.matricule.encode() not in written
