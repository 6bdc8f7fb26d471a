"""What `pfi explain` says: one object for machines, one French page for a terminal of 80 columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.engine.conclusion import Conclusion
from pfi.engine.interpretation import Interpretation, Kind
from pfi.engine.settings import Settings
from pfi.model.decision import Action, Channel, Decision, Priority, Trigger
from pfi.model.finding import Finding, Severity
from pfi.routing.explain import explain as explained
from pfi.routing.rulechecks import RuleKind
from pfi.routing.rules import RuleBook
from pfi.standards.nomenclature import class_code, format_code

CHANNELS: Mapping[Channel, str] = {
    Channel.DMP: "DMP",
    Channel.PRO: "MSSanté professionnels",
    Channel.CIT: "MSSanté citoyenne",
}
TRIGGERS: Mapping[Trigger, str] = {
    Trigger.IDENTITY_QUALIFIED: "l'identité qualifiée",
    Trigger.OBJECTION_LIFTED: "l'opposition levée",
    Trigger.INFORMATION_COLLECTED: "l'information du patient recueillie",
    Trigger.DMP_ACTIVE: "l'ouverture du DMP",
    Trigger.HUMAN_RELEASE: "la décision d'un exploitant",
}
PRIORITIES: Mapping[Priority, str] = {Priority.HIGH: "haute", Priority.NORMAL: "normale", Priority.LOW: "basse"}
_COLOURS = {Action.SEND: "green", Action.HOLD: "yellow", Action.DENY: "red", Action.VOID: "dim"}
_SEVERITIES = {Severity.ERROR: "[red]erreur[/]", Severity.WARNING: "[yellow]alerte[/]", Severity.INFO: "[dim]info[/]"}
_KINDS = {
    RuleKind.ROW: "table légale",
    RuleKind.EXCEPTION: "exception",
    RuleKind.TAG: "étiquette du site",
    RuleKind.SITE: "règle du site",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One message, what is concluded about it, and the rules that did."""

    interpretation: Interpretation
    conclusion: Conclusion
    rules: RuleBook
    settings: Settings

    @property
    def hold_days(self) -> int:
        """How long what is held waits, when no rule says."""
        header = self.interpretation.header
        sender = self.settings.sender_of(header) if header else None
        return sender.hold.expiry_days if sender else 30

    def expiry_days(self, decision: Decision) -> int | None:
        """How long this decision waits; `None` when it does not."""
        if decision.action is not Action.HOLD:
            return None
        return self.hold_days if decision.expiry_days is None else decision.expiry_days

    def once_per_channel(self) -> Iterator[Decision]:
        """Renditions of one document share their decisions: each is shown once."""
        seen = set()
        for decision in self.conclusion.decisions:
            key = (decision.channel, decision.action, decision.because)
            if key not in seen:
                seen.add(key)
                yield decision


