"""A document request as a whole: what a sound one gives, and the answer to each way of bending it."""

import pytest

from pfi.model.document import CodedValue, DocumentId
from pfi.model.finding import Severity
from pfi.model.profile import SenderProfile
from pfi.model.submission import Request
from pfi.standards.hl7v2.request import read_request
from pfi.standards.hl7v2.tokenizer import parse
from tests.unit.hl7v2.specimens import CDA, INS, STRICT, TOLERANT, Specimen, b64, codes, errors, mdm, oru

SECOND_DOCUMENT = f"OBX|99|ED|11502-2^CR d'examens biologiques^LN||^TEXT^XML^Base64^{b64(b'<N3/>')}||||||F|"


@pytest.mark.parametrize("profile", [TOLERANT, STRICT])
@pytest.mark.parametrize(
    "specimen", [oru(), mdm(), mdm("T10", "RO", "C"), mdm("T04", "CA", "D")], ids=["R01", "T02", "T10", "T04"]
)
def test_a_message_in_full_agreement_is_accepted_without_a_finding(specimen: Specimen, profile: SenderProfile) -> None:
    reading = specimen.read(profile)
    assert [finding for finding in reading.findings if finding.severity is not Severity.INFO] == []
    assert reading.request is not None


def test_an_oru_gives_everything_it_says() -> None:
    request = oru().read().request
    assert request is not None
    assert request.request is Request.INITIAL
    assert request.message.control_id == "L-77120"
    assert (request.message.message_code, request.message.trigger_event) == ("ORU", "R01")
    assert request.message.profile == "2.1^CISIS_CDA_HL7_V2"
    assert request.code == CodedValue("11502-2", "CR d'examens biologiques", "LN")
    assert [(document.content, document.obx_set_id) for document in request.documents] == [(CDA, 1)]
    assert request.documents[0].code.code == "11502-2"
    assert request.patient.ins is not None
    assert request.patient.ins.matricule == INS
    assert request.stay.patient_class == "O"
    assert request.reply_to == "labo.test@labo.mssante.fr"
    assert request.announced_id is None
    assert request.body_professional is None


@pytest.mark.parametrize(
    ("specimen", "request_kind"),
    [
        (mdm(), Request.INITIAL),
        (mdm("T10", "RO", "C"), Request.REPLACE),
        (mdm("T04", "CA", "D"), Request.DELETE),
        (oru().having("ORC^1^1", "RO").having("OBX^1^11", "C"), Request.REPLACE),
        (oru().having("ORC^1^1", "CA").having("OBX^1^11", "D"), Request.DELETE),
    ],
)
def test_the_request_is_told_by_obx_11(specimen: Specimen, request_kind: Request) -> None:
    reading = specimen.read(STRICT)
    assert errors(reading.findings) == []
    assert reading.request is not None
    assert reading.request.request is request_kind


@pytest.mark.parametrize("profile", [TOLERANT, STRICT])
@pytest.mark.parametrize(
    "specimen",
    [
        oru().having("ORC^1^1", "RO"),
        oru().having("ORC^1^1", "CA"),
        oru().having("OBX^1^11", "C"),
        mdm("T10", "NW", "F"),
        mdm("T02", "RO", "C"),
        mdm("T04", "CA", "F"),
        mdm("T10", "RO", "D"),
        oru().after("ORC|NW", "ORC|CA"),
    ],
)
def test_an_incoherent_request_is_refused_with_199(specimen: Specimen, profile: SenderProfile) -> None:
    reading = specimen.read(profile)
    assert reading.request is None
    assert ("199", "ORC^1^1", "REQUEST_INCOHERENT") in errors(reading.findings)


