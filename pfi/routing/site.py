"""The rules of the site, indexed: which ones match a document, and what they do to each channel.

Each value of each criterion has a set of rules, kept as the bits of an integer: matching is a few intersections,
however many rules there are. Bits are numbered by precedence (most criteria first, then the order of the files).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pfi.model.decision import Channel, Priority, Reason
from pfi.model.parties import Organization, Person, Recipient, RecipientKind, rpps
from pfi.model.profile import Policy
from pfi.model.submission import Submission
from pfi.routing.facts import DocumentFacts
from pfi.routing.recipients import is_patient
from pfi.routing.rulefile import Schedule, SiteRule
from pfi.routing.rulefile.sitefile import REACH
from pfi.routing.siteterms import sentence, single_valued_name

SINGLE: Final = ("policy", "annuaire", "mailbox", "priority", "schedule")
"""Effects that can have but one value: the rule with the most criteria wins, then the first one written."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What rules compare of one submission: the values of each criterion, and the documents for the periods."""

    values: Mapping[str, Iterable[str]]
    documents: tuple[DocumentFacts, ...]
    named: tuple[Recipient, ...]
    """Professionals that the message names."""


def seen(submission: Submission, facts: tuple[DocumentFacts, ...], tags: frozenset[str], sender: str) -> Seen:
    """`sender` is the name of the sender in the configuration."""
    here = submission.establishment
    return Seen(
        values={
            "senders": (sender,),
            "establishments": (here.ej, here.eg),
            "units": (submission.stay.unit, here.unit),
            "types": [each.type_code for each in facts],
            "requests": (submission.request,),
            "settings": [each.setting_of_production for each in facts],
            "patient_classes": (submission.stay.patient_class,),
            "tags": tags,
        },
        documents=facts,
        named=tuple(each for each in submission.recipients if not is_patient(each)),
    )


@dataclass(frozen=True, slots=True)
class _Criterion:
    """`free`: rules that do not state the criterion. `by_value`: those that admit a value."""

    name: str
    free: int
    by_value: Mapping[str, int]

    def admitted(self, values: Iterable[str]) -> int:
        bits = self.free
        for value in values:
            bits |= self.by_value.get(value, 0)
        return bits


