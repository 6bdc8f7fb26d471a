"""`pfi sandbox`: strict mock services for integrators, in a process of their own."""

import asyncio
import sys
from pathlib import Path

import click
import uvloop


@click.command(short_help="Démarre le bac à sable : faux DMP, opérateur MSSanté, DPI, INSi, Annuaire Santé.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/bac-a-sable"),
    show_default=True,
    help="Certificats, documents et courriels reçus.",
)
@click.option(
    "--patients",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fichier YAML des patients du DMP (voir samples/patients.yaml).",
)
@click.option(
    "--pack",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Pack de validation dont le faux DMP applique le schéma XML à chaque CDA.",
)
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="DOMAINE",
    help="Domaine de messagerie où toute boîte existe, sauf celles qui commencent par « inconnu » (répétable).",
)
@click.option("--dmp-port", default=0, metavar="PORT", help="Port du DMP (0 = au choix du système).")
@click.option("--smtp-port", default=0, metavar="PORT", help="Port de l'opérateur MSSanté (SMTP).")
@click.option("--imap-port", default=0, metavar="PORT", help="Port des boîtes aux lettres de l'opérateur (IMAP).")
@click.option("--dpi-port", default=0, metavar="PORT", help="Port du DPI (MLLP).")
@click.option("--dpi-tls-port", default=0, metavar="PORT", help="Port du DPI (MLLP sur TLS).")
@click.option("--insi-port", default=0, metavar="PORT", help="Port du téléservice INSi.")
@click.option("--annuaire-port", default=0, metavar="PORT", help="Port de l'Annuaire Santé et de la liste blanche.")
@click.option("--control-port", default=0, metavar="PORT", help="Port de pilotage (pannes, état), en HTTP local.")
@click.option("--light", is_flag=True, help="Puits rapides qui acceptent tout, pour les mesures.")
@click.option("--json", "as_json", is_flag=True, help="Une ligne de JSON quand tout est prêt.")
def sandbox(
    directory: Path,
    patients: Path | None,
    pack: Path | None,
    domains: tuple[str, ...],
    dmp_port: int,
    smtp_port: int,
    imap_port: int,
    dpi_port: int,
    dpi_tls_port: int,
    insi_port: int,
    annuaire_port: int,
    control_port: int,
    light: bool,
    as_json: bool,
) -> None:
    """Démarre de faux services, aussi stricts que les vrais, jusqu'à Ctrl-C.

    Ce sont un DMP, un opérateur MSSanté (envoi et boîtes), un DPI, un téléservice INSi et un Annuaire Santé.
    """
    try:
        from connectors.sandbox.__main__ import serve
        from connectors.sandbox.sandbox import Ports, Sandbox
    except ModuleNotFoundError as error:
        click.secho(f"Le bac à sable n'est pas installé ({error.name} manque).", fg="red", err=True)
        click.echo("Installer l'extra « sandbox » : pip install 'pfi[sandbox]'.", err=True)
        sys.exit(2)
    ports = Ports(
        dmp=dmp_port,
        smtp=smtp_port,
        dpi=dpi_port,
        dpi_tls=dpi_tls_port,
        control=control_port,
        insi=insi_port,
        imap=imap_port,
        annuaire=annuaire_port,
    )
    service = Sandbox(directory, ports=ports, light=light, pack=pack, keep=True)
    # aiosmtpd upgrades connections with asyncio's own TLS: only the sinks run on uvloop.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if light else None) as runner:
        runner.run(serve(service, as_json=as_json, patients=patients, domains=domains))
