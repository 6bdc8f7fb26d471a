"""PAM.FR: identity, stay and consent out of ADT messages."""

from datetime import UTC, datetime

import pytest

from pfi.model.adt import CLEARABLE, PatientEvent
from pfi.model.finding import Severity
from pfi.model.parties import Author, Person
from pfi.model.patient import DmpStatus, Feeding, Identifier, Ins
from pfi.model.profile import Mode, Pid32, SenderProfile
from pfi.standards.hl7v2.adt import CONSUMED_EVENTS, AdtReading, read_adt
from pfi.standards.hl7v2.tokenizer import parse
from tests.unit.hl7v2.specimens import INS, INS_CX, IPP_CX, Specimen, adt, codes, errors, oru

TEST_NIR, NIA = "1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.9"
OLD_INS_CX = f"199035121518912^^^ASIP-SANTE-INS-NIR&{TEST_NIR}&ISO^INS"
DELETED_INS_CX = f'""^^^ASIP-SANTE-INS-NIR&{TEST_NIR}&ISO^INS'


def read(specimen: Specimen, profile: SenderProfile | None = None) -> AdtReading:
    return read_adt(parse(specimen.raw()), profile=profile)


def event_of(specimen: Specimen) -> PatientEvent:
    event = read(specimen).event
    assert event is not None
    return event


def change(pid_3: str, mrg_1: str, reliability: str = "VALI") -> Specimen:
    """An A47."""
    return adt("A47").having("PID^1^3", pid_3).having("PID^1^32", reliability).after("PID|", f"MRG|{mrg_1}")


def test_an_admission_tells_identity_stay_and_consent() -> None:
    event = event_of(adt())
    assert event.trigger == "A01"
    assert event.patient.ins == Ins(INS, TEST_NIR)
    assert event.patient.identifiers == (Identifier("8800123", "750000001", "CH-TEST", "PI"),)
    assert event.patient.reliability == ("VALI",)
    assert (event.stay.patient_class, event.stay.unit) == ("I", "3435")
    assert (event.dmp_status, event.feeding, event.consultation) == (DmpStatus.ACTIVE, Feeding.NOT_OPPOSED, "IC")
    assert event.feeding_at == datetime(2026, 3, 7, 23, tzinfo=UTC)
    assert event.withdraws_ins is False
    assert event.birth_date_corrected is False
    assert read(adt()).findings == ()


def test_people_who_follow_the_patient_are_named_once() -> None:
    claire = Person("810000023084", "1.2.250.1.71.4.2.1", "IDNPS", "DEMO", "Claire")
    bruno = Person("801234567897", "1.2.250.1.71.4.2.1", "IDNPS", "DEMO", "Bruno")
    rol = adt().lines[3]
    specimen = adt().after("ROL", rol, rol.replace("ODRP", "AT"), rol.replace("|UC|ODRP|1", "|DE|RP|1"), "ROL||UC|RP|")
    assert event_of(specimen).referring_professionals == (
        Author(person=claire, role="ODRP"),
        Author(person=bruno, role="RP"),
    )


