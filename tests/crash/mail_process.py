"""An engine in a process of its own, to be killed (see `nursery`).

As `pfi run` makes it of its settings (JSON), with the connectors that they name; only its delays are shorter.
"""

import asyncio
from pathlib import Path

from pfi.engine import logs
from pfi.engine.configuration import Configuration
from pfi.engine.context import Timings
from pfi.engine.runner import Engine
from pfi.engine.settings import LogSettings, Settings

_TIMINGS = Timings(lease=1.0, beat=0.2, attempt=10, forgotten=2, poll=0.5, collect=0.1, store_retry=0.1)


async def serve(settings: Settings, url: str) -> None:
    engine = Engine(Configuration(settings), timings=_TIMINGS, url=url)
    await engine.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def live(settings: str, url: str) -> None:
    """`settings`: path of a file of JSON. Prints `ready` once it reads its mailbox."""
    logs.configure(LogSettings(level="error"))
    asyncio.run(serve(Settings.model_validate_json(Path(settings).read_bytes()), url))
