"""TD2.1: a lot with its documents, its metadata and its signature (ITI-41; DMP digest §2.4 and §2.5)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from connectors.dmp.caller import Caller
from connectors.dmp.checks import check_document, check_entry
from connectors.dmp.settings import DmpSettings
from connectors.dmp.wire import Wire, WireRequest
from pfi.model.delivery import Delivery, Outcome
from pfi.model.document import CodedValue, Document
from pfi.standards import nomenclature
from pfi.standards.soap.envelope import XOP
from pfi.standards.soap.mtom import Part
from pfi.standards.x509.identity import CertifiedKey
from pfi.standards.xds.datatypes import utc_text, xcn
from pfi.standards.xds.ebrim import write_submit_objects
from pfi.standards.xds.mapping import author_entry, document_entry, submission_set
from pfi.standards.xds.metadata import Association, AssociationType, DocumentEntry, SubmissionSet
from pfi.standards.xmlsign.lot import PURPOSE, sign_lot

ACTION: Final = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
XDSB: Final = "urn:ihe:iti:xds-b:2007"

LOT_ID: Final = "SubmissionSet01"
SIGNATURE_ID: Final = "Signature01"
_ORIGINAL: Final = (("SubmissionSetStatus", "Original"),)


@dataclass(frozen=True, slots=True)
class Lot:
    """The metadata of a feed, and the documents they describe in the same order."""

    submission_set: SubmissionSet
    entries: tuple[DocumentEntry, ...]
    documents: tuple[Document, ...]
    associations: tuple[Association, ...]
    warnings: tuple[str, ...]


def describe(
    delivery: Delivery,
    caller: Caller,
    settings: DmpSettings,
    *,
    resource_id: str,
    replaced: Mapping[str, str],
) -> Lot | Outcome:
    """Metadata of the lot, or the refusal of a document that the DMP cannot take.

    `replaced`: entryUUID of the document that each document (by uniqueId) replaces.
    """
    entries: list[DocumentEntry] = []
    associations: list[Association] = []
    for position, document in enumerate(delivery.documents, 1):
        refusal = check_document(document, delivery, settings)
        if refusal is not None:
            return refusal
        entry = document_entry(
            document, entry_id=f"Document{position:02d}", patient_id=resource_id, orders=delivery.orders
        )
        if entry.class_code is None:
            entry = replace(entry, class_code=_configured_class(document, settings))
        refusal = check_entry(entry, settings)
        if refusal is not None:
            return refusal
        entries.append(entry)
        parent = replaced.get(document.unique_id)
        if parent is not None:
            associations.append(Association(AssociationType.REPLACES, entry.entry_id, parent))
    warnings = dict.fromkeys(finding.code for entry in entries for finding in entry.findings)
    return Lot(
        submission_set=lot_metadata(delivery, caller, settings, resource_id=resource_id),
        entries=tuple(entries),
        documents=delivery.documents,
        associations=tuple(associations),
        warnings=tuple(warnings),
    )


def lot_metadata(delivery: Delivery, caller: Caller, settings: DmpSettings, *, resource_id: str) -> SubmissionSet:
    """The submission set: the same over every attempt of the delivery."""
    return submission_set(
        entry_id=LOT_ID,
        unique_id=delivery.ids.submission_set,
        source_id=settings.source_oid,
        patient_id=resource_id,
        submitted_at=delivery.created_at,
        patient_class=delivery.stay.patient_class,
        sender=caller.author,
        default_content_type=settings.default_content_type,
    )


def feed_request(
    lot: Lot,
    delivery: Delivery,
    caller: Caller,
    settings: DmpSettings,
    *,
    wire: Wire,
    key: CertifiedKey,
    now: datetime,
) -> WireRequest:
    """The TD2.1 request. Documents travel byte for byte as received; the signature is one more document."""
    signature = sign_lot(
        delivery.ids.submission_set,
        [(document.unique_id, document.content) for document in lot.documents],
        key,
        signed_at=now,
        digest=settings.signing.lot_digest,
        with_chain=settings.signing.lot_chain,
    )
    described = signature_entry(lot, caller, delivery.ids.signature, signature, now)
    metadata = write_submit_objects(
        lot.submission_set,
        (*lot.entries, described),
        associations=(
            Association(AssociationType.SIGNS, SIGNATURE_ID, LOT_ID, _ORIGINAL),
            *lot.associations,
        ),
        marker_inside=True,
    )
    parts = [
        Part(f"{entry.entry_id}@pfi", document.content)
        for entry, document in zip(lot.entries, lot.documents, strict=True)
    ]
    parts.append(Part(f"{SIGNATURE_ID}@pfi", signature))
    return wire.mtom(
        settings.urls.repository,
        ACTION,
        caller,
        lot.submission_set.patient_id,
        _body(metadata, (*lot.entries, described)),
        parts,
        secret=bool(delivery.orders.connexion_secrete),
    )


def signature_entry(lot: Lot, caller: Caller, unique_id: str, content: bytes, now: datetime) -> DocumentEntry:
    """Metadata of the lot's signature (DMP digest §2.5): the only object that may be masked and invisible at once."""
    first = lot.entries[0]
    author = author_entry(caller.author)
    moment = utc_text(now)
    hidden = ("N", "MASQUE_PS", "INVISIBLE_PATIENT")
    return DocumentEntry(
        entry_id=SIGNATURE_ID,
        mime_type="text/xml",
        unique_id=unique_id,
        patient_id=first.patient_id,
        title="Source",
        authors=(author,) if author else (),
        legal_authenticator=xcn(caller.author),
        class_code=CodedValue("urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1", "Digital Signature", "URN"),
        type_code=CodedValue("E1762", "Full Document", "ASTM"),
        format_code=CodedValue("http://www.w3.org/2000/09/xmldsig#", "Default Signature Style", "URN"),
        event_codes=(CodedValue(PURPOSE, "Source", "1.2.840.10065.1.12"),),
        confidentiality_codes=tuple(
            code for value in hidden if (code := nomenclature.confidentiality_code(value)) is not None
        ),
        facility_type=first.facility_type,
        practice_setting=first.practice_setting,
        creation_time=moment,
        service_start_time=moment,
        service_stop_time=moment,
        language="art",
        source_patient_id=first.patient_id,
        source_patient_info=first.source_patient_info,
        hash=hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        size=len(content),
    )


def _configured_class(document: Document, settings: DmpSettings) -> CodedValue | None:
    code = settings.class_codes.get(document.header.code.code)
    return nomenclature.class_label(code) if code else None


def _body(metadata: bytes, entries: Sequence[DocumentEntry]) -> bytes:
    included = "".join(
        f'<xdsb:Document id="{entry.entry_id}"><xop:Include xmlns:xop="{XOP}" href="cid:{entry.entry_id}@pfi"/>'
        "</xdsb:Document>"
        for entry in entries
    )
    return b"".join(
        (
            f'<xdsb:ProvideAndRegisterDocumentSetRequest xmlns:xdsb="{XDSB}">'.encode(),
            metadata,
            included.encode(),
            b"</xdsb:ProvideAndRegisterDocumentSetRequest>",
        )
    )
