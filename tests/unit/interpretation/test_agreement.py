"""What a message announces against what its CDA documents say, and what follows."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from pfi.engine.conclusion import Conclusion, _acknowledge, conclude
from pfi.engine.interpretation import Interpretation, Kind, interpret, interpret_cda
from pfi.model.acknowledgment import AckCode
from pfi.model.decision import Action, Channel
from pfi.model.finding import Finding, Severity
from pfi.model.patient import IdentityStatus
from pfi.model.profile import Environment, Mode, SenderProfile
from pfi.model.submission import Request
from samples.generator import adt, documents, world
from samples.generator.catalogue import biology, discharge, from_dpi
from samples.generator.clinical_document import write
from samples.generator.request import Kind as Sending
from samples.generator.request import encode, segments, write_request
from tests.unit.interpretation.given import NOW, RULES, TEST, changed, concluded, interpreted

STRICT = replace(TEST, mode=Mode.STRICT)


def found(reading: Interpretation | Conclusion) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in reading.findings}


# Types and identifiers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        (lambda raw: raw.replace(b"|11490-0", b"|18748-4"), "TYPE_MISMATCH", "OBR^1^4"),
        (
            lambda raw: re.sub(rb"(TXA(\|[^|]*){11})\|2\.25\.\d+", rb"\1|2.25.7", raw),
            "DOCUMENT_ID_MISMATCH",
            "TXA^1^12",
        ),
    ],
)
def test_an_announcement_that_the_cda_contradicts_warns_and_refuses_in_strict_mode(
    change: Callable[[bytes], bytes], code: str, where: str
) -> None:
    raw = change(write_request(discharge("A1")))
    assert found(interpreted(raw))[code] is Severity.WARNING
    assert interpreted(raw).kind is Kind.REQUEST
    strict = interpret(raw, lambda _: STRICT)
    assert found(strict)[code] is Severity.ERROR
    assert strict.kind is Kind.REFUSED
    assert {finding.where for finding in strict.findings if finding.code == code} == {where}


def test_a_sound_message_agrees_with_its_document() -> None:
    assert not {"TYPE_MISMATCH", "DOCUMENT_ID_MISMATCH", "PARENT_ID_MISMATCH"} & set(
        found(interpreted(write_request(discharge("A2"))))
    )


def replacement() -> bytes:
    letter = replace(documents.discharge_letter("suite"), version=2, replaces_version=1)
    return write_request(discharge("A3").but(documents=(letter,), kind=Sending.REPLACE))


def test_the_announced_parent_must_be_the_one_that_the_cda_replaces() -> None:
    assert "PARENT_ID_MISMATCH" not in found(interpreted(replacement()))
    wrong = re.sub(rb"(TXA(\|[^|]*){12})\|2\.25\.\d+", rb"\1|2.25.8", replacement())
    assert found(interpreted(wrong))["PARENT_ID_MISMATCH"] is Severity.WARNING
    assert found(interpret(wrong, lambda _: STRICT))["PARENT_ID_MISMATCH"] is Severity.ERROR


def test_a_replacement_that_replaces_nothing_is_refused_in_any_mode() -> None:
    raw = write_request(discharge("A4").but(kind=Sending.REPLACE))
    reading = interpreted(raw)
    assert found(reading)["NOTHING_TO_REPLACE"] is Severity.ERROR
    assert reading.kind is Kind.REFUSED


def test_a_deletion_needs_no_parent() -> None:
    reading = interpreted(write_request(discharge("A5").but(kind=Sending.DELETE)))
    assert reading.kind is Kind.REQUEST
    assert reading.submission is not None
    assert reading.submission.request is Request.DELETE


# Renditions -----------------------------------------------------------------------------------------------------------


def test_two_levels_of_one_document_are_welcome() -> None:
    raw = write_request(biology("A6", documents.biology_level_1("n1"), documents.biology_report("n3")))
    reading = interpreted(raw)
    assert not {"SAME_LEVEL_TWICE", "SAME_DOCUMENT_TWICE"} & set(found(reading))
    assert reading.submission is not None
    assert [document.header.level for document in reading.submission.documents] == ["N1", "N3"]


def test_the_same_level_twice_warns_and_refuses_in_strict_mode() -> None:
    raw = write_request(biology("A7", documents.biology_report("un"), documents.biology_report("deux")))
    assert found(interpreted(raw))["SAME_LEVEL_TWICE"] is Severity.WARNING
    assert found(interpret(raw, lambda _: STRICT))["SAME_LEVEL_TWICE"] is Severity.ERROR


def test_the_same_document_twice_is_refused_in_any_mode() -> None:
    report = documents.biology_report("un")
    reading = interpreted(write_request(biology("A8", report, report)))
    assert found(reading)["SAME_DOCUMENT_TWICE"] is Severity.ERROR
    assert reading.kind is Kind.REFUSED


def test_two_renditions_of_different_patients_are_refused() -> None:
    raw = write_request(
        biology("A9", documents.biology_level_1("n1"), documents.biology_report("n3", patient=world.JEANNE))
    )
    conclusion = concluded(raw)
    assert conclusion.ack.code is AckCode.AE
    assert {decision.action for decision in conclusion.decisions} == {Action.DENY}
    assert len(conclusion.decisions) == 6


def test_the_same_observation_on_both_renditions_is_told_once() -> None:
    raw = write_request(
        biology("A10", documents.biology_level_1("n1"), documents.biology_report("n3")).but(patient=world.DOMINIQUE)
    )
    findings = concluded(raw).findings
    assert len(findings) == len(set(findings))


# Documents that cannot be opened --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<a>", "XML_NOT_WELL_FORMED"),
        (b"<a/>", "CDA_NOT_A_CLINICAL_DOCUMENT"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "XML_DOCTYPE_FORBIDDEN"),
    ],
)
def test_a_document_that_cannot_be_opened_is_named_by_its_obx(content: bytes, code: str) -> None:
    reading = interpreted(changed(write_request(discharge("A11")), lambda _: content))
    assert reading.kind is Kind.REFUSED
    (finding,) = [each for each in reading.findings if each.severity is Severity.ERROR]
    assert (finding.code, finding.where, finding.err3, finding.err5) == (code, "OBX^1^5", "207", "906")
    assert reading.submission is None


def test_one_unreadable_rendition_refuses_the_message_but_keeps_the_other_for_the_journal() -> None:
    raw = write_request(biology("A12", documents.biology_level_1("n1"), documents.biology_report("n3")))
    broken = changed(raw, lambda content: content[:500], which=1)
    reading = interpreted(broken)
    assert reading.kind is Kind.REFUSED
    assert reading.submission is not None
    assert [document.header.level for document in reading.submission.documents] == ["N1"]
    conclusion = conclude(reading, None, RULES, NOW)
    assert conclusion.ack.code is AckCode.AE
    assert {decision.action for decision in conclusion.decisions} == {Action.DENY}


# Kinds of messages ----------------------------------------------------------------------------------------------------


def test_bytes_without_msh_are_unreadable_and_get_no_answer() -> None:
    reading = interpreted(b"PID|1\r")
    assert reading.kind is Kind.UNREADABLE
    assert reading.header is None


def test_an_unknown_sender_may_be_refused() -> None:
    reading = interpret(write_request(discharge("A13")), lambda _: None)
    assert reading.kind is Kind.REFUSED
    (finding,) = reading.findings
    assert (finding.code, finding.err3, finding.err5) == ("UNKNOWN_SENDER", "207", "906")
    assert conclude(reading, None, RULES, NOW).ack.code is AckCode.AE


def test_an_adt_is_a_patient_event_and_one_of_no_interest_is_accepted() -> None:
    raw = encode(adt.segments(adt.EVENTS[0]))
    assert interpreted(raw).kind is Kind.PATIENT_EVENT
    other = interpreted(raw.replace(b"ADT^A01^ADT_A01", b"ADT^A60^ADT_A60"))
    assert other.kind in (Kind.IGNORED, Kind.REFUSED)
    assert (conclude(other, None, RULES, NOW).ack.code is AckCode.AA) == (other.kind is Kind.IGNORED)


def test_a_bare_cda_is_a_request_without_orders() -> None:
    reading = interpret_cda(write(documents.biology_report("nu")), TEST)
    assert reading.kind is Kind.REQUEST
    assert reading.submission is not None
    assert reading.submission.orders.given is False
    conclusion = conclude(reading, None, RULES, NOW)
    assert {decision.action for decision in conclusion.decisions} == {Action.DENY}
    assert {decision.code for decision in conclusion.decisions} == {"ORDER_NO"}


def test_xml_that_is_no_cda_is_refused() -> None:
    reading = interpret_cda(b"<a/>", TEST)
    assert reading.kind is Kind.REFUSED
    assert reading.submission is None


# Conclusions ----------------------------------------------------------------------------------------------------------


def test_a_conclusion_is_the_same_every_time() -> None:
    raw = write_request(discharge("A14"))
    assert concluded(raw) == concluded(raw)


def test_a_refused_message_is_denied_on_each_channel_with_its_reasons() -> None:
    conclusion = concluded(write_request(discharge("A15", patient=world.PAUL).but(patient=world.DOMINIQUE)))
    assert [decision.channel for decision in conclusion.decisions] == list(Channel)
    for decision in conclusion.decisions:
        assert decision.action is Action.DENY
        assert decision.code == "INS_MISMATCH"
        assert decision.recipients == ()
    errors = [finding for finding in conclusion.findings if finding.severity is Severity.ERROR]
    assert [error.text for error in conclusion.ack.errors] == [finding.text for finding in errors]


def test_a_warning_refuses_nothing() -> None:
    lines = [line.replace("OBR|1|||11490-0", "OBR|1|||18748-4") for line in segments(discharge("A16"))]
    conclusion = concluded(encode(lines))
    assert conclusion.ack.code is AckCode.AA
    assert conclusion.ack.errors == ()


def test_an_identity_is_judged_in_the_environment_of_the_site() -> None:
    raw = write_request(from_dpi("A17", documents.imaging_order("A17")))
    qualified = concluded(raw)
    assert qualified.identity is not None
    assert qualified.identity.status is IdentityStatus.QUALIFIED
    production = SenderProfile(environment=Environment.PRODUCTION)
    elsewhere = conclude(interpret(raw, lambda _: production), None, RULES, NOW)
    assert {decision.action for decision in elsewhere.decisions if decision.channel is not Channel.PRO} != {Action.SEND}


def test_a_location_that_is_a_cda_path_is_not_sent_as_an_hl7_location() -> None:
    for finding_where, sent in (("PID^1^3", "PID^1^3"), ("recordTarget/patientRole/id", "")):
        (error,) = _acknowledge((Finding("X", Severity.ERROR, finding_where, "Faux."),)).errors
        assert error.location == sent
        assert error.err3 == "207"


def test_the_base64_of_the_helpers_is_that_of_the_message() -> None:
    raw = write_request(discharge("A18"))
    seen: list[bytes] = []

    def look(content: bytes) -> bytes:
        seen.append(content)
        return content

    assert changed(raw, look) == raw
    assert seen == [write(documents.discharge_letter("A18"))]
    assert base64.b64encode(seen[0]) in raw
