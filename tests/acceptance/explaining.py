"""Runs `pfi explain` as an integrator does."""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from pfi.cli.main import cli
from samples.generator import world

SAMPLES = Path(__file__).parents[2] / "samples"


def explain(path: Path, *options: str) -> dict[str, Any]:
    """The object printed by `pfi explain --json`."""
    result = CliRunner().invoke(cli, ["explain", str(path), "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@functools.cache
def explain_sample(name: str, *options: str) -> dict[str, Any]:
    """The same for `samples/<name>.hl7`, explained once a process: not to be changed."""
    return explain(SAMPLES / f"{name}.hl7", *options)


def actions(explained: dict[str, Any]) -> dict[str, str]:
    """channel -> action, all renditions agreeing."""
    found: dict[str, str] = {}
    for decision in explained["decisions"]:
        assert found.setdefault(decision["channel"], decision["action"]) == decision["action"]
    return found


def codes(explained: dict[str, Any]) -> set[str]:
    """Codes of the findings."""
    return {finding["code"] for finding in explained["findings"]}


def texts(explained: dict[str, Any]) -> Iterator[str]:
    """Every sentence that is meant for a person."""
    for error in explained["ack"]["errors"]:
        yield error["text"]
    for decision in explained["decisions"]:
        yield from (reason["text"] for reason in decision["because"])
    for finding in explained["findings"]:
        yield finding["text"]


def traits_in(text: str) -> list[str]:
    """Traits of the patients of the samples, and of their documents, that stand in a text."""
    return [trait for trait in TRAITS if re.search(rf"(?<![\w-]){re.escape(trait)}(?![\w-])", text)]


TRAITS = sorted(
    {
        trait
        for person in world.PATIENTS
        for trait in (
            person.matricule,
            person.m13,
            person.family,
            *person.givens.split(),
            person.birth_date,
            person.address.street,
            person.birth_city,
            person.mailbox,
        )
    }
)
