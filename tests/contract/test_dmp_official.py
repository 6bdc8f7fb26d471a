"""Every official document lives in the strict sandbox DMP, over real TLS: fed, replaced, deleted; or we refuse it
before anything leaves, for the reason that the published tables give."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
from lxml import etree

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.dmp.registry import EntryStatus, StoredDocument
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, DeliveryIds, Outcome, OutcomeKind
from pfi.model.document import Document
from pfi.model.submission import Request
from pfi.standards.cda.header import read_header
from tests.acceptance.metadata_recomputed import recomputed, refusals, written
from tests.contract.dmp_documents import next_version, of_a_test_identity
from tests.contract.dmp_peer import settled
from tests.official import needs_official_samples, official_documents
from tests.unit.dmp.given import SENDER, delivery

# One loop for the module: its sandboxes and their connections serve many documents.
pytestmark = [needs_official_samples, pytest.mark.asyncio(loop_scope="module")]

DOCUMENTS = {path.stem: of_a_test_identity(path.read_bytes()) for path in official_documents()}
TAKEN = {name: content for name, content in DOCUMENTS.items() if not refusals(content)}
NOT_TAKEN = {name: content for name, content in DOCUMENTS.items() if name not in TAKEN}


@dataclass
class Neighbours:
    """A sandbox, and a connector open to it. `held`: the ids, and the sets of versions, that its DMP has seen."""

    sandbox: Sandbox
    connector: DmpConnector
    ids: IdSource = field(default_factory=IdSource)
    held: set[object] = field(default_factory=set)

    def delivery(self, request: Request, content: bytes) -> Delivery:
        """A delivery by the establishment of the sandbox, for the patient that the document names."""
        document = Document(content, read_header(content))
        ins = document.header.patient.ins
        if ins is not None:
            self.sandbox.dmp.put_patient(ins.matricule, DmpState.ACTIVE)
        structure = self.sandbox.configuration()["dmp"]["structure"]["identifier"]
        assert SENDER.organization is not None
        return delivery(
            request=request,
            documents=(document,),
            patient=document.header.patient,
            sender=replace(SENDER, organization=replace(SENDER.organization, identifier=structure)),
            ids=DeliveryIds(self.ids.oid(), self.ids.oid(), "m", "e", "c"),
            created_at=system_clock(),
        )

    async def send(self, request: Request, content: bytes) -> Outcome:
        return await self.connector.send(self.delivery(request, content))

    def of_dmp(self, unique_id: str) -> StoredDocument:
        """What the DMP holds under this uniqueId."""
        (found,) = (one for one in self.sandbox.dmp.documents() if one.unique_id == unique_id)
        return found


class Street:
    """As many sandboxes as it takes: samples that are versions of one another do not meet in one DMP."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._houses: list[Neighbours] = []

    async def house(self, content: bytes = b"") -> Neighbours:
        """The first one that has not seen the document nor another version of it."""
        header = read_header(content) if content else None
        seen = {header.document_id, (header.patient.ins, header.set_id)} if header is not None else set()
        house = next((one for one in self._houses if not seen & one.held), None)
        if house is None:
            house = await self._built()
        house.held |= seen
        return house

    async def _built(self) -> Neighbours:
        place = self._folder / str(len(self._houses))
        if self._houses:
            shutil.copytree(self._folder / "0" / "certificates", place / "certificates")
        sandbox = await self._stack.enter_async_context(Sandbox(place))
        settings = DmpSettings.model_validate(sandbox.configuration()["dmp"])
        connector = DmpConnector(settings, Surroundings(system_clock, IdSource(), "PFI", "1.0"))
        await connector.open()
        self._stack.push_async_callback(connector.close)
        self._houses.append(Neighbours(sandbox, connector))
        return self._houses[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(settled)
        yield Street(tmp_path_factory.mktemp("street"), stack)


def assert_holds(kept: StoredDocument, content: bytes, status: EntryStatus, replaced: str = "") -> None:
    """The DMP has these very bytes under the metadata that the digest gives to them, in this state."""
    assert kept.path.read_bytes() == content
    assert written(etree.fromstring(kept.entry), "Document01") == recomputed(content)
    assert (kept.status, kept.replaces) == (status, replaced)


@pytest.mark.parametrize("first", TAKEN.values(), ids=TAKEN)
async def test_a_document_is_accepted_replaced_and_deleted(street: Street, first: bytes) -> None:
    house = await street.house(first)
    first_id, second_id = read_header(first).document_id.root, house.ids.oid()
    second = next_version(first, second_id)

    fed = await house.send(Request.INITIAL, first)
    assert fed.kind is OutcomeKind.DELIVERED, (fed.code, fed.text)
    assert_holds(house.of_dmp(first_id), first, EntryStatus.APPROVED)

    replaced = await house.send(Request.REPLACE, second)
    assert replaced.kind is OutcomeKind.DELIVERED, (replaced.code, replaced.text)
    assert_holds(house.of_dmp(first_id), first, EntryStatus.DEPRECATED)
    assert_holds(house.of_dmp(second_id), second, EntryStatus.APPROVED, first_id)
    assert house.of_dmp(second_id).version == (house.of_dmp(first_id).version or 0) + 1

    deleted = await house.send(Request.DELETE, second)
    assert deleted.kind is OutcomeKind.DELIVERED, (deleted.code, deleted.text)
    assert_holds(house.of_dmp(first_id), first, EntryStatus.DEPRECATED)
    assert_holds(house.of_dmp(second_id), second, EntryStatus.DELETED, first_id)


async def assert_refused_before_the_network(house: Neighbours, content: bytes, code: str) -> None:
    before = len(house.sandbox.dmp.calls)
    for request in (Request.INITIAL, Request.REPLACE):
        outcome = await house.send(request, content)
        assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, code)
        assert outcome.text
    assert len(house.sandbox.dmp.calls) == before


