"""PID-32, the INS and the ADT feed: what an identity is worth."""

from dataclasses import replace

import pytest

from pfi.identity.coherence import compare
from pfi.identity.status import Assessment, assess, with_documents
from pfi.model.finding import Finding, Severity
from pfi.model.patient import IdentityStatus, Ins, Patient, PatientState, Traits
from pfi.model.profile import SenderProfile
from tests.unit.identity.patients import (
    INS,
    NIA_OID,
    OTHER_INS,
    PRODUCTION,
    REAL_OID,
    STRICT,
    TEST,
    TEST_OID,
    TRAITS,
    patient,
)

QUALIFIED, NOT_QUALIFIED, HOLD = IdentityStatus.QUALIFIED, IdentityStatus.NOT_QUALIFIED, IdentityStatus.HOLD

DOUBTS = ("COLP", "COLV", "DOUA", "DOUT", "FICT", "INVA", "USUR")
"""HL70445 values that a human must look at."""


def codes(assessment: Assessment) -> list[str]:
    return [finding.code for finding in assessment.findings]


# INS digest §3.2, row by row: PID-32, INS present, status with `strict`, status by default.
ROWS = [
    (("VALI",), True, QUALIFIED, QUALIFIED),
    (("VALI",), False, NOT_QUALIFIED, NOT_QUALIFIED),
    ((), True, NOT_QUALIFIED, QUALIFIED),
    (("",), True, NOT_QUALIFIED, QUALIFIED),
    (('""',), True, NOT_QUALIFIED, QUALIFIED),
    ((), False, NOT_QUALIFIED, NOT_QUALIFIED),
    (("PROV",), True, NOT_QUALIFIED, NOT_QUALIFIED),
    (("PROV",), False, NOT_QUALIFIED, NOT_QUALIFIED),
    (("VIDE",), True, NOT_QUALIFIED, NOT_QUALIFIED),
    (("HOMA",), True, NOT_QUALIFIED, NOT_QUALIFIED),
    (("DOUT",), True, NOT_QUALIFIED, NOT_QUALIFIED),
    (("CACH",), True, NOT_QUALIFIED, NOT_QUALIFIED),
    *((("VALI", attribute), True, HOLD, HOLD) for attribute in DOUBTS),
    (("DOUT", "VALI"), True, HOLD, HOLD),
    (("VALI", "HOMA"), True, QUALIFIED, QUALIFIED),
    (("VALI", "HOMD"), True, QUALIFIED, QUALIFIED),
    ((" vali ",), True, QUALIFIED, QUALIFIED),
]


@pytest.mark.parametrize(("reliability", "with_ins", "strict", "default"), ROWS)
def test_each_row_of_the_pid_32_table(
    reliability: tuple[str, ...], with_ins: bool, strict: IdentityStatus, default: IdentityStatus
) -> None:
    who = patient(*reliability, ins=INS if with_ins else None)
    assert assess(who, None, STRICT).status is strict
    assert assess(who, None, TEST).status is default


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (patient("VALI"), ""),
        (patient("VALI", ins=None), "INS_NOT_QUALIFIED"),
        (patient("PROV"), "INS_NOT_QUALIFIED"),
        (patient("VALI", "USUR"), "IDENTITY_ATTRIBUTE"),
        (patient("VALI", traits=replace(TRAITS, birth_date="1979")), "INS_INCOMPLETE"),
        (patient("VALI", traits=replace(TRAITS, birth_name="")), "INS_INCOMPLETE"),
        (patient("VALI", traits=replace(TRAITS, sex="U")), "INS_INCOMPLETE"),
        (patient("VALI", traits=replace(TRAITS, given_names="", birth_place="")), ""),
    ],
)
def test_the_code_says_why_the_channels_are_closed(who: Patient, code: str) -> None:
    assessment = assess(who, None, TEST)
    assert assessment.code == code
    assert (code in codes(assessment)) is bool(code)
    assert all(finding.severity is Severity.WARNING for finding in assessment.findings)
    if code == "INS_INCOMPLETE":
        (finding,) = assessment.findings
        assert (finding.where, finding.err3, finding.err5) == ("PID^1^5", "207", "905")


@pytest.mark.parametrize(
    ("who", "state", "profile", "told"),
    [
        (patient("VALI", ins=None), None, TEST, "validée, mais sans INS"),
        (patient("PROV", ins=None), None, TEST, "n'a pas d'INS"),
        (patient(), None, STRICT, "PID-32 est absent"),
        (patient("PROV"), None, TEST, "pas validée d'après PID-32"),
        (patient(), PatientState(reliability=("PROV",)), TEST, "pas validée d'après le dernier mouvement"),
    ],
)
def test_the_finding_says_who_did_not_qualify_the_identity(
    who: Patient, state: PatientState | None, profile: SenderProfile, told: str
) -> None:
    (finding,) = assess(who, state, profile).findings
    assert told in finding.text


