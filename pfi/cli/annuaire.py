"""`pfi annuaire`: published MSSanté mailboxes, looked up, imported, checked. Sends nothing of a patient."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connectors.annuaire.directory import AnnuaireDirectory
from connectors.annuaire.settings import AnnuaireSettings
from pfi import __version__
from pfi.cli.options import config_option, json_option
from pfi.engine import logs
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Ambiguous, Away, Found, Lookup, Mailbox, Nothing, Surroundings
from pfi.engine.settings import LogSettings
from pfi.model.clock import IdSource, system_clock
from pfi.model.errors import ConfigurationError

Said = TypeVar("Said")

_BOOK = "au carnet d'adresses du site (« directory » du fichier de règles)"
_KINDS = {"PER": "nominative", "ORG": "organisation", "APP": "applicative", "CAB": "cabinet"}
"""Types of mailbox (TRE_R257), in words."""
_OUTCOMES = {Found: "found", Ambiguous: "ambiguous", Nothing: "nothing", Away: "away"}


@click.group(
    subcommand_metavar="COMMANDE [ARGUMENTS]...", short_help="Cherche une boîte MSSanté dans l'Annuaire Santé."
)
def annuaire() -> None:
    """Annuaire Santé : boîtes MSSanté publiées des professionnels et des structures."""


@annuaire.command(short_help="Cherche la boîte d'un professionnel ou d'une structure.")
@click.argument("identifier", metavar="IDENTIFIANT")
@click.option("--structure", default="", metavar="FINESS", help="Structure où le professionnel est écrit.")
@config_option
@json_option
def find(identifier: str, structure: str, config_path: Path, as_json: bool) -> None:
    """Cherche la boîte MSSanté d'IDENTIFIANT : RPPS (11 chiffres), identifiant national (8 + RPPS) ou FINESS.

    Le code de retour est 0 quand une boîte et une seule convient, 1 sinon.
    """
    logs.configure(LogSettings(level="warning"))
    settings = _settings(config_path)
    asked = _question(identifier, structure)
    lookup = asyncio.run(_with_directory(settings, lambda directory: directory.resolve(*asked)))
    if as_json:
        click.echo(orjson.dumps(_as_json(lookup), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(lookup)
    sys.exit(0 if isinstance(lookup, Found) else 1)


@annuaire.command("import", short_help="Importe l'extraction du jour.")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[FICHIER]", required=False
)
@click.option("--fetch", is_flag=True, help="Télécharge l'extraction (extract.url, extract.ca).")
@config_option
def import_(file: Path | None, fetch: bool, config_path: Path) -> None:
    """Importe FICHIER, l'extraction « Correspondance MSSanté » de l'Annuaire Santé (zip ou txt).

    L'extraction en service le reste quand la nouvelle est illisible ou incomplète.
    """
    from connectors.annuaire import importing

    if (file is None) != fetch:
        raise click.UsageError("donner FICHIER, ou --fetch")
    settings = _settings(config_path)
    extract = settings.extract
    if extract is None:
        raise ConfigurationError(
            "ANNUAIRE_NO_EXTRACT",
            "La configuration ne dit pas où garder l'extraction de l'Annuaire Santé.",
            "Ajouter « extract » aux réglages de l'annuaire (docs/annuaire.md).",
        )
    with tempfile.TemporaryDirectory(prefix="pfi-annuaire-") as folder:
        source = file
        if source is None:
            source = Path(folder) / "extraction"
            importing.fetch(extract, source, settings.proxy)
        done = importing.import_file(source, extract, system_clock)
    before = "" if done.before is None else f" (au lieu de {done.before})"
    unusable = f" {done.unusable} lignes inutilisables ignorées." if done.unusable else ""
    click.echo(f"{done.edition.rows} boîtes importées{before}, du {done.edition.made_at:%d/%m/%Y}.{unusable}")


@annuaire.command(short_help="Joint l'API et regarde la date de l'extraction.")
@config_option
def check(config_path: Path) -> None:
    """Vérifie les réglages, la clé d'API et la fraîcheur de l'extraction, sans rien demander de personne."""
    logs.configure(LogSettings(level="warning"))
    settings = _settings(config_path)
    results = asyncio.run(_with_directory(settings, lambda directory: directory.check()))
    console = Console()
    for result in results:
        mark = "[green]✔[/]" if result.ok else "[red]✘[/]"
        console.print(f"{mark} [bold]{escape(result.subject)}[/] : {escape(result.text)}", highlight=False)
    sys.exit(0 if all(result.ok for result in results) else 1)


def _settings(path: Path) -> AnnuaireSettings:
    configuration = Configuration.read(path)
    wanted = configuration.settings.directory
    if wanted is None:
        raise ConfigurationError(
            "ANNUAIRE_NOT_CONFIGURED",
            "La configuration ne dit pas comment joindre l'Annuaire Santé.",
            "Ajouter « directory » (docs/annuaire.md).",
        )
    _, checked = configuration.directory(wanted.connector, wanted.settings, ("directory",))
    if not isinstance(checked, AnnuaireSettings):
        raise ConfigurationError(
            "ANNUAIRE_NOT_CONFIGURED",
            f"L'annuaire configuré (« {wanted.connector} ») n'est pas l'Annuaire Santé.",
            "Ces commandes ne concernent que « connector: annuaire » (docs/annuaire.md).",
        )
    return checked


def _question(identifier: str, structure: str) -> tuple[str, str]:
    """Whom to ask about: an identifier that is no professional's is a structure's. Raises a usage error."""
    from connectors.annuaire.identifiers import Professional, Structure

    if structure and Structure.read(structure) is None:
        raise click.BadParameter("FINESS attendu (9 caractères)", param_hint="--structure")
    if Professional.read(identifier) is not None:
        return identifier, structure
    if Structure.read(identifier) is not None and not structure:
        return "", identifier
    raise click.BadParameter("RPPS, identifiant national ou FINESS attendu", param_hint="IDENTIFIANT")


async def _with_directory(settings: AnnuaireSettings, act: Callable[[AnnuaireDirectory], Awaitable[Said]]) -> Said:
    directory = AnnuaireDirectory(settings, Surroundings(system_clock, IdSource(), product_version=__version__))
    await directory.open()
    try:
        return await act(directory)
    finally:
        await directory.close()


def _as_json(lookup: Lookup) -> dict[str, object]:
    said: dict[str, object] = {"outcome": _OUTCOMES[type(lookup)], "mailboxes": [asdict(each) for each in _of(lookup)]}
    return said | {"code": lookup.code, "text": lookup.text} if isinstance(lookup, Away) else said


def _of(lookup: Lookup) -> tuple[Mailbox, ...]:
    if isinstance(lookup, Found):
        return (lookup.mailbox,)
    return lookup.mailboxes if isinstance(lookup, Ambiguous) else ()


def _print(lookup: Lookup) -> None:
    console = Console(highlight=False)
    if isinstance(lookup, Away):
        console.print(f"[bold yellow]Pas de réponse[/] ({escape(lookup.code)}) {escape(lookup.text)}")
        console.print("« pfi annuaire check » vérifie l'accès à l'annuaire.")
    elif isinstance(lookup, Nothing):
        console.print("[bold red]Aucune boîte MSSanté publiée[/] : le PFI n'écrirait pas à ce destinataire.")
        console.print(f"Vérifier l'identifiant, ou inscrire l'adresse {_BOOK}.")
    elif isinstance(lookup, Ambiguous):
        console.print("[bold yellow]Aucune boîte ne s'impose[/] : le PFI n'écrirait à aucune de celles-ci.")
        console.print(f"Inscrire la bonne {_BOOK} ; « --structure » précise la recherche d'un professionnel.")
    else:
        console.print("[bold green]Une boîte s'impose[/] : le PFI écrirait à celle-ci.")
    if mailboxes := _of(lookup):
        table = Table(box=None)
        for heading in ("Adresse", "Type", "Structure", "Service ou nom", "Lieu"):
            # An address that is cut cannot be copied.
            table.add_column(heading, overflow="fold", no_wrap=heading == "Adresse")
        for each in mailboxes:
            kind = _KINDS.get(each.kind, each.kind)
            table.add_row(*map(escape, (each.address, kind, each.structure, each.label, each.place)))
        console.print(table)
