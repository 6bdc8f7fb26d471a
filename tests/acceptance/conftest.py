"""What acceptance tests share."""

from collections.abc import Callable

import pytest

from pfi.cli import main as entry


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the `pfi` command as the entry point does; returns its exit code and what it said on standard error."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["pfi", *arguments])
        with pytest.raises(SystemExit) as ended:
            entry.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return run
