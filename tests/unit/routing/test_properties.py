"""What must hold whatever the flags, the identity, the consent, the type, the setting and the date."""

from dataclasses import replace
from datetime import date
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from pfi.model.decision import Action, Channel, Decision
from pfi.model.patient import DmpStatus, Feeding, IdentityStatus
from pfi.model.profile import InformationMissing, Policy
from pfi.model.submission import Orders, Request
from pfi.routing.exceptions import SITUATIONS
from pfi.routing.rulefile import Effect, ExceptionRule, Given, Tag, VectorFlags
from pfi.routing.specimen import Specimen, specimen
from tests.unit.routing.cases import decided, shipped_rules

TYPES = sorted(
    {code for row in shipped_rules().rows for code in row.types} | {"51969-4", "68599-0", "FEUILLE-DE-STYLE", "?"}
)
FLAG = st.sampled_from([True, False, None])

FLAGS = st.builds(
    VectorFlags,
    masque_ps=FLAG,
    invisible_patient=FLAG,
    invisible_rep_legaux=FLAG,
    connexion_secrete=FLAG,
    modif_conf_code=FLAG,
    dest_dmp=FLAG,
    dest_mss_ps=FLAG,
    dest_mss_pat=FLAG,
)

SITUATION = st.builds(
    Given,
    type=st.sampled_from(TYPES),
    date=st.dates(date(2015, 1, 1), date(2030, 12, 31)),
    encounter=st.sampled_from(["", "IMP", "EXTERNE", "SEANCE", "AUTRE"]),
    patient_class=st.sampled_from(["", "I", "O", "E", "R", "N", "V"]),
    request=st.sampled_from(Request),
    tags=st.frozensets(st.sampled_from(Tag), max_size=2),
    professionals=st.integers(0, 2),
    prescriber=st.booleans(),
    author_is_mt=st.booleans(),
    flags=FLAGS,
    identity=st.sampled_from(IdentityStatus),
    reliability=st.sampled_from([(), ("VALI",), ("PROV",), ("VALI", "DOUT"), ("VALI", "CACH")]),
    ins_in_cda=st.sampled_from([True, False, None]),
    feeding=st.sampled_from([*Feeding, None]),
    consultation=st.sampled_from(["", "IC", "INC", "NA"]),
    dmp_status=st.sampled_from([*DmpStatus, None]),
    confidentiality=st.sampled_from(["N", "R", "V"]),
    birth_date=st.sampled_from(["19790328", "20150101", ""]),
    policy=st.sampled_from(Policy),
    information_missing=st.sampled_from(InformationMissing),
)


def sent(decisions: dict[Channel, Decision]) -> set[Channel]:
    return {channel for channel, decision in decisions.items() if decision.action is Action.SEND}


def check_invariants(one: Specimen) -> None:
    orders, identity = one.submission.orders, one.identity.status
    decisions = decided(one)
    leaves = sent(decisions)
    asked = {Channel.DMP: orders.dest_dmp, Channel.PRO: orders.dest_mss_ps, Channel.CIT: orders.dest_mss_pat}

    if identity is not IdentityStatus.QUALIFIED:
        assert leaves <= {Channel.PRO}
    if orders.invisible_patient is True:
        assert Channel.CIT not in leaves
    if orders.masque_ps is True:
        assert Channel.PRO not in leaves
    if one.state.feeding is Feeding.OPPOSED:
        assert Channel.DMP not in leaves
    for channel, decision in decisions.items():
        assert decision.because
        assert all(reason.rule and reason.text for reason in decision.because)
        assert (decision.code == "") is (decision.action is Action.SEND)
        assert decision.gap is (decision.due and decision.action is not Action.SEND)
        assert decision.gap or not decision.legal_gap
        if asked[channel] is False:
            assert decision.action not in (Action.SEND, Action.HOLD)
        if asked[channel] is None and (orders.given or one.profile.policy is not Policy.COMPLETE):
            assert decision.action not in (Action.SEND, Action.HOLD)
        if channel is not Channel.DMP and decision.action is Action.SEND:
            assert decision.recipients
        if decision.action in (Action.DENY, Action.VOID) or channel is Channel.DMP:
            assert decision.recipients == ()
    assert all(each.address == "279035121518989@patient.mssante.fr" for each in decisions[Channel.CIT].recipients)


@settings(max_examples=300, deadline=None)
@given(SITUATION)
def test_the_promises_hold_in_any_situation(situation: Given) -> None:
    check_invariants(specimen(situation))


def test_the_promises_hold_for_all_1024_combinations_of_flags() -> None:
    one = specimen(Given(type="11490-0", date=date(2026, 1, 15), patient_class="I", professionals=1))
    plans = set()
    for values in product((True, False), repeat=10):
        each = replace(one, submission=replace(one.submission, orders=Orders(*values)))
        check_invariants(each)
        plans.add(frozenset(sent(decided(each))))

    assert len(plans) == 8, "every combination of channels can be reached"


@settings(max_examples=200, deadline=None)
@given(SITUATION, st.sampled_from(sorted(SITUATIONS)), st.sampled_from([Effect.DENY, Effect.VOID, Effect.HOLD]))
def test_adding_a_veto_never_opens_a_channel(situation: Given, when: str, effect: Effect) -> None:
    one, rules = specimen(situation), shipped_rules()
    added = ExceptionRule(id="X", when=when, text="x", source="x", code="X", dmp=effect, pro=effect, cit=effect)
    stricter = replace(rules, checks=((added, SITUATIONS[when]), *rules.checks))

    before, after = decided(one), decided(one, stricter)

    assert sent(after) <= sent(before)
    for channel in Channel:
        if before[channel].action is Action.DENY:
            assert after[channel].action in (Action.DENY, Action.VOID)


@settings(max_examples=100, deadline=None)
@given(SITUATION)
def test_the_same_situation_is_always_decided_alike(situation: Given) -> None:
    assert decided(specimen(situation)) == decided(specimen(situation))
