"""Technical acknowledgments, written and read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pfi.model.acknowledgment import AckCode, AckError, TechnicalAck
from pfi.model.submission import MessageHeader
from pfi.standards.hl7v2.ack import AckReading, read_ack, write_ack
from pfi.standards.hl7v2.header import read_header
from pfi.standards.hl7v2.tokenizer import UnreadableMessageError, parse
from tests.unit.hl7v2.specimens import Specimen, adt, mdm, oru

NOW = datetime(2026, 3, 5, 10, 14, 1, tzinfo=timezone(timedelta(hours=1)))
REFUSAL = TechnicalAck(
    AckCode.AE,
    (
        AckError("101", "PV1^1^19", text="PV1-19 (numéro de venue) est requis."),
        AckError("207", "PID^1^3", "904", "L'INS diffère."),
    ),
)


def header_of(specimen: Specimen) -> MessageHeader:
    return read_header(parse(specimen.raw()))


def written(specimen: Specimen, ack: TechnicalAck = REFUSAL) -> bytes:
    return write_ack(header_of(specimen), ack, control_id="P-000470", now=NOW)


def test_a_positive_acknowledgment_is_two_segments() -> None:
    assert written(oru(), TechnicalAck(AckCode.AA)) == (
        b"MSH|^~\\&|PFI-TEST|CH-TEST|SGL-TEST|LABO-TEST|20260305101401+0100||ACK^R01^ACK|P-000470|T|2.5|||||FRA"
        b"|UNICODE UTF-8\rMSA|AA|L-77120\r"
    )


def test_a_refusal_carries_one_err_per_error() -> None:
    assert written(mdm()).decode().split("\r")[1:] == [
        "MSA|AE|R-501",
        "ERR||PV1^1^19|101^Required field missing^messageErrorCondition|E||||PV1-19 (numéro de venue) est requis.",
        "ERR||PID^1^3|207^Application error^messageErrorCondition|E|904^L'INS transmis ne correspond pas exactement à "
        "celui stocké dans la base du consommateur^applicationErrorCode|||L'INS diffère.",
        "",
    ]


def test_err_5_only_goes_with_207() -> None:
    ack = TechnicalAck(AckCode.AE, (AckError("101", "PID^1^3", "904"),))
    assert b"904" not in written(oru(), ack)


def test_a_positive_acknowledgment_has_no_err() -> None:
    assert b"ERR" not in written(oru(), TechnicalAck(AckCode.AA, REFUSAL.errors))


@pytest.mark.parametrize("event", ["T02", "T04", "T10"])
def test_the_event_and_the_version_are_those_of_the_request(event: str) -> None:
    msh = parse(written(mdm(event))).msh
    assert (msh.text(9), msh.text(12), msh.text(11)) == (f"ACK^{event}^ACK", "2.6", "T")


def test_an_adt_is_acknowledged_in_its_own_event() -> None:
    msh = parse(written(adt("A47"))).msh
    assert (msh.text(9), msh.text(12)) == ("ACK^A47^ACK", "2.5")


@pytest.mark.parametrize(
    ("charset", "answered", "codec"),
    [
        ("UNICODE UTF-8", "UNICODE UTF-8", "utf-8"),
        ("8859/15", "8859/15", "iso8859-15"),
        ("8859/1", "8859/15", "iso8859-15"),
        ("", "UNICODE UTF-8", "utf-8"),
        ("BIG-5", "UNICODE UTF-8", "utf-8"),
    ],
)
def test_the_answer_is_in_the_charset_of_the_request(charset: str, answered: str, codec: str) -> None:
    raw = written(oru().having("MSH^1^18", charset))
    assert parse(raw).msh.text(18) == answered
    assert "numéro" in raw.decode(codec)


def test_what_8859_15_cannot_write_is_replaced() -> None:
    ack = TechnicalAck(AckCode.AE, (AckError("199", "", text="l’œuvre – 5 € … ≠"),))
    assert read_ack(written(oru().having("MSH^1^18", "8859/15"), ack)).errors[0].text == "l'œuvre - 5 € ... ?"


def test_delimiters_in_texts_are_escaped_and_come_back() -> None:
    text = "a|b^c&d~e\\f"
    raw = written(oru(), TechnicalAck(AckCode.AE, (AckError("199", "MSH^1^9", text=text),)))
    assert raw.count(b"\r") == 3
    assert read_ack(raw).errors[0].text == text


def test_line_ends_and_framing_bytes_cannot_be_smuggled_into_an_answer() -> None:
    specimen = oru().having("MSH^1^10", "1\\X0D\\MSA\\X1C\\\\X0B\\").having("MSH^1^3", "A\\.br\\B")
    raw = written(specimen, TechnicalAck(AckCode.AA))
    assert raw.count(b"\r") == 2
    assert b"\x1c" not in raw
    assert b"\x0b" not in raw


def test_the_control_id_comes_back_as_it_was() -> None:
    assert b"MSA|AA|000015\r" in written(oru().having("MSH^1^10", "000015"), TechnicalAck(AckCode.AA))


def test_a_place_inside_a_document_is_no_err_2() -> None:
    ack = TechnicalAck(AckCode.AE, (AckError("207", "recordTarget/patientRole/id", "904"),))
    assert read_ack(written(oru(), ack)).errors == (AckError("207", "", "904"),)


def test_a_long_text_is_cut() -> None:
    assert (
        len(read_ack(written(oru(), TechnicalAck(AckCode.AE, (AckError("199", text="x" * 999),)))).errors[0].text)
        == 250
    )


def test_what_is_written_is_read_back() -> None:
    assert read_ack(written(oru())) == AckReading("L-77120", AckCode.AE, REFUSAL.errors)


def test_time_in_utc_says_so() -> None:
    raw = write_ack(header_of(oru()), TechnicalAck(AckCode.AA), control_id="1", now=NOW.astimezone(UTC))
    assert parse(raw).msh.text(7) == "20260305091401+0000"


def test_a_request_without_version_or_event_still_gets_an_answer() -> None:
    raw = written(oru().having("MSH^1^12", "").having("MSH^1^9", ""))
    assert (parse(raw).msh.text(9), parse(raw).msh.text(12)) == ("ACK^^ACK", "2.5")


@pytest.mark.parametrize(
    ("code", "expected"),
    [("AA", AckCode.AA), ("CA", AckCode.AA), ("CE", AckCode.AE), ("AR", AckCode.AR), ("CR", AckCode.AR)],
)
def test_acknowledgments_of_both_modes_are_understood(code: str, expected: AckCode) -> None:
    assert read_ack(f"MSH|^~\\&|A|B\nMSA|{code}|00015\n".encode()) == AckReading("00015", expected)


def test_an_old_error_text_in_msa_3_is_kept() -> None:
    reading = read_ack(b"MSH|^~\\&|A|B\rMSA|AR|1|Base indisponible|||207^x\r")
    assert reading.errors == (AckError("207", text="Base indisponible"),)


@pytest.mark.parametrize("raw", [b"MSH|^~\\&|A\r", b"MSH|^~\\&|A\rMSA|ZZ|1\r", b"", b"garbage"])
def test_what_is_no_acknowledgment_raises(raw: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        read_ack(raw)
