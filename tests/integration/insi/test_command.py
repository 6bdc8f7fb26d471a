"""`pfi insi`: what an operator sees of a verification."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from click.testing import CliRunner

from connectors.sandbox.faults import Fault, FaultKind, Service
from connectors.sandbox.sandbox import Sandbox
from pfi.cli.main import cli
from pfi.model.errors import PfiError
from samples.generator import documents
from samples.generator.clinical_document import write
from tests.contract.dmp_peer import settled
from tests.integration.engine.fakes import letter

MATRICULE = "279035121518989"
SAMPLES = Path(__file__).parents[3] / "samples"


@dataclass(frozen=True)
class Ran:
    """How a command ended; `err` is what `pfi` says of one of our errors."""

    code: int
    out: str
    err: str = ""


def pfi(*arguments: str) -> Ran:
    """Runs a command in this process, with a wide terminal."""
    try:
        result = CliRunner().invoke(cli, list(arguments), env={"COLUMNS": "220"})
    finally:
        structlog.reset_defaults()  # the command sent logs to a standard error that is gone
    if isinstance(result.exception, PfiError):
        return Ran(2, result.stdout, f"{result.exception.code} {result.exception.text} {result.exception.next_step}")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ran(result.exit_code, result.stdout)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox in a thread of its own: the command runs its own event loop."""
    ready, over = threading.Event(), threading.Event()
    built: list[Sandbox] = []

    async def serve() -> None:
        async with Sandbox(tmp_path_factory.mktemp("sandbox")) as started:
            built.append(started)
            ready.set()
            await asyncio.to_thread(over.wait)
        await settled()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield built[0]
    over.set()
    thread.join(30)


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Path:
    verification = {"connector": "insi", "settings": sandbox.configuration()["insi"]}
    path = tmp_path / "pfi.yaml"
    path.write_text(yaml.safe_dump({"ins": {"environment": "test", "verification": verification}}))
    return path


def verify(config: Path, raw: bytes, *options: str) -> Ran:
    message = config.parent / "message.hl7"
    message.write_bytes(raw)
    return pfi("insi", "verify", str(message), "--config", str(config), *options)


def test_a_confirmed_identity_is_told_in_french_with_code_0(config: Path) -> None:
    ran = verify(config, letter())
    assert ran.code == 0, ran.err
    assert "Identité confirmée (INSI_00)" in ran.out
    assert MATRICULE not in ran.out
    assert "PAT-TROIS" not in ran.out


def test_a_contradicted_identity_is_told_with_code_1(config: Path, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.INSI, FaultKind.REFUSE, code="01", times=2))
    ran = verify(config, letter())
    assert (ran.code, "Identité contredite (INSI_01)" in ran.out) == (1, True)


def test_machines_get_json(config: Path, sandbox: Sandbox) -> None:
    sandbox.faults.order(Fault(Service.INSI, FaultKind.TEMPORARY))
    ran = verify(config, letter(), "--json")
    assert ran.code == 1
    said = json.loads(ran.out)
    assert (said["kind"], said["code"]) == ("unavailable", "insi_102")
    assert said["text"]


def test_a_bare_document_is_verified_too(config: Path) -> None:
    assert verify(config, write(documents.discharge_letter("verified"))).code == 0


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        ("messages/identite-provisoire-matricule-dans-le-cda.hl7", "INSI_NO_INS"),
        ("adt/a03-sortie.hl7", "MESSAGE_NOT_USABLE"),
        ("bad/document-absent.hl7", "MESSAGE_NOT_USABLE"),
    ],
)
def test_what_holds_no_identity_to_verify_is_told(config: Path, sandbox: Sandbox, sample: str, code: str) -> None:
    before = len(sandbox.insi.calls)
    ran = verify(config, (SAMPLES / sample).read_bytes())
    assert (ran.code, ran.err.split()[0]) == (2, code)
    assert len(sandbox.insi.calls) == before


@pytest.mark.parametrize("reliability", [b"PROV", b"VALI~DOUT", b"VALI~FICT"])
def test_an_identity_that_is_not_qualified_is_never_asked_about(
    config: Path, sandbox: Sandbox, reliability: bytes
) -> None:
    before = len(sandbox.insi.calls)
    ran = verify(config, letter().replace(b"|N|VALI", b"|N|" + reliability))
    assert (ran.code, ran.err.split()[0]) == (2, "INS_NOT_QUALIFIED")
    assert len(sandbox.insi.calls) == before


def test_a_check_reaches_the_teleservice_without_any_patient(config: Path, sandbox: Sandbox) -> None:
    before = len(sandbox.insi.calls)
    ran = pfi("insi", "check", "--config", str(config))
    assert ran.code == 0
    assert ran.out.count("✔") == 2
    assert len(sandbox.insi.calls) == before


def test_a_check_that_fails_says_why(config: Path) -> None:
    content: dict[str, Any] = yaml.safe_load(config.read_text())
    content["ins"]["verification"]["settings"]["url"] = "https://127.0.0.1:9/lps"
    config.write_text(yaml.safe_dump(content))
    ran = pfi("insi", "check", "--config", str(config))
    assert (ran.code, "injoignable" in ran.out) == (1, True)


def test_without_the_section_the_command_says_what_to_add(config: Path) -> None:
    config.write_text(yaml.safe_dump({"ins": {"environment": "test"}}))
    ran = verify(config, letter())
    assert (ran.code, ran.err.split()[0]) == (2, "INSI_NOT_CONFIGURED")
    assert "ins.verification" in ran.err
