"""PID-32, the INS and the ADT feed: what an identity is worth."""

from dataclasses import replace

import pytest

from pfi.identity.coherence import compare
from pfi.identity.status import HOLD_ATTRIBUTES, Assessment, assess, with_documents
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
    moment,
    patient,
)

QUALIFIED, NOT_QUALIFIED, HOLD = IdentityStatus.QUALIFIED, IdentityStatus.NOT_QUALIFIED, IdentityStatus.HOLD


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
    *((("VALI", attribute), True, HOLD, HOLD) for attribute in sorted(HOLD_ATTRIBUTES)),
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
    doubts = sorted(HOLD_ATTRIBUTES)
    for told in (doubts, doubts[::-1]):
        (finding,) = assess(patient("VALI", *told), None, TEST).findings
        assert f"(PID-32 : {', '.join(doubts)})" in finding.text
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


# What ADT told after the message was written (`told_at`) is followed, both ways.

WRITTEN = moment(0)


def known(minutes: int, *reliability: str, ins: Ins | None = INS, ins_minutes: int | None = None) -> PatientState:
    """What ADT told of the identity, so many minutes after the message."""
    at = moment(minutes)
    return PatientState(
        identity=Patient(ins=ins, reliability=reliability),
        reliability=reliability,
        reliability_at=at,
        ins_at=None if ins is None else (at if ins_minutes is None else moment(ins_minutes)),
    )


@pytest.mark.parametrize(
    ("message", "state", "expected"),
    [
        (("PROV",), known(5, "VALI"), QUALIFIED),
        (("PROV",), known(-5, "VALI"), NOT_QUALIFIED),
        (("PROV",), known(0, "VALI"), NOT_QUALIFIED),
        (("VALI",), known(5, "PROV"), NOT_QUALIFIED),
        (("VALI",), known(0, "PROV"), NOT_QUALIFIED),
        (("VALI",), known(-5, "PROV"), QUALIFIED),
        (("VALI",), known(5, "VIDE"), NOT_QUALIFIED),
        (("VALI", "DOUT"), known(5, "VALI"), QUALIFIED),
        (("VALI", "DOUT"), known(-5, "VALI"), HOLD),
        (("VALI",), known(5, "VALI", "DOUT"), HOLD),
        (("VALI",), known(-5, "VALI", "DOUT"), HOLD),
        ((), known(5, "PROV"), NOT_QUALIFIED),
        ((), known(-5, "PROV"), NOT_QUALIFIED),
        ((), known(5, "VALI"), QUALIFIED),
    ],
)
def test_the_newer_of_the_message_and_of_adt_is_followed(
    message: tuple[str, ...], state: PatientState, expected: IdentityStatus
) -> None:
    assessment = assess(patient(*message), state, TEST, told_at=WRITTEN)
    assert assessment.status is expected
    assert (assessment.patient.ins == INS) is (expected is QUALIFIED)


def test_without_the_moment_of_the_message_it_is_the_newest() -> None:
    assert assess(patient("PROV"), known(5, "VALI"), TEST).status is NOT_QUALIFIED
    assert assess(patient("VALI"), known(5, "PROV"), TEST).status is QUALIFIED
    undated = replace(known(5, "VALI"), reliability_at=None)
    assert assess(patient("PROV"), undated, TEST, told_at=WRITTEN).status is NOT_QUALIFIED


def test_the_values_that_adt_told_later_are_those_that_decided() -> None:
    assert assess(patient("PROV"), known(5, "VALI", "HOMA"), TEST, told_at=WRITTEN).reliability == ("VALI", "HOMA")


def test_adt_brings_the_ins_that_the_message_did_not_carry() -> None:
    who = patient("PROV", ins=None)
    assessment = assess(who, known(5, "VALI"), TEST, told_at=WRITTEN)
    assert (assessment.status, assessment.code) == (QUALIFIED, "")
    assert assessment.patient == replace(who, ins=INS)
    assert assessment.findings == ()
    strict = assess(patient(ins=None), known(5, "VALI"), STRICT, told_at=WRITTEN)
    assert (strict.status, strict.patient.ins) == (QUALIFIED, INS)


def test_a_number_while_waiting_beside_the_ins_of_adt_is_no_second_ins() -> None:
    nia = Ins("146026322000196", NIA_OID)
    state = replace(known(5, "VALI"), identity=Patient(ins=INS, other_ins=(nia,)))
    assessment = assess(patient("PROV", ins=None), state, TEST, told_at=WRITTEN)
    assert (assessment.status, assessment.patient.ins) == (QUALIFIED, INS)


def test_the_ins_of_adt_is_not_used_with_a_message_that_is_newer() -> None:
    assessment = assess(patient("VALI", ins=None), known(-5, "VALI"), TEST, told_at=WRITTEN)
    assert (assessment.status, assessment.patient.ins) == (NOT_QUALIFIED, None)


