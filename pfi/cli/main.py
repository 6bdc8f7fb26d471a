"""The `pfi` command: finds the subcommand, loads only its modules, and turns our errors into two clear lines."""

import importlib
import sys

import click

from pfi import __version__
from pfi.model.errors import PfiError

# name -> (module, attribute, one-line help). Modules load when their command runs: `pfi --help` stays instant.
_COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("pfi.cli.run", "run", "Démarre le moteur."),
    "check": ("pfi.cli.check", "check", "Vérifie la configuration et joint chaque destination."),
    "explain": ("pfi.cli.explain", "explain", "Explique ce que deviendrait un message ou un CDA, sans rien envoyer."),
    "send": ("pfi.cli.send", "send", "Envoie des messages HL7 v2 en MLLP et montre les accusés."),
    "messages": ("pfi.cli.journal", "messages", "Liste les messages reçus."),
    "show": ("pfi.cli.journal", "show", "Montre tout ce qui est advenu d'un message."),
    "alerts": ("pfi.cli.alerts", "alerts", "Liste les alertes à traiter."),
    "certificates": ("pfi.cli.certificates", "certificates", "Liste les certificats et leurs échéances."),
    "replay": ("pfi.cli.journal", "replay", "Retente ce qui n'est pas parti d'un message."),
    "holds": ("pfi.cli.holds", "holds", "Liste ce qui attend, et ce que cela attend."),
    "release": ("pfi.cli.holds", "release", "Libère une livraison qui attend une décision humaine."),
    "cancel": ("pfi.cli.holds", "cancel", "Annule une livraison qui n'est pas partie."),
    "mail": ("pfi.cli.mail", "mail", "Montre les courriels reçus, et décide de ceux qui attendent."),
    "patient": ("pfi.cli.patient", "patient", "Montre ce que l'on sait d'un patient, tient le registre local."),
    "rules": ("pfi.cli.rules", "rules", "Vérifie et éprouve les règles de routage."),
    "dmp": ("pfi.cli.dmp", "dmp", "Consulte le DMP d'un patient, pour un professionnel (AIR ou direct)."),
    "insi": ("pfi.cli.insi", "insi", "Vérifie une identité par le téléservice INSi (facultatif)."),
    "annuaire": ("pfi.cli.annuaire", "annuaire", "Cherche une boîte MSSanté dans l'Annuaire Santé (facultatif)."),
    "nomenclature": ("pfi.cli.nomenclature", "nomenclature", "Montre et met à jour les tables de codes officielles."),
    "validation-pack": (
        "pfi.cli.validation_pack",
        "validation_pack",
        "Installe et vérifie le pack de validation de l'ANS.",
    ),
    "config": ("pfi.cli.config", "config", "Référence et schéma de la configuration."),
    "sandbox": ("pfi.cli.sandbox", "sandbox", "Démarre le bac à sable : faux DMP, faux opérateur MSSanté, faux DPI."),
    "demo": ("pfi.cli.demo", "demo", "Démonstration complète, de bout en bout."),
    "bench": ("pfi.cli.bench", "bench", "Mesure les performances, en local."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _help = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - our own table
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commandes"):
            formatter.write_dl([(name, text) for name, (_module, _attribute, text) in _COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    subcommand_metavar="COMMANDE [ARGUMENTS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="pfi")
def cli() -> None:
    """PFI, plateforme d'intermédiation : des logiciels de l'hôpital vers le DMP et MSSanté."""


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 it did not work, 2 wrong use or configuration."""
    try:
        cli(prog_name="pfi")
    except PfiError as error:
        click.secho(f"{error.code} : {error.text}", fg="red", err=True)
        if error.next_step:
            click.echo(error.next_step, err=True)
        sys.exit(2)
