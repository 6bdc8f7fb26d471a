"""A store with a few documents in it, and the command line of its operator."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from click.testing import CliRunner, Result

from pfi.cli.main import cli
from tests.integration.engine.fakes import House, house

TERMINAL = 80


@dataclass(frozen=True)
class Office:
    """Runs commands on one store, in a terminal of 80 columns."""

    url: str
    config: Path

    @classmethod
    def opened(cls, url: str, folder: Path) -> "Office":
        config = folder / "pfi.yaml"
        config.write_text(
            "data_dir: ./data\n"
            "ins: {environment: test}\n"
            "senders:\n"
            "  - {name: dpi, match: {application: DPI}}\n"
            "destinations:\n"
            "  dmp: {connector: dmp, channels: [DMP]}\n"
            "  mssante: {connector: mssante, channels: [PRO, CIT]}\n",
            encoding="utf-8",
        )
        return cls(url, config)

    def run(self, *words: str) -> Result:
        try:
            return CliRunner().invoke(
                cli,
                [*words, "--config", str(self.config)],
                env={"COLUMNS": str(TERMINAL), "PFI_DATABASE_URL": self.url},
            )
        finally:
            structlog.reset_defaults()

    def json(self, *words: str) -> Any:
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def fill(self, work: Callable[[House], Coroutine[Any, Any, None]]) -> None:
        """Lets an engine of this store work, then stops it."""

        async def engine() -> None:
            async with house(self.url) as home:
                await work(home)

        asyncio.run(engine())
