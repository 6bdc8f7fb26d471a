"""Bounces in prose: the notices of mail systems that write no status part, or whose status part was lost on the way.

The forms are those of Postfix, Exim, Exchange and Office 365 (English and French), Sendmail, qmail (QSBMF), Courier
and Mon espace santé (MSSanté digest §7). A form is not recognised as such: what they share is (who writes, how the
recipients and reasons are laid out), so that a neighbour of theirs is read too.
"""

import re
from collections.abc import Iterator
from typing import Final

from pfi.standards.mail import bounce_wording
from pfi.standards.mail.fields import mailboxes
from pfi.standards.mail.headers import clean
from pfi.standards.mail.inbound import InboundMail
from pfi.standards.mail.report import DsnAction, RecipientReport
from pfi.standards.mail.smtp_codes import LABELS, code_by_wording, code_of, enhanced_status

_MAX_NOTICE: Final = 64 * 1024
_MAX_REASON: Final = 2000
_MAX_RECIPIENTS: Final = 100

_ADDRESS: Final = r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})"
_NAMED: Final = re.compile(
    rf"^[ \t]*<(?:mailto:)?{_ADDRESS}>"  # Postfix, qmail, Courier, Sendmail
    rf"|^[ \t]*{_ADDRESS}[ \t]*(?:(?:on|le)\s\d[^\n]*|:[^\n]*)?$"  # Exim, Exchange
    rf"|\({_ADDRESS}\)[ \t]*(?:<|$)"  # Office 365
    rf"|^[ \t]*(?:-[ \t]*)?(?:destinataires?|recipients?|to|à|adresse)\b[^\n:]{{0,40}}:[ \t]*<?{_ADDRESS}",
    re.IGNORECASE | re.MULTILINE,
)
_ANY: Final = re.compile(rf"(?<![A-Za-z0-9._%+-]){_ADDRESS}")
_LINE_CODE: Final = re.compile(r"(?:^|[^\d.])([45]\d\d)(?=[ -])")
_SYSTEM_ADDRESS: Final = re.compile(r"(?:mailer-?daemon|postmaster|no-?reply|ne-?pas-?repondre)@", re.IGNORECASE)


def is_bounce(mail: InboundMail) -> bool:
    """True for a notice of a mail system. Two signs of three are wanted: who writes, the subject, the text."""
    if next(mail.parts_of("message/disposition-notification"), None) is not None:
        return False
    if "x-failed-recipients" in mail.fields:
        return True
    system = mail.return_path == "" or bounce_wording.WRITER.search(mail.fields.get("from")) is not None
    subject = bounce_wording.SUBJECT.match(mail.subject) is not None
    text = bounce_wording.TEXT.search(_straight(mail.text)) is not None
    return (system, subject, text).count(True) >= 2


def read_prose(mail: InboundMail, message_ids: frozenset[str]) -> tuple[RecipientReport, ...]:
    """The recipients that a notice names with the reason it gives for each. `message_ids` are those it quotes.

    When it gives a reason and names nobody, one report without address says it.
    """
    text = _straight(mail.text)
    notice = text[: found.start()] if (found := bounce_wording.RETURNED.search(text)) else text
    action = _action(notice, mail.subject)
    ours = {box.lower() for box in (*mail.to, *mail.cc, mail.sender)} | {
        each.strip("<>").lower() for each in message_ids
    }
    places = _places(mail, notice, ours)
    if not places:
        whole = f"{mail.subject}\n{notice}"
        code = _code(whole, whole)
        return (_report("", action, notice, code),) if code or action is not DsnAction.FAILED else ()
    body, _, transcript = _cut(notice)
    reports = []
    for number, (address, start) in enumerate(places):
        end = places[number + 1][1] if number + 1 < len(places) else len(body)
        reason = body[start : max(start, min(end, start + _MAX_REASON))]
        naming = "\n".join(line for line in transcript.split("\n") if address.lower() in line.lower())[:_MAX_REASON]
        code = _code(reason, naming) or (_code(transcript, notice) if len(places) == 1 else "")
        reports.append(_report(address, action, reason or naming, code))
    return tuple(reports)


def _straight(text: str) -> str:
    return text[:_MAX_NOTICE].replace("’", "'")


def _action(notice: str, subject: str) -> DsnAction:
    if bounce_wording.DELIVERED.search(notice) and not bounce_wording.NEGATION.search(notice):
        return DsnAction.DELIVERED
    whole = f"{subject}\n{notice}"
    return (
        DsnAction.DELAYED
        if bounce_wording.DELAYED.search(whole) and not bounce_wording.GIVEN_UP.search(notice)
        else DsnAction.FAILED
    )


def _cut(notice: str) -> tuple[str, str, str]:
    found = bounce_wording.TRANSCRIPT.search(notice)
    return (notice[: found.start()], found[0], notice[found.end() :]) if found else (notice, "", "")


def _places(mail: InboundMail, notice: str, ours: set[str]) -> list[tuple[str, int]]:
    """Each recipient with the place of the notice from which its reason is read."""
    failed = [
        box.address for value in mail.fields.all("x-failed-recipients") for box in mailboxes(value) if box.address
    ]
    found = list(_distinct(_NAMED, notice, ours))
    if failed:
        lower = notice.lower()
        known = {address.lower(): place for address, place in found}
        located = {each: known.get(each.lower(), max(0, lower.find(each.lower()))) for each in failed}
        return sorted(located.items(), key=lambda each: each[1])[:_MAX_RECIPIENTS]
    return found or list(_distinct(_ANY, notice, ours))


def _distinct(pattern: re.Pattern[str], notice: str, ours: set[str]) -> Iterator[tuple[str, int]]:
    seen = set(ours)
    for found in pattern.finditer(notice):
        address = next(group for group in found.groups() if group).rstrip(".")
        if address.lower() in seen or _SYSTEM_ADDRESS.match(address):
            continue
        seen.add(address.lower())
        yield address, found.start()
        if len(seen) - len(ours) >= _MAX_RECIPIENTS:
            return


def _code(reason: str, other: str) -> str:
    """The SMTPERRORCODE of a reason, empty when nothing says one: an enhanced status first, wherever it stands."""
    for text in (reason, other):
        status = enhanced_status(text)
        if status[:1] in ("4", "5"):
            return code_of(status, text)
    for text in (reason, other):
        replies = [code for code in _LINE_CODE.findall(text[:_MAX_REASON]) if code in LABELS]
        if replies or (said := code_by_wording(text)):
            return replies[0] if replies else said
    return ""


def _report(address: str, action: DsnAction, reason: str, code: str) -> RecipientReport:
    told = code or "554" if action is DsnAction.FAILED else ""
    return RecipientReport(address, "", action, enhanced_status(reason), clean(reason)[:500].rstrip(), told)
