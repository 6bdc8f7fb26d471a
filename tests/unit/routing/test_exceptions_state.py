"""What ADT told counts like what the message says; what a refusal or a hold waits for (obligations digest §5)."""

from dataclasses import replace
from typing import Any

import pytest

from pfi.model.decision import Action, Channel, Trigger
from pfi.model.patient import Follower, IdentityStatus, Ins, Patient
from pfi.model.profile import NoDmp, Opposed
from pfi.routing.decide import appraise, decide
from pfi.routing.exceptions import explicit_recipients_only
from pfi.routing.specimen import TEST_INS, AssumedIdentity, Specimen
from tests.unit.routing.cases import (
    case,
    decided,
    flags,
    plan,
    rules_of,
    shipped_rules,
    with_submission,
)

SENT = {"DMP": "send", "PRO": "send", "CIT": "send"}
CHILD = "20120601"
OTHER_INS = Ins("260058815400233", "1.2.250.1.213.1.4.10")


def told(one: Specimen, **facts: Any) -> Specimen:
    """The ADT feed has told more."""
    return replace(one, state=replace(one.state, **facts))


def switched(one: Specimen, **switches: Any) -> Specimen:
    return replace(one, profile=replace(one.profile, **switches))


def until(one: Specimen, channel: Channel) -> Trigger | None:
    return decided(one)[channel].until


# Identity


def test_what_an_unqualified_identity_refuses_to_the_patient_is_cured_once_it_is_qualified() -> None:
    absent = case(identity="not_qualified")
    dropped = with_submission(absent, lambda each: replace(each, patient=replace(each.patient, ins=TEST_INS)))

    for one in (absent, dropped):
        assert decided(one)[Channel.CIT].action is Action.DENY
        assert until(one, Channel.CIT) is until(one, Channel.DMP) is Trigger.IDENTITY_QUALIFIED
        assert until(one, Channel.PRO) is None


def test_a_refusal_that_the_qualification_does_not_cure_stays_final() -> None:
    assert until(case(identity="not_qualified", tags=["cit_opposed"]), Channel.CIT) is None
    assert until(
        case(identity="not_qualified", flags=flags(invisible_patient=True, dest_mss_pat=False)), Channel.CIT
    ) is (None)


def test_nothing_leaves_under_an_ins_that_was_replaced() -> None:
    one = told(case(), retired_ins=(TEST_INS,), identity=Patient(ins=OTHER_INS))

    assert set(plan(one).values()) == {"hold INS_NOT_QUALIFIED"}
    assert {until(one, channel) for channel in Channel} == {Trigger.IDENTITY_QUALIFIED}
    assert rules_of(decided(one)[Channel.PRO])[0] == "E02"


def test_nothing_leaves_under_an_ins_that_was_withdrawn() -> None:
    assert set(plan(told(case(), ins_withdrawn=True)).values()) == {"hold INS_NOT_QUALIFIED"}


def test_an_ins_given_back_to_the_patient_or_retired_from_another_number_holds_nothing() -> None:
    assert plan(told(case(), retired_ins=(TEST_INS,), identity=Patient(ins=TEST_INS))) == SENT
    assert plan(told(case(), retired_ins=(OTHER_INS,))) == SENT


def test_the_document_alone_is_enough_to_hold_everything() -> None:
    one = with_submission(case(), lambda each: replace(each, patient=replace(each.patient, ins=OTHER_INS)))

    assert set(plan(told(one, retired_ins=(TEST_INS,))).values()) == {"hold INS_NOT_QUALIFIED"}


def test_professionals_are_served_without_the_withdrawn_ins_when_only_the_message_carries_it() -> None:
    one = with_submission(
        case(identity="not_qualified"), lambda each: replace(each, patient=replace(each.patient, ins=TEST_INS))
    )

    assert plan(told(one, ins_withdrawn=True, retired_ins=(TEST_INS,))) == {
        "DMP": "hold INS_NOT_QUALIFIED",
        "PRO": "send",
        "CIT": "deny INS_NOT_QUALIFIED",
    }


def test_a_doubtful_attribute_holds_even_an_identity_called_qualified() -> None:
    assert plan(case(reliability=("VALI", "COLP"))) == {
        "DMP": "hold IDENTITY_ATTRIBUTE",
        "PRO": "hold IDENTITY_ATTRIBUTE",
        "CIT": "deny IDENTITY_ATTRIBUTE",
    }
    assert plan(case(reliability=("VALI", "HOMA"))) == SENT


