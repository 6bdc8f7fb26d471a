"""JSON Schema of rule files, for editors: `schemas/rules.schema.json` (`pfi rules schema` writes it again)."""

import json
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from pfi.routing import rulefile
from pfi.routing.rulefile import RuleFile


def rules_schema() -> dict[str, Any]:
    """The schema as plain values: one of the kinds of file, told apart by `kind`."""
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[RuleFile, Field(discriminator="kind")])
    schema = adapter.json_schema(by_alias=True)
    for name, definition in schema["$defs"].items():
        if not hasattr(rulefile, name) and definition.get("type") == "string":  # a word of the model, not of the rules
            definition.pop("description", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Règles de routage de la PFI",
        **schema,
    }


def rules_schema_text() -> str:
    """The schema as written to the file."""
    return json.dumps(rules_schema(), ensure_ascii=False, indent=2) + "\n"
