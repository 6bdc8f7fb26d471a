"""Each exception closes what it must close, and nothing else (obligations digest §5)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pfi.model.decision import Action, Channel
from pfi.model.document import CdaHeader, CodedValue, DocumentId
from pfi.model.patient import IdentityStatus
from pfi.model.profile import Environment, InformationMissing, SenderProfile
from pfi.routing.decide import appraise
from pfi.routing.exceptions import SITUATIONS
from tests.unit.routing.cases import case, decided, fired, flags, plan, rules_of, shipped_rules, with_header

SENT = {"DMP": "send", "PRO": "send", "CIT": "send"}
CHILD = "20120601"


def test_a_sound_document_of_an_informed_patient_leaves_everywhere_without_any_remark() -> None:
    assert plan(case()) == SENT
    assert fired(case()) == {"feeding_not_opposed"}


@pytest.mark.parametrize(
    ("situation", "given", "changed"),
    [
        (
            "ins_absent_not_qualified",
            {"identity": "not_qualified"},
            {"DMP": "hold INS_NOT_QUALIFIED", "CIT": "deny INS_NOT_QUALIFIED"},
        ),
        (
            "ins_in_cda_not_qualified",
            {"identity": "not_qualified", "ins_in_cda": True},
            dict.fromkeys(("DMP", "PRO", "CIT"), "hold INS_IN_CDA_NOT_QUALIFIED"),
        ),
        (
            "ins_impossible",
            {"identity": "not_qualified", "tags": ["ins_impossible"]},
            {"DMP": "void INS_NOT_QUALIFIED", "CIT": "void INS_NOT_QUALIFIED"},
        ),
        (
            "ins_oid_not_allowed",
            {"environment": "production"},
            dict.fromkeys(("DMP", "PRO", "CIT"), "deny INS_OID_ENVIRONMENT"),
        ),
        (
            "identity_doubtful",
            {"identity": "hold", "reliability": ["VALI", "USUR"]},
            {"DMP": "hold IDENTITY_ATTRIBUTE", "PRO": "hold IDENTITY_ATTRIBUTE", "CIT": "deny IDENTITY_ATTRIBUTE"},
        ),
        (
            "identity_anonymous",
            {"reliability": ["VALI", "CACH"]},
            {"DMP": "deny IDENTITY_ATTRIBUTE", "CIT": "deny IDENTITY_ATTRIBUTE"},
        ),
        (
            "identity_anonymous",
            {"reliability": ["ANOM"]},
            {"DMP": "deny IDENTITY_ATTRIBUTE", "CIT": "deny IDENTITY_ATTRIBUTE"},
        ),
        ("feeding_opposed", {"feeding": "IO"}, {"DMP": "deny DMP_OPPOSED"}),
        ("feeding_not_opposed", {"feeding": "INO"}, {}),
        ("information_missing", {"feeding": "NA"}, {}),
        ("information_missing", {"feeding": None}, {}),
        (
            "information_missing_held",
            {"feeding": None, "information_missing": "hold"},
            {"DMP": "hold DMP_INFO_MISSING"},
        ),
        (
            "information_missing_held",
            {"feeding": "NA", "information_missing": "hold"},
            {"DMP": "hold DMP_INFO_MISSING"},
        ),
        ("consultation_refused", {"consultation": "INC"}, {}),
        ("dmp_closed", {"dmp_status": "FERME"}, {"DMP": "void DMP_CLOSED"}),
        ("dmp_absent", {"dmp_status": "INEXISTANT"}, {"DMP": "void DMP_ABSENT", "CIT": "void DMP_ABSENT"}),
        (
            "invisible_yet_mailed_to_patient",
            {"flags": flags(invisible_patient=True)},
            dict.fromkeys(("DMP", "PRO", "CIT"), "deny FLAGS_INCONSISTENT"),
        ),
        (
            "invisible_to_patient",
            {"flags": flags(invisible_patient=True, dest_mss_pat=False)},
            {"CIT": "deny PATIENT_INVISIBLE"},
        ),
        ("masked_to_professionals", {"flags": flags(masque_ps=True)}, {"PRO": "deny PS_MASKED"}),
        ("masked_on_dmp", {"flags": flags(masque_ps=True)}, {"PRO": "deny PS_MASKED"}),
        (
            "invisible_and_masked",
            {"flags": flags(masque_ps=True, invisible_patient=True, dest_mss_pat=False)},
            dict.fromkeys(("DMP", "PRO", "CIT"), "deny FLAGS_INCONSISTENT"),
        ),
        ("constitutional_genetics", {"type": "51969-4", "prescriber": True}, {"CIT": "deny GENETICS"}),
        (
            "constitutional_genetics_not_ordered",
            {"tags": ["constitutional_genetics"], "prescriber": True, "flags": {}, "policy": "complete"},
            {"DMP": "hold GENETICS", "CIT": "deny GENETICS"},
        ),
        (
            "secret_without_hidden_document",
            {"flags": flags(connexion_secrete=True), "birth_date": CHILD},
            {"DMP": "deny FLAGS_INCONSISTENT", "CIT": "deny SECRET_MINOR"},
        ),
        (
            "secret_without_hidden_document",
            {"flags": flags(connexion_secrete=True)},
            {"DMP": "deny FLAGS_INCONSISTENT"},
        ),
        (
            "secret_minor",
            {"flags": flags(connexion_secrete=True, invisible_rep_legaux=True), "birth_date": CHILD},
            {"CIT": "deny SECRET_MINOR"},
        ),
        (
            "secret_minor",
            {"flags": flags(connexion_secrete=True, invisible_rep_legaux=True), "birth_date": ""},
            {"DMP": "deny INS_INCOMPLETE", "CIT": "deny INS_INCOMPLETE"},
        ),
        (
            "hidden_from_representatives",
            {"flags": flags(invisible_rep_legaux=True), "birth_date": CHILD},
            {"CIT": "deny LEGAL_REP_INVISIBLE"},
        ),
        (
            "minor_visibility_not_stated",
            {"flags": flags(invisible_rep_legaux=None), "birth_date": CHILD},
            {"DMP": "hold LEGAL_REP_INVISIBLE"},
        ),
        ("secret_adult", {"flags": flags(connexion_secrete=True, invisible_rep_legaux=True)}, {}),
        (
            "ivg_without_flags",
            {"tags": ["ivg"], "flags": {}, "policy": "complete"},
            dict.fromkeys(SENT, "hold SENSITIVE_UNIT"),
        ),
        (
            "psychiatry_without_flags",
            {"tags": ["psychiatry"], "flags": flags(masque_ps=None)},
            dict.fromkeys(SENT, "hold SENSITIVE_UNIT"),
        ),
        (
            "psychiatry_without_flags",
            {"type": "68599-0", "flags": flags(connexion_secrete=None)},
            dict.fromkeys(SENT, "hold SENSITIVE_UNIT"),
        ),
        (
            "sensitive_care_without_flags",
            {"tags": ["sensitive_care"], "flags": flags(invisible_patient=None)},
            dict.fromkeys(SENT, "hold SENSITIVE_UNIT"),
        ),
        ("admission_without_consent", {"tags": ["admission_without_consent"]}, {"CIT": "deny SENSITIVE_UNIT"}),
        (
            "admission_without_consent_without_flags",
            {"tags": ["admission_without_consent"], "flags": flags(masque_ps=None)},
            {"DMP": "hold SENSITIVE_UNIT", "PRO": "hold SENSITIVE_UNIT", "CIT": "deny SENSITIVE_UNIT"},
        ),
        (
            "confidentiality_reinforced",
            {"confidentiality": "R"},
            {"DMP": "hold CONFIDENTIALITY_RV", "CIT": "deny CONFIDENTIALITY_RV"},
        ),
        ("type_not_accepted_by_dmp", {"type": "FICHE-CONTACTS"}, {"DMP": "deny TYPE_NOT_ACCEPTED"}),
        ("professional_mail_opposed", {"tags": ["pro_opposed"]}, {"PRO": "deny PRO_OPPOSED"}),
        ("citizen_mail_opposed", {"tags": ["cit_opposed"]}, {"CIT": "deny CIT_OPPOSED"}),
        ("patient_deceased", {"tags": ["deceased"]}, {"DMP": "hold PATIENT_DECEASED", "CIT": "deny PATIENT_DECEASED"}),
    ],
)
def test_an_exception_fires_and_closes_only_its_channels(
    situation: str, given: dict[str, Any], changed: dict[str, str]
) -> None:
    one = case(**given)

    assert situation in fired(one)
    assert plan(one) == SENT | changed
    for decision in decided(one).values():
        names = {
            rule.id for rule in shipped_rules().exceptions if rule.when == situation and rule.effect(decision.channel)
        }
        assert names <= set(rules_of(decision))


@pytest.mark.parametrize("flag", ["masque_ps", "invisible_patient", "invisible_rep_legaux", "connexion_secrete"])
def test_sensitive_care_with_every_flag_goes_as_ordered(flag: str) -> None:
    for tag in ("ivg", "psychiatry", "sensitive_care"):
        assert plan(case(tags=[tag])) == SENT
        assert plan(case(tags=[tag], flags=flags(**{flag: None})))["PRO"] == "hold SENSITIVE_UNIT"


def test_a_document_id_with_an_extension_is_not_for_the_dmp() -> None:
    one = with_header(case(), lambda each: replace(each, document_id=DocumentId("2.25.1", "7")))

    assert plan(one) == SENT | {"DMP": "deny CDA_ID_EXTENSION"}


def test_masked_documents_are_mailed_to_professionals_only_if_the_site_says_so() -> None:
    one = case(flags=flags(masque_ps=True))
    permissive = replace(one, profile=replace(one.profile, masked_ps_blocks_pro=False))

    assert plan(permissive) == SENT


def test_masked_and_invisible_is_accepted_once_the_dmp_parameter_allows_it() -> None:
    rules = shipped_rules()
    parameters = rules.parameters.model_copy(update={"invisible_and_masked_allowed": True})
    one = case(flags=flags(masque_ps=True, invisible_patient=True, dest_mss_pat=False))

    decisions = decided(one, replace(rules, parameters=parameters))

    assert decisions[Channel.DMP].action is Action.SEND
    assert decisions[Channel.PRO].code == "PS_MASKED"
    assert decisions[Channel.CIT].code == "PATIENT_INVISIBLE"


def test_genetics_goes_to_the_prescriber_alone_and_to_the_dmp_on_explicit_order() -> None:
    one = case(tags=["constitutional_genetics"], professionals=3, prescriber=True)

    decisions = decided(one)

    assert decisions[Channel.DMP].action is Action.SEND
    assert [each.address for each in decisions[Channel.PRO].recipients] == ["professionnel0@test.mssante.fr"]


def test_genetics_without_a_known_prescriber_goes_to_no_professional() -> None:
    assert plan(case(tags=["constitutional_genetics"], professionals=3))["PRO"] == "deny GENETICS"


def test_the_age_of_majority_is_a_parameter() -> None:
    rules = shipped_rules()
    older = replace(rules, parameters=rules.parameters.model_copy(update={"age_of_majority": 21}))
    one = case(birth_date="20060101", flags=flags(connexion_secrete=True, invisible_rep_legaux=True))

    assert decided(one)[Channel.CIT].action is Action.SEND
    assert decided(one, older)[Channel.CIT].code == "SECRET_MINOR"


def test_a_minor_without_secrecy_is_mailed_at_their_own_address() -> None:
    decision = decided(case(birth_date=CHILD))[Channel.CIT]

    assert [each.address for each in decision.recipients] == ["279035121518989@patient.mssante.fr"]


def test_the_visibility_of_a_minor_need_not_be_stated_while_the_dmp_does_not_manage_minors() -> None:
    rules = shipped_rules()
    off = replace(rules, parameters=rules.parameters.model_copy(update={"minors_management": False}))

    assert (
        decided(case(birth_date=CHILD, flags=flags(invisible_rep_legaux=None)), off)[Channel.DMP].action is Action.SEND
    )


def test_an_adult_hidden_from_representatives_is_still_mailed() -> None:
    assert plan(case(flags=flags(invisible_rep_legaux=True))) == SENT


@pytest.mark.parametrize("change", [lambda header: replace(header, confidentiality=CodedValue("N"))])
def test_an_ordinary_confidentiality_holds_nothing(change: Callable[[CdaHeader], CdaHeader]) -> None:
    assert plan(with_header(case(), change)) == SENT


def test_every_situation_is_false_of_a_sound_document_except_the_information_of_the_patient() -> None:
    one = case()
    appraisal = appraise(
        one.submission, None, one.identity, shipped_rules(), SenderProfile(environment=Environment.TEST), one.now
    )

    assert {name for name, holds in SITUATIONS.items() if holds(appraisal.situation)} == {"information_missing"}
    assert appraisal.situation.identity is IdentityStatus.QUALIFIED
    assert one.profile.information_missing is InformationMissing.SEND
