"""French words for what became of a document: shared by `pfi demo`, `pfi messages` and `pfi show`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from pfi.engine.journal import MessageView
from pfi.model.decision import Trigger
from pfi.standards.mail.address import PATIENT_DOMAIN

_WIDE: Final = 110
"""Columns of a terminal that has room for everything."""
STATES: Mapping[str, tuple[str, str]] = {
    "waiting": ("attend le précédent", "yellow"),
    "queued": ("à retenter", "yellow"),
    "in_flight": ("en cours", "yellow"),
    "unknown": ("incertain, à vérifier", "yellow"),
    "held": ("en attente", "yellow"),
    "delivered": ("remis", "green"),
    "refused": ("refusé", "red"),
    "failed": ("abandonné", "red"),
    "cancelled": ("annulé", "dim"),
}
ACTIONS: Mapping[str, tuple[str, str]] = {
    "send": ("à envoyer", "yellow"),
    "hold": ("en attente", "yellow"),
    "deny": ("non envoyé", "red"),
    "void": ("sans objet", "dim"),
}


SEVERITIES: Mapping[str, tuple[str, str]] = {
    "error": ("erreur", "red"),
    "warning": ("alerte", "yellow"),
    "info": ("info", "dim"),
}
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "delivered": ("remis", "green"),
    "not_delivered": ("à retenter", "yellow"),
    "unknown": ("incertain", "yellow"),
    "refused": ("refusé", "red"),
    "failed": ("abandonné", "red"),
}
DSN: Mapping[str, tuple[str, str]] = {
    "": ("-", "dim"),
    "none": ("non demandé", "dim"),
    "expected": ("attendu", "yellow"),
    "received": ("reçu", "green"),
    "timeout": ("non reçu", "red"),
}


MAIL_STATES: Mapping[str, tuple[str, str]] = {
    "open": ("en cours", "yellow"),
    "integrated": ("intégré", "green"),
    "refused": ("refusé", "red"),
    "kept": ("à voir", "yellow"),
}
MAIL_KINDS: Mapping[str, str] = {
    "DOCUMENT": "document",
    "DSN": "avis de remise",
    "BOUNCE": "retour",
    "MDN": "accusé de lecture",
    "ERROR_MAIL": "courriel d'erreur",
    "OTHER": "autre",
}
ANSWERS: Mapping[str, str] = {
    "none": "aucune",
    "mdn": "notification (MDN)",
    "error_mail": "courriel d'erreur, en cas d'échec",
    "person": "par une personne (demandée à une autre adresse que celle de l'enveloppe)",
}
HANDOVERS: Mapping[str, str] = {"mdm": "document (MDM)", "mail": "réponse à l'expéditeur"}


KINDS: Mapping[str, str] = {
    "request": "demande",
    "patient_event": "patient",
    "ignored": "ignoré",
    "refused": "refusé",
    "unreadable": "illisible",
    "mail": "courriel",
    "mail_report": "notification",
    "mail_other": "courriel à lire",
}
WAITS_FOR: Mapping[str, str] = {
    Trigger.IDENTITY_QUALIFIED: "une identité qualifiée",
    Trigger.OBJECTION_LIFTED: "la levée de l'opposition",
    Trigger.INFORMATION_COLLECTED: "l'information du patient",
    Trigger.DMP_ACTIVE: "un DMP ouvert",
    Trigger.HUMAN_RELEASE: "une décision humaine (pfi release)",
}
"""What a held delivery, or a refusal that may be cured, waits for."""
EVENTS: Mapping[str, str] = {
    "ack_given_up": "accusé métier abandonné",
    "ack_refused": "accusé métier refusé par l'émetteur",
    "alert_closed": "alerte close",
    "alert_opened": "alerte ouverte",
    "cancelled": "annulé par l'exploitant",
    "destination_at_pace": "destination de nouveau à plein débit",
    "destination_resumed": "destination rétablie",
    "destination_slowed": "destination ralentie",
    "destination_stopped": "destination arrêtée",
    "dsn_contradicts": "échec de remise après une remise annoncée",
    "dsn_delayed": "remise retardée (DSN)",
    "dsn_unmatched": "avis de remise sans courriel connu",
    "duplicate": "même message reçu de nouveau",
    "fenced": "résultat tardif écarté",
    "held": "mis en attente",
    "handover_given_up": "remise au destinataire abandonnée",
    "handover_refused": "refusé par le destinataire",
    "hold_expired": "attente expirée",
    "ins_contradicted": "INS contredite par INSi",
    "ins_undecided": "INS non tranchée par INSi",
    "mail_answer_unwritten": "réponse à l'expéditeur impossible à écrire",
    "mail_dismissed": "documents écartés par l'exploitant",
    "mail_held": "document en attente d'une personne",
    "mail_kept": "courriel laissé à une personne",
    "mail_released": "documents libérés par l'exploitant",
    "mail_retried": "remise retentée",
    "patient_changed": "décidé de nouveau (patient mis à jour)",
    "register_entry": "inscription au registre local",
    "released": "libéré",
    "replayed": "rejoué",
    "stop_too_late": "arrêt demandé trop tard : déjà en cours",
    "stopped": "arrêté",
}
CHANGES: Mapping[str, str] = {
    "birth": "créé",
    "let_go": "libéré",
    "hold": "mis en attente",
    "confirm": "confirmé",
    "stop": "arrêté",
    "too_late": "déjà en cours",
    "reopen": "retenté",
}


def coloured(words: Mapping[str, tuple[str, str]], value: str) -> str:
    """A value of the store in coloured French; as it is when the table does not know it."""
    word, colour = words.get(value, (escape(value), "default"))
    return f"[{colour}]{word}[/]"


def mail_kind(message_type: str) -> str:
    """What a received mail is, by its message type."""
    kind = message_type.removeprefix("MAIL^")
    return MAIL_KINDS.get(kind, kind)


def moment(console: Console, at: datetime) -> str:
    """A date and a time for a table: on two lines where there is no room for a whole one."""
    return f"{at:%Y-%m-%d}{' ' if console.width >= _WIDE else chr(10)}{at:%H:%M:%S}"


def shown_mailbox(address: str) -> str:
    """An address on the terminal. That of a patient begins by their INS, which is not shown; `--json` has it."""
    _name, at, domain = address.rpartition("@")
    return f"(patient)@{domain}" if at and domain.lower() == PATIENT_DOMAIN else address


def state_text(state: str) -> str:
    """A delivery state as coloured French."""
    word, colour = STATES[state]
    return f"[{colour}]{word}[/]"


def channel_cell(view: MessageView, channel: str) -> str:
    """One cell: state, number of attempts, reason."""
    # The newest: a delivery that was stopped may have a successor.
    delivery = next((row for row in reversed(view.deliveries) if row["channel"] == channel), None)
    decision = _last_decision(view, channel)
    if delivery is None or delivery["state"] == "held":
        return _decided(decision)
    text = state_text(delivery["state"])
    if delivery["attempts"] > 1:
        text += f" ({delivery['attempts']} essais)"
    if delivery["state"] != "delivered":
        text += escape(f"\n{delivery['code']} {delivery['text']}".rstrip())
    refused = [
        row
        for row in view.recipients
        if row["delivery_id"] == delivery["id"] and row["outcome"] in ("refused", "failed")
    ]
    served = [row for row in view.recipients if row["delivery_id"] == delivery["id"] and row["outcome"] == "delivered"]
    if refused and served:
        text += f"\n{len(served)} boîte(s) servie(s), {len(refused)} refusée(s)"
    return text


def _last_decision(view: MessageView, channel: str) -> Mapping[str, Any] | None:
    found = [row for row in view.decisions if row["channel"] == channel]
    return max(found, key=lambda row: (row["run"], -row["position"])) if found else None


def _decided(decision: Mapping[str, Any] | None) -> str:
    if decision is None:
        return "[dim]-[/]"
    if decision["code"] == "ORDER_NO":
        return "[dim]non demandé[/]"
    word, colour = ACTIONS[decision["action"]]
    because = decision["because"]
    reason = next((each for each in because if each["rule"] == decision["code"]), None) or next(
        (each for each in because if each["rule"].startswith("E")), None
    )
    text = f"[{colour}]{word}[/] {escape(decision['code'])}"
    return f"{text}\n{escape(reason['text'])}" if reason else text


def acknowledgments(view: MessageView) -> str:
    """The business acknowledgments of a message, one a line."""
    lines = []
    for row in view.acks:
        good = "[green]Y[/]" if row["success"] else f"[red]N[/] {escape(row['error_code'])}"
        word, _colour = STATES[row["state"]]
        lines.append(f"{row['event']} {good}" + ("" if row["state"] == "delivered" else f" ({word})"))
    return "\n".join(lines) or "[dim]-[/]"


def patient_events(view: MessageView) -> str:
    """What an ADT message or a refused message did."""
    if view.message["kind"] == "patient_event":
        return "état du patient mis à jour"
    errors = [row for row in view.findings if row["severity"] == "error"]
    return "\n".join(escape(f"{row['code']} {row['text']}") for row in errors) or "[dim]-[/]"
