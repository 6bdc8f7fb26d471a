"""`pfi alerts`: what operators must know of until it is over."""

from datetime import datetime
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.desk import at_desk
from pfi.cli.options import config_option, json_option
from pfi.engine.alerts import CERTIFICATE_EXPIRES, CERTIFICATE_FAULT, DISCHARGE_LETTER_LATE, Alerts
from pfi.engine.configuration import Configuration
from pfi.engine.desk import Desk
from pfi.store.alerts import Alert

_KINDS = {
    DISCHARGE_LETTER_LATE: "lettre de liaison en retard",
    CERTIFICATE_EXPIRES: "certificat bientôt périmé",
    CERTIFICATE_FAULT: "certificat à corriger",
}
_ENDINGS = {
    "delivered": "remise",
    "deleted": "document supprimé",
    "cancelled": "séjour ou sortie annulés",
    "not_due": "jour de sortie reporté",
    "off": "alerte désactivée",
    "renewed": "certificat renouvelé",
    "nearer": "échéance plus proche",
    "repaired": "corrigé",
    "other_fault": "autre défaut",
    "gone": "n'est plus configuré",
}


@click.command(short_help="Liste les alertes à traiter.")
@config_option
@click.option("--all", "everything", is_flag=True, help="Aussi les alertes closes, les plus récentes d'abord.")
@click.option(
    "--limit",
    default=200,
    show_default=True,
    type=click.IntRange(1, 10_000),
    metavar="NOMBRE",
    help="Nombre de lignes avec --all.",
)
@json_option
def alerts(config_path: Path, everything: bool, limit: int, as_json: bool) -> None:
    """Liste les alertes ouvertes, les plus anciennes d'abord.

    Une alerte se clôt d'elle-même quand sa cause a disparu ; « pfi show » montre le message dont elle parle.
    """
    found = at_desk(Configuration.read(config_path), lambda desk: _read(desk, everything, limit))
    if as_json:
        rows = [{name: getattr(alert, name) for name in alert.__dataclass_fields__} for alert in found]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    elif found:
        Console().print(_table(found, everything))
    else:
        click.echo("Aucune alerte." if everything else "Aucune alerte ouverte.")


async def _read(desk: Desk, everything: bool, limit: int) -> tuple[Alert, ...]:
    board = Alerts(desk.database)
    return await board.history(limit) if everything else await board.current()


def _table(found: tuple[Alert, ...], everything: bool) -> Table:
    table = Table("N°", "Ouverte (UTC)", "Genre", "Message", "Alerte", *(["Close (UTC)"] if everything else []))
    for alert in found:
        row = [
            str(alert.id),
            _moment(alert.opened_at),
            escape(_KINDS.get(alert.kind, alert.kind)),
            str(alert.detail.get("message") or "-"),
            escape(alert.text),
        ]
        if everything:
            row.append("-" if alert.closed_at is None else f"{_moment(alert.closed_at)}\n{_ending(alert)}")
        table.add_row(*row)
    return table


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _ending(alert: Alert) -> str:
    return escape(_ENDINGS.get(alert.ending, alert.ending))
