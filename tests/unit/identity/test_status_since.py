"""What ADT told of an identity after the message was written (`told_at`) is followed, both ways."""

from dataclasses import replace

import pytest

from pfi.identity.coherence import compare
from pfi.identity.status import assess, with_documents
from pfi.model.finding import Severity
from pfi.model.patient import IdentityStatus, Ins, Patient, PatientState
from pfi.model.profile import SenderProfile
from tests.unit.identity.patients import (
    INS,
    NIA_OID,
    OTHER_INS,
    PRODUCTION,
    STRICT,
    TEST,
    TRAITS,
    moment,
    patient,
)

QUALIFIED, NOT_QUALIFIED, HOLD = IdentityStatus.QUALIFIED, IdentityStatus.NOT_QUALIFIED, IdentityStatus.HOLD

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
    assert (assessment.status, [each.code for each in assessment.findings]) == (NOT_QUALIFIED, ["INS_WITHDRAWN"])


@pytest.mark.parametrize("current", [OTHER_INS, None])
def test_a_retired_ins_is_not_qualified(current: Ins | None) -> None:
    state = PatientState(identity=Patient(ins=current), retired_ins=(INS,))
    for who in (patient("VALI"), patient()):
        for told_at in (None, WRITTEN):
            assessment = assess(who, state, TEST, told_at=told_at)
            assert (assessment.status, assessment.code) == (NOT_QUALIFIED, "INS_NOT_QUALIFIED")
            assert [each.code for each in assessment.findings] == ["INS_RETIRED"]
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
