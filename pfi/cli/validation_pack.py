"""`pfi validation-pack`: installs the official validation pack of the ANS, lists what is there, says what is wrong."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.options import json_option
from pfi.engine.configuration import Configuration
from pfi.engine.settings import Settings
from pfi.engine.validation import pack_of
from pfi.model.clock import system_clock
from pfi.model.errors import ConfigurationError
from pfi.standards.cda.pack import Fault, FaultKind, ValidationPack
from pfi.standards.cda.pack_store import PackStore

_KINDS = {
    FaultKind.REPAIRED: "[green]réparé[/]",
    FaultKind.INCOMPLETE: "[yellow]incomplet[/]",
    FaultKind.UNUSABLE: "[red]inutilisable[/]",
}
_config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="PFI_CONFIG",
    show_envvar=True,
    help="Fichier de configuration, pour « data_dir ». Par défaut : pfi.yaml s'il existe.",
)


@click.group(
    "validation-pack", subcommand_metavar="COMMANDE [ARGUMENTS]...", short_help="Installe et vérifie le pack ANS."
)
def validation_pack() -> None:
    """Pack de validation officiel (TestContenuCDA de l'ANS) : schéma XML, schematrons et jeux de valeurs."""


@validation_pack.command("import", short_help="Installe un pack : dossier ou archive zip.")
@click.argument("source", type=click.Path(exists=True, path_type=Path), metavar="DOSSIER|ZIP")
@_config_option
@json_option
def import_pack(source: Path, config_path: Path | None, as_json: bool) -> None:
    """Installe le pack de DOSSIER ou de ZIP sous « data_dir » et le met en vigueur, d'un seul coup.

    Ce qui manque au pack est réparé quand c'est possible, sinon signalé. Un moteur en marche l'emploie après son
    redémarrage.
    """
    installed, faults = PackStore(_settings(config_path).data_dir).install(source, system_clock())
    if as_json:
        _json({"digest": installed.digest, "files": installed.files, "faults": _objects(faults)})
        return
    console = Console()
    console.print(f"[green]✔[/] pack installé, empreinte {installed.digest[:16]}, {installed.files} fichiers.")
    _print_summary(console, faults)


@validation_pack.command("list", short_help="Liste les packs installés.")
@_config_option
@json_option
def list_packs(config_path: Path | None, as_json: bool) -> None:
    """Liste les packs installés ; celui en vigueur est marqué."""
    packs = PackStore(_settings(config_path).data_dir).installed()
    if as_json:
        keys = ("digest", "source", "imported_at", "files", "current")
        _json([{key: getattr(pack, key) for key in keys} for pack in packs])
        return
    console = Console()
    if not packs:
        console.print("Aucun pack installé. Voir : pfi validation-pack import.")
        return
    table = Table("", "Empreinte", "Importé le", "Origine", "Fichiers", box=None)
    for pack in packs:
        mark = "[green]✔[/]" if pack.current else ""
        table.add_row(mark, pack.digest[:16], pack.imported_at[:19], escape(pack.source), str(pack.files))
    console.print(table)


@validation_pack.command("check", short_help="Dit ce qui manque à un pack.")
@click.argument(
    "folder",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="[DOSSIER]",
)
@_config_option
@json_option
def check_pack(folder: Path | None, config_path: Path | None, as_json: bool) -> None:
    """Compile tous les schematrons du pack en vigueur, ou de DOSSIER, et liste ses défauts.

    Le code de retour est 0 quand rien ne manque, 1 sinon. Les documents des volets incomplets ne sont pas validés :
    voir « validation.incomplete ».
    """
    place = folder or pack_of(_settings(config_path))
    if place is None:
        raise ConfigurationError(
            "VALIDATION_PACK_MISSING",
            "Aucun pack de validation n'est installé.",
            "L'installer : pfi validation-pack import DOSSIER.",
        )
    pack = ValidationPack(place)
    pack.schema()
    faults = pack.faults()
    if as_json:
        _json({"digest": pack.digest, "schematrons": len(pack.volets), "faults": _objects(faults)})
    else:
        console = Console()
        console.print(f"Pack {escape(str(place))}, empreinte {pack.digest[:16]}, {len(pack.volets)} volets.")
        for each in faults:
            console.print(f"{_KINDS[each.kind]} [bold]{escape(each.subject)}[/] {escape(each.text)}", highlight=False)
        _print_summary(console, faults)
    sys.exit(0 if all(each.kind is FaultKind.REPAIRED for each in faults) else 1)


def _settings(path: Path | None) -> Settings:
    if path is None:
        default = Path("pfi.yaml")
        return Configuration.read(default).settings if default.is_file() else Settings()
    return Configuration.read(path).settings


def _print_summary(console: Console, faults: Sequence[Fault]) -> None:
    counts = Counter(each.kind for each in faults)
    affected = sorted({each.subject for each in faults if each.kind is not FaultKind.REPAIRED})
    console.print(f"{counts[FaultKind.REPAIRED]} défaut(s) réparé(s), {len(affected)} schematron(s) incomplet(s).")
    if affected:
        names = ", ".join(Path(each).stem for each in affected)
        console.print(f"Documents non validés par défaut : {escape(names)}.")


def _objects(faults: Sequence[Fault]) -> list[dict[str, str]]:
    return [{"kind": str(each.kind), "subject": each.subject, "text": each.text} for each in faults]


def _json(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
