"""The reference and the schema of the configuration are those of the code, and describe the shipped example."""

import json
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel

from pfi.cli.config import reference_text, schema_text
from pfi.cli.main import cli
from pfi.engine.configuration import Configuration
from pfi.engine.settings import Settings

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs/pfi-example.yaml"
SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas/config.schema.json").read_text())


@pytest.mark.parametrize(
    ("command", "path", "text"),
    [
        ("reference", "docs/configuration.md", reference_text),
        ("schema", "schemas/config.schema.json", schema_text),
    ],
)
def test_the_shipped_document_is_what_the_command_writes(command: str, path: str, text: Any) -> None:
    written = CliRunner().invoke(cli, ["config", command]).stdout
    assert written == text()
    assert (ROOT / path).read_text(encoding="utf-8") == written, f"run: pfi config {command} > {path}"


def test_every_key_of_every_model_has_its_line_and_its_meaning() -> None:
    text = reference_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) > 120
    undocumented = [name for name, _type, _default, meaning in rows if not meaning.strip()]
    assert undocumented == []
    for name, kind, default, _meaning in rows:
        assert "``" not in default, name
        assert "NoneType" not in kind, name


def test_each_connector_and_source_has_its_section() -> None:
    text = reference_text()
    for group, title in (("pfi.connectors", "Connector"), ("pfi.sources", "Source")):
        for point in entry_points(group=group):
            assert f"## {title} `{point.name}`: `settings`" in text


def test_the_example_is_accepted() -> None:
    configuration = Configuration.read(EXAMPLE)
    settings = configuration.settings
    for index, listener in enumerate(settings.listeners):
        configuration.source(listener.source, listener.settings, ("listeners", index))
    for name, destination in settings.destinations.items():
        configuration.connector(destination.connector, destination.settings, ("destinations", name))
    for index, sender in enumerate(settings.senders):
        assert sender.reply is not None
        configuration.connector(sender.reply.connector, sender.reply.settings, ("senders", index, "reply"))


def test_the_schema_accepts_the_example() -> None:
    assert complaints(yaml.safe_load(EXAMPLE.read_text()), SCHEMA) == []


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        (("data_dirr",), "data_dirr"),
        (("ins", "environement"), "environement"),
        (("listeners", 0, "settings", "portt"), "portt"),
        (("destinations", "dmp", "settings", "urlss"), "urlss"),
        (("destinations", "mssante", "settings", "hostt"), "hostt"),
        (("senders", 0, "reply", "settings", "hostt"), "hostt"),
    ],
)
def test_the_schema_refuses_a_misspelt_key_even_of_a_connector(path: tuple[Any, ...], complaint: str) -> None:
    content = yaml.safe_load(EXAMPLE.read_text())
    block = content
    for step in path[:-1]:
        block = block[step]
    block[path[-1]] = "x"
    assert any(complaint in each for each in complaints(content, SCHEMA))


def test_each_reference_inside_the_schema_leads_somewhere() -> None:
    for name in set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(SCHEMA))):
        assert name in SCHEMA["$defs"], name


def test_every_setting_is_a_key_that_yaml_can_write() -> None:
    def walk(model: type[BaseModel]) -> None:
        for name, field in model.model_fields.items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
            assert field.alias is None
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                walk(field.annotation)

    walk(Settings)


def complaints(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """Keys and words that a schema does not admit: the part of JSON Schema that our documents use."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    found: list[str] = []
    for each in schema.get("allOf", []):
        condition, then = each.get("if", {}), each.get("then", each)
        if not complaints(value, condition, where):
            found += complaints(value, then, where)
    if "anyOf" in schema:
        every = [complaints(value, each, where) for each in schema["anyOf"]]
        found += [] if any(not each for each in every) else sorted(every, key=len)[0]
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value} is not {schema['const']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value} is none of {schema['enum']}")
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kind = schema.get("type")
    if kind in kinds and not isinstance(value, kinds[kind]):
        return [*found, f"{where}: not {kind}"]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, inner in value.items():
            others = schema.get("additionalProperties", True)
            if name in properties:
                found += complaints(inner, properties[name], f"{where}.{name}")
            elif others is False:
                found.append(f"{where}: unknown key {name}")
            elif isinstance(others, dict):
                found += complaints(inner, others, f"{where}.{name}")
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for number, inner in enumerate(value):
            found += complaints(inner, schema["items"], f"{where}[{number}]")
    return found