TABLE = [
    # (what is bent, specimen, tolerant refusal or None, strict refusal), refusals as (ERR-3, ERR-2)
    ("MSH-9 of another type", oru().having("MSH^1^9", "SIU^S12^SIU_S12"), ("200", "MSH^1^9"), ("200", "MSH^1^9")),
    ("MSH-9 empty", oru().having("MSH^1^9", ""), ("200", "MSH^1^9"), ("200", "MSH^1^9")),
    ("ORU of another event", oru().having("MSH^1^9", "ORU^R30^ORU_R30"), ("201", "MSH^1^9"), ("201", "MSH^1^9")),
    ("MDM of another event", mdm().having("MSH^1^9", "MDM^T06^MDM_T02"), ("201", "MSH^1^9"), ("201", "MSH^1^9")),
    ("MSH-9.3 absent", oru().having("MSH^1^9", "ORU^R01"), None, ("200", "MSH^1^9")),
    ("ORU in 2.6", oru().having("MSH^1^12", "2.6"), ("203", "MSH^1^12"), ("203", "MSH^1^12")),
    ("MDM in 2.5", mdm().having("MSH^1^12", "2.5"), ("203", "MSH^1^12"), ("203", "MSH^1^12")),
    ("version with a country", oru().having("MSH^1^12", "2.5^FRA"), None, None),
    ("MSH-11 not allowed", oru().having("MSH^1^11", "X"), ("202", "MSH^1^11"), ("202", "MSH^1^11")),
    ("MSH-11 empty", oru().having("MSH^1^11", ""), ("101", "MSH^1^11"), ("101", "MSH^1^11")),
    ("MSH-10 empty", oru().having("MSH^1^10", ""), ("101", "MSH^1^10"), ("101", "MSH^1^10")),
    ("MSH-3 empty", oru().having("MSH^1^3", ""), None, ("101", "MSH^1^3")),
    ("MSH-4 empty", oru().having("MSH^1^4", ""), None, ("101", "MSH^1^4")),
    ("MSH-7 empty", oru().having("MSH^1^7", ""), None, ("101", "MSH^1^7")),
    ("MSH-7 no date", oru().having("MSH^1^7", "20261399"), None, ("102", "MSH^1^7")),
    ("MSH-7 to the minute", oru().having("MSH^1^7", "202603051014"), None, None),
    ("MSH-17 empty", oru().having("MSH^1^17", ""), None, ("101", "MSH^1^17")),
    ("MSH-17 foreign", oru().having("MSH^1^17", "BEL"), None, ("103", "MSH^1^17")),
    ("MSH-18 empty", oru().having("MSH^1^18", ""), None, ("101", "MSH^1^18")),
    ("MSH-18 unknown", oru().having("MSH^1^18", "BIG-5"), None, ("103", "MSH^1^18")),
    ("MSH-21 empty", oru().having("MSH^1^21", ""), None, ("101", "MSH^1^21")),
    ("MSH-21 older", oru().having("MSH^1^21", "2.0^CISIS_CDA_HL7_V2"), None, ("103", "MSH^1^21")),
    ("MSH-21 with a blank", oru().having("MSH^1^21", "2.1^ CISIS_CDA_HL7_V2"), None, None),
    ("MSH-21 of the other volet", mdm().having("MSH^1^21", "1.1^CISIS_CDA_HL7_LPS"), None, ("103", "MSH^1^21")),
    ("U+02DC in MSH-2", oru().having("MSH^1^2", "^˜\\&").replacing("~", "˜"), None, ("102", "MSH^1^2")),
    ("no PID", oru().without("PID"), ("100", "PID^1"), ("100", "PID^1")),
    ("no PV1 in an ORU", oru().without("PV1"), None, None),
    ("no PV1 in an MDM", mdm().without("PV1"), None, ("100", "PV1^1")),
    ("no EVN", mdm().without("EVN"), None, ("100", "EVN^1")),
    ("no TXA", mdm().without("TXA"), ("100", "TXA^1"), ("100", "TXA^1")),
    ("no ORC", oru().without("ORC"), None, ("100", "ORC^1")),
    ("no OBR", oru().without("OBR"), None, ("100", "OBR^1")),
    ("no OBX", oru().without("OBX"), ("100", "OBX^1"), ("100", "OBX^1")),
    ("two PID", oru().after("PID|", oru().lines[1]), ("198", "PID^2"), ("198", "PID^2")),
    ("two MSH", oru().ending(oru().lines[0]), ("198", "MSH^2"), ("198", "MSH^2")),
    ("two OBR", oru().after("OBR|", oru().lines[4]), None, ("198", "OBR^2")),
    ("PID after OBX", oru().without("PID").ending(oru().lines[1]), ("100", "PID^1"), ("100", "PID^1")),
    ("OBR before ORC", oru().without("ORC").after("OBR|", "ORC|NW"), ("100", "OBR^1"), ("100", "OBR^1")),
    ("extra segments and fields", oru().after("PID|", "PD1||U", "NK1|1").having("OBR^1^45", "x"), None, None),
    ("ORC-1 = SC", oru().having("ORC^1^1", "SC"), None, ("103", "ORC^1^1")),
    ("ORC-1 empty", oru().having("ORC^1^1", ""), None, ("101", "ORC^1^1")),
    ("ORC-1 unknown", oru().having("ORC^1^1", "XX"), ("103", "ORC^1^1"), ("103", "ORC^1^1")),
    ("OBX-11 unknown", oru().having("OBX^1^11", "P"), ("103", "OBX^1^11"), ("103", "OBX^1^11")),
    ("OBX-11 empty", oru().having("OBX^1^11", ""), ("101", "OBX^1^11"), ("101", "OBX^1^11")),
    ("OBR-4 empty", oru().having("OBR^1^4", ""), None, ("101", "OBR^1^4")),
    ("OBR-4 without system", oru().having("OBR^1^4", "11502-2"), None, ("101", "OBR^1^4")),
    ("OBR-4 of another type", oru().having("OBR^1^4", "34133-9^x^LN"), None, ("199", "OBR^1^4")),
    ("TXA-2 empty", mdm().having("TXA^1^2", ""), None, ("101", "TXA^1^2")),
    ("TXA-2 of another type", mdm().having("TXA^1^2", "11502-2"), None, ("199", "TXA^1^2")),
    ("TXA-3 not TEXT", mdm().having("TXA^1^3", "AP"), None, ("103", "TXA^1^3")),
    ("TXA-4 no date", mdm().having("TXA^1^4", "hier"), None, ("102", "TXA^1^4")),
    ("TXA-12 empty", mdm().having("TXA^1^12", ""), None, ("101", "TXA^1^12")),
    ("TXA-13 empty in a T10", mdm("T10", "RO", "C").having("TXA^1^13", ""), None, ("101", "TXA^1^13")),
    ("TXA-13 empty in a T02", mdm().having("TXA^1^13", ""), None, None),
    ("TXA-17 = LA", mdm().having("TXA^1^17", "LA"), None, ("103", "TXA^1^17")),
    ("TXA-17 empty", mdm().having("TXA^1^17", ""), None, ("101", "TXA^1^17")),
    ("TXA-17 unknown", mdm().having("TXA^1^17", "IP"), None, ("103", "TXA^1^17")),
    ("two documents in an MDM", mdm().after("|ED|", SECOND_DOCUMENT), ("198", "OBX^99"), ("198", "OBX^99")),
    ("two documents in an ORU", oru().after("REPLY", SECOND_DOCUMENT), None, None),
    (
        "three documents in an ORU",
        oru().after("REPLY", SECOND_DOCUMENT, SECOND_DOCUMENT),
        ("198", "OBX^99"),
        ("198", "OBX^99"),
    ),
    (
        "two documents with different OBX-11",
        oru().after("REPLY", SECOND_DOCUMENT.replace("|F|", "|D|")),
        ("199", "OBX^99^11"),
        ("199", "OBX^99^11"),
    ),
]


