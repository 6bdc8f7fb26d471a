"""Cases to decide: the specimens of the rule tests, varied with `dataclasses.replace`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from pfi.model.decision import Channel, Decision
from pfi.model.document import CdaHeader
from pfi.model.submission import Submission
from pfi.routing.decide import appraise, decide
from pfi.routing.rulefile import Given, VectorFlags
from pfi.routing.rules import RuleBook, load_rules
from pfi.routing.specimen import Specimen, specimen

ALL_ORDERED = VectorFlags(
    masque_ps=False,
    invisible_patient=False,
    invisible_rep_legaux=False,
    connexion_secrete=False,
    dest_dmp=True,
    dest_mss_ps=True,
    dest_mss_pat=True,
)


@cache
def shipped_rules() -> RuleBook:
    return load_rules()


def case(**given: Any) -> Specimen:
    """A discharge letter of an inpatient, everything ordered, one professional, unless told otherwise."""
    sound = {
        "type": "11490-0",
        "date": date(2026, 1, 15),
        "patient_class": "I",
        "professionals": 1,
        "flags": ALL_ORDERED,
        "feeding": "INO",
    }
    return specimen(Given(**{**sound, **given}))


def flags(**changed: bool | None) -> VectorFlags:
    """All orders and no visibility restriction, but for what is given."""
    return ALL_ORDERED.model_copy(update=changed)


def with_header(one: Specimen, change: Callable[[CdaHeader], CdaHeader]) -> Specimen:
    documents = tuple(replace(each, header=change(each.header)) for each in one.submission.documents)
    return with_submission(one, lambda submission: replace(submission, documents=documents))


def with_submission(one: Specimen, change: Callable[[Submission], Submission]) -> Specimen:
    return replace(one, submission=change(one.submission))


def decided(one: Specimen, rules: RuleBook | None = None) -> dict[Channel, Decision]:
    """The three decisions, by channel."""
    rules = rules or shipped_rules()
    decisions = decide(one.submission, one.state, one.identity, rules, one.profile, one.now)
    assert len(decisions) == 3
    return {decision.channel: decision for decision in decisions}


def plan(one: Specimen) -> dict[str, str]:
    """What is decided, in short: `{"DMP": "send", "PRO": "deny ORDER_NO", ...}`."""
    return {str(channel): f"{decision.action} {decision.code}".strip() for channel, decision in decided(one).items()}


def rules_of(decision: Decision) -> list[str]:
    """Names of the reasons of a decision."""
    return [reason.rule for reason in decision.because]


def text_of(decision: Decision, rule: str) -> str:
    """The sentence of the one reason that has this name."""
    (reason,) = [each for each in decision.because if each.rule == rule]
    return reason.text


def fired(one: Specimen) -> set[str]:
    """Names of the situations that hold."""
    appraisal = appraise(one.submission, one.state, one.identity, shipped_rules(), one.profile, one.now)
    return {rule.when for rule in appraisal.fired}