@pytest.mark.parametrize(
    ("evn", "expected"),
    [
        ("EVN||20260308080000||||20260308073000", datetime(2026, 3, 8, 6, 30, tzinfo=UTC)),
        ("EVN||20260308081500", datetime(2026, 3, 8, 7, 15, tzinfo=UTC)),
        ("EVN|", datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("EVN||n'importe quoi", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ],
)
def test_the_event_is_dated_by_evn_6_then_evn_2_then_msh_7(evn: str, expected: datetime) -> None:
    assert event_of(adt().without("EVN").after("MSH", evn)).occurred_at == expected


def test_an_event_without_any_date_is_refused() -> None:
    reading = read(adt().having("MSH^1^7", "").having("EVN^1^2", "").having("EVN^1^6", ""))
    assert errors(reading.findings) == [("101", "EVN^1^2", "EVENT_TIME_MISSING")]
    assert reading.event is None


@pytest.mark.parametrize(
    ("zfa", "feeding", "consultation"),
    [
        ("ZFA|ACTIF|20260308|||||||INO|20260308|INC|20260308", Feeding.NOT_OPPOSED, "INC"),
        ("ZFA|ACTIF|20260308|||||||IO|20260308|INC|20260308", Feeding.OPPOSED, "INC"),
        ("ZFA|ACTIF|20260308|||||||INO^libellé|20260308|NA|", Feeding.NOT_OPPOSED, "NA"),
        ("ZFA|ACTIF|20260308|||||||NA||NA|", Feeding.NOT_COLLECTED, "NA"),
        ("ZFA|FERME", None, None),
        ('ZFA|""||||||||""||""', Feeding.NOT_COLLECTED, "NA"),
    ],
)
def test_the_five_consent_cases(zfa: str, feeding: Feeding | None, consultation: str | None) -> None:
    event = event_of(adt().without("ZFA").ending(zfa))
    assert (event.feeding, event.consultation) == (feeding, consultation)


def test_without_zfa_nothing_is_told_of_the_consent() -> None:
    event = event_of(adt("A03").without("ZFA"))
    assert (event.dmp_status, event.feeding, event.consultation, event.feeding_at) == (None, None, None, None)


def test_an_unknown_feeding_code_is_refused_since_it_might_be_an_opposition() -> None:
    reading = read(adt().having("ZFA^1^9", "NON"))
    assert errors(reading.findings) == [("103", "ZFA^1^9", "FEEDING_UNKNOWN")]
    assert reading.event is None


@pytest.mark.parametrize(("place", "code"), [("ZFA^1^1", "DMP_STATUS_UNKNOWN"), ("ZFA^1^11", "CONSULTATION_UNKNOWN")])
def test_other_unknown_codes_are_only_reported(place: str, code: str) -> None:
    reading = read(adt().having(place, "XYZ"))
    assert reading.event is not None
    assert codes(reading.findings, Severity.WARNING) == {code}


def test_a_corrected_birth_date_is_told() -> None:
    assert event_of(adt().having("ZFD^1^4", "Y")).birth_date_corrected is True
    assert event_of(adt().without("ZFD")).birth_date_corrected is False


def test_an_ins_change_gives_the_old_and_the_new_one() -> None:
    event = event_of(change(f"{INS_CX}~{IPP_CX}", OLD_INS_CX))
    assert event.prior_ins == (Ins("199035121518912", TEST_NIR),)
    assert event.patient.ins == Ins(INS, TEST_NIR)
    assert event.withdraws_ins is False


@pytest.mark.parametrize("pid_3", [f"{IPP_CX}~{DELETED_INS_CX}", IPP_CX])
def test_an_ins_removal_withdraws_it(pid_3: str) -> None:
    event = event_of(change(pid_3, INS_CX, "PROV"))
    assert event.withdraws_ins is True
    assert event.patient.ins is None
    assert event.patient.reliability == ("PROV",)


def test_an_a31_with_an_emptied_ins_withdraws_it_too() -> None:
    assert event_of(adt("A31").having("PID^1^3", f"{IPP_CX}~{DELETED_INS_CX}")).withdraws_ins is True


def test_an_emptied_nia_beside_a_nir_withdraws_nothing() -> None:
    emptied_nia = f'""^^^ASIP-SANTE-INS-NIA&{NIA}&ISO^INS'
    assert event_of(adt("A31").having("PID^1^3", f"{INS_CX}~{emptied_nia}")).withdraws_ins is False


def test_a_message_that_simply_has_no_ins_withdraws_nothing() -> None:
    assert event_of(adt("A31").having("PID^1^3", IPP_CX)).withdraws_ins is False


def test_a_merge_gives_the_obsolete_identifiers() -> None:
    event = event_of(adt("A40").after("PID|", "MRG|777^^^CH-TEST&750000001&M^PI"))
    assert event.prior_identifiers == (Identifier("777", "750000001", "CH-TEST", "PI"),)
    assert event.withdraws_ins is False


@pytest.mark.parametrize("trigger", sorted(CONSUMED_EVENTS))
def test_all_useful_events_are_read(trigger: str) -> None:
    assert event_of(adt(trigger).after("PID|", "MRG|777^^^CH&1&M^PI")).trigger == trigger


@pytest.mark.parametrize("trigger", ["A02", "A12", "A21", "A22", "A52", "Z77", ""])
def test_other_events_are_accepted_and_ignored(trigger: str) -> None:
    reading = read(adt(trigger).without("PID"))
    assert reading.event is None
    assert [(finding.code, finding.severity) for finding in reading.findings] == [("EVENT_IGNORED", Severity.INFO)]


@pytest.mark.parametrize(
    ("specimen", "refusal"),
    [
        (adt().without("PID"), ("100", "PID^1", "SEGMENT_MISSING")),
        (adt("A40"), ("100", "MRG^1", "SEGMENT_MISSING")),
        (adt("A47"), ("100", "MRG^1", "SEGMENT_MISSING")),
        (adt().after("PID|", adt().lines[2]), ("198", "PID^2", "SEGMENT_REPEATED")),
        (adt().having("PID^1^3", ""), ("101", "PID^1^3", "PATIENT_ID_MISSING")),
        (adt().having("MSH^1^10", ""), ("101", "MSH^1^10", "CONTROL_ID_MISSING")),
        (oru(), ("200", "MSH^1^9", "MESSAGE_TYPE_UNSUPPORTED")),
    ],
)
def test_an_unusable_message_is_refused(specimen: Specimen, refusal: tuple[str, str, str]) -> None:
    reading = read(specimen)
    assert refusal in errors(reading.findings)
    assert reading.event is None


@pytest.mark.parametrize(
    ("specimen", "refusal"),
    [
        (adt().having("MSH^1^12", "2.3.1"), ("203", "MSH^1^12", "VERSION_UNEXPECTED")),
        (adt().without("EVN"), ("100", "EVN^1", "SEGMENT_MISSING")),
    ],
)
def test_what_can_still_be_used_is_refused_in_strict_only(specimen: Specimen, refusal: tuple[str, str, str]) -> None:
    assert read(specimen).event is not None
    assert errors(read(specimen, SenderProfile(mode=Mode.STRICT)).findings) == [refusal]


def test_the_processing_ids_of_the_sender_hold_for_adt_too() -> None:
    reading = read(adt(), SenderProfile(processing_ids=frozenset({"P"})))
    assert errors(reading.findings) == [("202", "MSH^1^11", "PROCESSING_ID_REFUSED")]


@pytest.mark.parametrize(
    ("evn", "expected"),
    [
        ("EVN||20260308081500||||20260308073000", datetime(2026, 3, 8, 7, 15, tzinfo=UTC)),
        ("EVN||||||20260308073000", datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("EVN|", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ],
)
def test_it_was_told_at_evn_2_else_msh_7(evn: str, expected: datetime) -> None:
    event = event_of(adt().without("EVN").after("MSH", evn))
    assert event.recorded_at == event.told_at == expected


def test_without_evn_2_nor_msh_7_it_was_told_when_it_took_place() -> None:
    event = event_of(adt().having("MSH^1^7", "").having("EVN^1^2", ""))
    assert event.recorded_at == event.occurred_at == datetime(2026, 3, 8, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pid_29", "pid_30", "exit_mode", "deceased", "pid_30_alone"),
    [
        ("", "", "", None, False),
        ("", "N", "", False, False),
        ("", "Y", "", True, True),
        ("", '""', "", False, False),
        ("", "N", "9", True, False),
        ("", "", "8", None, False),
        ("20260308", "", "", True, False),
        ("20260308", "N", "", False, False),
        ('""', "", "", None, False),
    ],
)
def test_death_is_told_by_pid_30_or_by_the_exit_mode(
    pid_29: str, pid_30: str, exit_mode: str, deceased: bool | None, pid_30_alone: bool
) -> None:
    specimen = adt("A03").having("PID^1^29", pid_29).having("PID^1^30", pid_30).ending(f"ZFM|8|{exit_mode}")
    event = event_of(specimen)
    assert event.deceased is deceased
    assert event.patient.deceased is pid_30_alone


def test_the_modes_of_entry_and_exit_are_read() -> None:
    event = event_of(adt("A03").ending("ZFM|8|7"))
    assert (event.entry_mode, event.exit_mode) == ("8", "7")
    assert event_of(adt()).exit_mode == ""


@pytest.mark.parametrize(
    ("place", "fact"),
    [
        ("ZFA^1^1", "dmp_status"),
        ("PV1^1^3", "unit"),
        ("PV1^1^44", "admitted_at"),
        ("PV1^1^45", "discharged_at"),
        ("ZFM^1^1", "entry_mode"),
        ("ZFM^1^2", "exit_mode"),
    ],
)
def test_an_emptied_field_deletes_and_an_empty_one_says_nothing(place: str, fact: str) -> None:
    assert fact in CLEARABLE
    full = adt().ending("ZFM|8|7")
    assert event_of(full.having(place, '""')).cleared == {fact}
    assert event_of(full.having(place, "")).cleared == frozenset()


def test_an_emptied_pid_32_says_that_the_identity_is_no_longer_validated() -> None:
    assert event_of(adt("A31").having("PID^1^32", '""')).patient.reliability == ("VIDE",)
    assert event_of(adt("A31").having("PID^1^32", "")).patient.reliability == ()


def test_dates_of_consent_that_are_no_dates_are_reported() -> None:
    reading = read(adt().having("ZFA^1^10", "hier"))
    assert reading.event is not None
    assert reading.event.feeding_at is None
    assert codes(reading.findings) == {"CONSENT_TIME_INVALID"}
    assert read(adt().having("ZFA^1^10", '""')).findings == ()


def test_a_role_that_ended_is_told_apart() -> None:
    rol = adt().lines[3].replace("|UC|ODRP|", "|DE|ODRP|")
    event = event_of(adt().without("ROL").after("PID|", rol))
    assert [each.role for each in event.ended_roles] == ["ODRP"]
    assert [each.role for each in event.referring_professionals] == ["RP"]


def test_people_without_identifier_are_told_apart_by_their_name() -> None:
    specimen = adt().without("ROL").having("PV1^1^8", "^DEMO^Claire~^DEMO^Bruno~^DEMO^Claire")
    named = [each.person.given for each in event_of(specimen).referring_professionals if each.person]
    assert named == ["Claire", "Bruno"]


@pytest.mark.parametrize(("pv1_51", "whole"), [("A", True), ("V", False), ("", False)])
def test_a_cancellation_is_about_a_visit_or_the_whole_file(pv1_51: str, whole: bool) -> None:
    assert event_of(adt("A11").having("PV1^1^51", pv1_51)).whole_account is whole
    assert event_of(adt("A01").having("PV1^1^51", pv1_51)).whole_account is False


def test_moving_a_file_between_two_patients_merges_nobody() -> None:
    event = event_of(adt("A44").after("PID|", f"MRG|777^^^CH-TEST&750000001&M^PI~{OLD_INS_CX}"))
    assert (event.prior_identifiers, event.prior_ins) == ((), ())


@pytest.mark.parametrize(
    ("reliability", "profile", "expected"),
    [
        ("PROV", SenderProfile(), {"INS_WITHOUT_VALIDATION"}),
        ("", SenderProfile(), set()),
        ("", SenderProfile(pid32=Pid32.STRICT), {"INS_WITHOUT_VALIDATION"}),
        ("VALI~HOMA", SenderProfile(mode=Mode.STRICT), set()),
        ("PROV", SenderProfile(mode=Mode.STRICT), {"INS_WITHOUT_VALIDATION"}),
    ],
)
def test_an_ins_without_validation_is_reported_and_the_message_read(
    reliability: str, profile: SenderProfile, expected: set[str]
) -> None:
    reading = read(adt().having("PID^1^32", reliability), profile)
    assert reading.event is not None
    assert codes(reading.findings) == expected


def test_two_different_nir_are_reported() -> None:
    reading = read(adt().having("PID^1^3", f"{IPP_CX}~{INS_CX}~{OLD_INS_CX}"))
    assert reading.event is not None
    assert codes(reading.findings) == {"INS_CONTRADICTORY"}


def test_an_event_of_a_stay_needs_its_visit_unless_the_patient_is_only_expected() -> None:
    assert codes(read(adt("A01").having("PV1^1^19", "")).findings) == {"VISIT_NUMBER_MISSING"}
    assert codes(read(adt("A01").without("PV1")).findings) == {"SEGMENT_MISSING"}
    assert codes(read(adt("A05").having("PV1^1^19", "")).findings) == set()
    assert codes(read(adt("A31").having("PV1^1^19", "")).findings) == set()
