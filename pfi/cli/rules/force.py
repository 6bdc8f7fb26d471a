"""`pfi rules apply`, `history`, `show`, `rollback`: the rules in force, those that were, and others in their place."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.options import config_option, json_option
from pfi.cli.rules.files import print_report
from pfi.engine import logs
from pfi.engine.configuration import Configuration
from pfi.engine.desk import open_rule_register
from pfi.engine.rulebooks import Applied, Candidate, RuleRegister, TestsFailedError, load_set, read_rules
from pfi.engine.settings import LogSettings
from pfi.model.errors import ConfigurationError
from pfi.store.rulesets import Activation, RuleSet

Result = TypeVar("Result")

_LONGEST_WAIT = 10.0
_SILENCE = 20.0
"""An engine not seen for that long, in seconds, is not waited for."""

_reason = click.option("--reason", default="", metavar="TEXTE", help="Raison, gardée dans l'historique.")


@click.command(short_help="Met des règles en vigueur, sans redémarrage.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FICHIER]...")
@config_option
@_reason
@json_option
def apply(files: tuple[Path, ...], config_path: Path, reason: str, as_json: bool) -> None:
    """Met en vigueur les FICHIERS de règles, ou ceux que nomme la configuration.

    Vérifie les fichiers et exécute leurs tests : rien ne change si l'un échoue. Chaque moteur en marche prend les
    nouvelles règles aussitôt, sans redémarrage.
    """
    logs.configure(LogSettings(level="warning"))
    configuration = Configuration.read(config_path)
    candidate = read_rules(files or configuration.settings.rules)
    _apply(configuration, lambda register: _given(candidate), reason, as_json=as_json)
    if files and not as_json:
        _warn_of_other_files(configuration, candidate)


@click.command(short_help="Remet en vigueur des règles qui l'ont été.")
@click.argument("digest", required=False, metavar="[EMPREINTE]")
@config_option
@_reason
@json_option
def rollback(digest: str | None, config_path: Path, reason: str, as_json: bool) -> None:
    """Remet en vigueur les règles d'EMPREINTE (son début suffit), ou celles qui précédaient les règles actuelles.

    Leurs tests sont exécutés comme par « pfi rules apply ».
    """
    logs.configure(LogSettings(level="warning"))

    async def earlier(register: RuleRegister) -> Candidate:
        rule_set = await (register.find(digest) if digest else register.before())
        return Candidate(load_set(rule_set), rule_set)

    _apply(Configuration.read(config_path), earlier, reason, as_json=as_json)


@click.command(short_help="Qui a mis quelles règles en vigueur, quand et pourquoi.")
@config_option
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), metavar="NOMBRE", help="Nombre de lignes."
)
@json_option
def history(config_path: Path, limit: int, as_json: bool) -> None:
    """Liste les mises en vigueur, la plus récente d'abord."""
    lines = _at_register(Configuration.read(config_path), lambda register: register.history(limit))
    if as_json:
        _dump([_row(line) for line in lines])
        return
    if not lines:
        click.echo("Aucune règle n'a encore été mise en vigueur : aucun moteur n'a démarré sur cette base.")
        return
    table = Table("N°", "Le (UTC)", "Empreinte", "Par", "Machine", "Raison")
    for line in lines:
        table.add_row(
            str(line.id),
            f"{line.at:%Y-%m-%d %H:%M}",
            line.digest[:12],
            escape(line.author),
            escape(line.host),
            escape(line.reason or "-"),
        )
    Console().print(table)


@click.command(short_help="Montre des règles qui sont ou ont été en vigueur.")
@click.argument("digest", metavar="EMPREINTE")
@config_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Écrit les fichiers dans ce dossier.")
@json_option
def show(digest: str, config_path: Path, out: Path | None, as_json: bool) -> None:
    """Montre le texte des règles d'EMPREINTE, dont le début suffit."""
    rule_set = _at_register(Configuration.read(config_path), lambda register: register.find(digest))
    if out is not None:
        _write_files(rule_set, out)
    elif as_json:
        _dump({"digest": rule_set.digest, "files": [{"name": file.name, "text": file.text} for file in rule_set.files]})
    else:
        for file in rule_set.files:
            click.echo(f"# ---- {file.name} ----\n{file.text.rstrip()}\n")


def _apply(
    configuration: Configuration,
    candidate_of: Callable[[RuleRegister], Awaitable[Candidate]],
    reason: str,
    *,
    as_json: bool,
) -> None:
    async def work(register: RuleRegister) -> tuple[Activation | None, Applied, tuple[int, int]]:
        newest = await register.history(1)
        applied = await register.apply(await candidate_of(register), reason)
        return newest[0] if newest else None, applied, await _taken(register, applied)

    try:
        former, applied, (living, taken) = _at_register(configuration, work)
    except TestsFailedError as error:
        print_report(error.report, as_json=as_json)
        click.echo(error.text, err=True)
        sys.exit(1)
    if as_json:
        engines = {"living": living, "taken": taken}
        _dump({**_row(applied.activation), "changed": applied.changed, "tests": applied.tests, "engines": engines})
        return
    click.echo(f"{applied.tests} tests, 0 en échec.")
    digest = applied.activation.digest[:12]
    if not applied.changed:
        click.echo(f"Ces règles sont déjà en vigueur (empreinte {digest}) : rien ne change.")
        return
    replaced = f" ; elles remplacent {former.digest[:12]}" if former else ""
    click.echo(f"Règles en vigueur : empreinte {digest}{replaced}.")
    if not living:
        click.echo("Aucun moteur en marche : elles seront prises au prochain démarrage.")
    else:
        click.echo(f"Moteurs en marche qui les ont prises : {taken} sur {living}.")
        if taken < living:
            click.echo("Les autres gardent leurs règles : voir les événements du journal et leurs traces.", err=True)


async def _given(candidate: Candidate) -> Candidate:
    return candidate


async def _taken(register: RuleRegister, applied: Applied) -> tuple[int, int]:
    """Waits a little until every living engine has the new rules; how many live, how many have them."""
    if not applied.changed:
        return 0, 0
    async with asyncio.timeout(_LONGEST_WAIT) as limit:
        while True:
            living, taken = await register.taken(applied.activation, _SILENCE)
            if taken >= living or asyncio.get_running_loop().time() + 0.5 > (limit.when() or 0.0):
                return living, taken
            await asyncio.sleep(0.1)


def _warn_of_other_files(configuration: Configuration, candidate: Candidate) -> None:
    try:
        named = read_rules(configuration.settings.rules).book.digest
    except ConfigurationError:
        named = ""
    if named != candidate.book.digest:
        click.echo(
            "Attention : la configuration nomme d'autres règles. Y porter ces fichiers (« rules »), sinon le prochain "
            "démarrage signalera des fichiers périmés.",
            err=True,
        )


def _write_files(rule_set: RuleSet, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for file in rule_set.files:
        path = out / Path(file.name).name
        path.write_text(file.text, encoding="utf-8")
        click.echo(str(path))


def _at_register(configuration: Configuration, work: Callable[[RuleRegister], Awaitable[Result]]) -> Result:
    logs.configure(LogSettings(level="warning"))

    async def run() -> Result:
        async with open_rule_register(configuration) as register:
            return await work(register)

    return asyncio.run(run())


def _row(activation: Activation) -> dict[str, Any]:
    return {name: getattr(activation, name) for name in activation.__dataclass_fields__}


def _dump(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
