"""Every official message gets the answer that the volet prescribes, in both modes.

The expectation is computed here from the rules, with python-hl7 and ElementTree: it shares no code with the engine.
"""

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import hl7
import pytest

from tests.acceptance.explaining import actions, explain
from tests.official import needs_official_samples, official_messages

pytestmark = needs_official_samples

CDA = "{urn:hl7-org:v3}"
INS_OIDS = {f"1.2.250.1.213.1.4.{last}" for last in (8, 9, 10, 11)}
FLAGS = {"INVISIBLE_REPRESENTANTS_LEGAUX": "INVISIBLE_REP_LEGAUX"}


class Message:
    """An independent and lazy reading of a message."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\r").replace("\n", "\r")
        self.message = hl7.parse("\r".join(line for line in text.split("\r") if line.strip()))
        self.type = self.field("MSH", 9, 0).split("^")[0]
        self.event = [*self.field("MSH", 9, 0).split("^"), ""][1]

    def segments(self, name: str) -> list[list[str]]:
        return [[str(field) for field in segment] for segment in self.message if str(segment[0]) == name]

    def field(self, name: str, number: int, index: int = 0) -> str:
        found = self.segments(name)
        return found[index][number] if index < len(found) and number < len(found[index]) else ""

    @property
    def flags(self) -> dict[str, str]:
        found = {}
        for obx in self.segments("OBX"):
            code = obx[3].split("^")[0].strip()
            if obx[2] in ("CE", "CWE"):
                found[FLAGS.get(code, code)] = obx[5].split("^")[0].strip()
        return found

    @property
    def documents(self) -> list[tuple[str, ElementTree.Element | None]]:
        """(OBX-11, root element or None when it is no CDA)."""
        found = []
        for obx in self.segments("OBX"):
            parts = obx[5].split("^")
            if obx[2] == "ED" and len(parts) > 4 and parts[2] == "XML":
                coded = parts[4] + "=" * (-len(parts[4]) % 4)
                try:
                    root = ElementTree.fromstring(base64.b64decode(coded))  # noqa: S314 - official samples
                except (ElementTree.ParseError, ValueError):
                    root = None
                found.append((obx[11], root if root is not None and root.tag == f"{CDA}ClinicalDocument" else None))
        return found

    @property
    def pid_ins(self) -> str:
        for repetition in re.split("[~\u02dc]", self.field("PID", 3)):
            parts = repetition.split("^")
            if len(parts) > 4 and parts[4] == "INS":
                return parts[0]
        return ""

    @property
    def recipients(self) -> tuple[int, int]:
        """(professionals, patients) among the PRT RCT."""
        professionals = patients = 0
        for prt in self.segments("PRT"):
            if prt[4].split("^")[0] == "RCT":
                is_patient = "@patient.mssante.fr" in (prt[15] if len(prt) > 15 else "") or "^INS" in prt[5]
                patients, professionals = patients + is_patient, professionals + (not is_patient)
        return professionals, patients


def ins_of(root: ElementTree.Element) -> str:
    for identifier in root.findall(f"{CDA}recordTarget/{CDA}patientRole/{CDA}id"):
        if identifier.get("root") in INS_OIDS:
            return identifier.get("extension", "")
    return ""


def expected_refusals(message: Message) -> set[tuple[str, str | None]]:
    """(ERR-3, ERR-5) of each reason to refuse in tolerant mode (volet §2.2, §3.1 and the digest's table §4.1)."""
    if message.type not in ("ORU", "MDM", "ADT"):
        return {("200", None)}
    if message.type == "ADT":
        return set()
    refusals: set[tuple[str, str | None]] = set()
    flags = message.flags
    professionals, _patients = message.recipients
    if flags.get("DESTMSSANTEPS") == "Y" and not professionals:
        refusals.add(("101", None))
    if flags.get("DESTMSSANTEPAT") == "Y" and flags.get("INVISIBLE_PATIENT") == "Y":
        refusals.add(("207", "906"))
    if flags.get("DESTMSSANTEPS") == "Y" and flags.get("MASQUE_PS") == "Y":
        refusals.add(("207", "906"))
    control = message.field("ORC", 1)
    event = {"T02": "F", "T10": "C", "T04": "D"}.get(message.event)
    for obx11, root in message.documents:
        wanted = {"NW": "F", "RO": "C", "CA": "D"}.get(control, obx11)
        if obx11 != wanted or (event or obx11) != obx11:
            refusals.add(("199", None))
        if root is None:
            refusals.add(("207", "906"))
            continue
        if message.pid_ins and ins_of(root) and ins_of(root) != message.pid_ins:
            refusals.add(("207", "904"))
        if obx11 == "C" and not root.findall(f"{CDA}relatedDocument[@typeCode='RPLC']"):
            refusals.add(("207", "906"))
    return refusals


def allowed_by_the_strict_matrix(flags: dict[str, str]) -> bool:
    """The three rows of the volet, written out again."""
    masked, invisible, hidden, secret, dmp, pro, patient = (
        flags.get(name, "N") == "Y"
        for name in (
            "MASQUE_PS",
            "INVISIBLE_PATIENT",
            "INVISIBLE_REP_LEGAUX",
            "CONNEXION_SECRETE",
            "DESTDMP",
            "DESTMSSANTEPS",
            "DESTMSSANTEPAT",
        )
    )
    if pro and patient:
        return not (masked or invisible or hidden)
    if pro:
        return invisible and not (masked or hidden)
    if patient:
        return not (invisible or secret or dmp)
    return dmp


@pytest.mark.parametrize("path", official_messages(), ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_tolerant_mode_refuses_what_it_must_and_nothing_else(path: Path) -> None:
    message = Message(path)
    explained = explain(path, "--mode", "tolerant")
    refusals = expected_refusals(message)
    found = {(error["err3"], error["err5"]) for error in explained["ack"]["errors"]}
    assert explained["ack"]["code"] == ("AE" if refusals else "AA"), found
    # A message refused for its envelope is not opened: faults inside its CDA may then go unsaid.
    assert found <= refusals
    assert bool(found) == bool(refusals)
    if refusals:
        assert "send" not in actions(explained).values()


@pytest.mark.parametrize("path", official_messages(), ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_strict_mode_refuses_at_least_as_much_and_applies_the_matrix(path: Path) -> None:
    message = Message(path)
    explained = explain(path, "--mode", "strict")
    if expected_refusals(message):
        assert explained["ack"]["code"] == "AE"
    if message.type in ("ORU", "MDM") and message.flags and not allowed_by_the_strict_matrix(message.flags):
        assert explained["ack"]["code"] == "AE"
    if explained["ack"]["code"] == "AE":
        assert explained["ack"]["errors"]
        assert "send" not in actions(explained).values()
