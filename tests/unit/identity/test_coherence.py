"""PID against CDA."""

import unicodedata
from dataclasses import replace

import pytest

from pfi.identity.coherence import compare, compare_renditions
from pfi.model.finding import Finding, Severity, refuses
from pfi.model.patient import Identifier, IdentityStatus, Ins, Patient, Traits
from pfi.model.profile import SenderProfile
from tests.unit.identity.patients import (
    INS,
    IPP,
    NIA_OID,
    OTHER_INS,
    PRODUCTION,
    REAL_OID,
    TEST,
    TEST_OID,
    TRAITS,
    patient,
)

QUALIFIED, NOT_QUALIFIED, HOLD = IdentityStatus.QUALIFIED, IdentityStatus.NOT_QUALIFIED, IdentityStatus.HOLD
REAL = Ins("279035121518989", REAL_OID)


def one(findings: tuple[Finding, ...]) -> Finding:
    (finding,) = findings
    return finding


def test_the_same_patient_on_both_sides_has_no_finding() -> None:
    assert compare(patient(), patient(), QUALIFIED, TEST) == ()
    assert compare(patient(ins=REAL), patient(ins=REAL), QUALIFIED, PRODUCTION) == ()


# INS digest §8.2-8.3: INS of the PID, INS of the CDA, status, then code, severity and ERR-5 expected.
INS_ROWS = [
    (INS, OTHER_INS, QUALIFIED, "INS_MISMATCH", Severity.ERROR, "904"),
    (INS, OTHER_INS, HOLD, "INS_MISMATCH", Severity.ERROR, "904"),
    (INS, OTHER_INS, NOT_QUALIFIED, "INS_MISMATCH", Severity.ERROR, "904"),
    (INS, Ins(INS.matricule, "1.2.250.1.213.1.4.11"), QUALIFIED, "INS_MISMATCH", Severity.ERROR, "904"),
    (INS, None, QUALIFIED, "INS_NOT_IN_CDA", Severity.ERROR, "903"),
    (INS, None, HOLD, "INS_NOT_IN_CDA", Severity.ERROR, "903"),
    (INS, INS, NOT_QUALIFIED, "INS_IN_CDA_NOT_QUALIFIED", Severity.WARNING, "904"),
    (None, INS, NOT_QUALIFIED, "INS_IN_CDA_NOT_QUALIFIED", Severity.WARNING, "904"),
]


@pytest.mark.parametrize(("pid", "cda", "status", "code", "severity", "err5"), INS_ROWS)
def test_each_contradiction_on_the_ins(
    pid: Ins | None, cda: Ins | None, status: IdentityStatus, code: str, severity: Severity, err5: str
) -> None:
    finding = one(compare(patient(ins=pid), patient(ins=cda), status, TEST))
    assert (finding.code, finding.severity, finding.err3, finding.err5) == (code, severity, "207", err5)
    if severity is Severity.ERROR:
        assert finding.where == "PID^1^3"


def test_the_dropped_ins_of_a_non_qualified_identity_is_not_asked_from_the_document() -> None:
    assert compare(patient(ins=INS), patient(ins=None), NOT_QUALIFIED, TEST) == ()


def test_two_sides_without_ins_are_coherent() -> None:
    assert compare(patient(ins=None), patient(ins=None), NOT_QUALIFIED, TEST) == ()


def test_nir_and_nia_on_both_sides_agree_whatever_their_order() -> None:
    nia = Ins("279035121518989", NIA_OID)
    assert (
        compare(patient(ins=REAL, other_ins=(nia,)), patient(ins=nia, other_ins=(REAL,)), QUALIFIED, PRODUCTION) == ()
    )


def test_a_wrong_ins_in_the_document_alone_is_told_too() -> None:
    wrong = Ins("279035121518988", TEST_OID)
    found = compare(patient(ins=None), patient(ins=wrong), NOT_QUALIFIED, TEST)
    assert [each.code for each in found] == ["INS_IN_CDA_NOT_QUALIFIED", "INS_KEY_WRONG"]
    assert {each.where for each in found} == {"recordTarget/patientRole/id"}


def test_a_wrong_ins_on_both_sides_is_told_with_the_message_only() -> None:
    wrong = patient(ins=Ins("279035121518988", TEST_OID))
    assert compare(wrong, wrong, QUALIFIED, TEST) == ()


@pytest.mark.parametrize("trait", ["birth_name", "first_given_name", "given_names", "birth_date", "sex", "birth_place"])
def test_an_ins_in_the_document_without_all_its_traits_only_closes_dmp_and_citizen(trait: str) -> None:
    finding = one(compare(patient(), patient(traits=replace(TRAITS, **{trait: ""})), QUALIFIED, TEST))
    assert (finding.code, finding.severity) == ("INS_INCOMPLETE", Severity.WARNING)
    assert (finding.where, finding.err3, finding.err5) == ("recordTarget/patientRole/patient", "207", "905")


