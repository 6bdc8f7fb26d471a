"""`pfi explain`: what would be acknowledged, decided and sent, and why. No network, no store."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.options import json_option, optional_configuration
from pfi.engine import logs
from pfi.engine.interpretation import (
    Conclusion,
    Interpretation,
    Kind,
    conclude,
    interpret,
    interpret_cda,
    patient_keys,
)
from pfi.engine.settings import LogSettings, Settings
from pfi.identity.ins import is_test
from pfi.identity.state import apply
from pfi.model.clock import system_clock
from pfi.model.decision import Action
from pfi.model.errors import SenderDataError
from pfi.model.finding import Finding, Severity
from pfi.model.patient import PatientState
from pfi.model.profile import Environment, Mode, SenderProfile
from pfi.model.submission import MessageHeader
from pfi.routing.rules import default_rule_paths, load_rules
from pfi.standards.nomenclature import class_code, format_code


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
@json_option
def explain(
    file: Path,
    adt_files: tuple[Path, ...],
    mode: str | None,
    moment: datetime | None,
    environment: str | None,
    out: Path | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Explique ce que deviendrait FICHIER (message HL7 v2 ou document CDA) : accusé, décisions, raisons.

    Rien n'est envoyé ni enregistré. Le code de retour est 0 dès que l'explication est possible.
    """
    logs.configure(LogSettings(level="warning"))
    configuration = optional_configuration(config_path)
    settings = configuration.settings
    now = moment.replace(tzinfo=UTC) if moment else system_clock()
    overrides = _Overrides(settings, Mode(mode) if mode else None, environment, config_path is not None)
    rules = load_rules(settings.rules or default_rule_paths())
    raw = file.read_bytes()
    interpretation = overrides.interpret(raw, now)
    state, notes = _patient_state(interpretation, adt_files, overrides, now)
    conclusion = conclude(interpretation, state, rules, now)
    notes = (*overrides.notes(interpretation), *notes)
    conclusion = replace(conclusion, findings=(*conclusion.findings, *notes))
    if out is not None:
        from pfi.cli.outgoing import write_outgoing

        outgoing = write_outgoing(out, interpretation, conclusion, configuration, now)
        conclusion = replace(conclusion, findings=(*conclusion.findings, *outgoing.notes))
    if as_json:
        click.echo(orjson.dumps(as_object(interpretation, conclusion), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(Console(), file, interpretation, conclusion)


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
        if is_cda(raw):
            interpretation = interpret_cda(raw, self.profile(_NO_MESSAGE), now)
        else:
            interpretation = interpret(raw, self.profile, now)
        if self._follow_message and _carries_test_ins(interpretation):
            profile = replace(interpretation.profile, environment=Environment.TEST)
            return replace(interpretation, profile=profile)
        return interpretation

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


_NO_MESSAGE = MessageHeader("", "", "", "", "CDA", "", "", "", "", "", "")


def is_cda(raw: bytes) -> bool:
    """A file whose first character is `<` is XML, hence a document and not a message."""
    return raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _carries_test_ins(interpretation: Interpretation) -> bool:
    submission = interpretation.submission
    if submission is None:
        return False
    patients = (submission.patient, *(document.header.patient for document in submission.documents))
    return any(patient.ins is not None and is_test(patient.ins) for patient in patients)


def _patient_state(
    interpretation: Interpretation, adt_files: tuple[Path, ...], overrides: _Overrides, now: datetime
) -> tuple[PatientState | None, tuple[Finding, ...]]:
    """What the ADT files say of the patient of this message."""
    if interpretation.submission is None:
        return None, ()
    wanted = set(patient_keys(interpretation.submission.patient))
    state: PatientState | None = None
    notes: list[Finding] = []
    for path in adt_files:
        event = overrides.interpret(path.read_bytes(), now).event
        if event is None:
            raise SenderDataError("ADT_UNREADABLE", f"{path.name} : pas un message ADT exploitable.", "Voir --adt.")
        prior = replace(
            event.patient, ins=event.prior_ins[0] if event.prior_ins else None, identifiers=event.prior_identifiers
        )
        if wanted & {*patient_keys(event.patient), *patient_keys(prior)}:
            state = apply(state or PatientState(), event)
        else:
            text = f"{path.name} concerne un autre patient : ignoré."
            notes.append(Finding("ADT_OTHER_PATIENT", Severity.INFO, "PID^1^3", text))
    return state, tuple(notes)


def as_object(interpretation: Interpretation, conclusion: Conclusion) -> dict[str, Any]:
    """The object printed by `--json` (shape promised to integrators)."""
    unreadable = interpretation.kind is Kind.UNREADABLE
    submission = conclusion.submission
    documents = submission.documents if submission else ()
    document_request = submission.request if submission else ""
    return {
        "ack": {
            "code": None if unreadable else str(conclusion.ack.code),
            "errors": [
                {"err3": error.err3, "err5": error.err5 or None, "location": error.location or None, "text": error.text}
                for error in conclusion.ack.errors
            ],
        },
        "documents": [
            {
                "unique_id": document.unique_id,
                "type_code": document.header.code.code,
                "class_code": found.code if (found := class_code(document.header.code.code)) else None,
                "format_code": format_code(document.header).code,
                "level": str(document.header.level),
                "request": str(document_request),
            }
            for document in documents
        ],
        "decisions": [
            {
                "document": decision.document,
                "channel": str(decision.channel),
                "action": str(decision.action),
                "code": decision.code or None,
                "recipients": [recipient.address for recipient in decision.recipients],
                "because": [{"rule": reason.rule, "text": reason.text} for reason in decision.because],
            }
            for decision in conclusion.decisions
        ],
        "findings": [
            {"code": finding.code, "severity": str(finding.severity), "where": finding.where, "text": finding.text}
            for finding in conclusion.findings
        ],
    }


_ACTIONS = {
    Action.SEND: "[green]envoyer[/]",
    Action.HOLD: "[yellow]attendre[/]",
    Action.DENY: "[red]ne pas envoyer[/]",
    Action.VOID: "[dim]sans objet[/]",
}
_CHANNELS = {"DMP": "DMP", "PRO": "MSSanté professionnels", "CIT": "MSSanté citoyenne"}
_SEVERITIES = {Severity.ERROR: "[red]erreur[/]", Severity.WARNING: "[yellow]alerte[/]", Severity.INFO: "[dim]info[/]"}


def _print(console: Console, file: Path, interpretation: Interpretation, conclusion: Conclusion) -> None:
    submission = conclusion.submission
    if interpretation.kind is Kind.UNREADABLE:
        console.print(f"[bold]{escape(file.name)}[/] : [red]illisible, aucun accusé possible[/]")
    else:
        colour = "green" if not conclusion.ack.errors else "red"
        console.print(f"[bold]{escape(file.name)}[/] : accusé [bold {colour}]{conclusion.ack.code}[/]", highlight=False)
    for error in conclusion.ack.errors:
        codes = "/".join(filter(None, (error.err3, error.err5)))
        console.print(f"  [red]{codes}[/] {escape(error.location)} {escape(error.text)}", highlight=False)
    if submission is not None:
        for document in submission.documents:
            header = document.header
            console.print(
                escape(
                    f"Document {document.unique_id} : {header.code.code} {header.code.label}, {header.level}, "
                    f"demande {submission.request}"
                ),
                highlight=False,
            )
    if conclusion.decisions:
        table = Table("Canal", "Décision", "Pourquoi", title="Décisions", title_justify="left", expand=True)
        for decision in _once_per_channel(conclusion):
            reasons = "\n".join(f"[bold]{escape(reason.rule)}[/] {escape(reason.text)}" for reason in decision.because)
            table.add_row(_CHANNELS[decision.channel], _ACTIONS[decision.action], reasons)
        console.print(table)
    if conclusion.findings:
        table = Table("", "Code", "Où", "Constat", title="Constats", title_justify="left", expand=True)
        for finding in conclusion.findings:
            table.add_row(_SEVERITIES[finding.severity], finding.code, escape(finding.where), escape(finding.text))
        console.print(table)


def _once_per_channel(conclusion: Conclusion) -> Iterator[Any]:
    """Renditions of one document share their decisions: show them once."""
    seen = set()
    for decision in conclusion.decisions:
        key = (decision.channel, decision.action, decision.because)
        if key not in seen:
            seen.add(key)
            yield decision
