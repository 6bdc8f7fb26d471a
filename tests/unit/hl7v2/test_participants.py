"""PRT: sender, recipients, reply address."""

import pytest

from pfi.model.finding import Severity
from pfi.model.parties import Device, Organization, Person, Recipient, RecipientKind
from pfi.model.profile import SenderProfile
from tests.unit.hl7v2.specimens import (
    INS,
    REPLY,
    STRICT,
    TO_PATIENT,
    TO_PROFESSIONAL,
    TOLERANT,
    Specimen,
    codes,
    errors,
    mdm,
    oru,
)

UNIT = "PRT||UC||RCT^^participation||||Urologie^^^^^750000001^UF^^^3435|||||||^NET^X.400^uro@ch-test.mssante.fr"
APPLICATION = "PRT||UC||RCT^^participation||||||DPI-9^DPI^1.2.250.1.999.9^ISO|||||^^X.400^dpi@ch-test.mssante.fr"


def recipients_of(specimen: Specimen) -> tuple[Recipient, ...]:
    request = specimen.read().request
    assert request is not None
    return request.recipients


def with_recipient(line: str) -> Specimen:
    return mdm().dropping(TO_PROFESSIONAL).after("SB^Send", line)


def test_the_sender_is_read_with_national_identifiers() -> None:
    request = oru().read().request
    assert request is not None
    assert request.sender is not None
    assert request.sender.person == Person("801234567866", "1.2.250.1.71.4.2.1", "IDNPS", "DEMO", "Alice")
    assert request.sender.organization == Organization("Labo Test", "1750000002", "1.2.250.1.71.4.2.2", "IDNST")
    assert request.sender.device is None


def test_recipients_come_in_order_with_their_kind_and_address() -> None:
    professional, patient = recipients_of(oru())
    assert (professional.kind, professional.address) == (
        RecipientKind.PROFESSIONAL,
        "bruno.demo@medecin.mssante.fr",
    )
    assert professional.identifier == "801234567897"
    assert (patient.kind, patient.address) == (RecipientKind.PATIENT, f"{INS}@patient.mssante.fr")


def test_a_unit_is_an_organization() -> None:
    (recipient,) = recipients_of(with_recipient(UNIT))
    assert recipient.kind is RecipientKind.ORGANIZATION
    assert recipient.organization == Organization("Urologie", "3435", "750000001", "UF")
    assert recipient.address == "uro@ch-test.mssante.fr"


def test_software_is_an_application() -> None:
    (recipient,) = recipients_of(with_recipient(APPLICATION))
    assert recipient.kind is RecipientKind.APPLICATION
    assert recipient.device == Device("DPI-9", "1.2.250.1.999.9", "DPI")


def test_an_address_alone_is_a_professional() -> None:
    (recipient,) = recipients_of(with_recipient("PRT||UC||RCT|||||||||||^^X.400^a@b.mssante.fr"))
    assert recipient.kind is RecipientKind.PROFESSIONAL


@pytest.mark.parametrize(
    "line",
    [
        f"PRT||UC||RCT|x^N^P|||||||||||^^X.400^{INS}@PATIENT.mssante.fr".replace("|||||||||||", "||||||||||"),
        f"PRT||UC||RCT|{INS}^N^P^^^^^^^^^^INS||||||||||^^X.400^quelqu.un@medecin.mssante.fr",
        f"PRT||UC||RCT|{INS}^N^P^^^^^^1.2.250.1.213.1.4.10||||||||||^^X.400^quelqu.un@medecin.mssante.fr",
        f"PRT||UC||RCT|{INS}^N^P^^^^^^A&1.2.250.1.213.1.4.8&ISO||||||||||",
    ],
)
def test_any_sign_of_a_patient_makes_a_patient(line: str) -> None:
    recipients = recipients_of(with_recipient(line).flag("DESTMSSANTEPS", "N"))
    assert [recipient.kind for recipient in recipients] == [RecipientKind.PATIENT]


@pytest.mark.parametrize("label", ["RCT", "RCT^^HL70912", "RCT^results Copies To^", "rct"])
def test_only_the_code_of_the_role_counts(label: str) -> None:
    specimen = mdm().replacing("RCT^Result Copies To^participation", label)
    assert len(recipients_of(specimen)) == 1


def test_trailing_no_break_spaces_do_not_spoil_an_identifier() -> None:
    request = oru().replacing("^^^750000002", "^^^750000002" + "\u00a0" * 18).read(STRICT).request
    assert request is not None
    assert request.sender is not None
    assert request.sender.organization is not None
    assert request.sender.organization.identifier == "1750000002"


@pytest.mark.parametrize("profile", [TOLERANT, STRICT])
@pytest.mark.parametrize(
    "specimen",
    [
        oru().dropping(TO_PROFESSIONAL),
        oru().dropping("RCT^"),
        oru().dropping("SB^").dropping("RCT^"),
        oru().without("PRT"),
    ],
)
def test_an_order_to_professionals_without_any_is_refused(specimen: Specimen, profile: SenderProfile) -> None:
    assert ("101", "PRT^1", "RECIPIENT_MISSING") in errors(specimen.read(profile).findings)


def test_an_order_to_the_patient_without_its_prt_is_only_reported_in_tolerant() -> None:
    specimen = oru().dropping(TO_PATIENT)
    assert specimen.read().request is not None
    assert "PATIENT_RECIPIENT_MISSING" in codes(specimen.read().findings, Severity.WARNING)
    expected = [("101", "PRT^1", "PATIENT_RECIPIENT_MISSING")]
    assert errors(specimen.read(SenderProfile(require_patient_prt=True)).findings) == expected
    assert errors(specimen.read(STRICT).findings) == expected


