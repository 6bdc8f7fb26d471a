"""The invariants of `docs/invariants.md`, in any circumstances, against a model that shares no code with the engine."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pfi.model.decision import Action, Channel, Decision, Trigger
from pfi.model.patient import DmpStatus, Feeding, IdentityStatus, PatientState
from pfi.model.profile import Environment, InformationMissing, Policy
from pfi.routing.exceptions import SITUATIONS
from pfi.routing.rulefile import Effect, ExceptionRule, Tag, VectorFlags
from tests.unit.routing.cases import shipped_rules
from tests.unit.routing.worlds import SOUND, WORLDS, World

OWN_ADDRESS: Final = "279035121518989@patient.mssante.fr"
LIAISON_LETTERS: Final = {"11490-0", "18761-7"}
NOT_IN_J66: Final = {"FEUILLE-DE-STYLE", "?"}
CHOSEN_BY_THE_PATIENT: Final = {
    "57833-6",
    "PRESC-BIO",
    "PRESC-KINE",
    "PRESC-INF",
    "PRESC-PEDI",
    "PRESC-ORTHOPHO",
    "PRESC-ORTHOPTIE",
    "55115-0",
}
DOUBTFUL: Final = {"DOUT", "FICT", "USUR", "COLP", "COLV", "DOUA", "INVA"}
SENSITIVE: Final = {"ivg", "psychiatry", "sensitive_care", "admission_without_consent"}
CODES: Final = {
    # obligations digest §4, those that routing gives
    *("INS_NOT_QUALIFIED", "INS_INCOMPLETE", "IDENTITY_ATTRIBUTE", "DMP_OPPOSED", "DMP_INFO_MISSING", "DMP_CLOSED"),
    *("DMP_ABSENT", "TYPE_NOT_ACCEPTED", "CONFIDENTIALITY_RV", "PATIENT_INVISIBLE", "PS_MASKED", "LEGAL_REP_INVISIBLE"),
    *("SECRET_MINOR", "SENSITIVE_UNIT", "GENETICS", "FREE_CHOICE_NO_RECIPIENT", "NO_RECIPIENT", "NO_MSS_ADDRESS"),
    *("CIT_OPPOSED", "PRO_OPPOSED", "ORDER_NO", "FLAGS_INCONSISTENT"),
    # ours
    *("INS_OID_ENVIRONMENT", "INS_IN_CDA_NOT_QUALIFIED", "PATIENT_DECEASED", "CDA_ID_EXTENSION"),
    "INS_NOT_IN_DOCUMENT",
}


Plan = dict[Channel, Decision]
DMP, PRO, CIT = Channel.DMP, Channel.PRO, Channel.CIT
INVARIANTS: dict[str, Callable[[World, Plan], None]] = {}


def invariant(number: str) -> Callable[[Callable[[World, Plan], None]], Callable[[World, Plan], None]]:
    def register(check: Callable[[World, Plan], None]) -> Callable[[World, Plan], None]:
        INVARIANTS[number] = check
        return check

    return register


def sent(plan: Plan) -> set[Channel]:
    return {channel for channel, decision in plan.items() if decision.action is Action.SEND}


def waiting_or_sent(plan: Plan) -> set[Channel]:
    return {channel for channel, decision in plan.items() if decision.action in (Action.SEND, Action.HOLD)}


@invariant("I1")
def the_dmp_is_fed_only_when_it_may_be(world: World, plan: Plan) -> None:
    if DMP not in sent(plan):
        return
    assert world.qualified
    assert not world.attributes & DOUBTFUL
    assert not world.anonymous
    assert world.given.feeding is not Feeding.OPPOSED
    assert world.given.dmp_status not in (DmpStatus.CLOSED, DmpStatus.ABSENT)
    assert world.given.type not in NOT_IN_J66
    assert world.given.birth_date or not world.cda_ins, "the INS of the document lacks its birth date"
    informed = world.given.feeding is Feeding.NOT_OPPOSED
    assert informed or world.given.information_missing is InformationMissing.SEND
    if DMP not in world.released:
        assert world.given.confidentiality == "N"
        assert not world.deceased


@invariant("I2")
def the_patient_is_written_to_only_at_their_own_address(world: World, plan: Plan) -> None:
    for recipient in plan[CIT].recipients:
        assert recipient.address == OWN_ADDRESS
    if CIT not in sent(plan):
        return
    assert world.qualified
    assert not world.attributes & DOUBTFUL
    assert not world.anonymous
    assert world.given.dmp_status is not DmpStatus.ABSENT
    assert world.given.confidentiality == "N"
    assert not world.deceased
    assert not world.cit_opposed
    assert "admission_without_consent" not in world.tags
    assert not world.switches.require_patient_prt, "no case names the patient"


@invariant("I3")
def what_the_sender_did_not_order_neither_leaves_nor_waits(world: World, plan: Plan) -> None:
    completes = world.given.policy is Policy.COMPLETE and world.silent_sender
    for channel in waiting_or_sent(plan):
        if completes:
            assert plan[channel].due
        else:
            assert world.order(channel) is True


@invariant("I4")
def veto_then_absence_then_order_then_hold(world: World, plan: Plan) -> None:
    for channel, decision in plan.items():
        fired = [rule for rule in shipped_rules().exceptions if rule.id in {each.rule for each in decision.because}]
        possible = {rule.effect(channel) for rule in fired}
        if decision.action is Action.HOLD:
            assert Effect.HOLD in possible
            assert decision.until is not None
        if decision.action is Action.VOID:
            assert Effect.VOID in possible


@invariant("I5")
def the_secret_of_a_minor_is_kept(world: World, plan: Plan) -> None:
    orders = world.orders
    if orders.connexion_secrete is True and orders.invisible_rep_legaux is not True:
        assert DMP not in waiting_or_sent(plan)
    if world.secret:
        assert CIT not in waiting_or_sent(plan)
        assert {each.address for each in plan[PRO].recipients} <= world.named
        if not world.parameters.minors_management and DMP not in world.released:
            assert DMP not in sent(plan)
    unsaid = orders.invisible_rep_legaux is None and orders.connexion_secrete is not True
    if world.child and unsaid and world.parameters.minors_management and DMP not in world.released:
        assert DMP not in sent(plan)


@invariant("I6")
def constitutional_genetics_goes_to_the_prescriber(world: World, plan: Plan) -> None:
    if not world.genetics:
        return
    assert CIT not in waiting_or_sent(plan)
    prescriber = {"professionnel0@test.mssante.fr"} if world.given.prescriber else set()
    assert {each.address for each in plan[PRO].recipients} <= prescriber
    if DMP not in world.released:
        assert DMP not in sent(plan) or world.orders.dest_dmp is True


@invariant("I7")
def free_choice_has_no_default_recipient(world: World, plan: Plan) -> None:
    if world.given.type in CHOSEN_BY_THE_PATIENT:
        assert {each.address for each in plan[PRO].recipients} <= world.named
        assert world.named or PRO not in waiting_or_sent(plan)


@invariant("I8")
def what_is_hidden_is_not_mailed_to_whom_it_is_hidden_from(world: World, plan: Plan) -> None:
    orders = world.orders
    if orders.invisible_patient is True:
        assert CIT not in waiting_or_sent(plan)
        if orders.dest_mss_pat is True:
            assert not waiting_or_sent(plan)
    if orders.masque_ps is True and world.switches.masked_ps_blocks_pro:
        assert PRO not in waiting_or_sent(plan)
    hidden_from_all = orders.invisible_patient is True and orders.masque_ps is True
    if hidden_from_all and not world.parameters.invisible_and_masked_allowed:
        assert not waiting_or_sent(plan)


@invariant("I9")
def sensitive_care_leaves_only_as_expressly_said(world: World, plan: Plan) -> None:
    if world.tags & SENSITIVE and world.flags_missing:
        assert sent(plan) <= world.released


@invariant("I10")
def every_decision_names_its_rules(world: World, plan: Plan) -> None:
    assert set(plan) == set(Channel)
    for channel, decision in plan.items():
        assert all(reason.rule and reason.text for reason in decision.because)
        names = {reason.rule for reason in decision.because}
        flag = {DMP: "DESTDMP", PRO: "DESTMSSANTEPS", CIT: "DESTMSSANTEPAT"}[channel]
        assert names & {flag, "POLICY_COMPLETE"}, "what the sender ordered, or what stands for it"
        assert decision.due is bool(names & {row.id for row in shipped_rules().rows})
        assert decision.rules_digest


@invariant("I11")
def a_gap_is_a_duty_that_is_not_fulfilled(world: World, plan: Plan) -> None:
    for decision in plan.values():
        assert decision.gap is (decision.due and decision.action is not Action.SEND)
        assert decision.gap or not decision.legal_gap


@invariant("I13")
def what_is_not_sent_has_a_code(world: World, plan: Plan) -> None:
    for decision in plan.values():
        assert (decision.code == "") is (decision.action is Action.SEND)
        assert decision.code in {*CODES, ""}
        assert decision.until is None or decision.action is not Action.SEND


@invariant("I14")
def a_release_opens_only_what_waited_for_a_person(world: World, plan: Plan) -> None:
    before = world.decided(released=frozenset())
    for channel in sent(plan) - sent(before):
        assert channel in world.released
        assert before[channel].action is Action.HOLD
        assert before[channel].until is Trigger.HUMAN_RELEASE
    for channel in set(Channel) - world.released:
        assert plan[channel] == before[channel]


@invariant("I15")
def an_ins_leaves_only_qualified_and_in_its_environment(world: World, plan: Plan) -> None:
    carried = world.cda_ins or world.pid_ins
    if carried and world.given.environment is Environment.PRODUCTION:
        assert not waiting_or_sent(plan), "the case carries a test INS"
    if world.cda_ins and not world.pid_ins:
        assert not sent(plan)


@invariant("I16")
def nothing_leaves_under_a_retired_ins(world: World, plan: Plan) -> None:
    if world.retired and (world.cda_ins or world.pid_ins):
        assert not sent(plan)


@invariant("I17")
def doubt_and_anonymity_keep_professionals_to_what_was_ordered(world: World, plan: Plan) -> None:
    if world.attributes & DOUBTFUL or world.given.identity is IdentityStatus.HOLD:
        assert not sent(plan)
    if world.anonymous:
        assert waiting_or_sent(plan) <= {PRO}
        assert {each.address for each in plan[PRO].recipients} <= world.named


@invariant("I18")
def a_mail_that_leaves_has_recipients_and_a_refused_one_has_none(world: World, plan: Plan) -> None:
    assert plan[DMP].recipients == ()
    for channel in (PRO, CIT):
        if plan[channel].action is Action.SEND:
            assert plan[channel].recipients
        elif plan[channel].action is not Action.HOLD:
            assert plan[channel].recipients == ()


@invariant("I19")
def a_certificate_of_admission_without_consent_is_no_liaison_letter(world: World, plan: Plan) -> None:
    if "admission_without_consent" in world.tags and world.given.type in LIAISON_LETTERS:
        assert not any(decision.due for decision in plan.values())


@invariant("I20")
def the_objection_to_professional_mail_is_kept(world: World, plan: Plan) -> None:
    if world.facts.pro_opposed or "pro_opposed" in world.tags:
        assert PRO not in waiting_or_sent(plan)


@settings(max_examples=400, deadline=None)
@given(WORLDS)
@example(SOUND)
def test_no_plan_violates_an_invariant(world: World) -> None:
    plan = world.decided()
    for check in INVARIANTS.values():
        check(world, plan)


def test_the_model_lets_a_sound_document_leave_everywhere() -> None:
    assert sent(SOUND.decided()) == set(Channel)


@settings(max_examples=150, deadline=None)
@given(WORLDS, st.sampled_from(sorted(SITUATIONS)), st.sampled_from([Effect.DENY, Effect.VOID, Effect.HOLD]))
def test_i12_adding_a_veto_never_opens_a_channel(world: World, when: str, effect: Effect) -> None:
    rules = shipped_rules()
    added = ExceptionRule(
        id="X",
        when=when,
        text="x",
        source="x",
        code="X",
        until=Trigger.IDENTITY_QUALIFIED,
        dmp=effect,
        pro=effect,
        cit=effect,
    )
    before = world.decided()
    for checks in (((added, SITUATIONS[when]), *rules.checks), (*rules.checks, (added, SITUATIONS[when]))):
        after = world.decided(replace(rules, checks=checks))
        assert sent(after) <= sent(before)
        for channel in Channel:
            # the address of the patient is only looked for once nothing holds the mail any more
            unaddressed = channel is CIT and before[channel].code == "NO_MSS_ADDRESS"
            if before[channel].action in (Action.DENY, Action.VOID) and not unaddressed:
                assert after[channel].action in (Action.DENY, Action.VOID)


@settings(max_examples=150, deadline=None)
@given(WORLDS, st.sampled_from([each.when for each in shipped_rules().exceptions]))
def test_i4_an_exception_that_forbids_forbids_whatever_else_is_said(world: World, when: str) -> None:
    """Removing an exception may open; keeping it closes: effects are compared with and without it."""
    rules = shipped_rules()
    lighter = replace(rules, checks=tuple(each for each in rules.checks if each[0].when != when))
    (rule,) = (each for each in rules.exceptions if each.when == when)
    without, plan = world.decided(lighter), world.decided()
    for channel in Channel:
        effect = rule.effect(channel)
        if effect in (None, Effect.WARN, Effect.INFO):
            assert plan[channel].action is without[channel].action
        if plan[channel] != without[channel] and effect is Effect.DENY:
            assert plan[channel].action is Action.DENY


# The list itself


@cache
def listed() -> dict[str, str]:
    text = (Path(__file__).parents[3] / "docs" / "invariants.md").read_text("utf-8")
    return dict(re.findall(r"^\| (I\d+) \| (.+?) \|", text, re.MULTILINE))


def test_each_invariant_of_the_list_is_checked_and_each_check_is_listed() -> None:
    assert set(listed()) == {*INVARIANTS, "I12"}


def sound(**given: Any) -> World:
    """The sound case, but for what is given; flags by name."""
    names = set(VectorFlags.model_fields)
    flags = SOUND.given.flags.model_copy(update={name: value for name, value in given.items() if name in names})
    changed = {name: value for name, value in given.items() if name not in names} | {"flags": flags}
    return replace(SOUND, given=SOUND.given.model_copy(update=changed))


def breakings() -> Iterator[tuple[str, World, dict[Channel, dict[str, Any]]]]:
    """Plans that must be found wrong: a decision changed by hand."""
    opened = {"action": Action.SEND, "code": ""}
    opposed, sensitive = sound(feeding=Feeding.OPPOSED), sound(tags=frozenset({Tag.IVG}), masque_ps=None)
    certificate = sound(tags=frozenset({Tag.ADMISSION_WITHOUT_CONSENT}))
    yield "I1", opposed, {DMP: opened}
    yield "I2", sound(identity=IdentityStatus.NOT_QUALIFIED), {CIT: opened}
    yield "I3", sound(dest_dmp=False), {DMP: opened}
    yield "I4", SOUND, {DMP: {"action": Action.HOLD, "code": "DMP_OPPOSED"}}
    yield "I5", sound(birth_date="20150101", invisible_rep_legaux=True), {CIT: opened}
    yield "I6", sound(type="51969-4"), {CIT: opened}
    yield "I7", sound(type="PRESC-BIO", professionals=0), {PRO: opened}
    yield "I8", sound(invisible_patient=True, dest_mss_pat=None), {CIT: opened}
    yield "I9", sensitive, {PRO: opened}
    yield "I10", SOUND, {PRO: {"because": ()}}
    yield "I11", opposed, {DMP: {"gap": False}}
    yield "I13", SOUND, {DMP: {"action": Action.DENY, "code": "ETRANGE"}}
    yield "I14", sensitive, {PRO: opened}
    yield "I15", sound(environment=Environment.PRODUCTION), {PRO: opened}
    yield "I16", replace(SOUND, facts=PatientState(ins_withdrawn=True)), {PRO: opened}
    yield "I17", replace(SOUND, facts=PatientState(reliability=("DOUT",))), {PRO: opened}
    yield "I18", SOUND, {PRO: {"recipients": ()}}
    yield "I19", certificate, {DMP: {"due": True}}
    yield "I20", replace(SOUND, facts=PatientState(pro_opposed=True)), {PRO: opened}


BREAKINGS: Final = tuple(breakings())


@pytest.mark.parametrize(("number", "world", "changes"), BREAKINGS, ids=[each[0] for each in BREAKINGS])
def test_each_check_finds_a_plan_that_violates_it(
    number: str, world: World, changes: dict[Channel, dict[str, Any]]
) -> None:
    plan = world.decided()
    INVARIANTS[number](world, plan)
    broken = {channel: replace(decision, **changes.get(channel, {})) for channel, decision in plan.items()}

    with pytest.raises(AssertionError):
        INVARIANTS[number](world, broken)


def test_every_check_is_proved_able_to_fail() -> None:
    assert {number for number, _, _ in BREAKINGS} == set(INVARIANTS)