# E2, E3, E5, E6: strict, for test identities as for real ones.
STRICT_ROWS = [
    ("birth_name", "PAT-QUATRE", "BIRTH_NAME_MISMATCH", "PID^1^5"),
    ("first_given_name", "CAMILLE", "FIRST_GIVEN_NAME_MISMATCH", "PID^1^5"),
    ("birth_date", "19790329", "BIRTH_DATE_MISMATCH", "PID^1^7"),
    ("sex", "M", "SEX_MISMATCH", "PID^1^8"),
    ("sex", "U", "SEX_MISMATCH", "PID^1^8"),
]


@pytest.mark.parametrize(("trait", "value", "code", "where"), STRICT_ROWS)
@pytest.mark.parametrize(("ins", "profile"), [(INS, TEST), (REAL, PRODUCTION)])
def test_a_strict_trait_that_differs_refuses(
    trait: str, value: str, code: str, where: str, ins: Ins, profile: SenderProfile
) -> None:
    pid = patient(ins=ins, traits=replace(TRAITS, **{trait: value}))
    finding = one(compare(pid, patient(ins=ins), QUALIFIED, profile))
    assert (finding.code, finding.severity, finding.where) == (code, Severity.ERROR, where)
    assert (finding.err3, finding.err5) == ("207", "904")


def test_a_strict_trait_that_differs_refuses_without_any_ins_too() -> None:
    pid = patient(ins=None, traits=replace(TRAITS, birth_name="PAT-QUATRE"))
    assert refuses(compare(pid, patient(ins=None), NOT_QUALIFIED, TEST))


def test_only_a_test_ins_excuses_another_birth_place() -> None:
    pid = patient(ins=None, traits=replace(TRAITS, birth_place="63220"))
    assert refuses(compare(pid, patient(ins=None), NOT_QUALIFIED, TEST))
    assert not refuses(compare(pid, patient(), NOT_QUALIFIED, TEST))


# E4 and E7: value in the PID, INS, profile, severity expected.
SOFT_ROWS = [
    ("given_names", "DOMINIQUE", REAL, PRODUCTION, Severity.WARNING),
    ("given_names", "DOMINIQUE JEAN", REAL, PRODUCTION, Severity.ERROR),
    ("given_names", "DOMINIQUE", INS, TEST, Severity.WARNING),
    ("given_names", "DOMINIQUE JEAN", INS, TEST, Severity.WARNING),
    ("birth_place", "63220", REAL, PRODUCTION, Severity.ERROR),
    ("birth_place", "63220", INS, TEST, Severity.WARNING),
]


@pytest.mark.parametrize(("trait", "value", "ins", "profile", "severity"), SOFT_ROWS)
def test_given_names_and_birth_place_follow_the_published_messages(
    trait: str, value: str, ins: Ins, profile: SenderProfile, severity: Severity
) -> None:
    pid = patient(ins=ins, traits=replace(TRAITS, **{trait: value}))
    finding = one(compare(pid, patient(ins=ins), QUALIFIED, profile))
    where = {"given_names": "PID^1^5", "birth_place": "PID^1^11"}[trait]
    assert (finding.code, finding.where) == (f"{trait.upper()}_MISMATCH", where)
    assert finding.severity is severity


@pytest.mark.parametrize("trait", ["birth_name", "first_given_name", "given_names", "birth_date", "sex", "birth_place"])
def test_a_trait_that_the_message_does_not_give_is_not_a_contradiction(trait: str) -> None:
    assert compare(patient(traits=replace(TRAITS, **{trait: ""})), patient(), QUALIFIED, TEST) == ()


def test_a_shorter_birth_date_is_incomplete_and_only_another_one_contradicts() -> None:
    assert compare(patient(traits=replace(TRAITS, birth_date="1979")), patient(), QUALIFIED, TEST) == ()
    assert refuses(compare(patient(traits=replace(TRAITS, birth_date="1980")), patient(), QUALIFIED, TEST))
    shorter = patient(ins=None, traits=replace(TRAITS, birth_date="1979"))
    assert compare(patient(ins=None), shorter, NOT_QUALIFIED, TEST) == ()


def test_the_two_ways_to_write_an_unknown_sex_agree() -> None:
    pid, cda = replace(TRAITS, sex="U"), replace(TRAITS, sex="UN")
    assert compare(patient(ins=None, traits=pid), patient(ins=None, traits=cda), NOT_QUALIFIED, TEST) == ()


def test_only_the_day_of_a_birth_time_is_compared() -> None:
    assert compare(patient(traits=replace(TRAITS, birth_date="197903281015")), patient(), QUALIFIED, TEST) == ()
    morning, evening = (patient(ins=None, traits=replace(TRAITS, birth_date=f"19790328{hour}")) for hour in (10, 22))
    assert compare(morning, evening, NOT_QUALIFIED, TEST) == ()


