"""`pfi holds`, `pfi release`, `pfi cancel`: what waits, and the decisions that only a person takes."""

import sys
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.desk import at_desk
from pfi.cli.options import config_option, json_option
from pfi.cli.outcomes import WAITS_FOR
from pfi.engine.configuration import Configuration
from pfi.engine.desk import Desk
from pfi.engine.holds import HeldLine


@click.command(short_help="Liste ce qui attend, et ce que cela attend.")
@config_option
@click.option(
    "--limit",
    default=200,
    show_default=True,
    type=click.IntRange(1, 10_000),
    metavar="NOMBRE",
    help="Nombre de lignes.",
)
@json_option
def holds(config_path: Path, limit: int, as_json: bool) -> None:
    """Liste les livraisons en attente, celles qui expirent le plus tôt d'abord."""
    lines = at_desk(Configuration.read(config_path), lambda desk: desk.holds.waiting(limit))
    if as_json:
        rows = [{name: getattr(line, name) for name in line.__dataclass_fields__} for line in lines]
        click.echo(orjson.dumps(rows, default=str, option=orjson.OPT_INDENT_2).decode())
    elif lines:
        Console().print(_table(lines))
    else:
        click.echo("Rien n'attend.")


def _table(lines: tuple[HeldLine, ...]) -> Table:
    table = Table("Livraison", "Message", "Canal", "Attend", "Raison", "Expire (UTC)")
    for line in lines:
        table.add_row(
            str(line.id)[:8],
            str(line.message_id),
            line.channel,
            WAITS_FOR.get(line.until, line.until) or "-",
            escape(f"{line.code}\n{line.text}"),
            f"{line.expires_at:%Y-%m-%d %H:%M}" if line.expires_at else "-",
        )
    return table


@click.command(short_help="Libère une livraison qui attend une décision humaine.")
@click.argument("delivery", metavar="LIVRAISON")
@config_option
def release(delivery: str, config_path: Path) -> None:
    """Libère LIVRAISON (identifiant de « pfi holds », son début suffit).

    Une libération est la décision humaine que certaines exceptions attendent. Elle n'ouvre rien d'autre : ni un veto,
    ni une identité non qualifiée, ni une opposition.
    """

    async def work(desk: Desk) -> tuple[bool, str]:
        found = await desk.holds.find(delivery)
        if found is None:
            return False, "Aucune livraison en attente, ou plusieurs, ne commencent ainsi : voir « pfi holds »."
        done = await desk.holds.release(found)
        return done.done, done.text

    done, text = at_desk(Configuration.read(config_path), work)
    click.echo("Livraison libérée." if done else f"Livraison non libérée. {text}", err=not done)
    sys.exit(0 if done else 1)


@click.command(short_help="Annule une livraison qui n'est pas partie.")
@click.argument("delivery", metavar="LIVRAISON")
@config_option
def cancel(delivery: str, config_path: Path) -> None:
    """Annule LIVRAISON (identifiant de « pfi holds », son début suffit) : elle ne partira plus, l'émetteur en est
    averti s'il l'a demandé."""

    async def work(desk: Desk) -> bool:
        found = await desk.holds.find(delivery)
        return found is not None and await desk.holds.cancel(found)

    done = at_desk(Configuration.read(config_path), work)
    text = "Livraison annulée." if done else "Aucune livraison annulée : voir « pfi holds »."
    click.echo(text, err=not done)
    sys.exit(0 if done else 1)
