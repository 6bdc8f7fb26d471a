"""Whatever bytes come in by the MLLP port: a precise answer when there is somebody to answer to, and always a row."""

import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from samples.generator import documents
from samples.generator.catalogue import biology, discharge
from samples.generator.request import Flags, write_request
from tests.acceptance.running import FRAME_SECONDS, MAX_FRAME, SAMPLES, Home

pytestmark = pytest.mark.xdist_group("running")

QUIET = Flags(dest_dmp=False, dest_mss_pat=False)


def frame(content: bytes) -> bytes:
    return b"\x0b" + content + b"\x1c\r"


def letter(control_id: str) -> bytes:
    """A sound message that gives the engine little to do."""
    return write_request(discharge(control_id).but(flags=QUIET))


def answers(received: bytes) -> list[str]:
    """The framed messages of a stream."""
    return [each.decode() for each in re.findall(rb"\x0b([^\x1c]*)\x1c\r", received)]


def field(answer: str, segment: str, number: int) -> str:
    line = next(line for line in answer.split("\r") if line.startswith(segment))
    return line.split("|")[number]


def refused(home: Home, err3: str, finding: str, answer: str) -> dict[str, Any]:
    """The answer is AE with this code, and the newest row says why."""
    assert field(answer, "MSA", 1) == "AE"
    assert field(answer, "ERR", 3).split("^")[0] == err3
    assert field(answer, "ERR", 8), "a sentence is due"
    return row(home, finding, kind="refused")


def row(home: Home, finding: str, *, kind: str) -> dict[str, Any]:
    view = home.newest()
    assert view["message"]["kind"] == kind
    reasons = {each["code"]: each["text"] for each in view["findings"] if each["severity"] == "error"}
    assert finding in reasons, reasons
    assert reasons[finding]
    return view


def count(home: Home) -> int:
    """Rows of the journal."""
    number: int = home.newest()["message"]["id"]
    return number


# Bytes that are no frame ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: pfi\r\n\r\n", bytes(range(32, 90)), b"\xff" * 20_000])
def test_garbage_is_recorded_and_the_message_behind_it_is_not_lost(home: Home, garbage: bytes) -> None:
    before = count(home)
    raw = frame(letter(f"DPI-72{len(garbage):02d}"))
    received = answers(home.speak(garbage + raw))
    noisy = home.shown(before + 1)
    assert noisy["message"]["kind"] == "unreadable"
    assert [each["code"] for each in noisy["findings"]] == ["MLLP_NOISE"]
    # Not answered: the sender sends it again, as MLLP wants.
    (answer,) = received or answers(home.speak(raw))
    assert field(answer, "MSA", 1) == "AA"
    assert count(home) == before + 2


def test_a_message_without_its_frame_is_told_what_is_missing(home: Home) -> None:
    (answer,) = answers(home.speak(letter("DPI-7100"), finish=True))
    view = refused(home, "207", "MLLP_NOISE", answer)
    assert "0x0B" in field(answer, "ERR", 8)
    assert view["message"]["control_id"] == "DPI-7100"


