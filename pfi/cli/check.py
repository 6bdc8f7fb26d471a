"""`pfi check`: configuration, rules, store, certificates, reachability. Sends nothing of a patient."""

import asyncio
import sys
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape

from pfi.cli.options import config_option, json_option
from pfi.engine import logs
from pfi.engine.configuration import Configuration
from pfi.engine.connector import CheckResult
from pfi.engine.settings import LogSettings


@click.command(short_help="Vérifie la configuration et joint chaque destination.")
@config_option
@click.option("--offline", is_flag=True, help="Ne joindre personne : configuration, règles et certificats seulement.")
@json_option
def check(config_path: Path, offline: bool, as_json: bool) -> None:
    """Vérifie la configuration, les règles, les certificats, et joint chaque destination sans rien envoyer."""
    from pfi.engine.checkup import check_everything

    logs.configure(LogSettings(level="warning"))
    configuration = Configuration.read(config_path)
    results = asyncio.run(check_everything(configuration, offline=offline))
    if as_json:
        rows = [{"subject": result.subject, "ok": result.ok, "text": result.text} for result in results]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(results)
    sys.exit(0 if all(result.ok for result in results) else 1)


def _print(results: tuple[CheckResult, ...]) -> None:
    console = Console()
    for result in results:
        mark = "[green]✔[/]" if result.ok else "[red]✘[/]"
        console.print(f"{mark} [bold]{escape(result.subject)}[/] : {escape(result.text)}", highlight=False)
