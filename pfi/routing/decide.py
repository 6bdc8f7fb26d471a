"""The one function that decides: what leaves, on which channel, to whom, and why. Pure.

Veto > absence of the destination > hold > order > obligation (obligations digest §4). The PFI carries out the sender's
orders; an explicit `N` is never turned into a sending, and a channel that nobody ordered is not held either: holding
it would leave a delivery waiting for a sending that must never happen. A rule of the site can close or delay a channel,
add recipients, stand up for the table where the sender is silent; it never opens what the law closes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pfi.model.decision import Action, Channel, Decision, Priority, Reason, Trigger
from pfi.model.parties import Recipient
from pfi.model.patient import DmpStatus, Feeding, IdentityStatus, PatientState
from pfi.model.profile import Policy, SenderProfile
from pfi.model.submission import Submission
from pfi.routing import recipients, remarks, table
from pfi.routing.exceptions import IdentityConclusion, Situation, explicit_recipients_only
from pfi.routing.facts import DocumentFacts, is_minor, read_facts
from pfi.routing.recipients import Addressing
from pfi.routing.rulefile import Due, Effect, ExceptionRule, Hold, SiteRule, TagRule
from pfi.routing.rules import RuleBook
from pfi.routing.schedule import Delay, delay
from pfi.routing.serving import Served, serve
from pfi.routing.site import Seen, SiteEffects, seen
from pfi.routing.verdict import Cause, verdict
from pfi.standards.nomenclature import accepted_by_dmp as in_jdv_j66

_NOTHING_KNOWN = PatientState()
_CLOSING = frozenset({Effect.DENY, Effect.VOID, Effect.HOLD})

Fired = tuple[tuple[ExceptionRule, Effect], ...]


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What the rules see in a submission before any channel is decided. `site` are the rules of the site that match
    (`SiteRules.match`), `tagged` the rules that added a tag."""

    facts: tuple[DocumentFacts, ...]
    match: table.Match
    situation: Situation
    fired: tuple[ExceptionRule, ...]
    seen: Seen
    site: int
    tagged: tuple[Reason, ...]


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
    """Facts, matching rows, exceptions and site rules of a submission. Pure."""
    tagging = tuple(rule for rule in rules.tags if _tags_it(rule, submission, profile))
    tags = _tags(submission, rules, tagging)
    facts = tuple(
        read_facts(submission, document, tags, rules.settings, rules.genetics_types, state.care_team if state else ())
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
        free_choice=table.free_choice(facts, rules.by_type),
    )
    what = seen(submission, facts, tags, profile.name)
    return Appraisal(
        facts=facts,
        match=table.match(facts, rules.by_type),
        situation=situation,
        fired=tuple(rule for rule, holds in rules.checks if holds(situation)),
        seen=what,
        site=rules.site.match(what),
        tagged=tuple(_tag_reason(rule) for rule in tagging),
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
    """Exactly three decisions (DMP, PRO, CIT) per document; the renditions of one document share the same plan. A
    submission has at least one document.

    `now` tells whether the patient is under age and when a schedule of the site opens; the law applied is that of the
    document's own date. A decision to hold must be taken again, with what is then known, when its reason goes away:
    recipients of a held citizen mail are not known before the identity is qualified. `released` are the channels that
    an operator let go: what only waits for a person (`human_release`) no longer holds them; everything else still does.
    """
    appraisal = appraise(submission, state, identity, rules, profile, now, accepted_by_dmp=accepted_by_dmp)
    plan = tuple(_decide_channel(channel, appraisal, rules, now, channel in released) for channel in Channel)
    further = (replace(each, document=other.unique_id) for other in submission.documents[1:] for each in plan)
    return (*plan, *further)


def _decide_channel(channel: Channel, appraisal: Appraisal, rules: RuleBook, now: datetime, released: bool) -> Decision:
    situation, due = appraisal.situation, appraisal.match.due(channel)
    fired = tuple((rule, effect) for rule in appraisal.fired if (effect := rule.effect(channel)) is not None)
    site = rules.site.effects(appraisal.site, channel, appraisal.seen.named)
    policy = site.policy or situation.profile.policy
    completed = policy is Policy.COMPLETE and not situation.orders.given
    ordered = due is not Due.NONE if completed else remarks.order(channel, situation.orders) is True
    addressing = _address(channel, situation, due, fired, site, rules)
    site = _with_the_added(site, appraisal, channel, addressing, rules)
    waiting = _Waiting(situation, released)
    served = serve(site, addressing.recipients, waiting.waits) if ordered else Served(addressing.recipients)
    told = {rule.id: site.reason(rule, served.notes.get(rule.id, "")) for rule in site.matched}
    concluded = verdict(
        channel,
        [*_law_causes(fired, waiting), *_site_causes(site, served, told, waiting)],
        addressing,
        ordered=ordered,
    )
    gap = due is not Due.NONE and concluded.action is not Action.SEND
    leaves = concluded.action in (Action.SEND, Action.HOLD)
    wait = _delay(site, appraisal, channel, now) if concluded.action is Action.SEND else Delay()
    because = (
        *concluded.because,
        *((remarks.RELEASED,) if waiting.let_go else ()),
        remarks.order_reason(channel, situation.orders, completed=completed, ordered=ordered),
        *told.values(),
        *wait.remarks,
        *remarks.row_reasons(channel, appraisal.match.rows),
        *_remarks(channel, appraisal, fired, addressing if ordered else Addressing()),
        *((remarks.GAP,) if gap and policy is Policy.WARN else ()),
    )
    return Decision(
        document=situation.submission.documents[0].unique_id,
        channel=channel,
        action=concluded.action,
        because=tuple(dict.fromkeys(because)),
        recipients=served.recipients if leaves else (),
        code=concluded.code,
        due=due is not Due.NONE,
        gap=gap,
        legal_gap=gap and concluded.legal,
        rules_digest=rules.digest,
        until=concluded.until,
        expiry_days=concluded.expiry_days,
        not_before=wait.until,
        priority=site.priority or Priority.NORMAL if leaves else Priority.NORMAL,
        mailbox=site.mailbox if leaves else "",
    )


class _Waiting:
    """Says what a hold still waits for, and remembers whether an operator's release let one go."""

    def __init__(self, situation: Situation, released: bool) -> None:
        self._situation, self._released = situation, released
        self.let_go = False

    def waits(self, hold: Hold) -> bool:
        """A rule of the site matches for ever: what it waits for must be looked at."""
        state = self._situation.state
        if hold.until is Trigger.HUMAN_RELEASE:
            return self.waits_for_a_person()
        return not {
            Trigger.IDENTITY_QUALIFIED: self._situation.identity is IdentityStatus.QUALIFIED,
            Trigger.OBJECTION_LIFTED: state.feeding is not Feeding.OPPOSED,
            Trigger.INFORMATION_COLLECTED: state.feeding in (Feeding.NOT_OPPOSED, Feeding.OPPOSED),
            Trigger.DMP_ACTIVE: state.dmp_status is DmpStatus.ACTIVE,
        }[hold.until]

    def waits_for_a_person(self) -> bool:
        """False once an operator has let the channel go."""
        self.let_go |= self._released
        return not self._released


def _law_causes(fired: Fired, waiting: _Waiting) -> Iterator[Cause]:
    for rule, effect in fired:
        if effect not in _CLOSING:
            continue
        if effect is Effect.HOLD and rule.until is Trigger.HUMAN_RELEASE and not waiting.waits_for_a_person():
            continue
        yield Cause(effect, rule.code or "", _exception_reason(rule), rule.legal, rule.until)


def _site_causes(site: SiteEffects, served: Served, told: dict[str, Reason], waiting: _Waiting) -> Iterator[Cause]:
    for rule in (*site.denies, *served.denies):
        if (deny := rule.then.deny) is not None:
            yield Cause(Effect.DENY, deny.code, told[rule.id], deny.legal, of_site=True)
    for rule in (*_waiting_rules(site.holds, waiting), *served.holds):
        if (hold := rule.then.hold) is not None:
            yield Cause(
                Effect.HOLD, hold.code, told[rule.id], until=hold.until, expiry_days=hold.expiry_days, of_site=True
            )


def _waiting_rules(rules: tuple[SiteRule, ...], waiting: _Waiting) -> Iterator[SiteRule]:
    for rule in rules:
        if rule.then.hold is not None and waiting.waits(rule.then.hold):
            yield rule


def _address(
    channel: Channel, situation: Situation, due: Due, fired: Fired, site: SiteEffects, rules: RuleBook
) -> Addressing:
    if channel is Channel.DMP:
        return Addressing()
    if channel is Channel.CIT:
        return recipients.citizen(situation.submission, situation.identity, situation.profile)
    prescriber_only = any(effect is Effect.PRESCRIBER_ONLY for _, effect in fired)
    if not site.adds:
        return recipients.professionals(situation.submission, due, prescriber_only=prescriber_only)
    if explicit_recipients_only(situation):
        named = recipients.professionals(situation.submission, due, prescriber_only=prescriber_only)
        return replace(named, remarks=(*named.remarks, remarks.EXPLICIT_ONLY))
    derived = recipients.derivation(
        situation.submission, situation.state, site.roles, rules.directory, annuaire=site.annuaire
    )
    found = recipients.professionals(
        situation.submission,
        due,
        prescriber_only=prescriber_only,
        proposals=derived.recipients,
        extra=site.added,
        annuaire=site.annuaire,
    )
    return replace(found, remarks=(*found.remarks, *derived.remarks))


def _with_the_added(
    site: SiteEffects, appraisal: Appraisal, channel: Channel, addressing: Addressing, rules: RuleBook
) -> SiteEffects:
    """Rules on recipients also see those that other rules added; what these add in turn is not looked at again."""
    if channel is not Channel.PRO or not site.adds:
        return site
    everybody: tuple[Recipient, ...] = (*appraisal.seen.named, *addressing.recipients)
    return rules.site.effects(appraisal.site, channel, everybody)


def _delay(site: SiteEffects, appraisal: Appraisal, channel: Channel, now: datetime) -> Delay:
    if site.schedule is None:
        return Delay()
    same_day = channel is not Channel.DMP and any(
        row.deadline is not None and row.due(channel) is not Due.NONE for row in appraisal.match.rows
    )
    return delay(site.schedule, now, appraisal.situation.submission.stay.discharged_at if same_day else None)


def _remarks(channel: Channel, appraisal: Appraisal, fired: Fired, addressing: Addressing) -> Iterator[Reason]:
    for rule, _ in fired:
        yield _exception_reason(rule)
    yield from appraisal.tagged
    yield from addressing.remarks
    if appraisal.match.setting_missing(channel):
        yield remarks.SETTING_UNKNOWN
    yield from remarks.document_remarks(appraisal.facts, appraisal.situation.orders)
    yield from remarks.overlooked(channel, appraisal.situation.submission)


def _exception_reason(rule: ExceptionRule) -> Reason:
    return Reason(rule.id, f"{rule.text} Source : {rule.source}.")


def _tag_reason(rule: TagRule) -> Reason:
    return Reason(rule.id or "TAG", f"Étiquettes posées par le site : {', '.join(sorted(rule.add))}.")


def _tags_it(rule: TagRule, submission: Submission, profile: SenderProfile) -> bool:
    units = (submission.stay.unit, submission.establishment.unit)
    return (
        (not rule.units or not rule.units.isdisjoint(units))
        and (not rule.senders or profile.name in rule.senders)
        and (not rule.types or any(document.header.code.code in rule.types for document in submission.documents))
    )


def _tags(submission: Submission, rules: RuleBook, tagging: tuple[TagRule, ...]) -> frozenset[str]:
    """Tags of the submission, of the site's rules and of the types that carry one by themselves."""
    types = {document.header.code.code for document in submission.documents}
    added = {str(tag) for code, tag in rules.parameters.sensitive_types.items() if code in types}
    return submission.tags.union(added, *(rule.add for rule in tagging))


def _minor(submission: Submission, now: datetime, age_of_majority: int) -> bool | None:
    """By the birth date of the message, else of the documents; carriers that disagree count as a minor if one does."""
    dates = [submission.patient.traits.birth_date]
    dates += [document.header.patient.traits.birth_date for document in submission.documents]
    told = {is_minor(birth_date, now.date(), age_of_majority) for birth_date in dates} - {None}
    return None if not told else True in told
