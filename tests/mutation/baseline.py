"""The tests as they are without any fault: how long each takes, and which lines each runs."""

import functools
import hashlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import coverage
import pytest

from tests.mutation.operators import Mutant
from tests.mutation.session import Selection, finished, options, start
from tests.mutation.warm import read_what_tests_share

_AT_IMPORT: Final = ""
_LIMIT: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """`durations` of the tests that pass, in seconds; `lines`: by file and line, the tests that run it; `modules`: what
    a run imports; `failing`: tests that fail without any fault, which are left out."""

    durations: Mapping[str, float]
    lines: Mapping[str, Mapping[int, frozenset[str]]]
    modules: tuple[str, ...]
    failing: tuple[str, ...]

    def runs_at_import(self, mutant: Mutant, path: str) -> bool:
        """Whether the changed line runs before any test does."""
        by_line = self.lines.get(path, {})
        return any(_AT_IMPORT in by_line.get(line, ()) for line in mutant.lines)

    def tests_for(self, mutant: Mutant, path: str) -> list[str]:
        """The tests that may see a fault, the most likely and the fastest first.

        What runs at import may be seen by any test of the room; the rest, by those that run the line.
        """
        by_line = self.lines.get(path, {})
        direct = {test for line in mutant.lines for test in by_line.get(line, ()) if test in self.durations}
        at_import = self.runs_at_import(mutant, path)
        near = {test for tests in by_line.values() for test in tests if test in self.durations} if at_import else set()
        far = set(self.durations) if at_import else set()
        own = Path(path).stem.removesuffix("file").strip("_")  # `sitefile.py` in `test_site_files.py`
        return [
            test
            for group in (direct, near - direct, far - near - direct)
            for test in sorted(group, key=lambda each: (own not in each.partition("::")[0], self.durations[each], each))
        ]


class _Contexts(Selection):
    """Tells coverage which test runs. What tests share (a book of rules read once) counts as read at import."""

    def __init__(self, measure: coverage.Coverage) -> None:
        super().__init__()
        self._measure = measure

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        read_what_tests_share()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._measure.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._measure.switch_context(_AT_IMPORT)


def measure(package: str, tests: str, kept: Path) -> Baseline:
    """Runs all the tests of a room once, without fault. What comes out is kept in a folder until a file changes."""
    digest = _digest(package, tests)
    memory = kept / f"mutants-{Path(package).name}.json"
    if memory.is_file() and (known := json.loads(memory.read_text(encoding="utf-8")))["digest"] == digest:
        told: Mapping[str, Any] = known
    else:
        told = {**_measured_apart(package, tests), "digest": digest}
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(told), encoding="utf-8")
    names: Sequence[str] = told["tests"]
    lines = {
        path: {int(line): frozenset(names[each] for each in ranks) for line, ranks in by_line.items()}
        for path, by_line in told["lines"].items()
    }
    failing = frozenset(told["failing"])
    durations = {name: value for name, value in told["durations"].items() if name not in failing}
    return Baseline(durations, lines, tuple(told["modules"]), tuple(sorted(failing)))


def _measured_apart(package: str, tests: str) -> Mapping[str, Any]:
    child = start(functools.partial(_measured, package, tests), _LIMIT)
    while (told := finished(child)) is None:
        time.sleep(0.1)
    if not told.get("durations"):
        raise RuntimeError(f"the tests cannot be run: {told.get('error', 'none could be read')}")
    return told


def _digest(*folders: str) -> str:
    """Of all the texts of these folders."""
    texts = (path.read_bytes() for folder in folders for path in sorted(Path(folder).rglob("*.py")))
    return hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in texts)).hexdigest()


def _measured(package: str, tests: str) -> Mapping[str, Any]:
    counting = coverage.Coverage(data_file=None, config_file=False, include=[f"{package}/*"])
    contexts = _Contexts(counting)
    counting.start()
    pytest.main([*options(), tests], plugins=[contexts])
    counting.stop()
    ranks: dict[str, int] = defaultdict(lambda: len(ranks))
    lines: dict[str, dict[int, list[int]]] = {}
    data = counting.get_data()
    for path in data.measured_files():
        by_line = data.contexts_by_lineno(path)
        relative = str(Path(path).relative_to(Path.cwd()))
        lines[relative] = {line: [ranks[each] for each in told] for line, told in by_line.items()}
    return {
        "durations": contexts.durations,
        "failing": contexts.failures,
        "lines": lines,
        "tests": list(ranks),
        "modules": list(sys.modules),
    }
