"""French words and lines for what other rules would change."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pfi.cli.explanation import CHANNELS, PRIORITIES, TRIGGERS
from pfi.engine.comparison import Change, ChangeKind, Skipped, Verdict
from pfi.model.decision import Action, Channel, Priority
from pfi.routing.explain import ACTION_LABELS

CHANGES: Mapping[str, str] = {
    **{
        f"{one}>{other}": f"{ACTION_LABELS[one]} -> {ACTION_LABELS[other]}"
        for one in Action
        for other in Action
        if one is not other
    },
    ChangeKind.RECIPIENTS: "mêmes envois, autres destinataires",
    ChangeKind.CODE: "même décision, autre motif",
    ChangeKind.TERMS: "même décision, autres conditions",
    ChangeKind.DUTY: "même décision, autre obligation",
}
SKIPPED: Mapping[Skipped, str] = {
    Skipped.PURGED: "contenu purgé",
    Skipped.REFUSED: "refusés à la lecture, quelles que soient les règles",
    Skipped.UNREADABLE: "ni message HL7 ni CDA lisible",
    Skipped.FAULT: "défaut interne de la plateforme",
}

_WIDTH = 80


def change_lines(change: Change, *, same_message: bool) -> Iterator[str]:
    """The lines of one change, for a terminal of 80 columns; the message is named once."""
    if not same_message:
        name = f"n° {change.message}" if change.message.isdigit() else change.message
        yield from _wrapped(f"{name} : {change.type_label or 'document'} ({change.type_code})", "")
    yield from _wrapped(f"{CHANNELS[change.channel]} : {_transition(change)}", "  ")
    yield from _wrapped(f"règles : {', '.join(change.rules)}", "    ")


def change_object(change: Change) -> dict[str, Any]:
    """The object of one change in `--json`."""
    return {
        "message": change.message,
        "document": change.document,
        "type_code": change.type_code,
        "type_label": change.type_label,
        "channel": change.channel,
        "change": change.what,
        "before": _verdict_object(change.before),
        "after": _verdict_object(change.after),
        "rules": change.rules,
    }


def _verdict_object(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in verdict.__dataclass_fields__}


def _transition(change: Change) -> str:
    before, after = change.before, change.after
    if change.kind is ChangeKind.TERMS:
        return f"{ACTION_LABELS[after.action]}, {_terms(before)} -> {_terms(after)}"
    if change.kind is ChangeKind.DUTY:
        return f"{ACTION_LABELS[after.action]}, {_duty(before)} -> {_duty(after)}"
    return f"{_short(before, change.channel)} -> {_short(after, change.channel)}"


def _short(verdict: Verdict, channel: Channel) -> str:
    text = ACTION_LABELS[verdict.action]
    if channel is not Channel.DMP and verdict.action is Action.SEND:
        text += f" à {verdict.recipients} destinataire{'s' if verdict.recipients > 1 else ''}"
    return f"{text} ({verdict.code})" if verdict.code else text


def _terms(verdict: Verdict) -> str:
    parts = [
        f"jusqu'à {TRIGGERS[verdict.until]}" if verdict.until else "",
        f"pendant {verdict.expiry_days} jours" if verdict.expiry_days is not None else "",
        f"pas avant le {verdict.not_before:%Y-%m-%d à %H:%M} UTC" if verdict.not_before else "",
        f"priorité {PRIORITIES[verdict.priority]}" if verdict.priority is not Priority.NORMAL else "",
        f"boîte {verdict.mailbox}" if verdict.mailbox else "",
    ]
    return ", ".join(part for part in parts if part) or "sans condition"


def _duty(verdict: Verdict) -> str:
    if not verdict.due:
        return "non dû"
    return "dû, écart expliqué par la loi" if verdict.legal_gap else "dû"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)
