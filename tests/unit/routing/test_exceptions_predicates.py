"""Each situation, true of one case and false of its nearest neighbour, whatever the rule files make of it."""

from dataclasses import replace
from typing import Any, Final

import pytest

from pfi.model.document import CdaHeader, CodedValue, DocumentId
from pfi.model.patient import Ins, Patient, PatientState
from pfi.model.profile import NoDmp, Opposed
from pfi.routing.decide import appraise
from pfi.routing.exceptions import SITUATIONS, Situation
from pfi.routing.specimen import TEST_INS, Specimen
from tests.unit.routing.cases import case, flags, plan, shipped_rules, with_header, with_submission

CHILD: Final = "20120601"
REAL: Final = Ins("279035121518989", "1.2.250.1.213.1.4.8")
UNQUALIFIED: Final[dict[str, Any]] = {"identity": "not_qualified"}


def situation(one: Specimen, **parameters: Any) -> Situation:
    rules = shipped_rules()
    rules = replace(rules, parameters=rules.parameters.model_copy(update=parameters))
    return appraise(one.submission, one.state, one.identity, rules, one.profile, one.now).situation


def state(one: Specimen, **facts: Any) -> Specimen:
    return replace(one, state=replace(one.state, **facts))


def profile(one: Specimen, **switches: Any) -> Specimen:
    return replace(one, profile=replace(one.profile, **switches))


def patient(one: Specimen, **changes: Any) -> Specimen:
    return with_submission(one, lambda each: replace(each, patient=replace(each.patient, **changes)))


def concluding(one: Specimen, code: str) -> Specimen:
    """The identity assessment found something that headers do not show."""
    return replace(one, identity=replace(one.identity, code=code))


def of(name: str, one: Specimen, **parameters: Any) -> bool:
    return SITUATIONS[name](situation(one, **parameters))


