"""An engine and a sandbox as a hospital runs them: two processes, `pfi run` and `pfi sandbox`, real sockets."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from click.testing import CliRunner

from pfi.cli.demo import write_configuration_of
from pfi.cli.main import cli
from pfi.model.errors import PfiError
from samples.generator import world
from tests.stores import open_directory

SAMPLES = Path(__file__).parents[2] / "samples"
MAX_FRAME = 1024 * 1024
FRAME_SECONDS = 1.5
OPEN_STATES = frozenset({"waiting", "queued", "in_flight", "unknown"})


@dataclass(frozen=True)
class Ran:
    """How a command ended. `err` has what `pfi` itself says of our errors."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def pfi(*arguments: str) -> Ran:
    """Runs a command in this process, with a wide terminal."""
    try:
        result = CliRunner().invoke(cli, list(arguments), env={"COLUMNS": "220"})
    finally:
        structlog.reset_defaults()  # the command sent logs to a standard error that is gone
    if isinstance(result.exception, PfiError):
        return Ran(2, result.stdout, f"{result.exception.code} {result.exception.text} {result.exception.next_step}")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def pfi_raw(*arguments: str) -> bytes:
    """The bytes that a command writes on its standard output."""
    try:
        result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    finally:
        structlog.reset_defaults()
    assert result.exit_code == 0
    return result.stdout_bytes


@dataclass(frozen=True)
class Home:
    """Where everything is. `found` is what `pfi sandbox --json` printed."""

    directory: Path
    config: Path
    port: int
    found: dict[str, Any]
    log: Path

    def run(self, command: str, *arguments: str) -> Ran:
        return pfi(command, *arguments, "--config", str(self.config))

    def send(self, *paths: Path | str) -> list[dict[str, str]]:
        """Sends files of `samples/`; the object of `pfi send --json`."""
        given = [str(SAMPLES / path) for path in paths]
        sent = pfi("send", *given, "--to", f"127.0.0.1:{self.port}", "--json")
        found: list[dict[str, str]] = sent.json
        return found

    def newest(self) -> dict[str, Any]:
        """The last message of the journal, in full."""
        (line,) = self.run("messages", "--limit", "1", "--json").json
        return self.shown(line["id"])

    def shown(self, message_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.run("show", str(message_id), "--json").json
        return found

    def settled(self, message_id: int) -> dict[str, Any]:
        """The message, once nothing of it is under way any more."""

        view: dict[str, Any] = {}

        def done() -> dict[str, Any] | None:
            nonlocal view
            view = self.shown(message_id)
            moving = [row for row in (*view["deliveries"], *view["acks"]) if row["state"] in OPEN_STATES]
            awaited = [row for row in view["recipients"] if row["dsn"] == "expected"]
            return None if moving or awaited else view

        eventually(done, told=lambda: f"{view['deliveries']} {view['acks']} {view['recipients']}")
        return view

    def state(self) -> dict[str, Any]:
        """What arrived in the sandbox."""
        with urllib.request.urlopen(f"{self.found['control']['url']}/state") as answer:  # noqa: S310 - loopback
            found: dict[str, Any] = json.load(answer)
        return found

    def open_mailbox(self, address: str) -> None:
        url = f"{self.found['control']['url']}/mailboxes/{address}"
        body = json.dumps({"state": "open"}).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT")).close()  # noqa: S310 - loopback

    def speak(self, content: bytes, *, finish: bool = False, wait: float = 6.0) -> bytes:
        """Writes raw bytes on a connection and returns what comes back until it is closed, or quiet."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(content)
            if finish:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while not received.endswith(b"\x1c\r") or finish:
                try:
                    data = connection.recv(65536)
                except TimeoutError:
                    break
                if not data:
                    break
                received += data
            return received


def eventually(found: Callable[[], Any], seconds: float = 20.0, *, told: Callable[[], str] = str) -> Any:
    """Asks again until there is something; `told` says what there was when nothing came in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


@contextmanager
def open_home() -> Iterator[Home]:
    """Starts both processes, waits until they are ready, ends them with SIGTERM."""
    directory = open_directory("pfi-acceptance-")
    domains = sorted({address.partition("@")[2] for address in world.MAILBOXES})
    options = [word for domain in domains for word in ("--domain", domain)]
    patients = str(SAMPLES / "patients.yaml")
    try:
        sandbox_log = directory / "sandbox.log"
        arguments = ["sandbox", "--directory", str(directory / "sandbox"), "--patients", patients, *options, "--json"]
        with _process(sandbox_log, *arguments) as (_, found):
            config = directory / "pfi.yaml"
            limits = {"max_frame_bytes": MAX_FRAME, "frame_seconds": FRAME_SECONDS}
            listener = {"name": "hopital", "source": "mllp", "settings": {"port": 0, "limits": limits}}
            write_configuration_of(
                config, found, retry_seconds=0.2, listeners=[listener], logs={"format": "json", "level": "debug"}
            )
            log = directory / "engine.log"
            with _process(log, "run", "--config", str(config), "--ports") as (_, ports):
                yield Home(directory, config, ports["hopital"], found, log)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _process(log: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, Any]]]:
    """A `pfi` command whose first line of output is JSON. Standard error goes to a file."""
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
            yield process, json.loads(first)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()[-2000:]
