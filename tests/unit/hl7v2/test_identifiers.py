"""National forms of identifiers, dates, OIDs hidden in authorities."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pfi.standards.hl7v2.identifiers import find_oid, national_person, national_structure
from pfi.standards.hl7v2.timestamp import as_utc, has_birth_date_shape, read_timestamp, write_timestamp


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("10000023084", "RPPS", ("810000023084", "IDNPS")),
        ("810000023084", "RPPS", ("810000023084", "IDNPS")),
        ("810000023084", "IDNPS", ("810000023084", "IDNPS")),
        ("10000023084", "", ("810000023084", "IDNPS")),
        ("759900001", "ADELI", ("0759900001", "IDNPS")),
        ("0759900001", "ADELI", ("0759900001", "IDNPS")),
        ("759900001", "", ("759900001", "")),
        ("3750000001/12", "IDNPS", ("3750000001/12", "IDNPS")),
        ("R854", "EI", ("R854", "EI")),
        ("10000023084", "EI", ("10000023084", "EI")),
        ("279035121518989", "INS", ("279035121518989", "INS")),
        ("", "", ("", "")),
    ],
)
def test_person_identifiers_get_their_type_digit(value: str, kind: str, expected: tuple[str, str]) -> None:
    assert national_person(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("750000001", "FINEG", ("1750000001", "IDNST")),
        ("750000001", "FINEJ", ("1750000001", "IDNST")),
        ("1750000001", "FINEG", ("1750000001", "IDNST")),
        ("1750000001", "IDNST", ("1750000001", "IDNST")),
        ("2A0000001", "FINEG", ("12A0000001", "IDNST")),
        ("35600000000048", "SIRET", ("335600000000048", "IDNST")),
        ("335600000000048", "IDNST", ("335600000000048", "IDNST")),
        ("3435", "UF", ("3435", "UF")),
        ("750000001", "UF", ("750000001", "UF")),
        ("12", "SVR", ("12", "SRV")),
        ("750000001", "", ("750000001", "")),
        ("", "FINEG", ("", "FINEG")),
    ],
)
def test_structure_identifiers_get_their_type_digit(value: str, kind: str, expected: tuple[str, str]) -> None:
    assert national_structure(value, kind) == expected


@pytest.mark.parametrize(
    ("parts", "oid"),
    [
        (("ASIP-SANTE- PS", "1.2.250.1.71.4.2.1", "ISO"), "1.2.250.1.71.4.2.1"),
        (("1.2.250.1.213.1.4.10",), "1.2.250.1.213.1.4.10"),
        (("120456789", "750000001", "M"), ""),
        ((), ""),
    ],
)
def test_an_oid_is_found_anywhere_in_an_authority(parts: tuple[str, ...], oid: str) -> None:
    assert find_oid(parts) == oid


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026", datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ("202607", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("20260701", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("2026070112", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("202607011230", datetime(2026, 7, 1, 10, 30, tzinfo=UTC)),
        ("20260105123045", datetime(2026, 1, 5, 11, 30, 45, tzinfo=UTC)),
        ("20260105123045.25", datetime(2026, 1, 5, 11, 30, 45, 250_000, tzinfo=UTC)),
        ("20260105123045-0400", datetime(2026, 1, 5, 16, 30, 45, tzinfo=UTC)),
        ("20260105+1130", datetime(2026, 1, 4, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_a_moment(text: str, moment: datetime) -> None:
    read = read_timestamp(text)
    assert read is not None
    assert as_utc(read) == moment


@pytest.mark.parametrize(
    "text",
    ["", "26", "20261301", "20260230", "2026070125", "demain", "20260105+9999", "0001", "9999", "٢٠٢٦", "20260105 "],
)
def test_what_is_no_timestamp_is_none(text: str) -> None:
    assert read_timestamp(text) is None


def test_a_timestamp_is_written_with_the_offset_of_its_zone() -> None:
    paris = timezone(timedelta(hours=1))
    assert write_timestamp(datetime(2026, 1, 5, 12, 30, 45, tzinfo=paris)) == "20260105123045+0100"


@pytest.mark.parametrize("text", ["1979", "197903", "19790328", "19790328101500", "19794503", "19790328+0100"])
def test_birth_dates_out_of_the_calendar_keep_their_shape(text: str) -> None:
    assert has_birth_date_shape(text)


@pytest.mark.parametrize("text", ["79", "28/03/1979", "1979032", "inconnu"])
def test_other_birth_dates_have_no_shape(text: str) -> None:
    assert not has_birth_date_shape(text)
