"""Processes that validate documents beside the event loop: Saxon holds the interpreter's lock for tens of milliseconds.

Each worker has one process, made by `forkserver`, and one thread of ours that talks to it. A process that dies or that
takes too long is replaced and the document given once more; twice is a failure of the validation, not of the document.
"""

import asyncio
import contextlib
import multiprocessing
import queue
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from pfi.engine.logs import get_logger
from pfi.model.errors import ConfigurationError
from pfi.standards.cda.validator import DocumentValidator, Validated

_LOG: Final = get_logger("validation")
_TRIES: Final = 2
_START_SECONDS: Final = 120.0


class ValidationFailedError(Exception):
    """The worker died or was too slow, twice: nothing is known of the document."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker validates with; `seconds` is the longest that one document may take."""

    pack: Path
    cache: Path
    accept_incomplete: bool
    seconds: float


class ValidationWorkers:
    """A fixed number of workers, started at the first document or by `start`."""

    def __init__(self, settings: WorkerSettings, count: int) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="pfi-validate")
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers = [_Worker(settings) for _ in range(count)]
        for worker in self._workers:
            self._idle.put(worker)

    def start(self) -> None:
        """Starts the processes and their compilations, without waiting for them."""
        for worker in self._workers:
            self._threads.submit(worker.start)

    def close(self) -> None:
        """Ends the processes; documents under way are given up."""
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def validate(self, content: bytes) -> Validated:
        """Validates a document. Raises ConfigurationError (the pack), ValidationFailedError."""
        future: Future[Validated] = self._threads.submit(self._validate, content)
        return await asyncio.wrap_future(future)

    def _validate(self, content: bytes) -> Validated:
        worker = self._idle.get()
        try:
            return worker.validate(content)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process and the pipe to it. Methods are called from one thread at a time, but `stop`."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        with self._lock:
            if self._closed or (self._process is not None and self._process.is_alive()):
                return
            context = multiprocessing.get_context("forkserver")
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self._settings), name="pfi-validation", daemon=True)
            process.start()
            theirs.close()
            self._process, self._pipe = process, ours

    def validate(self, content: bytes) -> Validated:
        for _ in range(_TRIES):
            try:
                return self._ask(content)
            except (EOFError, OSError) as error:
                _LOG.warning("worker_lost", error=type(error).__name__)
                self._kill()
        raise ValidationFailedError

    def stop(self) -> None:
        self._closed = True
        self._kill()

    def _ask(self, content: bytes) -> Validated:
        new = self._process is None
        self.start()
        pipe = self._pipe
        if pipe is None:
            raise ValidationFailedError
        pipe.send_bytes(content)
        if not pipe.poll(self._settings.seconds + (_START_SECONDS if new else 0.0)):
            raise TimeoutError
        answer = pipe.recv()
        if isinstance(answer, Validated):
            return answer
        if isinstance(answer, str):
            _LOG.error("validation_bug", error=answer)
            raise ValidationFailedError
        code, text, next_step = answer
        raise ConfigurationError(code, text, next_step)

    def _kill(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            pipe, self._pipe = self._pipe, None
        if process is not None:
            process.kill()
            process.join(5)
        if pipe is not None:
            pipe.close()


def _validated(validator: DocumentValidator, content: bytes) -> Validated | str:
    """The name of the error for a defect of ours: the next document must not wait for a new process because of it."""
    try:
        return validator.validate(content)
    except Exception as error:
        return type(error).__name__


def _serve(pipe: Connection, settings: WorkerSettings) -> None:
    """The life of a worker process: documents in, findings out, until the engine goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the engine
    problem: ConfigurationError | None = None
    validator: DocumentValidator | None = None
    try:
        validator = DocumentValidator(settings.pack, settings.cache, accept_incomplete=settings.accept_incomplete)
        validator.warm_up()
    except ConfigurationError as error:
        problem = error
    with contextlib.suppress(EOFError, OSError):
        while True:
            content = pipe.recv_bytes()
            if problem is None and validator is not None:
                pipe.send(_validated(validator, content))
            elif problem is not None:
                pipe.send((problem.code, problem.text, problem.next_step))
