"""Every official example gets the answer that the rules prescribe, found again here by plain string splitting."""

import re
from pathlib import Path

import pytest

from pfi.model.acknowledgment import AckCode
from pfi.model.profile import Mode, SenderProfile
from pfi.standards.hl7v2.ack import read_ack
from pfi.standards.hl7v2.adt import read_adt
from pfi.standards.hl7v2.header import read_header
from pfi.standards.hl7v2.request import RequestReading, read_request
from pfi.standards.hl7v2.tokenizer import parse
from pfi.standards.hl7v2.zam import read_zam
from tests.unit.hl7v2.official import of_type, samples
from tests.unit.hl7v2.specimens import errors

pytestmark = pytest.mark.skipif(not samples(), reason="exemples HL7 v2 officiels absents (PFI_ANS_DIR)")

REQUESTS = (*of_type("ORU"), *of_type("MDM"))
ROWS = ("N N N . . Y Y", "N Y N . . Y N", ". N . N N N Y")
"""Flags 1, 2, 3, 4, 6, 7, 8 of the published matrix."""


class Plain:
    """An example cut by hand: no code of the project."""

    def __init__(self, path: Path) -> None:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        self.lines = [line.split("|") for line in text.split("\n") if line.strip()]
        self.msh = self.lines[0]
        self.repetition = self.msh[1][1]

    def all(self, name: str) -> list[list[str]]:
        return [line for line in self.lines if line[0] == name]

    def field(self, name: str, number: int) -> str:
        found = self.all(name)
        return found[0][number] if found and len(found[0]) > number else ""

    @property
    def documents(self) -> list[list[str]]:
        return [obx for obx in self.all("OBX") if obx[2] == "ED" and obx[5].split("^")[2].upper() == "XML"]

    def flag(self, *names: str) -> str:
        values = [obx[5].split("^")[0] for obx in self.all("OBX") if obx[3].split("^")[0] in names]
        return values[0] if values else ""

    @property
    def flags(self) -> tuple[str, ...]:
        return (
            self.flag("MASQUE_PS"),
            self.flag("INVISIBLE_PATIENT"),
            self.flag("INVISIBLE_REP_LEGAUX", "INVISIBLE_REPRESENTANTS_LEGAUX"),
            self.flag("CONNEXION_SECRETE"),
            self.flag("DESTDMP"),
            self.flag("DESTMSSANTEPS"),
            self.flag("DESTMSSANTEPAT"),
        )

    @property
    def recipients(self) -> list[list[str]]:
        return [prt for prt in self.all("PRT") if prt[4].startswith("RCT")]

    def patient_recipients(self) -> list[list[str]]:
        return [prt for prt in self.recipients if prt[15].endswith("@patient.mssante.fr")]

    def incoherent(self) -> bool:
        told = {{"F": 1, "C": 2, "D": 3}[obx[11]] for obx in self.documents}
        told |= {n for n, code in enumerate(("NW", "RO", "CA"), 1) if self.field("ORC", 1) == code}
        told |= {n for n, event in enumerate(("T02", "T10", "T04"), 1) if event == self.msh[8].split("^")[1]}
        return len(told) > 1

    def tolerant_refuses(self) -> bool:
        masked, invisible, _, _, _, professional, patient = self.flags
        return (
            self.incoherent()
            or (professional == "Y" and len(self.recipients) == len(self.patient_recipients()))
            or (patient == invisible == "Y")
            or (professional == masked == "Y")
            or any(len(obx[5].split("^")[4].rstrip("=")) % 4 == 1 for obx in self.documents)
        )

    def strict_refuses(self) -> bool:
        _, _, representatives, secret, dmp, professional, patient = self.flags
        listed = any(re.fullmatch(row.replace(" ", ""), "".join(self.flags)) for row in ROWS)
        return (
            self.tolerant_refuses()
            or self.msh[20] != "2.1^CISIS_CDA_HL7_V2"
            or self.repetition != "~"
            or "" in self.flags
            or self.field("ORC", 1) not in ("NW", "RO", "CA")
            or ("Y" in (professional, patient) and not listed)
            or (dmp == secret == "Y" and representatives == "N")
            or not self.field("PID", 5).split("^")[2]
        )


def read(path: Path, mode: Mode) -> RequestReading:
    return read_request(parse(path.read_bytes()), SenderProfile(mode=mode))


