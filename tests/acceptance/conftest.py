"""What acceptance tests share."""

from collections.abc import Callable, Iterator

import pytest
import structlog

from pfi.cli import main as entry
from tests.acceptance.running import Home, open_home


@pytest.fixture(autouse=True)
def _logs_restored() -> Iterator[None]:
    """Commands send logs to the standard error of their time, which the next test does not have."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the `pfi` command as the entry point does; returns its exit code and what it said on standard error."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["pfi", *arguments])
        with pytest.raises(SystemExit) as ended:
            entry.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    """One engine and one sandbox for the whole session. Mark modules `xdist_group("running")` so that there is one."""
    with open_home() as opened:
        yield opened
