"""`pfi mail` and `pfi show` of received mails, beside an engine and a sandbox that really run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from connectors.sandbox.operator.mailboxes import APPLICATION_MAILBOX
from pfi.cli.demo import write_configuration_of
from pfi.model.submission import Orders
from tests.acceptance.running import Ran, eventually, pfi
from tests.integration.mailroom.post import SENDER, a_mail
from tests.stores import open_directory

pytestmark = pytest.mark.xdist_group("running")

WANTED: Final = {"Disposition_Notification_To": SENDER}
MASKED: Final = Orders(masque_ps=True)
MATRICULE: Final = "279035121518989"


@dataclass(frozen=True)
class MailRoom:
    """An engine that reads the application mailbox of a sandbox."""

    config: Path
    mailbox: Path
    control: str
    numbers: Iterator[int]

    def receive(self, raw: bytes) -> int:
        """Puts a mail into the mailbox; its number in the journal, once it was taken."""
        known = {row["message_id"] for row in self.list()}
        path = self.mailbox / f"9{next(self.numbers):05d}.eml"
        path.with_suffix(".tmp").write_bytes(raw)
        path.with_suffix(".tmp").rename(path)
        new: set[int] = eventually(lambda: {row["message_id"] for row in self.list()} - known)
        (number,) = new
        return number

    def run(self, *arguments: str) -> Ran:
        return pfi(*arguments, "--config", str(self.config))

    def list(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run("mail", "list", "--json", *arguments).json
        return found

    def until(self, number: int, state: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            (row,) = (row for row in self.list() if row["message_id"] == number)
            return row if row["state"] == state else None

        found: dict[str, Any] = eventually(reached)
        return found

    def order(self, path: str, body: dict[str, Any], method: str = "POST") -> None:
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.control}/{path}", data, headers, method=method)  # noqa: S310 - loopback
        urllib.request.urlopen(request).close()  # noqa: S310 - loopback

    def filed(self) -> int:
        with urllib.request.urlopen(f"{self.control}/state") as answer:  # noqa: S310 - loopback
            return len(json.load(answer)["filed"])


@pytest.fixture(scope="module")
def room() -> Iterator[MailRoom]:
    directory = open_directory("pfi-mail-room-")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        found = stack.enter_context(
            _running(directory / "sandbox.log", "sandbox", "--directory", str(directory / "s"), "--json")
        )
        config = directory / "pfi.yaml"
        account = {**found["mssante"], "imap": {"port": found["imap"]["port"]}}
        mailbox = Path(account.pop("reports_folder"))
        dpi = {"connector": "mllp", "settings": {"host": found["dpi"]["host"], "port": found["dpi"]["port"]}}
        reception = {
            "consumers": [{"name": "dpi", **dpi, "application": "DPI"}],
            "routes": [{"consumer": "dpi", "types": ["18748-4"]}],
            "first_seconds": 0.2,
            "max_attempts": 3,
        }
        write_configuration_of(config, {**found, "mssante": account}, retry_seconds=0.2, reception=reception)
        stack.enter_context(_running(directory / "engine.log", "run", "--config", str(config), "--ports"))
        opened = MailRoom(config, mailbox, found["control"]["url"], count(1))
        opened.order(f"mailboxes/{SENDER}", {"state": "open"}, "PUT")
        yield opened


def test_a_masked_document_waits_and_is_released(room: MailRoom) -> None:
    number = room.receive(a_mail(1, orders=MASKED, headers=WANTED))
    before = room.filed()
    shown = room.run("show", str(number)).out
    assert f"courriel (document) d'un correspondant de ch-exemple.mssante.fr pour {APPLICATION_MAILBOX}" in shown
    assert "Document masqué aux professionnels" in shown
    assert "MSH-10" not in shown
    assert "notification (MDN)" in shown
    assert f"« pfi mail release {number} » remet" in shown
    assert f"Décision à prendre pour : {number}." in room.run("mail", "list", "--state", "open").out
    assert room.until(number, "open")["documents"] == [{"line": "", "state": "held", "code": "MASKED"}]
    released = room.run("mail", "release", str(number))
    assert (released.code, released.out) == (0, "1 document libéré : un moteur en marche le remet.\n")
    room.until(number, "integrated")
    assert "Décision à prendre" not in room.run("mail", "list").out + room.run("show", str(number)).out
    assert room.filed() == before + 1
    again = room.run("mail", "release", str(number))
    assert (again.code, again.err) == (1, "Rien n'attend dans ce courriel.\n")


def test_a_document_is_dismissed_and_its_sender_is_told(room: MailRoom) -> None:
    number = room.receive(a_mail(2, orders=MASKED, headers=WANTED))
    assert room.run("mail", "dismiss", str(number)).out == "1 document écarté.\n"
    room.until(number, "refused")
    (answer,) = (row for row in _handovers(room, number) if row["kind"] == "mail")
    eventually(lambda: _handovers(room, number)[1]["state"] == "delivered")
    assert answer["recipient"] == SENDER


def test_what_the_dpi_refused_is_tried_again(room: MailRoom) -> None:
    room.order("faults", {"service": "dpi", "kind": "refuse", "code": "902", "match": {"event": "T02"}})
    number = room.receive(a_mail(3, headers=WANTED))
    assert room.until(number, "refused")["code"] == "902"
    shown = room.run("show", str(number)).out
    assert "État : refusé 902 : Identifiant patient inconnu" in shown
    assert room.run("mail", "retry", str(number)).out == "1 remise retentée.\n"
    room.until(number, "integrated")


def test_the_list_is_read_by_people_and_by_machines(room: MailRoom) -> None:
    number = room.receive(b"From: a@ch-exemple.mssante.fr\r\nSubject: Bonjour\r\nMessage-ID: <x@y>\r\n\r\nMerci.\r\n")
    environment = {**os.environ, "COLUMNS": "160"}
    command = [sys.executable, "-m", "pfi.cli", "mail", "list", "--state", "kept", "--config", str(room.config)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=60)
    assert "à voir" in ran.stdout
    assert "MAIL_OTHER" in ran.stdout
    assert APPLICATION_MAILBOX in ran.stdout
    assert [row["message_id"] for row in room.list("--state", "kept")] == [number]
    assert "État : à voir MAIL_OTHER" in room.run("show", str(number)).out


def test_what_does_not_exist_is_said(room: MailRoom) -> None:
    for command in ("release", "dismiss", "retry"):
        ran = room.run("mail", command, "999999")
        assert (ran.code, ran.err) == (1, "Aucun courriel reçu ne porte ce numéro.\n")


def test_no_trait_of_the_patient_is_in_the_log(room: MailRoom) -> None:
    room.until(room.receive(a_mail(4)), "integrated")
    log = (room.config.parent / "engine.log").read_text()
    assert not [word for word in (MATRICULE, "PAT-TROIS", "DOMINIQUE") if word in log]


def _handovers(room: MailRoom, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = room.run("show", str(number), "--json").json["handovers"]
    return found


@contextmanager
def _running(log: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """A `pfi` command whose first line of output is JSON."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PFI_")}
    command = [sys.executable, "-m", "pfi.cli", *arguments]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process,
    ):
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            assert first, log.read_text()
            yield json.loads(first)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
