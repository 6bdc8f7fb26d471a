"""Mails go to whom the sender named, or to the patient at the address of the qualified INS; never to a guess."""

from dataclasses import replace

import pytest

from pfi.model.decision import Channel
from pfi.model.document import Participant
from pfi.model.parties import Author, Recipient, RecipientKind
from pfi.model.patient import IdentityStatus, Ins
from pfi.model.profile import Environment
from pfi.routing.recipients import citizen, is_patient, professionals
from pfi.routing.rulefile import Due
from pfi.routing.specimen import TEST_INS, Specimen
from tests.unit.routing.cases import case, decided, flags, plan, rules_of, with_header, with_submission

OWN = "279035121518989@patient.mssante.fr"


def named(*recipients: Recipient, one: Specimen | None = None) -> Specimen:
    return with_submission(one or case(), lambda each: replace(each, recipients=recipients))


def patient(address: str, kind: RecipientKind = RecipientKind.PATIENT) -> Recipient:
    return Recipient(kind, address)


def professional(address: str) -> Recipient:
    return Recipient(RecipientKind.PROFESSIONAL, address)


def addresses(one: Specimen, channel: Channel) -> list[str]:
    return [recipient.address for recipient in decided(one)[channel].recipients]


def test_the_patient_address_is_computed_from_the_qualified_ins() -> None:
    assert addresses(case(), Channel.CIT) == [OWN]
    assert "PATIENT_ADDRESS_COMPUTED" in rules_of(decided(case())[Channel.CIT])


def test_a_site_may_require_the_address_from_the_sender() -> None:
    one = case()
    strict = replace(one, profile=replace(one.profile, require_patient_prt=True))

    assert plan(strict)["CIT"] == "deny NO_MSS_ADDRESS"
    assert addresses(named(patient(OWN), one=strict), Channel.CIT) == [OWN]


def test_a_given_patient_address_must_be_that_of_the_ins() -> None:
    assert addresses(named(patient(OWN)), Channel.CIT) == [OWN]
    assert plan(named(patient("146026322000196@patient.mssante.fr")))["CIT"] == "deny NO_MSS_ADDRESS"
    assert plan(named(patient(OWN), patient("146026322000196@patient.mssante.fr")))["CIT"] == "deny NO_MSS_ADDRESS"


def test_the_patient_is_written_to_once_and_addresses_compare_without_case() -> None:
    assert addresses(named(patient(OWN), patient(OWN.upper())), Channel.CIT) == [OWN]


@pytest.mark.parametrize("address", ["2790351215189891@patient.mssante.fr", "279035121518989@patient.mssante.f"])
def test_a_malformed_patient_address_is_kept_with_a_remark_for_a_test_ins_only(address: str) -> None:
    decision = decided(named(patient(address)))[Channel.CIT]
    real = Ins("279035121518989", "1.2.250.1.213.1.4.8")
    production = with_header(
        with_submission(
            case(environment="production"),
            lambda each: replace(each, patient=replace(each.patient, ins=real), recipients=(patient(address),)),
        ),
        lambda each: replace(each, patient=replace(each.patient, ins=real)),
    )

    assert [each.address for each in decision.recipients] == [address]
    assert "PATIENT_ADDRESS_MALFORMED" in rules_of(decision)
    assert plan(production) == {"DMP": "send", "PRO": "deny NO_RECIPIENT", "CIT": "deny NO_MSS_ADDRESS"}


def test_an_address_of_the_patient_domain_is_the_patient_whatever_it_claims_to_be() -> None:
    disguised = patient("146026322000196@patient.mssante.fr", RecipientKind.PROFESSIONAL)

    one = named(professional("medecin@test.mssante.fr"), disguised)

    assert addresses(one, Channel.PRO) == ["medecin@test.mssante.fr"]
    assert plan(one)["CIT"] == "deny NO_MSS_ADDRESS"


def test_a_qualified_identity_without_its_ins_gives_no_address() -> None:
    one = with_submission(case(), lambda each: replace(each, patient=replace(each.patient, ins=None)))

    assert plan(one)["CIT"] == "deny NO_MSS_ADDRESS"


def test_professionals_are_served_once_each_in_the_order_given() -> None:
    one = named(*(professional(each) for each in ("b@x.mssante.fr", "a@x.mssante.fr", "B@x.mssante.fr")))

    assert addresses(one, Channel.PRO) == ["b@x.mssante.fr", "a@x.mssante.fr"]


def test_a_professional_without_an_address_is_told_and_does_not_prevent_the_others() -> None:
    one = named(professional(""), professional("a@x.mssante.fr"))

    assert addresses(one, Channel.PRO) == ["a@x.mssante.fr"]
    assert "NO_MSS_ADDRESS" in rules_of(decided(one)[Channel.PRO])
    assert plan(named(professional("")))["PRO"] == "deny NO_MSS_ADDRESS"


def test_no_recipient_is_not_the_same_as_no_chosen_professional() -> None:
    letter = decided(case(professionals=0))[Channel.PRO]
    prescription = decided(case(type="PRESC-BIO", professionals=0))[Channel.PRO]

    assert (letter.code, letter.gap, letter.legal_gap) == ("NO_RECIPIENT", True, False)
    assert (prescription.code, prescription.gap, prescription.legal_gap) == ("FREE_CHOICE_NO_RECIPIENT", True, True)


def test_nobody_chosen_explains_a_prescription_not_ordered_to_professionals() -> None:
    unchosen = decided(case(type="PRESC-BIO", professionals=0, flags=flags(dest_mss_ps=False)))[Channel.PRO]
    chosen = decided(case(type="PRESC-BIO", professionals=1, flags=flags(dest_mss_ps=False)))[Channel.PRO]

    assert (unchosen.code, unchosen.legal_gap) == ("ORDER_NO", True)
    assert (chosen.code, chosen.legal_gap) == ("ORDER_NO", False)


