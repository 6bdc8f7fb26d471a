"""The tutorial for authors of rules does what it says: its own commands, in their order, print what it shows."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pfi.engine.rulebooks import account
from tests.stores import open_directory

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial-rules.md"
ANYTHING = "[...]"
_BLOCK = re.compile(r"(<!-- second terminal -->\n)?```console\n(.*?)```", re.DOTALL)
_BOX = re.compile(r"[─━┏┳┓┡╇┩└┴┘├┼┤]+")


@dataclass(frozen=True)
class Command:
    """One command and the lines that the page shows under it; `other`: typed in the second terminal."""

    text: str
    shown: tuple[str, ...]
    other: bool


def commands() -> list[Command]:
    found: list[Command] = []
    for second, block in _BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        typed: list[str] = []
        shown: list[str] = []
        for line in [*block.splitlines(), "$ "]:
            if line.startswith("$ ") and typed:
                found.append(Command("\n".join(typed), tuple(shown), bool(second)))
                typed, shown = [], []
            if line.startswith(("$ ", "> ")):
                typed.append(line[2:])
            else:
                shown.append(line)
    return found


class Terminal:
    """A shell that stays open, as the reader's does."""

    def __init__(self, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PFI_")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env={**kept, "PATH": path, "COLUMNS": "80", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def type(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f'(exit ${{code-0}})\n{command}\ncode=$?; echo "@END $code"\n')
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the terminal was closed"
        return line.rstrip("\n")

    def run(self, command: str) -> tuple[int, list[str]]:
        """Exit code and lines of a command."""
        self.type(command)
        printed = []
        while not (line := self.line()).startswith("@END "):
            printed.append(line)
        return int(line.removeprefix("@END ")), printed


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    opened = Terminal(folder)
    try:
        yield opened
    finally:
        # The shell and what it left running.
        os.killpg(opened.process.pid, signal.SIGTERM)
        opened.process.communicate(timeout=30)


def neutral(line: str) -> str:
    """The line without what changes from one machine and one moment to the next."""
    line = re.sub(rf"(?<!\w){re.escape(account())}(?!\w)", "pfi", line)
    line = re.sub(rf"(?<!\w){re.escape(socket.gethostname())}(?!\w)", "srv-pfi", line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "EMPREINTE", line)
    line = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", "DATE", line)
    return line.rstrip()


def assert_shown(shown: tuple[str, ...], printed: list[str]) -> None:
    """Text is the same line by line but where the page skips; of tables, the words are, since cells wrap as names of
    machines make them."""
    pattern = "".join(_pattern(neutral(line)) for line in shown if not _table(line))
    told = "".join(f"{neutral(line)}\n" for line in printed if not _table(line))
    assert re.fullmatch(pattern, told), f"shown:\n{pattern}\nprinted:\n{told}"
    expected, actual = _words(shown), _words(printed)
    assert not expected - actual, expected - actual
    if ANYTHING not in shown:
        assert expected == actual


def _pattern(line: str) -> str:
    """`[...]` alone skips lines, none included; within a line, characters."""
    if line == ANYTHING:
        return "(?s:.*)"
    return re.escape(line).replace(re.escape(ANYTHING), ".*") + "\n"


def _table(line: str) -> bool:
    return bool(_BOX.match(line)) or line.startswith(("│", "┃"))


def _words(lines: tuple[str, ...] | list[str]) -> Counter[str]:
    rows = [neutral(line) for line in lines if line.startswith(("│", "┃"))]
    return Counter(word for row in rows for word in re.split(r"[\s│┃]+", row) if word)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.timeout(400)
def test_the_tutorial_can_be_followed_to_its_end() -> None:
    folder, port = open_directory("pfi-tutorial-"), str(free_port())
    (folder / "samples").symlink_to(ROOT / "samples")
    (folder / "routing_rules").symlink_to(ROOT / "routing_rules")
    followed = commands()
    assert len(followed) > 15
    try:
        with terminal(folder) as first, terminal(folder) as second:
            for number, command in enumerate(followed):
                text = command.text.replace("2575", port)
                shown = tuple(line.replace("2575", port) for line in command.shown)
                if command.other and shown:
                    # The engine stays: it has said that it is ready.
                    second.type(text)
                    assert_shown(shown, [second.line() for _ in shown])
                    continue
                code, printed = (second if command.other else first).run(text)
                asked = number + 1 < len(followed) and followed[number + 1].text == "echo $?"
                assert asked or code == 0, (text, printed)
                if shown or not printed:
                    assert_shown(shown, printed)
                else:
                    pytest.fail(f"{text} prints what the page does not show: {printed}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_readme_leads_to_the_tutorial() -> None:
    assert "docs/tutorial-rules.md" in (ROOT / "README.md").read_text(encoding="utf-8")
