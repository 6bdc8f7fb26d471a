"""`python -m tests.mutation`: mutation testing of the rooms that decide (see docs/mutation.md)."""

import argparse
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.mutation.baseline import Baseline, measure
from tests.mutation.operators import Mutant, mutants
from tests.mutation.report import write_report
from tests.mutation.results import Fate, Ledger, Result
from tests.mutation.session import Child, finished, preload, run_tests, start
from tests.mutation.warm import WarmProcess, warm_process

ROOMS: Final = {"pfi/identity": "tests/unit/identity", "pfi/routing": "tests/unit/routing"}
LEDGER: Final = Path("out/mutants.json")
REPORT: Final = Path("docs/mutation.md")
REASONS: Final = Path("tests/mutation/survivors.yaml")
_STAGES: Final = ((1.0, 3), (8.0, 99), (float("inf"), 99))
"""Seconds of tests, and files, of each attempt: what survives one is tried with the further tests of the next."""
_PATIENCE: Final = 20.0
_QUICK: Final = 0.2
"""A test of fewer seconds that has seen many faults runs first."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    mutant: Mutant
    source: str
    path: str
    stage: int = 0
    cold: bool = False
    survived: frozenset[str] = frozenset()
    """The tests that have already let it live."""


def main() -> int:
    """Runs what is asked for; 1 when a room is under the threshold."""
    arguments = _arguments()
    os.environ["CI"] = "1"  # the same examples each time
    os.environ["PFI_ANS_DIR"] = "absent"  # the figures must not depend on samples that are not ours
    ledger = Ledger(LEDGER)
    every = {path: (source, mutants(_module(path), source)) for path, source in _sources()}
    for room, tests in ROOMS.items():
        asked = [path for path in every if path.startswith(f"{room}/") and _is_asked(path, arguments.paths)]
        attempts = [
            _Attempt(mutant, every[path][0], path)
            for path in asked
            for mutant in every[path][1]
            if _is_to_try(ledger.known(every[path][0], mutant), arguments.again)
        ]
        if attempts and not arguments.report:
            _run(room, tests, attempts, ledger, arguments.processes)
            ledger.save(source for source, _ in every.values())
    results = {
        path: [known for mutant in found if (known := ledger.known(source, mutant)) is not None]
        for path, (source, found) in every.items()
    }
    missing = sum(len(found) for _, found in every.values()) - sum(len(known) for known in results.values())
    scores = write_report(
        REPORT, REASONS, results, list(ROOMS), {path: len(found) for path, (_, found) in every.items()}
    )
    for room, score in scores.items():
        print(f"{room}: {score:.1%}")
    if missing:
        print(f"{missing} mutants not tried yet")
    return int(any(score < arguments.threshold for score in scores.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("paths", nargs="*", help="modules or folders (default: all of both rooms)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--again", choices=("survivors", "all"), help="try again what was tried before")
    parser.add_argument("--report", action="store_true", help="only write docs/mutation.md again")
    parser.add_argument("--threshold", type=float, default=0.9)
    return parser.parse_args()


def _sources() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted(Path(room).rglob("*.py")):
            yield str(path), path.read_text(encoding="utf-8")


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _is_asked(path: str, asked: Sequence[str]) -> bool:
    return not asked or any(path == each or path.startswith(f"{each.rstrip('/')}/") for each in asked)


def _is_to_try(known: Result | None, again: str | None) -> bool:
    return known is None or again == "all" or (again == "survivors" and known.fate is Fate.SURVIVED)


class _Crew:
    """The processes at work: `processes` at most, warm ones where they will do."""

    def __init__(self, tests: str, baseline: Baseline, processes: int) -> None:
        self._baseline = baseline
        self._idle = [warm_process(tests) for _ in range(processes)]
        self._processes = processes
        self.working: list[tuple[_Attempt, list[str], WarmProcess | Child]] = []

    @property
    def has_room(self) -> bool:
        return len(self.working) < self._processes

    def begin(self, attempt: _Attempt, chosen: list[str], left: bool) -> None:
        """Tries a fault with these tests; `left`: others could see it too."""
        limit = _PATIENCE + 6 * sum(self._baseline.durations[name] for name in chosen)
        mutant = attempt.mutant
        worker: WarmProcess | Child
        if attempt.cold:
            files = sorted({name.partition("::")[0] for name in chosen})
            worker = start(partial(run_tests, files, chosen, (mutant.module, mutant.number)), limit)
        else:
            worker = self._idle.pop()
            afresh = self._baseline.runs_at_import(mutant, attempt.path)
            worker.submit(mutant, attempt.path, chosen, limit, afresh=afresh)
        self.working.append((attempt, chosen if left else [], worker))

    def ended(self) -> Iterator[tuple[_Attempt, list[str], Mapping[str, Any]]]:
        """The attempts that have come to an end, the tests that have let the fault live if others are left."""
        still: list[tuple[_Attempt, list[str], WarmProcess | Child]] = []
        working, self.working = self.working, still
        for attempt, passed, worker in working:
            told = worker.answer() if isinstance(worker, WarmProcess) else finished(worker)
            if told is None:
                still.append((attempt, passed, worker))
                continue
            if isinstance(worker, WarmProcess):
                self._idle.append(worker)
            yield attempt, passed, told

    def close(self) -> None:
        for each in self._idle:
            each.dismiss()
        for each in self._idle:
            each.wait()


def _run(room: str, tests: str, attempts: list[_Attempt], ledger: Ledger, processes: int) -> None:
    began = time.monotonic()
    baseline = measure(room, tests, LEDGER.parent)
    for name in baseline.failing:
        print(f"fails without any fault, left out: {name}", file=sys.stderr)
    preload(baseline.modules)
    crew = _Crew(tests, baseline, processes)
    print(f"{room}: {len(attempts)} mutants, {len(baseline.durations)} tests", flush=True)
    counts: Counter[Fate] = Counter()
    killers: Counter[str] = Counter()
    waiting = deque(attempts)
    while waiting or crew.working:
        while waiting and crew.has_room:
            attempt = waiting.popleft()
            seeing = [name for name in baseline.tests_for(attempt.mutant, attempt.path) if name not in attempt.survived]
            seeing.sort(key=lambda each: -killers[each] / (0.02 + baseline.durations[each]))
            chosen = _portion(seeing, attempt.stage, baseline)
            if chosen:
                crew.begin(attempt, chosen, len(chosen) < len(seeing))
            else:
                _note(ledger, counts, attempt, Fate.SURVIVED, "")
        for attempt, passed, told in crew.ended():
            if "cold" in told:
                waiting.append(replace(attempt, cold=True))
                continue
            fate, by = _fate(attempt, told)
            killers[by] += baseline.durations.get(by, 1.0) < _QUICK
            if fate is Fate.SURVIVED and passed:
                waiting.append(replace(attempt, stage=attempt.stage + 1, survived=attempt.survived.union(passed)))
                continue
            if fate is Fate.SURVIVED and not attempt.cold and baseline.runs_at_import(attempt.mutant, attempt.path):
                waiting.append(replace(attempt, stage=1, survived=frozenset(), cold=True))
                continue
            _note(ledger, counts, attempt, fate, by)
            if sum(counts.values()) % 50 == 0:
                ledger.save(source for _, source in _sources())
                _tell(counts, len(attempts), began)
        time.sleep(0.005)
    crew.close()
    _tell(counts, len(attempts), began)


def _portion(tests: list[str], stage: int, baseline: Baseline) -> list[str]:
    """The tests of one stage, at least one."""
    budget, most_files = _STAGES[stage]
    chosen: list[str] = []
    files: set[str] = set()
    for name in tests:
        file = name.partition("::")[0]
        if file not in files and len(files) == most_files:
            continue
        budget -= baseline.durations[name]
        if chosen and budget < 0:
            break
        files.add(file)
        chosen.append(name)
    return chosen


def _fate(attempt: _Attempt, told: Mapping[str, Any]) -> tuple[Fate, str]:
    if "timed_out" in told:
        return Fate.TIMED_OUT, ""
    match told.get("code"):
        case 0:
            return Fate.SURVIVED, ""
        case 1:
            return Fate.KILLED, str(told["failed"])
        case 2:
            return Fate.KILLED, "import"
        case _:
            raise RuntimeError(f"{attempt.mutant.key}: {dict(told)}")


def _note(ledger: Ledger, counts: Counter[Fate], attempt: _Attempt, fate: Fate, by: str) -> None:
    counts[fate] += 1
    ledger.add(attempt.source, Result(attempt.mutant, fate, by))
    if fate is Fate.SURVIVED:
        mutant = attempt.mutant
        print(f"survived {attempt.path}:{mutant.line} {mutant.before} -> {mutant.after}", flush=True)


def _tell(counts: Counter[Fate], total: int, began: float) -> None:
    tried = sum(counts.values())
    told = ", ".join(f"{counts[fate]} {fate}" for fate in Fate)
    print(f"{tried}/{total} after {time.monotonic() - began:.0f} s: {told}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
