"""The log of an engine that has seen every sample: a story told with ids, and nothing of a patient."""

import base64
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from samples.generator import world
from samples.generator.catalogue import all_samples
from tests.acceptance.explaining import TRAITS
from tests.acceptance.running import OPEN_STATES, SAMPLES, Home, eventually, open_home

pytestmark = pytest.mark.xdist_group("running")


@pytest.fixture(scope="module")
def told(home: Home) -> dict[str, str]:
    """Sends every sample, waits for the end of everything, returns the logs of the engine and of PostgreSQL."""
    home.send(*(sample.file for sample in all_samples()))

    def quiet() -> bool:
        lines = home.run("messages", "--limit", "1000", "--json").json
        return not any(state in OPEN_STATES for line in lines for _, state, _ in line["deliveries"])

    eventually(quiet)
    size = -1
    while size != (size := home.log.stat().st_size):
        time.sleep(1.0)
    postgres = home.directory / "data/postgres/log"
    return {
        "engine": home.log.read_text(),
        "sandbox": (home.directory / "sandbox.log").read_text(),
        "postgres": "".join(path.read_text() for path in postgres.glob("*.log")),
    }


def events(told: dict[str, str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told["engine"].splitlines()]


def secrets() -> Iterator[str]:
    """What no log may hold: traits, mailboxes, titles, pieces of the bodies."""
    yield from (trait for trait in TRAITS if len(trait) > 4)
    yield from world.MAILBOXES
    yield from (world.FAMILY_DOCTOR.family, world.UNKNOWN_DOCTOR.mailbox, "mssante.fr")
    yield from ("Lettre de liaison", "examens biologiques", "Hémoglobine", "coronarien", "ClinicalDocument")
    for path in sorted((SAMPLES / "messages").glob("*.hl7")):
        for coded in re.findall(rb"\^Base64\^([A-Za-z0-9+/]{200,})", path.read_bytes()):
            yield coded[:24].decode()
            yield coded[100:124].decode()
            yield base64.b64decode(coded[:80])[:40].decode("utf-8", "ignore")


def test_no_log_names_a_patient_or_quotes_a_document(told: dict[str, str]) -> None:
    for source in ("engine", "postgres"):
        for secret in secrets():
            assert secret not in told[source], f"{source}: {secret}"


def test_no_short_given_name_stands_alone_in_the_log(told: dict[str, str]) -> None:
    words = set(re.findall(r"[\w-]+", told["engine"]))
    assert words.isdisjoint(trait for trait in TRAITS if len(trait) <= 4)


def test_the_log_is_one_object_a_line_with_an_event_a_room_and_a_moment(told: dict[str, str]) -> None:
    found = events(told)
    assert found
    for event in found:
        assert {"event", "level", "timestamp", "room"} <= set(event)


def test_each_message_accepted_is_one_event_with_its_number(told: dict[str, str], home: Home) -> None:
    numbers = [event["message"] for event in events(told) if event["event"] == "accepted"]
    stored = {line["id"] for line in home.run("messages", "--limit", "1000", "--json").json}
    assert len(numbers) == len(set(numbers))
    assert stored >= set(numbers)


def test_each_attempt_and_each_report_is_one_event_with_its_id(told: dict[str, str]) -> None:
    attempts = [(event["delivery"], event["attempt"]) for event in events(told) if event["event"] == "attempt_ended"]
    assert len(attempts) == len(set(attempts)) > 20
    reports = [event["ack"] for event in events(told) if event["event"] == "ack_ended"]
    assert len(reports) == len(set(reports)) > 20
    named = {each for event in events(told) if event["event"] == "accepted" for each in event["deliveries"]}
    assert named


def test_a_duplicate_is_told(told: dict[str, str]) -> None:
    assert any(event["event"] == "duplicate" for event in events(told))


def test_nothing_went_wrong_unexpectedly(told: dict[str, str]) -> None:
    assert [event for event in events(told) if event["level"] in ("error", "critical")] == []


def test_an_engine_that_stops_says_so_and_leaves_no_process_behind() -> None:
    with open_home() as home:
        home.send("adt/a03-sortie.hl7")
        pid = int((home.directory / "data/postgres/postmaster.pid").read_text().split()[0])
        opened = home.log.open("rb")
    with opened:
        last = [json.loads(line) for line in opened.read().splitlines()]
    assert last[-1]["event"] == "stopped"
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
