"""`pfi certificates`: what is held, until when, and what is wrong. Reads files only; works beside a running engine."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.options import config_option, json_option
from pfi.engine import logs
from pfi.engine.certificates import Certificate, list_certificates
from pfi.engine.configuration import Configuration
from pfi.engine.settings import LogSettings


@click.command(short_help="Liste les certificats et leurs échéances.")
@config_option
@json_option
def certificates(config_path: Path, as_json: bool) -> None:
    """Liste les certificats de la configuration, ceux qui expirent d'abord les premiers.

    Ne joint personne. Se termine par le code 1 quand un certificat ne peut pas servir.
    """
    logs.configure(LogSettings(level="warning"))
    found = asyncio.run(list_certificates(Configuration.read(config_path)))
    never = datetime.max.replace(tzinfo=UTC)
    found = tuple(sorted(found, key=lambda each: each.state.not_after or never))
    if as_json:
        rows = [
            {"place": each.place, **{name: getattr(each.state, name) for name in each.state.__dataclass_fields__}}
            for each in found
        ]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    elif found:
        Console().print(_table(found, datetime.now(UTC)))
    else:
        click.echo("Aucun certificat dans la configuration.")
    sys.exit(1 if any(each.state.fault for each in found) else 0)


def _table(found: tuple[Certificate, ...], now: datetime) -> Table:
    table = Table("Où", "Certificat", "Titulaire", "Expire", "Reste", "État")
    for each in found:
        state = each.state
        left = "-" if state.not_after is None else f"{max((state.not_after - now) // timedelta(days=1), 0)} j"
        table.add_row(
            escape(each.place),
            escape(state.subject),
            escape(state.name) or "-",
            f"{state.not_after:%d/%m/%Y}" if state.not_after is not None else "-",
            left,
            f"[red]{escape(state.fault_text)}[/]" if state.fault else "[green]correct[/]",
        )
    return table
