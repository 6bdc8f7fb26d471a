"""What is known of the identity closes what it must close, and nothing else (obligations digest §5)."""

from dataclasses import replace
from typing import Any

import pytest

from pfi.model.decision import Channel
from pfi.model.document import CdaHeader
from pfi.model.patient import IdentityStatus, Ins, PatientState, Traits
from pfi.model.profile import Environment
from pfi.routing.specimen import TEST_INS, AssumedIdentity
from tests.unit.routing.cases import case, decided, fired, plan, rules_of, with_header, with_submission

SENT = {"DMP": "send", "PRO": "send", "CIT": "send"}


def test_a_matricule_without_vali_is_dropped() -> None:
    one = with_submission(
        case(identity="not_qualified", reliability=("PROV",)),
        lambda each: replace(each, patient=replace(each.patient, ins=TEST_INS)),
    )

    assert "ins_not_validated" in fired(one)
    assert plan(one) == {"DMP": "hold INS_NOT_QUALIFIED", "PRO": "send", "CIT": "deny INS_NOT_QUALIFIED"}
    assert "E02" in rules_of(decided(one)[Channel.PRO])


@pytest.mark.parametrize(("oid", "leaves"), [("1.2.250.1.213.1.4.9", True), ("1.2.250.1.213.1.4.8", False)])
def test_only_a_nia_beside_the_nir_of_the_message_escapes_the_environment(oid: str, leaves: bool) -> None:
    beside = Ins("260058815400233", oid)
    in_message = with_submission(case(), lambda each: replace(each, patient=replace(each.patient, other_ins=(beside,))))
    in_document = with_header(case(), lambda each: replace(each, patient=replace(each.patient, other_ins=(beside,))))

    assert ("ins_oid_not_allowed" not in fired(in_message)) is leaves
    assert "ins_oid_not_allowed" in fired(in_document)


def test_a_nia_without_nir_does_not_escape_the_environment() -> None:
    nia = Ins("260058815400233", "1.2.250.1.213.1.4.9")
    one = with_submission(case(), lambda each: replace(each, patient=replace(each.patient, ins=nia, other_ins=(nia,))))

    assert "ins_oid_not_allowed" in fired(one)


def test_a_death_told_by_the_message_counts_like_one_told_by_the_site() -> None:
    one = with_submission(case(), lambda each: replace(each, patient=replace(each.patient, deceased=True)))

    assert plan(one) == SENT | {"DMP": "hold PATIENT_DECEASED", "CIT": "deny PATIENT_DECEASED"}


def test_a_second_ins_in_the_document_counts_as_carried() -> None:
    one = with_header(
        case(identity="not_qualified"), lambda each: replace(each, patient=replace(each.patient, other_ins=(TEST_INS,)))
    )

    assert plan(one)["PRO"] == "hold INS_IN_CDA_NOT_QUALIFIED"


def test_a_doubtful_attribute_holds_professionals_even_without_vali() -> None:
    one = case(identity="not_qualified", reliability=("PROV", "DOUT"))

    assert plan(one)["PRO"] == "hold IDENTITY_ATTRIBUTE"


def test_a_doubt_told_by_adt_counts_like_one_told_by_the_message() -> None:
    one = replace(case(), state=PatientState(reliability=("VALI", "ANOM")))

    assert plan(one)["DMP"] == "deny IDENTITY_ATTRIBUTE"


def test_a_fictitious_identity_is_denied_to_the_dmp_in_production_and_held_in_test() -> None:
    given: dict[str, Any] = {"identity": "hold", "reliability": ("VALI", "FICT")}
    real = Ins("279035121518989", "1.2.250.1.213.1.4.8")
    production = with_submission(
        with_header(
            case(**given, environment="production"),
            lambda each: replace(each, patient=replace(each.patient, ins=real)),
        ),
        lambda each: replace(each, patient=replace(each.patient, ins=real)),
    )

    assert plan(production)["DMP"] == "deny IDENTITY_ATTRIBUTE"
    assert plan(case(**given))["DMP"] == "hold IDENTITY_ATTRIBUTE"


@pytest.mark.parametrize(
    ("oid", "environment", "allowed"),
    [
        ("1.2.250.1.213.1.4.8", Environment.PRODUCTION, True),
        ("1.2.250.1.213.1.4.9", Environment.PRODUCTION, True),
        ("1.2.250.1.213.1.4.10", Environment.PRODUCTION, False),
        ("1.2.250.1.213.1.4.11", Environment.PRODUCTION, False),
        ("1.2.250.1.213.1.4.8", Environment.TEST, False),
        ("1.2.250.1.213.1.4.9", Environment.TEST, False),
        ("1.2.250.1.213.1.4.10", Environment.TEST, True),
        ("1.2.250.1.213.1.4.11", Environment.TEST, True),
    ],
)
def test_an_ins_leaves_only_in_its_environment(oid: str, environment: Environment, allowed: bool) -> None:
    one = with_header(
        with_submission(
            case(environment=environment),
            lambda each: replace(each, patient=replace(each.patient, ins=Ins("279035121518989", oid))),
        ),
        lambda each: replace(each, patient=replace(each.patient, ins=None)),
    )

    assert (plan(one) == SENT) is allowed


@pytest.mark.parametrize(
    "lost",
    [
        {"birth_name": ""},
        {"first_given_name": ""},
        {"given_names": ""},
        {"birth_date": "1979"},
        {"sex": "U"},
        {"birth_place": ""},
    ],
)
def test_an_ins_without_all_its_traits_closes_the_dmp_and_the_patient(lost: dict[str, str]) -> None:
    def lose(header: CdaHeader) -> CdaHeader:
        traits: Traits = replace(header.patient.traits, **lost)
        return replace(header, patient=replace(header.patient, traits=traits))

    assert plan(with_header(case(), lose)) == {
        "DMP": "deny INS_INCOMPLETE",
        "PRO": "send",
        "CIT": "deny INS_INCOMPLETE",
    }


def test_what_the_identity_assessment_found_beyond_the_headers_counts() -> None:
    incomplete = replace(case(), identity=AssumedIdentity(IdentityStatus.QUALIFIED, "INS_INCOMPLETE"))
    carried = replace(
        case(identity="not_qualified"),
        identity=AssumedIdentity(IdentityStatus.NOT_QUALIFIED, "INS_IN_CDA_NOT_QUALIFIED"),
    )

    assert plan(incomplete) == {"DMP": "deny INS_INCOMPLETE", "PRO": "send", "CIT": "deny INS_INCOMPLETE"}
    assert set(plan(carried).values()) == {"hold INS_IN_CDA_NOT_QUALIFIED"}
