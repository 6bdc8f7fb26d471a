"""`pfi mail`: the mails that came to our mailboxes, and what only a person decides about them."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.desk import at_desk
from pfi.cli.options import config_option, json_option
from pfi.cli.outcomes import MAIL_STATES, coloured, mail_kind, moment, state_text
from pfi.engine.configuration import Configuration
from pfi.engine.desk import Desk
from pfi.engine.journal import Row
from pfi.engine.mailroom.decisions import Decided, MailDecisions


@click.group(short_help="Montre les courriels reçus, et décide de ceux qui attendent.")
def mail() -> None:
    """Les courriels reçus dans les boîtes de la PFI. « pfi show NUMÉRO » montre tout d'un courriel."""


@mail.command(name="list", short_help="Liste les courriels reçus.")
@config_option
@click.option("--state", type=click.Choice(list(MAIL_STATES)), help="Dans cet état.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 1000), metavar="NOMBRE", help="Nombre de lignes."
)
@json_option
def list_mails(config_path: Path, state: str | None, limit: int, as_json: bool) -> None:
    """Liste les courriels reçus, les plus récents d'abord."""
    rows = at_desk(Configuration.read(config_path), lambda desk: desk.journal.mails(state, limit))
    if as_json:
        click.echo(orjson.dumps([dict(row) for row in rows], default=str, option=orjson.OPT_INDENT_2).decode())
    elif rows:
        console = Console()
        console.print(_table(console, rows))
        _say_what_waits(console, rows)
    else:
        click.echo("Aucun courriel reçu.")


@mail.command(short_help="Remet les documents d'un courriel qui attendent une personne.")
@click.argument("message_id", type=int, metavar="NUMÉRO")
@config_option
def release(message_id: int, config_path: Path) -> None:
    """Remet au logiciel prévu les documents en attente du courriel NUMÉRO (masqués, ou sans règle de réception)."""
    _decide(
        config_path,
        lambda decisions: decisions.release(message_id),
        "document libéré : un moteur en marche le remet",
        "documents libérés : un moteur en marche les remet",
    )


@mail.command(short_help="Écarte les documents d'un courriel qui attendent une personne.")
@click.argument("message_id", type=int, metavar="NUMÉRO")
@config_option
def dismiss(message_id: int, config_path: Path) -> None:
    """Écarte les documents en attente du courriel NUMÉRO : l'expéditeur en est averti s'il l'a demandé."""
    _decide(config_path, lambda decisions: decisions.dismiss(message_id), "document écarté", "documents écartés")


@mail.command(short_help="Retente ce qui a été refusé ou abandonné d'un courriel.")
@click.argument("message_id", type=int, metavar="NUMÉRO")
@config_option
def retry(message_id: int, config_path: Path) -> None:
    """Retente la remise de ce qui a été refusé ou abandonné du courriel NUMÉRO, réponse à l'expéditeur comprise.

    Un expéditeur à qui il a été répondu ne l'est pas une seconde fois.
    """
    _decide(config_path, lambda decisions: decisions.retry(message_id), "remise retentée", "remises retentées")


def _decide(config_path: Path, act: Callable[[MailDecisions], Awaitable[Decided]], one: str, several: str) -> None:
    async def work(desk: Desk) -> Decided:
        return await act(desk.mail_decisions())

    done = at_desk(Configuration.read(config_path), work)
    click.echo(f"{done.count} {several if done.count > 1 else one}." if done.count else done.text, err=not done.count)
    sys.exit(0 if done.count else 1)


def _say_what_waits(console: Console, rows: tuple[Row, ...]) -> None:
    """The decisions that a person has to take, under the table."""
    waiting = [row["message_id"] for row in rows if any(each["state"] == "held" for each in row["documents"])]
    if waiting:
        console.print(
            f"Décision à prendre pour : {', '.join(map(str, waiting))}. « pfi show N » dit pourquoi, "
            "« pfi mail release N » remet au logiciel prévu, « pfi mail dismiss N » écarte.",
            highlight=False,
        )


def _table(console: Console, rows: tuple[Row, ...]) -> Table:
    table = Table()
    for heading in ("N°", "Reçu (UTC)", "Boîte", "Genre", "État", "Documents"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "Reçu (UTC)")
    for row in rows:
        documents = "\n".join(
            " ".join(filter(None, (escape(each["line"]), state_text(each["state"]), escape(each["code"]))))
            for each in row["documents"]
        )
        table.add_row(
            str(row["message_id"]),
            moment(console, row["received_at"]),
            escape(row["mailbox"]),
            mail_kind(row["message_type"]),
            "\n".join(filter(None, (coloured(MAIL_STATES, row["state"]), escape(row["code"])))),
            documents or "-",
        )
    return table