@pytest.mark.parametrize(
    ("who", "state", "profile"),
    [
        # validated, but no INS was told since: "validée", not "qualifiée"
        (patient("PROV", ins=None), known(5, "VALI", ins=None), TEST),
        (patient("PROV", ins=None), known(5, "VALI", ins_minutes=-5), TEST),
        (patient("PROV", ins=None), known(5, "VALI", ins_minutes=0), TEST),
        (patient("PROV"), known(5, "VALI", ins=None), TEST),
        (patient("PROV"), known(5, "VALI", ins_minutes=-5), TEST),
        (patient(), known(5, "VALI", ins=None), STRICT),
        # the INS was told since, but not with a validation
        (patient("PROV", ins=None), known(-5, "VALI", ins_minutes=5), TEST),
        # an INS that may not leave here, or one of two
        (patient("PROV", ins=None), known(5, "VALI"), PRODUCTION),
        (
            patient("PROV", ins=None),
            replace(known(5, "VALI"), identity=Patient(ins=INS, other_ins=(OTHER_INS,))),
            TEST,
        ),
        # another INS than that of the message
        (patient("PROV"), known(5, "VALI", ins=OTHER_INS), TEST),
        # nothing was told
        (patient("PROV", ins=None), None, TEST),
    ],
)
def test_nothing_is_qualified_without_a_statement_of_the_identity_repository(
    who: Patient, state: PatientState | None, profile: SenderProfile
) -> None:
    assessment = assess(who, state, profile, told_at=WRITTEN)
    assert (assessment.status, assessment.code) == (NOT_QUALIFIED, "INS_NOT_QUALIFIED")
    assert (assessment.patient.ins, assessment.patient.other_ins) == (None, ())


def test_an_unusable_ins_of_adt_does_not_refuse_the_message() -> None:
    findings = assess(patient("PROV", ins=None), known(5, "VALI"), PRODUCTION, told_at=WRITTEN).findings
    assert [finding.severity for finding in findings] == [Severity.WARNING]


def test_a_validation_told_since_keeps_the_ins_of_a_message_that_asserts_it() -> None:
    nothing_of_the_ins = known(5, "VALI", ins=None)
    for who in (patient("VALI"), patient()):
        assert assess(who, nothing_of_the_ins, TEST, told_at=WRITTEN).status is QUALIFIED


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_withdrawn_ins_is_not_qualified_whatever_the_moments(minutes: int) -> None:
    state = PatientState(ins_withdrawn=True, ins_at=moment(minutes), retired_ins=(INS,))
    assessment = assess(patient("VALI"), state, TEST, told_at=WRITTEN)
    assert (assessment.status, codes(assessment)) == (NOT_QUALIFIED, ["INS_WITHDRAWN"])


@pytest.mark.parametrize("current", [OTHER_INS, None])
def test_a_retired_ins_is_not_qualified(current: Ins | None) -> None:
    state = PatientState(identity=Patient(ins=current), retired_ins=(INS,))
    for who in (patient("VALI"), patient()):
        for told_at in (None, WRITTEN):
            assessment = assess(who, state, TEST, told_at=told_at)
            assert (assessment.status, assessment.code) == (NOT_QUALIFIED, "INS_NOT_QUALIFIED")
            assert codes(assessment) == ["INS_RETIRED"]
            assert assessment.patient.ins is None


def test_an_ins_that_was_given_back_is_no_longer_retired() -> None:
    state = PatientState(identity=Patient(ins=INS), retired_ins=(INS,))
    assert assess(patient("VALI"), state, TEST).status is QUALIFIED


def test_a_corrected_birth_date_weighs_against_an_identity_that_adt_qualifies() -> None:
    state = replace(known(5, "VALI"), birth_date_corrected=True)
    (finding,) = assess(patient("PROV"), state, TEST, told_at=WRITTEN).findings
    assert (finding.code, finding.where) == ("BIRTH_DATE_CORRECTED", "PID^1^7")


def test_the_patient_to_deliver_has_an_ins_only_when_qualified() -> None:
    nia = Ins("279035121518989", NIA_OID)
    both = patient("VALI", other_ins=(nia,))
    assert assess(both, None, TEST).patient == both
    assert assess(both, PatientState(identity=Patient(ins=INS), retired_ins=(nia,)), TEST).patient.other_ins == ()
    for reliability in (("PROV",), ("VALI", "DOUT")):
        delivered = assess(replace(both, reliability=reliability), None, TEST).patient
        assert delivered == replace(both, reliability=reliability, ins=None, other_ins=())


def test_the_documents_do_not_change_the_patient_to_deliver() -> None:
    assessment = assess(patient("VALI"), None, TEST)
    incomplete = compare(patient("VALI"), patient(traits=replace(TRAITS, birth_place="")), QUALIFIED, TEST)
    assert with_documents(assessment, incomplete).patient == assessment.patient
