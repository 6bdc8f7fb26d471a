"""Every official document: its metadata are valid by schema, equal to a second computation, and live in the DMP."""

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.dmp.registry import EntryStatus
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, DeliveryIds, OutcomeKind
from pfi.model.document import Document
from pfi.model.submission import Orders, Request, Stay
from pfi.standards.cda.header import read_header
from pfi.standards.xdm.metadata import write_metadata
from tests.acceptance.metadata_recomputed import recomputed, written, written_lot
from tests.contract.dmp_peer import settled
from tests.official import XSD_DIR, needs_official_samples, needs_public_schemas, official_documents
from tests.unit.dmp.given import NOW, SENDER, delivery

pytestmark = needs_official_samples

DOCUMENTS = official_documents()
PRODUCTION_NIR = "1.2.250.1.213.1.4.8"
every_document = pytest.mark.parametrize("content", DOCUMENTS, ids=lambda path: path.stem, indirect=True)


@pytest.fixture
def content(request: pytest.FixtureRequest) -> bytes:
    """The bytes of one official document."""
    document: Path = request.param
    return document.read_bytes()


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(XSD_DIR / "ebxml" / "lcm.xsd")))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates are made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
async def sandbox(directory: Path) -> AsyncIterator[Sandbox]:
    shutil.rmtree(directory / "dmp", ignore_errors=True)  # samples are versions of one another: an empty DMP for each
    async with Sandbox(directory) as opened:
        yield opened
    await settled()


def carried(sandbox: Sandbox, content: bytes, **changes: Any) -> Delivery:
    """A delivery of one document by the establishment of the sandbox, for the patient that the document names."""
    document = Document(content, read_header(content))
    structure = sandbox.configuration()["dmp"]["structure"]["identifier"]
    assert SENDER.organization is not None
    ids = IdSource()
    values: dict[str, Any] = {
        "documents": (document,),
        "patient": document.header.patient,
        "sender": replace(SENDER, organization=replace(SENDER.organization, identifier=structure)),
        "ids": DeliveryIds(ids.oid(), ids.oid(), "m", "e", "c"),
        "created_at": system_clock(),
    }
    return delivery(**{**values, **changes})


def connector_for(sandbox: Sandbox, sent: Delivery) -> DmpConnector:
    """A connector of the environment of the document's INS: some samples have an INS of production."""
    production = sent.patient.ins is not None and sent.patient.ins.oid == PRODUCTION_NIR
    environment = "production" if production else "test"
    settings = DmpSettings.model_validate({**sandbox.configuration()["dmp"], "environment": environment})
    return DmpConnector(settings, Surroundings(system_clock, IdSource(), "PFI", "1.0"))


def submitted(connector: DmpConnector, sent: Delivery) -> etree._Element:
    """The SubmitObjectsRequest of the request that would leave."""
    found = re.search(rb"<lcm:SubmitObjectsRequest.*</lcm:SubmitObjectsRequest>", connector.preview(sent).content)
    assert found
    return etree.fromstring(found[0])


@needs_public_schemas
@every_document
async def test_what_leaves_for_the_dmp_is_valid_and_says_what_the_digest_says(sandbox: Sandbox, content: bytes) -> None:
    sent = carried(sandbox, content)
    request = submitted(connector_for(sandbox, sent), sent)
    schema().assertValid(request)
    assert written(request, "Document01") == recomputed(content)


async def test_the_lot_says_who_sends_when_for_whom_and_in_which_care(sandbox: Sandbox) -> None:
    """DMP digest §2.4: of the message (PRT SB, PV1-2), never of the CDA."""
    content = (DOCUMENTS[0].parent / "LDL-SES_2022.01.xml").read_bytes()
    sent = carried(sandbox, content, stay=Stay(patient_class="R"), created_at=NOW)
    connector = connector_for(sandbox, sent)
    request = submitted(connector, sent)
    structure = sandbox.configuration()["dmp"]["structure"]["identifier"]
    assert written_lot(request) == {
        "submissionTime": f"{NOW:%Y%m%d%H%M%S}",
        "authorPerson": "801234567897^HODA^Adam^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
        "authorInstitution": f"CH de test^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^{structure}",
        "contentTypeCode": "19 1.2.250.1.213.2.2 Traitement et cure ambulatoire",
        "patientId": recomputed(content).identifiers["patientId"],
        "sourceId": sandbox.configuration()["dmp"]["source_oid"],
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


@every_document
async def test_a_document_is_accepted_replaced_and_deleted(sandbox: Sandbox, content: bytes) -> None:
    first = carried(sandbox, content)
    ins = first.patient.ins
    assert ins is not None
    sandbox.dmp.put_patient(ins.matricule, DmpState.ACTIVE)
    connector = connector_for(sandbox, first)
    await connector.open()
    try:
        second = carried(sandbox, next_version(content, IdSource().oid()), request=Request.REPLACE)
        deletion = carried(sandbox, second.documents[0].content, request=Request.DELETE)
        for step in (first, second, deletion):
            outcome = await connector.send(step)
            assert outcome.kind is OutcomeKind.DELIVERED, (step.request, outcome.code, outcome.text)
    finally:
        await connector.close()
    states = {stored.unique_id: stored.status for stored in sandbox.dmp.documents()}
    assert states[first.documents[0].unique_id] is EntryStatus.DEPRECATED
    assert states[second.documents[0].unique_id] is EntryStatus.DELETED


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
async def test_the_visibility_that_the_message_orders_is_described(
    sandbox: Sandbox, orders: Orders, visibility: tuple[str, ...]
) -> None:
    content = (DOCUMENTS[0].parent / "LDL-SES_2022.01.xml").read_bytes()
    sent = carried(sandbox, content, orders=orders)
    request = submitted(connector_for(sandbox, sent), sent)
    assert written(request, "Document01") == recomputed(content, visibility=visibility)


def next_version(content: bytes, unique_id: str) -> bytes:
    """The next version of a document: another id, one more in its version, and RPLC to the one it replaces."""
    root = etree.fromstring(content)
    namespace = "{urn:hl7-org:v3}"
    cda = root if root.tag == f"{namespace}ClinicalDocument" else next(root.iter(f"{namespace}ClinicalDocument"))
    own = cda.find(f"{namespace}id")
    assert own is not None
    replaced = own.get("root", "")
    own.set("root", unique_id)
    version = cda.find(f"{namespace}versionNumber")
    if version is not None:
        version.set("value", str(int(version.get("value", "1")) + 1))
    for related in cda.findall(f"{namespace}relatedDocument"):
        cda.remove(related)
    related = etree.Element(f"{namespace}relatedDocument", typeCode="RPLC")
    parent = etree.SubElement(related, f"{namespace}parentDocument")
    etree.SubElement(parent, f"{namespace}id", root=replaced)
    cda.findall(f"{namespace}documentationOf")[-1].addnext(related)
    return etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")


def test_the_second_computation_reads_offsets_by_itself() -> None:
    """A guard on the guard: it must see what a wrong offset would do."""
    cda = DOCUMENTS[0].read_bytes()
    moment = datetime.strptime("20230209103000", "%Y%m%d%H%M%S")  # noqa: DTZ007 - compared as text
    assert recomputed(cda).slots["creationTime"] == (f"{moment:%Y%m%d%H%M}",)
