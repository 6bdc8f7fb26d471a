"""Named SQL: the statements live in `queries/*.sql`, each under a line `-- name: <name>`."""

import functools
import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@functools.cache
def load(noun: str) -> Mapping[str, str]:
    """The statements of `queries/<noun>.sql`, by name. Raises ValueError when a name is given twice."""
    text = resources.files("pfi.store").joinpath("queries", f"{noun}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    names, statements = parts[::2], parts[1::2]
    if len(set(names)) < len(names):
        raise ValueError(f"queries/{noun}.sql names a statement twice")
    return MappingProxyType({name: statement.strip() for name, statement in zip(names, statements, strict=True)})