# Objection, existence of the DMP


def test_a_site_may_wait_for_an_objection_to_be_lifted() -> None:
    refused, waiting = case(feeding="IO"), switched(case(feeding="IO"), opposed=Opposed.HOLD)

    assert plan(refused) == SENT | {"DMP": "deny DMP_OPPOSED"}
    assert until(refused, Channel.DMP) is None
    assert plan(waiting) == SENT | {"DMP": "hold DMP_OPPOSED"}
    assert until(waiting, Channel.DMP) is Trigger.OBJECTION_LIFTED
    assert decided(waiting)[Channel.DMP].legal_gap


def test_a_site_may_wait_for_the_dmp_to_exist_or_to_open() -> None:
    absent = switched(case(dmp_status="INEXISTANT"), no_dmp=NoDmp.HOLD)
    closed = switched(case(dmp_status="FERME"), no_dmp=NoDmp.HOLD)

    assert plan(absent) == {"DMP": "hold DMP_ABSENT", "PRO": "send", "CIT": "hold DMP_ABSENT"}
    assert plan(closed) == SENT | {"DMP": "hold DMP_CLOSED"}
    assert until(absent, Channel.DMP) is until(absent, Channel.CIT) is until(closed, Channel.DMP) is Trigger.DMP_ACTIVE
    assert "E09" in rules_of(decided(closed)[Channel.CIT])


@pytest.mark.parametrize("switch", [{"opposed": Opposed.HOLD}, {"no_dmp": NoDmp.HOLD}])
def test_the_switches_hold_nothing_of_a_patient_who_neither_objects_nor_lacks_a_dmp(switch: dict[str, Any]) -> None:
    assert plan(switched(case(), **switch)) == SENT


# Local register


@pytest.mark.parametrize(
    ("fact", "given", "changed"),
    [
        ("pro_opposed", {}, {"PRO": "deny PRO_OPPOSED"}),
        ("cit_opposed", {}, {"CIT": "deny CIT_OPPOSED"}),
        ("deceased", {}, {"DMP": "hold PATIENT_DECEASED", "CIT": "deny PATIENT_DECEASED"}),
        (
            "ins_impossible",
            {"identity": "not_qualified"},
            {"DMP": "void INS_NOT_QUALIFIED", "CIT": "void INS_NOT_QUALIFIED"},
        ),
    ],
)
def test_a_fact_of_the_register_or_of_the_feed_counts_like_the_tag_of_the_site(
    fact: str, given: dict[str, Any], changed: dict[str, str]
) -> None:
    assert plan(told(case(**given), **{fact: True})) == plan(case(**given, tags=[fact])) == SENT | changed


def test_a_qualified_identity_belies_that_no_ins_is_possible() -> None:
    assert plan(told(case(), ins_impossible=True)) == SENT


def test_the_author_whom_adt_declares_as_medecin_traitant_is_one() -> None:
    one = case(type="60591-5")

    assert not decided(one)[Channel.DMP].due
    assert decided(told(one, care_team=(Follower("ODRP", "99700000001"),)))[Channel.DMP].due
    assert not decided(told(one, care_team=(Follower("RP", "99700000001"),)))[Channel.DMP].due
    assert not decided(told(one, care_team=(Follower("ODRP", ""),)))[Channel.DMP].due


# Minors


def test_secrecy_waits_for_a_person_while_the_dmp_does_not_manage_minors() -> None:
    rules = shipped_rules()
    off = replace(rules, parameters=rules.parameters.model_copy(update={"minors_management": False}))

    for asked in ({"connexion_secrete": True, "invisible_rep_legaux": True}, {"invisible_rep_legaux": True}):
        decision = decided(case(birth_date=CHILD, flags=flags(**asked)), off)[Channel.DMP]
        assert (decision.action, decision.code, decision.until) == (
            Action.HOLD,
            "SECRET_MINOR",
            Trigger.HUMAN_RELEASE,
        )
        assert decided(case(flags=flags(**asked)), off)[Channel.DMP].action is Action.SEND
    assert decided(case(birth_date=CHILD), off)[Channel.DMP].action is Action.SEND


# Sensitive care


@pytest.mark.parametrize("tag", ["ivg", "psychiatry", "sensitive_care", "admission_without_consent"])
@pytest.mark.parametrize("flag", ["dest_dmp", "dest_mss_ps", "dest_mss_pat"])
def test_a_destination_left_unsaid_holds_what_was_ordered_elsewhere(tag: str, flag: str) -> None:
    left = plan(case(tags=[tag], flags=flags(**{flag: None})))

    assert "send" not in left.values()
    assert "hold SENSITIVE_UNIT" in left.values()