@pytest.mark.parametrize(("specimen", "tolerant", "strict"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_deviation_gets_its_answer(
    specimen: Specimen, tolerant: tuple[str, str] | None, strict: tuple[str, str] | None
) -> None:
    for profile, expected in ((TOLERANT, tolerant), (STRICT, strict)):
        reading = specimen.read(profile)
        refusals = [(err3, where) for err3, where, _ in errors(reading.findings)]
        assert (expected in refusals) if expected else refusals == []
        assert (reading.request is None) == bool(refusals)


@pytest.mark.parametrize(
    ("specimen", "strict"), [(row[1], row[3]) for row in TABLE if row[2] is None and row[3] is not None]
)
def test_what_strict_refuses_tolerant_reports(specimen: Specimen, strict: tuple[str, str]) -> None:
    """Except where the digest asks for silence."""
    silent = {("101", "MSH^1^17"), ("101", "MSH^1^18"), ("103", "TXA^1^17"), ("103", "TXA^1^3")}
    warnings = {(finding.err3, finding.where) for finding in specimen.read().findings}
    assert strict in warnings | silent


def test_undecodable_utf_8_is_read_in_tolerant_and_refused_in_strict() -> None:
    raw = oru().raw(codec="iso8859-15")
    tolerant = read_request(parse(raw), TOLERANT)
    assert tolerant.request is not None
    assert tolerant.request.code.label == "CR d'examens biologiques"
    assert errors(read_request(parse(raw), STRICT).findings) == [("102", "MSH^1^18", "CHARSET_MISMATCH")]


@pytest.mark.parametrize(("charset", "codec"), [("8859/15", "iso8859-15"), ("8859/1", "iso8859-1")])
def test_latin_messages_are_read(charset: str, codec: str) -> None:
    raw = mdm().having("MSH^1^18", charset).raw(codec=codec)
    reading = read_request(parse(raw), STRICT)
    assert reading.request is not None
    assert reading.request.code.label == "CR d'imagerie médicale"


def test_processing_ids_are_those_of_the_sender() -> None:
    production_only = SenderProfile(processing_ids=frozenset({"P"}))
    assert errors(oru().read(production_only).findings) == [("202", "MSH^1^11", "PROCESSING_ID_REFUSED")]


def test_a_refused_message_still_gets_all_its_findings() -> None:
    reading = oru().having("MSH^1^12", "2.3").without("PID").having("OBX^1^11", "P").flag("DESTDMP", "X").read(TOLERANT)
    assert [(err3, where) for err3, where, _ in errors(reading.findings)] == [
        ("203", "MSH^1^12"),
        ("100", "PID^1"),
        ("103", "OBX^1^11"),
        ("103", "OBX^7^5"),
    ]


def test_findings_are_bounded_and_an_error_is_never_lost() -> None:
    specimen = oru().ending(*(f"PRT||UC||XX{rank}" for rank in range(300))).flag("DESTDMP", "X")
    reading = specimen.read()
    assert len(reading.findings) <= 101
    assert errors(reading.findings)
    assert reading.request is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("58132^^1.2.250.1.999.7^ISO", DocumentId("1.2.250.1.999.7", "58132")),
        ("1.2.250.1.999.7.58132", DocumentId("1.2.250.1.999.7.58132")),
        ("1.2.250.1.999.7.58132^Organisation", DocumentId("1.2.250.1.999.7.58132")),
        ("^^1.2.250.1.999.7^ISO", DocumentId("1.2.250.1.999.7")),
        ('""', None),
    ],
)
def test_txa_12_announces_the_document(written: str, expected: DocumentId | None) -> None:
    request = mdm().having("TXA^1^12", written).read().request
    assert request is not None
    assert request.announced_id == expected


