"""ZBE: the movement that a message tells, corrects or cancels."""

from datetime import UTC, datetime

import pytest

from pfi.model.adt import Movement, MovementAction
from pfi.model.finding import Severity
from pfi.model.profile import Mode, SenderProfile
from pfi.standards.hl7v2.adt import AdtReading, read_adt
from pfi.standards.hl7v2.movement import CANCEL_EVENTS, MOVEMENT_EVENTS
from pfi.standards.hl7v2.tokenizer import parse
from tests.unit.hl7v2.specimens import STRICT, TOLERANT, Specimen, adt, codes, errors

INSERT, UPDATE, CANCEL = MovementAction.INSERT, MovementAction.UPDATE, MovementAction.CANCEL
PLAIN = "ZBE|312^CH-TEST^750000001|20260308073000||"


def read(specimen: Specimen, profile: SenderProfile = TOLERANT) -> AdtReading:
    return read_adt(parse(specimen.raw()), profile=profile)


def movement_of(specimen: Specimen) -> Movement:
    event = read(specimen).event
    assert event is not None
    assert event.movement is not None
    return event.movement


def telling(trigger: str, zbe: str) -> Specimen:
    return adt(trigger).without("ZBE").without("ZFA").after("PV1", zbe)


def test_everything_of_a_movement_is_read() -> None:
    assert movement_of(adt()) == Movement(
        ids=("312^750000001",),
        action=INSERT,
        started_at=datetime(2026, 3, 8, 6, 30, tzinfo=UTC),
        historic=False,
        medical_unit="6268",
        care_unit="6269",
        nature="HMS",
    )


def test_a_correction_names_the_event_that_it_corrects() -> None:
    movement = movement_of(telling("Z99", f"{PLAIN}UPDATE|Y|A01|^^^^^^UF^^^7000"))
    assert (movement.action, movement.original_trigger, movement.historic) == (UPDATE, "A01", True)
    assert movement.medical_unit == "7000"


def test_all_the_numbers_of_a_movement_are_read_once() -> None:
    zbe = 'ZBE|1^GAM~2^GAM^1.2.3~1^GAM~""^GAM~^GAM|20260308073000||INSERT|N'
    assert movement_of(telling("A01", zbe)).ids == ("1^GAM", "2^1.2.3")


def test_the_older_place_of_the_code_of_a_unit_is_read_too() -> None:
    assert movement_of(telling("A01", f"{PLAIN}INSERT|N||Chirurgie^^6268")).medical_unit == "6268"


@pytest.mark.parametrize("trigger", sorted(MOVEMENT_EVENTS))
def test_without_a_usable_action_the_event_decides(trigger: str) -> None:
    expected = CANCEL if trigger in CANCEL_EVENTS else UPDATE if trigger == "Z99" else INSERT
    assert movement_of(telling(trigger, f"{PLAIN}|N|A01")).action is expected
    assert movement_of(telling(trigger, f"{PLAIN}XXX|N|A01")).action is expected


@pytest.mark.parametrize("trigger", sorted(CANCEL_EVENTS))
def test_the_events_that_cancel_do_so_whatever_their_action_says(trigger: str) -> None:
    assert movement_of(telling(trigger, f"{PLAIN}INSERT|N|A01")).action is CANCEL


def test_a_class_change_may_be_cancelled_by_its_own_event() -> None:
    reading = read(telling("A06", f"{PLAIN}CANCEL|N|A06"), STRICT)
    assert reading.event is not None
    assert reading.event.movement is not None
    assert reading.event.movement.action is CANCEL


