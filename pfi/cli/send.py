"""`pfi send`: a small MLLP sender for integrators."""

import asyncio
import ssl
import sys
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from pfi.cli.options import json_option
from pfi.engine import logs
from pfi.engine.settings import LogSettings
from pfi.model.errors import PfiError


@click.command(short_help="Envoie des messages HL7 v2 en MLLP et montre les accusés.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FICHIERS...")
@click.option("--to", "target", required=True, metavar="HÔTE:PORT", help="Où envoyer.")
@click.option(
    "--tls-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TLS : autorité du serveur."
)
@click.option(
    "--tls-certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Certificat client."
)
@click.option(
    "--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Clé du certificat client."
)
@click.option(
    "--timeout", default=30.0, show_default=True, metavar="SECONDES", help="Attente de chaque accusé, en secondes."
)
@json_option
def send(
    files: tuple[Path, ...],
    target: str,
    tls_ca: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Envoie FICHIERS (ou les fichiers des dossiers donnés), l'un après l'autre, sur une seule connexion."""
    logs.configure(LogSettings(level="warning"))
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter("forme attendue : hôte:port", param_hint="--to")
    paths = sorted(
        path for given in files for path in (given.rglob("*") if given.is_dir() else [given]) if path.is_file()
    )
    context = _tls(tls_ca, tls_certificate, tls_key)
    results = asyncio.run(_send_all(paths, host, int(port), context, timeout))
    if as_json:
        click.echo(orjson.dumps(results, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console()
        for result in results:
            colour = "green" if result["code"] == "AA" else "red"
            console.print(
                f"[bold {colour}]{result['code'] or '--'}[/] {escape(result['file'])} {escape(result['text'])}",
                highlight=False,
            )
    sys.exit(0 if all(result["code"] for result in results) else 1)


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if ca is None and certificate is None:
        return None
    context = ssl.create_default_context(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


async def _send_all(
    paths: list[Path], host: str, port: int, context: ssl.SSLContext | None, wait: float
) -> list[dict[str, str]]:
    from connectors.mllp.client import MllpClient
    from pfi.standards.hl7v2.ack import read_ack

    results: list[dict[str, str]] = []
    async with MllpClient(host, port, ssl_context=context, timeout=wait) as client:
        with Progress(transient=True, disable=len(paths) < 3, console=Console(stderr=True)) as progress:
            for path in progress.track(paths, description="Envoi"):
                try:
                    raw = await client.exchange(path.read_bytes())
                    reading = read_ack(raw)
                    text = " ".join(f"{error.err3} {error.location} {error.text}".strip() for error in reading.errors)
                    results.append({"file": path.name, "code": str(reading.code), "text": text, "ack": raw.decode()})
                except PfiError as error:
                    results.append(
                        {"file": path.name, "code": "", "text": f"{error.text} {error.next_step}", "ack": ""}
                    )
    return results