def test_every_doubt_is_told_in_one_order() -> None:
    for told in (DOUBTS, DOUBTS[::-1]):
        (finding,) = assess(patient("VALI", *told), None, TEST).findings
        assert f"(PID-32 : {', '.join(DOUBTS)})" in finding.text
        assert finding.where == "PID^1^32"


def test_an_identity_with_an_attribute_that_is_not_qualified_tells_both() -> None:
    assessment = assess(patient("PROV", "DOUT"), None, TEST)
    assert assessment.status is NOT_QUALIFIED
    assert codes(assessment) == ["INS_NOT_QUALIFIED", "IDENTITY_ATTRIBUTE"]


# The ADT feed: PID-32 of the message, PID-32 last told by ADT, switch, expected.
ADT_ROWS = [
    ((), ("VALI",), TEST, QUALIFIED),
    ((), ("PROV",), TEST, NOT_QUALIFIED),
    ((), ("VALI", "DOUT"), TEST, HOLD),
    ((), ("VALI",), STRICT, NOT_QUALIFIED),
    (("PROV",), ("VALI",), TEST, NOT_QUALIFIED),
    (("PROV",), ("VALI",), STRICT, NOT_QUALIFIED),
    (("VALI",), ("PROV",), TEST, QUALIFIED),
    (("VALI",), ("VALI", "USUR"), TEST, HOLD),
    ((), (), TEST, QUALIFIED),
]


@pytest.mark.parametrize(("message", "adt", "profile", "expected"), ADT_ROWS)
def test_the_adt_state_decides_when_pid_32_is_absent_and_only_then(
    message: tuple[str, ...], adt: tuple[str, ...], profile: SenderProfile, expected: IdentityStatus
) -> None:
    state = PatientState(reliability=adt)
    assert assess(patient(*message), state, profile).status is expected


def test_the_values_that_decided_are_kept() -> None:
    assert assess(patient("VALI", "HOMA"), None, TEST).reliability == ("VALI", "HOMA")
    assert assess(patient(), PatientState(reliability=("PROV",)), TEST).reliability == ("PROV",)
    assert assess(patient(), None, TEST).reliability == ()


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (PatientState(ins_withdrawn=True), "INS_WITHDRAWN"),
        (PatientState(identity=Patient(ins=OTHER_INS)), "INS_DIFFERS_FROM_ADT"),
        (PatientState(birth_date_corrected=True), "BIRTH_DATE_CORRECTED"),
    ],
)
def test_three_facts_of_the_adt_feed_weigh_even_against_an_explicit_vali(state: PatientState, code: str) -> None:
    for who in (patient("VALI"), patient()):
        assessment = assess(who, state, TEST)
        assert assessment.status is NOT_QUALIFIED
        assert assessment.code == "INS_NOT_QUALIFIED"
        assert codes(assessment) == [code]


def test_the_same_ins_in_the_adt_state_changes_nothing() -> None:
    nia = Ins("279035121518989", NIA_OID)
    state = PatientState(identity=Patient(ins=OTHER_INS, other_ins=(INS, nia)))
    assert assess(patient("VALI"), state, TEST).status is QUALIFIED


@pytest.mark.parametrize(
    ("ins", "others", "profile", "expected"),
    [
        (Ins("279035121518988", TEST_OID), (), TEST, ("INS_KEY_WRONG", Severity.WARNING)),
        (INS, (), PRODUCTION, ("INS_OID_ENVIRONMENT", Severity.ERROR)),
        (INS, (OTHER_INS,), TEST, ("INS_SEVERAL", Severity.ERROR)),
        (Ins("146026322000196", REAL_OID), (), PRODUCTION, ("INS_TRAITS_UNUSUAL", Severity.INFO)),
        (Ins("280035121518984", TEST_OID), (), TEST, ("INS_TRAITS_UNUSUAL", Severity.INFO)),
    ],
)
def test_the_ins_of_the_message_is_checked(
    ins: Ins, others: tuple[Ins, ...], profile: SenderProfile, expected: tuple[str, Severity]
) -> None:
    found = assess(patient("VALI", ins=ins, other_ins=others), None, profile).findings
    assert expected in [(finding.code, finding.severity) for finding in found]


