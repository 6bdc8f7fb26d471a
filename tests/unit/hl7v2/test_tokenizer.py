"""Bytes into segments, fields, components: charsets, delimiters, line ends, escapes."""

import time

import pytest

from pfi.standards.hl7v2.tokenizer import UnreadableMessageError, parse
from tests.unit.hl7v2.specimens import codes, oru

MSH = "MSH|^~\\&|APP|FAC|||20260305101400||ORU^R01^ORU_R01|1|P|2.5|||||FRA|"


def with_charset(charset: str, text: str, codec: str) -> bytes:
    return f"{MSH}{charset}\rNTE|1||{text}\r".encode(codec)


@pytest.mark.parametrize("terminator", ["\r", "\n", "\r\n", "\r\n\r\n", "\n  \n"])
def test_any_line_end_separates_segments(terminator: str) -> None:
    message = parse(oru().raw(terminator=terminator))
    assert [segment.name for segment in message.segments] == [line.split("|")[0] for line in oru().lines]
    assert message.findings == ()


def test_the_last_terminator_may_be_missing() -> None:
    assert parse(MSH.encode() + b"\rNTE|1").first("NTE") is not None


def test_a_byte_order_mark_is_dropped() -> None:
    assert parse(b"\xef\xbb\xbf" + oru().raw()).msh.component(3) == "SGL-TEST"


def test_msh_fields_are_numbered_from_the_separator() -> None:
    msh = parse(oru().raw()).msh
    assert (msh.text(1), msh.text(2), msh.text(3), msh.text(10)) == ("|", "^~\\&", "SGL-TEST", "L-77120")


def test_absent_fields_and_components_are_empty() -> None:
    pv1 = parse(oru().raw()).first("PV1")
    assert pv1 is not None
    assert pv1.text(99) == ""
    assert pv1.component(19, 99) == ""
    assert pv1.first(19).subcomponent(4, 9) == ""
    assert pv1.repetitions(5) == ()
    assert pv1.field_count == 44


def test_repetitions_components_and_subcomponents_are_cut() -> None:
    pid = parse(oru().raw()).first("PID")
    assert pid is not None
    assert [cx.component(5) for cx in pid.repetitions(3)] == ["INS", "PI"]
    assert pid.first(3).subcomponents(4) == ("ASIP-SANTE-INS-NIR", "1.2.250.1.213.1.4.10", "ISO")
    assert pid.first(3).component(4) == "ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO"


def test_segments_of_a_name_are_counted_from_one() -> None:
    message = parse(oru().raw())
    assert [segment.where(4) for segment in message.all("PRT")] == [f"PRT^{rank}^4" for rank in range(1, 5)]


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("unicode  utf-8", "utf-8"),
        ("8859/15", "iso8859-15"),
        ("8859/1", "iso8859-1"),
        ("ASCII", "utf-8"),
        ("ASCII", "iso8859-15"),
        ("", "utf-8"),
        ("", "iso8859-15"),
    ],
)
def test_msh_18_chooses_the_codec(charset: str, codec: str) -> None:
    message = parse(with_charset(charset, "Hôpital, été", codec))
    assert message.segments[1].text(3) == "Hôpital, été"
    assert message.findings == ()


def test_the_euro_and_oe_of_8859_15_are_read() -> None:
    assert parse(with_charset("8859/15", "Sœur, 5 €", "iso8859-15")).segments[1].text(3) == "Sœur, 5 €"


def test_a_message_that_only_pretends_to_be_utf_8_is_read_in_8859_15_with_a_warning() -> None:
    message = parse(with_charset("UNICODE UTF-8", "œdème", "iso8859-15"))
    assert message.segments[1].text(3) == "œdème"
    assert [(finding.code, finding.where, finding.err3) for finding in message.findings] == [
        ("CHARSET_MISMATCH", "MSH^1^18", "102")
    ]


@pytest.mark.parametrize("codec", ["utf-8", "iso8859-15"])
def test_an_unknown_charset_is_reported_and_guessed(codec: str) -> None:
    message = parse(with_charset("ISO IR87", "été", codec))
    assert message.segments[1].text(3) == "été"
    assert codes(message.findings) == {"CHARSET_UNKNOWN"}


def test_a_small_tilde_is_tolerated_as_repetition_separator() -> None:
    raw = "MSH|^˜\\&|A|B|||||ORU^R01|1|P|2.5|||||FRA|UNICODE UTF-8\rPID|||1^^^A~x˜2^^^B\r".encode()
    message = parse(raw)
    pid = message.first("PID")
    assert pid is not None
    assert [cx.component(1) for cx in pid.repetitions(3)] == ["1", "2"]
    assert codes(message.findings) == {"ENCODING_CHARACTERS"}


