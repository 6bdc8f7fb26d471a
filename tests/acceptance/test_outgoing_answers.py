"""Acknowledgments of `pfi explain --out` read by python-hl7, and what is not written when it would not leave."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hl7
import pytest

from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import Flags, write_request
from tests.acceptance.explaining import SAMPLES, actions
from tests.acceptance.outgoing import Outgoing, outgoing, read_request, sent_messages
from tests.acceptance.outgoing import outgoing_sample as sample
from tests.official import official_messages


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Outgoing]:
    """Explains a message made for the test."""

    def write(raw: bytes, *options: str) -> Outgoing:
        path = tmp_path / "message.hl7"
        path.write_bytes(raw)
        return outgoing.__wrapped__(path, *options)

    return write


def reports(sent: Outgoing) -> list[tuple[str, str, str]]:
    """(event, Y or N, mailbox) of each ZAM."""
    found = []
    for zam in sent.zams:
        values = {str(obx[3]).split("^")[0]: str(obx[5]) for obx in zam.segments("OBX")}
        answer = next(value for name, value in values.items() if name.startswith("ACK_"))
        mailbox = values.get("DESTINATAIRE_MSS", "").rpartition("^")[2]
        found.append((str(zam["MSH.F9.R1.C2"]), answer.split("^")[0], mailbox))
    return sorted(found)


def control_id(raw: bytes) -> str:
    return raw.split(b"\r")[0].split(b"|")[9].decode()


# Technical acknowledgment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [*sorted((SAMPLES / "bad").glob("*.hl7")), *sent_messages()], ids=lambda path: path.stem
)
def test_the_acknowledgment_says_the_same_as_the_explanation(path: Path) -> None:
    sent = outgoing(path)
    if sent.explained["ack"]["code"] is None:
        assert sent.files == {}
        return
    text = sent.files["ack.hl7"].decode("iso-8859-15" if "8859" in path.name else "utf-8")
    ack: Any = hl7.parse(text)
    assert str(ack["MSA.F1"]) == sent.explained["ack"]["code"]
    request = path.read_bytes().lstrip(b"\xef\xbb\xbf").replace(b"\n", b"\r")
    assert str(ack["MSA.F2"]) == control_id(request)
    assert str(ack["MSH.F9.R1.C1"]) == "ACK"
    errors = [str(err[3]).split("^")[0] for err in ack.segments("ERR")] if "ERR" in text else []
    assert errors == [each["err3"] for each in sent.explained["ack"]["errors"]]
    # Sender and receiver change places.
    fields = request.split(b"\r")[0].decode("latin-1").split("|")
    assert [str(ack["MSH.F3"]), str(ack["MSH.F5"])] == [fields[4], fields[2]]


# Business acknowledgments ---------------------------------------------------------------------------------------------


def test_each_channel_ordered_will_be_reported_and_each_mailbox_separately() -> None:
    assert reports(sample("biologie-hors-sejour")) == [
        ("Z01", "Y", ""),
        ("Z02", "Y", world.PAUL.mailbox),
        ("Z02", "Y", world.FAMILY_DOCTOR.mailbox),
    ]


def test_what_is_held_or_denied_is_reported_at_once_with_its_reason() -> None:
    sent = sample("identite-provisoire")
    assert [(event, answer) for event, answer, _ in reports(sent)] == [("Z01", "N"), ("Z02", "N"), ("Z02", "Y")]
    dmp = next(zam for zam in sent.zams if "ZAM^Z01" in str(zam))
    assert "INS_NOT_QUALIFIED" in str(dmp)


def test_nothing_is_reported_of_what_was_not_asked_for(written: Callable[[bytes], Outgoing]) -> None:
    sent = written(write_request(discharge("DPI-8101").but(flags=Flags(ack_reception=False))))
    assert sent.zams == []
    assert "dmp-1.http" in sent.files


@pytest.mark.parametrize("name", ["mauvais-patient", "indicateurs-incoherents"])
def test_a_refused_message_gets_its_acknowledgment_and_no_business_report(name: str) -> None:
    assert list(sample(name).files) == ["ack.hl7"]


def test_an_adt_gets_its_acknowledgment_alone() -> None:
    assert list(outgoing(SAMPLES / "adt/a31-opposition.hl7").files) == ["ack.hl7"]


def test_every_official_message_can_be_explained_and_written() -> None:
    for path in official_messages():
        sent = outgoing(path)
        assert all(content for content in sent.files.values()), path
        assert ("ack.hl7" in sent.files) == (sent.explained["ack"]["code"] is not None)


# What would not leave -------------------------------------------------------------------------------------------------


def refusals(sent: Outgoing) -> dict[str, str]:
    return {
        each["where"]: each["text"]
        for each in sent.explained["findings"]
        if each["code"] == "OUT_REFUSED" and each["severity"] == "warning"
    }


def in_english(raw: bytes) -> bytes:
    """The message whose CDA says another language: routing sends it, the DMP connector must refuse it."""

    def change(match: re.Match[bytes]) -> bytes:
        content = base64.b64decode(match[2]).replace(b'languageCode code="fr-FR"', b'languageCode code="en-US"')
        return match[1] + base64.b64encode(content)

    return re.sub(rb"(\^XML\^Base64\^)([A-Za-z0-9+/=]+)", change, raw)


def test_a_document_that_the_dmp_connector_refuses_is_explained_and_not_written(
    written: Callable[[bytes], Outgoing],
) -> None:
    sent = written(in_english(write_request(discharge("DPI-8102"))))
    assert sent.explained["ack"]["code"] == "AA"
    assert "DMP_LANGUAGE" in refusals(sent)["DMP"]
    assert "aucun fichier" in refusals(sent)["DMP"]
    assert "dmp-1.http" not in sent.files
    assert {"pro-1.eml", "citizen-1.eml"} <= set(sent.files)
    assert ("Z01", "N", "") in reports(sent)


def test_a_mail_without_any_usable_address_is_explained_and_not_written(written: Callable[[bytes], Outgoing]) -> None:
    doctor = replace(world.FAMILY_DOCTOR, mailbox="bruno..peuplier@medecin-exemple.mssante.fr")
    sent = written(write_request(discharge("DPI-8103").but(recipients=(doctor,))))
    assert actions(sent.explained)["PRO"] == "send"
    assert "PRO" in refusals(sent)
    assert "pro-1.eml" not in sent.files
    assert "citizen-1.eml" in sent.files
    assert any(event == "Z02" and answer == "N" for event, answer, _ in reports(sent))


def test_a_refusal_says_nothing_of_the_patient(written: Callable[[bytes], Outgoing]) -> None:
    told = refusals(written(in_english(write_request(discharge("DPI-8104")))))
    assert told
    for text in told.values():
        assert world.DOMINIQUE.family not in text
        assert world.DOMINIQUE.matricule not in text


def test_files_of_a_former_run_go_away_and_those_of_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    outgoing(SAMPLES / "messages/biologie-hors-sejour.hl7", "--out", str(folder))
    (folder / "notes.txt").write_text("à garder")
    assert (folder / "dmp-1.http").is_file()
    outgoing(SAMPLES / "messages/identite-provisoire.hl7", "--out", str(folder))
    left = {path.name for path in folder.iterdir()}
    assert "dmp-1.http" not in left
    assert {"notes.txt", "ack.hl7", "pro-1.eml"} <= left


def test_the_configured_structure_and_mailbox_are_those_of_the_preview(
    tmp_path: Path, written: Callable[..., Outgoing]
) -> None:
    configured = tmp_path / "pfi.yaml"
    configured.write_text("ins: {environment: test}\nsite: {oid_root: 1.2.250.1.999.3}\n")
    sent = written(write_request(discharge("DPI-8105")), "--config", str(configured))
    request = read_request(sent.files["dmp-1.http"])
    (package,) = request.metadata.iter("{*}RegistryPackage")
    values = [each.get("value", "") for each in package.iter("{*}ExternalIdentifier")]
    assert any(value.startswith("1.2.250.1.999.3.") for value in values)
