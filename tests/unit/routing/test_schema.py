"""Editors complete rule files with a schema that never lags behind the models."""

from pathlib import Path

from pfi.routing.rulefile import FILE_KINDS
from pfi.routing.schema import rules_schema, rules_schema_text

SCHEMA = Path(__file__).resolve().parents[3] / "schemas" / "rules.schema.json"


def test_the_schema_file_is_the_one_of_the_models() -> None:
    assert SCHEMA.read_text("utf-8") == rules_schema_text(), "pfi rules schema > schemas/rules.schema.json"


def test_the_schema_tells_the_kinds_of_file_apart_and_refuses_unknown_keys() -> None:
    schema = rules_schema()

    assert set(schema["discriminator"]["mapping"]) == set(FILE_KINDS)
    assert all(
        each.get("additionalProperties") is False for each in schema["$defs"].values() if each.get("type") == "object"
    )


def test_every_setting_of_the_rows_is_documented() -> None:
    rows = rules_schema()["$defs"]["Row"]["properties"]

    assert "from" in rows
    assert all("description" in row for row in rows.values())
