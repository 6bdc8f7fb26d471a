"""The MDM of flux 6, read back field by field by our reader, by python-hl7 and by hl7apy."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from pfi.model.document import CodedValue, Document, DocumentId
from pfi.model.errors import BugError
from pfi.model.finding import Severity
from pfi.model.parties import Author, Device, Organization, Person
from pfi.model.patient import Identifier, Ins, Patient, Traits
from pfi.model.profile import SenderProfile
from pfi.model.submission import Orders, Request
from pfi.standards.hl7v2.identifiers import read_document_id
from pfi.standards.hl7v2.mdm import Addressing, MailOrigin, MailRecipient, visibility, write_mdm
from pfi.standards.hl7v2.mllp import wrap
from pfi.standards.hl7v2.participants import read_address, read_device, read_organization, read_person
from pfi.standards.hl7v2.patient_segment import read_patient
from pfi.standards.hl7v2.request import read_request
from pfi.standards.hl7v2.timestamp import read_timestamp
from pfi.standards.hl7v2.tokenizer import Message, parse
from tests.unit.mssante.material import cda, document

PARIS = timezone(timedelta(hours=1))
NOW = datetime(2026, 3, 7, 11, 5, 0, tzinfo=PARIS)
RECEIVED = datetime(2026, 3, 7, 11, 2, 12, tzinfo=PARIS)
ADDRESSING = Addressing("PFI-TEST", "CH-TEST", "DPI-TEST", "CH-TEST", "T")
UROLOGY = Organization("Urologie", "3435", "750000001", "UF")
ALICE = Author(
    Person("801234567866", "1.2.250.1.71.4.2.1", "IDNPS", "DEMO", "Alice"),
    Organization("Labo Test", "1750000002", "1.2.250.1.71.4.2.2", "IDNST"),
)
MAIL = MailOrigin(
    message_id="<20260307.1@medecin.mssante.fr>",
    subject="XDM/1.0/DDM+CR d’examens PAT-TROIS DOMINIQUE 28/03/1979",
    text="Bonjour,\nvoici l’été.\n",
    received_at=RECEIVED,
    sender="cabinet.demo@medecin.mssante.fr",
    sender_party=ALICE,
    recipients=(MailRecipient("uro_auto@ch-test.mssante.fr", UROLOGY),),
    reply_to=("secretariat.demo@medecin.mssante.fr",),
)
SOUND = document(cda())


def with_parent(sent: Document = SOUND, parent: DocumentId | None = None) -> Document:
    return replace(sent, header=replace(sent.header, replaced=parent or DocumentId("1.2.250.1.999.1.1.6")))


def with_patient(patient: Patient) -> Document:
    return replace(SOUND, header=replace(SOUND.header, patient=patient))


def mdm(sent: Document = SOUND, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "request": Request.INITIAL,
        "flags": visibility(()),
        "mail": MAIL,
        "addressing": ADDRESSING,
        "control_id": "P-000512",
        "now": NOW,
    }
    return write_mdm(sent, **{**values, **changes})


def lines(sent: Document = SOUND, **changes: Any) -> list[str]:
    return mdm(sent, **changes).decode().split("\r")


def written(sent: Document = SOUND, **changes: Any) -> Message:
    return parse(mdm(sent, **changes))


def pid(patient: Patient, **changes: Any) -> str:
    return next(line for line in lines(with_patient(patient), **changes) if line.startswith("PID|"))


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_the_whole_message_segment_by_segment() -> None:
    flag = "||N^^expandedYes-NoIndicator||||||F"
    assert lines() == [
        "MSH|^~\\&|PFI-TEST|CH-TEST|DPI-TEST|CH-TEST|20260307110500+0100||MDM^T02^MDM_T02|P-000512|T|2.6|||||FRA"
        "|UNICODE UTF-8|||1.1^CISIS_CDA_HL7_LPS",
        "EVN||20260307110212+0100",
        "PID|||279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS~IPP-4711^^^&1.2.250.1.999.9&ISO^PI"
        "||PAT-TROIS^DOMINIQUE^DOMINIQUE MARIE^^^^L||19790328|F|||^^^^^^BDL^^51215",
        "PV1|1|N",
        "ORC|NW",
        "OBR|1|||18748-4^CR d'imagerie médicale^LN",
        "TXA|1|18748-4|TEXT|||||||||1.2.250.1.999.1.1.7|||||AU",
        f"OBX|1|ED|18748-4^CR d'imagerie médicale^LN||^text^XML^Base64^{b64(SOUND.content)}||||||F",
        "PRT||UC||SB^Send by^participation|801234567866^DEMO^Alice^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
        "|||Labo Test^^^^^ASIP-SANTE-ST&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750000002|||||||"
        "^^X.400^cabinet.demo@medecin.mssante.fr",
        "PRT||UC||RCT^Result Copies To^participation||||Urologie^^^^^750000001^UF^^^3435|||||||"
        "^^X.400^uro_auto@ch-test.mssante.fr",
        "PRT||UC||REPLY^Reply To^participation|||||||||||^^X.400^secretariat.demo@medecin.mssante.fr",
        "OBX|2|ED|<20260307.1@medecin.mssante.fr>^XDM/1.0/DDM+CR d’examens PAT-TROIS DOMINIQUE 28/03/1979||"
        f"^text^^Base64^{b64(MAIL.text.encode())}||||||F",
        f"OBX|3|CWE|MASQUE_PS^Masqué aux professionnels de Santé^MetaDMPMSS{flag}",
        f"OBX|4|CWE|INVISIBLE_PATIENT^Document Non Visible par le patient^MetaDMPMSS{flag}",
        f"OBX|5|CWE|INVISIBLE_REP_LEGAUX^Non visible par les représentants Légaux du patient^MetaDMPMSS{flag}",
        f"OBX|6|CWE|MODIF_CONF_CODE^Modification Confidentiality Code^MetaDMPMSS{flag}",
        "",
    ]


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert mdm() == mdm()


@pytest.mark.parametrize(
    ("request_kind", "event", "control", "status", "parent"),
    [
        (Request.INITIAL, "T02", "NW", "F", ""),
        (Request.REPLACE, "T10", "RO", "C", "1.2.250.1.999.1.1.6"),
        (Request.DELETE, "T04", "CA", "D", ""),
    ],
)
def test_event_order_and_status_tell_the_same_request(
    request_kind: Request, event: str, control: str, status: str, parent: str
) -> None:
    message = written(with_parent(), request=request_kind)
    obx, txa, orc = message.all("OBX"), message.first("TXA"), message.first("ORC")
    assert txa is not None
    assert orc is not None
    assert message.msh.text(9) == f"MDM^{event}^MDM_T02"
    assert orc.text(1) == control
    assert [each.text(11) for each in obx] == [status, "F", "F", "F", "F", "F"]
    assert txa.text(13) == parent


def test_our_own_reader_finds_every_part() -> None:
    """Read as a document request: only the flags of a request, which flux 6 has not, and the profile are missing."""
    reading = read_request(
        written(with_parent(), request=Request.REPLACE), SenderProfile(processing_ids=frozenset("T"))
    )
    assert {finding.code for finding in reading.findings} == {"PROFILE_OTHER_FLOW", "FLAGS_ABSENT"}
    assert all(finding.severity is not Severity.ERROR for finding in reading.findings)
    request = reading.request
    assert request is not None
    assert request.request is Request.REPLACE
    assert [each.content for each in request.documents] == [SOUND.content]
    assert request.code == CodedValue("18748-4", "CR d'imagerie médicale", "LN")
    assert request.announced_id == SOUND.header.document_id
    assert request.announced_parent == DocumentId("1.2.250.1.999.1.1.6")
    assert request.patient.ins == SOUND.header.patient.ins
    assert request.patient.traits == SOUND.header.patient.traits
    assert request.sender == ALICE
    assert [(each.address, each.organization) for each in request.recipients] == [
        ("uro_auto@ch-test.mssante.fr", UROLOGY)
    ]
    assert request.reply_to == "secretariat.demo@medecin.mssante.fr"


def test_the_mail_is_whole_whatever_its_characters() -> None:
    subject = "XDM/1.0/DDM+CR | ^ & ~ \\ d’été 🩺"
    message_id = "<" + "a|b^c&d~e" * 40 + "@medecin.mssante.fr>"
    mail = replace(MAIL, subject=subject, message_id=message_id, text="Œuvre ’ | ^\r\nfin")
    message = written(mail=mail)
    obx = message.all("OBX")[1]
    assert obx.component(3, 1) == message_id
    assert obx.component(3, 2) == subject
    assert base64.b64decode(obx.component(5, 5)).decode() == mail.text
    assert message.msh.text(18) == "UNICODE UTF-8"


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.text(max_size=30))
def test_no_text_can_forge_a_segment_a_field_or_a_frame(message_id: str, subject: str, name: str, label: str) -> None:
    party = Author(Person("8", "", "", name, name), Organization(name, name, name, name), Device(name, name, name))
    mail = replace(MAIL, message_id=message_id, subject=subject, text=subject, sender_party=party)
    traits = Traits(name, name, name, name, name, name, name, name)
    sent = with_patient(Patient(Ins(name, "1.2.250.1.213.1.4.10"), (Identifier(name, name),), traits))
    sent = replace(sent, header=replace(sent.header, code=CodedValue(label, label, label)))
    raw = mdm(sent, mail=mail, control_id=label, identity_reliability=(name,))
    wrap(raw)
    message = parse(raw)
    assert [segment.name for segment in message.segments] == [line[:3] for line in lines()[:-1]]
    assert [segment.text(1) for segment in message.all("OBX")] == list("123456")
    assert all(segment.field_count <= 32 for segment in message.segments)


# --- patient ---

NIR = Ins("279035121518989", "1.2.250.1.213.1.4.10")


def test_every_identifier_of_the_cda_has_its_type() -> None:
    patient = Patient(
        ins=NIR,
        other_ins=(Ins("999035121518989", "1.2.250.1.213.1.4.9"),),
        identifiers=(
            Identifier("IPP|1", "1.2.250.1.999.9"),
            Identifier("", "1.2.250.1.999.55"),
            Identifier("", "1.2.250.1.213.1.4.10"),
            Identifier("0123456789", "1.2.250.1.213.1.4.6"),
            Identifier("IPP|1", "1.2.250.1.999.9"),
        ),
    )
    assert pid(patient).split("|")[3].split("~") == [
        "279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS",
        "999035121518989^^^ASIP-SANTE-INS-NIA&1.2.250.1.213.1.4.9&ISO^INS",
        "IPP\\F\\1^^^&1.2.250.1.999.9&ISO^PI",
        "1.2.250.1.999.55^^^^PI",
        "0123456789^^^ASIP-SANTE-INS-C&1.2.250.1.213.1.4.6&ISO^INS-C",
    ]


def test_used_names_stand_beside_the_birth_name() -> None:
    traits = Traits("PAT-TROIS", "DOMINIQUE", "DOMINIQUE MARIE", "19790328", "UN", "", "PAT-DEUX", "DOM")
    fields = pid(Patient(NIR, traits=traits)).split("|")
    assert fields[5] == "PAT-TROIS^DOMINIQUE^DOMINIQUE MARIE^^^^L~PAT-DEUX^DOM^^^^^D"
    assert fields[8] == "U"
    assert len(fields) == 9


def test_the_traits_come_back_as_they_were() -> None:
    traits = Traits("D'ÉTÉ & Cie", "ZOÉ", "ZOÉ ANNE", "1979", "F", "2A004", "DE L’ÎLE", "Zoé")
    segment = written(with_patient(Patient(NIR, traits=traits))).first("PID")
    assert segment is not None
    assert read_patient(segment) == Patient(NIR, traits=traits)


def test_reliability_is_never_invented() -> None:
    assert "VALI" not in mdm().decode()
    assert pid(Patient(NIR), identity_reliability=("VALI", "DOUT")).endswith("|VALI~DOUT")


# --- document ---


@pytest.mark.parametrize(
    ("document_id", "txa"),
    [(DocumentId("1.2.3"), "1.2.3"), (DocumentId("1.2.250.1.999.7", "58132"), "58132^^1.2.250.1.999.7^ISO")],
)
def test_identifiers_of_documents_are_read_back(document_id: DocumentId, txa: str) -> None:
    header = replace(SOUND.header, document_id=document_id, replaced=document_id)
    segment = written(replace(SOUND, header=header), request=Request.REPLACE).first("TXA")
    assert segment is not None
    assert segment.text(12) == segment.text(13) == txa
    assert read_document_id(segment.first(12)) == read_document_id(segment.first(13)) == document_id


@pytest.mark.parametrize(
    ("code", "field"),
    [
        (CodedValue("11502-2", "CR biologie", "2.16.840.1.113883.6.1"), "11502-2^CR biologie^LN"),
        (CodedValue("PRESC-BIO", "Prescription", "1.2.250.1.213.1.1.4.12"), "PRESC-BIO^Prescription^TRE_A05"),
        (CodedValue("X1", "Autre", "1.2.3.4"), "X1^Autre^1.2.3.4"),
        (CodedValue("18748-4"), "18748-4^CR d'imagerie médicale^LN"),
    ],
)
def test_the_type_is_said_as_hl7_says_it(code: CodedValue, field: str) -> None:
    sent = replace(SOUND, header=replace(SOUND.header, code=code))
    message = written(sent)
    obr, obx = message.first("OBR"), message.first("OBX")
    assert obr is not None
    assert obx is not None
    assert obr.text(4) == obx.text(3) == field


@pytest.mark.parametrize(
    ("codes", "flags"),
    [
        ((), "NNNN"),
        (("N", "R", "V"), "NNNN"),
        (("N", "MASQUE_PS"), "YNNN"),
        (("INVISIBLE_PATIENT",), "NYNN"),
        (("INVISIBLE_REPRESENTANTS_LEGAUX",), "NNYN"),
        (("INVISIBLE_REP_LEGAUX", "invisible_patient "), "NYYN"),
        (("MODIF_CONFIDENTIALITYCODE",), "NNNY"),
    ],
)
def test_the_flags_come_from_the_confidentiality_codes(codes: tuple[str, ...], flags: str) -> None:
    message = written(flags=visibility(CodedValue(code) for code in codes))
    assert "".join(obx.component(5) for obx in message.all("OBX")[2:]) == flags


def test_a_flag_that_is_not_stated_is_n() -> None:
    assert mdm(flags=Orders()) == mdm()


# --- participants ---


def test_a_sender_known_by_its_address_alone() -> None:
    mail = replace(MAIL, sender_party=None, recipients=(), reply_to=())
    (prt,) = written(mail=mail).all("PRT")
    assert prt.text(4) == "SB^Send by^participation"
    assert read_address(prt) == MAIL.sender
    assert [prt.text(number) for number in (5, 8, 10)] == ["", "", ""]


def test_people_structures_and_software_are_read_back() -> None:
    party = replace(ALICE, device=Device("LOGI-1", "1.2.250.1.999.3", "Logiciel"))
    prt = written(mail=replace(MAIL, sender_party=party)).all("PRT")[0]
    assert read_person(prt.first(5)) == party.person
    assert read_organization(prt.first(8)) == party.organization
    assert read_device(prt.first(10)) == party.device


def test_a_person_without_a_number_is_a_name() -> None:
    party = Author(Person(family="DEMO", given="Alice"), Organization("Cabinet Démo"))
    prt = written(mail=replace(MAIL, sender_party=party)).all("PRT")[0]
    assert prt.text(5) == "^DEMO^Alice"
    assert prt.text(8) == "Cabinet Démo"


def test_recipients_and_reply_addresses_repeat_in_order() -> None:
    recipients = (MailRecipient("a@x.mssante.fr"), MailRecipient("b@x.mssante.fr", UROLOGY))
    prts = written(mail=replace(MAIL, recipients=recipients, reply_to=("c@x.mssante.fr", "d@x.mssante.fr"))).all("PRT")
    assert [(each.component(4), read_address(each)[0]) for each in prts] == [
        ("SB", "c"),
        ("RCT", "a"),
        ("RCT", "b"),
        ("REPLY", "c"),
        ("REPLY", "d"),
    ]


# --- times, other readers, invariants ---


def test_the_event_is_the_reception_and_the_message_its_own_time() -> None:
    message = written(now=NOW.astimezone(UTC))
    evn = message.first("EVN")
    assert evn is not None
    assert read_timestamp(evn.text(2)) == RECEIVED
    assert read_timestamp(message.msh.text(7)) == NOW
    assert message.msh.text(7).endswith("+0000")


@pytest.mark.parametrize("request_kind", Request)
def test_python_hl7_sees_the_same_segments(request_kind: Request) -> None:
    raw = mdm(with_parent(), request=request_kind)
    theirs = hl7.parse(raw.decode())
    assert [str(segment[0]) for segment in theirs] == [segment.name for segment in parse(raw).segments]
    assert str(theirs.segment("TXA")(12)) == "1.2.250.1.999.1.1.7"


@pytest.mark.parametrize("request_kind", Request)
def test_the_structure_is_mdm_t02_for_hl7apy(request_kind: Request) -> None:
    """PRT, pre-adopted from v2.9, is unknown to its v2.6: it is taken out first. `MDM_T02` serves all three events."""
    raw = mdm(with_parent(), request=request_kind).decode()
    known = "\r".join(line for line in raw.split("\r") if not line.startswith("PRT|"))
    message = parse_message(known, validation_level=VALIDATION_LEVEL.TOLERANT)
    assert message.name == "MDM_T02"
    assert message.validate()
    assert [child.name for child in message.children] == [
        "MSH", "EVN", "PID", "PV1", "MDM_T02_COMMON_ORDER", "TXA", *["MDM_T02_OBSERVATION"] * 6,
    ]  # fmt: skip


def test_what_the_checks_should_have_refused_is_a_bug() -> None:
    with pytest.raises(BugError, match="MDM_SENDER_MISSING"):
        mdm(mail=replace(MAIL, sender=" "))
    with pytest.raises(BugError, match="MDM_PARENT_MISSING"):
        mdm(request=Request.REPLACE)
