"""TD3.1b (reference of a document, ITI-18) and TD3.3c (deletion, ITI-57); DMP digest §1.5."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from connectors.sandbox import codes, ebrim
from connectors.sandbox.dmp import metadata
from connectors.sandbox.dmp.registry import EntryStatus, Registry, StoredDocument
from connectors.sandbox.dmp.verdict import METADATA, SUCCESS, RefusedError, refuse
from connectors.sandbox.dmp.vihf import Vihf

QUERY_ACTION: Final = "urn:ihe:iti:2007:RegistryStoredQuery"
QUERY_ANSWER: Final = "urn:ihe:iti:2007:RegistryStoredQueryResponse"
UPDATE_ACTION: Final = "urn:ihe:iti:2010:UpdateDocumentSet"
UPDATE_ANSWER: Final = "urn:ihe:iti:2010:UpdateDocumentSet-Response"
_QUERY: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
_NS: Final = {"query": _QUERY, "rim": ebrim.RIM}
_GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
_IDENTIFIERS: Final = re.compile(r"^\('([^']+)'(?:,'([^']+)')*\)$")
_UPDATE_STATUS: Final = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"
_ASSOCIATION_TYPE: Final = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"


def find_references(body: etree._Element, registry: Registry, vihf: Vihf) -> str:
    """Answers GetDocuments in ObjectRef with the entryUUID of documents still in vigour. Raises RefusedError."""
    if body.tag != f"{{{_QUERY}}}AdhocQueryRequest":
        raise refuse("XDSRegistryError", "AdhocQueryRequest attendu")
    option = body.find("query:ResponseOption", _NS)
    query = body.find("rim:AdhocQuery", _NS)
    if query is None or query.get("id") != _GET_DOCUMENTS:
        raise refuse("XDSUnknownStoredQuery", "seule GetDocuments est ouverte à l'authentification indirecte")
    if option is None or option.get("returnType") != "ObjectRef":
        # TD3.1a is closed to indirect authentication (DMP digest §1.2): only references may be asked for.
        raise refuse("XDSRegistryError", "returnType ObjectRef attendu")
    values = [
        value.text or ""
        for value in query.findall("rim:Slot[@name='$XDSDocumentEntryUniqueId']/rim:ValueList/rim:Value", _NS)
    ]
    if not values:
        raise refuse("XDSStoredQueryMissingParam", "$XDSDocumentEntryUniqueId absent")
    if any(_IDENTIFIERS.match(value) is None for value in values):
        raise refuse("XDSStoredQueryParamNumber", "$XDSDocumentEntryUniqueId : liste ('OID') attendue")
    wanted = [unique_id for value in values for unique_id in re.findall(r"'([^']+)'", value)]
    found = [document for unique_id in wanted if (document := registry.get(unique_id)) is not None]
    visible = [one for one in found if _is_visible(one, vihf)]
    references = "".join(f"<rim:ObjectRef id={quoteattr(one.entry_uuid)}/>" for one in visible)
    return (
        f'<query:AdhocQueryResponse xmlns:query="{_QUERY}" xmlns:rim="{ebrim.RIM}" status="{SUCCESS}">'
        f"<rim:RegistryObjectList>{references}</rim:RegistryObjectList></query:AdhocQueryResponse>"
    )


def write_query_refusal(refused: RefusedError) -> str:
    """An AdhocQueryResponse that carries the errors of a refusal."""
    listed = "".join(
        f"<rs:RegistryError errorCode={quoteattr(error.code)} codeContext={quoteattr(error.context)} "
        'severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/>'
        for error in refused.errors
    )
    return (
        f'<query:AdhocQueryResponse xmlns:query="{_QUERY}" xmlns:rim="{ebrim.RIM}" '
        'xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" '
        'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure">'
        f"<rs:RegistryErrorList>{listed}</rs:RegistryErrorList><rim:RegistryObjectList/></query:AdhocQueryResponse>"
    )


def delete(body: etree._Element, registry: Registry, vihf: Vihf, clock: Callable[[], datetime]) -> StoredDocument:
    """Deletes one document of the structure of the VIHF. Raises RefusedError."""
    try:
        objects = ebrim.read_submit_objects(body)
        if len(objects.packages) != 1 or objects.documents or len(objects.associations) != 1:
            raise refuse("XDSMetadataUpdateError", "un RegistryPackage et une Association attendus, rien d'autre")
        package, association = objects.packages[0], objects.associations[0]
        errors = list(metadata.check_submission_set(package, vihf.resource_id, vihf.structure, clock()))
        unique_id = package.identifier(codes.SUBMISSION_SCHEMES["uniqueId"])
    except ebrim.MalformedRegistryError as malformed:
        raise refuse(METADATA, str(malformed)) from None
    if errors:
        raise RefusedError(errors)
    if (association.type, association.source, association.object_type) != (
        _UPDATE_STATUS,
        package.id,
        _ASSOCIATION_TYPE,
    ):
        raise refuse("XDSMetadataUpdateError", "association UpdateAvailabilityStatus mal formée")
    if association.slots.get("NewStatus") != (EntryStatus.DELETED,):
        raise refuse(
            "XDSMetadataUpdateOperationError", "seule la suppression est ouverte à l'authentification indirecte"
        )
    if association.slots.get("OriginalStatus") != (EntryStatus.APPROVED,):
        raise refuse("XDSMetadataUpdateError", "OriginalStatus différent de celui du document")
    if registry.is_used(unique_id):
        raise refuse("XDSDuplicateUniqueIdInRegistry", "uniqueId de lot déjà utilisé", unique_id)
    document = registry.by_entry(association.target)
    if document is None or document.status is not EntryStatus.APPROVED:
        raise refuse("UnresolvedReferenceException", "entryUUID inconnu ou périmé")
    if document.structure != vihf.structure:
        raise refuse("XDSRegistryError", "seule la structure auteur peut supprimer ce document")
    if document.patient != vihf.resource_id.partition("^")[0]:
        raise refuse("XDSPatientIdDoesNotMatch", "document d'un autre patient")
    registry.set_status(document.unique_id, EntryStatus.DELETED)
    registry.use(unique_id)
    return document


def _is_visible(document: StoredDocument, vihf: Vihf) -> bool:
    return (
        document.status is not EntryStatus.DELETED
        and document.structure == vihf.structure
        and document.patient == vihf.resource_id.partition("^")[0]
    )
