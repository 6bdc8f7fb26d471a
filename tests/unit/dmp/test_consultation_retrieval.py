"""A document that comes back is the one asked for, whole, readable and this patient's, or it is refused."""

import hashlib
from dataclasses import replace

import pytest

from connectors.dmp.answers import RS, SUCCESS
from connectors.dmp.consultation_entry import FoundDocument
from connectors.dmp.consultation_query import XDSB
from connectors.dmp.consultation_retrieval import NOT_VERIFIED, RetrievedDocument, read_retrieval, verify
from connectors.dmp.transport import Reply
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.patient import Ins
from pfi.standards.soap.envelope import SoapUnreadableError
from pfi.standards.soap.mtom import Part, attached_parts, write_mtom
from tests.unit.dmp.given import PATIENT
from tests.unit.dmp.test_answers import MESSAGE, envelope
from tests.unit.xds.documents import INS_OID, MATRICULE, cda

CDA = cda()
UNIQUE_ID = "1.2.250.1.999.1.1.7001"
INS = Ins(MATRICULE, INS_OID)
ENTRY = FoundDocument(
    unique_id=UNIQUE_ID,
    entry_uuid="urn:uuid:1",
    logical_id="urn:uuid:1",
    repository="1.2",
    community="",
    patient_id="",
    state="",
    mime_type="text/xml",
    title="",
    type_code=None,
    class_code=None,
    format_code=None,
    confidentiality=(),
    authors=(),
    institutions=(),
    creation_time=None,
    service_start=None,
    service_stop=None,
    language="fr-FR",
    hash=hashlib.sha1(CDA, usedforsecurity=False).hexdigest(),
    size=len(CDA),
)
UNHASHED = replace(ENTRY, hash="", size=None)


def answer(documents: str, registry: str = f'<rs:RegistryResponse xmlns:rs="{RS}" status="{SUCCESS}"/>') -> bytes:
    return envelope(
        f'<x:RetrieveDocumentSetResponse xmlns:x="{XDSB}" xmlns:p="http://www.w3.org/2004/08/xop/include">'
        f"{registry}{documents}</x:RetrieveDocumentSetResponse>"
    )


def document(unique_id: str = UNIQUE_ID, href: str = "cid:doc%401") -> str:
    return (
        f"<x:DocumentResponse><x:DocumentUniqueId>{unique_id}</x:DocumentUniqueId>"
        f'<x:Document><p:Include href="{href}"/></x:Document></x:DocumentResponse>'
    )


def read(root: bytes, content: bytes = CDA) -> bytes | Outcome:
    content_type, body = write_mtom(root, [Part("doc@1", content)], action="a", boundary="b-7")
    return read_retrieval(Reply(200, content_type, body), MESSAGE, (PATIENT,), UNIQUE_ID)


@pytest.mark.parametrize("content", [CDA, b"", b"\r\n--autre\r\n\r\n\x00\xff", CDA.replace(b"\n", b"\r\n")])
def test_the_bytes_are_those_of_the_part(content: bytes) -> None:
    assert read(answer(document()), content) == content


@pytest.mark.parametrize(
    ("root", "kind", "code"),
    [
        (answer(document("9.9")), OutcomeKind.REFUSED, "DMP_ANSWER_OTHER_DOCUMENT"),
        (answer(""), OutcomeKind.REFUSED, "DMP_ANSWER_OTHER_DOCUMENT"),
        (answer(document() * 2), OutcomeKind.REFUSED, "DMP_ANSWER_OTHER_DOCUMENT"),
        (answer(document(href="cid:absent")), OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE"),
        (answer(document(href="http://ailleurs.invalid/x")), OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE"),
        (answer(document(), registry=""), OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE"),
        (envelope("<x/>"), OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE"),
        (
            answer(
                "",
                f'<rs:RegistryResponse xmlns:rs="{RS}" status="urn:x:Failure"><rs:RegistryErrorList>'
                '<rs:RegistryError errorCode="XDSDocumentUniqueIdError" severity="urn:x:Error"/>'
                "</rs:RegistryErrorList></rs:RegistryResponse>",
            ),
            OutcomeKind.REFUSED,
            "XDSDocumentUniqueIdError",
        ),
        (
            answer("", f'<rs:RegistryResponse xmlns:rs="{RS}" status="urn:x:Failure"/>'),
            OutcomeKind.REFUSED,
            "DMP_RETRIEVE_FAILED",
        ),
    ],
)
def test_any_other_answer_gives_nothing(root: bytes, kind: OutcomeKind, code: str) -> None:
    outcome = read(root)
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.code) == (kind, code)


def test_a_document_that_is_as_described_is_given() -> None:
    assert verify(CDA, ENTRY, INS, max_bytes=10**6) == RetrievedDocument(ENTRY, CDA)


def test_a_document_without_hash_is_given_with_a_warning() -> None:
    got = verify(CDA, UNHASHED, INS, max_bytes=10**6)
    assert isinstance(got, RetrievedDocument)
    assert got.warnings == (NOT_VERIFIED,)


def test_what_is_not_xml_is_only_compared_with_its_hash() -> None:
    other = replace(UNHASHED, mime_type="application/dicom")
    assert isinstance(verify(b"\x00DICM", other, INS, max_bytes=100), RetrievedDocument)


BOMB = b'<!DOCTYPE a [<!ENTITY x "y">]><ClinicalDocument xmlns="urn:hl7-org:v3">&x;</ClinicalDocument>'


@pytest.mark.parametrize(
    ("content", "entry", "ins", "code"),
    [
        (CDA + b" ", ENTRY, INS, "XDSNonIdenticalSize"),
        (CDA.replace(b"Adam", b"Adan"), ENTRY, INS, "XDSNonIdenticalHash"),
        (BOMB, UNHASHED, INS, "DMP_DOCUMENT_UNREADABLE"),
        (b"<html/>", UNHASHED, INS, "DMP_DOCUMENT_UNREADABLE"),
        (CDA, replace(UNHASHED, unique_id="1.2.3"), INS, "DMP_DOCUMENT_OTHER_ID"),
        (CDA, ENTRY, Ins("277076322082910", INS_OID), "DMP_DOCUMENT_OTHER_PATIENT"),
        (CDA, ENTRY, INS, "DMP_DOCUMENT_TOO_LARGE"),
    ],
)
def test_anything_else_is_refused(content: bytes, entry: FoundDocument, ins: Ins, code: str) -> None:
    limit = 100 if code == "DMP_DOCUMENT_TOO_LARGE" else 10**6
    outcome = verify(content, entry, ins, max_bytes=limit)
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, code)
    assert MATRICULE not in outcome.text


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\nContent-ID: <a>\r\n\r\nx\r\n",
        b"--b\r\nContent-ID: <a>\r\n\r\nx\r\n--b\r\nContent-ID: <a>\r\n\r\ny\r\n--b--",
        b"--b\r\nContent-Type: text/xml\r\n\r\nx\r\n--b--",
    ],
)
def test_a_broken_package_is_not_guessed(body: bytes) -> None:
    with pytest.raises(SoapUnreadableError):
        attached_parts('multipart/related; boundary="b"', body)


def test_an_answer_in_one_piece_has_no_parts() -> None:
    assert attached_parts("application/soap+xml", b"<x/>") == {}
