"""Options shared by several commands."""

import os
from pathlib import Path

import click

from pfi.engine.configuration import Configuration
from pfi.engine.settings import DATABASE_VARIABLE, Settings

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("pfi.yaml"),
    show_default=True,
    envvar="PFI_CONFIG",
    show_envvar=True,
    help="Fichier de configuration.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Résultat en JSON, pour une machine.")


def without_hospital_store() -> None:
    """For commands that bring their own embedded store and invented patients: never the hospital's database."""
    if os.environ.pop(DATABASE_VARIABLE, None):
        click.echo(f"{DATABASE_VARIABLE} est ignorée : cette commande n'emploie que sa propre base.", err=True)


def optional_configuration(path: Path | None) -> Configuration:
    """The named configuration, or the defaults when none is named: `explain` needs no file."""
    return Configuration(Settings()) if path is None else Configuration.read(path)
