"""Precedence: veto > absence of the destination > hold > order (obligations digest §4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pfi.model.decision import Action, Channel, Reason, Trigger
from pfi.routing.recipients import Addressing
from pfi.routing.rulefile import Effect


@dataclass(frozen=True, slots=True)
class Cause:
    """What closes or delays a channel. `until`: the event that makes the engine decide again, `None` = nothing.

    `of_site`: a rule of the site, not one of the law; only those set `expiry_days`.
    """

    effect: Effect
    code: str
    reason: Reason
    legal: bool = False
    until: Trigger | None = None
    expiry_days: int | None = None
    of_site: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The action and, when it is not a sending, its code; the reasons that decided come first."""

    action: Action
    code: str = ""
    legal: bool = False
    because: tuple[Reason, ...] = ()
    until: Trigger | None = None
    expiry_days: int | None = None


def verdict(channel: Channel, causes: Sequence[Cause], addressing: Addressing, *, ordered: bool) -> Verdict:
    """What becomes of a channel. The law's causes come before the site's, each in the order of its file."""
    site_denies = [cause for cause in causes if cause.of_site and cause.effect is Effect.DENY]
    for effect, action in ((Effect.DENY, Action.DENY), (Effect.VOID, Action.VOID)):
        closed = [cause for cause in causes if cause.effect is effect and not cause.of_site]
        if closed:
            return _closed(action, [*closed, *site_denies])
    held = [cause for cause in causes if cause.effect is Effect.HOLD]
    # The law explains the gap when it would have held the channel anyway, or when the patient chose nobody.
    unchosen = addressing.refusal is not None and addressing.refusal.rule == "FREE_CHOICE_NO_RECIPIENT"
    explained = unchosen or any(cause.legal for cause in held)
    if site_denies:
        first = site_denies[0]
        legal = first.legal or explained or addressing.legal
        return Verdict(Action.DENY, first.code, legal, _reasons([*site_denies, *held]))
    if not ordered:
        return Verdict(Action.DENY, "ORDER_NO", explained, _reasons(cause for cause in held if not cause.of_site))
    if held and channel is Channel.CIT:
        return _closed(Action.HOLD, held)
    if addressing.refusal is not None:
        because = (addressing.refusal, *_reasons(held))
        return Verdict(Action.DENY, addressing.refusal.rule, addressing.legal, because)
    if held:
        return _closed(Action.HOLD, held)
    return Verdict(Action.SEND)


def _closed(action: Action, causes: list[Cause]) -> Verdict:
    """The first cause gives its code. A refusal is cured only when each of its causes says what cures it, and an
    operator may only release what nothing else holds. A wait that the law also imposes lasts as long as the sender's
    setting says."""
    first = causes[0]
    untils = [cause.until for cause in causes]
    until = None if None in untils else next((each for each in untils if each is not Trigger.HUMAN_RELEASE), untils[0])
    expiry_days = first.expiry_days if all(cause.of_site for cause in causes) else None
    return Verdict(action, first.code, first.legal, _reasons(causes), until, expiry_days)


def _reasons(causes: Iterable[Cause]) -> tuple[Reason, ...]:
    return tuple(cause.reason for cause in causes)