@pytest.mark.parametrize(
    ("trigger", "zbe", "code", "err3", "where"),
    [
        ("A01", "ZBE||20260308073000||INSERT|N", "MOVEMENT_ID_MISSING", "101", "ZBE^1^1"),
        ("A01", "ZBE|1^GAM|||INSERT|N", "MOVEMENT_TIME_MISSING", "101", "ZBE^1^2"),
        ("A01", "ZBE|1^GAM|hier||INSERT|N", "MOVEMENT_TIME_INVALID", "102", "ZBE^1^2"),
        ("A01", "ZBE|1^GAM|20260308|20260309|INSERT|N", "MOVEMENT_END_FORBIDDEN", "102", "ZBE^1^3"),
        ("A01", f"{PLAIN}|N", "MOVEMENT_ACTION_MISSING", "101", "ZBE^1^4"),
        ("A01", f"{PLAIN}AJOUT|N", "MOVEMENT_ACTION_UNKNOWN", "103", "ZBE^1^4"),
        ("A01", f"{PLAIN}UPDATE|N|A01", "MOVEMENT_ACTION_UNEXPECTED", "103", "ZBE^1^4"),
        ("A03", f"{PLAIN}CANCEL|N|A03", "MOVEMENT_ACTION_UNEXPECTED", "103", "ZBE^1^4"),
        ("A11", f"{PLAIN}INSERT|N|A01", "MOVEMENT_ACTION_UNEXPECTED", "103", "ZBE^1^4"),
        ("Z99", f"{PLAIN}UPDATE|N|", "MOVEMENT_ORIGIN_MISSING", "101", "ZBE^1^6"),
        ("A13", f"{PLAIN}CANCEL|N|", "MOVEMENT_ORIGIN_MISSING", "101", "ZBE^1^6"),
        ("A01", f"{PLAIN}INSERT|N||||XX", "MOVEMENT_NATURE_UNKNOWN", "103", "ZBE^1^9"),
        ("A01", f"{PLAIN}INSERT|N||||C", "MOVEMENT_NATURE_UNKNOWN", "103", "ZBE^1^9"),
    ],
)
def test_a_faulty_movement_is_reported_and_refused_in_strict(
    trigger: str, zbe: str, code: str, err3: str, where: str
) -> None:
    tolerant = read(telling(trigger, zbe))
    assert tolerant.event is not None
    assert codes(tolerant.findings, Severity.WARNING) == {code}
    assert errors(read(telling(trigger, zbe), STRICT).findings) == [(err3, where, code)]


def test_only_a_correction_may_be_of_nature_c() -> None:
    assert read(telling("Z99", f"{PLAIN}UPDATE|N|A01|||C"), STRICT).findings == ()


def test_the_historic_flag_is_checked_in_strict_only() -> None:
    assert read(telling("A01", f"{PLAIN}INSERT|")).findings == ()
    assert errors(read(telling("A01", f"{PLAIN}INSERT|"), STRICT).findings) == [("103", "ZBE^1^5", "MOVEMENT_HISTORIC")]


def test_a_movement_written_one_field_too_far_is_read_and_reported() -> None:
    """hl7v2 digest §8.1, pitfall 27."""
    shifted = telling("A13", "ZBE|312^CH^1|20260308073000|20260309||CANCEL|N|A03|X^^^^^^UF^^^6268|X^^^^^^UF^^^6269|HMS")
    reading = read(shifted)
    assert reading.event is not None
    assert codes(reading.findings) == {"MOVEMENT_SHIFTED"}
    movement = reading.event.movement
    assert movement is not None
    assert (movement.action, movement.original_trigger, movement.nature) == (CANCEL, "A03", "HMS")
    assert (movement.medical_unit, movement.care_unit) == ("6268", "6269")
    assert reading.event.establishment.unit == "6268"
    assert read(shifted, STRICT).event is None


def test_an_event_of_a_stay_without_its_movement_is_reported() -> None:
    reading = read(adt().without("ZBE"))
    assert reading.event is not None
    assert reading.event.movement is None
    assert codes(reading.findings) == {"MOVEMENT_MISSING"}
    strict = read(adt().without("ZBE"), SenderProfile(mode=Mode.STRICT))
    assert errors(strict.findings) == [("100", "ZBE^1", "MOVEMENT_MISSING")]


@pytest.mark.parametrize("trigger", ["A28", "A31", "A08"])
def test_an_event_of_identity_has_no_movement(trigger: str) -> None:
    event = read(adt(trigger)).event
    assert event is not None
    assert event.movement is None