def test_a_certificate_of_admission_without_consent_is_no_liaison_letter() -> None:
    for type_code in ("11490-0", "18761-7"):
        one = case(type=type_code, tags=["admission_without_consent"])
        assert not any(decision.due for decision in decided(one).values())
        assert plan(one) == SENT | {"CIT": "deny SENSITIVE_UNIT"}
        assert set(
            plan(case(type=type_code, tags=["admission_without_consent"], flags={}, policy="complete")).values()
        ) == {
            "deny ORDER_NO",
            "deny SENSITIVE_UNIT",
        }


# Explicit recipients only


def explicit(one: Specimen) -> bool:
    appraisal = appraise(one.submission, one.state, one.identity, shipped_rules(), one.profile, one.now)
    return explicit_recipients_only(appraisal.situation)


@pytest.mark.parametrize(
    "given",
    [
        {"reliability": ["VALI", "ANOM"]},
        {"reliability": ["CACH"]},
        {"flags": flags(masque_ps=True)},
        {"type": "51969-4"},
        {"tags": ["constitutional_genetics"]},
        {"flags": flags(connexion_secrete=True)},
        {"flags": flags(invisible_rep_legaux=True), "birth_date": CHILD},
        {"flags": flags(invisible_rep_legaux=True), "birth_date": ""},
        {"tags": ["ivg"]},
        {"tags": ["psychiatry"]},
        {"type": "68599-0"},
        {"tags": ["admission_without_consent"]},
        {"tags": ["sensitive_care"]},
        {"confidentiality": "R"},
        {"confidentiality": "V"},
        {"type": "PRESC-BIO"},
        {"type": "57833-6", "patient_class": "I"},
        {"type": "57833-6", "patient_class": "N"},
        {"type": "55115-0", "date": "2024-01-01"},
    ],
)
def test_some_documents_go_to_nobody_but_whom_the_sender_named(given: dict[str, Any]) -> None:
    assert explicit(case(**given))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"type": "11502-2"},
        {"birth_date": CHILD},
        {"flags": flags(invisible_rep_legaux=True)},
        {"flags": flags(invisible_patient=True, dest_mss_pat=False)},
        {"reliability": ["VALI", "HOMA"]},
        {"feeding": "IO"},
        {"tags": ["deceased"]},
    ],
)
def test_others_may_be_sent_to_those_whom_a_site_adds(given: dict[str, Any]) -> None:
    assert not explicit(case(**given))


def test_a_stay_told_anonymous_by_adt_is_for_explicit_recipients() -> None:
    assert explicit(told(case(), reliability=("VALI", "CACH")))


# Human release


def test_an_operator_releases_what_waits_for_a_person_and_nothing_else() -> None:
    waits, also_unqualified = case(confidentiality="R"), case(confidentiality="R", identity="not_qualified")

    def released(one: Specimen, *channels: Channel) -> dict[str, str]:
        decisions = decide(
            one.submission,
            one.state,
            one.identity,
            shipped_rules(),
            one.profile,
            one.now,
            released=frozenset(channels),
        )
        return {str(each.channel): f"{each.action} {each.code}".strip() for each in decisions}

    assert released(waits, Channel.DMP) == SENT | {"CIT": "deny CONFIDENTIALITY_RV"}
    assert released(waits, *Channel)["CIT"] == "deny CONFIDENTIALITY_RV"
    assert released(waits, Channel.PRO)["DMP"] == "hold CONFIDENTIALITY_RV"
    assert released(also_unqualified, *Channel)["DMP"] == "hold INS_NOT_QUALIFIED"


def test_vectors_20_and_21_an_a31_with_vali_opens_what_waited_for_it() -> None:
    before = with_submission(
        case(identity="not_qualified"), lambda each: replace(each, patient=replace(each.patient, ins=TEST_INS))
    )
    after = replace(
        told(before, reliability=("VALI",), identity=Patient(ins=TEST_INS)),
        identity=AssumedIdentity(IdentityStatus.QUALIFIED),
    )

    assert plan(before) == {"DMP": "hold INS_NOT_QUALIFIED", "PRO": "send", "CIT": "deny INS_NOT_QUALIFIED"}
    assert plan(after) == SENT
