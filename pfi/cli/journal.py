"""`pfi messages`, `pfi show`, `pfi replay`: what was received, what became of it, and trying again."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.desk import at_desk
from pfi.cli.message_page import print_message
from pfi.cli.options import config_option, json_option
from pfi.cli.outcomes import KINDS, STATES, mail_kind, moment, state_text
from pfi.engine.configuration import Configuration
from pfi.engine.journal import MessageFilter, MessageLine
from pfi.model.errors import SenderDataError


def _dump(value: object) -> None:
    click.echo(orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2).decode())


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


@click.command(short_help="Liste les messages reçus.")
@config_option
@click.option("--state", type=click.Choice(list(STATES)), help="Dont une livraison est dans cet état.")
@click.option("--sender", metavar="NOM", help="De cet émetteur.")
@click.option("--control-id", metavar="MSH-10", help="De cet identifiant (MSH-10).")
@click.option("--kind", type=click.Choice(list(KINDS)), help="De ce genre.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    metavar="AAAA-MM-JJ[THH:MM:SS]",
    help="Reçus depuis (UTC).",
)
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 1000), metavar="NOMBRE", help="Nombre de lignes."
)
@json_option
def messages(
    config_path: Path,
    state: str | None,
    sender: str | None,
    control_id: str | None,
    kind: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """Liste les messages reçus, les plus récents d'abord."""
    wanted = MessageFilter(
        since=since.replace(tzinfo=UTC) if since else None,
        sender=sender,
        kind=kind,
        control_id=control_id,
        state=state,
        limit=limit,
    )
    lines = at_desk(Configuration.read(config_path), lambda desk: desk.journal.messages(wanted))
    if as_json:
        _dump([{name: getattr(line, name) for name in line.__dataclass_fields__} for line in lines])
        return
    if not lines:
        click.echo("Aucun message.")
        return
    console = Console()
    table = Table()
    for heading in ("N°", "Reçu (UTC)", "Émetteur", "MSH-10", "Genre", "ACK", "Livraisons"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "Reçu (UTC)")
    for line in lines:
        deliveries = ", ".join(f"{channel} {state_text(each)}" for channel, each, _code in line.deliveries)
        by_mail = line.message_type.startswith("MAIL^")
        table.add_row(
            str(line.id),
            moment(console, line.received_at),
            escape(line.sender),
            "-" if by_mail else escape(line.control_id),
            _kind(line, by_mail=by_mail),
            line.ack_code or "-",
            deliveries or "-",
        )
    console.print(table)


def _kind(line: MessageLine, *, by_mail: bool) -> str:
    """What a message is; a notification by its own name."""
    if line.kind == "mail_report":
        return mail_kind(line.message_type)
    return KINDS[line.kind] if by_mail else f"{KINDS[line.kind]} {escape(line.message_type)}"


@click.command(short_help="Montre tout ce qui est advenu d'un message.")
@click.argument("message_id", type=int, metavar="NUMÉRO")
@config_option
@click.option("--raw", is_flag=True, help="Écrit les octets reçus, tels quels, sur la sortie standard.")
@json_option
def show(message_id: int, config_path: Path, raw: bool, as_json: bool) -> None:
    """Montre le message NUMÉRO : constats, décisions et raisons, livraisons, essais, accusés, événements."""
    if raw:
        body = at_desk(Configuration.read(config_path), lambda desk: desk.journal.body(message_id))
        if body is None:
            raise _unknown(message_id)
        sys.stdout.buffer.write(body)
        return
    view = at_desk(Configuration.read(config_path), lambda desk: desk.journal.message(message_id))
    if view is None:
        raise _unknown(message_id)
    if as_json:
        _dump({name: getattr(view, name) for name in view.__dataclass_fields__})
    else:
        print_message(Console(), view)


@click.command(short_help="Retente ce qui n'est pas parti d'un message.")
@click.argument("message_id", type=int, metavar="NUMÉRO")
@config_option
@json_option
def replay(message_id: int, config_path: Path, as_json: bool) -> None:
    """Relit le message NUMÉRO avec les règles et l'état du patient d'aujourd'hui, et retente ce qui n'est pas parti.

    Ce qui est déjà remis ne repart jamais. Le travail est fait par les moteurs en marche.
    """
    report = at_desk(Configuration.read(config_path), lambda desk: desk.replay.replay(message_id))
    if as_json:
        _dump({name: getattr(report, name) for name in report.__dataclass_fields__})
    else:
        click.echo(report.text)
        for count, text in (
            (len(report.reopened), "livraison(s) retentée(s)"),
            (len(report.released), "livraison(s) débloquée(s)"),
            (len(report.created), "livraison(s) nouvelle(s)"),
            (len(report.stopped), "livraison(s) arrêtée(s), ou signalée(s) parce que déjà en cours"),
        ):
            if count:
                click.echo(f"  {count} {text}")
    sys.exit(0 if report.done else 1)


def _unknown(message_id: int) -> SenderDataError:
    return SenderDataError(
        "MESSAGE_UNKNOWN",
        f"Aucun message n° {message_id} (ou son contenu a été purgé).",
        "Voir « pfi messages ».",
    )