@pytest.mark.skipif(not NOT_TAKEN, reason="the DMP takes every official document found here")
@pytest.mark.parametrize("content", NOT_TAKEN.values(), ids=NOT_TAKEN)
async def test_a_document_that_the_dmp_does_not_take_is_refused_before_the_network(
    street: Street, content: bytes
) -> None:
    await assert_refused_before_the_network(await street.house(), next_version(content, "1.2.3"), refusals(content)[0])


def without(cda: etree._Element, path: str) -> None:
    element = _found(cda, path)
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def _found(cda: etree._Element, path: str) -> etree._Element:
    element = cda.find("/".join(f"{{urn:hl7-org:v3}}{name}" for name in path.split("/")))
    assert element is not None, path
    return element


FACILITY = "componentOf/encompassingEncounter/location/healthCareFacility/code"
SETTING = "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization/standardIndustryClassCode"
VOLET = "templateId[@root='1.2.250.1.213.1.1.1.29']"

CHANGES: dict[str, tuple[str, dict[str, str]]] = {
    "DMP_INS_NOT_QUALIFIED": ("recordTarget/patientRole/id", {"root": "1.2.250.1.999.2"}),
    "DMP_INS_ENVIRONMENT": ("recordTarget/patientRole/id", {"root": "1.2.250.1.213.1.4.8"}),
    "DMP_ID_EXTENSION": ("id", {"extension": "7"}),
    "DMP_ID_NOT_OID": ("id", {"root": "1.2.0250.1"}),
    "DMP_TYPE_NOT_ACCEPTED": ("code", {"code": "51851-4"}),
    "DMP_CONFIDENTIALITY": ("confidentialityCode", {"code": "R"}),
    "DMP_LANGUAGE": ("languageCode", {"code": "en-US"}),
    "DMP_FORMAT_NOT_ACCEPTED": (VOLET, {"root": "1.2.250.1.213.1.1.1.58"}),
    "DMP_FACILITY_NOT_ACCEPTED": (FACILITY, {"code": "SA"}),
    "DMP_PRACTICE_SETTING_NOT_ACCEPTED": (SETTING, {"code": "ERREUR"}),
    "XDS_CLASS_CODE_MISSING": ("code", {"code": "101881-1"}),
}
"""Refusal, and what to change for it in a document that the DMP takes."""

REMOVED = {
    "XDS_LEGAL_AUTHENTICATOR_MISSING": "legalAuthenticator",
    "XDS_CREATION_TIME_MISSING": "effectiveTime",
    "XDS_HEALTHCARE_FACILITY_TYPE_CODE_MISSING": FACILITY,
    "XDS_LANGUAGE_CODE_MISSING": "languageCode",
    "XDS_PRACTICE_SETTING_CODE_MISSING": SETTING,
    "XDS_TITLE_MISSING": "title",
}
"""Refusal, and the element whose absence earns it."""


def letter() -> etree._Element:
    """The official discharge letter, that replaces something so that it may also be a replacement."""
    return etree.fromstring(next_version(DOCUMENTS["LDL-SES_2022.01"], "1.2.250.1.999.1.9"))


@pytest.mark.parametrize("code", CHANGES)
async def test_what_the_dmp_does_not_take_is_refused_before_the_network(street: Street, code: str) -> None:
    cda = letter()
    path, attributes = CHANGES[code]
    changed = _found(cda, path)
    for name, value in attributes.items():
        changed.set(name, value)
    content = etree.tostring(cda)
    assert refusals(content)[0] == code
    await assert_refused_before_the_network(await street.house(), content, code)


@pytest.mark.parametrize("code", REMOVED)
async def test_a_document_without_a_required_metadata_is_refused_before_the_network(street: Street, code: str) -> None:
    cda = letter()
    without(cda, REMOVED[code])
    content = etree.tostring(cda)
    assert refusals(content)[0] == code
    await assert_refused_before_the_network(await street.house(), content, code)