CASES: Final[list[tuple[str, Specimen, Specimen]]] = [
    ("ins_oid_not_allowed", patient(case(), ins=REAL), case()),
    ("ins_retired", state(case(), retired_ins=(TEST_INS,)), state(case(), retired_ins=(REAL,))),
    (
        "ins_retired",
        state(case(ins_in_cda=False), retired_ins=(TEST_INS,)),
        state(case(**UNQUALIFIED, ins_in_message=True), retired_ins=(TEST_INS,)),
    ),
    (
        "ins_retired",
        state(case(**UNQUALIFIED, ins_in_cda=True), retired_ins=(TEST_INS,)),
        state(case(**UNQUALIFIED, ins_in_cda=True)),
    ),
    (
        "ins_retired",
        state(case(), retired_ins=(TEST_INS,), identity=Patient(ins=REAL)),
        state(case(), retired_ins=(TEST_INS,), identity=Patient(ins=TEST_INS)),
    ),
    ("ins_retired", state(case(), ins_withdrawn=True), state(case(**UNQUALIFIED), ins_withdrawn=True)),
    ("ins_in_cda_not_qualified", case(**UNQUALIFIED, ins_in_cda=True), case(**UNQUALIFIED)),
    ("ins_in_cda_not_qualified", case(**UNQUALIFIED, ins_in_cda=True), case(ins_in_cda=True)),
    ("ins_not_in_document", concluding(case(), "INS_NOT_IN_DOCUMENT"), concluding(case(), "INS_INCOMPLETE")),
    ("ins_incomplete", concluding(case(), "INS_INCOMPLETE"), concluding(case(), "INS_NOT_IN_DOCUMENT")),
    ("ins_absent_not_qualified", case(**UNQUALIFIED), case(**UNQUALIFIED, ins_in_message=True)),
    ("ins_absent_not_qualified", case(**UNQUALIFIED), case(**UNQUALIFIED, ins_in_cda=True)),
    ("ins_absent_not_qualified", case(**UNQUALIFIED), state(case(**UNQUALIFIED), ins_impossible=True)),
    ("ins_not_validated", case(**UNQUALIFIED, ins_in_message=True), case(**UNQUALIFIED)),
    ("ins_impossible", state(case(**UNQUALIFIED), ins_impossible=True), state(case(), ins_impossible=True)),
    ("ins_impossible", case(**UNQUALIFIED, tags=["ins_impossible"]), case(**UNQUALIFIED)),
    ("identity_doubtful", case(identity="hold"), case()),
    ("identity_doubtful", case(reliability=["vali", " dout "]), case(reliability=["VALI", "HOMA"])),
    (
        "identity_fictitious_in_production",
        case(reliability=["FICT"], environment="production"),
        case(reliability=["FICT"]),
    ),
    (
        "identity_fictitious_in_production",
        case(reliability=["FICT"], environment="production"),
        case(reliability=["DOUT"], environment="production"),
    ),
    ("identity_anonymous", case(reliability=["CACH"]), case(reliability=["PROV"])),
    ("identity_anonymous", state(case(), reliability=("ANOM",)), state(case(), reliability=("VALI",))),
    ("ins_incomplete", case(birth_date="1979"), case()),
    ("ins_incomplete", case(birth_date="1979"), case(birth_date="1979", ins_in_cda=False)),
    ("feeding_opposed", case(feeding="IO"), profile(case(feeding="IO"), opposed=Opposed.HOLD)),
    ("feeding_opposed", case(feeding="IO"), case(feeding="INO")),
    ("feeding_opposed_held", profile(case(feeding="IO"), opposed=Opposed.HOLD), case(feeding="IO")),
    ("feeding_opposed_held", profile(case(feeding="IO"), opposed=Opposed.HOLD), profile(case(), opposed=Opposed.HOLD)),
    ("feeding_not_opposed", case(feeding="INO"), case(feeding="NA")),
    ("information_missing", case(feeding=None), case(feeding="IO")),
    ("information_missing", case(feeding="NA"), case(feeding="NA", information_missing="hold")),
    ("information_missing_held", case(feeding="NA", information_missing="hold"), case(feeding="NA")),
    ("information_missing_held", case(feeding=None, information_missing="hold"), case(information_missing="hold")),
    ("consultation_refused", case(consultation="INC"), case(consultation="IC")),
    ("dmp_closed", case(dmp_status="FERME"), case(dmp_status="INEXISTANT")),
    ("dmp_closed", case(dmp_status="FERME"), profile(case(dmp_status="FERME"), no_dmp=NoDmp.HOLD)),
    ("dmp_closed_held", profile(case(dmp_status="FERME"), no_dmp=NoDmp.HOLD), case(dmp_status="FERME")),
    ("dmp_closed_held", profile(case(dmp_status="FERME"), no_dmp=NoDmp.HOLD), profile(case(), no_dmp=NoDmp.HOLD)),
    ("dmp_absent", case(dmp_status="INEXISTANT"), case(dmp_status="ACTIF")),
    ("dmp_absent", case(dmp_status="INEXISTANT"), profile(case(dmp_status="INEXISTANT"), no_dmp=NoDmp.HOLD)),
    ("dmp_absent_held", profile(case(dmp_status="INEXISTANT"), no_dmp=NoDmp.HOLD), case(dmp_status="INEXISTANT")),
    (
        "dmp_absent_held",
        profile(case(dmp_status="INEXISTANT"), no_dmp=NoDmp.HOLD),
        profile(case(dmp_status="FERME"), no_dmp=NoDmp.HOLD),
    ),
    (
        "invisible_yet_mailed_to_patient",
        case(flags=flags(invisible_patient=True)),
        case(flags=flags(invisible_patient=True, dest_mss_pat=None)),
    ),
    ("invisible_yet_mailed_to_patient", case(flags=flags(invisible_patient=True)), case()),
    ("invisible_to_patient", case(flags=flags(invisible_patient=True)), case(flags=flags(invisible_patient=None))),
    (
        "masked_to_professionals",
        case(flags=flags(masque_ps=True)),
        profile(case(flags=flags(masque_ps=True)), masked_ps_blocks_pro=False),
    ),
    ("masked_to_professionals", case(flags=flags(masque_ps=True)), case(flags=flags(masque_ps=None))),
    ("masked_on_dmp", case(flags=flags(masque_ps=True)), case()),
    (
        "invisible_and_masked",
        case(flags=flags(masque_ps=True, invisible_patient=True)),
        case(flags=flags(masque_ps=True)),
    ),
    (
        "invisible_and_masked",
        case(flags=flags(masque_ps=True, invisible_patient=True)),
        case(flags=flags(invisible_patient=True)),
    ),
    ("constitutional_genetics", case(type="51969-4"), case(type="11502-2")),
    ("constitutional_genetics", case(tags=["constitutional_genetics"]), case()),
    ("constitutional_genetics_not_ordered", case(type="51969-4", flags=flags(dest_dmp=None)), case(type="51969-4")),
    ("constitutional_genetics_not_ordered", case(type="51969-4", flags={}), case(flags={})),
    (
        "secret_without_hidden_document",
        case(flags=flags(connexion_secrete=True)),
        case(flags=flags(connexion_secrete=True, invisible_rep_legaux=True)),
    ),
    ("secret_without_hidden_document", case(flags=flags(connexion_secrete=True, invisible_rep_legaux=None)), case()),
    (
        "secret_minor",
        case(flags=flags(connexion_secrete=True), birth_date=CHILD),
        case(flags=flags(connexion_secrete=True)),
    ),
    ("secret_minor", case(flags=flags(connexion_secrete=True), birth_date=""), case(birth_date="")),
    (
        "hidden_from_representatives",
        case(flags=flags(invisible_rep_legaux=True), birth_date=CHILD),
        case(flags=flags(invisible_rep_legaux=True)),
    ),
    (
        "hidden_from_representatives",
        case(flags=flags(invisible_rep_legaux=True), birth_date=""),
        case(flags=flags(invisible_rep_legaux=True, connexion_secrete=True), birth_date=""),
    ),
    (
        "minor_visibility_not_stated",
        case(flags=flags(invisible_rep_legaux=None), birth_date=CHILD),
        case(flags=flags(invisible_rep_legaux=None)),
    ),
    (
        "minor_visibility_not_stated",
        case(flags=flags(invisible_rep_legaux=None), birth_date=CHILD),
        case(flags=flags(invisible_rep_legaux=None, connexion_secrete=True), birth_date=CHILD),
    ),
    (
        "secret_adult",
        case(flags=flags(connexion_secrete=True)),
        case(flags=flags(connexion_secrete=True), birth_date=""),
    ),
    ("ivg_without_flags", case(tags=["ivg"], flags={}), case(tags=["ivg"])),
    ("psychiatry_without_flags", case(type="68599-0", flags={}), case(type="68599-0")),
    ("admission_without_consent", case(tags=["admission_without_consent"]), case(tags=["psychiatry"])),
    (
        "admission_without_consent_without_flags",
        case(tags=["admission_without_consent"], flags=flags(dest_mss_pat=None)),
        case(tags=["admission_without_consent"]),
    ),
    ("sensitive_care_without_flags", case(tags=["sensitive_care"], flags={}), case(flags={})),
    ("confidentiality_reinforced", case(confidentiality="R"), case(confidentiality="N")),
    ("confidentiality_reinforced", case(confidentiality="V"), case(confidentiality="")),
    ("type_not_accepted_by_dmp", case(type="FICHE-CONTACTS"), case()),
    (
        "cda_id_with_extension",
        with_header(case(), lambda each: replace(each, document_id=DocumentId("2.25.1", "7"))),
        case(),
    ),
    ("professional_mail_opposed", state(case(), pro_opposed=True), state(case(), cit_opposed=True)),
    ("citizen_mail_opposed", state(case(), cit_opposed=True), state(case(), pro_opposed=True)),
    ("patient_deceased", state(case(), deceased=True), case()),
    ("patient_deceased", patient(case(), deceased=True), patient(case(), deceased=False)),
]


