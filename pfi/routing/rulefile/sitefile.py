"""What a site file may say (`kind: site`): what one establishment knows or wants on top of the law."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from pfi.model.decision import Channel, Priority, Trigger
from pfi.model.parties import RecipientKind
from pfi.model.profile import Policy
from pfi.model.submission import Request
from pfi.routing.rulefile.addresses import Address, RecipientWord
from pfi.routing.rulefile.vectorfile import Vector
from pfi.routing.rulefile.words import DerivedRole, Identifier, PatientClass, RuleModel, Setting, Tag, Weekday

_MAILS: Final = frozenset({Channel.PRO, Channel.CIT})
_EVERY: Final = frozenset(Channel)

REACH: Final[Mapping[str, frozenset[Channel]]] = MappingProxyType(
    {
        "policy": _EVERY,
        "deny": _EVERY,
        "hold": _EVERY,
        "add_recipients": frozenset({Channel.PRO}),
        "derive_recipients": frozenset({Channel.PRO}),
        "annuaire": frozenset({Channel.PRO}),
        "mailbox": _MAILS,
        "priority": _EVERY,
        "schedule": _EVERY,
    }
)
"""The channels that each effect can change."""

_TIME: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_END: Final = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


def _one_line(text: str) -> str:
    if not text.strip() or len(text.splitlines()) != 1:
        raise ValueError("une phrase attendue, sur une seule ligne")
    return text.strip()


Word = Annotated[str, Field(min_length=1)]
Sentence = Annotated[str, AfterValidator(_one_line)]


class TagRule(RuleModel):
    """Adds tags to the documents that meet every given criterion."""

    id: Identifier | None = None
    """Name shown in explanations and in the coverage of rules; by default, its file and its number."""
    units: frozenset[str] = frozenset()
    """Codes of units: UF of lodging (PV1-3.1) or of responsibility (ZBE-7)."""
    senders: frozenset[str] = frozenset()
    """Names of senders, as in the configuration."""
    types: frozenset[str] = frozenset()
    """typeCodes."""
    add: frozenset[Tag] = Field(min_length=1)
    """Tags to add."""

    @model_validator(mode="after")
    def _needs_a_criterion(self) -> "TagRule":
        if not (self.units or self.senders or self.types):
            raise ValueError("aucun critère : donner au moins une des clés units, senders, types")
        return self


class When(RuleModel):
    """When a rule applies: every criterion that is given must hold, and one of its values is enough. No criterion at
    all = always."""

    senders: frozenset[Word] | None = Field(default=None, min_length=1)
    """Names of senders, as in the configuration."""
    establishments: frozenset[Word] | None = Field(default=None, min_length=1)
    """Legal entities (EJ) or geographic establishments (EG), as the messages write them (FINESS, OID or name)."""
    units: frozenset[Word] | None = Field(default=None, min_length=1)
    """Codes of units: UF of lodging (PV1-3.1) or of responsibility (ZBE-7)."""
    types: frozenset[Word] | None = Field(default=None, min_length=1)
    """typeCodes."""
    requests: frozenset[Request] | None = Field(default=None, min_length=1)
    """`F` initial sending, `C` replacement, `D` deletion."""
    settings: frozenset[Setting] | None = Field(default=None, min_length=1)
    """Where the document was produced."""
    patient_classes: frozenset[PatientClass] | None = Field(default=None, min_length=1)
    """PV1-2."""
    channels: frozenset[Channel] | None = Field(default=None, min_length=1)
    """`DMP`, `PRO` (professionals), `CIT` (patient); not given = every channel that the effects can change."""
    recipients: frozenset[RecipientWord] | None = Field(default=None, min_length=1)
    """Professionals: MSSanté address, domain written « @domaine », or national identifier (RPPS, FINESS...). The rule
    then only closes or delays the sending to these recipients."""
    tags: frozenset[Tag] | None = Field(default=None, min_length=1)
    """Tags of the document, those of `tags:` included."""
    from_: date | None = Field(default=None, alias="from")
    """First day of the rule (inclusive), compared with the document's own date, like the rows of the law."""
    until: date | None = None
    """Last day of the rule (inclusive)."""

    @model_validator(mode="after")
    def _dates_in_order(self) -> "When":
        if self.from_ is not None and self.until is not None and self.until < self.from_:
            raise ValueError("la règle ne s'applique jamais : « until » précède « from »")
        return self

    @property
    def criteria(self) -> int:
        """How many criteria are given: the more, the more specific. A period counts for one."""
        period = {"from_", "until"}
        given = {name for name in type(self).model_fields if getattr(self, name) is not None}
        return len(given - period) + bool(given & period)

    def in_force(self, day: date | None) -> bool:
        """Both ends inclusive. An unreadable date only matches rules without a beginning, as for the law."""
        if day is None:
            return self.from_ is None
        return (self.from_ is None or self.from_ <= day) and (self.until is None or day <= self.until)


class Deny(RuleModel):
    """The channel is closed."""

    code: Identifier
    """Reason code stored with the decision."""
    legal: bool = False
    """True when the law itself explains that a due document is not sent."""


class Hold(RuleModel):
    """The sending waits."""

    code: Identifier
    """Reason code stored with the decision."""
    until: Trigger = Trigger.HUMAN_RELEASE
    """What the sending waits for; once that has taken place the rule holds nothing."""
    expiry_days: int | None = Field(default=None, ge=1, le=3650)
    """Days after which the wait is given up; not given = the sender's setting."""


