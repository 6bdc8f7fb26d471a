"""`pfi nomenclature`: which official code tables are in force, and their refreshing from an official package."""

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from pfi.cli.options import optional_configuration
from pfi.standards.nomenclature import versions
from pfi.standards.nomenclature.package import read_package
from pfi.standards.nomenclature.refresh import FileChange, Refresh, write
from pfi.standards.nomenclature.refresh import refresh as rebuild
from pfi.standards.nomenclature.tables import load

_SIGNS = {
    "+": ("green", "ajouté"),
    "-": ("red", "retiré"),
    "~": ("yellow", "modifié"),
    "=": ("cyan", "conservé"),
    "!": ("red", "inutilisable"),
}

_config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="PFI_CONFIG",
    show_envvar=True,
    help="Fichier de configuration, pour partir des tables qu'il met en vigueur.",
)


@click.group(subcommand_metavar="COMMANDE [ARGUMENTS]...", short_help="Montre et met à jour les tables de codes.")
def nomenclature() -> None:
    """Tables de codes officielles (JDV, ASS) dont sont faites les métadonnées du DMP et de MSSanté."""


@nomenclature.command(short_help="Montre les tables en vigueur et leur édition.")
@_config_option
def show(config_path: Path | None) -> None:
    """Montre chaque table officielle employée et son édition."""
    optional_configuration(config_path)
    width = max(map(len, versions()))
    for name, version in sorted(versions().items()):
        click.echo(f"{name:<{width}}  {version}")


@nomenclature.command(short_help="Reconstruit les tables à partir d'un paquet officiel.")
@click.argument("package", type=click.Path(exists=True, path_type=Path), metavar="PAQUET")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Dossier où écrire les tables. Par défaut : celui de « nomenclature » dans la configuration.",
)
@click.option("--dry-run", is_flag=True, help="Dit ce qui changerait, sans rien écrire.")
@_config_option
def refresh(package: Path, into: Path | None, dry_run: bool, config_path: Path | None) -> None:
    """Reconstruit les tables à partir de PAQUET : dossier, zip ou tgz de JDV et d'ASS (XML) ou de FHIR (JSON).

    Dit tout ce qui change. Code de retour 1 quand le paquet n'apporte aucune table.
    """
    configured = optional_configuration(config_path).settings.nomenclature
    target = into or configured
    if target is None and not dry_run:
        raise click.UsageError("donner --into DOSSIER, ou « nomenclature » dans la configuration (ou --dry-run)")
    found = read_package(package)
    base = next((each for each in (into, configured) if each is not None and each.is_dir()), None)
    result = rebuild(found, base)
    console = Console(highlight=False, soft_wrap=True)
    _tell(console, result)
    for name in found.unreadable:
        console.print(f"[yellow]fichier illisible, ignoré : {escape(name)}[/]")
    if not any(file.editions for file in result.files):
        raise click.ClickException("aucune table utile dans ce paquet : rien n'est écrit")
    if target is None or dry_run:
        console.print("Rien n'est écrit." if result.changed else "Aucun changement.")
        return
    write(result, target)
    load(target)
    console.print(f"Tables écrites dans {escape(str(target))}.")
    if configured is None or configured.resolve() != target.resolve():
        console.print(f"Pour les mettre en vigueur : « nomenclature: {escape(str(target))} » dans la configuration.")


def _tell(console: Console, result: Refresh) -> None:
    for file in result.files:
        if file.editions:
            _tell_file(console, file)
    if result.missing:
        console.print(f"Absent du paquet, laissé tel quel : {escape(', '.join(result.missing))}")


def _tell_file(console: Console, file: FileChange) -> None:
    console.print(f"[bold]{file.name}[/]")
    for table, before, after in file.editions:
        same = "inchangée" if before == after else f"au lieu de {before or 'aucune'}"
        older = " — [red]plus ancienne que celle en vigueur[/]" if before and after < before else ""
        console.print(f"  {escape(table)} : édition {escape(after or 'sans date')}, {escape(same)}{older}")
    for change in file.changes:
        color, word = _SIGNS[change.sign]
        console.print(f"  [{color}]{change.sign} {word}[/] {escape(change.code)} : {escape(change.text)}")
