"""Runs the typesetter (Typst) on the template: PDF/A-1a, embedded fonts only, no file and no network."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

import typst

from pfi.model.errors import BugError

STANDARD: Final = "a-1a"
"""PDF/A-1 (MSSanté digest §4.6), level A: tagged, so that it can be read aloud."""
MISSING: Final = "\ufffd"
"""Shown in place of a character that no embedded font has."""

_MAX_TRIES: Final = 20
_NOT_SHOWN: Final = re.compile(r"the text `\"(.+?)\"` could not be displayed", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\u\{([0-9a-fA-F]+)\}|\\(.)", re.DOTALL)
_COMMON: Final = re.compile(
    "[^\\n -~\u00a0-\u024f\u0370-\u03ff\u2010-\u2027\u202f-\u205e\u20ac\u2122\u2190-\u21ff\u2200-\u22ff\ufffd\u200b]"
)
"""What is given up when characters cannot be found one by one: all but Latin, Greek, punctuation, arrows, operators."""
_NOTE: Final = (
    "Certains caractères de ce document ne peuvent pas être imprimés ; ils sont remplacés par le signe « \ufffd ». "
    "Le document CDA joint fait foi."
)


def typeset(values: Mapping[str, Any], moment: datetime) -> bytes:
    """The PDF of the template filled with `values`; the same arguments give the same bytes.

    Blocks for milliseconds to seconds without holding the interpreter lock: call it from a thread. Raises BugError.
    """
    timestamp = moment.astimezone(UTC).replace(microsecond=0)
    shown = dict(values)
    unknown: set[str] = set()
    for attempt in range(_MAX_TRIES):
        try:
            return _compile(json.dumps(shown), timestamp)
        except typst.TypstError as error:
            missing = set(_characters(error)) - {MISSING}
            if not missing or attempt == _MAX_TRIES - 1:
                raise BugError("PDF_NOT_RENDERED", "La copie PDF d'un document n'a pas pu être produite.") from None
            unknown |= missing
            last_chance = attempt == _MAX_TRIES - 2
            shown = _without(values, _COMMON if last_chance else re.compile(f"[{re.escape(''.join(sorted(unknown)))}]"))
            shown["notes"] = [*shown["notes"], _NOTE]
    raise AssertionError


def _compile(data: str, timestamp: datetime) -> bytes:
    pdf = typst.compile(
        _template(),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"data": data},
        format="pdf",
        pdf_standards=[STANDARD],
        timestamp=timestamp,
    )
    return bytes(pdf)


def _characters(error: typst.TypstError) -> str:
    found = _NOT_SHOWN.findall(f"{error.message}\n{error.diagnostic}")
    return "".join(_ESCAPE.sub(lambda each: chr(int(each[1], 16)) if each[1] else each[2], text) for text in found)


def _without(value: Any, unknown: re.Pattern[str]) -> Any:
    match value:
        case str():
            return unknown.sub(MISSING, value)
        case Mapping():
            return {key: _without(each, unknown) for key, each in value.items()}
        case list() | tuple() if not value or not isinstance(value[0], int):
            return [_without(each, unknown) for each in value]
    return value


@cache
def _template() -> bytes:
    return (files("pfi.standards.pdf") / "template.typ").read_bytes()


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
