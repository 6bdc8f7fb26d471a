"""The MDM of flux 6 beside the official ones of profile 1.1: same segments, same fields, same values where the data are
the same."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from pfi.model.document import Document, DocumentId
from pfi.model.errors import SenderDataError
from pfi.model.parties import Author
from pfi.model.profile import Mode
from pfi.model.submission import Request
from pfi.standards.cda.header import read_header
from pfi.standards.hl7v2.attachment import decode
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.documents import read_code, read_documents
from pfi.standards.hl7v2.mdm import Addressing, MailOrigin, MailRecipient, write_mdm
from pfi.standards.hl7v2.orders import read_orders
from pfi.standards.hl7v2.participants import read_address, read_device, read_organization, read_person
from pfi.standards.hl7v2.patient_segment import read_patient
from pfi.standards.hl7v2.tokenizer import Message, Segment, parse
from tests.unit.hl7v2.official import of_type
from tests.unit.mssante.material import cda, document

PROFILE: Final = b"|1.1^CISIS_CDA_HL7_LPS"
SAMPLES: Final = tuple(path for path in of_type("MDM") if PROFILE in path.read_bytes())
NOW: Final = datetime(2026, 3, 7, 10, 5, tzinfo=UTC)

NOT_OURS: Final = {
    "EVN": {5, 6},  # who typed it, and when
    "PID": {18, 31},  # a stay of the sender; an identity that we do not judge
    "TXA": {4, 22},  # not in the list of the volet
}
"""Fields of the official messages that the volet does not list: only listed ones are to be filled."""
NEVER_SAME: Final = {
    "MSH": {7},  # our own time
    "EVN": {2},
    "PID": {3, 5, 7, 8, 11, 32},  # compared as a patient
    "TXA": {12, 13},  # the samples glue root and extension and add the name of an organization
    "OBX": {5},  # compared as documents, flags and texts
    "PRT": {4, 5, 8, 10, 15},  # compared as participants
}

pytestmark = pytest.mark.skipif(not SAMPLES, reason="exemples officiels du flux 6 absents (PFI_ANS_DIR)")


def sample_document(sample: Message) -> Document:
    """The CDA of the sample, or one of ours under the same type where the sample has a placeholder."""
    (received,) = read_documents(sample, 1, Deviations(Mode.TOLERANT)).documents
    try:
        sent = Document(received.content, read_header(received.content))
    except SenderDataError:
        sent = document(cda())
    obr = sample.first("OBR")
    assert obr is not None
    header = replace(sent.header, code=read_code(obr.first(4)), replaced=sent.header.replaced or DocumentId("1.2.3"))
    return replace(sent, header=header)


def sample_mail(sample: Message) -> MailOrigin:
    by_role: dict[str, list[Segment]] = {"SB": [], "RCT": [], "REPLY": []}
    for prt in sample.all("PRT"):
        by_role[prt.component(4)].append(prt)
    (sb,) = by_role["SB"]
    obx = sample.all("OBX")[1]
    body = decode(obx.whole(5))
    assert body is not None
    return MailOrigin(
        message_id=obx.component(3, 1),
        subject=obx.component(3, 2),
        text=body.content.decode(),
        received_at=NOW,
        sender=read_address(sb),
        sender_party=Author(read_person(sb.first(5)), read_organization(sb.first(8)), read_device(sb.first(10))),
        recipients=tuple(MailRecipient(read_address(prt), read_organization(prt.first(8))) for prt in by_role["RCT"]),
        reply_to=tuple(read_address(prt) for prt in by_role["REPLY"]),
    )


def ours(sample: Message) -> Message:
    """What we write from the data of the sample."""
    msh, orc, pid = sample.msh, sample.first("ORC"), sample.first("PID")
    assert orc is not None
    assert pid is not None
    sent = sample_document(sample)
    return parse(
        write_mdm(
            replace(sent, header=replace(sent.header, patient=read_patient(pid))),
            request={"NW": Request.INITIAL, "RO": Request.REPLACE, "CA": Request.DELETE}[orc.text(1)],
            flags=read_orders(sample, "CWE", Deviations(Mode.TOLERANT)).orders,
            mail=sample_mail(sample),
            addressing=Addressing(*(msh.component(number) for number in (3, 4, 5, 6, 11))),
            control_id=msh.text(10),
            now=NOW,
            identity_reliability=read_patient(pid).reliability,
        )
    )


def filled(segment: Segment) -> set[int]:
    return {number for number in range(1, segment.field_count + 1) if segment.text(number)}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_segments_and_fields_are_those_of_the_official_message(path: Path) -> None:
    sample = parse(path.read_bytes())
    mine = ours(sample)
    assert [segment.name for segment in mine] == [segment.name for segment in sample]
    for segment, official in zip(mine, sample, strict=True):
        assert filled(segment) == filled(official) - NOT_OURS.get(segment.name, set()), segment.name
        for number in filled(segment) - NEVER_SAME.get(segment.name, set()):
            assert segment.text(number) == official.text(number), (segment.name, number)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_flags_texts_and_participants_are_read_alike(path: Path) -> None:
    sample = parse(path.read_bytes())
    mine = ours(sample)
    assert sample_mail(mine) == sample_mail(sample)
    assert [obx.text(5) for obx in mine.all("OBX")[2:]] == [obx.text(5) for obx in sample.all("OBX")[2:]]
    assert [prt.component(4) for prt in mine.all("PRT")] == [prt.component(4) for prt in sample.all("PRT")]
    assert mine.all("OBX")[0].whole(5).component_raw(4) == b"Base64"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_patient_is_read_alike(path: Path) -> None:
    official, mine = parse(path.read_bytes()).first("PID"), ours(parse(path.read_bytes())).first("PID")
    assert official is not None
    assert mine is not None
    assert replace(read_patient(official), account=None) == read_patient(mine)