def test_a_recipient_whose_channel_is_not_ordered_is_not_served_and_it_is_said() -> None:
    one = named(
        patient(OWN), professional("a@x.mssante.fr"), one=case(flags=flags(dest_mss_ps=False, dest_mss_pat=False))
    )

    for channel in (Channel.PRO, Channel.CIT):
        decision = decided(one)[channel]
        assert (decision.code, decision.recipients) == ("ORDER_NO", ())
        assert "RECIPIENT_NOT_SERVED" in rules_of(decision)


def test_an_embargo_on_the_patient_keeps_no_address() -> None:
    assert addresses(case(tags=["cit_opposed"]), Channel.CIT) == []


@pytest.mark.parametrize("status", [IdentityStatus.NOT_QUALIFIED, IdentityStatus.HOLD])
def test_an_ins_that_is_not_qualified_makes_no_address_and_the_law_says_so(status: IdentityStatus) -> None:
    one = case()

    found = citizen(one.submission, status, one.profile)

    assert found.refusal is not None
    assert (found.refusal.rule, found.legal, found.recipients) == ("NO_MSS_ADDRESS", True, ())


@pytest.mark.parametrize(
    ("environment", "oid"),
    [(Environment.PRODUCTION, "1.2.250.1.213.1.4.10"), (Environment.TEST, "1.2.250.1.213.1.4.8")],
)
def test_a_malformed_patient_address_is_kept_only_for_a_test_ins_in_test(environment: Environment, oid: str) -> None:
    one = with_submission(
        named(patient("2790351215189891@patient.mssante.fr")),
        lambda each: replace(each, patient=replace(each.patient, ins=Ins("279035121518989", oid))),
    )

    found = citizen(one.submission, IdentityStatus.QUALIFIED, replace(one.profile, environment=environment))

    assert found.refusal is not None
    assert found.recipients == ()


CORSICAN = Ins("180012A12345678", "1.2.250.1.213.1.4.10")


@pytest.mark.parametrize(
    "written",
    [
        "180012A12345678@patient.mssante.fr",
        "180012a12345678@patient.mssante.fr",
        " 180012A12345678@Patient.MSSante.fr ",
    ],
)
@pytest.mark.parametrize("kind", [RecipientKind.PATIENT, RecipientKind.PROFESSIONAL])
def test_the_own_address_is_written_in_one_way_and_to_the_patient_whatever_was_given(
    written: str, kind: RecipientKind
) -> None:
    one = with_submission(
        named(patient(written, kind)), lambda each: replace(each, patient=replace(each.patient, ins=CORSICAN))
    )

    (recipient,) = citizen(one.submission, IdentityStatus.QUALIFIED, one.profile).recipients

    assert recipient == Recipient(RecipientKind.PATIENT, "180012A12345678@patient.mssante.fr")


@pytest.mark.parametrize("written", ["180012a12345678@patient.mssante.fr", "180012A12345678@Patient.MSSante.fr"])
def test_a_well_formed_address_of_somebody_else_is_refused_however_it_is_written(written: str) -> None:
    found = citizen(named(patient(written)).submission, IdentityStatus.QUALIFIED, case().profile)

    assert found.refusal is not None
    assert found.recipients == ()


def test_a_malformed_address_that_is_kept_is_the_patient_s() -> None:
    given = patient(" 2790351215189891@patient.mssante.fr ", RecipientKind.PROFESSIONAL)

    (recipient,) = citizen(named(given).submission, IdentityStatus.QUALIFIED, case().profile).recipients

    assert recipient == Recipient(RecipientKind.PATIENT, "2790351215189891@patient.mssante.fr")


def test_a_patient_named_without_address_is_written_to_at_the_computed_one() -> None:
    one = named(patient(" "), professional("a@x.mssante.fr"))

    assert addresses(one, Channel.CIT) == [OWN]


def test_only_a_participant_ref_is_a_prescriber() -> None:
    one = case(prescriber=True)
    (ref,) = one.submission.documents[0].header.participants

    def rule(*participants: Participant) -> tuple[str, bool]:
        other = with_header(one, lambda each: replace(each, participants=participants))
        found = professionals(other.submission, Due.DUE, prescriber_only=True)
        return (found.refusal.rule if found.refusal else "", found.legal)

    assert rule(ref) == ("", False)
    assert rule(Participant("REF"), Participant("REF", party=Author()), ref) == ("", False)
    assert rule(replace(ref, type_code="INF")) == ("GENETICS", True)
    assert rule(Participant("REF")) == ("GENETICS", True)


def test_the_domain_of_the_patients_is_known_in_any_case() -> None:
    assert is_patient(professional(" 279035121518989@Patient.MSSante.FR "))
    assert not is_patient(professional("a@un.mssante.fr"))


def test_an_address_with_blanks_around_it_is_the_same_one() -> None:
    assert len(addresses(named(professional("a@un.mssante.fr"), professional(" a@un.mssante.fr ")), Channel.PRO)) == 1


def test_the_own_address_of_a_corsican_has_its_letter_in_capitals() -> None:
    """Whatever the case in which the message wrote it."""
    one = with_submission(
        case(), lambda each: replace(each, patient=replace(each.patient, ins=replace(TEST_INS, matricule="27902a")))
    )
    citizen_of = citizen(one.submission, IdentityStatus.QUALIFIED, one.profile)
    assert [each.address for each in citizen_of.recipients] == ["27902A@patient.mssante.fr"]