def named(path: Path) -> str:
    return "/".join(path.parts[-2:])


@pytest.mark.parametrize("path", REQUESTS, ids=named)
def test_requests_are_answered_as_the_rules_say_in_tolerant(path: Path) -> None:
    reading = read(path, Mode.TOLERANT)
    refused = reading.request is None
    assert refused == Plain(path).tolerant_refuses()
    if refused:
        assert errors(reading.findings) == [("101", "PRT^1", "RECIPIENT_MISSING")]


@pytest.mark.parametrize("path", REQUESTS, ids=named)
def test_requests_are_answered_as_the_rules_say_in_strict(path: Path) -> None:
    refused = read(path, Mode.STRICT).request is None
    assert refused == Plain(path).strict_refuses()


@pytest.mark.parametrize("path", REQUESTS, ids=named)
def test_what_is_read_is_what_is_written(path: Path) -> None:
    plain = Plain(path)
    request = read(path, Mode.TOLERANT).request
    if request is None:
        pytest.skip("demande refusée")
    ins = plain.field("PID", 3).split("^")
    assert request.patient.ins is not None
    assert (request.patient.ins.matricule, request.patient.ins.oid) == (ins[0], ins[3].split("&")[1])
    assert request.patient.reliability == (plain.field("PID", 32),)
    assert [document.obx_set_id for document in request.documents] == [int(obx[1]) for obx in plain.documents]
    assert [recipient.address for recipient in request.recipients] == [
        prt[15].split("^")[3] for prt in plain.recipients
    ]
    stated = {"Y": True, "N": False, "": None}
    assert (request.orders.dest_dmp, request.orders.dest_mss_ps, request.orders.dest_mss_pat) == tuple(
        stated[value] for value in plain.flags[4:]
    )


@pytest.mark.parametrize("path", of_type("ADT"), ids=named)
def test_consents_are_read(path: Path) -> None:
    plain = Plain(path)
    reading = read_adt(parse(path.read_bytes()))
    assert reading.event is not None
    # hl7v2 digest §8.1, pitfall 27: one of them writes ZBE one field too far.
    shifted = plain.field("ZBE", 5) in ("INSERT", "UPDATE", "CANCEL")
    assert [finding.code for finding in reading.findings] == (["MOVEMENT_SHIFTED"] if shifted else [])
    assert reading.event.movement is not None
    assert reading.event.movement.action == plain.field("ZBE", 4 + shifted)
    assert reading.event.movement.medical_unit == plain.field("ZBE", 7 + shifted).split("^")[-1]
    assert reading.event.establishment.unit == plain.field("ZBE", 7 + shifted).split("^")[-1]
    assert reading.event.establishment.ej == plain.field("PID", 3).split("^")[3].split("&")[1]
    assert reading.event.deceased is {"Y": True, "N": False}.get(plain.field("PID", 30))
    assert reading.event.feeding == (plain.field("ZFA", 9) or None)
    assert reading.event.consultation == (plain.field("ZFA", 11) or None)
    assert reading.event.patient.reliability == ("VALI",)
    assert reading.event.patient.ins is not None


@pytest.mark.parametrize("path", of_type("ACK"), ids=named)
def test_acknowledgments_are_read(path: Path) -> None:
    plain = Plain(path)
    reading = read_ack(path.read_bytes())
    assert reading.code == AckCode(plain.field("MSA", 1))
    assert reading.acknowledged_control_id == plain.field("MSA", 2)
    assert [error.err3 for error in reading.errors] == [err[3].split("^")[0] for err in plain.all("ERR")]


@pytest.mark.parametrize("path", of_type("ZAM"), ids=named)
def test_business_acknowledgments_are_read(path: Path) -> None:
    plain = Plain(path)
    ack = read_zam(path.read_bytes())
    assert ack.event.value in plain.msh[8]
    assert ack.request_control_id == plain.field("OBX", 4)
    assert ack.success == plain.field("OBX", 5).startswith("Y")
    assert ack.error_code == plain.field("ERR", 5).split("^")[0]


@pytest.mark.parametrize("path", samples(), ids=named)
def test_every_header_is_read(path: Path) -> None:
    plain = Plain(path)
    header = read_header(parse(path.read_bytes()))
    assert header.control_id == plain.msh[9]
    assert f"{header.message_code}^{header.trigger_event}" in plain.msh[8]
    assert header.version == plain.msh[11].split("^")[0]
