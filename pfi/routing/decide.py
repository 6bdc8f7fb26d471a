"""The one function that decides: what leaves, on which channel, to whom, and why. Pure.

Veto > absence of the destination > hold > order > obligation (obligations digest §4). The PFI carries out the sender's
orders; an explicit `N` is never turned into a sending, and a channel that nobody ordered is not held either: holding
it would leave a delivery waiting for a sending that must never happen.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pfi.model.decision import Action, Channel, Decision, Reason, Trigger
from pfi.model.patient import PatientState
from pfi.model.profile import Policy, SenderProfile
from pfi.model.submission import Orders, Submission
from pfi.routing import recipients, table
from pfi.routing.exceptions import IdentityConclusion, Situation
from pfi.routing.facts import DocumentFacts, is_minor, read_facts
from pfi.routing.recipients import Addressing
from pfi.routing.rulefile import Due, Effect, ExceptionRule, Row
from pfi.routing.rules import RuleBook
from pfi.standards.nomenclature import accepted_by_dmp as in_jdv_j66

_FLAGS = {Channel.DMP: "DESTDMP", Channel.PRO: "DESTMSSANTEPS", Channel.CIT: "DESTMSSANTEPAT"}
_CHANNEL_NAMES = {
    Channel.DMP: "au DMP",
    Channel.PRO: "aux professionnels (MSSanté)",
    Channel.CIT: "au patient (Mon espace santé)",
}
_NOTHING_KNOWN = PatientState()
_CLOSING = ((Effect.DENY, Action.DENY), (Effect.VOID, Action.VOID))

_RELEASED = Reason("RELEASED", "Un exploitant a libéré cet envoi, que seule une décision humaine retenait.")

Fired = tuple[tuple[ExceptionRule, Effect], ...]


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What the rules see in a submission before any channel is decided."""

    facts: tuple[DocumentFacts, ...]
    match: table.Match
    situation: Situation
    fired: tuple[ExceptionRule, ...]


@dataclass(frozen=True, slots=True)
class _Verdict:
    action: Action
    code: str = ""
    legal: bool = False
    because: tuple[Reason, ...] = ()
    until: Trigger | None = None


def appraise(
    submission: Submission,
    state: PatientState | None,
    identity: IdentityConclusion,
    rules: RuleBook,
    profile: SenderProfile,
    now: datetime,
    *,
    accepted_by_dmp: Callable[[str], bool] = in_jdv_j66,
) -> Appraisal:
    """Facts, matching rows and exceptions of a submission. Pure."""
    tags = _tags(submission, rules, profile)
    facts = tuple(
        read_facts(submission, document, tags, rules.settings, rules.genetics_types)
        for document in submission.documents
    )
    situation = Situation(
        submission=submission,
        state=state or _NOTHING_KNOWN,
        identity=identity.status,
        identity_code=identity.code,
        profile=profile,
        parameters=rules.parameters,
        tags=tags,
        minor=_minor(submission, now, rules.parameters.age_of_majority),
        genetics=any(fact.constitutional_genetics for fact in facts),
        type_accepted=all(accepted_by_dmp(fact.type_code) for fact in facts),
    )
    return Appraisal(
        facts=facts,
        match=table.match(facts, rules.by_type),
        situation=situation,
        fired=tuple(rule for rule, holds in rules.checks if holds(situation)),
    )


def decide(
    submission: Submission,
    state: PatientState | None,
    identity: IdentityConclusion,
    rules: RuleBook,
    profile: SenderProfile,
    now: datetime,
    *,
    released: frozenset[Channel] = frozenset(),
    accepted_by_dmp: Callable[[str], bool] = in_jdv_j66,
) -> tuple[Decision, ...]:
    """Exactly three decisions (DMP, PRO, CIT) per document; the renditions of one document share the same plan.

    `now` only serves to tell whether the patient is under age; the law applied is that of the document's own date.
    A decision to hold must be taken again, with what is then known, when its reason goes away: recipients of a held
    citizen mail are not known before the identity is qualified. `released` are the channels that an operator let go:
    what only waits for a person (`human_release`) no longer holds them; everything else still does.
    """
    appraisal = appraise(submission, state, identity, rules, profile, now, accepted_by_dmp=accepted_by_dmp)
    plan = tuple(_decide_channel(channel, appraisal, rules.digest, channel in released) for channel in Channel)
    return tuple(
        replace(decision, document=document.unique_id)
        for document in submission.documents
        for decision in plan
    )


