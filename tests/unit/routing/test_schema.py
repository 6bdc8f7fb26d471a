"""Editors complete rule files with a schema that never lags behind the models."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pfi.routing.rulefile import FILE_KINDS
from pfi.routing.rules import default_rules_dir
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


@pytest.mark.parametrize("name", ["SiteRule", "When", "Then", "Deny", "Hold", "Schedule", "AddedRecipient"])
def test_every_key_of_a_site_rule_is_documented_and_closed(name: str) -> None:
    block = rules_schema()["$defs"][name]

    assert all("description" in key for key in block["properties"].values())
    assert block["additionalProperties"] is False


def test_the_words_of_site_rules_are_offered() -> None:
    defs = rules_schema()["$defs"]

    assert defs["Priority"]["enum"] == ["high", "normal", "low"]
    assert defs["Weekday"]["enum"][0] == "mon"
    assert "human_release" in defs["Trigger"]["enum"]
    assert defs["AddedRecipient"]["properties"]["kind"]["enum"] == ["professional", "organization", "application"]
    assert {"from", "until"} <= set(defs["When"]["properties"])
    assert {"from", "to"} <= set(defs["Schedule"]["properties"])


def _plain(value: Any) -> Any:
    """YAML values as JSON has them: dates are texts."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | bool | int | float | type(None)) else str(value)


@pytest.mark.parametrize("name", ["l1111-15.yaml", "exceptions.yaml", "site-example.yaml"])
def test_the_shipped_files_follow_the_schema_and_a_wrong_word_does_not(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema n'est pas installé")
    content = _plain(yaml.safe_load((default_rules_dir() / name).read_text("utf-8")))
    validator = jsonschema.Draft202012Validator(rules_schema())

    assert [error.message for error in validator.iter_errors(content)] == []
    assert not validator.is_valid({**content, "regles": []})


@pytest.mark.parametrize(
    "rule",
    [
        {"then": {"priority": "haute"}},
        {"then": {"priority": "high", "couleur": "bleu"}},
        {"then": {"schedule": {"days": ["mon"], "from": "8h", "to": "18:00"}}},
        {"when": {"channels": ["FAX"]}, "then": {"priority": "high"}},
        {"when": {"types": []}, "then": {"priority": "high"}},
        {"then": {"add_recipients": [{"address": "a@b.fr", "kind": "patient"}]}},
    ],
)
def test_an_editor_underlines_a_wrong_site_rule(rule: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema n'est pas installé")
    validator = jsonschema.Draft202012Validator(rules_schema())

    assert validator.is_valid({"kind": "site", "rules": [{"id": "UNE", "text": "x", "then": {"priority": "high"}}]})
    assert not validator.is_valid({"kind": "site", "rules": [{"id": "UNE", "text": "x", **rule}]})