def test_half_a_message_is_answered_when_the_sender_hangs_up(home: Home) -> None:
    whole = letter("DPI-7101")
    (answer,) = answers(home.speak(b"\x0b" + whole[: len(whole) // 2], finish=True))
    assert field(answer, "MSA", 2) == "DPI-7101"
    view = refused(home, "102", "MLLP_TRUNCATED_FRAME", answer)
    assert view["message"]["control_id"] == "DPI-7101"


def test_a_message_that_stops_arriving_is_answered_in_time_and_the_connection_closed(home: Home) -> None:
    whole = letter("DPI-7102")
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", home.port), timeout=4) as connection:
        connection.sendall(b"\x0b" + whole[:3000])
        received = b""
        while data := connection.recv(65536):
            received += data
    assert time.monotonic() - started < FRAME_SECONDS + 4
    (answer,) = answers(received)
    refused(home, "102", "MLLP_FRAME_TIMEOUT", answer)


def test_a_message_too_large_is_refused_and_the_connection_closed(home: Home) -> None:
    whole = letter("DPI-7103")
    (answer,) = answers(home.speak(frame(whole + b"ZZZ|" + b"x" * MAX_FRAME + b"\r")))
    view = refused(home, "102", "MLLP_FRAME_TOO_LARGE", answer)
    assert view["message"]["size"] < 10_000
    assert str(MAX_FRAME) in field(answer, "ERR", 8)


def test_messages_in_a_row_are_answered_in_their_order(home: Home) -> None:
    wanted = [f"DPI-712{number}" for number in range(4)]
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as connection:
        connection.sendall(b"".join(frame(letter(each)) for each in wanted))
        received = b""
        while received.count(b"\x1c\r") < len(wanted):
            received += connection.recv(65536)
    assert [field(answer, "MSA", 2) for answer in answers(received)] == wanted
    assert {field(answer, "MSA", 1) for answer in answers(received)} == {"AA"}


def test_a_frame_without_its_last_byte_is_a_message_all_the_same(home: Home) -> None:
    (answer,) = answers(home.speak(b"\x0b" + letter("DPI-7104") + b"\x1c", wait=4.0))
    assert field(answer, "MSA", 1) == "AA"


def test_the_time_of_a_message_counts_on_a_connection_that_has_already_spoken(home: Home) -> None:
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as connection:
        connection.sendall(frame(letter("DPI-7110")))
        assert b"MSA|AA" in connection.recv(65536)
        connection.sendall(b"\x0b" + letter("DPI-7111")[:3000])
        received = b""
        while data := connection.recv(65536):
            received += data
    (answer,) = answers(received)
    refused(home, "102", "MLLP_FRAME_TIMEOUT", answer)


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "HL7_EMPTY"),
        (b"\r", "HL7_EMPTY"),
        (b"PID|1|\r", "HL7_NO_MSH"),
        (b"\x00\x01\x02\xff", "HL7_NO_MSH"),
        ("é".encode(), "HL7_NO_MSH"),
    ],
)
def test_a_frame_without_msh_is_recorded_and_the_connection_closed_without_answer(
    home: Home, content: bytes, finding: str
) -> None:
    assert home.speak(frame(content)) == b""
    view = row(home, finding, kind="unreadable")
    assert view["message"]["ack_code"] == ""


# Frames that are no usable message ------------------------------------------------------------------------------------

FINDINGS = {
    "base64-illisible": "DOCUMENT_BASE64",
    "destinataire-absent": "RECIPIENT_MISSING",
    "document-absent": "DOCUMENT_MISSING",
    "entite-externe": "XML_DOCTYPE_FORBIDDEN",
    "evenement-inconnu": "EVENT_UNSUPPORTED",
    "indicateur-invalide": "FLAG_VALUE",
    "orc-incoherent": "REQUEST_INCOHERENT",
    "pas-un-cda": "CDA_NOT_A_CLINICAL_DOCUMENT",
    "segment-pid-absent": "SEGMENT_MISSING",
    "type-de-message-inconnu": "MESSAGE_TYPE_UNSUPPORTED",
    "version-inconnue": "VERSION_UNSUPPORTED",
    "xml-tronque": "XML_NOT_WELL_FORMED",
}
ERR3 = {
    "base64-illisible": "102", "destinataire-absent": "101", "document-absent": "100", "entite-externe": "207",
    "evenement-inconnu": "201", "indicateur-invalide": "103", "orc-incoherent": "199", "pas-un-cda": "207",
    "segment-pid-absent": "100", "type-de-message-inconnu": "200", "version-inconnue": "203", "xml-tronque": "207",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FINDINGS))
def test_an_unusable_message_gets_its_code_its_place_and_its_row(home: Home, name: str) -> None:
    raw = again(SAMPLES / "bad" / f"{name}.hl7")
    (answer,) = answers(home.speak(frame(raw)))
    refused(home, ERR3[name], FINDINGS[name], answer)
    assert field(answer, "MSA", 2) == raw.split(b"|")[9].decode()
    assert field(answer, "ERR", 2)
    assert home.newest()["deliveries"] == []


