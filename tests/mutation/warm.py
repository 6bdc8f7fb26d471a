"""Processes that have imported everything, collected every test, and wait for faults.

For a fault in the body of a function it is enough to give the function its faulty code in a process forked from here,
and to read again what tests share (the book of rules): ten times as fast as `session.run_tests`. A fault that lives
here although its line runs at import is tried there too.
"""

import contextlib
import functools
import gc
import inspect
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.mutation.operators import Mutant, mutated
from tests.mutation.session import Child, Selection, finished, options, start


@dataclass(slots=True)
class WarmProcess:
    """One such process. It carries out one job at a time."""

    child: Child
    to: int
    heard: bytes = field(default=b"")

    def submit(self, mutant: Mutant, path: str, tests: Sequence[str], limit: float, *, afresh: bool) -> None:
        """Asks for the tests, in this order, up to the first failure. `afresh`: what tests share is read again."""
        job = {"module": mutant.module, "number": mutant.number, "scope": mutant.scope, "path": path, "afresh": afresh}
        os.write(self.to, json.dumps({**job, "tests": list(tests), "limit": limit}).encode() + b"\n")

    def answer(self) -> Mapping[str, Any] | None:
        """What came out, `None` while it works; `cold` when the fault cannot be put there."""
        with contextlib.suppress(BlockingIOError):
            part = os.read(self.child.pipe, 1 << 16)
            if not part:
                raise RuntimeError("a process that waits for faults has died")
            self.heard += part
        if not self.heard.endswith(b"\n"):
            return None
        told: Mapping[str, Any] = json.loads(self.heard)
        self.heard = b""
        return told

    def dismiss(self) -> None:
        """No more jobs. One of two processes holds the line of the other: dismiss all, then wait for all."""
        os.close(self.to)

    def wait(self) -> None:
        """Until it has ended."""
        while finished(self.child) is None:
            time.sleep(0.05)


def warm_process(tests: str) -> WarmProcess:
    """Starts one; it is ready when it answers its first job."""
    reading, writing = os.pipe()
    told, telling = os.pipe()

    def serve() -> Mapping[str, Any]:
        os.close(writing)
        os.close(told)
        with os.fdopen(reading, "rb") as jobs, os.fdopen(telling, "wb") as answers:
            pytest.main([*options(), tests], plugins=[_Server(jobs, answers)])
        return {}

    child = start(serve, float("inf"))
    os.close(reading)
    os.close(telling)
    os.close(child.pipe)
    os.set_blocking(told, False)
    child.pipe = told
    return WarmProcess(child, writing)


def read_what_tests_share() -> None:
    """Calls what tests keep for one another (a book of rules read once)."""
    for each in _shared():
        with contextlib.suppress(TypeError):
            each()


def _shared() -> list["functools._lru_cache_wrapper[Any]"]:
    modules = [each for name, each in sys.modules.items() if name.startswith("tests.unit")]
    values = [value for module in modules for value in list(vars(module).values())]
    return [value for value in values if isinstance(value, functools._lru_cache_wrapper)]


class _Server(Selection):
    def __init__(self, jobs: Any, answers: Any) -> None:
        super().__init__()
        self._jobs, self._answers = jobs, answers
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        read_what_tests_share()
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and str(each.__module__).startswith("pfi."):
                code = each.__code__
                place = (each.__module__, code.co_qualname, code.co_firstlineno)
                self._functions.setdefault(place, []).append(each)
        gc.collect()
        gc.freeze()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        for line in self._jobs:
            job = json.loads(line)
            chosen = [items[name] for name in job["tests"] if name in items]
            child = start(functools.partial(self._tried, job, chosen), job["limit"])
            while (told := finished(child)) is None:
                time.sleep(0.003)
            self._answers.write(json.dumps(dict(told)).encode() + b"\n")
            self._answers.flush()
        return True

    def _tried(self, job: Mapping[str, Any], items: Sequence[pytest.Item]) -> Mapping[str, Any]:
        code = _function_code(job["path"], job["number"], job["scope"])
        if code is None:
            return {"cold": True}
        functions = self._functions.get((job["module"], code.co_qualname, code.co_firstlineno), [])
        if not functions or any(len(each.__code__.co_freevars) != len(code.co_freevars) for each in functions):
            return {"cold": True}
        for each in functions:
            each.__code__ = code
        if job["afresh"]:
            for shared in _shared():
                shared.cache_clear()
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                break
        return {"code": int(bool(self.failed)), "failed": self.failed, "ran": self.ran}


def _function_code(path: str, number: int, scope: str) -> CodeType | None:
    """The code of the outermost function that has the fault; `None` when no function has it."""
    code = compile(mutated(Path(path).read_text(encoding="utf-8"), number), path, "exec", dont_inherit=True)
    for name in scope.split("."):
        inner = [each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name]
        if len(inner) != 1:
            return None
        code = inner[0]
        if code.co_flags & inspect.CO_OPTIMIZED:
            return code
    return None
