"""The tokenizer against python-hl7, and what we write against hl7apy."""

from datetime import UTC, datetime
from pathlib import Path

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from pfi.model.acknowledgment import AckCode, AckError, BusinessAck, BusinessEvent, TechnicalAck
from pfi.standards.hl7v2.ack import write_ack
from pfi.standards.hl7v2.header import read_header
from pfi.standards.hl7v2.tokenizer import parse
from pfi.standards.hl7v2.zam import write_zam
from tests.unit.hl7v2.official import samples
from tests.unit.hl7v2.specimens import Specimen, adt, mdm, oru

NOW = datetime(2026, 3, 5, 10, 14, 1, tzinfo=UTC)


def same_cut(text: str) -> None:
    """Both see the same segments, fields, repetitions and components."""
    ours, theirs = parse(text.encode()), hl7.parse(text)
    assert [segment.name for segment in ours.segments] == [str(segment[0]) for segment in theirs]
    for mine, other in zip(ours.segments, theirs, strict=True):
        assert mine.field_count == len(other) - 1
        for number in range(1, len(other)):
            assert mine.raw(number).decode() == str(other[number])
        for number in range(3, len(other)):
            if str(other[number]) and mine.name != "MSH":
                pieces = [piece for piece in other[number] if str(piece)]
                assert [repetition.raw.decode() for repetition in mine.repetitions(number)] == list(map(str, pieces))
                for repetition, piece in zip(mine.repetitions(number), pieces, strict=True):
                    parts = [piece] if isinstance(piece, str) else piece
                    for rank, part in enumerate(parts, start=1):
                        assert repetition.component_raw(rank).decode() == str(part)


@pytest.mark.parametrize("specimen", [oru(), mdm(), adt()])
def test_our_specimens_are_cut_as_python_hl7_does(specimen: Specimen) -> None:
    same_cut(specimen.raw().decode())


@pytest.mark.skipif(not samples(), reason="exemples HL7 v2 officiels absents (PFI_ANS_DIR)")
@pytest.mark.parametrize("path", samples(), ids=lambda path: path.name)
def test_official_examples_are_cut_as_python_hl7_does(path: Path) -> None:
    text = path.read_bytes().decode().replace("\r\n", "\r").replace("\n", "\r")
    same_cut("\r".join(line for line in text.split("\r") if line.strip()) + "\r")


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=8)
fields = st.lists(texts, max_size=6).map("|".join)
names = st.from_regex(r"[A-Z][A-Z0-9]{2}", fullmatch=True).filter(lambda name: name not in ("MSH", "BHS", "FHS"))
segments = st.tuples(names, fields).map("|".join)


@given(st.lists(segments, max_size=6))
def test_any_message_is_cut_as_python_hl7_does(lines: list[str]) -> None:
    """A last field is added: python-hl7 strips white space at the end of a message."""
    head = "MSH|^~\\&|A|B|C|D|20260305||ORU^R01^ORU_R01|1|P|2.5|||||FRA|UNICODE UTF-8"
    same_cut("\r".join([head, *(line + "|." for line in lines)]) + "\r")


@pytest.mark.parametrize("specimen", [oru(), mdm(), mdm("T10", "RO", "C"), mdm("T04", "CA", "D")])
@pytest.mark.parametrize(
    "ack",
    [
        TechnicalAck(AckCode.AA),
        TechnicalAck(AckCode.AE, (AckError("101", "PV1^1^19", text="a|b"), AckError("207", "PID^1^3", "904"))),
        TechnicalAck(AckCode.AR, (AckError("207"),)),
        TechnicalAck(AckCode.AA, (AckError("207", text="envoi dû", severity="W"),)),
    ],
)
def test_acknowledgments_are_valid_for_hl7apy(specimen: Specimen, ack: TechnicalAck) -> None:
    raw = write_ack(read_header(parse(specimen.raw())), ack, control_id="P-1", now=NOW)
    message = parse_message(raw.decode(), validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)
    assert message.validate()
    assert [child.name for child in message.children] == ["MSH", "MSA", *["ERR"] * len(ack.errors)]
    assert message.msa.msa_1.value == ack.code.value


@pytest.mark.parametrize("event", list(BusinessEvent))
def test_business_acknowledgments_keep_all_their_segments_for_hl7apy(event: BusinessEvent) -> None:
    ack = BusinessAck(event, "L-1", False, NOW, "a@b.mssante.fr", "8", "550", "échec")
    raw = write_zam(read_header(parse(oru().raw())), ack, control_id="P-1", now=NOW)
    message = parse_message(raw.decode(), validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)
    mailbox = [] if event is BusinessEvent.DMP_RECEPTION else ["OBX"]
    assert [child.name for child in message.children] == ["MSH", "EVN", "OBX", *mailbox, "ERR"]