class AddedRecipient(RuleModel):
    """A professional recipient that the site adds."""

    address: Address
    """MSSanté address, never one of a patient."""
    kind: Literal[RecipientKind.PROFESSIONAL, RecipientKind.ORGANIZATION, RecipientKind.APPLICATION]
    """Who it is."""
    name: str = ""
    """Name shown beside the address."""
    identifier: str = ""
    """National identifier (RPPS, FINESS)."""


class Schedule(RuleModel):
    """Opening hours, in the time of the hospital (Europe/Paris). Outside them the sending waits for the next opening.
    `to` before `from` is the next morning; `days` are those of the opening."""

    days: frozenset[Weekday] = Field(min_length=1)
    """Days of opening."""
    from_: str = Field(alias="from", pattern=_TIME)
    """Opening time, « HH:MM »."""
    to: str = Field(pattern=_END)
    """Closing time, « HH:MM » (« 24:00 » = midnight)."""

    @model_validator(mode="after")
    def _opens(self) -> "Schedule":
        if self.from_ == self.to:
            raise ValueError("« from » et « to » sont égaux : la plage est vide (toute la journée : 00:00 à 24:00)")
        return self


class Then(RuleModel):
    """What a rule does: at least one effect. It can never open what the law closes, nor send what the sender did not
    order."""

    policy: Policy | None = None
    """What the legal table adds to the sender's orders; takes the place of the sender's own setting. `complete` only
    concerns messages without any destination flag."""
    deny: Deny | None = None
    """Closes the channel."""
    hold: Hold | None = None
    """Delays the channel."""
    add_recipients: tuple[AddedRecipient, ...] | None = Field(default=None, min_length=1)
    """Professionals added to those that the sender named; never when only explicit recipients are admitted."""
    derive_recipients: frozenset[DerivedRole] | None = Field(default=None, min_length=1)
    """Professionals found in the traffic by their role, at the address that the directory gives them; never when only
    explicit recipients are admitted."""
    annuaire: bool | None = None
    """Whether professionals and structures who are known by their national identifier only (named by the sender without
    address, or derived and absent from `directory`) are looked up in the Annuaire Santé when the mail leaves; nobody is
    chosen among several mailboxes. Never when only explicit recipients are admitted, nor for genetics or a free choice
    of the patient. Needs the section `directory` of the configuration."""
    mailbox: Word | None = None
    """Name of the mailbox that sends, as in the settings of the MSSanté connector."""
    priority: Priority | None = None
    """Who goes first when several deliveries wait."""
    schedule: Schedule | None = None
    """Opening hours of the sending."""

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the effects that are given."""
        return tuple(name for name in REACH if getattr(self, name) is not None)


class SiteRule(RuleModel):
    """One rule of the site."""

    id: Identifier
    """Name shown in explanations, unique among all the rules."""
    text: Sentence
    """French sentence shown in explanations; no identity trait, no clinical content."""
    when: When = When()
    """When the rule applies."""
    then: Then
    """What the rule does."""

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that the rule can change."""
        stated = self.when.channels or _EVERY
        return stated.intersection(frozenset().union(*(REACH[name] for name in self.then.effects)), self._reached)

    @property
    def _reached(self) -> frozenset[Channel]:
        return _EVERY if self.when.recipients is None else frozenset({Channel.PRO})

    @model_validator(mode="after")
    def _acts(self) -> "SiteRule":
        effects = self.then.effects
        if not effects:
            raise ValueError(f"aucun effet : donner sous « then » au moins une des clés {', '.join(REACH)}")
        if {"deny", "hold"} <= set(effects):
            raise ValueError("effets contradictoires : « deny » et « hold »")
        if "deny" in effects and len(effects) > 1 and self.when.recipients is None:
            others = ", ".join(f"« {name} »" for name in effects if name != "deny")
            raise ValueError(f"effets contradictoires : « deny » ferme le canal, {others} ne servirait jamais")
        stated = (self.when.channels or _EVERY) & self._reached
        if not stated:
            raise ValueError("la règle ne s'applique jamais : le critère « recipients » ne concerne que le canal PRO")
        for name in effects:
            if not stated & REACH[name]:
                reach = " et ".join(channel for channel in Channel if channel in REACH[name])
                raise ValueError(f"« {name} » ne sert jamais ici : cet effet ne concerne que {reach}")
        return self


class DirectoryEntry(RuleModel):
    """One professional of the site's address book."""

    identifier: Word
    """National identifier (RPPS, with or without the leading 8; FINESS)."""
    address: Address
    """MSSanté address, never one of a patient."""
    name: str = ""
    """Name, for the reader."""


class SiteFile(RuleModel):
    """What one establishment knows that no header carries, and what it wants on top of the law."""

    kind: Literal["site"]
    """Kind of file."""
    tags: tuple[TagRule, ...] = ()
    """Tags to add to documents."""
    directory: tuple[DirectoryEntry, ...] = ()
    """Addresses of the professionals that `derive_recipients` may find."""
    rules: tuple[SiteRule, ...] = ()
    """The rules; all those that match apply. For an effect that can have but one value, the rule with the most criteria
    wins, then the first one written."""
    tests: tuple[Vector, ...] = ()
    """Tests of this file."""