def test_a_small_tilde_is_seen_even_when_the_declared_charset_is_wrong() -> None:
    raw = "MSH|^˜\\&|A|B|||||ORU^R01|1|P|2.5|||||FRA|8859/15\rPID|||1˜2\r".encode()
    pid = parse(raw).first("PID")
    assert pid is not None
    assert len(pid.repetitions(3)) == 2


def test_other_delimiters_are_read_from_msh() -> None:
    message = parse(b"MSH#*+?%#APP*1.2%3*ISO##########\rPID###1*a+2*b?F?x\r")
    pid = message.first("PID")
    assert pid is not None
    assert message.msh.first(3).subcomponent(2, 2) == "3"
    assert [repetition.component(2) for repetition in pid.repetitions(3)] == ["a", "b#x"]


@pytest.mark.parametrize("marks", ["", "^~", "^^\\&", "a~\\&", "^~\\&#&"])
def test_unusable_delimiters_give_way_to_the_usual_ones(marks: str) -> None:
    message = parse(f"MSH|{marks}|A&B|F\rPID|||1^a~2\r".encode())
    pid = message.first("PID")
    assert pid is not None
    assert pid.first(3).component(2) == "a"
    assert codes(message.findings) == {"ENCODING_CHARACTERS"}


def test_a_fifth_delimiter_of_later_versions_is_ignored() -> None:
    assert parse(b"MSH|^~\\&#|A|F\r").findings == ()


def test_wrapped_lines_are_glued_with_a_warning() -> None:
    raw = MSH.encode() + b"\rOBX|1|ED|x||^TEXT^XML^Base64^QUJD\nREVG\r\nR0hJ||||||F|\rNTE|1\r"
    message = parse(raw)
    obx = message.first("OBX")
    assert obx is not None
    assert obx.first(5).component_raw(5) == b"QUJDREVGR0hJ"
    assert obx.text(11) == "F"
    assert message.first("NTE") is not None
    assert codes(message.findings) == {"LINE_WRAPPED"}


def test_a_last_wrapped_line_is_glued_too() -> None:
    assert parse(MSH.encode() + b"\rNTE|1||a\nb\n").segments[1].text(3) == "ab"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"ligne 1\.br\ligne 2", "ligne 1\nligne 2"),
        (r"\XC3A9\t\Xe9\ ", "ét\ufffd"),
        (r"C:\dossier\F\x", "C:\\dossier|x"),
        (r"fin\E", "fin\\E"),
        (r"\H\gras\N\ ", r"\H\gras\N" + "\\"),
        (r"\E\F\E\ ", "\\F\\"),
        (r"a\X00\b\X1C\c", "abc"),
        ("  espaces\u00a0\u2003", "espaces"),
    ],
)
def test_escapes_are_undone_and_texts_trimmed(written: str, meant: str) -> None:
    assert parse(with_charset("UNICODE UTF-8", written, "utf-8")).segments[1].text(3) == meant


def test_escaped_separators_do_not_cut() -> None:
    nte = parse(with_charset("UNICODE UTF-8", r"a\S\b^c\R\d~e", "utf-8")).segments[1]
    assert [r.component(1) for r in nte.repetitions(3)] == ["a^b", "e"]
    assert nte.component(3, 2) == "c~d"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "HL7_EMPTY"),
        (b"\r\n \r", "HL7_EMPTY"),
        (b"<?xml version='1.0'?>", "HL7_XML"),
        (b"PID|||1\rMSH|^~\\&|", "HL7_NO_MSH"),
        (b"MSH", "HL7_NO_MSH"),
        (b"MSHA^~", "HL7_NO_MSH"),
        (b"MSH ^~", "HL7_NO_MSH"),
        (b"MSH\xe9^~", "HL7_NO_MSH"),
        (b"\x00\xff", "HL7_NO_MSH"),
    ],
)
def test_bytes_without_msh_are_unreadable(raw: bytes, code: str) -> None:
    with pytest.raises(UnreadableMessageError) as caught:
        parse(raw)
    assert caught.value.code == code


def test_the_head_of_an_oversize_message_gives_its_header() -> None:
    assert parse(oru().raw()[:300]).msh.text(10) == "L-77120"


def test_a_message_around_a_big_document_is_split_fast() -> None:
    raw = oru().having("OBX^1^5", "^TEXT^XML^Base64^" + "QUJD" * 75_000).raw()

    def once() -> float:
        started = time.perf_counter()
        for obx in parse(raw).all("OBX"):
            obx.whole(5).component_raw(5)
        return time.perf_counter() - started

    assert min(once() for _ in range(20)) < 0.005
