"""Validation happens in processes of its own: they may die or hang, the event loop does not wait."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pfi.engine.validation_workers import ValidationFailedError, ValidationWorkers, WorkerSettings
from pfi.model.errors import ConfigurationError
from tests.unit.cda.tinypack import cda, write_pack


def worker_processes() -> list[psutil.Process]:
    """Processes that validate, found below ours: children of the fork server."""
    every = psutil.Process().children(recursive=True)
    servers = {each.pid for each in every if "forkserver" in " ".join(each.cmdline()) and each.ppid() == os.getpid()}
    return [each for each in every if each.ppid() in servers]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "pack")


@pytest.fixture
def workers(pack: Path, tmp_path: Path) -> Iterator[ValidationWorkers]:
    made = ValidationWorkers(WorkerSettings(pack, tmp_path / "cache", False, 30.0), 1)
    yield made
    made.close()


async def test_documents_are_validated_in_another_process(workers: ValidationWorkers) -> None:
    before = {each.pid for each in worker_processes()}
    assert (await workers.validate(cda())).findings == ()
    (finding,) = (await workers.validate(cda(title=""))).findings
    assert finding.code == "CDA_SCHEMATRON"
    assert len({each.pid for each in worker_processes()} - before) == 1


async def test_a_dead_worker_is_replaced_and_the_document_given_again(workers: ValidationWorkers) -> None:
    before = {each.pid for each in worker_processes()}
    await workers.validate(cda())
    (pid,) = {each.pid for each in worker_processes()} - before
    os.kill(pid, signal.SIGKILL)
    assert (await workers.validate(cda())).findings == ()
    (other,) = {each.pid for each in worker_processes()} - before - {pid}
    assert other != pid


async def test_a_worker_killed_at_work_is_replaced(workers: ValidationWorkers) -> None:
    before = {each.pid for each in worker_processes()}
    await workers.validate(cda())
    (process,) = [each for each in worker_processes() if each.pid not in before]
    process.suspend()
    under_way = asyncio.create_task(workers.validate(cda(title="")))
    await asyncio.sleep(0.1)
    process.kill()
    assert len((await under_way).findings) == 1


async def test_a_document_that_takes_too_long_twice_is_a_failure_of_the_validation(pack: Path, tmp_path: Path) -> None:
    common = pack / "schematrons/profils/structurationMinimale/ASIP-STRUCT-MIN-StrucMin.sch"
    endless = "count(for $a in 1 to 100000, $b in 1 to 100000 return hl7:title[$a + $b = 0]) = 0"
    common.write_text(common.read_text().replace("count(hl7:title[not(@nullFlavor)]) &gt;= 1", endless))
    workers = ValidationWorkers(WorkerSettings(pack, tmp_path / "cache", False, 0.5), 1)
    # The time of a start is not that of a document: the first answer may take as long as a start does.
    workers_start = "pfi.engine.validation_workers._START_SECONDS"
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(workers_start, 1.5)
            with pytest.raises(ValidationFailedError):
                await workers.validate(cda())
    finally:
        workers.close()


async def test_the_event_loop_goes_on_meanwhile(workers: ValidationWorkers) -> None:
    longest = 0.0
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not done.is_set():
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - started)

    watching = asyncio.create_task(watch())
    process = psutil.Process()
    spent = sum(process.cpu_times()[:2])
    await asyncio.gather(*(workers.validate(cda(extra=f"<x n='{n}'/>")) for n in range(60)))
    spent = sum(process.cpu_times()[:2]) - spent
    done.set()
    await watching
    assert spent < 1.0  # nothing is compiled nor validated here
    assert longest < 0.5


async def test_an_unusable_pack_is_told_at_each_document(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    (pack / "infrastructure/cda/CDA_extended.xsd").write_text("<x/>")
    workers = ValidationWorkers(WorkerSettings(pack, tmp_path / "cache", False, 30.0), 1)
    try:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="CDA_SCHEMA_UNUSABLE"):
                await workers.validate(cda())
    finally:
        workers.close()


async def test_closing_ends_the_processes(pack: Path, tmp_path: Path) -> None:
    before = {each.pid for each in worker_processes()}
    workers = ValidationWorkers(WorkerSettings(pack, tmp_path / "cache", False, 30.0), 2)
    await asyncio.gather(*(workers.validate(cda(extra=f"<x n='{n}'/>")) for n in range(8)))
    assert 1 <= len({each.pid for each in worker_processes()} - before) <= 2
    workers.close()
    workers.close()
    assert {each.pid for each in worker_processes()} <= before
    with pytest.raises(RuntimeError):
        await workers.validate(cda())
