"""Runs `pfi explain` as an integrator does."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from pfi.cli.main import cli


def explain(path: Path, *options: str) -> dict[str, Any]:
    """The object printed by `pfi explain --json`."""
    result = CliRunner().invoke(cli, ["explain", str(path), "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def actions(explained: dict[str, Any]) -> dict[str, str]:
    """channel -> action, all renditions agreeing."""
    found: dict[str, str] = {}
    for decision in explained["decisions"]:
        assert found.setdefault(decision["channel"], decision["action"]) == decision["action"]
    return found
