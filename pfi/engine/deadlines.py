"""The day on which a discharge letter must reach the médecin traitant: that of the discharge (CSP R. 1112-1-2).

Pure: what is due, from when it is late, who must get it, and what to tell the operator. Obligations digest §2, §7, §8
(LDL_J0).
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pfi.engine.settings import AlertSettings
from pfi.model.decision import Action, Channel, Decision
from pfi.model.parties import Recipient
from pfi.model.patient import PatientState
from pfi.model.submission import Submission
from pfi.routing.rules import RuleBook
from pfi.standards.hl7v2.timestamp import read_timestamp
from pfi.store.letters import Blocked, Letter, Terms
from pfi.store.states import DeliveryState
from pfi.store.stays import named, visit_text, visit_text_of

SAME_DAY = "same_day_as_discharge"
"""`deadline` of a legal row (R02: 11490-0)."""

_WATCHED_DAYS = 365
"""A letter that raised no alert within a year (its discharge was never told) is no longer watched."""
_SILENT_DAYS = 14
"""Discharges without letter older than that raise no alert, unless the site says otherwise."""
_DATE_LENGTH = 8
_RPPS_LENGTH = 11

_STATES = {
    DeliveryState.WAITING: "l'envoi aux professionnels attend le précédent",
    DeliveryState.QUEUED: "l'envoi aux professionnels est à retenter",
    DeliveryState.IN_FLIGHT: "l'envoi aux professionnels est en cours",
    DeliveryState.UNKNOWN: "le sort de l'envoi aux professionnels est incertain",
    DeliveryState.HELD: "l'envoi aux professionnels est en attente",
    DeliveryState.DELIVERED: "aucune remise n'est constatée pour sa boîte",
    DeliveryState.REFUSED: "l'envoi aux professionnels est refusé",
    DeliveryState.FAILED: "l'envoi aux professionnels est abandonné",
    DeliveryState.CANCELLED: "l'envoi aux professionnels est annulé",
}
_ACTIONS = {
    Action.SEND: "l'envoi aux professionnels est décidé mais n'existe pas",
    Action.HOLD: "l'envoi aux professionnels attend",
    Action.DENY: "l'envoi aux professionnels n'est pas décidé",
    Action.VOID: "l'envoi aux professionnels est sans objet",
}
_UNKNOWN = " ; médecin traitant inconnu : la remise à tout professionnel suffirait"


def deadline_of(decisions: Iterable[Decision], rules: RuleBook) -> str:
    """Time limit that the law sets to the mail to professionals, by the rows that its decision names; empty = none."""
    named = {reason.rule for each in decisions if each.channel is Channel.PRO for reason in each.because}
    return next((row.deadline for row in rules.rows if row.deadline and row.id in named), "")


def letter_of(
    submission: Submission,
    deadline: str,
    state: PatientState | None,
    *,
    lineage: str,
    received_at: datetime,
    settings: AlertSettings,
) -> Letter | None:
    """What must be watched of a submission; `None` when it is not due on the day of discharge."""
    if deadline != SAME_DAY:
        return None
    ids = frozenset(_referring_ids(submission, state))
    return Letter(
        lineage=lineage,
        request=submission.request,
        received_at=received_at,
        visit_text=_stay_of(submission, state),
        discharged_on=day_of_discharge(submission.stay.discharged_at, settings.zone),
        referring_known=bool(ids),
        referring_ids=tuple(sorted(form for identifier in ids for form in _forms(identifier))),
        referring_addresses=tuple(sorted(set(_addresses_of(ids, submission)))),
    )


def day_of_discharge(timestamp: str, zone: ZoneInfo) -> date | None:
    """Local day of PV1-45; `None` when it does not tell a day. Without offset the day is the one written: senders write
    the hospital's own time."""
    moment = read_timestamp(timestamp)
    written = timestamp.partition("+")[0].partition("-")[0]
    if moment is None or len(written) < _DATE_LENGTH:
        return None
    return moment.date() if written == timestamp else moment.astimezone(zone).date()