def test_unicode_forms_and_outer_blanks_do_not_count() -> None:
    pid = replace(TRAITS, birth_name=unicodedata.normalize("NFD", " HÉLÈNE "), given_names="DOMINIQUE  MARIE-LOUISE")
    cda = replace(TRAITS, birth_name="HÉLÈNE")
    assert compare(patient(traits=pid), patient(traits=cda), QUALIFIED, TEST) == ()


@pytest.mark.parametrize(
    ("message", "document", "alike"),
    [
        ("HÉLÈNE", "HELENE", True),
        ("Pat-Trois", "PAT-TROIS", True),
        ("PAT TROIS", "PAT-TROIS", True),
        ("PAT-QUATRE", "PAT-TROIS", False),
    ],
)
def test_accents_case_and_hyphens_refuse_with_a_helpful_sentence(message: str, document: str, alike: bool) -> None:
    pid, cda = replace(TRAITS, birth_name=message), replace(TRAITS, birth_name=document)
    finding = one(compare(patient(traits=pid), patient(traits=cda), QUALIFIED, TEST))
    assert finding.severity is Severity.ERROR
    assert ("ne diffère que par les accents" in finding.text) is alike
    assert message not in finding.text
    assert document not in finding.text


# Local identifiers: value and authority in the CDA, INS on both sides, code and severity expected (None = no finding).
IPP_ROWS = [
    ("8800123", IPP.authority_oid, INS, None),
    ("8800123", "1.2.3", INS, None),
    ("42", "1.2.3", INS, ("IPP_NOT_COMPARABLE", Severity.INFO)),
    ("42", "", INS, ("IPP_NOT_COMPARABLE", Severity.INFO)),
    ("42", IPP.authority_oid, INS, ("IPP_MISMATCH", Severity.WARNING)),
    ("42", IPP.authority_oid, None, ("IPP_MISMATCH", Severity.ERROR)),
    ("", IPP.authority_oid, INS, None),
]


@pytest.mark.parametrize(("value", "authority", "ins", "expected"), IPP_ROWS)
def test_local_identifiers_are_compared_under_the_same_authority_only(
    value: str, authority: str, ins: Ins | None, expected: tuple[str, Severity] | None
) -> None:
    status = QUALIFIED if ins else NOT_QUALIFIED
    visit = Identifier("V1", IPP.authority_oid, "", "VN")
    pid = patient(ins=ins, identifiers=(IPP, visit))
    found = compare(pid, patient(ins=ins, identifiers=(Identifier(value, authority),)), status, TEST)
    assert [(each.code, each.severity) for each in found] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("told", "compared"),
    [
        (Identifier("V1", IPP.authority_oid, "", "VN"), False),
        (Identifier("", IPP.authority_oid, "", "PI"), False),
        (Identifier("43", IPP.authority_oid, "", ""), True),
        (Identifier("43", IPP.authority_oid, "", "PI"), True),
    ],
)
def test_only_the_local_identifiers_of_the_patient_are_compared(told: Identifier, compared: bool) -> None:
    document = patient(ins=None, identifiers=(Identifier("42", IPP.authority_oid),))
    assert refuses(compare(patient(ins=None, identifiers=(told,)), document, NOT_QUALIFIED, TEST)) is compared


def test_identifiers_without_authority_are_never_taken_for_those_of_one_authority() -> None:
    pid, cda = (patient(identifiers=(Identifier(value, "", "", "PI"),)) for value in ("41", "42"))
    assert one(compare(pid, cda, QUALIFIED, TEST)).code == "IPP_NOT_COMPARABLE"


def test_two_renditions_must_name_the_same_patient() -> None:
    assert compare_renditions(patient(), patient()) == ()
    assert compare_renditions(patient(), patient(traits=replace(TRAITS, birth_place="63220"))) == ()
    for other in (
        patient(ins=OTHER_INS),
        patient(ins=None),
        patient(traits=replace(TRAITS, birth_date="19790329")),
    ):
        finding = one(compare_renditions(patient(), other))
        assert (finding.code, finding.severity) == ("RENDITIONS_OF_TWO_PATIENTS", Severity.ERROR)


def test_no_finding_shows_a_trait_or_a_matricule() -> None:
    stranger = Patient(ins=OTHER_INS, traits=Traits("AUTRE", "PAUL", "PAUL", "19460201", "M", "63220"))
    shown = " ".join(each.text for each in compare(patient(), stranger, QUALIFIED, TEST))
    assert shown
    for secret in ("279035", "146026", "PAT-TROIS", "AUTRE", "PAUL", "1946", "63220"):
        assert secret not in shown
