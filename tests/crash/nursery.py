"""Processes to be killed, forked from one that has imported what they run: a life costs its work, not its imports.

The nursery itself is `python -m tests.crash.nursery MODULE...`. Each line that it reads holds the arguments of one life
(JSON), for `live` of the first module; it writes the number of the process, what that one prints, and `ended` once it
is dead.
"""

import asyncio
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Self

_ROOT = Path(__file__).parents[2]
_ENDED = b"ended\n"


class Nursery:
    """One life at a time, each a process of its own."""

    def __init__(self, *modules: str) -> None:
        """The first module has `live`; the others are imported beforehand."""
        self._modules = modules
        self._process: asyncio.subprocess.Process | None = None
        self._life = 0

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "tests.crash.nursery", *self._modules)
        self._process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdin=pipe, stdout=pipe)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if self._life:
            await self.kill()
        self._process.stdin.close()
        await self._process.wait()

    async def start(self, *arguments: str) -> str:
        """A new process; the first line that it prints."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments).encode() + b"\n")
        self._life = int(await self._line())
        return (await self._line()).decode().strip()

    async def kill(self) -> None:
        """SIGKILL; the process is dead afterwards."""
        life, self._life = self._life, 0
        os.kill(life, signal.SIGKILL)
        while await self._line() != _ENDED:
            pass

    async def _line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert line, "the nursery is dead"
        return line


def _fork(module: str, *others: str) -> None:
    live = importlib.import_module(module).live
    for other in others:
        importlib.import_module(other)
    while line := sys.stdin.readline():
        life = os.fork()
        if life == 0:
            print(os.getpid(), flush=True)
            live(*json.loads(line))
        os.waitpid(life, 0)
        print(_ENDED.decode(), end="", flush=True)


if __name__ == "__main__":
    _fork(*sys.argv[1:])
