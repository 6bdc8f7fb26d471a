"""`python -m connectors.sandbox`: the sandbox in a process of its own, until SIGINT or SIGTERM."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from connectors.sandbox.sandbox import Ports, Sandbox


async def serve(sandbox: Sandbox, *, as_json: bool, patients: Path | None = None, domains: Sequence[str] = ()) -> None:
    """Runs a sandbox until the process is asked to stop; says where it listens when it is ready.

    `as_json` prints one line of JSON, the value of `Sandbox.configuration()`; else a few sentences. In `domains` of the
    operator any mailbox exists, but those that begin by `inconnu`.
    """
    if patients is not None:
        sandbox.dmp.patients.load(patients)
    for domain in domains:
        sandbox.operator.mailboxes.open_domain(domain)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with sandbox:
        print(json.dumps(sandbox.configuration()) if as_json else _describe(sandbox), flush=True)
        await stopped.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m connectors.sandbox", description="Bac à sable du PFI")
    parser.add_argument("--directory", type=Path, required=True, help="dossier des certificats et des documents reçus")
    parser.add_argument("--light", action="store_true", help="puits rapides qui acceptent tout, pour les mesures")
    parser.add_argument("--json", action="store_true", help="une ligne de JSON quand tout est prêt")
    parser.add_argument("--pack", type=Path, help="pack de validation dont le DMP applique le schéma XML")
    parser.add_argument("--patients", type=Path, help="fichier YAML des patients du DMP")
    for name in ("dmp", "smtp", "dpi", "dpi-tls", "control", "imap"):
        parser.add_argument(f"--{name}-port", type=int, default=0, help="port (0 = au choix du système)")
    read = parser.parse_args(arguments)
    ports = Ports(
        read.dmp_port, read.smtp_port, read.dpi_port, read.dpi_tls_port, read.control_port, imap=read.imap_port
    )
    sandbox = Sandbox(read.directory, ports=ports, light=read.light, pack=read.pack, keep=True)
    serving = serve(sandbox, as_json=read.json, patients=read.patients)
    # aiosmtpd upgrades connections with asyncio's own TLS: only the sinks run on uvloop.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if read.light else None) as runner:
        runner.run(serving)
    return 0


def _describe(sandbox: Sandbox) -> str:
    return "\n".join(
        (
            f"Bac à sable prêt dans {sandbox.directory}",
            f"  DMP       https://localhost:{sandbox.dmp_port}",
            f"  MSSanté   localhost:{sandbox.smtp_port} (STARTTLS, certificat client)",
            *(() if sandbox.light else (f"            localhost:{sandbox.operator.imap.port} (IMAP)",)),
            f"  DPI       localhost:{sandbox.dpi.port} (MLLP), {sandbox.dpi.tls_port} (MLLP sur TLS)",
            *(() if sandbox.light else (f"  INSi      {sandbox.insi.url}", f"  Annuaire  {sandbox.annuaire.url}")),
            f"  Pilotage  {sandbox.control.url}/state",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
