"""`pfi explain`: what would be acknowledged, decided and sent, and why. No network, no store."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from rich.console import Console

from pfi.cli.explanation import Explanation, as_object, print_page
from pfi.cli.options import json_option, optional_configuration
from pfi.engine import logs
from pfi.engine.conclusion import conclude
from pfi.engine.folder import PatientEvents, event_keys, read_file
from pfi.engine.interpretation import Interpretation
from pfi.engine.patientkeys import patient_keys
from pfi.engine.settings import LogSettings, Settings
from pfi.model.clock import system_clock
from pfi.model.errors import SenderDataError
from pfi.model.finding import Finding, Severity
from pfi.model.patient import PatientState
from pfi.model.profile import Environment, Mode, SenderProfile
from pfi.model.submission import MessageHeader
from pfi.routing.rules import default_rule_paths, load_rules


@click.command(short_help="Explique ce que deviendrait un message ou un CDA, sans rien envoyer.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FICHIER")
@click.option(
    "--adt",
    "adt_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Message ADT à appliquer d'abord à l'état du patient (répétable, dans l'ordre).",
)
@click.option("--mode", type=click.Choice(["tolerant", "strict"]), help="Lecture tolérante ou stricte.")
@click.option(
    "--at",
    "moment",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    metavar="AAAA-MM-JJ[THH:MM:SS]",
    help="Moment du traitement (UTC).",
)
@click.option(
    "--environment",
    type=click.Choice(["production", "test"]),
    help="Environnement des INS admises. Par défaut : celui de la configuration, sinon celui de l'INS du message.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Écrit ici, octet pour octet, ce qui partirait."
)
@click.option(
    "--config", "config_path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Configuration."
)
@click.option(
    "--rules",
    "rule_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fichier de règles à employer (répétable).",
)
@click.option(
    "--validate",
    is_flag=True,
    help="Valide aussi chaque document (XSD, schematrons) avec le pack installé, ou celui de --pack.",
)
@click.option(
    "--pack",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Dossier d'un pack de validation, pour --validate.",
)
@json_option
def explain(
    file: Path,
    adt_files: tuple[Path, ...],
    mode: str | None,
    moment: datetime | None,
    environment: str | None,
    out: Path | None,
    config_path: Path | None,
    rule_files: tuple[Path, ...],
    validate: bool,
    pack: Path | None,
    as_json: bool,
) -> None:
    """Explique ce que deviendrait FICHIER (message HL7 v2 ou document CDA) : accusé, décisions, raisons.

    Rien n'est envoyé ni enregistré. Les règles sont celles de --rules, sinon des fichiers que nomme la configuration,
    sinon celles livrées. Le code de retour est 0 dès que l'explication est possible.
    """
    logs.configure(LogSettings(level="warning"))
    configuration = optional_configuration(config_path)
    settings = configuration.settings
    now = moment.replace(tzinfo=UTC) if moment else system_clock()
    overrides = _Overrides(settings, Mode(mode) if mode else None, environment, config_path is not None)
    rules = load_rules(rule_files or settings.rules or default_rule_paths())
    raw = file.read_bytes()
    interpretation = overrides.interpret(raw, now)
    state, notes = _patient_state(interpretation, adt_files, overrides, now)
    conclusion = conclude(interpretation, state, rules, now)
    notes = (*overrides.notes(interpretation), *notes)
    conclusion = replace(conclusion, findings=(*conclusion.findings, *notes))
    if validate or pack is not None:
        from pfi.cli.validating import validation_findings

        validated = validation_findings(conclusion.submission, settings, pack)
        conclusion = replace(conclusion, findings=(*conclusion.findings, *validated))
    if out is not None:
        from pfi.cli.outgoing import write_outgoing

        outgoing = write_outgoing(out, interpretation, conclusion, configuration, now)
        conclusion = replace(conclusion, findings=(*conclusion.findings, *outgoing.notes))
    explanation = Explanation(interpretation, conclusion, rules, settings)
    if as_json:
        click.echo(orjson.dumps(as_object(explanation), option=orjson.OPT_INDENT_2).decode())
    else:
        print_page(Console(), file, explanation)


class _Overrides:
    """The profile of a message, as the configuration and the command line want it."""

    def __init__(self, settings: Settings, mode: Mode | None, environment: str | None, configured: bool) -> None:
        self._settings = settings
        self._mode = mode
        self._environment = Environment(environment) if environment else None
        self._follow_message = environment is None and not configured

    def profile(self, header: MessageHeader) -> SenderProfile:
        profile = self._settings.profile_of(header)
        if self._mode is not None:
            profile = replace(profile, mode=self._mode)
        if self._environment is not None:
            profile = replace(profile, environment=self._environment)
        return profile

    def interpret(self, raw: bytes, now: datetime) -> Interpretation:
        """Reads a message or a bare CDA; without configuration, the environment follows the INS of the message."""
        return read_file(raw, self.profile, now, follow_ins=self._follow_message)

    def notes(self, interpretation: Interpretation) -> tuple[Finding, ...]:
        if self._follow_message and interpretation.profile.environment is Environment.TEST:
            return (
                Finding(
                    "INS_TEST_OID",
                    Severity.INFO,
                    "PID^1^3",
                    "INS de test ou de démonstration : expliquée comme dans un environnement de test. "
                    "En production (ins.environment), rien ne partirait.",
                    "ins digest §1.3",
                ),
            )
        return ()


def _patient_state(
    interpretation: Interpretation, adt_files: tuple[Path, ...], overrides: _Overrides, now: datetime
) -> tuple[PatientState | None, tuple[Finding, ...]]:
    """What the ADT files say of the patient of this message."""
    if interpretation.submission is None:
        return None, ()
    patient = interpretation.submission.patient
    wanted = set(patient_keys(patient))
    told = PatientEvents()
    notes: list[Finding] = []
    for path in adt_files:
        event = overrides.interpret(path.read_bytes(), now).event
        if event is None:
            raise SenderDataError("ADT_UNREADABLE", f"{path.name} : pas un message ADT exploitable.", "Voir --adt.")
        if wanted & set(event_keys(event)):
            told.tell(event)
        else:
            text = f"{path.name} concerne un autre patient : ignoré."
            notes.append(Finding("ADT_OTHER_PATIENT", Severity.INFO, "PID^1^3", text))
    return told.of(patient), tuple(notes)
