"""Every official document: its metadata are valid by schema and equal to a second computation from published tables.

How these documents live in a DMP is in `tests/contract/test_dmp_official.py`.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connectors.dmp.feed import Lot, describe, feed_request
from pfi.model.delivery import Delivery
from pfi.model.document import Document
from pfi.model.submission import Orders, Request, Stay
from pfi.standards.cda.header import read_header
from pfi.standards.xdm.metadata import write_metadata
from pfi.standards.xds.mapping import patient_id
from tests.acceptance.metadata_recomputed import recomputed, refusals, written, written_lot
from tests.contract.dmp_documents import next_version, of_a_test_identity
from tests.official import XSD_DIR, needs_official_samples, needs_public_schemas, official_documents
from tests.unit.dmp.given import NOW, SENDER, delivery, known_caller, settings, signing_key, wire

pytestmark = needs_official_samples

DOCUMENTS = official_documents()
TAKEN = [path for path in DOCUMENTS if not refusals(of_a_test_identity(path.read_bytes()))]
every_document = pytest.mark.parametrize("content", TAKEN, ids=lambda path: path.stem, indirect=True)
UNRESOLVED = "urn:uuid:00000000-0000-0000-0000-000000000000"


@pytest.fixture
def content(request: pytest.FixtureRequest) -> bytes:
    """The bytes of one official document."""
    document: Path = request.param
    return document.read_bytes()


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(XSD_DIR / "ebxml" / "lcm.xsd")))


def carried(content: bytes, **changes: Any) -> Delivery:
    """A delivery of one document for the patient that it names."""
    document = Document(content, read_header(content))
    return delivery(**{"documents": (document,), "patient": document.header.patient, **changes})


def submitted(sent: Delivery) -> etree._Element:
    """The SubmitObjectsRequest of the request that would leave."""
    known, who = settings(), known_caller(sent)
    replaced = {document.unique_id: UNRESOLVED for document in sent.documents if sent.request is Request.REPLACE}
    lot = describe(sent, who, known, resource_id=patient_id(sent.patient, True), replaced=replaced)
    assert isinstance(lot, Lot), lot
    request = feed_request(lot, sent, who, known, wire=wire(), key=signing_key(), now=NOW)
    found = re.search(rb"<lcm:SubmitObjectsRequest.*</lcm:SubmitObjectsRequest>", request.body, re.DOTALL)
    assert found
    return etree.fromstring(found[0])


@needs_public_schemas
@every_document
def test_what_leaves_for_the_dmp_is_valid_and_says_what_the_digest_says(content: bytes) -> None:
    request = submitted(carried(content))
    schema().assertValid(request)
    assert written(request, "Document01") == recomputed(content)


@needs_public_schemas
@every_document
def test_a_replacement_is_valid_and_names_what_it_replaces(content: bytes) -> None:
    second = next_version(content, "1.2.250.1.999.1.9")
    request = submitted(carried(second, request=Request.REPLACE))
    schema().assertValid(request)
    assert written(request, "Document01") == recomputed(second)
    said = {one.get("associationType"): (one.get("sourceObject"), one.get("targetObject")) for one in request.iter()}
    assert said["urn:ihe:iti:2007:AssociationType:RPLC"] == ("Document01", UNRESOLVED)


def test_the_lot_says_who_sends_when_for_whom_and_in_which_care() -> None:
    """DMP digest §2.4: of the message (PRT SB, PV1-2), never of the CDA."""
    content = letter()
    sent = carried(content, stay=Stay(patient_class="R"), created_at=NOW)
    assert written_lot(submitted(sent)) == {
        "submissionTime": f"{NOW:%Y%m%d%H%M%S}",
        "authorPerson": "801234567897^HODA^Adam^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
        "authorInstitution": "CH de test^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750000001",
        "contentTypeCode": "19 1.2.250.1.213.2.2 Traitement et cure ambulatoire",
        "patientId": recomputed(content).identifiers["patientId"],
        "sourceId": settings().source_oid,
        "uniqueId": sent.ids.submission_set,
    }


@needs_public_schemas
@every_document
def test_what_leaves_by_mail_is_valid_and_says_the_same(content: bytes) -> None:
    document = Document(content, read_header(content))
    metadata = write_metadata(
        [document],
        request=Request.REPLACE,
        orders=Orders(),
        patient=document.header.patient,
        qualified=True,
        patient_class="I",
        sender=SENDER,
        unique_id="1.2.3",
        source_id="1.2.4",
        submitted_at=NOW,
    )
    request = etree.fromstring(metadata)
    schema().assertValid(request)
    assert written(request, "Document01") == recomputed(content, uri="DOC0001.XML", action="C")


@pytest.mark.parametrize(
    ("orders", "visibility"),
    [
        (Orders(masque_ps=True), ("MASQUE_PS",)),
        (Orders(invisible_patient=True), ("INVISIBLE_PATIENT",)),
        (Orders(invisible_rep_legaux=True), ("INVISIBLE_REPRESENTANTS_LEGAUX",)),
        (
            Orders(masque_ps=True, invisible_rep_legaux=True),
            ("MASQUE_PS", "INVISIBLE_REPRESENTANTS_LEGAUX"),
        ),
    ],
)
def test_the_visibility_that_the_message_orders_is_described(orders: Orders, visibility: tuple[str, ...]) -> None:
    content = letter()
    assert written(submitted(carried(content, orders=orders)), "Document01") == recomputed(
        content, visibility=visibility
    )


def letter() -> bytes:
    return (DOCUMENTS[0].parent / "LDL-SES_2022.01.xml").read_bytes()


@pytest.mark.parametrize(
    ("written_as", "in_utc"),
    [
        (b"20230209113000+0100", "20230209103000"),
        (b"20230709113000-0430", "20230709160000"),
        (b"20230709113000", "20230709093000"),
        (b"20230209", "20230209"),
    ],
)
def test_the_second_computation_converts_times_by_itself(written_as: bytes, in_utc: str) -> None:
    """A guard on the guard: it must see what a wrong offset would do. Without one, the hour is that of Paris."""
    content = re.sub(rb'(<effectiveTime value=")[^"]*', rb"\g<1>" + written_as, letter(), count=1)
    assert recomputed(content).slots["creationTime"] == (in_utc,)
    assert written(submitted(carried(content)), "Document01") == recomputed(content)