@pytest.mark.parametrize(("name", "holds", "does_not"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_a_situation_holds_of_its_case_and_not_of_the_nearest_one(
    name: str, holds: Specimen, does_not: Specimen
) -> None:
    assert of(name, holds)
    assert not of(name, does_not)


def test_every_situation_has_a_case() -> None:
    by_parameter = {"secrecy_not_managed"}  # needs a parameter of the DMP: see the next test

    assert {name for name, _, _ in CASES} | by_parameter == set(SITUATIONS)


def test_the_three_parameters_of_the_dmp_decide() -> None:
    young = case(birth_date="20060101", flags=flags(connexion_secrete=True, invisible_rep_legaux=True))
    child = case(birth_date=CHILD, flags=flags(invisible_rep_legaux=None))
    both = case(flags=flags(masque_ps=True, invisible_patient=True))

    assert of("secret_adult", young)
    assert of("secret_minor", young, age_of_majority=21)
    assert not of("secret_adult", young, age_of_majority=21)
    assert not of("minor_visibility_not_stated", child, minors_management=False)
    assert not of("secrecy_not_managed", young, minors_management=False)
    assert of("secrecy_not_managed", young, minors_management=False, age_of_majority=21)
    assert not of("secrecy_not_managed", young, age_of_majority=21)
    assert not of("secrecy_not_managed", child, minors_management=False)
    for asked in ({"connexion_secrete": True}, {"invisible_rep_legaux": True}):
        assert of("secrecy_not_managed", case(birth_date=CHILD, flags=flags(**asked)), minors_management=False)
    assert not of("invisible_and_masked", both, invisible_and_masked_allowed=True)


@pytest.mark.parametrize(
    "flag",
    [
        *("masque_ps", "invisible_patient", "invisible_rep_legaux", "connexion_secrete"),
        *("dest_dmp", "dest_mss_ps", "dest_mss_pat"),
    ],
)
@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("ivg", "ivg_without_flags"),
        ("psychiatry", "psychiatry_without_flags"),
        ("sensitive_care", "sensitive_care_without_flags"),
        ("admission_without_consent", "admission_without_consent_without_flags"),
    ],
)
def test_any_flag_left_unsaid_is_missing_to_sensitive_care(flag: str, tag: str, name: str) -> None:
    assert of(name, case(tags=[tag], flags=flags(**{flag: None})))
    assert not of(name, case(flags=flags(**{flag: None})))