def as_object(explanation: Explanation) -> dict[str, Any]:
    """The object printed by `--json` (shape promised to integrators)."""
    interpretation, conclusion = explanation.interpretation, explanation.conclusion
    submission = conclusion.submission
    documents = submission.documents if submission else ()
    document_request = submission.request if submission else ""
    return {
        "ack": {
            "code": None if interpretation.kind is Kind.UNREADABLE else str(conclusion.ack.code),
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
        "decisions": [_decision_object(explanation, decision) for decision in conclusion.decisions],
        "findings": [
            {
                "code": finding.code,
                "severity": str(finding.severity),
                "where": finding.where,
                "text": finding.text,
                **_schematron_rule(finding),
            }
            for finding in conclusion.findings
        ],
        "rules": {"digest": explanation.rules.digest, "files": list(explanation.rules.files)},
    }


def _schematron_rule(finding: Finding) -> dict[str, str]:
    """The assertion that failed, for the findings of a validation: what a publisher looks for in the official pack."""
    return {"rule": finding.rule} if finding.code == "CDA_SCHEMATRON" else {}


def _decision_object(explanation: Explanation, decision: Decision) -> dict[str, Any]:
    return {
        "document": decision.document,
        "channel": str(decision.channel),
        "action": str(decision.action),
        "code": decision.code or None,
        "recipients": [recipient.address or recipient.key for recipient in decision.recipients],
        "because": [{"rule": reason.rule, "text": reason.text} for reason in decision.because],
        "due": decision.due,
        "gap": decision.gap,
        "legal_gap": decision.legal_gap,
        "until": str(decision.until) if decision.until else None,
        "expiry_days": explanation.expiry_days(decision),
        "not_before": decision.not_before.isoformat() if decision.not_before else None,
        "priority": str(decision.priority),
        "mailbox": decision.mailbox or None,
    }


def print_page(console: Console, file: Path, explanation: Explanation) -> None:
    """The French page: acknowledgment, documents, decisions with their reasons, findings, rules."""
    _print_ack(console, file, explanation)
    submission = explanation.conclusion.submission
    for document in submission.documents if submission is not None else ():
        header = document.header
        console.print(
            escape(
                f"Document {document.unique_id} : {header.code.code} {header.code.label}, {header.level}, "
                f"demande {submission.request if submission else ''}"
            ),
            highlight=False,
        )
    if explanation.conclusion.decisions:
        table = Table(title="Décisions", title_justify="left", expand=True, show_lines=True)
        table.add_column("Décision", ratio=2)
        table.add_column("Pourquoi", ratio=3)
        for decision in explanation.once_per_channel():
            reasons = "\n".join(_reason(explanation.rules, each.rule, each.text) for each in decision.because)
            table.add_row("\n".join(_decision_lines(explanation, decision)), reasons)
        console.print(table)
    if explanation.conclusion.findings:
        table = Table(title="Constats", title_justify="left", expand=True)
        for heading, ratio in (("", 0), ("Constat", 3), ("Où", 2)):
            table.add_column(heading, ratio=ratio or None)
        for finding in explanation.conclusion.findings:
            told = f"[bold]{finding.code}[/] {escape(finding.text)}"
            told += "".join(f" [dim]{escape(rule)}[/]" for rule in _schematron_rule(finding).values())
            table.add_row(_SEVERITIES[finding.severity], told, escape(finding.where))
        console.print(table)
    if explanation.conclusion.decisions:
        names = ", ".join(Path(name).name for name in explanation.rules.files)
        console.print(escape(f"Règles {explanation.rules.digest[:12]} : {names}"), highlight=False)


def _print_ack(console: Console, file: Path, explanation: Explanation) -> None:
    ack = explanation.conclusion.ack
    if explanation.interpretation.kind is Kind.UNREADABLE:
        console.print(f"[bold]{escape(file.name)}[/] : [red]illisible, aucun accusé possible[/]")
    else:
        colour = "green" if ack.code == "AA" else "red"
        console.print(f"[bold]{escape(file.name)}[/] : accusé [bold {colour}]{ack.code}[/]", highlight=False)
    for error in ack.errors:
        codes = "/".join(filter(None, (error.err3, error.err5)))
        console.print(f"  [red]{codes}[/] {escape(error.location)} {escape(error.text)}", highlight=False)


def _decision_lines(explanation: Explanation, decision: Decision) -> Iterator[str]:
    (row,) = explained([decision])
    yield f"[bold]{CHANNELS[decision.channel]}[/]"
    yield f"[{_COLOURS[decision.action]}]{row.action}[/]"
    if decision.code:
        same = row.why == decision.code
        yield escape(decision.code if same else f"{row.why} ({decision.code})")
    yield row.obligation
    if decision.channel is not Channel.DMP and decision.recipients:
        count = len(decision.recipients)
        yield f"{count} destinataire{'s' if count > 1 else ''}"
    if decision.until is not None:
        yield f"revue à : {TRIGGERS[decision.until]}"
    days = explanation.expiry_days(decision)
    if days is not None:
        yield f"abandon après {days} jours"
    if decision.not_before is not None:
        yield f"pas avant le {decision.not_before:%Y-%m-%d à %H:%M} UTC"
    if decision.priority is not Priority.NORMAL:
        yield f"priorité {PRIORITIES[decision.priority]}"
    if decision.mailbox:
        yield f"boîte {escape(decision.mailbox)}"


def _reason(rules: RuleBook, rule: str, text: str) -> str:
    origin = rules.rule_ids.get(rule)
    kind = f" [dim]({_KINDS[origin.kind]})[/]" if origin else ""
    return f"[bold]{escape(rule)}[/]{kind} {escape(text)}"
