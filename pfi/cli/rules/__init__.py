"""`pfi rules`: everything that the author of rules does."""

import click

from pfi.cli.rules.files import check, schema, test
from pfi.cli.rules.force import apply, history, rollback, show
from pfi.cli.rules.traffic import coverage, diff


@click.group(
    "rules",
    subcommand_metavar="COMMANDE [ARGUMENTS]...",
    short_help="Vérifie, éprouve, compare et met en vigueur les règles de routage.",
)
def rules() -> None:
    """Règles de routage : les vérifier, les éprouver, les comparer sur le trafic, les mettre en vigueur."""


for _command in (check, test, diff, apply, history, show, rollback, coverage, schema):
    rules.add_command(_command)