def test_txa_13_counts_for_a_replacement_only() -> None:
    replacement, deletion = mdm("T10", "RO", "C").read().request, mdm("T04", "CA", "D").read().request
    assert replacement is not None
    assert replacement.announced_parent == DocumentId("1.2.250.1.999.7", "58131")
    assert deletion is not None
    assert deletion.announced_parent is None


def test_a_txa_in_an_oru_is_ignored() -> None:
    reading = oru().after("OBR|", "TXA|1|x|TEXT||||||||||5").read(STRICT)
    assert reading.request is not None
    assert reading.request.announced_id is None
    assert "SEGMENT_IGNORED" in codes(reading.findings, Severity.INFO)


def test_a_missing_pv1_in_an_oru_means_that_no_stay_is_known() -> None:
    reading = oru().without("PV1").read()
    assert reading.request is not None
    assert reading.request.stay.patient_class == ""
    assert "STAY_UNKNOWN" in codes(reading.findings, Severity.WARNING)


def test_two_renditions_come_in_order_with_their_set_ids() -> None:
    request = oru().after("REPLY", SECOND_DOCUMENT).read(STRICT).request
    assert request is not None
    assert [(document.content, document.obx_set_id) for document in request.documents] == [(CDA, 1), (b"<N3/>", 99)]


def test_a_legacy_reply_to_flag_gives_the_reply_address() -> None:
    legacy = oru().dropping("REPLY").ending("OBX|12|XTN|REPLY_TO^x^MetaDMPMSS||^^X.400^a@b.mssante.fr||||||F|")
    request = legacy.read().request
    assert request is not None
    assert request.reply_to == "a@b.mssante.fr"


def test_an_unnumbered_obx_is_located_by_its_rank() -> None:
    reading = oru().having("OBX^1^1", "").having("OBX^1^11", "P").read()
    assert ("103", "OBX^1^11", "DOCUMENT_STATUS_UNKNOWN") in errors(reading.findings)


def test_no_finding_carries_an_identity_trait() -> None:
    for _, specimen, _, _ in TABLE:
        for finding in specimen.read(STRICT).findings:
            assert not {"PAT-TROIS", "DOMINIQUE", INS, "19790328"} & set(finding.text.replace(",", " ").split())
