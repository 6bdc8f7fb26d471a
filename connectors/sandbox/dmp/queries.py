"""The registry's answers: TD3.1a (search), TD3.1b (reference of a document) and TD3.3c (deletion); DMP digest §1.5."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from connectors.sandbox import codes, ebrim
from connectors.sandbox.dmp import metadata
from connectors.sandbox.dmp.entries import write_entry
from connectors.sandbox.dmp.patients import DmpState, PatientDirectory
from connectors.sandbox.dmp.registry import EntryStatus, Registry, StoredDocument
from connectors.sandbox.dmp.rights import Transaction, is_author, may_know, may_read
from connectors.sandbox.dmp.stored_query import FIND_DOCUMENTS, QUERY, StoredQuery
from connectors.sandbox.dmp.verdict import METADATA, SUCCESS, RefusedError, refuse
from connectors.sandbox.dmp.vihf import Mode, Vihf

QUERY_ACTION: Final = "urn:ihe:iti:2007:RegistryStoredQuery"
QUERY_ANSWER: Final = "urn:ihe:iti:2007:RegistryStoredQueryResponse"
UPDATE_ACTION: Final = "urn:ihe:iti:2010:UpdateDocumentSet"
UPDATE_ANSWER: Final = "urn:ihe:iti:2010:UpdateDocumentSet-Response"
_UPDATE_STATUS: Final = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"
_ASSOCIATION_TYPE: Final = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"
_MOST: Final = 200
"""More documents than that are not given in LeafClass: the search must be narrowed."""

_PATIENT: Final = "$XDSDocumentEntryPatientId"
_STATUS: Final = "$XDSDocumentEntryStatus"
_UNIQUE_ID: Final = "$XDSDocumentEntryUniqueId"
_ENTRY_UUID: Final = "$XDSDocumentEntryEntryUUID"
_CODED: Final = {
    "$XDSDocumentEntryTypeCode": "typeCode",
    "$XDSDocumentEntryClassCode": "classCode",
    "$XDSDocumentEntryFormatCode": "formatCode",
    "$XDSDocumentEntryPracticeSettingCode": "practiceSettingCode",
    "$XDSDocumentEntryHealthcareFacilityTypeCode": "healthcareFacilityTypeCode",
    "$XDSDocumentEntryConfidentialityCode": "confidentialityCode",
    "$XDSDocumentEntryEventCodeList": "eventCodeList",
}
_RANGES: Final = {
    f"$XDSDocumentEntry{stem}{end}": (slot, end)
    for stem, slot in (
        ("CreationTime", "creationTime"),
        ("ServiceStartTime", "serviceStartTime"),
        ("ServiceStopTime", "serviceStopTime"),
    )
    for end in ("From", "To")
}
_KNOWN: Final = {_PATIENT, _STATUS, *_CODED, *_RANGES}


def transaction_of(query: StoredQuery) -> Transaction:
    """References of documents named by their uniqueId are TD3.1b; anything that lists or describes is TD3.1a."""
    return Transaction.FIND if query.leaf or query.id == FIND_DOCUMENTS else Transaction.REFERENCE


def answer_query(query: StoredQuery, registry: Registry, vihf: Vihf) -> str:
    """The `AdhocQueryResponse` of what this caller may know. Raises RefusedError."""
    found = _find(query, registry, vihf) if query.id == FIND_DOCUMENTS else _named(query, registry)
    allowed = may_read if transaction_of(query) is Transaction.FIND else _referable
    visible = [one for one in found if allowed(one, vihf)]
    if query.leaf and len(visible) > _MOST:
        raise refuse("XDSTooManyResults", f"plus de {_MOST} documents : préciser la recherche")
    if query.leaf:
        objects = "".join(write_entry(one) for one in visible)
    else:
        objects = "".join(f"<rim:ObjectRef id={quoteattr(one.entry_uuid)}/>" for one in visible)
    return (
        f'<query:AdhocQueryResponse xmlns:query="{QUERY}" xmlns:rim="{ebrim.RIM}" status="{SUCCESS}">'
        f"<rim:RegistryObjectList>{objects}</rim:RegistryObjectList></query:AdhocQueryResponse>"
    )


def _referable(document: StoredDocument, vihf: Vihf) -> bool:
    return may_know(document, vihf) or (vihf.mode is not Mode.INDIRECT and may_read(document, vihf))


def _named(query: StoredQuery, registry: Registry) -> list[StoredDocument]:
    """GetDocuments, by one of its two parameters."""
    unknown = set(query.slots) - {_UNIQUE_ID, _ENTRY_UUID}
    if unknown:
        raise refuse("XDSRegistryError", f"paramètre inconnu : {sorted(unknown)[0]}")
    unique_ids, entries = query.several(_UNIQUE_ID), query.several(_ENTRY_UUID)
    if bool(unique_ids) is bool(entries):
        raise refuse("XDSStoredQueryMissingParam", f"{_UNIQUE_ID} ou {_ENTRY_UUID}, et un seul des deux")
    found = [registry.get(one) for one in unique_ids] if unique_ids else [registry.by_entry(one) for one in entries]
    return [one for one in found if one is not None]


def _find(query: StoredQuery, registry: Registry, vihf: Vihf) -> list[StoredDocument]:
    """FindDocuments: every criterion given must hold (IHE ITI TF-2a §3.18.4.1.2.3.7.1)."""
    if unknown := set(query.slots) - _KNOWN:
        raise refuse("XDSRegistryError", f"paramètre inconnu : {sorted(unknown)[0]}")
    patient, states = query.single(_PATIENT), query.several(_STATUS)
    for name, value in ((_PATIENT, patient), (_STATUS, states)):
        if not value:
            raise refuse("XDSStoredQueryMissingParam", f"{name} absent")
    if patient != vihf.resource_id:
        raise refuse("XDSPatientIdDoesNotMatch", "patient demandé différent du resource-id du VIHF")
    found = [one for one in registry.documents(vihf.matricule) if one.status in states]
    return [one for one in found if _holds(query, ebrim.read_extrinsic_object(one.entry))]


def _holds(query: StoredQuery, entry: ebrim.RegistryObject) -> bool:
    for name, kind in _CODED.items():
        wanted = set(query.several(name))
        have = {f"{one.representation}^^{one.coding_scheme}" for one in entry.classified(codes.IHE_SCHEMES[kind])}
        if wanted and not wanted & have:
            return False
    for name, (slot, end) in _RANGES.items():
        bound, value = query.single(name).ljust(14, "0"), entry.slot(slot).ljust(14, "0")
        if query.single(name) and not (bound <= value if end == "From" else value < bound):
            return False
    return True


def write_query_refusal(refused: RefusedError) -> str:
    """An AdhocQueryResponse that carries the errors of a refusal."""
    listed = "".join(
        f"<rs:RegistryError errorCode={quoteattr(error.code)} codeContext={quoteattr(error.context)} "
        'severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/>'
        for error in refused.errors
    )
    return (
        f'<query:AdhocQueryResponse xmlns:query="{QUERY}" xmlns:rim="{ebrim.RIM}" '
        'xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" '
        'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure">'
        f"<rs:RegistryErrorList>{listed}</rs:RegistryErrorList><rim:RegistryObjectList/></query:AdhocQueryResponse>"
    )


def delete(
    body: etree._Element,
    registry: Registry,
    vihf: Vihf,
    patients: PatientDirectory,
    clock: Callable[[], datetime],
) -> StoredDocument:
    """Deletes one document of its author. Raises RefusedError."""
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
    _check_update(package, association)
    _check_open(patients.state(vihf.matricule))
    if registry.is_used(unique_id):
        raise refuse("XDSDuplicateUniqueIdInRegistry", "uniqueId de lot déjà utilisé", unique_id)
    document = registry.by_entry(association.target)
    if document is None or document.status is EntryStatus.DELETED:
        raise refuse("UnresolvedReferenceException", "entryUUID inconnu ou périmé")
    if association.slots.get("OriginalStatus") != (document.status,):
        raise refuse("XDSMetadataUpdateError", "OriginalStatus différent de celui du document")
    if not is_author(document, vihf):
        raise refuse("XDSRegistryError", "seul l'auteur peut supprimer ce document")
    if document.patient != vihf.matricule:
        raise refuse("XDSPatientIdDoesNotMatch", "document d'un autre patient")
    registry.set_status(document.unique_id, EntryStatus.DELETED)
    registry.use(unique_id)
    return document


def _check_update(package: ebrim.RegistryObject, association: ebrim.Association) -> None:
    if (association.type, association.source, association.object_type) != (
        _UPDATE_STATUS,
        package.id,
        _ASSOCIATION_TYPE,
    ):
        raise refuse("XDSMetadataUpdateError", "association UpdateAvailabilityStatus mal formée")
    if association.slots.get("NewStatus") != (EntryStatus.DELETED,):
        raise refuse("XDSMetadataUpdateOperationError", "seule la suppression est ouverte")
    if not _only(association.slots.get("OriginalStatus", ()), (EntryStatus.APPROVED, EntryStatus.DEPRECATED)):
        raise refuse("XDSMetadataUpdateError", "OriginalStatus absent ou inconnu")


def _check_open(state: DmpState) -> None:
    """Deleting needs an active DMP, as feeding does (DMP digest §1.2)."""
    if state is DmpState.ABSENT:
        raise refuse("XDSUnknownPatientId", "aucun DMP pour ce patient")
    if state is DmpState.CLOSED:
        raise refuse("DMPClosed", "le DMP de ce patient est fermé")


def _only(values: Iterable[str], allowed: Iterable[str]) -> bool:
    listed = tuple(values)
    return len(listed) == 1 and listed[0] in set(allowed)
