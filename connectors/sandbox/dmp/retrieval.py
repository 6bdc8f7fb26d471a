"""TD3.2: gives documents, byte for byte (IHE ITI-43; DMP digest §1.5)."""

from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

from connectors.sandbox.dmp.entries import REPOSITORY
from connectors.sandbox.dmp.mtom import Part
from connectors.sandbox.dmp.registry import Registry, StoredDocument
from connectors.sandbox.dmp.rights import may_read
from connectors.sandbox.dmp.soap import SoapFaultError
from connectors.sandbox.dmp.verdict import RegistryError, refuse, write_response
from connectors.sandbox.dmp.vihf import Vihf
from connectors.sandbox.ebrim import read_extrinsic_object

ACTION: Final = "urn:ihe:iti:2007:RetrieveDocumentSet"
ANSWER_ACTION: Final = "urn:ihe:iti:2007:RetrieveDocumentSetResponse"
_XDSB: Final = "urn:ihe:iti:xds-b:2007"
_XOP: Final = "http://www.w3.org/2004/08/xop/include"
_NS: Final = {"xdsb": _XDSB}


def retrieve(body: etree._Element, registry: Registry, vihf: Vihf) -> tuple[str, tuple[Part, ...]]:
    """The answer and the documents that travel beside it. Raises RefusedError, or SoapFaultError for an entryUUID."""
    requests = body.findall("xdsb:DocumentRequest", _NS)
    if body.tag != f"{{{_XDSB}}}RetrieveDocumentSetRequest" or not requests:
        raise refuse("XDSRepositoryError", "RetrieveDocumentSetRequest avec au moins un DocumentRequest attendu")
    documents = tuple(_asked(request, registry, vihf) for request in requests)
    parts = tuple(
        Part("text/xml", f"document{number}@dmp.sandbox", "binary", document.content)
        for number, document in enumerate(documents, 1)
    )
    given = "".join(_given(document, part) for document, part in zip(documents, parts, strict=True))
    return _wrap(write_response(), given), parts


def write_refusal(errors: tuple[RegistryError, ...]) -> str:
    """A RetrieveDocumentSetResponse without any document."""
    return _wrap(write_response(errors), "")


def _asked(request: etree._Element, registry: Registry, vihf: Vihf) -> StoredDocument:
    repository = request.findtext("xdsb:RepositoryUniqueId", "", _NS).strip()
    unique_id = request.findtext("xdsb:DocumentUniqueId", "", _NS).strip()
    if unique_id.startswith("urn:uuid:"):
        raise SoapFaultError("XDSDocumentUniqueIdError", "DocumentUniqueId est un uniqueId, pas un entryUUID")
    if repository != REPOSITORY:
        raise refuse("XDSUnknownRepositoryId", "RepositoryUniqueId inconnu", repository)
    document = registry.get(unique_id)
    if document is None or not may_read(document, vihf):
        # The same answer whether it exists or not: a masked document does not show itself.
        raise refuse("XDSDocumentUniqueIdError", "document inconnu, ou non consultable", unique_id)
    return document


def _given(document: StoredDocument, part: Part) -> str:
    mime_type = read_extrinsic_object(document.entry).attributes.get("mimeType", "text/xml")
    return (
        f"<xdsb:DocumentResponse><xdsb:RepositoryUniqueId>{REPOSITORY}</xdsb:RepositoryUniqueId>"
        f"<xdsb:DocumentUniqueId>{escape(document.unique_id)}</xdsb:DocumentUniqueId>"
        f"<xdsb:mimeType>{escape(mime_type)}</xdsb:mimeType>"
        f'<xdsb:Document><xop:Include xmlns:xop="{_XOP}" href="cid:{part.content_id}"/></xdsb:Document>'
        "</xdsb:DocumentResponse>"
    )


def _wrap(response: str, documents: str) -> str:
    return (
        f'<xdsb:RetrieveDocumentSetResponse xmlns:xdsb="{_XDSB}">{response}{documents}'
        "</xdsb:RetrieveDocumentSetResponse>"
    )
