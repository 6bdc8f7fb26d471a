"""`pfi insi`: what the national teleservice says of the identity of one message. Nothing is changed by the answer."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click
import orjson
from rich.console import Console
from rich.markup import escape

from pfi import __version__
from pfi.cli.options import config_option, json_option
from pfi.engine import logs
from pfi.engine.configuration import Configuration
from pfi.engine.connector import CheckResult, Surroundings, Verification, VerificationKind, Verifier
from pfi.engine.settings import LogSettings
from pfi.model.clock import IdSource, system_clock
from pfi.model.errors import ConfigurationError, SenderDataError
from pfi.model.patient import Patient

Said = TypeVar("Said")

_SHOWN = {
    VerificationKind.CONFIRMED: ("green", "confirmée"),
    VerificationKind.CONTRADICTED: ("red", "contredite"),
    VerificationKind.UNDECIDED: ("yellow", "indécise"),
    VerificationKind.UNAVAILABLE: ("yellow", "impossible pour l'instant"),
}


@click.group(subcommand_metavar="COMMANDE [ARGUMENTS]...", short_help="Vérifie une identité par le téléservice INSi.")
def insi() -> None:
    """Téléservice INSi : vérifie l'identité d'un message. Le PFI ne qualifie jamais une identité."""


@insi.command(short_help="Vérifie l'INS et les traits d'un message.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FICHIER")
@config_option
@json_option
def verify(file: Path, config_path: Path, as_json: bool) -> None:
    """Demande au téléservice INSi si l'INS et les traits de FICHIER (message HL7 v2 ou document CDA) vont ensemble.

    Seule une identité qualifiée est vérifiée. Le code de retour est 0 quand l'identité est confirmée, 1 sinon.
    """
    logs.configure(LogSettings(level="warning"))
    configuration = Configuration.read(config_path)
    patient = read_identity(file.read_bytes(), configuration)
    verification = asyncio.run(_with_verifier(configuration, lambda verifier: verifier.verify(patient)))
    if as_json:
        said = {"kind": verification.kind, "code": verification.code, "text": verification.text}
        click.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(verification)
    sys.exit(0 if verification.kind is VerificationKind.CONFIRMED else 1)


@insi.command(short_help="Vérifie le certificat et joint le téléservice, sans patient.")
@config_option
def check(config_path: Path) -> None:
    """Vérifie les réglages et le certificat, et joint le téléservice sans rien demander d'un patient."""
    logs.configure(LogSettings(level="warning"))
    configuration = Configuration.read(config_path)
    results: tuple[CheckResult, ...] = asyncio.run(_with_verifier(configuration, lambda verifier: verifier.check()))
    console = Console()
    for result in results:
        mark = "[green]✔[/]" if result.ok else "[red]✘[/]"
        console.print(f"{mark} [bold]{escape(result.subject)}[/] {escape(result.text)}", highlight=False)
    sys.exit(0 if all(result.ok for result in results) else 1)


def read_identity(raw: bytes, configuration: Configuration) -> Patient:
    """The identity that a message states. Raises SenderDataError when it cannot be read, or when the teleservice may
    not be asked about it: not qualified, doubtful or fictitious (INS digest §2)."""
    from pfi.engine.folder import read_file
    from pfi.engine.verification import identity_to_verify
    from pfi.identity.status import assess
    from pfi.model.patient import IdentityStatus

    interpretation = read_file(raw, configuration.settings.profile_of, system_clock(), follow_ins=False)
    submission = interpretation.submission
    if submission is None:
        reason = interpretation.findings[0].text if interpretation.findings else "Ce n'est pas un document."
        raise SenderDataError("MESSAGE_NOT_USABLE", f"Aucune identité à vérifier. {reason}")
    patient = submission.patient
    if patient.ins is None:
        raise SenderDataError("INSI_NO_INS", "Le message ne porte pas d'INS : il n'y a rien à vérifier.")
    assessment = assess(patient, None, interpretation.profile)
    if assessment.status is not IdentityStatus.QUALIFIED:
        raise SenderDataError(
            "INS_NOT_QUALIFIED",
            "L'identité n'est pas qualifiée, ou elle est douteuse : le téléservice n'est pas interrogé.",
            "Seul le référentiel d'identités de l'établissement qualifie une identité.",
        )
    return identity_to_verify(patient, submission.documents)


async def _with_verifier(configuration: Configuration, act: Callable[[Verifier], Awaitable[Said]]) -> Said:
    from pfi.engine.verification import build_verifier

    ids = IdSource(oid_root=configuration.settings.site.oid_root)
    verifier = build_verifier(configuration, Surroundings(system_clock, ids, product_version=__version__))
    if verifier is None:
        raise ConfigurationError(
            "INSI_NOT_CONFIGURED",
            "La configuration ne dit pas comment joindre le téléservice INSi.",
            "Ajouter « ins.verification » (docs/insi.md).",
        )
    await verifier.open()
    try:
        return await act(verifier)
    finally:
        await verifier.close()


def _print(verification: Verification) -> None:
    colour, word = _SHOWN[verification.kind]
    Console().print(
        f"[bold {colour}]Identité {word}[/] ({escape(verification.code)}) {escape(verification.text)}", highlight=False
    )
