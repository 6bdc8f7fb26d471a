"""One message on the terminal: `pfi show`."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfi.cli.outcomes import (
    ACTIONS,
    ANSWERS,
    CHANGES,
    DSN,
    EVENTS,
    HANDOVERS,
    KINDS,
    MAIL_STATES,
    OUTCOMES,
    SEVERITIES,
    WAITS_FOR,
    coloured,
    mail_kind,
    shown_mailbox,
    state_text,
)
from pfi.engine.journal import MessageView

_CHANNELS = {"DMP": "DMP", "PRO": "MSSanté professionnels", "CIT": "MSSanté citoyenne"}
_DETAILS = {
    "code": "",
    "text": "",
    "changes": "",
    "run": "examen",
    "was": "attendait :",
    "state": None,
    "kind": None,
    "line": "vers",
    "mailbox": "boîte",
}
"""Words before the details of events; `None`: of no use to a reader."""
_REASONS = {"patient_changed": "patient mis à jour", "released": "libération", "replayed": "rejeu"}


def print_message(console: Console, view: MessageView) -> None:
    """Everything about one message: what was found and decided each time, and what became of it."""
    message = view.message
    console.rule(f"Message {message['id']}")
    for line in _mail_lines(view) or _message_lines(message):
        console.print(line, highlight=False)
    for row in view.documents:
        console.print(
            escape(
                f"Document {row['unique_id']} : type {row['type_code']}, {row['level']}, demande {row['request']}, "
                f"version {row['version'] or '-'}, {row['size']} octets"
            ),
            highlight=False,
        )
    for run in sorted({row["run"] for row in (*view.findings, *view.decisions)}):
        when = _when(view, run)
        _section(console, f"Constats {when}", ("Gravité", "Code", "Où", "Constat"), _findings(view, run))
        _section(console, f"Décisions {when}", ("Canal", "Décision", "Code", "Pourquoi"), _decisions(view, run))
    _section(console, "Livraisons", ("Canal", "État", "Essais", "Code", "Texte"), _deliveries(view))
    _section(console, "Essais", ("Canal", "N°", "Début (UTC)", "Durée", "Résultat", "Code et texte"), _attempts(view))
    _section(console, "Boîtes aux lettres", ("Adresse", "Résultat", "Code", "DSN"), _recipients(view))
    _section(console, "Lectures", ("Lecteur", "Résultat", "Code", "Texte"), _readings(view))
    _section(console, "Remises", ("Quoi", "À qui", "État", "Essais", "Code et texte"), _handovers(view))
    if any(row["state"] == "held" for row in view.handovers):
        number = message["id"]
        console.print(
            f"Décision à prendre : « pfi mail release {number} » remet, « pfi mail dismiss {number} » écarte.",
            highlight=False,
        )
    _section(console, "Accusés métier", ("ZAM", "Réponse", "Boîte", "État", "Essais"), _acks(view))
    _section(console, "Événements", ("Heure (UTC)", "Événement", "Détail"), _events(view))


def _message_lines(message: Mapping[str, Any]) -> list[str]:
    return [
        f"{KINDS[message['kind']]} de [bold]{escape(message['sender'])}[/] par {escape(message['listener'])}, "
        f"MSH-10 {escape(message['control_id'])}, {escape(message['message_type'])}, {message['size']} octets, "
        f"reçu le {message['received_at']:%Y-%m-%d à %H:%M:%S} UTC, accusé [bold]{message['ack_code'] or 'aucun'}[/]"
    ]


def _mail_lines(view: MessageView) -> list[str]:
    """What a message is when it came by mail; empty when it did not."""
    message = view.message
    return [
        line
        for row in view.mail
        for line in (
            f"{KINDS[message['kind']]} ({mail_kind(message['message_type'])}) d'un correspondant de "
            f"[bold]{escape(message['peer'] or 'domaine illisible')}[/] pour [bold]{escape(row['mailbox'])}[/], "
            f"Message-ID {escape(row['mail_id'] or 'absent')}, {message['size']} octets, "
            f"reçu le {message['received_at']:%Y-%m-%d à %H:%M:%S} UTC",
            " ".join(filter(None, ("État :", coloured(MAIL_STATES, row["state"]), escape(row["code"]))))
            + (f" : {escape(row['text'])}" if row["text"] else ""),
            f"Réponse : {ANSWERS[row['answer']]} {escape(shown_mailbox(row['answer_to']))}".rstrip(),
        )
    ]


def _section(console: Console, title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", expand=True)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _when(view: MessageView, run: int) -> str:
    """The first examination is that of the reception; the event of each later one says why it was made."""
    if run == 1:
        return "à la réception"
    event = next((row for row in view.events if row["detail"].get("run") == run), None)
    if event is None:
        return f"(examen {run})"
    why = _REASONS.get(event["kind"], event["kind"])
    return f"(examen {run}, {why}, le {event['at']:%Y-%m-%d à %H:%M:%S} UTC)"


def _findings(view: MessageView, run: int) -> list[tuple[str, ...]]:
    return [
        (coloured(SEVERITIES, row["severity"]), row["code"], escape(row["location"]), escape(row["text"]))
        for row in view.findings
        if row["run"] == run
    ]


def _decisions(view: MessageView, run: int) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in view.decisions:
        if row["run"] != run:
            continue
        word, colour = ACTIONS[row["action"]]
        because = "\n".join(f"[bold]{escape(reason['rule'])}[/] {escape(reason['text'])}" for reason in row["because"])
        waits = f"\n[dim]attend {WAITS_FOR.get(row['until'], row['until'])}[/]" if row["until"] else ""
        rows.append((_CHANNELS[row["channel"]], f"[{colour}]{word}[/]{waits}", row["code"], because))
    return rows


def _deliveries(view: MessageView) -> list[tuple[str, ...]]:
    return [
        (
            _CHANNELS[row["channel"]],
            state_text(row["state"]),
            str(row["attempts"]),
            escape(row["code"]),
            escape(row["text"]),
        )
        for row in view.deliveries
    ]


def _attempts(view: MessageView) -> list[tuple[str, ...]]:
    channels = {row["id"]: row["channel"] for row in view.deliveries}
    return [
        (
            channels.get(row["delivery_id"], ""),
            str(row["number"]),
            f"{row['started_at']:%H:%M:%S}",
            f"{(row['ended_at'] - row['started_at']).total_seconds() * 1000:.0f} ms",
            coloured(OUTCOMES, row["outcome"]),
            _code_and_text(row),
        )
        for row in view.attempts
    ]


def _recipients(view: MessageView) -> list[tuple[str, ...]]:
    return [
        (
            escape(shown_mailbox(row["address"])),
            coloured(OUTCOMES, row["outcome"]),
            escape(row["code"]),
            coloured(DSN, row["dsn"]),
        )
        for row in view.recipients
    ]


def _readings(view: MessageView) -> list[tuple[str, ...]]:
    return [
        (
            escape(shown_mailbox(row["address"])),
            "[green]lu ou intégré[/]" if row["success"] else "[red]non intégré[/]",
            escape(row["code"]),
            escape(row["text"]),
        )
        for row in view.readings
    ]


def _handovers(view: MessageView) -> list[tuple[str, ...]]:
    return [
        (
            HANDOVERS[row["kind"]],
            escape(shown_mailbox(row["recipient"]) or row["line"] or "-"),
            state_text(row["state"]),
            str(row["attempts"]),
            _code_and_text(row),
        )
        for row in view.handovers
    ]


def _code_and_text(row: Mapping[str, Any]) -> str:
    """In one cell: on 80 columns a code of its own column is cut."""
    return " ".join(filter(None, (f"[bold]{escape(row['code'])}[/]" if row["code"] else "", escape(row["text"]))))


def _acks(view: MessageView) -> list[tuple[str, ...]]:
    return [
        (
            row["event"],
            "Y" if row["success"] else f"N {escape(row['error_code'])}",
            escape(shown_mailbox(row["mailbox"])),
            state_text(row["state"]),
            str(row["attempts"]),
        )
        for row in view.acks
    ]


def _events(view: MessageView) -> list[tuple[str, ...]]:
    return [
        (f"{row['at']:%m-%d %H:%M:%S}", EVENTS.get(row["kind"], row["kind"]), escape(_detail(row["detail"])))
        for row in view.events
    ]


def _detail(detail: Mapping[str, Any]) -> str:
    """Codes and ids only: there is nothing else in an event."""
    parts = []
    for name, value in detail.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {CHANGES.get(each, each)}" for key, each in value.items())
        word = _DETAILS.get(name, name)
        if word is not None and value not in ("", None):
            parts.append(f"{word} {shown_mailbox(str(value))}".strip())
    return " ; ".join(parts)
