"""Which recipients a rule of the site closes or delays, one by one."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pfi.model.parties import Recipient
from pfi.routing.rulefile import Hold, SiteRule
from pfi.routing.site import SiteEffects, names


@dataclass(frozen=True, slots=True)
class Served:
    """Recipients that remain. When none does, `denies` or `holds` are the rules that took them away; those who wait are
    then the recipients of the hold. `notes` says, by rule, how many it took away."""

    recipients: tuple[Recipient, ...]
    denies: tuple[SiteRule, ...] = ()
    holds: tuple[SiteRule, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


def serve(site: SiteEffects, recipients: tuple[Recipient, ...], waits: Callable[[Hold], bool]) -> Served:
    """Takes away the recipients that a rule names; a prohibition outranks a wait. `waits` says whether what a hold
    waits for has yet to take place."""
    if not site.selective:
        return Served(recipients)
    kept, held = list[Recipient](), list[Recipient]()
    denies, holds = dict[str, list[SiteRule]](), dict[str, list[SiteRule]]()
    for recipient in recipients:
        naming = [rule for rule in site.selective if names(rule, recipient)]
        denying = next((rule for rule in naming if rule.then.deny is not None), None)
        holding = next((rule for rule in naming if rule.then.hold is not None and waits(rule.then.hold)), None)
        if denying is not None:
            denies.setdefault(denying.id, []).append(denying)
        elif holding is not None:
            holds.setdefault(holding.id, []).append(holding)
            held.append(recipient)
        else:
            kept.append(recipient)
    notes = {name: f"{len(rules)} destinataire(s) écarté(s)." for name, rules in denies.items()}
    if kept or not recipients:
        alone = "non servi(s), les autres le sont sans attendre"
        notes |= {name: f"{len(rules)} destinataire(s) {alone}." for name, rules in holds.items()}
        return Served(tuple(kept), notes=notes)
    first = [rules[0] for rules in (holds or denies).values()]
    if held:
        return Served(tuple(held), holds=_ranked(site, first), notes=notes)
    return Served((), denies=_ranked(site, first), notes=notes)


def _ranked(site: SiteEffects, rules: list[SiteRule]) -> tuple[SiteRule, ...]:
    return tuple(rule for rule in site.selective if any(rule is each for each in rules))