def _decide_channel(channel: Channel, appraisal: Appraisal, digest: str, released: bool) -> Decision:
    situation, match = appraisal.situation, appraisal.match
    due = match.due(channel)
    fired = tuple((rule, effect) for rule in appraisal.fired if (effect := rule.effect(channel)) is not None)
    ordered = _ordered(channel, situation, due)
    addressing = _address(channel, situation, due, fired)
    let_go = tuple(rule for rule, effect in fired if released and _waits_for_a_person(rule, effect))
    deciding = tuple((rule, effect) for rule, effect in fired if rule not in let_go)
    verdict = _verdict(channel, situation, due, deciding, ordered, addressing)
    gap = due is not Due.NONE and verdict.action is not Action.SEND
    leaves = verdict.action in (Action.SEND, Action.HOLD)
    because = (
        *verdict.because,
        *((_RELEASED,) if let_go else ()),
        _order_reason(channel, situation, ordered),
        *_row_reasons(channel, match.rows),
        *_remarks(channel, appraisal, fired, addressing if ordered else Addressing(), gap),
    )
    return Decision(
        document="",
        channel=channel,
        action=verdict.action,
        because=tuple(dict.fromkeys(because)),
        recipients=addressing.recipients if leaves else (),
        code=verdict.code,
        due=due is not Due.NONE,
        gap=gap,
        legal_gap=gap and verdict.legal,
        rules_digest=digest,
        until=verdict.until,
    )


def _verdict(
    channel: Channel, situation: Situation, due: Due, fired: Fired, ordered: bool, addressing: Addressing
) -> _Verdict:
    for closing, action in _CLOSING:
        closed = [rule for rule, effect in fired if effect is closing]
        if closed:
            return _closed(action, closed)
    held = [rule for rule, effect in fired if effect is Effect.HOLD]
    if not ordered:
        # The law explains the gap when it would have held the channel anyway, or when the patient chose nobody.
        unchosen = addressing.refusal is not None and addressing.refusal.rule == "FREE_CHOICE_NO_RECIPIENT"
        return _Verdict(Action.DENY, "ORDER_NO", any(rule.legal for rule in held) or unchosen, _exception_reasons(held))
    if held and channel is Channel.CIT:
        return _closed(Action.HOLD, held)
    if addressing.refusal is not None:
        because = (addressing.refusal, *_exception_reasons(held))
        return _Verdict(Action.DENY, addressing.refusal.rule, addressing.legal, because)
    if held:
        return _closed(Action.HOLD, held)
    return _Verdict(Action.SEND)


def _waits_for_a_person(rule: ExceptionRule, effect: Effect) -> bool:
    return effect is Effect.HOLD and rule.until is Trigger.HUMAN_RELEASE


def _closed(action: Action, rules: list[ExceptionRule]) -> _Verdict:
    """The first rule gives its code. A refusal is cured only when each of its rules says what cures it, and an operator
    may only release what nothing else holds."""
    first = rules[0]
    untils = [rule.until for rule in rules]
    until = None if None in untils else next((each for each in untils if each is not Trigger.HUMAN_RELEASE), untils[0])
    return _Verdict(action, first.code or "", first.legal, _exception_reasons(rules), until)


def _order(channel: Channel, orders: Orders) -> bool | None:
    if channel is Channel.DMP:
        return orders.dest_dmp
    return orders.dest_mss_ps if channel is Channel.PRO else orders.dest_mss_pat


def _completes(situation: Situation) -> bool:
    """The table stands for orders only for a sender that gives no destination flag at all."""
    return situation.profile.policy is Policy.COMPLETE and not situation.orders.given


def _ordered(channel: Channel, situation: Situation, due: Due) -> bool:
    if _completes(situation):
        return due is not Due.NONE
    return _order(channel, situation.orders) is True


def _address(channel: Channel, situation: Situation, due: Due, fired: Fired) -> Addressing:
    if channel is Channel.DMP:
        return Addressing()
    if channel is Channel.PRO:
        prescriber_only = any(effect is Effect.PRESCRIBER_ONLY for _, effect in fired)
        return recipients.professionals(situation.submission, due, prescriber_only=prescriber_only)
    return recipients.citizen(situation.submission, situation.identity, situation.profile)