def test_nir_and_nia_together_are_no_contradiction_but_two_nia_are() -> None:
    nir, nia = Ins("279035121518989", REAL_OID), Ins("279035121518989", NIA_OID)
    assert assess(patient("VALI", ins=nir, other_ins=(nia,)), None, PRODUCTION).findings == ()
    assert assess(patient("VALI", ins=nir, other_ins=(nir,)), None, PRODUCTION).findings == ()
    two = (nia, Ins("146026322000196", NIA_OID))
    assert codes(assess(patient("VALI", ins=nir, other_ins=two), None, PRODUCTION)) == ["INS_SEVERAL"]


@pytest.mark.parametrize(("oid", "told"), [(REAL_OID, "(NIR)"), (NIA_OID, "(NIA)")])
def test_several_numbers_of_one_kind_refuse_the_message_and_say_which_kind(oid: str, told: str) -> None:
    one, other = Ins("279035121518989", oid), Ins("146026322000196", oid)
    (several,) = assess(patient("VALI", ins=one, other_ins=(other,)), None, PRODUCTION).findings
    assert (several.code, several.where, several.err3, several.err5) == ("INS_SEVERAL", "PID^1^3", "207", "906")
    assert told in several.text


@pytest.mark.parametrize(
    ("nir", "nia", "profile", "code"),
    [
        (Ins("279035121518989", REAL_OID), Ins("260058815400244", NIA_OID), PRODUCTION, "INS_KEY_WRONG"),
        (INS, Ins("260058815400233", NIA_OID), TEST, "INS_OID_ENVIRONMENT"),
    ],
)
def test_a_nia_set_aside_by_a_nir_refuses_nothing(nir: Ins, nia: Ins, profile: SenderProfile, code: str) -> None:
    assessment = assess(patient("VALI", ins=nir, other_ins=(nia,)), None, profile)
    assert assessment.status is QUALIFIED
    assert [(finding.code, finding.severity) for finding in assessment.findings] == [(code, Severity.WARNING)]
    alone = assess(patient("VALI", ins=nia), None, profile)
    assert (code, Severity.ERROR) in [(finding.code, finding.severity) for finding in alone.findings]


@pytest.mark.parametrize("traits", [replace(TRAITS, sex="M"), replace(TRAITS, birth_date="19800328")])
def test_a_sex_or_year_unlike_the_matricule_is_only_information(traits: Traits) -> None:
    assessment = assess(patient("VALI", traits=traits), None, TEST)
    assert assessment.status is QUALIFIED
    assert codes(assessment) == ["INS_TRAITS_UNUSUAL"]


@pytest.mark.parametrize(
    ("sex", "first", "unusual"),
    [(sex, first, first in others) for sex, others in (("F", "137"), ("M", "248"), ("U", "")) for first in "1234578"],
)
def test_the_first_figure_of_the_matricule_suggests_a_sex(sex: str, first: str, unusual: bool) -> None:
    ins = Ins(f"{first}79035121518989", TEST_OID)
    found = codes(assess(patient("VALI", ins=ins, traits=replace(TRAITS, sex=sex)), None, TEST))
    assert ("INS_TRAITS_UNUSUAL" in found) is unusual


def test_a_matricule_too_short_suggests_nothing() -> None:
    assert codes(assess(patient("VALI", ins=Ins("2", TEST_OID)), None, TEST)) == ["INS_MALFORMED"]


def test_the_documents_give_their_code_to_the_assessment() -> None:
    def weighed(pid: Patient, cda: Patient) -> Assessment:
        assessment = assess(pid, None, TEST)
        return with_documents(assessment, compare(pid, cda, assessment.status, TEST))

    assert weighed(patient("VALI"), patient()).code == ""
    assert weighed(patient("PROV", ins=None), patient()).code == "INS_IN_CDA_NOT_QUALIFIED"
    assert weighed(patient("PROV", ins=None), patient(ins=None)).code == "INS_NOT_QUALIFIED"
    incomplete = weighed(patient("VALI"), patient(traits=replace(TRAITS, birth_place="")))
    assert (incomplete.status, incomplete.code) == (QUALIFIED, "INS_INCOMPLETE")
    doubtful = weighed(patient("VALI", "DOUT"), patient(traits=replace(TRAITS, birth_place="")))
    assert (doubtful.status, doubtful.code) == (HOLD, "IDENTITY_ATTRIBUTE")


def test_no_finding_shows_a_trait_or_a_matricule() -> None:
    findings: list[Finding] = []
    for state in (None, PatientState(ins_withdrawn=True), PatientState(reliability=("PROV",))):
        for who in (patient(), patient("VALI", "DOUT", traits=Traits(sex="M")), patient(other_ins=(OTHER_INS,))):
            findings += assess(who, state, PRODUCTION).findings
    shown = " ".join(finding.text for finding in findings)
    for secret in ("279035", "146026", "PAT-TROIS", "DOMINIQUE", "19790328"):
        assert secret not in shown