def test_the_dmp_without_a_sender_is_refused_in_strict_only() -> None:
    specimen = oru().dropping("SB^")
    assert specimen.read().request is not None
    assert errors(specimen.read(STRICT).findings) == [("101", "PRT^1", "SENDER_PARTICIPANT_MISSING")]


def test_mail_alone_needs_no_sender() -> None:
    specimen = oru().dropping("SB^").flag("DESTDMP", "N")
    assert errors(specimen.read(STRICT).findings) == []


def test_recipients_whose_flag_is_n_are_noted() -> None:
    reading = oru().flags(DESTMSSANTEPAT="N", INVISIBLE_PATIENT="Y").read(STRICT)
    assert reading.request is not None
    assert "RECIPIENT_NOT_ORDERED" in codes(reading.findings, Severity.INFO)


def test_an_empty_recipient_is_nobody() -> None:
    specimen = with_recipient("PRT||UC||RCT^^participation")
    assert ("101", "PRT^1", "RECIPIENT_MISSING") in errors(specimen.read().findings)
    assert "RECIPIENT_EMPTY" in codes(specimen.read().findings, Severity.WARNING)


def test_a_recipient_without_address_is_kept_for_the_directory() -> None:
    specimen = oru().replacing("bruno.demo@medecin.mssante.fr", "")
    (professional, _) = recipients_of(specimen)
    assert professional.address == ""
    assert ("101", "PRT^2^15", "ADDRESS_MISSING") in errors(specimen.read(STRICT).findings)


@pytest.mark.parametrize("address", ["a b@c.fr", "a@c.fr\\X0D0A\\Bcc: x@y.fr", "<a@b.fr>", "a@b.fr,c@d.fr"])
def test_an_address_that_could_break_a_mail_is_refused(address: str) -> None:
    specimen = oru().replacing("bruno.demo@medecin.mssante.fr", address)
    assert ("102", "PRT^2^15", "ADDRESS_INVALID") in errors(specimen.read().findings)


@pytest.mark.parametrize("address", ["bruno", "@b.fr", "a@", "a@b@c", "é@b.fr"])
def test_what_is_no_address_is_refused_in_strict_only(address: str) -> None:
    specimen = oru().replacing("bruno.demo@medecin.mssante.fr", address)
    assert specimen.read().request is not None
    assert ("102", "PRT^2^15", "ADDRESS_INVALID") in errors(specimen.read(STRICT).findings)


def test_the_mailbox_of_the_patient_is_never_mended() -> None:
    specimen = oru().replacing(f"{INS}@patient", f"{INS}6@patient")
    assert recipients_of(specimen)[1].address == f"{INS}6@patient.mssante.fr"
    assert "PATIENT_MAILBOX_DIFFERS" in codes(specimen.read().findings, Severity.WARNING)
    assert "PATIENT_MAILBOX_DIFFERS" in codes(specimen.read(STRICT).findings, Severity.WARNING)


def test_a_patient_address_elsewhere_is_reported() -> None:
    specimen = oru().replacing("@patient.mssante.fr", "@medecin.mssante.fr")
    assert "PATIENT_MAILBOX_DOMAIN" in codes(specimen.read().findings, Severity.WARNING)


def test_another_patient_cannot_be_the_recipient() -> None:
    specimen = oru().replacing(f"|{INS}^PAT-TROIS^DOMINIQUE^^^^^^ASIP", "|277076322082910^A^B^^^^^^ASIP")
    reading = specimen.read()
    assert ("207", "PRT^3^5", "PATIENT_RECIPIENT_DIFFERS") in errors(reading.findings)


@pytest.mark.parametrize(
    ("specimen", "code"),
    [
        (oru().after("SB^", TO_PROFESSIONAL.replace("RCT^Result Copies To", "SB^Send by")), "PARTICIPATION_REPEATED"),
        (oru().after("REPLY", REPLY), "PARTICIPATION_REPEATED"),
        (oru().dropping("REPLY").after("SB^", REPLY), "PARTICIPATION_ORDER"),
        (oru().replacing("PRT||UC||REPLY", "PRT||AD||REPLY"), "PARTICIPATION_ACTION"),
        (oru().dropping("REPLY").ending(REPLY), "PARTICIPATION_POSITION"),
        (oru().replacing("labo.test@labo.mssante.fr", ""), "ADDRESS_MISSING"),
    ],
)
def test_the_form_of_the_block_only_matters_in_strict(specimen: Specimen, code: str) -> None:
    assert specimen.read().request is not None
    assert code in codes(specimen.read(STRICT).findings, Severity.ERROR)


def test_an_unknown_role_is_only_noted() -> None:
    reading = oru().after("SB^", "PRT||UC||AUT^Auteur^participation|1").read(STRICT)
    assert reading.request is not None
    assert "PARTICIPATION_IGNORED" in codes(reading.findings, Severity.INFO)


def test_a_reply_address_that_could_break_a_mail_is_refused() -> None:
    specimen = oru().replacing("labo.test@labo.mssante.fr", "a@b.fr\\.br\\X-MSS: x")
    assert ("102", "PRT^4^15", "ADDRESS_INVALID") in errors(specimen.read().findings)