def test_the_acknowledgment_and_modification_flags_are_not_missed() -> None:
    assert not of("ivg_without_flags", case(tags=["ivg"], flags=flags(modif_conf_code=None)))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("confidentiality_reinforced", {"confidentiality": CodedValue("V")}),
        ("cda_id_with_extension", {"document_id": DocumentId("2.25.1", "7")}),
        ("ins_incomplete", {"patient": Patient(ins=TEST_INS)}),
        ("ins_oid_not_allowed", {"patient": Patient(ins=REAL)}),
    ],
)
def test_one_rendition_is_enough(name: str, change: dict[str, Any]) -> None:
    one = case()
    first = one.submission.documents[0]
    other = replace(first, header=replace(first.header, **change))

    for documents in ((first, other), (other, first)):
        assert of(name, replace(one, submission=replace(one.submission, documents=documents)))


def test_a_situation_gathers_what_message_and_feed_tell() -> None:
    seen = situation(
        replace(
            patient(case(reliability=["vali"]), other_ins=(REAL,)), state=PatientState(reliability=(" dout ", "VALI"))
        )
    )

    assert seen.reliability == {"VALI", "DOUT"}
    assert seen.message_ins == (TEST_INS, REAL)
    assert seen.cda_ins == (TEST_INS,)
    assert not seen.free_choice
    assert situation(case(type="PRESC-KINE")).free_choice


@pytest.mark.parametrize("sex", ["M", "F"])
def test_the_ins_of_a_man_or_of_a_woman_may_be_complete(sex: str) -> None:
    def told(header: CdaHeader) -> CdaHeader:
        return replace(header, patient=replace(header.patient, traits=replace(header.patient.traits, sex=sex)))

    assert plan(with_header(case(), told))["DMP"] == "send"


@pytest.mark.parametrize("value", ["COLP", "COLV", "DOUA", "DOUT", "FICT", "INVA", "USUR"])
def test_each_doubtful_attribute_holds(value: str) -> None:
    assert plan(case(reliability=("VALI", value)))["DMP"].startswith("hold")
