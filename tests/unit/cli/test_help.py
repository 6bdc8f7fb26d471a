"""Every word of the command line's help is French."""

import gettext
import importlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from click.testing import CliRunner

from pfi.cli import main
from pfi.cli.main import cli

ROOT = Path(main.__file__).parent
ENGLISH = re.compile(
    r"Usage:|Show this|Show the|Commands:|\[default|\[required|env var|TEXT\b|INTEGER|FLOAT|DIRECTORY|\bFILE\b|\bPATH\b"
    r"|\b(the|and|message to|this|with|from|file)\b|%Y"
)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command and subcommand."""
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", list(commands(cli)), ids=lambda words: " ".join(words) or "pfi")
def test_help_is_french(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*words, "--help"], prog_name="pfi")
    assert result.exit_code == 0
    assert result.output.startswith("Utilisation : pfi")
    assert "Affiche cette aide." in result.output
    found = ENGLISH.search(result.output)
    assert found is None, f"{found}: {result.output}"


@pytest.mark.parametrize("words", list(commands(cli))[1:], ids=" ".join)
def test_each_command_and_each_option_says_what_it_is_for(words: tuple[str, ...]) -> None:
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{words} {parameter.name}"


def test_the_list_of_commands_loads_none_of_them_and_says_the_same_as_each() -> None:
    for module, attribute, _text in main._COMMANDS.values():
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
    listed = CliRunner().invoke(cli, ["--help"]).output
    for name, (_module, _attribute, text) in main._COMMANDS.items():
        assert re.search(rf"^  {name} ", listed, re.MULTILINE)
        assert text.split()[0] in listed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nulle-part"], "Commande inconnue"),
        (["explain"], "Argument manquant"),
        (["explain", "--faux"], "Option inconnue"),
        (["explain", "nulle-part.hl7"], "n'existe pas"),
        (["explain", __file__, "--mode", "doux"], "n'est pas parmi"),
        (["explain", __file__, "--at", "demain"], "n'a aucune de ces formes"),
        (["explain", __file__, __file__], "Argument en trop"),
        (["explain", __file__, "--adt"], "demande une valeur"),
        (["send", __file__], "Option manquante"),
        (["show", "premier"], "n'est pas un nombre"),
        (["bench", "--documents", "1"], "hors des bornes"),
    ],
)
def test_a_wrong_use_is_explained_in_french(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, arguments, prog_name="pfi")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not re.search(r"Try|Error|Invalid|Missing|No such|does not", result.stderr)


def test_the_compiled_translation_is_that_of_its_source() -> None:
    source = ROOT / "locale/fr/LC_MESSAGES/messages.po"
    compiled = io.BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file))
    with source.with_suffix(".mo").open("rb") as file:
        shipped = sentences(gettext.GNUTranslations(file))
    assert shipped == sentences(gettext.GNUTranslations(io.BytesIO(compiled.getvalue())))
    assert len(shipped) > 40


def sentences(translations: gettext.GNUTranslations) -> dict[Any, str]:
    """Everything but the header, where the time of compilation stands."""
    catalog: dict[Any, str] = translations._catalog  # type: ignore[attr-defined]  # the only way to compare two
    return {original: text for original, text in catalog.items() if original}


def test_each_translation_keeps_the_names_it_must_fill_in() -> None:
    source = ROOT / "locale/fr/LC_MESSAGES/messages.po"
    with source.open("rb") as file:
        catalog = read_po(file)
    for message in catalog:
        if not message.id:
            continue
        originals = [message.id] if isinstance(message.id, str) else list(message.id)
        texts = [message.string or ""] if isinstance(message.string, str | None) else list(message.string)
        known = {name for text in originals for name in re.findall(r"\{(\w+)", text)}
        for text in texts:
            assert text, message.id
            assert set(re.findall(r"\{(\w+)", text)) <= known, message.id