@dataclass(frozen=True, slots=True)
class SiteEffects:
    """What the rules that match do to one channel. `matched` are all of them, in precedence order.

    `denies` and `holds` close or delay the whole channel; `selective` are the rules that do so for some recipients
    only. `notes` says, by rule, which of its effects another rule outranks.
    """

    matched: tuple[SiteRule, ...] = ()
    policy: Policy | None = None
    denies: tuple[SiteRule, ...] = ()
    holds: tuple[SiteRule, ...] = ()
    selective: tuple[SiteRule, ...] = ()
    added: tuple[Recipient, ...] = ()
    roles: frozenset[str] = frozenset()
    annuaire: bool = False
    mailbox: str = ""
    priority: Priority | None = None
    schedule: Schedule | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    sentences: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What each rule says, by its name."""

    @property
    def adds(self) -> bool:
        """Whether somebody may be served whom the sender gave no address of."""
        return bool(self.added or self.roles or self.annuaire)

    def reason(self, rule: SiteRule, note: str = "") -> Reason:
        """The French reason of a rule that matches: its own text, what it does, what does not apply."""
        parts = (self.sentences[rule.id], self.notes.get(rule.id, ""), note)
        return Reason(rule.id, " ".join(part for part in parts if part))


NO_EFFECT: Final = SiteEffects()


@dataclass(frozen=True, slots=True)
class SiteRules:
    """All the rules of the site, ready to be matched."""

    rules: tuple[SiteRule, ...]
    _criteria: tuple[_Criterion, ...]
    _dated: int
    _channels: Mapping[Channel, int]
    _recipients: _Criterion
    _sentences: Mapping[str, str]

    @classmethod
    def of(cls, rules: Iterable[SiteRule]) -> "SiteRules":
        """Indexes rules given in the order of their files."""
        ranked = tuple(sorted(rules, key=lambda rule: -rule.when.criteria))
        names = ("senders", "establishments", "units", "types", "requests", "settings", "patient_classes", "tags")
        criteria = (_criterion(name, ranked) for name in names)
        return cls(
            rules=ranked,
            _criteria=tuple(each for each in criteria if each.by_value),
            _dated=_bits(rule.when.from_ is not None or rule.when.until is not None for rule in ranked),
            _channels={channel: _of_channel(ranked, channel) for channel in Channel},
            _recipients=_criterion("recipients", ranked),
            _sentences={rule.id: sentence(rule) for rule in ranked},
        )

    def match(self, what: Seen) -> int:
        """The rules whose criteria hold, channels and recipients put aside."""
        bits = (1 << len(self.rules)) - 1
        for criterion in self._criteria:
            bits &= criterion.admitted(what.values[criterion.name])
            if not bits:
                return 0
        for rank in _ranks(bits & self._dated):
            if not any(self.rules[rank].when.in_force(each.date) for each in what.documents):
                bits &= ~(1 << rank)
        return bits

    def effects(self, matched: int, channel: Channel, recipients: tuple[Recipient, ...]) -> SiteEffects:
        """What the rules of `match` do to a channel. `recipients` are those whom a rule on recipients may name."""
        bits = matched & self._channels[channel]
        if not bits:
            return NO_EFFECT
        if self._recipients.by_value and bits & ~self._recipients.free:
            bits &= self._recipients.admitted(word for each in recipients for word in words_of(each))
        if not bits:
            return NO_EFFECT
        return _effects(tuple(self.rules[rank] for rank in _ranks(bits)), channel, self._sentences)


def words_of(recipient: Recipient) -> set[str]:
    """The words by which a rule may name a recipient: address, domain, national identifiers."""
    address = recipient.address.strip().lower()
    words = {address, f"@{address.rpartition('@')[2]}"} if "@" in address else set()
    for party in (recipient.person, recipient.organization):
        if party is not None and party.identifier.strip():
            words |= _forms(party.identifier)
    if recipient.identifier.strip():
        words |= _forms(recipient.identifier)
    return words


def names(rule: SiteRule, recipient: Recipient) -> bool:
    """Whether a rule on recipients names this one."""
    return rule.when.recipients is not None and not _written(rule).isdisjoint(words_of(recipient))


def _written(rule: SiteRule) -> set[str]:
    return {form for word in rule.when.recipients or () for form in ({word} if "@" in word else _forms(word))}


def _forms(identifier: str) -> set[str]:
    """A national identifier with and without the figure that announces its kind (`8` RPPS, `1` FINESS, `0` ADELI, `3`
    SIRET), so that both writings meet."""
    bare = rpps(identifier.strip().upper())
    announced = {(12, "8"), (10, "1"), (10, "0"), (15, "3")}
    return {bare, bare[1:]} if (len(bare), bare[:1]) in announced else {bare}


def _criterion(name: str, rules: tuple[SiteRule, ...]) -> _Criterion:
    free, by_value = 0, dict[str, int]()
    for rank, rule in enumerate(rules):
        values = getattr(rule.when, name)
        if values is None:
            free |= 1 << rank
            continue
        for value in _written(rule) if name == "recipients" else values:
            by_value[value] = by_value.get(value, 0) | 1 << rank
    return _Criterion(name, free, by_value)


def _of_channel(rules: tuple[SiteRule, ...], channel: Channel) -> int:
    return _bits(channel in rule.channels for rule in rules)


def _bits(each: Iterable[bool]) -> int:
    return sum(1 << rank for rank, holds in enumerate(each) if holds)


def _ranks(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _effects(matched: tuple[SiteRule, ...], channel: Channel, sentences: Mapping[str, str]) -> SiteEffects:
    won: dict[str, SiteRule] = {}
    notes: dict[str, str] = {}
    reached = [name for name in SINGLE if channel in REACH[name]]
    for rule in matched:
        for name in reached:
            value = getattr(rule.then, name)
            if value is None:
                continue
            winner = won.setdefault(name, rule)
            if winner is not rule and getattr(winner.then, name) != value:
                note = f"{single_valued_name(name)} : la règle {winner.id} l'emporte."
                notes[rule.id] = f"{notes[rule.id]} {note}" if rule.id in notes else note
    everybody = tuple(rule for rule in matched if rule.when.recipients is None)
    professionals = channel is Channel.PRO
    return SiteEffects(
        matched=matched,
        policy=won["policy"].then.policy if "policy" in won else None,
        denies=tuple(rule for rule in everybody if rule.then.deny is not None),
        holds=tuple(rule for rule in everybody if rule.then.hold is not None),
        selective=tuple(
            rule for rule in matched if rule.when.recipients is not None and (rule.then.deny or rule.then.hold)
        ),
        added=tuple(_recipients(matched)) if professionals else (),
        roles=frozenset(str(role) for rule in matched for role in rule.then.derive_recipients or ())
        if professionals
        else frozenset(),
        annuaire="annuaire" in won and won["annuaire"].then.annuaire is True,
        mailbox=(won["mailbox"].then.mailbox or "") if "mailbox" in won else "",
        priority=won["priority"].then.priority if "priority" in won else None,
        schedule=won["schedule"].then.schedule if "schedule" in won else None,
        notes=notes,
        sentences=sentences,
    )


def _recipients(matched: tuple[SiteRule, ...]) -> Iterator[Recipient]:
    for rule in matched:
        for added in rule.then.add_recipients or ():
            person = added.kind is RecipientKind.PROFESSIONAL
            yield Recipient(
                added.kind,
                added.address,
                person=Person(added.identifier, family=added.name) if person else None,
                organization=None if person else Organization(added.name, added.identifier),
                identifier=added.identifier,
            )
