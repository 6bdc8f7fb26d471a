"""Structured logs: one event per step, with ids only.

No content of a message and no identity trait may ever be an argument of a log call: ids of rows, codes, counts,
durations. `tests/integration/engine/test_logs.py` greps for the contrary.
"""

import logging
import sys
from typing import Any, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from pfi.engine.settings import LogSettings

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(settings: LogSettings) -> None:
    """Chooses format and level for the whole process. Events go to standard error."""
    level = _LEVELS[settings.level]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.format == "json":
        structlog.configure(
            processors=[*shared, structlog.processors.JSONRenderer(serializer=_dump)],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
            cache_logger_on_first_use=False,
        )
    else:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=False,
        )
    # Libraries say little, and never with arguments of ours: warnings only.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def get_logger(room: str) -> FilteringBoundLogger:
    """A logger whose events carry the name of the room that speaks."""
    return cast(FilteringBoundLogger, structlog.get_logger(room=room))


def _dump(value: Any, **_: Any) -> bytes:
    return orjson.dumps(value, default=str)
