"""The fields of a `message/delivery-status` part (RFC 3464 §2), in good order or not: one group for the mail, one for
each recipient. Also read where a gateway has left them in the middle of a text."""

import re
from dataclasses import dataclass
from typing import Final

from pfi.standards.mail.headers import clean
from pfi.standards.mail.inbound import read_date
from pfi.standards.mail.report import DsnAction, RecipientReport
from pfi.standards.mail.smtp_codes import code_of, enhanced_status

MAX_RECIPIENTS: Final = 1000

_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:[ \t]*(.*)", re.DOTALL)
_HEX_PAIR: Final = re.compile(r"\+([0-9A-F]{2})")
_FLATTENED: Final = re.compile(r"^Final-Recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_OF_A_RECIPIENT: Final = frozenset({"final-recipient", "action", "status"})

_ACTIONS: Final = {action.value: action for action in DsnAction} | {
    "success": DsnAction.DELIVERED,
    "relay": DsnAction.RELAYED,
    "delay": DsnAction.DELAYED,
    "fail": DsnAction.FAILED,
    "failure": DsnAction.FAILED,
}
_BY_CLASS: Final = {"2": DsnAction.DELIVERED, "4": DsnAction.DELAYED, "5": DsnAction.FAILED}

Group = dict[str, str]


@dataclass(frozen=True, slots=True)
class StatusFields:
    """`message` are the fields about the whole mail, names in lower case; `recipients` what could be understood."""

    message: Group
    recipients: tuple[RecipientReport, ...]

    @property
    def envelope(self) -> str:
        """`Original-Envelope-Id`, decoded; empty without it."""
        return _xtext(self.message.get("original-envelope-id", ""))


def has_status_fields(text: str) -> bool:
    """True for a text in which a recipient group stands."""
    return _FLATTENED.search(text) is not None


def read_status_fields(text: str) -> StatusFields:
    """Reads the groups of a status part. What is neither about the mail nor about a recipient is left out."""
    message: Group = {}
    recipients: list[RecipientReport] = []
    for group in _groups(text):
        if not group.keys() & _OF_A_RECIPIENT:
            message = group | message
            continue
        if "original-envelope-id" in group:
            message.setdefault("original-envelope-id", group["original-envelope-id"])
        report = _recipient(group)
        if report is not None and len(recipients) < MAX_RECIPIENTS:
            recipients.append(report)
    return StatusFields(message, tuple(recipients))


def _groups(text: str) -> list[Group]:
    """Groups are split by blank lines, or by the recipient that follows without one; a recipient and its action that
    a blank line keeps apart belong together. The first occurrence of a field in a group counts."""
    groups: list[Group] = [{}]
    current = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line.strip() or line.startswith("--"):
            current = ""
            if groups[-1] and len(groups) < 2 * MAX_RECIPIENTS:
                groups.append({})
            continue
        if line[0] in " \t" and current:
            groups[-1][current] += " " + line.strip()
            continue
        found = _FIELD.fullmatch(line)
        current = ""
        if not found:
            continue
        name = found[1].lower()
        if name in ("final-recipient", "original-recipient") and name in groups[-1]:
            groups.append({})
        if name not in groups[-1]:
            current = name
            groups[-1][name] = found[2].strip()
    return _mended([group for group in groups if group])


def _mended(groups: list[Group]) -> list[Group]:
    mended: list[Group] = []
    for group in groups:
        if mended and "action" in group and "final-recipient" not in group:
            before = mended[-1]
            if "final-recipient" in before and "action" not in before:
                mended[-1] = before | group
                continue
        mended.append(group)
    return mended


def _recipient(fields: Group) -> RecipientReport | None:
    final = _typed(fields.get("final-recipient", ""))
    original = _xtext(_typed(fields.get("original-recipient", "")))
    diagnostic = fields.get("diagnostic-code", "")
    diagnostic = clean(diagnostic.partition(";")[2] if ";" in diagnostic else diagnostic)
    status = enhanced_status(fields.get("status", ""))
    if not status or status.endswith(".0.0"):
        # Many systems know better in words than in their Status field.
        said = enhanced_status(diagnostic)
        status = said if said and (not status or said[0] == status[0]) else status
    action = _action(fields.get("action", ""), status)
    if action is None or not (final or original):
        return None
    code = ""
    if action is DsnAction.FAILED:
        code = code_of(status, diagnostic)
    elif action is DsnAction.RELAYED:
        code = "251"
    attempt = read_date(fields.get("last-attempt-date", ""))
    return RecipientReport(final or original, original, action, status, diagnostic, code, attempt)


def _action(value: str, status: str) -> DsnAction | None:
    """The action as written; else what the class of the status says (RFC 3463 §2)."""
    word = value.strip().lower().partition(" ")[0].strip("();.")
    return _ACTIONS.get(word) or _BY_CLASS.get(status[:1])


def _typed(value: str) -> str:
    """The address of `rfc822; someone@somewhere`, with or without its type, angle brackets or comment."""
    address = clean(value.partition(";")[2] if ";" in value else value)
    return address.partition(" (")[0].strip().strip("<>").strip()


def _xtext(value: str) -> str:
    """RFC 3461 §4: `+2B` is a plus sign."""
    return clean(_HEX_PAIR.sub(lambda found: chr(int(found[1], 16)), value.strip()))
