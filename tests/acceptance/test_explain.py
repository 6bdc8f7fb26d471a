"""`pfi explain --json`: the object promised to integrators, whatever the message."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pfi.cli.main import cli
from samples.generator import documents, world
from samples.generator.catalogue import Sample, all_samples, biology, discharge
from samples.generator.clinical_document import write
from samples.generator.request import Flags, Kind, write_request
from tests.acceptance.explaining import SAMPLES, actions, codes, explain, explain_sample, texts, traits_in

EVERY_SAMPLE = [pytest.param(sample, id=sample.file) for sample in all_samples()]


@pytest.fixture
def message(tmp_path: Path) -> Callable[[bytes], Path]:
    def save(content: bytes) -> Path:
        path = tmp_path / "message"
        path.write_bytes(content)
        return path

    return save


def expected(promise: str) -> tuple[str, str]:
    """(action, code) that a column of the catalogue promises; `explain` cannot know what the DMP will say."""
    told_by_the_dmp = "told by the DMP" in promise
    action, _, code = promise.partition(" ")
    if action == "-":
        return "", ""
    if told_by_the_dmp or action.startswith("send"):
        return "send", ""
    return action, code


# What every answer has in common --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", EVERY_SAMPLE)
def test_each_sample_gets_the_answer_that_the_catalogue_promises(sample: Sample) -> None:
    before = ["--adt", str(SAMPLES / "adt/a31-opposition.hl7")] if "patient-oppose" in sample.file else []
    explained = explain_sample(sample.file.removesuffix(".hl7"), *before)
    code, _, err3 = sample.ack.partition(" ")
    assert explained["ack"]["code"] == (None if code == "none," else code)
    if code == "AE":
        assert {error["err3"] for error in explained["ack"]["errors"]} == {err3}
    if "doublon" in sample.file:
        return  # one message alone is no duplicate: `explain` has no memory
    for channel, promise in (("DMP", sample.dmp), ("PRO", sample.pro), ("CIT", sample.cit)):
        action, reason = expected(promise)
        decision = next((each for each in explained["decisions"] if each["channel"] == channel), {"action": "-"})
        if action:
            assert decision["action"] == action, channel
        else:
            assert decision["action"] != "send", channel
        if reason:
            assert decision["code"] == reason


@pytest.mark.parametrize("sample", EVERY_SAMPLE)
def test_the_object_has_its_promised_shape(sample: Sample) -> None:
    explained = explain_sample(sample.file.removesuffix(".hl7"))
    assert list(explained) == ["ack", "documents", "decisions", "findings", "rules"]
    assert re.fullmatch(r"[0-9a-f]{64}", explained["rules"]["digest"])
    assert [Path(name).name for name in explained["rules"]["files"]] == ["l1111-15.yaml", "exceptions.yaml"]
    assert set(explained["ack"]) == {"code", "errors"}
    assert explained["ack"]["code"] in ("AA", "AE", None)
    for error in explained["ack"]["errors"]:
        assert set(error) >= {"err3", "err5", "text"}
        assert re.fullmatch(r"\d{3}", error["err3"])
        assert error["err5"] is None or error["err3"] == "207"
    for document in explained["documents"]:
        assert set(document) == {"unique_id", "type_code", "class_code", "format_code", "level", "request"}
        assert document["level"] in ("N1", "N3")
        assert document["request"] in ("F", "C", "D")
        assert document["class_code"]
        assert document["format_code"].startswith("urn:")
    identifiers = {document["unique_id"] for document in explained["documents"]}
    for decision in explained["decisions"]:
        assert set(decision) >= {"document", "channel", "action", "recipients", "because"}
        assert decision["document"] in identifiers
        assert decision["action"] in ("send", "hold", "deny", "void")
        assert decision["because"]
        assert all(set(reason) == {"rule", "text"} for reason in decision["because"])
        assert all("@" in address for address in decision["recipients"])
        assert bool(decision["recipients"]) <= (decision["channel"] != "DMP" and decision["action"] in ("send", "hold"))
    assert len(explained["decisions"]) == (3 * len(identifiers) if explained["documents"] else 0)
    for finding in explained["findings"]:
        assert set(finding) == {"code", "severity", "where", "text"}
        assert finding["severity"] in ("error", "warning", "info")


@pytest.mark.parametrize("sample", EVERY_SAMPLE)
def test_sentences_are_french_and_say_nothing_of_the_patient(sample: Sample) -> None:
    said = list(texts(explain_sample(sample.file.removesuffix(".hl7"))))
    for text in said:
        assert not traits_in(text), text
        assert text[0].isupper() or text.startswith("«") or not text[0].isalpha(), text
        assert text.rstrip().endswith((".", ")")), text
        assert not re.search(r"\b(the|is|not|missing|invalid|expected|of|failed|and)\b", text), text
        assert not re.search(r"\b(un|du|le|cet) INS\b|\bINS (est |n'est pas )?(qualifié|validé|admis|inconnu)\b", text)


@pytest.mark.parametrize("sample", EVERY_SAMPLE)
def test_a_refusal_says_where_and_the_error_findings_are_its_reasons(sample: Sample) -> None:
    explained = explain_sample(sample.file.removesuffix(".hl7"))
    errors = [finding for finding in explained["findings"] if finding["severity"] == "error"]
    assert [error["text"] for error in explained["ack"]["errors"]] == [finding["text"] for finding in errors]
    assert (explained["ack"]["code"] == "AA") == (not errors)


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe garbage", "Bonjour é".encode(), b"<", b"<a>"])
def test_whatever_the_bytes_there_is_an_explanation(content: bytes, message: Callable[[bytes], Path]) -> None:
    explained = explain(message(content))
    assert explained["ack"]["code"] in (None, "AE")
    assert explained["findings"]
    assert explained["decisions"] == []


def test_a_missing_file_is_a_wrong_use() -> None:
    result = CliRunner().invoke(cli, ["explain", "nulle-part.hl7", "--json"])
    assert result.exit_code == 2
    assert "n'existe pas" in result.stderr


def test_a_bare_cda_is_a_first_transmission_without_orders(message: Callable[[bytes], Path]) -> None:
    document = documents.biology_report("nu")
    explained = explain(message(write(document)))
    (described,) = explained["documents"]
    assert explained["ack"] == {"code": "AA", "errors": []}
    assert described == {
        "unique_id": document.document_id,
        "type_code": "11502-2",
        "class_code": "10",
        "format_code": "urn:ihe:lab:xd-lab:2008",
        "level": "N3",
        "request": "F",
    }
    assert set(actions(explained).values()) == {"deny"}
    assert {decision["code"] for decision in explained["decisions"]} == {"ORDER_NO"}


def test_a_cda_with_a_byte_order_mark_and_blanks_is_still_a_cda(message: Callable[[bytes], Path]) -> None:
    content = b"\xef\xbb\xbf" + write(documents.biology_report("bom"))
    assert explain(message(content))["documents"]


def test_a_message_saved_with_line_feeds_is_read_the_same(message: Callable[[bytes], Path]) -> None:
    path = SAMPLES / "messages/biologie-hors-sejour.hl7"
    saved = message(path.read_bytes().replace(b"\r", b"\r\n"))
    assert actions(explain(saved)) == actions(explain(path))


# What is known of the patient -----------------------------------------------------------------------------------------


def test_opposition_told_by_adt_keeps_the_dmp_away_and_nothing_else() -> None:
    adt = str(SAMPLES / "adt/a31-opposition.hl7")
    assert actions(explain_sample("messages/patient-oppose")) == {"DMP": "send", "PRO": "send", "CIT": "send"}
    explained = explain_sample("messages/patient-oppose", "--adt", adt)
    assert actions(explained) == {"DMP": "deny", "PRO": "send", "CIT": "send"}
    refused = next(each for each in explained["decisions"] if each["channel"] == "DMP")
    assert refused["code"] == "DMP_OPPOSED"
    assert any("R. 1111-47" in reason["text"] for reason in refused["because"])


def test_without_pid_32_the_newest_identity_told_by_adt_decides(message: Callable[[bytes], Path]) -> None:
    path = message(write_request(discharge("DPI-8004", patient=world.PROVISIONAL).but(reliability="")))
    before, after = str(SAMPLES / "adt/a28-identite-provisoire.hl7"), str(SAMPLES / "adt/a31-identite-validee.hl7")
    assert set(actions(explain(path, "--adt", before)).values()) == {"hold"}
    assert "INS_IN_CDA_NOT_QUALIFIED" in codes(explain(path, "--adt", before))
    assert set(actions(explain(path, "--adt", before, "--adt", after)).values()) == {"send"}


def test_adt_messages_are_applied_in_their_own_time_whatever_their_order() -> None:
    first, later = str(SAMPLES / "adt/a01-admission-non-opposition.hl7"), str(SAMPLES / "adt/a03-sortie.hl7")
    one = explain_sample("messages/lettre-de-liaison-en-sejour", "--adt", first, "--adt", later)
    other = explain_sample("messages/lettre-de-liaison-en-sejour", "--adt", later, "--adt", first)
    assert one == other


def test_an_adt_of_another_patient_is_ignored_and_said_so() -> None:
    explained = explain_sample("messages/biologie-hors-sejour", "--adt", str(SAMPLES / "adt/a31-opposition.hl7"))
    assert "ADT_OTHER_PATIENT" in codes(explained)
    assert actions(explained)["DMP"] == "send"


def test_a_file_given_as_adt_that_is_none_is_a_wrong_use(refusal: Callable[..., tuple[int, str]]) -> None:
    sample = str(SAMPLES / "messages/biologie-hors-sejour.hl7")
    code, said = refusal("explain", sample, "--adt", sample)
    assert code == 2
    assert "pas un message ADT" in said


# Switches -------------------------------------------------------------------------------------------------------------


def test_strict_mode_refuses_a_wrong_charset_that_tolerant_mode_reads() -> None:
    tolerant = explain_sample("bad/mauvais-jeu-de-caracteres", "--mode", "tolerant")
    strict = explain_sample("bad/mauvais-jeu-de-caracteres", "--mode", "strict")
    assert (tolerant["ack"]["code"], strict["ack"]["code"]) == ("AA", "AE")
    assert {error["err3"] for error in strict["ack"]["errors"]} == {"102"}


def test_the_moment_decides_who_is_a_minor() -> None:
    name = "messages/mineur-connexion-secrete"
    minor = explain_sample(name, "--at", "2026-03-05")
    grown = explain_sample(name, "--at", "2031-03-05T12:00:00")
    rules = [
        {reason["rule"] for each in explained["decisions"] for reason in each["because"]}
        for explained in (minor, grown)
    ]
    assert rules[0] != rules[1]


def test_a_moment_that_is_none_is_a_wrong_use() -> None:
    sample = str(SAMPLES / "messages/biologie-hors-sejour.hl7")
    result = CliRunner().invoke(cli, ["explain", sample, "--at", "demain"])
    assert result.exit_code == 2
    assert "--at" in result.stderr


def test_in_production_a_test_ins_leaves_on_no_channel() -> None:
    explained = explain_sample("messages/biologie-hors-sejour", "--environment", "production")
    assert "send" not in {actions(explained)["DMP"], actions(explained)["CIT"]}
    assert "INS_TEST_OID" in codes(explain_sample("messages/biologie-hors-sejour"))


def test_a_configuration_gives_its_own_switches(tmp_path: Path) -> None:
    config = tmp_path / "pfi.yaml"
    config.write_text("ins: {environment: test}\nunknown_senders: accept\nsenders:\n"
                      "  - {name: sgl, match: {application: SGL}, hl7: {mode: strict}}\n")  # fmt: skip
    wrong = tmp_path / "faux.hl7"
    raw = (SAMPLES / "bad/mauvais-jeu-de-caracteres.hl7").read_bytes()
    wrong.write_bytes(raw.replace(b"MSH|^~\\&|DPI|", b"MSH|^~\\&|SGL|"))
    assert explain(wrong, "--config", str(config))["ack"]["code"] == "AE"
    assert explain(wrong)["ack"]["code"] == "AA"


# Messages that contradict themselves ----------------------------------------------------------------------------------


def test_two_renditions_share_one_decision_for_each_channel() -> None:
    explained = explain_sample("messages/biologie-n1-et-n3")
    assert [document["level"] for document in explained["documents"]] == ["N1", "N3"]
    assert len(explained["decisions"]) == 6
    first, second = explained["decisions"][:3], explained["decisions"][3:]
    assert [{**each, "document": ""} for each in first] == [{**each, "document": ""} for each in second]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: raw.replace(b"|11490-0^", b"|18748-4^"), "TYPE_MISMATCH"),
        (lambda raw: raw.replace(b"||||||||2.25.", b"||||||||2.26."), "DOCUMENT_ID_MISMATCH"),
    ],
)
def test_an_announcement_that_the_cda_contradicts_is_told(
    change: Callable[[bytes], bytes], code: str, message: Callable[[bytes], Path]
) -> None:
    path = message(change(write_request(discharge("DPI-8001"))))
    assert code in codes(explain(path))
    assert explain(path, "--mode", "strict")["ack"]["code"] == "AE"


def test_a_replacement_of_nothing_is_refused(message: Callable[[bytes], Path]) -> None:
    path = message(write_request(discharge("DPI-8002").but(kind=Kind.REPLACE)))
    explained = explain(path)
    assert "NOTHING_TO_REPLACE" in codes(explained)
    assert [(error["err3"], error["err5"]) for error in explained["ack"]["errors"]] == [("207", "906")]


def test_nothing_ordered_is_accepted_and_done_nothing_about(message: Callable[[bytes], Path]) -> None:
    nowhere = Flags(dest_dmp=False, dest_mss_ps=False, dest_mss_pat=False)
    path = message(write_request(discharge("DPI-8003").but(flags=nowhere)))
    assert explain(path)["ack"]["code"] == "AA"
    assert set(actions(explain(path)).values()) == {"deny"}
    assert explain(path, "--mode", "strict")["ack"]["code"] == "AE"


def test_the_request_is_told_for_each_document() -> None:
    kinds: dict[str, str] = {
        "messages/lettre-de-liaison-en-sejour": "F",
        "messages/remplacement-biologie": "C",
        "messages/suppression-lettre-de-liaison": "D",
    }
    for name, request in kinds.items():
        assert {document["request"] for document in explain_sample(name)["documents"]} == {request}


def test_without_json_the_same_is_said_in_french() -> None:
    result = CliRunner().invoke(cli, ["explain", str(SAMPLES / "messages/patient-oppose.hl7")], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for word in ("accusé", "DMP", "MSSanté professionnels", "MSSanté citoyenne", "envoyer", "Constats"):
        assert word in result.stdout
    refused = CliRunner().invoke(cli, ["explain", str(SAMPLES / "bad/sans-msh.hl7")])
    assert refused.exit_code == 0
    assert "illisible" in refused.stdout


def test_base64_of_the_document_is_never_shown(message: Callable[[bytes], Path]) -> None:
    document = documents.biology_report("secret")
    coded = base64.b64encode(write(document)).decode()
    result = CliRunner().invoke(cli, ["explain", str(message(write_request(biology("SGL-8001", document)))), "--json"])
    assert coded[200:260] not in result.stdout
    assert "Hémoglobine" not in result.stdout


def decided(explained: dict[str, Any], channel: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in explained["decisions"] if each["channel"] == channel)
    return found


def test_each_reason_to_send_names_the_order_and_the_legal_row() -> None:
    rules = {reason["rule"] for reason in decided(explain_sample("messages/biologie-hors-sejour"), "CIT")["because"]}
    assert {"DESTMSSANTEPAT", "R06"} <= rules
