"""The operator's desk on the store of a configuration, for one command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pfi.engine import logs
from pfi.engine.configuration import Configuration
from pfi.engine.desk import Desk, open_desk
from pfi.engine.settings import LogSettings

Result = TypeVar("Result")


def at_desk(configuration: Configuration, work: Callable[[Desk], Awaitable[Result]]) -> Result:
    """What `work` gives, done on an open store that is closed after; only warnings are logged.

    Raises ConfigurationError.
    """
    logs.configure(LogSettings(level="warning"))

    async def run() -> Result:
        async with open_desk(configuration) as desk:
            return await work(desk)

    return asyncio.run(run())