def _order_reason(channel: Channel, situation: Situation, ordered: bool) -> Reason:
    flag, order = _FLAGS[channel], _order(channel, situation.orders)
    if _completes(situation):
        if ordered:
            text = "Émetteur sans indicateurs de destination : la table légale tient lieu d'ordre."
        else:
            text = "Émetteur sans indicateurs de destination, et la table légale ne demande pas ce canal."
        return Reason("POLICY_COMPLETE", text)
    if order is None:
        return Reason(flag, f"L'émetteur ne dit rien de l'envoi {_CHANNEL_NAMES[channel]} ({flag} absent).")
    if order:
        return Reason(flag, f"L'émetteur demande l'envoi {_CHANNEL_NAMES[channel]} ({flag} = Y).")
    return Reason(flag, f"L'émetteur ne demande pas l'envoi {_CHANNEL_NAMES[channel]} ({flag} = N).")


def _row_reasons(channel: Channel, rows: tuple[Row, ...]) -> Iterator[Reason]:
    for row in rows:
        value = row.due(channel)
        if value is Due.NONE:
            continue
        text = f"{row.label} : envoi {_CHANNEL_NAMES[channel]} dû ({row.basis}"
        if row.from_ is not None:
            text += f", depuis le {row.from_:%d/%m/%Y}"
        text += ")"
        if value is Due.FREE_CHOICE:
            text += ", vers le seul professionnel choisi par le patient (CSP R. 4127-6)"
        if row.deadline == "same_day_as_discharge" and channel is not Channel.DMP:
            text += ", le jour même de la sortie"
        yield Reason(row.id, f"{text}.")


def _remarks(
    channel: Channel, appraisal: Appraisal, fired: Fired, addressing: Addressing, gap: bool
) -> Iterator[Reason]:
    situation, orders = appraisal.situation, appraisal.situation.orders
    yield from _exception_reasons([rule for rule, _ in fired])
    yield from addressing.remarks
    if appraisal.match.setting_missing(channel):
        yield Reason(
            "SETTING_UNKNOWN",
            "Ni le CDA ni PV1-2 ne disent si le document est produit en séjour : "
            "les lignes qui en dépendent sont écartées.",
        )
    if any(fact.date is None for fact in appraisal.facts):
        yield Reason("DATE_UNKNOWN", "La date du document est illisible : seules les lignes sans date s'appliquent.")
    if orders.given and True not in (orders.dest_dmp, orders.dest_mss_ps, orders.dest_mss_pat):
        yield Reason("NOTHING_ORDERED", "Aucune destination n'est demandée : le message est accepté, rien n'est fait.")
    if channel is not Channel.DMP and orders.given and _order(channel, orders) is not True:
        patient = channel is Channel.CIT
        if any(recipients.is_patient(recipient) is patient for recipient in situation.submission.recipients):
            yield Reason(
                "RECIPIENT_NOT_SERVED",
                "Un destinataire est nommé mais son canal n'est pas demandé : il n'est pas servi.",
            )
    if gap and situation.profile.policy is Policy.WARN:
        yield Reason("OBLIGATION_GAP", "Envoi dû et non réalisé : à signaler à l'émetteur.")


def _exception_reasons(rules: list[ExceptionRule]) -> tuple[Reason, ...]:
    return tuple(Reason(rule.id, f"{rule.text} Source : {rule.source}.") for rule in rules)


def _tags(submission: Submission, rules: RuleBook, profile: SenderProfile) -> frozenset[str]:
    """Tags of the submission, of the site's rules and of the types that carry one by themselves."""
    types = {document.header.code.code for document in submission.documents}
    added = {str(tag) for code, tag in rules.parameters.sensitive_types.items() if code in types}
    for rule in rules.tags:
        if (
            (not rule.units or submission.stay.unit in rule.units)
            and (not rule.senders or profile.name in rule.senders)
            and (not rule.types or types & rule.types)
        ):
            added |= rule.add
    return submission.tags | added


def _minor(submission: Submission, now: datetime, age_of_majority: int) -> bool | None:
    """By the birth date of the message, else of the documents; carriers that disagree count as a minor if one does."""
    dates = [submission.patient.traits.birth_date]
    dates += [document.header.patient.traits.birth_date for document in submission.documents]
    told = {is_minor(birth_date, now.date(), age_of_majority) for birth_date in dates} - {None}
    return None if not told else True in told