def terms(now: datetime, settings: AlertSettings) -> Terms:
    """When letters are late at that moment: the day of discharge ends at the next local midnight."""
    today = now.astimezone(settings.zone).date()
    oldest = None if settings.oldest_days is None else today - timedelta(days=settings.oldest_days)
    return Terms(
        now=now,
        today=today,
        zone=settings.timezone,
        grace=timedelta(minutes=settings.late_grace_minutes),
        every_stay=settings.discharge_letter == "every_stay",
        oldest=oldest,
        oldest_silent=oldest or today - timedelta(days=_SILENT_DAYS),
        forgotten=now - timedelta(days=_WATCHED_DAYS),
    )


def cause(blocked: Blocked | None) -> tuple[str, str]:
    """Code and French sentence of what keeps a letter back; `None` = there is no letter."""
    if blocked is None:
        return "NO_LETTER", "aucune lettre de liaison de sortie n'est parvenue à la PFI pour ce séjour"
    unknown = (
        "" if blocked.referring_known else " (médecin traitant inconnu : une remise à tout professionnel suffirait)"
    )
    if blocked.state is None:
        action = blocked.action or Action.DENY
        code = blocked.decision_code or action.value.upper()
        return code, f"{_ACTIONS[action]} ({code}){unknown}"
    if blocked.referring_known and not (blocked.named or blocked.outcome):
        return "REFERRING_NOT_NAMED", "aucun médecin traitant parmi les destinataires"
    if blocked.outcome:
        code = blocked.outcome_code or blocked.outcome.upper()
        whose = "la boîte du médecin traitant" if blocked.referring_known else "une boîte destinataire"
        return code, f"{whose} n'a pas été servie ({code}){unknown}"
    code = blocked.code or blocked.state.value.upper()
    return code, f"{_STATES[blocked.state]} ({code}){unknown}"


def alert_text(message_id: int | None, why: str) -> str:
    """The sentence of an alert: ids and codes only."""
    which = "" if message_id is None else f" (message {message_id})"
    return (
        f"Lettre de liaison de sortie{which} non remise au médecin traitant le jour de la sortie "
        f"(CSP R. 1112-1-2) : {why}."
    )


def _stay_of(submission: Submission, state: PatientState | None) -> str:
    """The text of the key of the stay: ADT and documents do not always give both numbers (PV1-19, PID-18)."""
    visit, account = named(submission.stay.visit), named(submission.patient.account)
    episodes = state.episodes if state else ()
    if account and not any(visit == episode.visit for episode in episodes if visit):
        same_file = [each for each in episodes if each.account == account and not (visit and each.visit)]
        alive = [each for each in same_file if not each.cancelled] or same_file
        if alive:
            return visit_text(alive[-1].visit, account)
    return visit_text_of(submission)


def _referring_ids(submission: Submission, state: PatientState | None) -> Iterator[str]:
    """The médecin traitant: ROL `ODRP` of the care team, and CDA participant `INF` with functionCode `PCP`."""
    for follower in state.care_team if state else ():
        if follower.role == "ODRP" and follower.identifier.strip():
            yield _national(follower.identifier)
    for document in submission.documents:
        for participant in document.header.participants:
            person = participant.party.person if participant.party else None
            referring = (participant.type_code, participant.function_code) == ("INF", "PCP")
            if referring and person is not None and person.identifier.strip():
                yield _national(person.identifier)


def _addresses_of(ids: frozenset[str], submission: Submission) -> Iterator[str]:
    """Mailboxes under which the message and its documents name these people."""
    foreseen = (each for document in submission.documents for each in document.header.information_recipients)
    for recipient in (*submission.recipients, *foreseen):
        if recipient.address.strip() and _national(_identifier(recipient)) in ids:
            yield recipient.address.strip().lower()


def _identifier(recipient: Recipient) -> str:
    return recipient.person.identifier if recipient.person else recipient.identifier


def _national(identifier: str) -> str:
    """`8` + RPPS (12 digits): senders write it with or without its type digit (hl7v2 digest §1.9)."""
    identifier = identifier.strip()
    return f"8{identifier}" if len(identifier) == _RPPS_LENGTH and identifier.isdigit() else identifier


def _forms(national: str) -> tuple[str, ...]:
    """Every way in which a sender may write an identifier."""
    if len(national) == _RPPS_LENGTH + 1 and national.startswith("8") and national.isdigit():
        return national, national[1:]
    return (national,)
