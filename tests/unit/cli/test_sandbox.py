"""`pfi sandbox`: each service listens where the command line says."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.sandbox import __main__ as program
from connectors.sandbox.sandbox import Ports, Sandbox
from pfi.cli.main import cli


def test_each_port_option_is_that_of_its_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Ports] = []

    class Noted(Sandbox):
        def __init__(self, *arguments: Any, ports: Ports, **others: Any) -> None:
            asked.append(ports)

    async def serve(sandbox: Sandbox, **others: Any) -> None:
        """Starts nothing."""

    monkeypatch.setattr("connectors.sandbox.sandbox.Sandbox", Noted)
    monkeypatch.setattr(program, "serve", serve)
    names = ("dmp", "smtp", "dpi", "dpi-tls", "control", "insi", "imap", "annuaire")
    options = [word for number, name in enumerate(names, start=1) for word in (f"--{name}-port", str(number))]
    result = CliRunner().invoke(cli, ["sandbox", "--directory", str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    expected = {name.replace("-", "_"): number for number, name in enumerate(names, start=1)}
    assert asked == [Ports(**expected)]