def test_an_external_entity_is_never_resolved(home: Home) -> None:
    (answer,) = answers(home.speak(frame(again(SAMPLES / "bad/entite-externe.hl7"))))
    hostname = socket.gethostname()
    assert hostname not in answer
    assert hostname not in str(home.newest()["findings"])


def test_a_wrong_charset_is_read_anyway_with_a_warning(home: Home) -> None:
    (answer,) = answers(home.speak(frame(again(SAMPLES / "bad/mauvais-jeu-de-caracteres.hl7"))))
    assert field(answer, "MSA", 1) == "AA"
    assert "CHARSET_MISMATCH" in {each["code"] for each in home.newest()["findings"]}


def test_the_document_of_another_patient_goes_nowhere(home: Home) -> None:
    (answer,) = answers(home.speak(frame(again(SAMPLES / "messages/mauvais-patient.hl7"))))
    view = refused(home, "207", "INS_MISMATCH", answer)
    assert view["deliveries"] == []
    assert view["acks"] == []
    assert {each["action"] for each in view["decisions"]} == {"deny"}


def test_the_same_message_twice_gets_the_same_answer_and_one_row(home: Home) -> None:
    raw = frame(letter("DPI-7105"))
    first = home.speak(raw)
    rows = count(home)
    assert home.speak(raw) == first
    assert count(home) == rows
    assert "duplicate" in {each["kind"] for each in home.newest()["events"]}


def test_the_same_control_id_with_another_content_is_a_new_message_with_a_warning(home: Home) -> None:
    home.speak(frame(letter("DPI-7106")))
    other = write_request(discharge("DPI-7106", key="autre contenu").but(flags=QUIET))
    (answer,) = answers(home.speak(frame(other)))
    assert field(answer, "MSA", 1) == "AA"
    assert "CONTROL_ID_REUSED" in {each["code"] for each in home.newest()["findings"]}


def test_a_hostile_text_is_stored_and_shown_without_harm(home: Home) -> None:
    raw = letter("DPI-7107").replace(b"CH-EXEMPLE|PFI", b"'; DROP TABLE messages; --[bold]|PFI", 1)
    (answer,) = answers(home.speak(frame(raw)))
    assert "DROP TABLE" in answer.split("\r")[0]
    assert home.run("show", str(count(home))).code == 0


def test_a_control_id_that_breaks_console_markup_is_shown_as_it_is(home: Home) -> None:
    raw = letter("DPI-7108").replace(b"|DPI-7108|", b"|[/bold]7108|")
    assert b"MSA|AA|[/bold]7108" in home.speak(frame(raw))
    ran = home.run("show", str(count(home)))
    assert ran.code == 0
    assert "[/bold]7108" in ran.out
    listed = home.run("messages", "--limit", "1")
    assert "[/bold]7108" in listed.out


def again(path: Path) -> bytes:
    """A sample under a control id of its own, so that it is not taken for the same message sent before."""
    raw = path.read_bytes()
    head, rest = raw.split(b"\r", 1)
    fields = head.split(b"|")
    fields[9] = f"{path.stem[:8]}-{time.monotonic_ns() % 10**9}".encode()
    return b"|".join(fields) + b"\r" + rest


def test_many_errors_are_told_together(home: Home) -> None:
    raw = write_request(biology("SGL-7109", documents.biology_report("fautes")))
    raw = raw.replace(b"de Sant\xc3\xa9^MetaDMPMSS||N^^", b"de Sant\xc3\xa9^MetaDMPMSS||PEUTETRE^^")
    raw = b"\r".join(line for line in raw.split(b"\r") if not (line.startswith(b"PRT") and b"peuplier" in line.lower()))
    (answer,) = answers(home.speak(frame(raw)))
    codes = {line.split("|")[3].split("^")[0] for line in answer.split("\r") if line.startswith("ERR")}
    assert {"103", "101"} <= codes


def test_a_message_behind_noise_is_taken_on_the_same_connection(home: Home) -> None:
    found = answers(home.speak(b"bonjour\r\n" + frame(letter("DPI-7190")), wait=4.0))
    assert [field(answer, "MSA", 1) for answer in found] == ["AA"]
