"""One run of chosen tests inside a process of its own, forked from one that has imported all but the code under test.

A fork costs a few hundredths of a second, an interpreter with its imports more than a second; and each fault is met by
every line that runs at import, tables included.
"""

import gc
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, Final

import pytest
from hypothesis import Phase, settings

from tests.mutation.operators import mutated

_OPTIONS: Final = (
    "-q",
    "--no-header",
    "--tb=no",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:randomly",
    "-p",
    "no:xdist",
    "-p",
    "no:pytest_cov",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
_MEMORY: Final = 3 << 30
_CODE: Final = ("pfi.", "connectors.", "tests.", "samples.")
_STABLE: Final = ("pfi.model", "pfi.standards")


class Selection:
    """A pytest plugin: keeps the chosen tests, in the chosen order, and remembers the first that failed."""

    def __init__(self, tests: Sequence[str] = ()) -> None:
        self.rank = {name: rank for rank, name in enumerate(tests)}
        self.failed = ""
        self.ran = 0
        self.durations: dict[str, float] = {}
        self.failures: list[str] = []

    def pytest_configure(self) -> None:
        """The same examples each time; a failure is enough, its smallest example is of no use."""
        settings.register_profile(
            "seen", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
        )
        settings.load_profile("seen")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.rank:
            items[:] = sorted((each for each in items if each.nodeid in self.rank), key=lambda e: self.rank[e.nodeid])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tests that cannot be collected fail too: many fold a history when they are read."""
        if report.failed:
            self.failed = self.failed or f"{report.nodeid} (read)"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.durations[report.nodeid] = self.durations.get(report.nodeid, 0.0) + report.duration
        self.ran += report.when == "call"
        if report.failed:
            self.failures.append(report.nodeid)
            self.failed = self.failed or report.nodeid


class _Mutated(SourceFileLoader):
    """Loads a module with one of its faults."""

    number: int = 0

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        tree = mutated(self.get_data(path).decode(), self.number)
        return compile(tree, path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, number: int) -> None:
        self._module, self._number = module, number

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        loader = _Mutated(fullname, spec.loader.path)
        loader.number = self._number
        spec.loader = loader
        return spec


@dataclass(slots=True)
class Child:
    """A forked process at work, and what it has said so far."""

    pid: int
    pipe: int
    started: float
    limit: float
    said: bytes = b""


def preload(modules: Iterable[str]) -> None:
    """Imports what the tests need besides the code under test, so that no fork has to."""
    for name in modules:
        if name.startswith(_CODE) and not name.startswith(_STABLE):
            continue
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except (ImportError, AttributeError):
                continue
    gc.collect()
    gc.freeze()


def start(task: Callable[[], Mapping[str, Any]], limit: float) -> Child:
    """Forks a process that carries out the task and tells its result."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        os.set_blocking(reading, False)
        return Child(pid, reading, time.monotonic(), limit)
    os.close(reading)
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        told: Mapping[str, Any] = task()
    except BaseException as error:  # whatever a fault raises, the parent must be told
        told = {"error": f"{type(error).__name__}: {error}"[:200]}
    text = json.dumps(told).encode()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(text)
    os._exit(0)


def finished(child: Child) -> Mapping[str, Any] | None:
    """What the process told once it has ended; `None` while it works. `timed_out` when it was stopped."""
    while True:
        try:
            part = os.read(child.pipe, 1 << 16)
        except BlockingIOError:
            break
        if not part:
            break
        child.said += part
    ended, _ = os.waitpid(child.pid, os.WNOHANG)
    late = time.monotonic() - child.started > child.limit
    if not ended and not late:
        return None
    if not ended:
        os.killpg(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        os.close(child.pipe)
        return {"timed_out": True}
    while part := os.read(child.pipe, 1 << 16):
        child.said += part
    os.close(child.pipe)
    return json.loads(child.said) if child.said else {"error": "died"}


def run_tests(files: Sequence[str], tests: Sequence[str], fault: tuple[str, int] | None) -> Mapping[str, Any]:
    """Runs the tests in this process, up to the first failure, with one fault in one module."""
    if fault is not None:
        sys.meta_path.insert(0, _Finder(*fault))
    selection = Selection(tests)
    code = pytest.main([*_OPTIONS, "-x", *files], plugins=[selection])
    return {"code": int(code), "failed": selection.failed, "ran": selection.ran}


def options() -> tuple[str, ...]:
    """How pytest is called: nothing kept between runs, the order given."""
    return _OPTIONS
